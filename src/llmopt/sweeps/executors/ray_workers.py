"""Cells done by Ray: on this machine, or in a cluster.

An actor hands out the cells, and workers are tasks that do one after the other. Ray's own retries
are off: a cell that continues in another worker repeats nothing that is stored.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from llmopt.errors import ConfigError, LlmoptError, WorkerLostError
from llmopt.models.providers.local import free_cores
from llmopt.sweeps.executors.desk import Assignment, CellDesk, Event
from llmopt.sweeps.executors.protocol import GRACE, Answer, CellJob
from llmopt.sweeps.executors.worker import CellWorker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType

    from llmopt.engine.progress import Progress
    from llmopt.sweeps.executors.protocol import SweepWork

_MEMORY = 80_000_000  # bytes of Ray's object store, which holds next to nothing; its least is 75 MB
_LOOK = 0.5  # seconds from look to look at the workers
_PACE = 0.5  # seconds between two tellings of a worker's progress
_BARREN = 3  # deaths of a worker, per slot, without any cell


class RayWorkers:
    """An executor whose workers are tasks of Ray.

    Args:
        work: What they do.
        on: "ray", which is started on this machine, or "ray://HOST:PORT".
        jobs: How many there are; None: as many as there are cores.
        cells: How many cells there are to do.
        pinned: Whether each has cores of its own, for a model in its process.
    """

    name = "ray"

    def __init__(
        self, work: SweepWork, on: str, jobs: int | None, *, cells: int, pinned: bool
    ) -> None:
        self._work, self._on, self._jobs = work, on, jobs
        self._cells, self._pinned = cells, pinned
        self.slots = 0
        self._refs: dict[Any, str] = {}
        self._futures: dict[int, asyncio.Future[Answer]] = {}
        self._listeners: dict[int, Callable[[Progress], None]] = {}
        self._ending = threading.Event()
        self._started = self._barren = 0
        self._stack = contextlib.ExitStack()

    async def __aenter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            if self._on == "ray":
                jobs = min(self._jobs or free_cores(), self._cells)
                ray = stack.enter_context(_own_ray(jobs))
                each = max(1, free_cores() // jobs)
            else:
                ray = stack.enter_context(_joined_ray(self._on))
                check_store(self._work.store, {n["NodeManagerHostname"] for n in _nodes(ray)})
                found = int(ray.cluster_resources().get("CPU", 1))
                jobs, each = min(self._jobs or found, self._cells), 1
            self._ray, self.slots = ray, jobs
            # No restart: who has handed out what would be forgotten.
            self._desk = ray.remote(CellDesk).options(num_cpus=0, max_restarts=0).remote()
            work = replace(self._work, store=_absolute(self._work.store), share=1 / jobs)
            assigned = Assignment(work, str(Path.cwd()), _paths(), each if self._pinned else 0)
            ray.get(self._desk.open.remote(assigned))
            self._task = ray.remote(_work_at).options(num_cpus=1, max_retries=0)
            for _ in range(jobs):
                self._start()
            self._loop = asyncio.get_running_loop()
            self._pump = threading.Thread(target=self._pumped, daemon=True)
            self._pump.start()
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ending.set()
        with self._stack:
            self._pump.join()
            with contextlib.suppress(self._ray.exceptions.RayError):
                self._ray.get(self._desk.stop.remote(), timeout=GRACE)
                self._ray.wait(list(self._refs), num_returns=len(self._refs), timeout=GRACE)

    async def answer(self, job: CellJob, listen: Callable[[Progress], None] | None) -> Answer:
        """See the protocol."""
        future: asyncio.Future[Answer] = self._loop.create_future()
        self._futures[job.number] = future
        if listen:
            self._listeners[job.number] = listen
        try:
            self._desk.put.remote(job)
            return await future
        finally:
            self._futures.pop(job.number, None)
            self._listeners.pop(job.number, None)

    def _start(self) -> None:
        """Start a worker."""
        self._started += 1
        name = f"worker-{self._started}"
        self._refs[self._task.remote(self._desk, name)] = name

    def _pumped(self) -> None:
        """Pass on what workers tell, and replace those that died, until the sweep ends."""
        try:
            while not self._ending.is_set():
                for event in self._ray.get(self._desk.events.remote(_LOOK)):
                    self._loop.call_soon_threadsafe(self._heard, event)
                ended, _ = self._ray.wait(list(self._refs), num_returns=1, timeout=0)
                for ref in ended:
                    self._replace(ref)
        except Exception as error:  # noqa: BLE001 - whatever Ray raises, nobody hands out cells now
            words = f"Ray hands out the cells, but it failed: {type(error).__name__}: {error}"
            self._loop.call_soon_threadsafe(
                self._fail, error if isinstance(error, LlmoptError) else LlmoptError(words)
            )

    def _replace(self, ref: Any) -> None:
        """Start another worker in the place of one that ended.

        Raises:
            LlmoptError: It could not begin, or workers die before they do anything.
        """
        name = self._refs.pop(ref)
        try:
            why = self._ray.get(ref)
        except self._ray.exceptions.RayError as error:
            why = type(error).__name__
        if isinstance(why, LlmoptError):
            raise why
        if self._ending.is_set():
            return
        job = self._ray.get(self._desk.lost.remote(name))
        self._barren = self._barren + 1 if job is None else 0
        if self._barren > _BARREN * self.slots:
            raise LlmoptError(f"Ray's workers do cells, but they die before they begin: {why}")
        self._start()
        if job is not None:
            lost = WorkerLostError(
                f"a worker of Ray does its cells to the end, but one died in cell {job.number + 1} "
                f"({why}); the same command continues where it stopped"
            )
            self._loop.call_soon_threadsafe(self._lose, job.number, lost)

    def _heard(self, event: Event) -> None:
        if event.kind == "progress":
            if listen := self._listeners.get(event.number):
                listen(event.what)
        elif (future := self._futures.get(event.number)) and not future.done():
            future.set_result(event.what)

    def _lose(self, number: int, error: WorkerLostError) -> None:
        if (future := self._futures.get(number)) and not future.done():
            future.set_exception(error)

    def _fail(self, error: LlmoptError) -> None:
        for future in self._futures.values():
            if not future.done():
                future.set_exception(error)


def check_store(store: str | Path | None, hosts: Iterable[str]) -> None:
    """Refuse a store that workers on other machines cannot open.

    Args:
        store: As for `open_store`.
        hosts: Names of the machines.

    Raises:
        ConfigError: It is a file, and there are others than this one.
    """
    others = sorted(set(hosts) - {socket.gethostname()})
    if others and not str(store or "").startswith("postgresql://"):
        raise ConfigError(
            "a store that workers on several machines use is a database, postgresql://…, but got a "
            f"file, which {others[0]} cannot share; name one with --store, or use --on ray on this "
            "machine"
        )


def _absolute(store: str | Path | None) -> str | Path | None:
    """Return a store as it is called from any folder; None where workers find the usual one."""
    if store is None:
        from llmopt.store import default_path

        return default_path().absolute()
    return store if "://" in str(store) else Path(store).expanduser().absolute()


def _paths() -> tuple[str, ...]:
    """Return where Python looks for modules of the user's."""
    return tuple(path or str(Path.cwd()) for path in sys.path)


def _nodes(ray: Any) -> list[dict[str, Any]]:
    return [node for node in ray.nodes() if node["Alive"]]


@contextlib.contextmanager
def _variables(**usual: str) -> Any:
    """Set variables of the environment meanwhile, unless the user has."""
    new = {name: value for name, value in usual.items() if name not in os.environ}
    os.environ.update(new)
    try:
        yield
    finally:
        for name in new:
            os.environ.pop(name, None)


@contextlib.contextmanager
def _own_ray(cores: int) -> Any:
    """Start Ray on this machine; nothing of it is left in the end.

    Nobody else's processes can use it: it wants a token that only those have that it starts, and
    its files are in a folder that only this user can read. It reports no usage.
    """
    # Paths of sockets are short, so not in a folder of folders.
    short = Path("/tmp")  # noqa: S108 - a private folder is made in it
    folder = tempfile.mkdtemp(prefix="llmopt-ray-", dir=short if short.is_dir() else None)
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        stack.enter_context(
            _variables(
                RAY_USAGE_STATS_ENABLED="0",
                RAY_AUTH_MODE="token",
                RAY_AUTH_TOKEN=secrets.token_hex(32),
            )
        )
        ray = _imported()
        ray.init(
            address="local",
            num_cpus=cores,
            num_gpus=0,
            object_store_memory=_MEMORY,
            include_dashboard=False,
            log_to_driver=False,
            configure_logging=False,
            _temp_dir=folder,
        )
        stack.callback(ray.shutdown)
        yield ray


@contextlib.contextmanager
def _joined_ray(address: str) -> Any:
    """Use a cluster that exists, and leave it as it was."""
    with _variables(RAY_USAGE_STATS_ENABLED="0"):
        ray = _imported()
        try:
            ray.init(address, log_to_driver=False, configure_logging=False)
        except (ConnectionError, ray.exceptions.RayError) as error:
            raise ConfigError(
                f"a cluster of Ray is one that answers, but {address} did not: "
                f"{str(error).splitlines()[0]}; check the address, and RAY_AUTH_TOKEN where it "
                "wants a token"
            ) from error
        try:
            yield ray
        finally:
            ray.shutdown()


def _imported() -> Any:
    """Load Ray: it reads the environment when it is loaded."""
    import ray

    return ray


# -- in a worker ------------------------------------------------------------------------------


def _work_at(desk: Any, name: str) -> LlmoptError | None:
    """Do cells until there are no more, in a task of Ray.

    Returns:
        Why no cell can be done here, if that is so.
    """
    import ray

    available = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    node = ray.get_runtime_context().get_node_id()
    assigned, own = ray.get(desk.enter.remote(name, node, available))
    if own:
        os.sched_setaffinity(0, own)
    if Path(assigned.folder).is_dir():
        os.chdir(assigned.folder)
    sys.path += [path for path in assigned.paths if path not in sys.path]
    busy = threading.Event()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    threading.Thread(target=_heed, args=(ray, desk, busy), daemon=True).start()
    try:
        with CellWorker(assigned.work) as worker:
            while (job := ray.get(desk.next.remote(name))) is not None:
                busy.set()
                answer = worker.run(worker.answer(job, _Teller(desk, name, job.number)))
                busy.clear()
                ray.get(desk.tell.remote(name, Event("answer", job.number, answer)))
    except KeyboardInterrupt:
        pass
    except LlmoptError as error:
        return error
    return None


def _heed(ray: Any, desk: Any, busy: threading.Event) -> None:
    """Interrupt the cell of this process when the sweep is stopped, or nobody waits for it."""
    with contextlib.suppress(Exception):  # the actor is gone: that is the same
        ray.get(desk.stopped.remote())
    if busy.is_set():
        os.kill(os.getpid(), signal.SIGINT)


class _Teller:
    """Tells the desk of a cell's progress, not too often."""

    def __init__(self, desk: Any, worker: str, number: int) -> None:
        self._desk, self._worker, self._number = desk, worker, number
        self._told = 0.0

    def __call__(self, progress: Progress) -> None:
        now = time.monotonic()
        if now - self._told >= _PACE:
            self._told = now
            self._desk.tell.remote(self._worker, Event("progress", self._number, copy(progress)))
