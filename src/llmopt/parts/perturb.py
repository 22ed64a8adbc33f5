"""Proposes solutions without a language model: at random, or near a known one.

These are `propose` parts for problems that say how to draw a solution
(:class:`~llmopt.core.problem.Samplable`), a point (:class:`~llmopt.core.problem.VectorSpace`) or
the neighbours of one (:class:`~llmopt.core.problem.HasNeighbours`). Each is a function of the
trajectory and the seed: what has to be known of the past, such as a step size, is found again in
the trajectory.

What was tried before costs nothing to know and is worth nothing to try again, so a draw that
repeats is drawn again, and steps grow a little with each repetition: on a grid, a short step
would otherwise lead back to where it began for ever.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from llmopt.core.part import Proposed
from llmopt.core.problem import HasNeighbours, Samplable, VectorSpace
from llmopt.core.trajectory import rank
from llmopt.core.values import Candidate
from llmopt.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from llmopt.core.model import Model
    from llmopt.core.part import StepContext
    from llmopt.core.problem import Problem
    from llmopt.core.trajectory import Entry, Trajectory

    Point = NDArray[np.float64]

_TRIES = 100  # draws for one solution until it is new
_WIDER = 1.05  # from one repeated draw to the next: 130 times as wide at the end
_SUCCESSES = 1 / 5  # share of steps that succeed where the step size is right


class _Alone:
    """What all `propose` parts without a language model have in common."""

    def unaided(self) -> bool:
        """It asks no language model."""
        return True

    def check(self, model: Model) -> None:
        """Take any model, for none is asked."""


@dataclass(frozen=True)
class Uniform(_Alone):
    """Draw solutions from the whole space, whatever was tried before.

    Attributes:
        samples: Solutions a step, 1 or more.
    """

    samples: int = 8

    def __post_init__(self) -> None:
        _check_samples(self.samples)

    def fits(self, problem: Problem) -> None:
        """Refuse a problem of which nothing can be drawn."""
        needs_draws(problem)

    def divided(self) -> tuple[Uniform, int]:
        """Return a single draw."""
        return replace(self, samples=1), self.samples

    async def __call__(self, ctx: StepContext) -> tuple[Proposed, ...]:
        """Return new solutions as far as they are found in 100 draws each."""
        problem, rng = ctx.problem, ctx.rng("uniform")
        assert isinstance(problem, Samplable)  # noqa: S101 - checked by fits
        fresh = Fresh(ctx.trajectory)
        return tuple(
            Proposed(text, text, "", ())
            for text in (fresh(lambda _: problem.draw(rng)) for _ in range(self.samples))
        )


@dataclass(frozen=True)
class Gaussian(_Alone):
    """Step from the base, by a normal distribution in every dimension.

    Attributes:
        samples: Solutions a step, 1 or more.
        sigma: Standard deviation, as a share of each dimension's range; above 0.
    """

    samples: int = 8
    sigma: float = 0.1

    def __post_init__(self) -> None:
        _check_samples(self.samples)
        check_sigma(self.sigma)

    def fits(self, problem: Problem) -> None:
        """Refuse a problem whose solutions are no points."""
        needs_points(problem)

    def divided(self) -> tuple[Gaussian, int]:
        """Return a single draw."""
        return replace(self, samples=1), self.samples

    async def __call__(self, ctx: StepContext) -> tuple[Proposed, ...]:
        """Return new solutions around the base."""
        around = Around(ctx, "gaussian")
        base = (ctx.base,) if ctx.base else ()
        fresh = Fresh(ctx.trajectory)
        return tuple(
            around.proposed(fresh, base, around.point(base), self.sigma)
            for _ in range(self.samples)
        )


@dataclass(frozen=True)
class OneFifth(_Alone):
    """The (1+1)-ES: one step from the base, longer after a success, shorter after a failure.

    The step size follows the one-fifth success rule in the form of Hansen, Arnold and Auger,
    "Evolution Strategies" (2015), algorithm 4: ``sigma *= exp((success - 1/5) / sqrt(n + 1))``.
    A success is a solution at least as good as the best before. Which steps succeeded is seen
    from the parents of the best, for each success was made of the one before it.

    Attributes:
        sigma: Standard deviation in the first step, as a share of each dimension's range;
            above 0. Later it is at most 1 and at least half of the problem's grid.
    """

    sigma: float = 0.2

    def __post_init__(self) -> None:
        check_sigma(self.sigma)

    def fits(self, problem: Problem) -> None:
        """Refuse a problem whose solutions are no points."""
        needs_points(problem)

    async def __call__(self, ctx: StepContext) -> tuple[Proposed, ...]:
        """Return one new solution."""
        around = Around(ctx, "one fifth")
        base = (ctx.base,) if ctx.base else ()
        sigma = self.step_size(ctx.trajectory, around)
        return (around.proposed(Fresh(ctx.trajectory), base, around.point(base), sigma),)

    def step_size(self, trajectory: Trajectory, around: Around) -> float:
        """Return the standard deviation of the next step, as a share of each range."""
        smallest = around.spacing / 2 / float(np.max(around.ranges))
        damping = math.sqrt(len(around.ranges) + 1)
        past = trajectory.running((self, smallest, damping), lambda: _Successes(self.sigma))

        def after(sigma: float, success: bool) -> float:
            sigma *= math.exp((success - _SUCCESSES) / damping)
            return min(1.0, max(smallest, sigma))

        return past.sigma(trajectory.steps, after)


class _Successes:
    """Which steps led to the best solution, and the step size that follows from them."""

    def __init__(self, first: float) -> None:
        self._first = first
        self._best: Entry | None = None
        self._succeeded: set[int] = set()
        self._forget()

    def _forget(self) -> None:
        self._sigma, self._done = self._first, 0

    def add(self, entry: Entry, trajectory: Trajectory) -> None:
        """Add an entry, which is a success if it is at least as good as the best."""
        if entry.evaluation.score is None or (self._best and rank(entry) < rank(self._best)):
            return
        candidate = entry.candidate
        parent = candidate.parents[-1] if candidate.parents else None
        if self._best is None or parent != self._best.candidate.id:
            line = [entry]
            while line[-1].candidate.parents:
                line.append(trajectory.entry(line[-1].candidate.parents[-1]))
            self._succeeded = {one.candidate.step for one in line}
            self._forget()
        self._succeeded.add(candidate.step)
        if candidate.step <= self._done:
            self._forget()
        self._best = entry

    def sigma(self, steps: int, after: Callable[[float, bool], float]) -> float:
        """Return the step size after so many steps, the starting solutions counted as one."""
        if steps <= self._done:
            self._forget()
        for step in range(self._done + 1, steps):
            self._sigma = after(self._sigma, step in self._succeeded)
        self._done = max(0, steps - 1)
        return self._sigma


@dataclass(frozen=True)
class Neighbours(_Alone):
    """Local search: try neighbours of the best in this descent, and begin anew at its end.

    With 2-opt neighbours of a tour this is 2-opt with the first improvement found in each batch.
    A neighbour that was tried before is not tried again, but if it is better, the descent goes
    on from it. A solution without such and without an untried neighbour is a local optimum: then
    a random one is drawn, the first of the next descent.

    Attributes:
        samples: Neighbours tried in a step, 1 or more.
    """

    samples: int = 8

    def __post_init__(self) -> None:
        _check_samples(self.samples)

    def fits(self, problem: Problem) -> None:
        """Refuse a problem whose solutions have no neighbours."""
        if not isinstance(problem, HasNeighbours):
            raise ConfigError(
                f"it needs a problem with neighbours, such as tours, but got {_kind(problem)}; "
                "take hill-climbing or random-search"
            )

    async def __call__(self, ctx: StepContext) -> tuple[Proposed, ...]:
        """Return untried neighbours, or one random solution."""
        problem, trajectory = ctx.problem, ctx.trajectory
        rng = ctx.rng("neighbours")
        current = max(_descent(trajectory), key=lambda entry: entry.score, default=None)
        near, untried = self.around(ctx, current, rng)
        if untried and near:
            return tuple(Proposed(text, text, "", (near,)) for text in untried)
        assert isinstance(problem, Samplable)  # noqa: S101 - what has neighbours can be drawn
        text = Fresh(trajectory)(lambda _: problem.draw(rng))
        return (Proposed(text, text, "", ()),)

    def around(
        self, ctx: StepContext, current: Entry | None, rng: np.random.RandomState
    ) -> tuple[Entry | None, list[str]]:
        """Return untried neighbours, none at a local optimum, and the entry they are next to.

        Args:
            ctx: Of the step.
            current: Where the descent is; a better neighbour that is known already is gone to.
            rng: Chooses which neighbours are tried.
        """
        problem, trajectory = ctx.problem, ctx.trajectory
        assert isinstance(problem, HasNeighbours)  # noqa: S101 - checked by fits
        while current is not None:
            texts = list(problem.neighbours(current.text))
            known = [e for text in texts if (e := _entry(trajectory, text)) is not None]
            better = max(known, key=_worth, default=None)
            if better is not None and _worth(better) > current.score:
                current = better
                continue
            untried = [text for text in texts if _entry(trajectory, text) is None]
            chosen = rng.permutation(len(untried))[: self.samples] if untried else ()
            return current, [untried[i] for i in chosen]
        return None, []


class Fresh:
    """Finds solutions that are neither in a trajectory nor were found here before."""

    def __init__(self, trajectory: Trajectory) -> None:
        self._trajectory = trajectory
        self._found: set[str] = set()

    def __call__(self, draw: Callable[[float], str]) -> str:
        """Return the first new text, or the last repeated one, which the run will refuse.

        Args:
            draw: Gives a text for a factor by which steps are wider than at first.
        """
        text = ""
        for attempt in range(_TRIES):
            text = draw(_WIDER**attempt)
            if text not in self._found and not self._trajectory.knows(Candidate(text)):
                break
        self._found.add(text)
        return text


class Around:
    """Points around a point of a problem, in its bounds.

    Attributes:
        low: The lower bound of each dimension.
        ranges: The range of each dimension.
        spacing: The problem's grid step.
    """

    def __init__(self, ctx: StepContext, purpose: str) -> None:
        assert isinstance(ctx.problem, VectorSpace)  # noqa: S101 - checked by fits
        self._problem, self._rng = ctx.problem, ctx.rng(purpose)
        bounds = np.array(ctx.problem.bounds(), dtype=np.float64)
        self.low, self.ranges = bounds[:, 0], bounds[:, 1] - bounds[:, 0]
        self.spacing = ctx.problem.spacing()

    def point(self, entries: Sequence[Entry]) -> Point:
        """Return the point of the first entry, or a random one where there is none."""
        text = entries[0].text if entries else self._problem.draw(self._rng)
        return np.array(self._problem.decode(text), dtype=np.float64)

    def proposed(
        self, fresh: Fresh, parents: Sequence[Entry], mean: Point, sigma: float
    ) -> Proposed:
        """Return a new point: a normal step from a mean, by a share of each range."""
        size = len(self.ranges)

        def draw(wider: float) -> str:
            step = self._rng.standard_normal(size) * self.ranges * sigma * wider
            return self.text(mean + step)

        text = fresh(draw)
        return Proposed(text, text, "", tuple(parents))

    def text(self, point: Point) -> str:
        """Return a point as text, moved to the bounds where it lies outside of them."""
        inside = np.clip(point, self.low, self.low + self.ranges)
        return self._problem.encode([float(x) for x in inside])


def needs_draws(problem: Problem) -> None:
    """Refuse a problem of which nothing can be drawn.

    Raises:
        ConfigError: It is one.
    """
    if not isinstance(problem, Samplable):
        raise ConfigError(
            "it needs a problem of which random solutions can be drawn, such as numbers or tours, "
            f"but got {_kind(problem)}; take opro or another method with an optimizer LLM"
        )


def needs_points(problem: Problem) -> None:
    """Refuse a problem whose solutions are no points.

    Raises:
        ConfigError: It is one.
    """
    if not isinstance(problem, VectorSpace):
        raise ConfigError(
            f"it needs a problem whose solutions are numbers, but got {_kind(problem)}; take "
            + ("two-opt or random-search" if isinstance(problem, Samplable) else "opro")
        )


def check_sigma(sigma: float) -> None:
    """Refuse a step size that is none.

    Raises:
        ConfigError: It is not above 0, or not finite.
    """
    if not 0 < sigma < math.inf:
        raise ConfigError(f"sigma is a share of each range, above 0, but got {sigma}; try 0.1")


def _check_samples(samples: int) -> None:
    if samples < 1:
        raise ConfigError(f"solutions per step are 1 or more, but got {samples}")


def _kind(problem: Problem) -> str:
    return type(problem).__name__


def _worth(entry: Entry) -> float:
    """Return an entry's score; nothing is worth less than one that could not be measured."""
    return -math.inf if entry.evaluation.score is None else entry.score


def _entry(trajectory: Trajectory, text: str) -> Entry | None:
    """Return the entry of a text, or None while it is untried."""
    candidate = Candidate(text)
    return trajectory.entry(candidate.id) if trajectory.knows(candidate) else None


def _descent(trajectory: Trajectory) -> list[Entry]:
    """Return what was measured since the last random solution, which is the last without parents.

    The first descent begins with the starting solutions.
    """
    size = 64
    while True:
        entries = trajectory.recent(size)
        for at in range(len(entries) - 1, -1, -1):
            candidate = entries[at].candidate
            if candidate.step and not candidate.parents:
                return [e for e in entries[at:] if e.evaluation.score is not None]
        if size >= len(trajectory):
            return [e for e in entries if e.evaluation.score is not None]
        size *= 4
