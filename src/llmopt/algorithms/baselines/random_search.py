"""Random search: solutions drawn uniformly from the space. The control that needs no LLM.

Ours, as is usual: nothing is learned. What was tried before is not tried again.
"""

from __future__ import annotations

from llmopt.core.algorithm import Algorithm, method
from llmopt.parts.keep import Elitist
from llmopt.parts.perturb import Uniform
from llmopt.parts.rate import Everything
from llmopt.parts.reflect import NoReflection
from llmopt.parts.select import Best


@method
def random_search(*, samples: int = 8) -> Algorithm:
    """Return random search as a row of parts.

    Args:
        samples: Solutions drawn in a step.

    Raises:
        ConfigError: An option is out of its range.
    """
    return Algorithm(
        name="random-search",
        select=Best(0),
        reflect=NoReflection(),
        propose=Uniform(samples),
        rate=Everything(),
        keep=Elitist(),
        steady=True,
    )
