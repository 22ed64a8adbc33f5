"""APE-style resampling: rewordings of the best solutions, without scores.

Source: the iterative search of "Large Language Models Are Human-Level Prompt Engineers" (arXiv
2211.01910): the best prompts are reworded, and the best of old and new go on; a prompt that does
badly on a few items is not measured on more (``stages``, ``share``). As GPO (arXiv 2402.17564,
table 4) places it: the direction is the prompt alone, without trajectory, by generation.

Its code scores a prompt by the mean log probability of the expected outputs' tokens; here a closed
set of answers can be scored by its probabilities (``scorer.answer = "likelihood"``), and open ones
by what is written. A reply without marks is refused, and the code takes it whole
(``strict=False``).

Ours: counts per step, and temperature 1. The paper's first prompts are inferred from examples, 50
for each of 5 sets of 5 pairs in its published code; that is off here, as a search begins at the
starting solutions, and ``induced`` turns it on.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from llmopt.algorithms.ape.induction import Inferred
from llmopt.core.algorithm import Algorithm, method
from llmopt.parts.keep import Elitist
from llmopt.parts.propose import AnyFamily, Generate
from llmopt.parts.rate import Rating, rated
from llmopt.parts.reflect import Exemplars
from llmopt.parts.reply_length import USUAL
from llmopt.parts.schedule import Constant
from llmopt.parts.select import EachOfBest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llmopt.core.metaprompt import Zeros
    from llmopt.parts.variety import Vary


@method
def ape(
    *,
    parents: int = 4,
    samples: int = 2,
    zeros: Zeros = "few",
    exemplars: int = 0,
    induced: int = 0,
    temperature: float = 1.0,
    family: AnyFamily = "auto",
    template: str = "",
    strict: bool = True,
    max_tokens: int = USUAL,
    vary: Vary = "none",
    stages: Sequence[int] = (),
    keep: float = 0.5,
    share: float = 1.0,
    rate: Rating = "auto",
) -> Algorithm:
    """Return APE-style resampling as a row of parts.

    Args:
        parents: How many of the best solutions are reworded in a step.
        samples: New wordings of each parent.
        zeros: Whether of solutions that came to nothing ``few`` are reworded, or ``all``.
        exemplars: How many training examples are shown.
        induced: Solutions that the first step infers from 5 training examples each; 0: none, and
            the first step rewords the starting solutions.
        temperature: Of the optimizer LLM.
        family: ``chat``, ``brackets``, ``continuation``, or ``auto`` for what suits the model.
        template: A meta-prompt template of the user's own.
        strict: Refuse a reply without marks; the published code takes it whole.
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
    reworded = Generate(
        samples=samples,
        family=family,
        wording="ape",
        template=template,
        strict=strict,
        scores=0,
        temperature=heat,
        max_tokens=max_tokens,
        vary=vary,
    )
    inferred = replace(reworded, samples=induced or 1, wording="induction", template="")
    return Algorithm(
        name="ape",
        select=EachOfBest(parents, zeros),
        reflect=Exemplars(exemplars),
        propose=Inferred(inferred, reworded) if induced else reworded,
        rate=rated(stages, keep, share, rate),
        keep=Elitist(),
        steady=True,
    )
