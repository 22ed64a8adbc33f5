"""The Rasch model: how able solutions are and how difficult items, from any answers to any items.

A solution of ability `a` gets an item of difficulty `b` right with the probability
``1 / (1 + exp(b - a))``. So two solutions can be compared that were measured on different items.
Source: G. Rasch, "Probabilistic Models for Some Intelligence and Attainment Tests" (1960). Ours:
the priors, and the dispersion, by which graded scores are as precise as they turn out to be.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_ABILITY, _DIFFICULTY = 1.0, 1.5  # standard deviations of the priors, in logits
_ROUNDS = 10  # of Newton's method; the largest change is then below a hundredth
_FLAT = 30.0  # logits beyond which a probability is 0 or 1
_LEAST_DISPERSION = 0.01


@dataclass(frozen=True)
class Rasch:
    """A fitted model; all in logits.

    Attributes:
        ability: Of each solution; the posterior mode.
        spread: Variance of each ability.
        difficulty: Of each item.
        doubt: Variance of each difficulty.
        dispersion: Variance of a score as a share of that of right and wrong answers: 1 for these,
            and less for graded scores.
    """

    ability: Floats
    spread: Floats
    difficulty: Floats
    doubt: Floats
    dispersion: float = 1.0

    def expected(self) -> Floats:
        """Return the expected score of each solution (row) on each item (column), 0 to 1."""
        return _logistic(self.ability[:, None] - self.difficulty[None])

    def information(self, ability: float) -> Floats:
        """Return how much an answer to each item tells of solutions of about this ability.

        It is ``p * (1 - p)``, where difficulties that are hardly known draw `p` to one half: what
        nobody was measured on tells most, and what everybody gets right or wrong tells nothing.
        """
        p = _logistic((ability - self.difficulty) / np.sqrt(1 + np.pi * self.doubt / 8))
        return np.round(p * (1 - p), 9)


def fit_rasch(scores: Floats) -> Rasch:
    """Fit a model to scores from 0 to 1.

    The priors: abilities are normal around their mean with a standard deviation of 1 logit, and
    difficulties around 0 with 1.5. Modes are found by ten rounds of Newton's method, in turns for
    abilities and difficulties.

    Args:
        scores: A row per solution, a column per item, NaN where there is no score.
    """
    seen = ~np.isnan(scores)
    given = np.where(seen, scores, 0.0)
    ability, difficulty = np.zeros(len(scores)), np.zeros(scores.shape[1])
    spread = np.full(len(scores), _ABILITY**2)
    doubt = np.full(scores.shape[1], _DIFFICULTY**2)
    graded = bool(np.any(given * (1 - given) > 0))
    mean, dispersion = 0.0, 1.0
    for _ in range(_ROUNDS):
        p = _logistic(ability[:, None] - difficulty[None])
        spread = 1 / ((p * (1 - p) * seen).sum(axis=1) / dispersion + _ABILITY**-2)
        pull = ((given - p) * seen).sum(axis=1) / dispersion
        ability = ability + spread * (pull - (ability - mean) / _ABILITY**2)
        p = _logistic(ability[:, None] - difficulty[None])
        doubt = 1 / ((p * (1 - p) * seen).sum(axis=0) / dispersion + _DIFFICULTY**-2)
        pull = ((p - given) * seen).sum(axis=0) / dispersion
        difficulty = difficulty + doubt * (pull - difficulty / _DIFFICULTY**2)
        mean = float(ability.mean()) if len(ability) else 0.0
        if graded:
            p = _logistic(ability[:, None] - difficulty[None])
            fitted = (1 - spread / _ABILITY**2).sum() + (1 - doubt / _DIFFICULTY**2).sum()
            dispersion = _dispersion(given, p, seen, float(fitted))
    return Rasch(ability, spread, difficulty, doubt, dispersion)


def _dispersion(given: Floats, p: Floats, seen: NDArray[np.bool_], fitted: float) -> float:
    """Return the mean square of the residuals over that of right and wrong answers."""
    count = int(seen.sum())
    free = max(1.0, count - fitted)
    found = ((given - p) ** 2 * seen).sum() / (p * (1 - p) * seen).sum() * count / free
    return float(np.clip(found, _LEAST_DISPERSION, 1.0))


def _logistic(x: Floats) -> Floats:
    return 1 / (1 + np.exp(-np.clip(x, -_FLAT, _FLAT)))
