"""Counts the instructions of a program, where the processor and the system let them be read.

Their number hardly depends on what else the machine does. It is shown next to the time, and decides
nothing: a program may execute fewer instructions and still take longer.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import platform
import struct
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Event = tuple[int, int]
"""Type and number of what is counted, as in perf_event_open(2)."""

INSTRUCTIONS: Event = (0, 1)

_CALLS = {"x86_64": 298, "aarch64": 241, "riscv64": 241}
_SIZE = 128
_FLAGS = 1 << 1 | 1 << 5 | 1 << 6  # what it starts counts too; neither kernel nor hypervisor do
_TIMES = 0b11  # read for how long it was to be counted, and for how long it was
_CLOSE_ON_EXEC = 8
_FORBIDDEN = (errno.EACCES, errno.EPERM)


@contextlib.contextmanager
def counting(process: int, event: Event) -> Iterator[Callable[[], int | None]]:
    """Count an event of a process and of all it starts from now on.

    Gives what reads the count; it says None where nothing is counted.
    """
    try:
        counter = _opened(process, event)
    except OSError:
        yield lambda: None
        return
    try:
        yield lambda: _read(counter)
    finally:
        os.close(counter)


def uncountable(event: Event = INSTRUCTIONS) -> str:
    """Return why an event cannot be counted here; empty: it can."""
    try:
        os.close(_opened(0, event))
    except OSError as error:
        if error.errno in _FORBIDDEN:
            return "the system forbids it (kernel.perf_event_paranoid, or a container's rules)"
        if error.errno == errno.ENOSYS:
            return "it needs Linux"
        return "the processor has no counter that can be read, as in most virtual machines"
    return ""


def _opened(process: int, event: Event) -> int:
    """Return the descriptor of a counter; 0 is the process itself.

    Raises:
        OSError: The system does not give one.
    """
    number = _CALLS.get(platform.machine())
    if sys.platform != "linux" or number is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    kind, what = event
    asked = struct.pack("IIQQQQQ", kind, _SIZE, what, 0, 0, _TIMES, _FLAGS).ljust(_SIZE, b"\0")
    library = ctypes.CDLL(None, use_errno=True)
    opened: int = library.syscall(number, asked, process, -1, -1, _CLOSE_ON_EXEC)
    if opened < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return opened


def _read(counter: int) -> int | None:
    """Return a count, extended to the time in which others had the counter."""
    count, wanted, counted = struct.unpack("QQQ", os.read(counter, 24))
    return round(count * wanted / counted) if counted else None
