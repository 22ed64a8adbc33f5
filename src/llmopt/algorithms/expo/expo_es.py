"""EXPO-ES: EXPO, where a second bandit chooses the past solutions that are shown.

Source, deviations and what is unknown: see :mod:`llmopt.algorithms.expo`. Ours beside them: a list
of past solutions is compared as one text, over the last 32 steps, and each of the lists drawn
from holds the best solution.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from llmopt.algorithms.expo.exponential_weights import ExponentialWeights
from llmopt.core.algorithm import Algorithm, method
from llmopt.parts.keep import Elitist
from llmopt.parts.propose import AnyFamily, Generate
from llmopt.parts.rate import Rating, rated
from llmopt.parts.reflect import Exemplars
from llmopt.parts.reply_length import USUAL
from llmopt.parts.schedule import Constant
from llmopt.parts.select import Best

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llmopt.core.metaprompt import Zeros
    from llmopt.parts.similarity import Similarity
    from llmopt.parts.variety import Vary


@method
def expo_es(
    *,
    wordings: int = 4,
    sequences: int = 8,
    rate: float = 1.0,
    ridge: float = 1.0,
    similarity: str | Similarity = "characters",
    shown: int = 20,
    zeros: Zeros = "few",
    exemplars: int = 3,
    samples: int = 8,
    temperature: float = 1.0,
    family: AnyFamily = "auto",
    template: str = "",
    max_tokens: int = USUAL,
    vary: Vary = "none",
    stages: Sequence[int] = (),
    keep: float = 0.5,
    share: float = 1.0,
    rating: Rating = "auto",
) -> Algorithm:
    """Return EXPO-ES as a row of parts.

    Args:
        wordings: Wordings of the task description, and of the request; see
            :class:`~llmopt.algorithms.expo.exponential_weights.ExponentialWeights`.
        sequences: Lists of past solutions that a step draws from, the best ones included.
        rate: Factor of the learning rate.
        ridge: Weight of the penalty in the regression.
        similarity: What arms are compared by.
        shown: How many past solutions a list has.
        zeros: Whether of solutions that came to nothing ``few`` are shown, or ``all``.
        exemplars: How many training examples are shown.
        samples: New solutions asked for in a step.
        temperature: Of the optimizer LLM.
        family: ``chat``, ``brackets``, ``continuation``, or ``auto`` for what suits the model.
        template: A meta-prompt template of the user's own.
        max_tokens: Of one draw; the default grows with long starting solutions.
        vary: How draws are made to differ: ``none``, ``exemplars``, ``angles``, ``together``.
        stages: Items seen after each stage of measuring; none: everything at once.
        keep: Share of the candidates that goes on after a stage.
        share: Most calls a step may spend, as a share of measuring everything; see
            :func:`~llmopt.algorithms.opro.opro`.
        rating: ``ability`` for a race by abilities, which takes fewest calls, or ``auto``: what
            `stages` and `share` say.

    Raises:
        ConfigError: An option is out of its range.
        TemplateError: The template cannot be used.
    """
    heat = Constant(temperature)
    generate = Generate(
        samples, family, "expo", template, temperature=heat, max_tokens=max_tokens, vary=vary
    )
    words = ExponentialWeights(generate, wordings, sequences, rate, ridge, similarity)
    return Algorithm(
        name="expo-es",
        select=Best(shown, zeros=zeros),
        reflect=Exemplars(exemplars),
        propose=replace(words, zeros=zeros),
        rate=rated(stages, keep, share, rating),
        keep=Elitist(),
    )
