"""Cells in processes of their own on this machine.

llama.cpp's threads wait busily and a process has one engine for a file, so cells with a model in
this process go side by side only in several processes that share no core. A process that dies is
replaced.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import signal
import threading
import time
from typing import TYPE_CHECKING, Any, Self

from llmopt.errors import ConfigError, LlmoptError, WorkerLostError
from llmopt.models.providers.local import free_cores
from llmopt.sweeps.executors.protocol import GRACE, Answer
from llmopt.sweeps.executors.worker import CellWorker
from llmopt.terminal.progress import View

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection
    from types import TracebackType

    from llmopt.engine.progress import Progress
    from llmopt.sweeps.executors.protocol import CellJob, SweepWork


def shares_of(jobs: int) -> list[list[int]]:
    """Return the numbers of the cores of each of so many processes: all different.

    Raises:
        ConfigError: There are fewer cores, or the system gives no process its own.
    """
    if not hasattr(os, "sched_setaffinity"):
        raise ConfigError(
            "cells with a model in this process go side by side where processes can be given "
            f"their own cores, as on Linux, but got jobs = {jobs}; leave the jobs out"
        )
    # A quota allows fewer than there are; which of them does not matter to it.
    cores = sorted(os.sched_getaffinity(0))[: free_cores()]
    if jobs > len(cores):
        raise ConfigError(
            "cells with a model in this process need a core each, but got "
            f"jobs = {jobs} for {len(cores)}; lower --jobs"
        )
    return [cores[n * len(cores) // jobs : (n + 1) * len(cores) // jobs] for n in range(jobs)]


class CellProcesses:
    """An executor whose workers are processes of this machine.

    Args:
        work: What they do.
        cores: The cores of each; an empty list is all.
        quiet: Whether they say nothing.
    """

    name = "processes"

    def __init__(self, work: SweepWork, cores: list[list[int]], *, quiet: bool) -> None:
        self._work, self._cores, self._quiet = work, cores, quiet
        self.slots = len(cores)
        self._started: list[_Worker] = []
        self._idle: list[_Worker] = []

    async def __aenter__(self) -> Self:
        self._started = [_Worker(self._work, own, quiet=self._quiet) for own in self._cores]
        self._idle = list(self._started)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for worker in self._started:
            worker.end()
        for worker in self._started:
            worker.gone()

    async def answer(self, job: CellJob, listen: Callable[[Progress], None] | None) -> Answer:
        """See the protocol; the process itself shows the progress."""
        del listen
        worker = self._idle.pop()
        try:
            return await asyncio.to_thread(worker.asked, job)
        except WorkerLostError:
            worker.gone()
            self._started.remove(worker)
            worker = _Worker(self._work, worker.cores, quiet=self._quiet)
            self._started.append(worker)
            raise
        finally:
            self._idle.append(worker)


class _Worker:
    """One process, from outside."""

    def __init__(self, work: SweepWork, cores: list[int], *, quiet: bool) -> None:
        self.cores = cores
        # A new interpreter: a copy of this one would hold locks of threads that it has not.
        fresh = multiprocessing.get_context("spawn")
        self._pipe, theirs = fresh.Pipe()
        self._process = fresh.Process(target=_serve, args=(theirs, work, cores, quiet))
        self._process.start()
        theirs.close()

    def asked(self, job: CellJob) -> Answer:
        """Return what came of a job; waits in the current thread."""
        try:
            self._pipe.send(job)
            found = self._pipe.recv()
        except (EOFError, OSError) as error:
            self._process.join(GRACE)
            raise WorkerLostError(
                "a process does its cells to the end, but one ended with the exit code "
                f"{self._process.exitcode} in cell {job.number + 1}; the same command continues "
                "where it stopped"
            ) from error
        if isinstance(found, LlmoptError):
            raise found
        answer: Answer = found
        return answer

    def end(self) -> None:
        """Let it end: at once where it is idle, after tidying up where it does a cell."""
        if self._process.is_alive() and self._process.pid:
            os.kill(self._process.pid, signal.SIGINT)

    def gone(self) -> None:
        """Wait until it has ended."""
        self._process.join(GRACE)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._pipe.close()


def _serve(pipe: Connection, work: SweepWork, cores: list[int], quiet: bool) -> None:
    """Do the cells whose numbers come in, in this process, until it is told to end."""
    # A group of its own: Ctrl-C at the terminal reaches the parent, which tells this process.
    if hasattr(os, "setsid"):
        os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have it ignored
    if cores:
        os.sched_setaffinity(0, cores)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with contextlib.suppress(KeyboardInterrupt, EOFError, OSError):
        try:
            with CellWorker(work) as worker:
                while True:
                    job = pipe.recv()
                    with contextlib.nullcontext() if quiet else View(live=False) as listen:
                        answer: Any = worker.answer(job, listen)
                    pipe.send(answer)
        except LlmoptError as error:  # it cannot do any cell
            pipe.recv()
            pipe.send(error)


def _end_with_parent() -> None:
    """End this process when its parent has died: tidily, or at once if that takes too long."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(GRACE)
        os.kill(os.getpid(), signal.SIGKILL)
