"""A sandbox of the kernel's own, for Linux without bubblewrap.

A forked process leaves the user's namespaces, mounts everything read only but a scratch folder in
memory, and gives up, by Landlock, every other file but the system's libraries and Python. Landlock
rules cannot be lifted again, whatever a process starts. Names and sizes of other files can be seen.

Needs user namespaces for everybody and Landlock, which Linux has since 5.13. Some containers and
distributions forbid either; the level is then refused.
"""

from __future__ import annotations

import ctypes
import os
import signal
import stat
import struct
from pathlib import Path
from typing import TYPE_CHECKING

from llmopt.problems.guarded_process import DEATH_SIGNAL, process_control

if TYPE_CHECKING:
    from collections.abc import Sequence

_NAMESPACES = 0x10000000 | 0x00020000 | 0x20000000 | 0x40000000 | 0x08000000 | 0x04000000
"""Of users, mounts, processes, network, IPC and host name (unshare(2))."""

_PRIVATE = 0x4000 | 0x40000  # MS_REC | MS_PRIVATE
_NO_DEVICES = 0x2 | 0x4  # MS_NOSUID | MS_NODEV
_NO_NEW_PRIVILEGES = 38  # of prctl(2)
_READ_ONLY, _RECURSIVE = 1, 0x8000  # MOUNT_ATTR_RDONLY, AT_RECURSIVE

# The same numbers on every architecture that Python is built for:
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_MOUNT_SETATTR = 442
_VERSION, _BENEATH = 1, 1
_READ = 0b1101  # execute, read a file, read a folder
_READ_FILE = 0b101
_REFER, _TRUNCATE, _DEVICES = 1 << 13, 1 << 14, 1 << 15
_FIRST = (1 << 13) - 1  # what the first version handles
_TCP = 0b11  # bind and connect, from version 4 on
_SCOPES = 0b11  # abstract sockets and signals, from version 6 on


def enter(scratch: Path, size: int, readable: Sequence[str]) -> None:
    """Leave everything but what is listed; return in a process that nothing can come out of.

    The process that calls becomes the parent of one in new namespaces, and ends with its exit
    code; only in the latter this function returns.

    Args:
        scratch: An existing folder; becomes an empty one in memory, and the working directory.
        size: Bytes that it may hold.
        readable: Files and folders that may be read, and executed.

    Raises:
        OSError: The kernel does not let it.
    """
    library = ctypes.CDLL(None, use_errno=True)
    user, group = os.getuid(), os.getgid()
    _checked(library.unshare(_NAMESPACES), "namespaces")
    process_control(DEATH_SIGNAL, signal.SIGKILL)  # new rights have cleared it
    Path("/proc/self/setgroups").write_text("deny", "ascii")
    Path("/proc/self/uid_map").write_text(f"{user} {user} 1", "ascii")
    Path("/proc/self/gid_map").write_text(f"{group} {group} 1", "ascii")
    _checked(library.mount(None, b"/", None, _PRIVATE, None), "a private mount")
    # Landlock lets a file's owner change its mode and its times; a read-only mount does not.
    attributes = struct.pack("QQQQ", _READ_ONLY, 0, 0, 0)
    found = library.syscall(_MOUNT_SETATTR, -100, b"/", _RECURSIVE, attributes, len(attributes))
    _checked(found, "a read-only system")
    options = f"size={size},mode=0700".encode()
    _checked(
        library.mount(b"tmpfs", bytes(scratch), b"tmpfs", _NO_DEVICES, options), "a scratch folder"
    )
    os.chdir(scratch)
    _follow(os.fork())  # the first process of the new namespace of processes: it collects orphans
    _follow(os.fork())
    _restrict(library, [*readable], scratch)


def _checked(result: int, what: str) -> int:
    """Return what a call gave.

    Raises:
        OSError: It failed.
    """
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def _follow(child: int) -> None:
    """Return in the child; its parent waits for it and ends as it does."""
    if not child:
        process_control(DEATH_SIGNAL, signal.SIGKILL)
        return
    for number in (0, 1, 2):
        os.close(number)
    while True:
        ended, status = os.waitpid(-1, 0)
        if ended == child:
            code = os.waitstatus_to_exitcode(status)
            os._exit(code if code >= 0 else 128 - code)


def _restrict(library: ctypes.CDLL, readable: list[str], scratch: Path) -> None:
    """Give up every file and, where the kernel knows how, TCP and signals to other processes."""
    version = _checked(library.syscall(_CREATE_RULESET, None, 0, _VERSION), "Landlock")
    handled = _FIRST
    for least, right in ((2, _REFER), (3, _TRUNCATE), (5, _DEVICES)):
        handled |= right if version >= least else 0
    network, scopes = _TCP * (version >= 4), _SCOPES * (version >= 6)  # noqa: PLR2004 - of Landlock
    attributes = struct.pack("QQQ", handled, network, scopes)
    size = 24 if scopes else 16 if network else 8
    rules = _checked(library.syscall(_CREATE_RULESET, attributes, size, 0), "Landlock")
    for place in readable:
        _allow(library, rules, place, _READ)
    for device in ("/dev/null", "/dev/zero"):
        _allow(library, rules, device, _READ_FILE | 0b10)
    _allow(library, rules, str(scratch), handled & ~_DEVICES)
    process_control(_NO_NEW_PRIVILEGES, 1)
    _checked(library.syscall(_RESTRICT_SELF, rules, 0), "Landlock")
    os.close(rules)


def _allow(library: ctypes.CDLL, rules: int, place: str, rights: int) -> None:
    """Add a rule; a file gets the rights that a file can have."""
    opened = os.open(place, os.O_PATH | os.O_CLOEXEC)
    try:
        folder = stat.S_ISDIR(os.fstat(opened).st_mode)
        rule = struct.pack("=Qi", rights if folder else rights & 0b111, opened)
        _checked(library.syscall(_ADD_RULE, rules, _BENEATH, rule, 0), f"Landlock for {place}")
    finally:
        os.close(opened)
