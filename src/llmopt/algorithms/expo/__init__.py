"""EXPO: OPRO with a meta-prompt whose wording an adversarial bandit chooses.

Source: Kong et al., "Meta-Prompt Optimization for LLM-Based Sequential Decision Making" (arXiv
2502.00728). Known: an LLM rewords task description and meta-instruction; rewards change over time,
so the bandit is adversarial; each round, a small network estimates every arm's score from its
embedding, the estimates add up, and an arm is drawn by exponential weights (EXP3). EXPO-ES draws
the sequence of exemplars (past solutions) in the same way; see
:mod:`llmopt.algorithms.expo.expo_es`.

Ours: kernel ridge regression, which is ridge on the embeddings, in place of the network; runs of
three letters in place of an embedding model, which can be named; the number of arms, the learning
rate ``sqrt(8 ln(arms) / round)``, the reward (the mean score of a step's candidates), and every
word of the templates. Unknown: the paper's learning rate and its numbers of candidates.
"""

from __future__ import annotations

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
def expo(
    *,
    wordings: int = 4,
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
    """Return EXPO as a row of parts.

    Args:
        wordings: Wordings of the task description, and of the request, the first included.
        rate: Factor of the learning rate.
        ridge: Weight of the penalty in the regression.
        similarity: What arms are compared by: ``words``, ``characters``, the name of an embedding
            model, or a similarity of the user's own.
        shown: How many of the best solutions are shown.
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
    return Algorithm(
        name="expo",
        select=Best(shown, zeros=zeros),
        reflect=Exemplars(exemplars),
        propose=ExponentialWeights(generate, wordings, 1, rate, ridge, similarity),
        rate=rated(stages, keep, share, rating),
        keep=Elitist(),
    )
