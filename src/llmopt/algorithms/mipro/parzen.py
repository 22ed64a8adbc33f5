"""A tree-structured Parzen estimator over two categories: instructions and demonstration sets.

Source: Bergstra et al. (2011), "Algorithms for Hyper-Parameter Optimization", for one category
after the other. Ours: the space is small, so every untried combination is weighed, not a sample.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from llmopt.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Pair = tuple[int, int]


@dataclass(frozen=True)
class CategoricalParzen:
    """Prefer what occurs more often among the good trials than among the others.

    Attributes:
        good: Share of the trials, best first, that counts as good, above 0 and below 1.
        prior: Trials that each value of a category has in advance, in both; above 0.
    """

    good: float = 0.25
    prior: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.good < 1:
            raise ConfigError(f"the share of good trials is between 0 and 1, but got {self.good}")
        if self.prior <= 0:
            raise ConfigError(f"a prior is above 0, but got {self.prior}")

    def weights(self, trials: Mapping[Pair, float], untried: Sequence[Pair]) -> list[float]:
        """Return how much better each untried combination looks: a ratio of two likelihoods.

        Args:
            trials: The scores of the combinations tried, higher is better.
            untried: The combinations to weigh.
        """
        ranked = sorted(trials, key=lambda pair: (-trials[pair], pair))
        count = max(1, round(self.good * len(ranked))) if ranked else 0
        weights = np.ones(len(untried))
        for category in (0, 1):
            values = {pair[category] for pair in (*trials, *untried)}
            good, rest = (
                Counter(pair[category] for pair in some)
                for some in (ranked[:count], ranked[count:])
            )
            for at, pair in enumerate(untried):
                value = pair[category]
                weights[at] *= self._share(good, value, len(values))
                weights[at] /= self._share(rest, value, len(values))
        return [float(weight) for weight in weights]

    def _share(self, counts: Counter[int], value: int, values: int) -> float:
        return (counts[value] + self.prior) / (counts.total() + self.prior * values)

    def drawn(
        self,
        trials: Mapping[Pair, float],
        untried: Sequence[Pair],
        k: int,
        rng: np.random.RandomState,
    ) -> list[Pair]:
        """Return different untried combinations, drawn with chances in proportion to weights.

        Args:
            trials: See :meth:`weights`, as for `untried`.
            untried: The combinations to draw from.
            k: How many at most.
            rng: Draws them.
        """
        if not untried:
            return []
        weights = np.array(self.weights(trials, untried))
        size = min(k, len(untried))
        places = rng.choice(len(untried), size, replace=False, p=weights / weights.sum())
        return [untried[int(at)] for at in places]
