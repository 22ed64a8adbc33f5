"""Which executor does the cells of a sweep, by what the user asks for."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from llmopt.errors import ConfigError, MissingExtraError
from llmopt.models.providers.local import free_cores
from llmopt.sweeps.executors.processes import CellProcesses, shares_of

if TYPE_CHECKING:
    from llmopt.core.store import Store
    from llmopt.sweeps.executors.protocol import Executor, SweepWork

PROCESSES, RAY, CLUSTER = "processes", "ray", "ray://"
_LANES = 4  # cells that a process does side by side, so that one is worked on while others wait


@dataclass(frozen=True)
class CellPlace:
    """Where cells are done, as the user asks for it.

    Attributes:
        on: See `run_sweep`.
        jobs: See `run_sweep`.
        apart: See `run_sweep`.
    """

    on: str | None = None
    jobs: int | None = None
    apart: bool | None = None

    def __post_init__(self) -> None:
        if self.jobs is not None and self.jobs < 1:
            raise ConfigError(f"jobs are cells at once, 1 or more, but got {self.jobs}")
        check_place(self.on)


def check_place(on: str | None) -> None:
    """Refuse a place where no cells are done.

    Raises:
        ConfigError: There is no such place.
        MissingExtraError: It needs Ray, or its client, which is not installed.
    """
    if on is None or on == PROCESSES:
        return
    if on != RAY and not (on.startswith(CLUSTER) and on.removeprefix(CLUSTER)):
        raise ConfigError(
            f"cells are done on processes, ray or ray://HOST:PORT, but got {on!r}; name one"
        )
    if find_spec("ray") is None or (on != RAY and find_spec("grpc") is None):
        raise MissingExtraError(f"--on {RAY}", "ray")


def executor_for(
    place: CellPlace,
    work: SweepWork,
    store: str | Path | Store | None,
    *,
    cells: int,
    local: bool,
    quiet: bool,
) -> Executor | None:
    """Return what does the cells; None: this process does them itself.

    Args:
        place: Where cells are done.
        work: What workers need to know, except for the store.
        store: Where that is.
        cells: How many cells are to be done.
        local: Whether they ask a model in their process.
        quiet: Whether no progress is shown.

    Raises:
        ConfigError: The cells cannot be done as asked.
    """
    on, jobs, pinned = place.on, place.jobs, local
    apart = local if place.apart is None else place.apart
    if on is None and min(jobs or 1, cells) > 1 and apart:
        on, pinned = PROCESSES, True
    if on is None or not cells:
        return None
    if not (store is None or isinstance(store, str | Path)):
        raise ConfigError(
            "processes that do cells open the store by its path, but got an open store; give its "
            "path, or leave the jobs out"
        )
    work = replace(work, store=store)
    if on != PROCESSES:
        from llmopt.sweeps.executors.ray_workers import RayWorkers

        return RayWorkers(work, on, jobs, cells=cells, pinned=local)
    jobs = min(jobs or free_cores(), cells)
    room = hasattr(os, "sched_setaffinity") and jobs <= free_cores()
    cores = shares_of(jobs) if pinned or room else [[] for _ in range(jobs)]
    lanes = _LANES if not pinned and _mostly_waits(work) else 1
    lanes = max(1, min(lanes, cells // jobs))
    return CellProcesses(replace(work, share=1 / jobs), cores, quiet=quiet, lanes=lanes)


def _mostly_waits(work: SweepWork) -> bool:
    """Whether cells wait for models, so that a process does several side by side.

    Those of programs that are timed would disturb each other. One budget of all processes is kept
    by each of them for one cell at a time.
    """
    cells = work.sweep.cells
    return work.calls is None and all(cell.settings.problem.scored_by_model for cell in cells)
