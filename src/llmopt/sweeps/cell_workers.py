"""Cells in processes of their own, each on its own cores.

llama.cpp's threads wait busily and a process has one engine for a file, so cells with a model in
this process go side by side only in several processes that share no core. Each opens the store by
itself; a reply that one has stored is found by all.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import signal
import threading
import time
import traceback
from contextlib import closing
from typing import TYPE_CHECKING, Any, Self

from llmopt.errors import ConfigError, LlmoptError
from llmopt.models.providers.local import free_cores
from llmopt.store import open_store
from llmopt.sweeps.cell import done_cell
from llmopt.sweeps.shared_models import Pool
from llmopt.terminal.progress import View

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from pathlib import Path
    from types import TracebackType

    from llmopt.evidence.sweep_summary import Done
    from llmopt.sweeps.grid import Sweep

_GRACE = 30.0  # seconds that a process has to end by itself


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


class Workers:
    """Processes that do the cells of a sweep; a context manager that ends them.

    Args:
        sweep: The sweep.
        store: As for `open_store`.
        cores: The cores of each.
        quiet: Whether they say nothing.
    """

    def __init__(
        self, sweep: Sweep, store: str | Path | None, cores: list[list[int]], *, quiet: bool
    ) -> None:
        self._started = [_Worker(sweep, store, own, quiet=quiet) for own in cores]
        self._idle = list(self._started)

    @property
    def bought(self) -> int:
        """Calls that models have answered in these processes."""
        return sum(worker.bought for worker in self._started)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for worker in self._started:
            worker.end()
        for worker in self._started:
            worker.gone()

    async def done(self, number: int) -> Done:
        """Let an idle process do a cell; no more are asked for at once than there are.

        Args:
            number: Of the cell, from 0.

        Raises:
            LlmoptError: The cell could not be done, or the process died.
        """
        worker = self._idle.pop()
        found = await asyncio.to_thread(worker.asked, number)
        self._idle.append(worker)
        return found


class _Worker:
    """One process, from outside."""

    def __init__(
        self, sweep: Sweep, store: str | Path | None, cores: list[int], *, quiet: bool
    ) -> None:
        # A new interpreter: a copy of this one would hold locks of threads that it has not.
        fresh = multiprocessing.get_context("spawn")
        self._pipe, theirs = fresh.Pipe()
        self._process = fresh.Process(target=_serve, args=(theirs, sweep, store, cores, quiet))
        self._process.start()
        theirs.close()
        self.bought = 0

    def asked(self, number: int) -> Done:
        """Return what a cell found; waits in the current thread."""
        try:
            self._pipe.send(number)
            found, self.bought = self._pipe.recv()
        except (EOFError, OSError) as error:
            self._process.join(_GRACE)
            raise LlmoptError(
                "a process does its cells to the end, but one ended with the exit code "
                f"{self._process.exitcode} in cell {number + 1}; the same command continues where "
                "it stopped"
            ) from error
        if isinstance(found, LlmoptError):
            raise found
        done: Done = found
        return done

    def end(self) -> None:
        """Let it end: at once where it is idle, after tidying up where it does a cell."""
        if self._process.is_alive() and self._process.pid:
            os.kill(self._process.pid, signal.SIGINT)

    def gone(self) -> None:
        """Wait until it has ended."""
        self._process.join(_GRACE)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._pipe.close()


def _serve(
    pipe: Connection,
    sweep: Sweep,
    store: str | Path | None,
    cores: list[int],
    quiet: bool,
) -> None:
    """Do the cells whose numbers come in, in this process, until it is told to end."""
    # A group of its own: Ctrl-C at the terminal reaches the parent, which tells this process.
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have it ignored
    os.sched_setaffinity(0, cores)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with (
        contextlib.suppress(KeyboardInterrupt, EOFError, OSError),
        asyncio.Runner() as runner,
        closing(open_store(store)) as kept,
    ):
        pool = Pool(kept.replies(sweep.name), quiet=True)
        try:
            while True:
                found = runner.run(_found(sweep, pipe.recv(), kept, pool, quiet=quiet))
                pipe.send((found, pool.bought))
        finally:
            runner.run(pool.close())


async def _found(
    sweep: Sweep, number: int, store: Any, pool: Pool, *, quiet: bool
) -> Done | LlmoptError:
    """Return what a cell found, or why it could not be done."""
    try:
        with contextlib.nullcontext() if quiet else View(live=False) as listen:
            return await done_cell(sweep.name, sweep.cells[number], store, pool, listen)
    except LlmoptError as error:
        return error
    except Exception as error:  # noqa: BLE001 - the parent reports it, whatever it is
        traceback.print_exc()
        label = sweep.cells[number].label
        return LlmoptError(f"the cell {label!r} broke off: {type(error).__name__}: {error}")


def _end_with_parent() -> None:
    """End this process when its parent has died: tidily, or at once if that takes too long."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(_GRACE)
        os.kill(os.getpid(), signal.SIGKILL)
