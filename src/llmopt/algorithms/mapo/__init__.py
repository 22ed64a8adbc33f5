"""MAPO, its black-box half: many rewrites of each start, of which a model's own best is found.

Source: "MAPO: Boosting Large Language Model Performance with Model-Adaptive Prompt Optimization"
(arXiv 2407.04118), from its abstract and from second hand. The best wording depends on the model:
of about 1,000 rewrites of a prompt, each target model has another best one.

Known deviations, each of them on purpose: nothing is fine-tuned, so there is neither the supervised
half nor the reinforcement learning; 64 rewrites, not 1,000; the rewrites race on the training rows,
and validation chooses among the best, where the paper takes the best on its data; all texts are in
our own words. Rewrites show no scores, so runs with the same optimizer LLM, seed and starts race
the same ones for every scorer LLM, and ``llmopt evaluate --cross`` compares their winners.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmopt.algorithms.mapo.rewrites import EachStart, OneStep
from llmopt.core.algorithm import Algorithm, method
from llmopt.parts.keep import Elitist
from llmopt.parts.propose import AnyFamily, Generate
from llmopt.parts.rate import rated
from llmopt.parts.reflect import NoReflection
from llmopt.parts.reply_length import USUAL
from llmopt.parts.schedule import Constant

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llmopt.parts.variety import Vary


@method
def mapo(
    *,
    rewrites: int = 64,
    temperature: float = 1.0,
    family: AnyFamily = "auto",
    template: str = "",
    max_tokens: int = USUAL,
    vary: Vary = "none",
    stages: Sequence[int] = (),
    keep: float = 0.5,
    share: float = 0.5,
) -> Algorithm:
    """Return MAPO's search for a model's own best rewrite as a set of parts.

    Args:
        rewrites: New wordings of each start, all in the one step that the method plans.
        temperature: Of the optimizer LLM.
        family: ``chat``, ``brackets``, ``continuation``, or ``auto`` for what suits the model.
        template: A meta-prompt template of the user's own.
        max_tokens: Of one draw; the default grows with long starting solutions.
        vary: How draws are made to differ: ``none``, ``exemplars``, ``angles``, ``together``.
        stages: Items seen after each stage of measuring, with ``share = 1``; none: no stages.
        keep: Share of the candidates that stays after a stage.
        share: Most calls that the step may spend, as a share of measuring everything; below 1,
            rewrites race for them.

    Raises:
        ConfigError: An option is out of its range.
        TemplateError: The template cannot be used.
    """
    return Algorithm(
        name="mapo",
        select=EachStart(),
        reflect=NoReflection(),
        propose=Generate(
            samples=rewrites,
            family=family,
            wording="ape",
            template=template,
            scores=0,
            temperature=Constant(temperature),
            max_tokens=max_tokens,
            vary=vary,
        ),
        rate=rated(stages, keep, share),
        keep=Elitist(),
        pace=OneStep(),
    )
