"""CMA-ES: an evolution strategy that learns the covariance of its steps.

Source: N. Hansen, "The CMA Evolution Strategy: A Tutorial" (arXiv 1604.00772), as the library
`cmaes` does it (the extra ``cma``). Ours: it begins at the best starting solution, begins anew at
a random point where it has converged, and a generation in which nothing is new costs no step.
"""

from __future__ import annotations

from llmopt.core.algorithm import Algorithm, method
from llmopt.parts.covariance import CovarianceMatrix
from llmopt.parts.keep import Elitist
from llmopt.parts.rate import Everything
from llmopt.parts.reflect import NoReflection
from llmopt.parts.select import Best


@method
def cma_es(*, samples: int = 8, sigma: float = 0.3) -> Algorithm:
    """Return CMA-ES as a row of parts.

    Args:
        samples: Solutions of a generation.
        sigma: First standard deviation, as a share of each dimension's range.

    Raises:
        ConfigError: An option is out of its range.
    """
    return Algorithm(
        name="cma-es",
        select=Best(0),
        reflect=NoReflection(),
        propose=CovarianceMatrix(samples, sigma),
        rate=Everything(),
        keep=Elitist(),
        version=2,
    )
