"""Populations as in evolutionary search: selection of parents and replacement.

Both methods of EvoPrompt (arXiv 2309.08532) go on from a population of a fixed size. Where fewer
starting solutions are given, the first step fills it with other wordings of them, one parent to
a group; what a single parent means is up to the meta-prompt's words.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from llmopt.algorithms.evoprompt.founding import founders
from llmopt.core.part import Group
from llmopt.errors import ConfigError, UnknownNameError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from llmopt.algorithms.evoprompt.founding import Initial
    from llmopt.core.part import StepContext
    from llmopt.core.trajectory import Entry, Trajectory

ParentDraw = Literal["wheel", "random", "tour"]
Donor = Literal["best", "random"]

_DONORS = 2  # whose difference a base gets, beside the best


@dataclass(frozen=True)
class Roulette:
    """Pairs of parents, drawn with a chance in proportion to the score (EvoPrompt's GA).

    The two of a pair differ. Where a score is below 0, all are counted from the worst one.

    Attributes:
        population: Size of the population, and pairs a step; 2 or more.
        selection: How a parent is drawn: by the ``wheel``, at ``random``, or as the better of two
            that are drawn at random (``tour``).
    """

    population: int = 10
    selection: ParentDraw = "wheel"

    def __post_init__(self) -> None:
        if self.selection not in get_args(ParentDraw):
            raise UnknownNameError("selection", self.selection, get_args(ParentDraw))
        _check(self.population, 2, "two parents need two")

    async def __call__(self, ctx: StepContext) -> tuple[Group, ...]:
        """Return single parents while the population is filled, else pairs."""
        current = ctx.survivors
        missing = self.population - len(current)
        if ctx.trajectory.steps == 1 and missing > 0:
            return _single(current, missing)
        if len(current) < 2:  # noqa: PLR2004 - a pair
            return _single(current, self.population)
        rng = ctx.rng("select")
        if self.selection != "wheel":
            tour = self.selection == "tour"
            return tuple(_drawn(current, rng, tour=tour) for _ in range(self.population))
        wheel = _wheel([ctx.trajectory.estimate(entry) for entry in current])
        return tuple(_pair(current, wheel, rng) for _ in range(self.population))


@dataclass(frozen=True)
class DifferenceGroups:
    """Each of the population with two random others and the best (EvoPrompt's DE).

    A group is (base, donor, donor, best): the child is compared with the base, which is the
    first parent. The best may be the base or a donor as well.

    Attributes:
        population: Size of the population; 3 or more.
        donor: The third that a base gets: the ``best``, or a ``random`` one (published code, by an
            option).
    """

    population: int = 10
    donor: Donor = "best"

    def __post_init__(self) -> None:
        if self.donor not in get_args(Donor):
            raise UnknownNameError("donor", self.donor, get_args(Donor))
        _check(self.population, 1 + _DONORS, "a base needs two others")

    async def __call__(self, ctx: StepContext) -> tuple[Group, ...]:
        """Return single parents while the population is filled, else one group for each."""
        current = ctx.survivors
        missing = self.population - len(current)
        if ctx.trajectory.steps == 1 and missing > 0:
            return _single(current, missing)
        if len(current) <= _DONORS:
            return _single(current, self.population)
        rng = ctx.rng("select")
        groups = []
        for place, base in enumerate(current):
            others = [entry for other, entry in enumerate(current) if other != place]
            mixed = [others[int(i)] for i in rng.permutation(len(others))]
            # A random third differs from the two, unless there are no more.
            third = current[0] if self.donor == "best" else mixed[min(_DONORS, len(mixed) - 1)]
            shown = (base, *mixed[:_DONORS], third)
            groups.append(Group(base, shown))
        return tuple(groups)


@dataclass(frozen=True)
class ReplaceIfBetter:
    """Every place of a population is held until a child of its holder is better.

    The best starting solutions take places first; a free place is taken by whoever comes next.
    Afterwards a candidate competes for the place of its first parent, or for none.

    Attributes:
        population: Number of places; 1 or more.
        initial: Which starting solutions take places, see
            :func:`~llmopt.algorithms.evoprompt.founding.founders`.
    """

    population: int = 10
    initial: Initial = "top"

    def __post_init__(self) -> None:
        _check(self.population, 1, "one has to survive")
        founders((), self.population, self.initial, 0)

    def __call__(self, ctx: StepContext) -> tuple[Entry, ...]:
        """Return who holds a place, best first."""
        trajectory = ctx.trajectory
        key = self if self.initial == "top" else (self, ctx.seed)
        places = trajectory.running(key, lambda: _Places(self.population, self.initial, ctx.seed))
        held = places.held
        return tuple(sorted(held, key=trajectory.estimate, reverse=True))


class _Places:
    """The places of a population, entry by entry.

    Attributes:
        held: Who holds them, in the order of the places.
    """

    def __init__(self, population: int, initial: Initial, seed: int) -> None:
        self.held: list[Entry] = []
        self._population, self._initial, self._seed = population, initial, seed
        self._starts: list[Entry] = []
        self._place: dict[str, int] = {}  # of everybody who ever held one

    def add(self, entry: Entry, trajectory: Trajectory) -> None:
        """Let an entry compete."""
        worth, candidate = trajectory.estimate, entry.candidate
        if entry.evaluation.score is None:
            return
        if candidate.step == 0:  # starts are told first
            self._starts.append(entry)
            # Stable: of equals, the one that was given first.
            ranked = sorted(self._starts, key=worth, reverse=True)
            self.held = founders(ranked, self._population, self._initial, self._seed)
            self._place = {holder.candidate.id: at for at, holder in enumerate(self.held)}
        elif len(self.held) < self._population:
            self._place[candidate.id] = len(self.held)
            self.held.append(entry)
        elif candidate.parents and candidate.parents[0] in self._place:
            at = self._place[candidate.parents[0]]
            if worth(entry) > worth(self.held[at]):
                self._place[candidate.id] = at
                self.held[at] = entry


def _check(population: int, least: int, why: str) -> None:
    if population < least:
        raise ConfigError(f"a population is {least} or more ({why}), but got {population}")


def _single(current: tuple[Entry, ...], count: int) -> tuple[Group, ...]:
    """Return groups of one parent, each in turn, best first; one empty group without any."""
    if not current:
        return (Group(),)
    parents = (current[number % len(current)] for number in range(count))
    return tuple(Group(parent, (parent,)) for parent in parents)


def _wheel(scores: list[float]) -> NDArray[np.float64]:
    """Return each one's share of the wheel; equal shares where all would be zero."""
    worth = np.array(scores, dtype=np.float64)
    worth -= min(0.0, float(worth.min()))
    total = float(worth.sum())
    return worth / total if total > 0 else np.full(len(scores), 1 / len(scores))


def _drawn(current: tuple[Entry, ...], rng: np.random.RandomState, *, tour: bool) -> Group:
    """Draw two different parents, each as the better of two where there is a tournament."""
    pair: list[int] = []
    for _ in range(2):
        rest = [place for place in range(len(current)) if place not in pair]
        size = min(2, len(rest)) if tour else 1
        # The best comes first, so the better of two is the first of them.
        pair.append(min(rest[int(at)] for at in rng.permutation(len(rest))[:size]))
    return Group(current[pair[0]], (current[pair[0]], current[pair[1]]))


def _pair(
    current: tuple[Entry, ...], wheel: NDArray[np.float64], rng: np.random.RandomState
) -> Group:
    """Draw two different parents: the second from the wheel without the first."""
    first = int(rng.choice(len(current), p=wheel))
    rest = [place for place in range(len(current)) if place != first]
    share = _wheel([float(wheel[place]) for place in rest])
    second = rest[int(rng.choice(len(rest), p=share))]
    return Group(current[first], (current[first], current[second]))
