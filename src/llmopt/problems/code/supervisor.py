"""The process that starts programs in their sandbox, limits and measures them, and ends them.

llmopt starts it once and sends it one job after the other. It ends, with the program that is
under way and all that this started, when its connection to llmopt closes: because llmopt closed
it or died, by whatever signal. Should it be killed itself, the kernel kills the program.

Everything is measured from here: processor time and memory as the kernel counts them for processes
that have ended, so that a program cannot tell a better figure than its own.
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import sys
import tempfile
import time
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmopt.problems.code.execution import Job, Ran
from llmopt.problems.code.instruction_counts import counting
from llmopt.problems.code.namespaces import enter
from llmopt.problems.code.sandbox import ENVIRONMENT, PROGRAMS
from llmopt.problems.guarded_process import (
    AT_ONCE,
    DEATH_SIGNAL,
    SUBREAPER,
    TOO_MANY,
    descendants,
    excess,
    process_control,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

_PAUSE = 0.02  # seconds between two looks at a program's processes
_PATIENCE = 3.0  # seconds until it gives up on processes that do not die
_CHUNK = 1 << 16
_DESCRIPTORS = 256  # more than it ever has open
_SIGNALLED = 128  # exit codes above it name a signal
_OWN = {"bubblewrap": 2, "namespaces": 2, "none": 0}
"""Processes of the sandbox itself, at each level."""

_NOT_STARTED = 125
"""Exit code of a process that could not become the program."""


def main() -> None:
    """Serve the connection whose file descriptor is the first argument."""
    serve(Connection(int(sys.argv[1])))


def serve(connection: Connection) -> None:
    """Run jobs until nobody asks any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # llmopt decides what ends
    with contextlib.suppress(OSError):
        os.setsid()
    process_control(SUBREAPER, 1)
    _come_first()
    folder = Path(tempfile.mkdtemp(prefix="llmopt-code-"))
    terminated: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: terminated.append(number))
    try:
        while not terminated:
            try:
                job: Job = connection.recv()
            except (EOFError, OSError):
                return
            # What fails in here is no end of the connection: it is reported on standard error.
            found = _Execution(job, folder).run(connection, terminated)
            if found is None:
                return
            try:
                connection.send(found)
            except OSError:
                return
    finally:
        _end_all()
        shutil.rmtree(folder, ignore_errors=True)


def _come_first() -> None:
    """Run before all that a program starts, where the system allows it, as it does for root.

    The number of processes is watched from here, and a program that forks without end leaves
    little time for others. What is forked from here has the usual priority again.
    """
    with contextlib.suppress(AttributeError, OSError):
        policy = os.SCHED_FIFO | os.SCHED_RESET_ON_FORK
        os.sched_setscheduler(0, policy, os.sched_param(1))


@dataclass
class _Execution:
    """One job on its way."""

    job: Job
    folder: Path
    pipes: dict[int, list[bytes]] = field(default_factory=dict)
    size: int = 0

    def run(self, connection: Connection, terminated: list[int]) -> Ran | None:
        """Return what it came to; None: llmopt is gone."""
        streams = [os.pipe() for _ in range(2)]
        output, errors = kept = ([], [])  # type: tuple[list[bytes], list[bytes]]
        self.pipes = {pipe: part for (pipe, _), part in zip(streams, kept, strict=True)}
        inner = (self._written(), *(end for _, end in streams))
        _end_all()  # what an earlier program left must not count as this one's
        gate = os.pipe()
        child = _forked()
        if not child:
            _become(self.job, self.folder, inner, gate)
        for number in (*inner, gate[0]):
            os.close(number)
        try:
            with counting(child, self.job.event) as count:
                os.close(gate[1])  # now it begins
                begun = time.perf_counter()
                stopped = self._watch(child, connection, terminated)
                if stopped is None:
                    return None
                code, wall, used = _collected(child, begun)
                instructions = count()
            while self.pipes and not self._read(0) and self._wrote:
                pass
        finally:
            for pipe, _ in streams:
                os.close(pipe)
        return Ran(
            code,
            stopped or self._over(code),
            wall,
            used.seconds,
            used.memory,
            b"".join(output),
            b"".join(errors)[-_CHUNK:],
            instructions,
        )

    def _written(self) -> int:
        """Write the files that the program needs; return a descriptor of what it reads."""
        _emptied(self.folder)
        for name, text in self.job.files:
            (self.folder / name).write_text(text, encoding="utf-8", errors="surrogatepass")
        if self.job.level != "bubblewrap":
            (self.folder / "scratch").mkdir()
        with tempfile.TemporaryFile() as file:
            file.write(self.job.given)
            file.seek(0)
            return os.dup(file.fileno())

    def _watch(self, child: int, connection: Connection, terminated: list[int]) -> str | None:
        """Wait until the program ends or has to be ended.

        Returns:
            The limit it was ended for, or an empty text; None: llmopt is gone.
        """
        limits, asker = self.job.limits, connection.fileno()
        most = limits.processes + _OWN[self.job.level]
        end = time.monotonic() + limits.wall
        looked = 0.0
        with _handle(child) as process:
            while True:
                ready = self._read(_PAUSE, asker, *process)
                now = time.monotonic()
                if asker in ready or terminated:
                    return None
                if self.size > limits.output:
                    return f"wrote more than {limits.output:,} bytes"
                if now > end:
                    return f"took longer than {limits.wall:g} s"
                if now - looked > _PAUSE:
                    looked = now
                    found = excess(descendants(os.getpid(), most), limits.memory, most)
                    if found:
                        return self._too_much(found)
                if ready & {*process} or (not process and _has_ended(child)):
                    return ""

    def _too_much(self, found: int) -> str:
        limits = self.job.limits
        if found == TOO_MANY:
            return f"had more than {limits.processes} processes at once"
        return f"took more than {limits.memory:,} bytes of memory"

    def _over(self, code: int) -> str:
        """Return which limit of the kernel's ended it."""
        if code == _SIGNALLED + signal.SIGXCPU:
            return f"took more than {self.job.limits.cpu:g} s of processor time"
        return ""

    def _read(self, pause: float, *others: int) -> set[int]:
        """Read what the program has written; return which of the others are ready."""
        ready = set(select.select([*self.pipes, *others], [], [], pause)[0])
        self._wrote = bool(ready & self.pipes.keys())
        for pipe in ready & self.pipes.keys():
            piece = os.read(pipe, _CHUNK)
            if not piece:
                del self.pipes[pipe]
            self.size += len(piece)
            if self.size <= self.job.limits.output:
                self.pipes.get(pipe, []).append(piece)
        return ready & {*others}

    _wrote: bool = False


def _emptied(folder: Path) -> None:
    """Remove what is in a folder, whatever a program without a sandbox has made of it."""
    folder.mkdir(mode=0o700, exist_ok=True)
    folder.chmod(0o700)
    for old in folder.iterdir():
        if old.is_symlink() or not old.is_dir():
            old.unlink()
            continue
        for inner, _, _ in os.walk(old):  # from the top, so that each can be entered
            with contextlib.suppress(OSError):
                Path(inner).chmod(0o700)
        shutil.rmtree(old)


def _forked() -> int:
    """Fork; wait a little where the system has too many processes at the moment."""
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            return os.fork()
        except BlockingIOError:
            if time.monotonic() > end:
                raise
            time.sleep(_PAUSE)


def _become(job: Job, folder: Path, streams: tuple[int, ...], gate: tuple[int, int]) -> None:
    """Become the program, in a process that was forked for it, once the gate is open."""
    try:
        os.close(gate[1])
        os.read(gate[0], 1)
        process_control(DEATH_SIGNAL, signal.SIGKILL)
        os.setsid()
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
        os.closerange(3, _DESCRIPTORS)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        _limit(job)
        os.chdir(folder)
        command, environment = job.command, {**ENVIRONMENT}
        if job.level != "bubblewrap":
            scratch = folder / "scratch"
            command = (*command[:-1], command[-1].replace(PROGRAMS, str(folder), 1))
            environment |= {"HOME": str(scratch), "TMPDIR": str(scratch)}
            os.chdir(scratch)
            if job.level == "namespaces":
                enter(scratch, job.limits.scratch, (*job.readable, str(folder)))
                _limit_forks(job.limits.forks)
        os.execve(command[0], command, environment)  # noqa: S606 - the point of this module
    except BaseException as error:  # noqa: BLE001 - it must not become a second supervisor
        with contextlib.suppress(OSError):
            os.write(2, f"{error}\n".encode())
    os._exit(_NOT_STARTED)


def _limit(job: Job) -> None:
    """Set the limits that the kernel keeps for each process, and the core."""
    import resource  # Windows lacks it

    limits = job.limits
    seconds = max(1, round(limits.cpu))
    for kind, bound in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_DATA, limits.memory),
        (resource.RLIMIT_FSIZE, max(limits.scratch, 1)),
    ):
        _, most = resource.getrlimit(kind)
        soft = bound if most == resource.RLIM_INFINITY else min(bound, most)
        resource.setrlimit(kind, (soft, soft + (kind == resource.RLIMIT_CPU)))
    if job.core is not None and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {job.core})


def _limit_forks(most: int) -> None:
    """Let the kernel refuse further processes; it counts those of the namespaces alone."""
    import resource  # as above

    resource.setrlimit(resource.RLIMIT_NPROC, (most, most))


@dataclass
class _Used:
    """What processes used that were collected."""

    seconds: float = 0.0
    memory: int = 0

    def add(self, used: Any) -> None:
        """Add the usage of a process and of those that it collected itself."""
        unit = 1 if sys.platform == "darwin" else 1024
        self.seconds += used.ru_utime + used.ru_stime
        self.memory = max(self.memory, used.ru_maxrss * unit)


@contextlib.contextmanager
def _handle(child: int) -> Iterator[tuple[int, ...]]:
    """Lend a descriptor that becomes readable when a process ends, where the system has such."""
    if not hasattr(os, "pidfd_open"):
        yield ()
        return
    opened = os.pidfd_open(child)
    try:
        yield (opened,)
    finally:
        os.close(opened)


def _has_ended(child: int) -> bool:
    return os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _collected(child: int, begun: float) -> tuple[int, float, _Used]:
    """End a program with all its processes; return exit code, wall time and what it used."""
    used = _Used()
    ended, status, its = os.wait4(child, os.WNOHANG)
    wall = time.perf_counter() - begun
    if ended:
        used.add(its)
    _end_all(used)
    code = os.waitstatus_to_exitcode(status) if ended else -signal.SIGKILL
    return (code if code >= 0 else _SIGNALLED - code), wall, used


def _end_all(used: _Used | None = None) -> None:
    """Kill all descendants until none is left, and collect them."""
    used = used or _Used()
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        # Children first: with the first process of its namespace all others of a program end.
        for process in descendants(os.getpid(), AT_ONCE):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(process, signal.SIGKILL)
        try:
            while True:
                ended, _, its = os.wait4(-1, os.WNOHANG)
                if not ended:
                    break
                used.add(its)
        except ChildProcessError:
            return
        time.sleep(0.0005)


if __name__ == "__main__":
    main()
