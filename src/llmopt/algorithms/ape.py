"""APE-style resampling: new wordings of the best solutions, no scores shown.

Source: the iterative search of "Large Language Models Are Human-Level Prompt Engineers"
(arXiv 2211.01910), as GPO (arXiv 2402.17564, table 4) places it: the direction is the prompt
alone, without trajectory, by generation. Counts per step are ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from llmopt.algorithm import Algorithm
from llmopt.parts.propose import Generate
from llmopt.parts.rate import rated
from llmopt.parts.reflect import Exemplars
from llmopt.parts.schedule import Constant
from llmopt.parts.select import EachOfBest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llmopt.model import Family


def ape(
    *,
    parents: int = 4,
    samples: int = 2,
    exemplars: int = 0,
    temperature: float = 1.0,
    family: Family | Literal["auto"] = "auto",
    template: str = "",
    max_tokens: int = 512,
    stages: Sequence[int] = (),
    keep: float = 0.5,
    share: float = 1.0,
) -> Algorithm:
    """Return APE-style resampling as a row of parts.

    Args:
        parents: How many of the best solutions are reworded in a step.
        samples: New wordings of each parent.
        exemplars: How many training examples are shown.
        temperature: Of the optimizer LLM.
        family: ``chat``, ``brackets``, ``continuation``, or ``auto`` for what suits the model.
        template: A meta-prompt template of the user's own.
        max_tokens: Of one draw.
        stages: Items seen after each stage of measuring; none: everything at once.
        keep: Share of the candidates that goes on after a stage.
        share: Most calls a step may spend, as a share of measuring everything; below 1,
            candidates race for them. Not with `stages`.

    Raises:
        ConfigError: An option is out of its range.
        TemplateError: The template cannot be used.
    """
    return Algorithm(
        name="ape",
        select=EachOfBest(parents),
        reflect=Exemplars(exemplars),
        propose=Generate(
            samples=samples,
            family=family,
            wording="ape",
            template=template,
            scores=0,
            temperature=Constant(temperature),
            max_tokens=max_tokens,
        ),
        rate=rated(stages, keep, share),
    )
