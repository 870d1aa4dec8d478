"""Text to speech by a command of the operator's, and the recording as a telephone plays it."""

import array
import asyncio
import contextlib
import shlex
import shutil
import sys
import tempfile
from pathlib import Path

RATE = 8000  # a telephone's; Asterisk plays .wav files of this rate only
LONGEST_S = 20.0  # that the command may take
DEFAULT = "espeak-ng --stdin --stdout -s 150"


class Unspoken(Exception):
    """The command made no speech of a text; the message says why."""


def telephone(wav: bytes) -> bytes:
    """A WAV of any rate, 16 bits, as one of 8000 samples a second, mono. Raises ValueError when it is none.

    The length that stands in the head is not believed: who writes to a pipe does not know it beforehand.
    """
    if wav[:4] != b"RIFF" or wav[8:12] != b"WAVE":
        raise ValueError("it is no WAV")
    at, form = 12, b""
    while at + 8 <= len(wav):
        name, size = wav[at : at + 4], int.from_bytes(wav[at + 4 : at + 8], "little")
        if name == b"data":
            break
        if name == b"fmt ":
            form = wav[at + 8 : at + 8 + size]
        at += 8 + size + size % 2
    else:
        raise ValueError("it has no sound in it")
    if len(form) < 16 or form[14:16] != b"\x10\x00" or form[:2] not in (b"\x01\x00", b"\xfe\xff"):
        raise ValueError("it is not of 16 bits")
    channels, rate = int.from_bytes(form[2:4], "little"), int.from_bytes(form[4:8], "little")
    if not 1 <= channels <= 8 or not 4000 <= rate <= 192_000:
        raise ValueError("nobody could hear it")
    data = wav[at + 8 : at + 8 + size]
    samples = array.array("h", data[: len(data) // 2 * 2])
    if sys.byteorder == "big":
        samples.byteswap()
    made = _resampled(samples[::channels], rate)
    if sys.byteorder == "big":
        made.byteswap()
    return head(len(made)) + made.tobytes()


def _resampled(samples: "array.array[int]", rate: int) -> "array.array[int]":
    """Each new sample is the mean of those that fall into its time: plain, and enough for a telephone's band."""
    count = len(samples) * RATE // rate
    made = array.array("h", bytes(2 * count))
    for at in range(count):
        begin = at * rate // RATE
        end = max(begin + 1, (at + 1) * rate // RATE)
        made[at] = sum(samples[begin:end]) // (end - begin)
    return made


def head(count: int) -> bytes:
    """The 44 octets before this many samples of 16 bits, mono, 8000 a second."""
    size = (2 * count).to_bytes(4, "little")
    form = b"\x10\0\0\0\1\0\1\0" + RATE.to_bytes(4, "little") + (2 * RATE).to_bytes(4, "little") + b"\2\0\x10\0"
    return b"RIFF" + (36 + 2 * count).to_bytes(4, "little") + b"WAVEfmt " + form + b"data" + size


class Speech:
    """The command: it reads a text from its standard input and writes a WAV to its output, or to the file that stands
    for ``{file}``. It is run without a shell, so that no text can ever become a command."""

    def __init__(self, command: str = DEFAULT) -> None:
        """Raises ValueError when there is no such program."""
        self.words = shlex.split(command)
        if not self.words or shutil.which(self.words[0]) is None:
            raise ValueError(f"there is no program {self.words[0] if self.words else ''!r} that could speak")

    async def say(self, text: str) -> bytes:
        """A recording for the telephone. Raises Unspoken."""
        with tempfile.TemporaryDirectory(prefix="tocsin-speech-") as folder:
            file = Path(folder, "speech.wav")
            words = [word.replace("{file}", str(file)) for word in self.words]
            try:
                process = await asyncio.create_subprocess_exec(
                    *words,
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=asyncio.subprocess.PIPE,
                )
            except OSError as error:
                raise Unspoken(f"the speech command cannot be run: {error.strerror}") from error
            try:
                async with asyncio.timeout(LONGEST_S):
                    said, complaint = await process.communicate(text.encode())
            except TimeoutError as error:
                raise Unspoken(f"the speech command took more than {LONGEST_S:.0f} s") from error
            finally:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
            if process.returncode:
                why = " ".join(complaint.decode("utf-8", "replace").split())[:100]
                raise Unspoken(f"the speech command failed with {process.returncode}: {why}")
            try:
                return await asyncio.to_thread(_made, file, said)
            except ValueError as error:
                raise Unspoken(f"what the speech command made cannot be played: {error}") from error


def _made(file: Path, said: bytes) -> bytes:
    """The recording from the file, when the command has written one, or from its output."""
    return telephone(file.read_bytes() if file.exists() else said)
