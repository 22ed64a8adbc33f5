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
from dataclasses import dataclass
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
        lanes: How many cells each does side by side: one is worked on while others wait for models.
    """

    name = "processes"

    def __init__(
        self, work: SweepWork, cores: list[list[int]], *, quiet: bool, lanes: int = 1
    ) -> None:
        self._work, self._cores, self._quiet = work, cores, quiet
        self.slots = lanes * len(cores)
        self._places: list[_Place] = []

    async def __aenter__(self) -> Self:
        self._places = [_Place(self._started(own)) for own in self._cores]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for place in self._places:
            place.worker.end()
        for place in self._places:
            place.worker.gone()

    async def answer(self, job: CellJob, listen: Callable[[Progress], None] | None) -> Answer:
        """See the protocol; the process itself shows the progress."""
        del listen
        place = min(self._places, key=lambda place: place.cells)
        worker = place.worker
        place.cells += 1
        try:
            return await worker.asked(job)
        except WorkerLostError:
            if place.worker is worker:  # the first of its cells that says so
                place.worker = self._started(worker.cores)
                await asyncio.to_thread(worker.gone)
            raise
        finally:
            place.cells -= 1

    def _started(self, cores: list[int]) -> _Worker:
        return _Worker(self._work, cores, quiet=self._quiet)


@dataclass
class _Place:
    """Where a process is, and another one when it has died.

    Attributes:
        worker: The process.
        cells: How many it does now.
    """

    worker: _Worker
    cells: int = 0


class _Worker:
    """One process, from outside; made in the event loop that waits for its answers."""

    def __init__(self, work: SweepWork, cores: list[int], *, quiet: bool) -> None:
        self.cores = cores
        self._loop = asyncio.get_running_loop()
        self._asked: dict[int, asyncio.Future[Answer]] = {}
        self._end: LlmoptError | None = None
        # A new interpreter: a copy of this one would hold locks of threads that it has not.
        fresh = multiprocessing.get_context("spawn")
        self._pipe, theirs = fresh.Pipe()
        self._process = fresh.Process(target=_serve, args=(theirs, work, cores, quiet))
        self._process.start()
        theirs.close()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    async def asked(self, job: CellJob) -> Answer:
        """Return what came of a job.

        Raises:
            WorkerLostError: The process died.
            LlmoptError: It cannot do any cell.
        """
        if self._end is not None:
            raise self._of_cell(self._end, job.number)
        future: asyncio.Future[Answer] = self._loop.create_future()
        self._asked[job.number] = future
        with contextlib.suppress(OSError):  # it has died, which is heard as well
            self._pipe.send(job)
        try:
            return await future
        finally:
            self._asked.pop(job.number, None)

    def _listen(self) -> None:
        """Pass on what the process says, in a thread, until it has ended."""
        end: LlmoptError = WorkerLostError("")
        with contextlib.suppress(EOFError, OSError):
            while not isinstance(said := self._pipe.recv(), LlmoptError):
                self._call(self._heard, *said)
            end = said
        self._process.join(GRACE)
        self._call(self._ended, end)

    def _call(self, what: Callable[..., None], *about: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(what, *about)

    def _heard(self, number: int, answer: Answer) -> None:
        if (future := self._asked.get(number)) and not future.done():
            future.set_result(answer)

    def _ended(self, why: LlmoptError) -> None:
        self._end = why
        for number, future in self._asked.items():
            if not future.done():
                future.set_exception(self._of_cell(why, number))

    def _of_cell(self, why: LlmoptError, number: int) -> LlmoptError:
        """Return why a cell was not done."""
        if not isinstance(why, WorkerLostError):
            return why
        return WorkerLostError(
            "a process does its cells to the end, but one ended with the exit code "
            f"{self._process.exitcode} in cell {number + 1}; the same command continues "
            "where it stopped"
        )

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
        self._thread.join(GRACE)
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
    with contextlib.suppress(KeyboardInterrupt, OSError):
        try:
            with CellWorker(work) as worker:
                worker.run(_answering(pipe, worker, quiet=quiet))
        except LlmoptError as error:  # it cannot do any cell
            pipe.send(error)


async def _answering(pipe: Connection, worker: CellWorker, *, quiet: bool) -> None:
    """Do the cells that come in, side by side, until nobody hands out any."""
    loop = asyncio.get_running_loop()
    jobs: asyncio.Queue[CellJob | None] = asyncio.Queue()

    def receive() -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed
            with contextlib.suppress(EOFError, OSError):
                while True:
                    loop.call_soon_threadsafe(jobs.put_nowait, pipe.recv())
            loop.call_soon_threadsafe(jobs.put_nowait, None)

    async def do(job: CellJob) -> None:
        with contextlib.nullcontext() if quiet else View(live=False) as listen:
            answer = await worker.answer(job, listen)
        with contextlib.suppress(OSError):  # nobody waits for it any more
            pipe.send((job.number, answer))

    threading.Thread(target=receive, daemon=True).start()
    async with asyncio.TaskGroup() as group:
        while (job := await jobs.get()) is not None:
            group.create_task(do(job))


def _end_with_parent() -> None:
    """End this process when its parent has died: tidily, or at once if that takes too long."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(GRACE)
        os.kill(os.getpid(), signal.SIGKILL)
