"""Sampling, the control: the same requests without scores and without a trajectory.

Ours: what OPRO becomes when the optimizer LLM never sees how its solutions did. Each step
shows the starting solutions only, so best-of-N of this is what a search must beat.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmopt.core.algorithm import Algorithm, method
from llmopt.parts.keep import Elitist
from llmopt.parts.propose import AnyFamily, Generate
from llmopt.parts.rate import Rating, rated
from llmopt.parts.reflect import Exemplars
from llmopt.parts.reply_length import USUAL
from llmopt.parts.schedule import Constant
from llmopt.parts.select import StartsOnly

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llmopt.parts.variety import Vary


SAMPLING = "sampling"
"""Name of the method, and of the control best of N."""


@method
def sampling(
    *,
    samples: int = 8,
    exemplars: int = 3,
    temperature: float = 1.0,
    family: AnyFamily = "auto",
    template: str = "",
    max_tokens: int = USUAL,
    vary: Vary = "none",
    stages: Sequence[int] = (),
    keep: float = 0.5,
    share: float = 1.0,
    rate: Rating = "auto",
) -> Algorithm:
    """Return independent sampling as a row of parts.

    Args:
        samples: New solutions asked for in a step.
        exemplars: How many training examples are shown.
        temperature: Of the optimizer LLM.
        family: ``chat``, ``brackets``, ``continuation``, or ``auto`` for what suits the model.
        template: A meta-prompt template of the user's own.
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
    return Algorithm(
        name=SAMPLING,
        select=StartsOnly(),
        reflect=Exemplars(exemplars),
        propose=Generate(
            samples=samples,
            family=family,
            template=template,
            scores=0,
            order="random",
            temperature=Constant(temperature),
            max_tokens=max_tokens,
            vary=vary,
        ),
        rate=rated(stages, keep, share, rate),
        keep=Elitist(),
        steady=True,
    )
