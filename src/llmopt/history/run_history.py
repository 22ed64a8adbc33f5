"""Reads a run's journal, for those who display or compare runs."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from llmopt.core.store import STEP
from llmopt.core.trajectory import Trajectory
from llmopt.engine.header import RunHeader
from llmopt.engine.journal import (
    PROBLEM,
    SPENT,
    TESTED,
    USED,
    HeldOut,
    ProblemRecord,
    Validation,
    steps,
    understood,
)
from llmopt.errors import ConfigError
from llmopt.evidence.differences import groups_of
from llmopt.evidence.front import Front

if TYPE_CHECKING:
    from llmopt.core.store import Store
    from llmopt.core.values import Item, Outcome
    from llmopt.engine.journal import Step

_NOT_RUNS = {"evaluation": ("an evaluation", "llmopt show"), "sweep": ("a sweep", "llmopt sweep")}


@dataclass(frozen=True)
class RunHistory:
    """What the journal of a run says.

    Attributes:
        run: Its name.
        config: Its configuration.
        steps: Its steps.
        validations: The points of its overfitting curve.
        problem: What it has kept of its problem; None for a run of an older version.
        tested: The held-out answers, if it has kept them.
        result: What it found, as plain data, if it has come to an end.
        spent: What had been spent when a step was done, by its number, see
            :data:`~llmopt.engine.journal.SPENT`; runs of older versions have not kept it.
    """

    run: str
    config: dict[str, Any]
    steps: tuple[Step, ...]
    validations: tuple[Validation, ...]
    problem: ProblemRecord | None
    tested: HeldOut | None
    result: dict[str, Any] | None
    spent: dict[int, dict[str, Any]] = field(default_factory=dict)

    @property
    def identity(self) -> dict[str, str]:
        """What makes the run this run."""
        found: dict[str, str] = self.config["identity"]
        return found

    @cached_property
    def header(self) -> RunHeader:
        """What it says of itself."""
        return RunHeader.of(self.config)

    @cached_property
    def trajectory(self) -> Trajectory:
        """All steps, told."""
        made = Trajectory()
        for step in self.steps:
            made = made.tell(step.entries)
        return made

    @cached_property
    def items(self) -> dict[str, Item]:
        """The held-out items by id, without what depends on the split or on groups."""
        return (
            {item.id: replace(item, weight=1.0, group="") for item in self.tested.items}
            if self.tested
            else {}
        )

    @cached_property
    def groups(self) -> dict[str, str]:
        """Which group each item belongs to, by its id, where the run has kept its items."""
        parts = self.problem.items.values() if self.problem else ()
        held = self.tested.items if self.tested else ()
        return groups_of([*(item for part in parts for item in part), *held])

    @cached_property
    def answers(self) -> dict[Item, Outcome]:
        """What the winner got on each held-out item; nothing where that was not kept.

        Items of two runs are the same where id, input and target are.
        """
        found = self.tested.answers[0][2].outcomes if self.tested else ()
        return {self.items[o.item]: o for o in found if o.item in self.items}


def told(store: Store, run: str) -> RunHistory:
    """Read the journal of a run, as far as it has come.

    Raises:
        StoreError: The store has no such run, or cannot be read.
    """
    validations: list[Validation] = []
    found = tuple(steps(store, run, validated=validations.append))
    problem, tested, result = None, None, None
    spent: dict[int, dict[str, Any]] = {}
    number = -1
    for record in store.records(run):  # the last ones: a run that went on has several
        if record.kind == TESTED:
            tested = understood(run, record, HeldOut.unpacked)
        elif record.kind == PROBLEM:
            problem = understood(run, record, ProblemRecord.unpacked)
        elif record.kind == "result":
            result = understood(run, record, whole_result)
        elif record.kind == STEP:
            number += 1
        elif record.kind == SPENT:
            spent[number] = understood(run, record, _spending)
    return RunHistory(
        run, store.config(run), found, tuple(validations), problem, tested, result, spent
    )


def _spending(data: dict[str, Any]) -> dict[str, Any]:
    """Return what a record of kind `SPENT` says, with a name for each number."""
    usage = {
        str(role): dict(zip(USED, map(int, used), strict=False))
        for role, used in data["usage"].items()
    }
    return {"seconds": float(data["seconds"]), "usage": usage}


def front_told(store: Store, run: str) -> Front:
    """Read the front of a run.

    Raises:
        ConfigError: It is no run that searched, is not finished, or has no front.
        StoreError: The store has no such run, or cannot be read.
    """
    return front_in(told_run(store, run))


def front_in(found: RunHistory) -> Front:
    """Return the front of a run.

    Raises:
        ConfigError: The run is not finished, or has no front.
    """
    if found.result is None:
        raise ConfigError(
            f"a front is of a finished run, but {found.run!r} is not; continue with: "
            f"llmopt resume {found.run}"
        )
    if not found.result.get("front"):
        raise ConfigError(
            f"a front is of runs of instructions, made by a version that stores it, but "
            f"{found.run!r} has none; llmopt resume {found.run} adds it from stored replies if its "
            "solutions are instructions"
        )
    return Front.plain(found.result["front"])


def whole_result(data: dict[str, Any]) -> dict[str, Any]:
    """Return the data of a result where it has what every reader relies on.

    Raises:
        KeyError, TypeError: It has not.
    """
    for end in ("start", "best"):
        if not isinstance(data[end]["text"], str):
            raise TypeError(f"the text of the {end} is none")
    for key, kind in (("verdict", str), ("lines", list), ("notes", list), ("usage", dict)):
        if not isinstance(data[key], kind):
            raise TypeError(f"{key} is no {kind.__name__}")
    return data


def told_run(store: Store, run: str) -> RunHistory:
    """Read the journal of a run that is compared with others.

    Raises:
        ConfigError: It is an evaluation or a sweep, or has measured nothing yet.
        StoreError: The store has no such run, or cannot be read.
    """
    kind = RunHeader.of(store.config(run)).kind
    if kind != "run":
        what, instead = _NOT_RUNS[kind]
        raise ConfigError(
            f"a comparison is of runs that searched, but {run!r} is {what}; {instead} has its table"
        )
    found = told(store, run)
    if not found.steps:
        raise ConfigError(
            f"a comparison is of runs that have measured something, but {run!r} has not; go on "
            f"with: llmopt resume {run}"
        )
    return found
