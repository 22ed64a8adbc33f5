"""SGDM: GPO's baseline that edits, with a summary of the past as momentum.

Source: GPO (arXiv 2402.17564), table 4, which gives its trajectory (summarization) and its
refinement (editing) and no more.

Ours, as the paper leaves it open: everything else is as in our ``gpo``: no reflection, no limit on
changed words, 8 prompts a step, of which the best is gone on from, and three examples of the task.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmopt.algorithms.gpo.critique import CombinedReflection, Summary
from llmopt.core.algorithm import Algorithm, method
from llmopt.parts.keep import LatestBest
from llmopt.parts.propose import AnyFamily, Generate
from llmopt.parts.rate import Rating, rated
from llmopt.parts.reflect import Exemplars
from llmopt.parts.reply_length import USUAL
from llmopt.parts.schedule import Constant
from llmopt.parts.select import Lineages

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llmopt.parts.variety import Vary


@method
def sgdm(
    *,
    exemplars: int = 3,
    samples: int = 8,
    scores: int = 100,
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
    """Return SGDM as a row of GPO's parts.

    Args:
        exemplars: Training examples shown, drawn once for the run.
        samples: New prompts asked for in a step.
        scores: Steps of the shown score range; 0 hides the scores.
        temperature: Of the optimizer LLM; summaries are made at 0.
        family: ``chat``, ``brackets``, ``continuation``, or ``auto`` for what suits the model.
        template: A meta-prompt template of the user's own.
        strict: Refuse a reply without marks; the published code takes it whole.
        max_tokens: Of one draw; the default grows with long starting solutions.
        vary: How draws are made to differ: ``none``, ``exemplars``, ``angles``, ``together``.
        stages: Items seen after each stage of measuring; none: everything at once.
        keep: Share of the candidates that goes on after a stage.
        share: Most calls a step may spend, as a share of measuring everything.
        rate: ``ability`` for a race by abilities, which takes fewest calls, or ``auto``: what
            `stages` and `share` say.

    Raises:
        ConfigError: An option is out of its range.
        TemplateError: The template cannot be used.
    """
    return Algorithm(
        name="sgdm",
        select=Lineages(1),
        reflect=CombinedReflection((Exemplars(exemplars, "constant"), Summary(max_tokens))),
        propose=Generate(
            samples=samples,
            family=family,
            wording="gpo",
            template=template,
            strict=strict,
            scores=scores,
            temperature=Constant(temperature),
            max_tokens=max_tokens,
            refine="edit",
            vary=vary,
        ),
        rate=rated(stages, keep, share, rate),
        keep=LatestBest(),
    )
