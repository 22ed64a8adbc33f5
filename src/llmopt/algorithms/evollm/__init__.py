"""EvoLLM: a language model proposes the next mean of an evolution strategy, from numbers.

Source: Lange, Tian and Tang, "Large Language Models As Evolution Strategies" (arXiv 2402.18381).

Known deviations: how many generations and members are shown, the resolution, the blocks, the step
size and the temperature are ours, as is every word of the templates. All members shown stand
in one list, the mean itself is the first of a population, the desired fitness is the
problem's own next aim, and what was tried before is drawn again, a little wider each time. A
block of numbers that cannot be read is replaced by the weighted mean of the better half shown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmopt.algorithms.evollm.recombination import Generations, NextMean
from llmopt.core.algorithm import Algorithm, method
from llmopt.parts.keep import Elitist
from llmopt.parts.rate import Everything
from llmopt.parts.reflect import NoReflection
from llmopt.parts.schedule import Constant

if TYPE_CHECKING:
    from llmopt.parts.propose import AnyFamily


@method
def evollm(
    *,
    population: int = 8,
    sigma: float = 0.05,
    generations: int = 5,
    members: int = 5,
    resolution: int = 1000,
    block: int = 4,
    temperature: float = 1.0,
    family: AnyFamily = "auto",
    template: str = "",
    max_tokens: int = 64,
) -> Algorithm:
    """Return EvoLLM as a row of parts.

    Args:
        population: Solutions drawn in a step, the mean among them.
        sigma: Standard deviation around the mean, as a share of each dimension's range.
        generations: Past steps that are shown, those that found nothing new left out.
        members: Solutions of each of them that are shown, the best.
        resolution: Each dimension is shown as a whole number from 0 to this.
        block: Dimensions asked for in one call; more of them are asked for in several.
        temperature: Of the optimizer LLM.
        family: ``chat``, ``brackets``, ``continuation``, or ``auto`` for what suits the model.
        template: A meta-prompt template of the user's own.
        max_tokens: Of one reply.

    Raises:
        ConfigError: An option is out of its range.
        TemplateError: The template cannot be used.
    """
    return Algorithm(
        name="evollm",
        select=Generations(generations, members),
        reflect=NoReflection(),
        propose=NextMean(
            population=population,
            sigma=sigma,
            resolution=resolution,
            block=block,
            family=family,
            template=template,
            temperature=Constant(temperature),
            max_tokens=max_tokens,
        ),
        rate=Everything(),
        keep=Elitist(),
    )
