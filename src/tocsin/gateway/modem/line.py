"""A serial line to a modem: raw, without blocking the event loop; who else opens the device is refused."""

import asyncio
import contextlib
import fcntl
import os
import termios
from collections.abc import Callable
from pathlib import Path

BAUDS = {
    9600: termios.B9600, 19200: termios.B19200, 38400: termios.B38400, 57600: termios.B57600, 115200: termios.B115200,
    230400: termios.B230400, 460800: termios.B460800, 921600: termios.B921600,
}  # fmt: skip


class Lost(Exception):
    """The device is gone, or does not answer any more: it has to be opened anew."""


class Line:
    """An open device. ``heard(bytes)`` and ``lost(reason)`` are called from the event loop."""

    def __init__(self, device: Path, baud: int, heard: Callable[[bytes], None], lost: Callable[[str], None]) -> None:
        """Open it. Raises Lost."""
        try:
            self._fd = os.open(device, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        except OSError as error:
            raise Lost(f"{device} cannot be opened: {error.strerror}") from error
        try:
            fcntl.ioctl(self._fd, termios.TIOCEXCL)
            _make_raw(self._fd, BAUDS[baud])
            termios.tcflush(self._fd, termios.TCIOFLUSH)
        except (OSError, termios.error) as error:
            os.close(self._fd)
            raise Lost(f"{device} is no serial line: {error}") from error
        self._heard, self._lost = heard, lost
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._fd, self._read)
        self.open = True

    def _read(self) -> None:
        try:
            data = os.read(self._fd, 4096)
        except BlockingIOError:
            return
        except OSError as error:  # EIO: unplugged
            self._end(f"the modem is gone: {error.strerror}")
            return
        if data:
            self._heard(data)
        else:
            self._end("the modem is gone")

    async def write(self, data: bytes) -> None:
        """Write all of it. Raises Lost."""
        while data:
            if not self.open:
                raise Lost("the modem is gone")
            try:
                data = data[os.write(self._fd, data) :]
            except BlockingIOError:
                await asyncio.sleep(0.01)
            except OSError as error:
                self._end(f"the modem is gone: {error.strerror}")

    def _end(self, reason: str) -> None:
        if self.open:
            self.close()
            self._lost(reason)

    def close(self) -> None:
        """Let go of the device."""
        if self.open:
            self.open = False
            self._loop.remove_reader(self._fd)
            with contextlib.suppress(OSError):
                fcntl.ioctl(self._fd, termios.TIOCNXCL)
            os.close(self._fd)


def _make_raw(fd: int, speed: int) -> None:
    """Eight bits, no parity, no flow control, nothing translated, no echo; modem control lines are ignored."""
    _, _, control, _, _, _, special = termios.tcgetattr(fd)
    control &= ~(termios.CSIZE | termios.PARENB | termios.CSTOPB | termios.CRTSCTS)
    control |= termios.CS8 | termios.CREAD | termios.CLOCAL
    special[termios.VMIN], special[termios.VTIME] = 1, 0
    termios.tcsetattr(fd, termios.TCSANOW, [0, 0, control, 0, speed, speed, special])
