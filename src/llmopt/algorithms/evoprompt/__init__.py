"""EvoPrompt: a population of solutions that an LLM crosses and mutates, by GA or by DE.

Source: Guo et al., "Connecting Large Language Models with Evolutionary Algorithms Yields Powerful
Prompt Optimizers" (ICLR 2024, arXiv 2309.08532), and the behaviour of its published code: a
population of 10, 10 iterations, temperature 0.5, no scores and no examples shown. GA draws pairs
by roulette and keeps the best of old and new; DE mutates where two others differ, combines with
the best so far, crosses with the base, and replaces the base by a better child.

Ours: every word of the templates; the first step fills the population with other wordings of the
starting solutions where fewer are given (the paper also has an LLM write part of it), so its 10
iterations are 11 steps, and each draw of that step is asked for something else; parents of a pair
differ; children of one step do not see one another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmopt.algorithms.evoprompt.filling import Filling
from llmopt.algorithms.evoprompt.population import DifferenceGroups, ReplaceIfBetter, Roulette
from llmopt.core.algorithm import Algorithm, method
from llmopt.parts.keep import Elitist
from llmopt.parts.propose import AnyFamily, Generate
from llmopt.parts.rate import Rating, rated
from llmopt.parts.reflect import NoReflection
from llmopt.parts.reply_length import USUAL
from llmopt.parts.schedule import Constant

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llmopt.parts.variety import Vary


@method
def evoprompt_ga(
    *,
    population: int = 10,
    temperature: float = 0.5,
    family: AnyFamily = "auto",
    template: str = "",
    max_tokens: int = USUAL,
    vary: Vary = "none",
    stages: Sequence[int] = (),
    keep: float = 0.5,
    share: float = 1.0,
    rate: Rating = "auto",
) -> Algorithm:
    """Return EvoPrompt with the genetic algorithm as a row of parts.

    Args:
        population: Solutions that survive a step, and children of a step.
        temperature: Of the optimizer LLM.
        family: ``chat``, ``brackets``, ``continuation``, or ``auto`` for what suits the model.
        template: A meta-prompt template of the user's own, for one entry and for two.
        max_tokens: Of one draw; the default grows with long starting solutions.
        vary: How draws are made to differ: ``none``, ``exemplars``, ``angles``, ``together``.
        stages: Items seen after each stage of measuring; none: everything at once.
        keep: Share of the candidates that goes on after a stage.
        share: Most calls a step may spend, as a share of measuring everything; below 1,
            candidates race for them. Not with `stages`.
        rate: ``ability`` for a race by abilities, which takes fewest calls, or ``auto``: what
            `stages` and `share` say.

    Raises:
        ConfigError: An option is out of its range.
        TemplateError: The template cannot be used.
    """
    heat = Constant(temperature)
    return Algorithm(
        name="evoprompt-ga",
        select=Roulette(population),
        reflect=NoReflection(),
        propose=Filling(
            Generate(
                1,
                family,
                "evoprompt-ga",
                template,
                scores=0,
                temperature=heat,
                max_tokens=max_tokens,
                last=True,
                vary=vary,
            )
        ),
        rate=rated(stages, keep, share, rate),
        keep=Elitist(population),
        steady=True,
    )


@method
def evoprompt_de(
    *,
    population: int = 10,
    temperature: float = 0.5,
    family: AnyFamily = "auto",
    template: str = "",
    max_tokens: int = USUAL,
    vary: Vary = "none",
    stages: Sequence[int] = (),
    keep: float = 0.5,
    share: float = 1.0,
    rate: Rating = "auto",
) -> Algorithm:
    """Return EvoPrompt with differential evolution as a row of parts; see :func:`evoprompt_ga`.

    The template gets one entry, or four: the base, two others and the best.
    """
    heat = Constant(temperature)
    return Algorithm(
        name="evoprompt-de",
        select=DifferenceGroups(population),
        reflect=NoReflection(),
        propose=Filling(
            Generate(
                1,
                family,
                "evoprompt-de",
                template,
                scores=0,
                temperature=heat,
                max_tokens=max_tokens,
                last=True,
                vary=vary,
            )
        ),
        rate=rated(stages, keep, share, rate),
        keep=ReplaceIfBetter(population),
        steady=True,
    )
