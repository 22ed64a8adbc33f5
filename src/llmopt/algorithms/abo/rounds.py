"""An ABO-style search's use of the training items and of its past.

Ours, a reconstruction after docs/papers/abo.md. A *state* is a candidate of the
search with numbered steps. Which state is current, which step is blocked and what each round came
to follow from the trajectory alone, so a resumed run goes on from the same ones.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Literal, get_args

from llmopt.algorithms.abo.traces import Lines, steps_of, touched
from llmopt.core.trajectory import rank
from llmopt.errors import ConfigError
from llmopt.parts.rate import Everything

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from llmopt.core.part import Measure, StepContext
    from llmopt.core.problem import Problem
    from llmopt.core.trajectory import Entry, Trajectory
    from llmopt.core.values import Candidate, Evaluation, Item

Accept = Literal["not_worse", "strict", "always"]

_LEAST = 2  # items beside the pool: one to work on, one to measure on


@dataclass(frozen=True)
class Shared:
    """The training items in three disjoint shares.

    Attributes:
        pool: Items that demonstrations are made of.
        work: Items on which failures are looked for, and which are shown to the optimizer LLM.
        dev: Items that candidates are measured on, and that nothing else is done with.
    """

    pool: tuple[Item, ...]
    work: tuple[Item, ...]
    dev: tuple[Item, ...]


@dataclass(frozen=True)
class Shares:
    """How the training items are divided: the pool first, then the work items, then dev.

    A training split is in mixed order, so its first items are a fair sample. Items with equal
    inputs stay together, in the first share that has one of them; in the pool and among the
    work items, one stands for all. Validation and test items are never looked at. Items that
    are too much alike are refused before a run (:meth:`check`); a rehearsal, in which all are as
    long as one of them, divides them as they stand.

    Attributes:
        pool: Different inputs in the pool, 1 or more.
        dev: Share of the other inputs that is dev, between 0 and 1; at least one input is dev
            and one is a work item.
    """

    pool: int = 5
    dev: float = 0.5

    def __post_init__(self) -> None:
        if self.pool < 1:
            raise ConfigError(f"items for demonstrations are 1 or more, but got {self.pool}")
        if not 0 < self.dev < 1:
            raise ConfigError(f"the share of dev items is between 0 and 1, but got {self.dev}")

    def check(self, items: Sequence[Item]) -> None:
        """Refuse training items with too few different inputs.

        Raises:
            ConfigError: There are fewer than the pool takes, and two more.
        """
        found = len({item.input for item in items})
        if found < self.pool + _LEAST:
            raise ConfigError(
                f"training items have {self.pool + _LEAST} or more different inputs "
                f"({self.pool} for demonstrations), but got {found}; give more rows or a "
                "smaller demo_pool"
            )

    def __call__(self, items: Sequence[Item]) -> Shared:
        """Divide training items."""
        alike = len({item.input for item in items}) < self.pool + _LEAST
        name = {item: item.id if alike else item.input for item in items}
        names = list(dict.fromkeys(name.values()))
        rest = len(names) - self.pool
        measured = max(1, min(rest - 1, round(self.dev * rest)))
        first = {name[item]: item for item in reversed(items)}
        dev = set(names[-measured:])
        return Shared(
            pool=tuple(first[one] for one in names[: self.pool]),
            work=tuple(first[one] for one in names[self.pool : -measured]),
            dev=tuple(item for item in items if name[item] in dev),
        )


@dataclass(frozen=True)
class OnDev:
    """Every candidate on every dev item, the starting solutions included.

    An evaluation that has all dev items is full, so scores are comparable with one another.

    Attributes:
        shares: How the training items are divided.
    """

    shares: Shares = field(default_factory=Shares)

    def fits(self, problem: Problem) -> None:
        """Refuse a problem with too few training items."""
        self.shares.check(problem.items("train"))

    async def __call__(
        self,
        ctx: StepContext,
        candidates: Sequence[Candidate],
        items: Sequence[Item],
        measure: Measure,
    ) -> tuple[Evaluation, ...]:
        """Return one evaluation per candidate."""
        return await Everything()(ctx, candidates, self.shares(items).dev, measure)


@dataclass(frozen=True)
class AboRound:
    """What one step of the search came to.

    Attributes:
        step: Number of the step.
        tried: The states that were measured, in the order in which they were proposed.
        best: The best of them, among equals the first proposed.
        accepted: Whether the best became the current state.
        blamed: The step that was rewritten, 0 for a missing one; None in the round that wrote
            the first steps, and where it cannot be told.
    """

    step: int
    tried: tuple[Entry, ...]
    best: Entry
    accepted: bool
    blamed: int | None


@dataclass(frozen=True)
class Accepted:
    """The state that was accepted last survives; before there is one, the best start.

    The first state is always accepted. What is accepted then is compared on dev; a partial score
    never beats a full one.

    Attributes:
        accept: ``not_worse`` than the current state, ``strict`` (better), or ``always``.
    """

    accept: Accept = "not_worse"

    def __post_init__(self) -> None:
        if self.accept not in get_args(Accept):
            raise ConfigError(
                f"accept is one of {', '.join(get_args(Accept))}, but got {self.accept!r}"
            )

    def __call__(self, ctx: StepContext) -> tuple[Entry, ...]:
        """Return the current state."""
        current = self._history(ctx.trajectory).now()
        return (current,) if current else ctx.trajectory.best(1)

    def rounds(self, trajectory: Trajectory) -> tuple[AboRound, ...]:
        """Return the history: every step of the search that measured a state, in order."""
        return self._history(trajectory).rounds()

    def _history(self, trajectory: Trajectory) -> _History:
        return trajectory.running(self, lambda: _History(self.takes))

    def takes(self, new: Entry, old: Entry) -> bool:
        """Whether a new state is accepted in the place of the current one."""
        if self.accept == "always":
            return True
        return rank(new) > rank(old) or (self.accept == "not_worse" and rank(new) == rank(old))


def state(entry: Entry) -> Lines:
    """Return the steps of a state, or none where an entry is no measured state of the search."""
    if not entry.candidate.step or entry.evaluation.score is None:
        return ()
    return steps_of(entry.text)


class _History:
    """The rounds of a search, entry by entry."""

    def __init__(self, takes: Callable[[Entry, Entry], bool]) -> None:
        self._takes = takes
        self._closed: list[AboRound] = []
        self._current: Entry | None = None
        self._tried: list[Entry] = []

    def add(self, entry: Entry, trajectory: Trajectory) -> None:
        """Add an entry to the round of its step."""
        del trajectory
        if not state(entry):
            return
        if self._tried and self._tried[-1].candidate.step != entry.candidate.step:
            self._closed.append(self._last())
            self._current, self._tried = self.now(), []
        self._tried.append(entry)

    def now(self) -> Entry | None:
        """Return the state that was accepted last."""
        last = self._last() if self._tried else None
        return last.best if last and last.accepted else self._current

    def rounds(self) -> tuple[AboRound, ...]:
        """Return all rounds."""
        return (*self._closed, *((self._last(),) if self._tried else ()))

    def _last(self) -> AboRound:
        current, tried = self._current, tuple(self._tried)
        best = max(tried, key=rank)  # the first of equals
        taken = current is None or self._takes(best, current)
        blamed = _blamed(state(current), tried) if current else None
        return AboRound(tried[0].candidate.step, tried, best, taken, blamed)


class Tried:
    """The steps of all states of a search.

    Attributes:
        steps: Of each state, all of its steps.
    """

    def __init__(self) -> None:
        self.steps: set[Lines] = set()

    def add(self, entry: Entry, trajectory: Trajectory) -> None:
        """Add the steps of an entry; an entry that is no state has none."""
        del trajectory
        self.steps.add(state(entry))


def blocked(trajectory: Trajectory, current: Entry) -> frozenset[int]:
    """Return the steps of the current state whose rewriting was measured and not accepted.

    A round of which no candidate was measured blocks nothing: of it, nothing is known.
    """
    size = 16
    while size < len(trajectory) and trajectory.recent(size)[0].candidate.step > (
        current.candidate.step
    ):
        size *= 4
    tried = trajectory.recent(size)
    later = [e for e in tried if e.candidate.step > current.candidate.step and state(e)]
    rounds = groupby(later, key=lambda entry: entry.candidate.step)
    blamed = (_blamed(state(current), tuple(group)) for _, group in rounds)
    return frozenset(step for step in blamed if step is not None)


def _blamed(steps: Lines, tried: Sequence[Entry]) -> int | None:
    """Return the step that all candidates of a round may have changed.

    Where more than one step fits, a missing one (0) comes first, then the smallest.
    """
    common = set.intersection(*(touched(steps, state(entry)) for entry in tried))
    return min(common, default=None)
