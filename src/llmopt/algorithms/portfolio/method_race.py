"""Which method has the next turn, and which are stopped: replayed from the trajectory."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import count
from statistics import NormalDist
from typing import TYPE_CHECKING

from llmopt.core.algorithm import Algorithm, Turn
from llmopt.core.trajectory import Entry, Trajectory
from llmopt.core.values import digest
from llmopt.errors import ConfigError

if TYPE_CHECKING:
    from llmopt.core.values import Evaluation

_FEWEST = 2  # methods that can take turns
_SEEDS = 5  # solutions from which the winner restarts, with the starting ones
_SMALL = 4  # a turn has at most this share of a method's part of the planned steps: 1 / 4


@dataclass(frozen=True)
class RaceStanding:
    """The state of the race after some steps.

    Attributes:
        next: Name of the method that makes the next step.
        left: Names of the methods that are in the race, in their order.
        stopped: After which step each of the others was stopped.
    """

    next: str
    left: tuple[str, ...]
    stopped: dict[str, int]


@dataclass(frozen=True)
class MethodRace:
    """Methods take turns, round by round; losers are stopped.

    A turn is a step. A method with small steps does several, until it has measured as much as the
    largest turn so far, or has used up a fourth of its part of the planned steps.

    After each round, each method is judged by the best solution of its last turn (by estimate; the
    best start where it found none). It is stopped if this is at least as good as the best one of
    the round with a chance below `chance`: by the paired differences on the items on which both
    were measured, normal, with one difference of full size added so that few equal ones are not
    taken for certain. Where fewer than two items are common, nobody is stopped by chance. After
    `rounds`, or after the round in which `shared` of the planned steps are done, only the best
    continues.

    Attributes:
        methods: The methods, in the order of their first turns.
        chance: See above; 0 or more, below 0.5.
        shared: See above; 0 to 1.
        rounds: See above; 1 or more.
    """

    methods: tuple[Algorithm, ...]
    chance: float = 0.1
    shared: float = 0.3
    rounds: int = 4
    names: tuple[str, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if len(self.methods) < _FEWEST:
            raise ConfigError(
                f"methods that take turns are two or more, but got {len(self.methods)}; name one "
                "alone without a list"
            )
        if any(method.turns for method in self.methods):
            raise ConfigError(
                "methods that take turns are single ones, but got a portfolio among them; list its "
                "methods with the others"
            )
        if not 0 <= self.chance < 0.5:  # noqa: PLR2004 - where both are as likely
            raise ConfigError(f"a chance is 0 or more and below 0.5, but got {self.chance}")
        if not 0 <= self.shared <= 1:
            raise ConfigError(f"the share of the steps is from 0 to 1, but got {self.shared}")
        if self.rounds < 1:
            raise ConfigError(f"rounds are 1 or more, but got {self.rounds}")
        seen = Counter[str]()
        names = []
        for method in self.methods:
            seen[method.name] += 1
            again = seen[method.name]
            names.append(method.name if again == 1 else f"{method.name}-{again}")
        object.__setattr__(self, "names", tuple(names))

    def turn(self, trajectory: Trajectory, steps: int, seed: int) -> Turn:
        """Return who makes the next step; see :class:`~llmopt.core.algorithm.TakesTurns`."""
        standing = self.standing(trajectory, steps)
        name = standing.next
        method = self._by_name[name]
        if method.steady or method.shares:
            return Turn(method, trajectory, seed, name)
        own = int(digest(f"{seed} {name}")[:8], 16)
        since = 0 if len(standing.left) > 1 else max(standing.stopped.values())
        return Turn(method, own_steps(trajectory, name, since), own, name)

    def stopped(self, trajectory: Trajectory, steps: int) -> dict[str, int]:
        """Return after which step each stopped method was; see there."""
        return self.standing(trajectory, steps).stopped

    def standing(self, trajectory: Trajectory, steps: int) -> RaceStanding:
        """Return the state of the race.

        Args:
            trajectory: Everything tried so far, the starting solutions included.
            steps: Number of steps planned.
        """
        tried = trajectory.running("method race", _Tried)
        longest = max(1, steps // (_SMALL * len(self.names)))
        left, stopped, largest, step = self.names, dict[str, int](), 0, 1
        for finished in count(1):
            if len(left) == 1:
                break
            turns: dict[str, range] = {}
            for name in left:
                turns[name] = tried.turn(step, longest, largest)
                if turns[name].stop > trajectory.steps:
                    return RaceStanding(name, left, stopped)
                step = turns[name].stop
                largest = max(largest, tried.measured_in(turns[name]))
            last = finished >= self.rounds or step > self.shared * steps
            kept = self._kept({name: tried.best(turn) for name, turn in turns.items()}, last=last)
            stopped |= {name: step - 1 for name in left if name not in kept}
            left = kept
        return RaceStanding(left[0], left, stopped)

    @cached_property
    def _by_name(self) -> dict[str, Algorithm]:
        return dict(zip(self.names, self.methods, strict=True))

    def _kept(
        self, found: dict[str, tuple[float, Evaluation | None]], *, last: bool
    ) -> tuple[str, ...]:
        """Return the methods that continue, by the best of each turn of a round."""
        first = max(found, key=lambda name: found[name][0])
        if last:
            return (first,)
        top = found[first][1]
        chances = {name: chance_of(evaluation, top) for name, (_, evaluation) in found.items()}
        return tuple(name for name in found if name == first or chances[name] >= self.chance)


class _Tried:
    """What each step has measured and found, kept up to date entry by entry."""

    def __init__(self) -> None:
        self._measured = Counter[int]()
        self._best: dict[int, tuple[float, Evaluation]] = {}

    def add(self, entry: Entry, trajectory: Trajectory) -> None:
        """Add an entry."""
        step = entry.candidate.step
        self._measured[step] += len(entry.evaluation.outcomes)
        if entry.evaluation.score is None:
            return
        estimate = trajectory.estimate(entry)
        if step not in self._best or estimate > self._best[step][0]:
            self._best[step] = (estimate, entry.evaluation)

    def turn(self, first: int, longest: int, largest: int) -> range:
        """Return the steps of a turn that begins with one; those to come measure nothing yet.

        Args:
            first: Its first step.
            longest: How many steps it has at most.
            largest: Evaluations after which it ends.
        """
        measured = 0
        for step in range(first, first + longest):
            measured += self._measured[step]
            if measured >= largest:
                return range(first, step + 1)
        return range(first, first + longest)

    def measured_in(self, turn: range) -> int:
        """Return the evaluations of a turn."""
        return sum(self._measured[step] for step in turn)

    def best(self, turn: range) -> tuple[float, Evaluation | None]:
        """Return estimate and evaluation of the best of a turn; if it has none, of a start."""
        found = [self._best[step] for step in turn if step in self._best]
        found = found or [self._best[0]] if 0 in self._best else found
        return max(found, key=lambda one: one[0], default=(-math.inf, None))


def own_steps(trajectory: Trajectory, name: str, since: int = 0) -> Trajectory:
    """Return what a method sees that builds on its own steps alone, with their own numbers.

    These are the starting solutions and its own steps, or, when it has won the race, the starting
    solutions, the five best of all until then, and its steps since. Steps that no method made are
    everybody's.

    Args:
        trajectory: Everything tried so far.
        name: Name of the method.
        since: The last step of the race; 0: it is not over.
    """
    found: dict[int, list[Entry]] = {}
    for entry in trajectory:
        found.setdefault(entry.candidate.step, []).append(entry)
    starts = found.get(0, [])
    before = [e for at in range(1, since + 1) for e in found.get(at, ()) if _told(e)]
    before.sort(key=trajectory.estimate, reverse=True)
    rebuilt = Trajectory().tell([_as_of(0, entry) for entry in (*starts, *before[:_SEEDS])])
    for step in range(since + 1, trajectory.steps):
        if trajectory.made_by(step) in ("", name):
            rebuilt = rebuilt.tell([_as_of(rebuilt.steps, entry) for entry in found.get(step, ())])
    return rebuilt


def _told(entry: Entry) -> bool:
    return entry.evaluation.score is not None


def _as_of(step: int, entry: Entry) -> Entry:
    """Return an entry as one of another step; starting solutions have no parents."""
    candidate = entry.candidate
    parents = candidate.parents if step else ()
    return replace(entry, candidate=replace(candidate, step=step, parents=parents))


def chance_of(one: Evaluation | None, top: Evaluation | None) -> float:
    """Return the chance that a solution is at least as good as the best, on common items."""
    if one is None or top is None:
        return 0.5
    scores = {o.item: o.score for o in top.outcomes if o.score is not None}
    pairs = [
        ((o.score - scores[o.item]) * o.weight, o.weight)
        for o in one.outcomes
        if o.score is not None and o.item in scores
    ]
    if len(pairs) < 2:  # noqa: PLR2004 - a spread needs two
        return 0.5
    total = sum(change for change, _ in pairs)
    largest = max(abs(change) for change, _ in pairs)
    spread = math.sqrt(sum(change**2 for change, _ in pairs) + largest**2)
    return NormalDist().cdf(total / spread) if spread else 0.5
