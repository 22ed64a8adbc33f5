"""Merges two candidates of the front part by part, where they descend from the same one."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

from llmopt.algorithms.gepa.row_fronts import ParetoDraw, front_counts
from llmopt.core.part import Group, generator
from llmopt.core.problem import Refusal, parts_of
from llmopt.core.solution import join_parts, split_parts
from llmopt.core.values import Candidate
from llmopt.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmopt.core.part import StepContext
    from llmopt.core.problem import Problem
    from llmopt.core.trajectory import Entry, Trajectory

PAIR = 2
"""Parents of a merge; a rewrite has one."""

_COMMON = 5  # rows on which both were measured


def merges_in(trajectory: Trajectory) -> int:
    """Return how many merges were tried."""
    return trajectory.running("merges", _Merges).count


class _Merges:
    """The number of entries with two parents."""

    def __init__(self) -> None:
        self.count = 0

    def add(self, entry: Entry, trajectory: Trajectory) -> None:
        """Count an entry."""
        del trajectory
        self.count += len(entry.candidate.parents) == PAIR


@dataclass(frozen=True)
class MergeOrDraw:
    """Take two candidates to merge where a merge is due, and otherwise draw a parent.

    A merge is due after a step whose rewrite was accepted, and while fewer than `most` were tried.

    Attributes:
        draw: How a parent is drawn.
        most: Merges of a run, accepted or not; 1 or more.
    """

    draw: ParetoDraw
    most: int = 5

    def __post_init__(self) -> None:
        if self.most < 1:
            raise ConfigError(f"merges must be 1 or more, or 0 for none, got {self.most}")

    def fits(self, problem: Problem) -> None:
        """Refuse a problem whose solutions have one text."""
        texts = [part for part in parts_of(problem) if part.kind == "instruction"]
        if len(texts) < PAIR:
            raise ConfigError(
                "merges combine the parts of two solutions, so there must be 2 instructions or "
                f"more in a solution, got {len(texts)}; set merges = 0"
            )

    async def __call__(self, ctx: StepContext) -> tuple[Group, ...]:
        """Return one group of the two candidates, the better one last, or drawn parents."""
        pair = self._pair(ctx) if self._due(ctx) else None
        return (Group(pair[1], pair),) if pair else await self.draw(ctx)

    def _due(self, ctx: StepContext) -> bool:
        if merges_in(ctx.trajectory) >= self.most:
            return False
        last = (entry for entry in ctx.survivors if entry.candidate.step == ctx.step - 1)
        return any(len(entry.candidate.parents) == 1 for entry in last)

    def _pair(self, ctx: StepContext) -> tuple[Entry, Entry] | None:
        """Return two candidates that can be merged to a new one; None: no such pair."""
        pool = list(ctx.survivors)
        pairs = list(combinations(front_counts(pool), PAIR))
        for at in ctx.rng("merged pair").permutation(len(pairs)):
            better, other = (pool[number] for number in pairs[int(at)])  # the best are first
            text = merged(ctx, other, better)
            if text and not ctx.trajectory.knows(Candidate(text)):
                return other, better
        return None


def merged(ctx: StepContext, other: Entry, better: Entry) -> str:
    """Return the merge of two candidates as canonical text; empty: they cannot be merged.

    They must have been measured on five rows or more that both share, neither may descend from the
    other, and they need a common ancestor whose score is not above theirs and whose text of some
    part one of them has kept and the other has not. Of several such ancestors it is the one with
    the highest score, the newest of equals. A part that one of them has changed since is that
    one's; a part that both have changed is that of the candidate with the higher score, and drawn
    where the scores are equal.

    Args:
        ctx: Of the step.
        other: The candidate with the lower score, or an equal one.
        better: The candidate with the higher score.
    """
    both = {o.item for o in other.evaluation.outcomes} & {
        o.item for o in better.evaluation.outcomes
    }
    lines = [list(_ancestors(ctx.trajectory, entry)) for entry in (other, better)]
    related = other.candidate.id in lines[1] or better.candidate.id in lines[0]
    if len(both) < _COMMON or related:
        return ""
    names = [part.name for part in parts_of(ctx.problem)]
    left, right = (split_parts(entry.text, names) for entry in (other, better))
    found: list[tuple[float, int, str, dict[str, str]]] = []
    for shared in set(lines[0]) & set(lines[1]):
        entry = ctx.trajectory.entry(shared)
        score = entry.evaluation.score
        base = split_parts(entry.text, names)
        kept = any(
            left[name] != right[name] and base[name] in (left[name], right[name]) for name in names
        )
        if score is not None and score <= other.score and kept:
            found.append((score, entry.candidate.step, shared, base))
    if not found:
        return ""
    base = max(found, key=lambda one: one[:3])[3]
    parts = {name: _part(ctx, base[name], (left, other), (right, better), name) for name in names}
    parsed = ctx.problem.parse(join_parts(parts))
    return "" if isinstance(parsed, Refusal) else parsed


def _part(
    ctx: StepContext,
    base: str,
    one: tuple[dict[str, str], Entry],
    two: tuple[dict[str, str], Entry],
    name: str,
) -> str:
    """Return the text of a part in the merge of two candidates, of which the second is better."""
    first, second = one[0][name], two[0][name]
    if first in (base, second):
        return second
    if second == base:
        return first
    if one[1].score < two[1].score:
        return second
    ids = f"{one[1].candidate.id} {two[1].candidate.id}"
    return (first, second)[generator(ctx.seed, ctx.step, f"merged {name} {ids}").randint(2)]


def _ancestors(trajectory: Trajectory, entry: Entry) -> Iterator[str]:
    """Yield the ids of everything that an entry was made of, each once."""
    known: set[str] = set()
    left = list(entry.candidate.parents)
    while left:
        one = left.pop()
        if one not in known:
            known.add(one)
            yield one
            left += trajectory.entry(one).candidate.parents
