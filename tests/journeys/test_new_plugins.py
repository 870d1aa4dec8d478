"""A plug-in begins with one command, passes every check as it is, and is found: inside the repository as one folder and
nothing else, elsewhere as a package that is installed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
WHATS = ("source", "channel")

pytestmark = pytest.mark.journey


def run(*command: str | Path, at: Path, path: str = "", fails: bool = False) -> str:
    """What a command printed."""
    ours = ("TOCSIN_", "DATABASE_URL", "DJANGO_", "PYTEST_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    environment |= {"PYTHONPATH": path, "COLUMNS": "200", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run([*map(str, command)], cwd=at, env=environment, capture_output=True, text=True, timeout=300)
    assert bool(done.returncode) == fails, f"{command} at {at}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


def listed(what: str, at: Path, path: str) -> list[str]:
    """The plug-ins that a program finds."""
    code = f"from tocsin.platform import plugins; print(*plugins.load('tocsin.{what}s'))"
    return run(sys.executable, "-c", code, at=at, path=path).split()


@pytest.mark.parametrize("what", WHATS)
def test_a_package_of_ones_own(what: str, tmp_path: Path) -> None:
    said = run(BIN / "tocsin", "new", what, "my-tool", "--label", "My Tool 3000", at=tmp_path)
    package = tmp_path / f"tocsin-{what}-my-tool"
    assert str(package) in said
    run(BIN / "ruff", "check", "--no-cache", ".", at=package)
    run(BIN / "ruff", "format", "--no-cache", "--check", ".", at=package)
    run(BIN / "mypy", "--cache-dir", tmp_path / "mypy", "src", at=package)
    # installed beside Tocsin: into a folder on the path, so that the tests' own environment stays as it is
    site = tmp_path / "site"
    install = ("-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--no-index", "--target", site, ".")
    run(sys.executable, *install, at=package)
    assert "my-tool" in listed(what, tmp_path, str(site))
    assert " passed" in run(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", at=package, path=str(site))
    assert "there already" in run(BIN / "tocsin", "new", what, "my-tool", at=tmp_path, fails=True)
    again = run(
        BIN / "tocsin", "new", what, "my-tool", "--into", tmp_path / "x", at=tmp_path, path=str(site), fails=True
    )
    assert f"There is a {what} called my-tool already." in again


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository's code and checks."""
    folder = tmp_path_factory.mktemp("copy")
    (folder / "src").mkdir()
    left_out = shutil.ignore_patterns("__pycache__", "node_modules", "dist")
    shutil.copytree(ROOT / "src" / "tocsin", folder / "src" / "tocsin", ignore=left_out)
    shutil.copytree(ROOT / "tests", folder / "tests", ignore=left_out)
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


@pytest.mark.parametrize("what", WHATS)
def test_a_folder_in_the_repository(what: str, copy: Path) -> None:
    path = str(copy / "src")
    before = {file for file in copy.rglob("*") if file.is_file()}
    said = run(sys.executable, "-m", "tocsin", "new", what, "brand-new", at=copy / "src", path=path)
    rooms = {"source": "intake/sources", "channel": "delivery/channels"}
    folder = copy / "src" / "tocsin" / rooms[what] / "brand_new"
    assert str(folder) in said
    made = {file for file in copy.rglob("*") if file.is_file()} - before
    assert made
    assert all(file.is_relative_to(folder) for file in made), "one folder, and nothing else"
    assert "brand-new" in listed(what, copy, path)
    run(BIN / "ruff", "check", "--no-cache", folder, at=copy)
    run(BIN / "ruff", "format", "--no-cache", "--check", folder, at=copy)
    suite = (folder, f"tests/contracts/test_{what}s.py", "-k", "brand-new or brand_new")
    said = run(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *suite, at=copy, path=path)
    assert " passed" in said
    assert "failed" not in said


@pytest.mark.parametrize("name", ["My-Tool", "1tool", "a--b", "-a", "a_b", "a" * 39, "class", "generic", ""])
def test_names_that_cannot_be(name: str, tmp_path: Path) -> None:
    assert run(BIN / "tocsin", "new", "source", "--", name, at=tmp_path, fails=True).strip()
    assert list(tmp_path.iterdir()) == []


def test_labels_that_cannot_be(tmp_path: Path) -> None:
    said = run(BIN / "tocsin", "new", "channel", "x", "--label", 'a"b', at=tmp_path, fails=True)
    assert "A label has at most 60 characters" in said
