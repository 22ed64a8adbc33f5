"""Acceptance gates: which children are measured on all tracked rows, and so join the pool."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from llmopt.algorithms.gepa.system_merge import PAIR
from llmopt.algorithms.gepa.tracked_rows import TrackedRows, full_marks, row_labels
from llmopt.core.part import generator
from llmopt.core.values import Evaluation
from llmopt.errors import ConfigError
from llmopt.statistics.sequential_gain import gain_p_value, predictive_power

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from llmopt.core.part import Measure, StepContext
    from llmopt.core.problem import Problem
    from llmopt.core.trajectory import Entry
    from llmopt.core.values import Candidate, Item, Outcome

    _Jobs = list[tuple[Candidate, Item]]
    _Asking = Generator[_Jobs, Sequence[Outcome], None]
    _Decision = Generator[_Jobs, Sequence[Outcome], bool]
    _Trial = Generator[_Jobs, Sequence[Outcome], Evaluation]

GateName = Literal["sequential", "strict"]

_FIRST = 8  # rows before the first look; every further look comes after twice as many
_MERGE_ROWS = 5  # that a merge is compared with its parents on, with the published gate
_WITHHELD = 1  # row that only accepted children are measured on


@dataclass(frozen=True)
class AcceptanceGate:
    """Measure children on few rows, and on all tracked rows only where they are accepted.

    A child is first measured on the rows that it was written from, and stays only if the sum of
    its scores there is greater than its parent's. With ``strict`` (the published gate) it is then
    accepted. With ``sequential`` those rows do not count, because the parent was wrong on them by
    choice or by chance. The child is measured on further tracked rows in random order, with looks
    after 8, 16, 32, … of them. At each look it is rejected if success at the last look has become
    less likely than `futility`
    (:func:`~llmopt.statistics.sequential_gain.predictive_power`). The last look comes one row
    before the end: there the child is accepted if the one-sided paired test
    (:func:`~llmopt.statistics.sequential_gain.gain_p_value`) against its parent's scores on the
    same rows, which are known, has a p-value of at most `error`. Early stops only reject, so of
    children that are no better at most this share is accepted.

    A merge of two candidates was written from no rows, so with ``sequential`` all tracked rows are
    for its test, against the better one of the two. With ``strict`` it is accepted where its sum on
    five tracked rows is at least the sum of either. Where there are such rows, one of them was
    better on a third of the five, the other on a third, and both were equal on the rest.

    A rejected child keeps a partial evaluation: at least one tracked row was not tried. Accepted
    children and the starting solutions are measured on all tracked rows.

    Attributes:
        rows: How the training rows are used.
        gate: ``sequential`` or ``strict``.
        error: Largest share of accepted children among those that are no better; above 0, below 1.
        futility: Chance of success below which a child is rejected early; 0 or more, below 1.
    """

    rows: TrackedRows = field(default_factory=TrackedRows)
    gate: GateName = "sequential"
    error: float = 0.05
    futility: float = 0.2

    def __post_init__(self) -> None:
        if self.gate not in get_args(GateName):
            raise ConfigError(f"a gate is {' or '.join(get_args(GateName))}, but got {self.gate!r}")
        if not 0 < self.error < 1:
            raise ConfigError(
                f"an error rate is between 0 and 1, but got {self.error}; 0.05 is usual"
            )
        if not 0 <= self.futility < 1:
            raise ConfigError(
                f"the least chance of success is 0 or more and below 1, but got {self.futility}"
            )

    def fits(self, problem: Problem) -> None:
        """Refuse a problem with so few training rows that no child can be accepted."""
        items = problem.items("train")
        shown = 0 if self.rows.apart(items) else self.rows.rows
        least = shown + _WITHHELD + (self._fewest if self.gate == "sequential" else 0)
        found = len(set(row_labels(self.rows.kept(items)).values()))
        if found < least:
            raise ConfigError(
                f"tracked training rows of different inputs must be at least {least} for rows = "
                f"{self.rows.rows}, gate = {self.gate!r} and error = {self.error}, got {found}; "
                "give more rows, or choose a larger error or gate = 'strict'"
            )

    @property
    def _fewest(self) -> int:
        """How many rows that all gain are needed for a test to accept."""
        fewest = 1
        while 0.5 ** (fewest + 1) > self.error:  # a mid-p value
            fewest += 1
        return fewest

    async def __call__(
        self,
        ctx: StepContext,
        candidates: Sequence[Candidate],
        items: Sequence[Item],
        measure: Measure,
    ) -> tuple[Evaluation, ...]:
        """Return evaluations of all tracked rows, and partial ones of rejected children."""
        tracked = self.rows.kept(items)
        if not ctx.trajectory.steps:
            outcomes = await measure([(c, item) for c in candidates for item in tracked])
            size = len(tracked)
            return tuple(
                Evaluation(tuple(outcomes[at * size : (at + 1) * size]), size)
                for at in range(len(candidates))
            )
        ways = [_Way(child, items, tracked) for child in candidates]
        return await _together([self._trial(ctx, way) for way in ways], measure)

    def _trial(self, ctx: StepContext, way: _Way) -> _Trial:
        """Ask for the outcomes of one child, look by look, and return its evaluation."""
        parents = way.child.parents
        parent = ctx.trajectory.entry(parents[-1]) if parents else None
        if parent is None or (yield from self._accepts(ctx, way, parent)):
            yield from way.see(way.tracked)
        tracked = [item for item in way.tracked if item.id in way.found]
        known = tracked or [item for item in way.items if item.id in way.found]
        return Evaluation(tuple(way.found[item.id] for item in known), len(way.tracked))

    def _accepts(self, ctx: StepContext, way: _Way, parent: Entry) -> _Decision:
        """Measure a child until it is decided on, and return whether it is accepted."""
        way.before.update((outcome.item, outcome) for outcome in parent.evaluation.outcomes)
        if len(way.child.parents) == PAIR:
            if self.gate == "strict":
                return (yield from self._holds(ctx, way))
            return (yield from self._tested(ctx, way, ()))
        shown = self.rows.shown(way.items, ctx.seed, ctx.step, parent, full_marks(ctx.problem))
        yield from _seen(parent.candidate, shown, way.before)
        yield from way.see(shown)
        if sum(way.changes(shown)) <= 0:
            return False
        if self.gate == "strict":
            return True
        return (yield from self._tested(ctx, way, shown))

    def _tested(self, ctx: StepContext, way: _Way, shown: Sequence[Item]) -> _Decision:
        """Test a child on tracked rows that it was not written from, look by look."""
        labels = row_labels(way.items)
        used = {labels[item.id] for item in shown}
        fresh = [item for item in way.tracked if labels[item.id] not in used]
        mixed = generator(ctx.seed, ctx.step, "gate").permutation(len(fresh))
        rows = [fresh[int(at)] for at in mixed][:-_WITHHELD]
        for size in looks(len(rows))[:-1]:
            yield from way.see(rows[:size])
            seen = way.changes(rows[:size], weighted=True)
            if predictive_power(seen, len(rows), self.error) < self.futility:
                return False
        yield from way.see(rows)
        clusters = [labels[item.id] for item in rows]
        return gain_p_value(way.changes(rows, weighted=True), clusters, ctx.seed) <= self.error

    @staticmethod
    def _holds(ctx: StepContext, way: _Way) -> _Decision:
        """Compare a merge with both of its parents on few rows."""
        first, second = (
            {o.item: o.score for o in ctx.trajectory.entry(one).evaluation.outcomes}
            for one in way.child.parents
        )
        mixed = generator(ctx.seed, ctx.step, "merge rows").permutation(len(way.tracked))
        kinds: dict[float, list[Item]] = {}
        for item in (way.tracked[int(at)] for at in mixed):
            one, two = first.get(item.id), second.get(item.id)
            if one is not None and two is not None:
                kinds.setdefault(float(np.sign(one - two)), []).append(item)
        third = -(-_MERGE_ROWS // 3)
        rows = [item for some in kinds.values() for item in some[:third]]
        rows += [item for some in kinds.values() for item in some[third:]]
        rows = rows[:_MERGE_ROWS]
        yield from way.see(rows)
        reached = sum(way.found[item.id].score or 0.0 for item in rows)
        return reached >= max(sum(one[item.id] or 0.0 for item in rows) for one in (first, second))


@dataclass(frozen=True)
class _Way:
    """The way of a child through the gate.

    Attributes:
        child: The child.
        items: All training rows.
        tracked: Those that candidates are tracked by.
        found: Outcomes of the child so far, by item.
        before: Outcomes of its parent, by item.
    """

    child: Candidate
    items: Sequence[Item]
    tracked: Sequence[Item]
    found: dict[str, Outcome] = field(default_factory=dict)
    before: dict[str, Outcome] = field(default_factory=dict)

    def see(self, items: Sequence[Item]) -> _Asking:
        """Ask for the child's outcomes that are not known yet."""
        return _seen(self.child, items, self.found)

    def changes(self, items: Sequence[Item], *, weighted: bool = False) -> list[float]:
        """Return by how much the score of each item changed; 0 where one of the two is missing."""
        return [self._change(item) * (item.weight if weighted else 1.0) for item in items]

    def _change(self, item: Item) -> float:
        old, new = self.before.get(item.id), self.found.get(item.id)
        if old is None or new is None or old.score is None or new.score is None:
            return 0.0
        return new.score - old.score


def looks(rows: int) -> tuple[int, ...]:
    """Return after how many rows the sequential gate looks; the last is all of them."""
    sizes, size = [], _FIRST
    while size < rows:
        sizes.append(size)
        size *= 2
    return (*sizes, rows)


def _seen(candidate: Candidate, items: Sequence[Item], found: dict[str, Outcome]) -> _Asking:
    """Ask for the outcomes that are not known yet, and note them."""
    missing = [item for item in items if item.id not in found]
    if missing:
        outcomes = yield [(candidate, item) for item in missing]
        found.update((outcome.item, outcome) for outcome in outcomes)


async def _together(trials: Sequence[_Trial], measure: Measure) -> tuple[Evaluation, ...]:
    """Carry out trials side by side, so that the jobs of all are in flight at once."""
    evaluations: dict[int, Evaluation] = {}
    answers: dict[int, list[Outcome] | None] = dict.fromkeys(range(len(trials)))
    while answers:
        asked: dict[int, _Jobs] = {}
        for number, answer in answers.items():
            trial = trials[number]
            try:
                asked[number] = next(trial) if answer is None else trial.send(answer)
            except StopIteration as end:
                evaluations[number] = end.value
        jobs = [job for some in asked.values() for job in some]
        outcomes = iter(await measure(jobs) if jobs else ())
        answers = {number: [next(outcomes) for _ in some] for number, some in asked.items()}
    return tuple(evaluations[number] for number in range(len(trials)))
