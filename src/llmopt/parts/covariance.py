"""CMA-ES as a `propose` part: learns the distribution of steps from past ones.

The strategy is that of the library `cmaes` (M. Nomura and M. Shibata), which is an extra. Its
state is not stored: it is found again by replaying the strategy from its beginning, with what
the trajectory says of every solution that it draws. In a process that has done the last step
already, the replay goes on where that step ended, after checking that all it was told still holds.
"""

from __future__ import annotations

import importlib.util
import math
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING

import numpy as np

from llmopt.core.part import Proposed, generator
from llmopt.core.problem import Refusal, VectorSpace
from llmopt.core.values import Candidate, canonical
from llmopt.errors import ConfigError, MissingExtraError
from llmopt.parts.perturb import check_sigma, needs_points

if TYPE_CHECKING:
    from collections.abc import Callable

    from llmopt.core.model import Model
    from llmopt.core.part import StepContext
    from llmopt.core.problem import Problem

    Worth = Callable[[str], float | None]  # of a text: its loss, inf if it has none; None: untried

_LEAST = 2  # dimensions, and solutions of a generation
_REPEATED = 200  # generations for each step of a run at most, told or repeated
_KEPT = 8  # replays that go on where they ended


@dataclass(frozen=True)
class CovarianceMatrix:
    """Draw generations of CMA-ES until one has something new.

    On a grid, different draws may be the same solution. What is known of it is told at once, so
    that a step is the first generation with a solution that was never tried; all of these
    are proposed. Where the strategy stops by its own rules, it begins anew from a random point.

    Attributes:
        samples: Solutions of a generation, 2 or more.
        sigma: First standard deviation, as a share of each dimension's range; above 0.
    """

    samples: int = 8
    sigma: float = 0.3

    def __post_init__(self) -> None:
        if self.samples < _LEAST:
            raise ConfigError(f"solutions of a generation are 2 or more, but got {self.samples}")
        check_sigma(self.sigma)

    def unaided(self) -> bool:
        """It asks no language model."""
        return True

    def check(self, model: Model) -> None:
        """Take any model, for none is asked."""

    def fits(self, problem: Problem) -> None:
        """Refuse a problem whose solutions are no points, or have one coordinate.

        Raises:
            MissingExtraError: The library is not installed.
        """
        needs_points(problem)
        if isinstance(problem, VectorSpace) and len(problem.bounds()) < _LEAST:
            raise ConfigError(
                "it needs 2 dimensions or more, but got 1; take one-plus-one-es for one"
            )
        if importlib.util.find_spec("cmaes") is None:
            raise MissingExtraError("CMA-ES", "cma")

    async def __call__(self, ctx: StepContext) -> tuple[Proposed, ...]:
        """Return the new solutions of the next generation that has some."""
        # Starting solutions are told first.
        starts = takewhile(lambda entry: not entry.candidate.step, ctx.trajectory)
        known = [entry for entry in starts if entry.evaluation.score is not None]
        begin = max(known, key=lambda entry: entry.score).text if known else ctx.problem.starts[0]
        return tuple(Proposed(text, text, "", ()) for text in self.generation(ctx, begin))

    def generation(
        self, ctx: StepContext, begin: str, *, root: int = 0, again: bool = True
    ) -> list[str]:
        """Return the untried solutions of the first generation that has some.

        Args:
            ctx: Of the step.
            begin: Where the strategy began, a canonical text.
            root: The step in which it began; different steps draw differently.
            again: Whether it restarts at a random point where it stops by its own rules; if
                not, nothing is returned from there on.
        """
        problem, trajectory = ctx.problem, ctx.trajectory
        assert isinstance(problem, VectorSpace)  # noqa: S101 - checked by fits

        def worth(text: str) -> float | None:
            candidate = Candidate(text)
            if not trajectory.knows(candidate):
                return math.inf if isinstance(problem.parse(text), Refusal) else None
            score = trajectory.entry(candidate.id).evaluation.score
            return math.inf if score is None else -score

        key = canonical([problem.fingerprint, ctx.seed, repr(self), begin, root, again])
        replay = _replays.pop(key, None)
        if replay is None or not replay.holds(worth):
            rng = generator(ctx.seed, root, "cma-es")
            replay = _Replay(problem, begin, self, rng, again=again)
        texts = replay.until_new(worth, _REPEATED * trajectory.steps)
        _replays[key] = replay
        while len(_replays) > _KEPT:
            _replays.pop(next(iter(_replays)))
        return texts


class _Replay:
    """The strategy, told from its beginning on; what it does follows from what it is told."""

    def __init__(
        self,
        problem: VectorSpace,
        begin: str,
        how: CovarianceMatrix,
        rng: np.random.RandomState,
        *,
        again: bool,
    ) -> None:
        self._problem, self._rng = problem, rng
        self._samples, self._sigma = how.samples, how.sigma
        self._again, self._stopped = again, False
        bounds = np.array(problem.bounds(), dtype=np.float64)
        self._low, self._ranges = bounds[:, 0], bounds[:, 1] - bounds[:, 0]
        self._told: list[tuple[str, float]] = []
        self._generations = 0
        self._begin(begin)

    def _begin(self, text: str) -> None:
        """Begin the strategy at a solution, in coordinates in which every range is 1 long."""
        from cmaes import CMA

        mean = (np.array(self._problem.decode(text), dtype=np.float64) - self._low) / self._ranges
        seed = int(self._rng.randint(2**31))
        self._strategy = CMA(mean, self._sigma, seed=seed, population_size=self._samples)
        self._draw()

    def _draw(self) -> None:
        self._points = [self._strategy.ask() for _ in range(self._samples)]
        self._texts = [
            self._problem.encode([float(x) for x in self._low + point * self._ranges])
            for point in self._points
        ]

    def holds(self, worth: Worth) -> bool:
        """Whether everything that the strategy was told is still so."""
        return all(worth(text) == loss for text, loss in self._told)

    def until_new(self, worth: Worth, most: int) -> list[str]:
        """Return the untried solutions of the first generation that has some; none at the end.

        Args:
            worth: What is known of a solution.
            most: Generations since the beginning, after which known ones are returned.
        """
        while not self._stopped:
            found = [worth(text) for text in self._texts]
            losses = [loss for loss in found if loss is not None]
            untried = [t for t, loss in zip(self._texts, found, strict=True) if loss is None]
            if untried or self._generations >= most:
                return list(dict.fromkeys(untried or self._texts))
            self._tell(losses)
        return []

    def _tell(self, losses: list[float]) -> None:
        """Tell a generation, and draw the next one."""
        self._told += zip(self._texts, losses, strict=True)
        self._generations += 1
        # Only the order of the losses counts, and those that are none come last.
        worst = max((loss for loss in losses if loss < math.inf), default=0.0)
        finite = [loss if loss < math.inf else worst + 1 for loss in losses]
        self._strategy.tell(list(zip(self._points, finite, strict=True)))
        if not self._strategy.should_stop():
            self._draw()
        elif self._again:
            self._begin(self._problem.draw(self._rng))
        else:
            self._stopped = True


_replays: dict[str, _Replay] = {}
"""Replays where they ended, so that a step costs what it adds; without them nothing changes.

One is taken out while it is used, so that threads do not share it.
"""
