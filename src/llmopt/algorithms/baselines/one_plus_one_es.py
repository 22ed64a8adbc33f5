"""(1+1)-ES: one normal step at a time, its size by the one-fifth success rule.

Source: Rechenberg's rule in the form of Hansen, Arnold and Auger, "Evolution Strategies" (2015),
algorithm 4. Ours: the first step size, its bounds, and that what was tried before is drawn again,
a little wider each time. A step evaluates one solution, so it needs as many steps as
the others need evaluations.
"""

from __future__ import annotations

from llmopt.core.algorithm import Algorithm, method
from llmopt.parts.keep import Elitist
from llmopt.parts.perturb import OneFifth
from llmopt.parts.rate import Everything
from llmopt.parts.reflect import NoReflection
from llmopt.parts.select import Best


@method
def one_plus_one_es(*, sigma: float = 0.2) -> Algorithm:
    """Return the (1+1)-ES as a row of parts.

    Args:
        sigma: Standard deviation of the first step, as a share of each dimension's range.

    Raises:
        ConfigError: An option is out of its range.
    """
    return Algorithm(
        name="one-plus-one-es",
        select=Best(1),
        reflect=NoReflection(),
        propose=OneFifth(sigma),
        rate=Everything(),
        keep=Elitist(),
    )
