"""What is inside the wheel: everything that runs, nothing that does not."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Names of the files in a wheel of this tree, built without network: the assets must have been built before."""
    assert (ROOT / "src/tocsin/web/static/dist/manifest.json").exists(), "run `make assets`"
    tree, out = tmp_path_factory.mktemp("tree"), tmp_path_factory.mktemp("wheel")
    for name in ("pyproject.toml", "hatch_build.py", "README.md", "LICENSE", "CHANGELOG.md", ".gitignore"):
        shutil.copy(ROOT / name, tree / name)
    shutil.copytree(ROOT / "src", tree / "src", ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", out], cwd=tree, check=True)
    [wheel] = out.glob("*.whl")
    return zipfile.ZipFile(wheel).namelist()


def test_assets_are_inside(names: list[str]) -> None:
    dist = [name.rpartition("/")[2] for name in names if name.startswith("tocsin/web/static/dist/")]
    assert "manifest.json" in dist
    for kind in (".css", ".js", ".svg", ".woff2", ".png"):
        assert any(name.endswith(kind) for name in dist), kind


@pytest.mark.parametrize(
    "pattern", ["*/templates/**/*.html", "*/migrations/0*.py", "**/guide.md", "py.typed", "cli/skeletons/**/*.txt"]
)
def test_what_runs_is_inside(names: list[str], pattern: str) -> None:
    wanted = {str(path.relative_to(ROOT / "src")) for path in (ROOT / "src" / "tocsin").glob(pattern)}
    assert wanted
    assert wanted - set(names) == set()


def test_tests_stay_outside(names: list[str]) -> None:
    assert [name for name in names if "/tests/" in name] == []


def test_entry_points_are_declared(names: list[str]) -> None:
    assert any(name.endswith(".dist-info/entry_points.txt") for name in names)
    assert any(name.endswith("licenses/LICENSE") for name in names)
