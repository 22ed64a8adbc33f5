"""Gaussian hill climbing: normal steps of one size from the best point so far.

Source: one of the baselines of EvoLLM (arXiv 2402.18381); the step size is ours. What was tried
before is drawn again, a little wider each time.
"""

from __future__ import annotations

from llmopt.core.algorithm import Algorithm, method
from llmopt.parts.keep import Elitist
from llmopt.parts.perturb import Gaussian
from llmopt.parts.rate import Everything
from llmopt.parts.reflect import NoReflection
from llmopt.parts.select import Best


@method
def hill_climbing(*, samples: int = 8, sigma: float = 0.1) -> Algorithm:
    """Return Gaussian hill climbing as a row of parts.

    Args:
        samples: Solutions drawn in a step.
        sigma: Standard deviation of a step, as a share of each dimension's range.

    Raises:
        ConfigError: An option is out of its range.
    """
    return Algorithm(
        name="hill-climbing",
        select=Best(1),
        reflect=NoReflection(),
        propose=Gaussian(samples, sigma),
        rate=Everything(),
        keep=Elitist(),
        steady=True,
    )
