"""A process for a user's code, with a second process, its guard, that ends it and all it started.

The process that llmopt starts becomes the guard. It forks the worker before any of the user's code
is loaded, and then only waits. When its pipe to llmopt closes, because llmopt closed it or died,
by whatever signal, the guard kills the worker with all of its descendants, including those that
left its process group. It also kills them when they are too many or take too much memory together.

Linux has everything that this needs. On other systems with ``fork``, such as macOS, the worker's
process group is killed, and neither the number of processes nor their memory is limited. Windows
has no guard: the process itself is killed.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import sys
import time
from pathlib import Path

PROCESSES = 64
"""Most processes that a worker may have at once, itself included."""

MEMORY = 2 << 30
"""Bytes that a worker may take by default, if that is at most half of what is free."""

TOO_MANY, TOO_LARGE = 121, 122
"""Exit codes of a worker that had too many processes, or whose processes took too much memory."""

AT_ONCE = 256
"""Processes that are listed at a time where all are to be killed."""

_PAUSE = 0.1  # seconds between two looks at them
_PATIENCE = 3.0  # seconds until the guard gives up on processes that do not die
DEATH_SIGNAL, SUBREAPER = 1, 36  # of prctl(2)
_CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")


def guard(pipe: int, memory: int | None) -> None:
    """Make this process the guard of a new one, in which alone this function returns.

    Args:
        pipe: A file descriptor whose other end llmopt holds, and on which nothing is sent.
        memory: Bytes that the new process may take, alone and together with its descendants;
            None: `MEMORY`, or half of what is free now if that is less.
    """
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(2, 1)  # llmopt's standard output may be a JSON document
    if not hasattr(os, "fork"):
        return
    with contextlib.suppress(OSError):
        os.setsid()  # a signal to llmopt's process group, such as Ctrl-C, is not for this process
    process_control(SUBREAPER, 1)
    terminated: list[int] = []  # multiprocessing sends SIGTERM to its children when llmopt exits
    signal.signal(signal.SIGTERM, lambda number, _: terminated.append(number))
    allowed = _allowed(memory)
    worker = os.fork()
    if worker:
        os._exit(_watch(worker, pipe, terminated, allowed))
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.close(pipe)
    os.setpgid(0, 0)
    process_control(DEATH_SIGNAL, signal.SIGKILL)
    _limit(allowed)


def _watch(worker: int, pipe: int, terminated: list[int], allowed: int | None) -> int:
    """Wait until the worker ends or has to be killed.

    Returns:
        The exit code for llmopt.
    """
    with contextlib.suppress(OSError):  # the worker may have done this, or have ended
        os.setpgid(worker, worker)
    while True:
        closed, _, _ = select.select([pipe], [], [], _PAUSE)
        ended, status = os.waitpid(worker, os.WNOHANG)
        too_much = 0 if ended else excess(descendants(os.getpid(), PROCESSES), allowed)
        if ended or closed or terminated or too_much:
            _kill_all(worker)
            code = os.waitstatus_to_exitcode(status) if ended else too_much or -signal.SIGKILL
            return code if code >= 0 else 128 - code
        _reap_orphans(worker)


def excess(processes: list[int], allowed: int | None, most: int = PROCESSES) -> int:
    """Return the exit code that says what processes have too much of; 0: of nothing."""
    if len(processes) > most:
        return TOO_MANY
    if allowed is None or sum(map(_resident, processes)) <= allowed:
        return 0
    # Pages that processes share count in full for each of them there, but not here.
    return TOO_LARGE if sum(map(_proportional, processes)) > allowed else 0


def _kill_all(worker: int) -> None:
    """Kill the worker with its descendants until none is left."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(worker, signal.SIGKILL)
    end = time.monotonic() + _PATIENCE
    while (left := descendants(os.getpid(), AT_ONCE)) and time.monotonic() < end:
        for number in (signal.SIGSTOP, signal.SIGKILL):  # a stopped process starts no others
            for process in left:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(process, number)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        time.sleep(0.001)


def _reap_orphans(worker: int) -> None:
    """Collect the exit codes of orphans, which the guard inherits; leave that of the worker."""
    for process in _children(os.getpid()):
        if process != worker:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(process, os.WNOHANG)


def descendants(process: int, most: int) -> list[int]:
    """Return the descendants of a process, its children first; none where they are not listed.

    Args:
        process: Its number.
        most: Once there are more than these, no further ones are looked for: a program that forks
            without end has new ones faster than they are listed.
    """
    found = _children(process)
    for child in found:  # the list grows meanwhile
        if len(found) > most:
            break
        found += _children(child)
    return found


def _children(process: int) -> list[int]:
    children: list[int] = []
    tasks = Path(f"/proc/{process}/task")
    with contextlib.suppress(OSError):  # a process may end while it is looked at
        for task in os.listdir(tasks):  # noqa: PTH208 - a glob raises where a task has ended
            with contextlib.suppress(OSError):
                children += map(int, (tasks / task / "children").read_text("ascii").split())
    return children


def _resident(process: int) -> int:
    """Return the bytes of memory that a process uses, including what it shares."""
    try:
        pages = int(Path(f"/proc/{process}/statm").read_text("ascii").split()[1])
    except (OSError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def _proportional(process: int) -> int:
    """Return the bytes of memory that a process uses, with its part of what it shares."""
    try:
        rows = Path(f"/proc/{process}/smaps_rollup").read_text("ascii").splitlines()
    except OSError:
        return 0
    return next((_bytes_in(row) for row in rows if row.startswith("Pss:")), 0)


def _bytes_in(row: str) -> int:
    """Return the bytes that a row such as ``Pss: 12 kB`` tells."""
    return int(row.split()[1]) * 1024


def process_control(option: int, value: int) -> None:
    """Call prctl(2) where there is one."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _limit(allowed: int | None) -> None:
    """Limit the memory of this process, and let it write no core dumps."""
    import resource  # Windows lacks it

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if allowed is not None:
        _, most = resource.getrlimit(resource.RLIMIT_DATA)
        bound = allowed if most == resource.RLIM_INFINITY else min(allowed, most)
        resource.setrlimit(resource.RLIMIT_DATA, (bound, bound))


def _allowed(memory: int | None) -> int | None:
    """Return the bytes that a worker may take; None: the system does not tell what is free."""
    if memory is not None:
        return memory
    free = _free_memory()
    return None if free is None else min(MEMORY, free // 2)


def _free_memory() -> int | None:
    """Return the free bytes of this machine and, where it has a limit, its container."""
    try:
        rows = Path("/proc/meminfo").read_text("ascii").splitlines()
        free = next(_bytes_in(row) for row in rows if row.startswith("MemAvailable:"))
    except (OSError, StopIteration, ValueError):
        return None
    with contextlib.suppress(OSError, ValueError):  # no such file, or "max"
        free = min(free, int(_CGROUP_LIMIT.read_text("ascii")))
    return free
