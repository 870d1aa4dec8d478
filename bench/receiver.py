"""The receiver of pages, in a process of its own (``bench.sink``): started, asked, forgotten and stopped."""

import json
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

from bench.peers import answers, free_port, wait_for

ROOT = Path(__file__).resolve().parent.parent


class Receiver:
    """The far end of pages, on a port of its own. Starts at once."""

    def __init__(self) -> None:
        self.port = free_port()
        self.process = subprocess.Popen([sys.executable, "-m", "bench.sink", str(self.port)], cwd=ROOT)

    def wait(self) -> None:
        """Until it answers. Raises TimeoutError."""
        wait_for("the sink", lambda: answers(f"http://127.0.0.1:{self.port}/wait?count=0&seconds=0"))

    def seen(self, count: int, seconds: float) -> dict[str, Any]:
        """What came, once so many keys have been seen or after so many seconds."""
        url = f"http://127.0.0.1:{self.port}/wait?count={count}&seconds={seconds}"
        with urllib.request.urlopen(url, timeout=seconds + 30) as answer:
            told: dict[str, Any] = json.load(answer)
            return told

    def forget(self) -> None:
        """Begin anew."""
        asked = urllib.request.Request(f"http://127.0.0.1:{self.port}/", method="DELETE")
        urllib.request.urlopen(asked, timeout=30).close()

    def stop(self) -> None:
        """It ends."""
        self.process.terminate()
        self.process.wait()
