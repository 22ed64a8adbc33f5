"""2-opt: local search that replaces two edges of a tour, with restarts.

Source: G. A. Croes, "A Method for Solving Traveling-Salesman Problems" (1958). Here every tour that
is looked at is an evaluated solution, as for a language model; knowing the distances, one can do
the same without evaluating a tour at all. Ours: the batch of a step, and the random restarts.
"""

from __future__ import annotations

from llmopt.core.algorithm import Algorithm, method
from llmopt.parts.keep import Elitist
from llmopt.parts.perturb import Neighbours
from llmopt.parts.rate import Everything
from llmopt.parts.reflect import NoReflection
from llmopt.parts.select import Best


@method
def two_opt(*, samples: int = 8) -> Algorithm:
    """Return 2-opt as a row of parts.

    Args:
        samples: Neighbours evaluated in a step.

    Raises:
        ConfigError: An option is out of its range.
    """
    return Algorithm(
        name="two-opt",
        select=Best(0),
        reflect=NoReflection(),
        propose=Neighbours(samples),
        rate=Everything(),
        keep=Elitist(),
    )
