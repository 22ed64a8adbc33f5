"""Catalyst: a fine local search and a language model take turns, on numbers and tours.

Source: Guo, Liu, Ji, Bai, Guo and Zuo, "Two Optimizers Are Better Than One: LLM Catalyst Empowers
Gradient-Based Optimization for Prompt Tuning" (arXiv 2405.19732), and its published code. There,
gradients tune a soft prompt; at some epochs a language model sees the trajectory, written as words
with loss and accuracy, best last, and names new texts, from which the gradients start again.

Known deviations: instead of gradients, which a black box does not give, a local search without a
language model does the fine work: CMA-ES, hill climbing, or 2-opt. It turns to the language model
when it no longer improves, not at given epochs; of the solutions named it begins at the best, for
all are measured (the published code takes the first); the best of each descent is always shown, in
addition to every fifth solution; every word of the templates is ours. The soft prompt itself is
left out: it needs the embeddings and gradients of the scorer LLM.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmopt.algorithms.catalyst.alternation import Alternation
from llmopt.algorithms.catalyst.descents import EndsOfDescents
from llmopt.core.algorithm import Algorithm, method
from llmopt.parts.keep import Elitist
from llmopt.parts.propose import AnyFamily, Generate
from llmopt.parts.rate import Everything
from llmopt.parts.reflect import NoReflection
from llmopt.parts.reply_length import USUAL
from llmopt.parts.schedule import Constant

if TYPE_CHECKING:
    from llmopt.algorithms.catalyst.alternation import DoerName


@method
def catalyst(
    *,
    doer: DoerName = "auto",
    samples: int = 8,
    sigma: float = 0.03,
    patience: int = 5,
    proposals: int = 3,
    shown: int = 20,
    every: int = 5,
    temperature: float = 1.0,
    family: AnyFamily = "auto",
    template: str = "",
    max_tokens: int = USUAL,
) -> Algorithm:
    """Return the alternation as a row of parts.

    Args:
        doer: The local search: ``cma-es``, ``hill-climbing``, ``two-opt``, or ``auto``: the last
            for tours, the first for numbers.
        samples: Solutions of a step of the local search.
        sigma: Its first standard deviation, as a share of each dimension's range.
        patience: Steps of the local search without a gain, after which the language model is asked.
        proposals: Solutions asked for then.
        shown: Past solutions in the meta-prompt at most.
        every: Of the solutions that do not end a descent, one in this many is shown.
        temperature: Of the optimizer LLM.
        family: ``chat``, ``brackets``, ``continuation``, or ``auto`` for what suits the model.
        template: A meta-prompt template of the user's own.
        max_tokens: Of one reply.

    Raises:
        ConfigError: An option is out of its range.
        TemplateError: The template cannot be used.
    """
    return Algorithm(
        name="catalyst",
        select=EndsOfDescents(shown, every),
        reflect=NoReflection(),
        propose=Alternation(
            doer=doer,
            samples=samples,
            sigma=sigma,
            patience=patience,
            instructor=Generate(
                samples=proposals,
                family=family,
                wording="catalyst",
                template=template,
                temperature=Constant(temperature),
                max_tokens=max_tokens,
            ),
        ),
        rate=Everything(),
        keep=Elitist(),
    )
