"""EvoPrompt: a population of solutions that an LLM crosses and mutates, by GA or by DE.

Source: Guo et al., "Connecting Large Language Models with Evolutionary Algorithms Yields Powerful
Prompt Optimizers" (ICLR 2024, arXiv 2309.08532), and the behaviour of its published code: a
population of 10, 10 iterations, temperature 0.5, no scores and no examples shown. GA draws pairs
by roulette and keeps the best of old and new; DE mutates where two others differ, combines with
the best so far, crosses with the base, and replaces the base by a better child.

Its code's options are here: how parents are drawn (``selection``), who survives (``survivors``),
which starts found the population (``initial``), and a random third in place of the best
(``donor``). The published form of the requests, operators as numbered steps with a worked example
of all of them, is ``wording="paper-like"``; ours asks for the result alone, because a small model
copies a parent at the end of its steps. In both the last marked text counts. A reply without marks
is refused, and the code takes it whole (``strict=False``). The code's replies have up to 1,000
tokens (``max_tokens=1000``), with top_p 0.95 for chat models (``optimizer.top_p = 0.95``).

Ours: every word of the templates; the first step fills the population with other wordings of the
starting solutions where fewer are given (the paper also has an LLM write part of it), so its 10
iterations are 11 steps, and each draw of that step is asked for something else; parents of a pair
differ; children of one step do not see one another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmopt.algorithms.evoprompt.filling import Filling
from llmopt.algorithms.evoprompt.founding import Population
from llmopt.algorithms.evoprompt.population import DifferenceGroups, ReplaceIfBetter, Roulette
from llmopt.core.algorithm import Algorithm, method
from llmopt.parts.keep import Elitist
from llmopt.parts.propose import AnyFamily, Generate, Wording, worded
from llmopt.parts.rate import Rating, rated
from llmopt.parts.reflect import NoReflection
from llmopt.parts.reply_length import USUAL
from llmopt.parts.schedule import Constant

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llmopt.algorithms.evoprompt.founding import Initial, Survivors
    from llmopt.algorithms.evoprompt.population import Donor, ParentDraw
    from llmopt.parts.variety import Vary


@method
def evoprompt_ga(
    *,
    population: int = 10,
    selection: ParentDraw = "wheel",
    survivors: Survivors = "best",
    initial: Initial = "top",
    temperature: float = 0.5,
    family: AnyFamily = "auto",
    template: str = "",
    wording: Wording = "ours",
    strict: bool = True,
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
        selection: How a parent is drawn: ``wheel`` (by score), ``random``, or ``tour`` (the better
            of two).
        survivors: The ``best`` of old and new, or the ``children`` of a step.
        initial: Which starts found the population: ``top``, ``bottom`` or ``random``; with
            ``para-`` before it, they get half of it.
        temperature: Of the optimizer LLM.
        family: ``chat``, ``brackets``, ``continuation``, or ``auto`` for what suits the model.
        template: A meta-prompt template of the user's own, for one entry and for two.
        wording: ``ours``, or ``paper-like`` with the published form: steps and a worked example.
        strict: Refuse a reply without marks.
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
    usual = (survivors, initial) == ("best", "top")
    return Algorithm(
        name="evoprompt-ga",
        select=Roulette(population, selection),
        reflect=NoReflection(),
        propose=Filling(
            Generate(
                1,
                family,
                worded("evoprompt-ga", wording),
                template,
                strict=strict,
                scores=0,
                temperature=heat,
                max_tokens=max_tokens,
                last=True,
                vary=vary,
            )
        ),
        rate=rated(stages, keep, share, rate),
        keep=Elitist(population) if usual else Population(population, survivors, initial),
        steady=True,
    )


@method
def evoprompt_de(
    *,
    population: int = 10,
    donor: Donor = "best",
    initial: Initial = "top",
    temperature: float = 0.5,
    family: AnyFamily = "auto",
    template: str = "",
    wording: Wording = "ours",
    strict: bool = True,
    max_tokens: int = USUAL,
    vary: Vary = "none",
    stages: Sequence[int] = (),
    keep: float = 0.5,
    share: float = 1.0,
    rate: Rating = "auto",
) -> Algorithm:
    """Return EvoPrompt with differential evolution as a row of parts; see :func:`evoprompt_ga`.

    The template gets one entry, or four: the base, two others and the best, or with
    ``donor="random"`` a random third.
    """
    heat = Constant(temperature)
    return Algorithm(
        name="evoprompt-de",
        select=DifferenceGroups(population, donor),
        reflect=NoReflection(),
        propose=Filling(
            Generate(
                1,
                family,
                worded("evoprompt-de", wording),
                template,
                strict=strict,
                scores=0,
                temperature=heat,
                max_tokens=max_tokens,
                last=True,
                vary=vary,
            )
        ),
        rate=rated(stages, keep, share, rate),
        keep=ReplaceIfBetter(population, initial),
        steady=True,
    )
