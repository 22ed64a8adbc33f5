"""DRPO: alignment prompts by beam search, with rewards of criteria that a judge chooses.

Source: "Dynamic Rewarding with Prompt Optimization Enables Tuning-free Self-Alignment of Language
Models" (EMNLP 2024, arXiv 2411.08733) and its published code: a state is a prompt, an action
rewrites it (3 each, temperature 0.2), a beam of 2, depth 20; the rewriter sees the prompt, an
answer with its reward, and the last 5 prompts, and keeps to 8 points with 2 new ones; answers
worth more than 4.5 of 5 are passed over. The dynamic reward is the problem's metric: set
``problem.metric = "judge"`` and ``judge.mode = "dynamic"``; other metrics work as well.

Ours: a state is worth its mean over all training items, and not over one query at a time, so a
state may stay in the beam; each state draws its own query; marks in place of JSON; the list of
aspects and every word. Left out: the in-context examples, which the paper optimizes first and
retrieves for each query, the system role of the prompt, and the growth of the depth.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmopt.algorithms.drpo.rewards import Rewards
from llmopt.core.algorithm import Algorithm, method
from llmopt.core.defaults import Following
from llmopt.errors import ConfigError
from llmopt.parts.keep import Elitist
from llmopt.parts.propose import AnyFamily, Generate
from llmopt.parts.rate import Rating, rated
from llmopt.parts.schedule import Constant
from llmopt.parts.select import Lineages

if TYPE_CHECKING:
    from collections.abc import Sequence


@method
def drpo(
    *,
    beam: int = 2,
    samples: int = 3,
    history: int = 5,
    queries: int = 1,
    enough: float = 0.875,
    temperature: float = 0.2,
    family: AnyFamily = "auto",
    template: str = "",
    max_tokens: int = Following(1024),
    stages: Sequence[int] = (),
    keep: float = 0.5,
    share: float = 1.0,
    rate: Rating = "auto",
) -> Algorithm:
    """Return DRPO as a row of parts.

    Args:
        beam: How many prompts are rewritten in a step, the best so far.
        samples: Rewrites of each.
        history: How many of the prompts that a prompt came from are shown.
        queries: Training items whose answers are shown with their rewards.
        enough: Answers with a score above this are passed over (0..1; 4.5 of 1 to 5 is 0.875).
        temperature: Of the optimizer LLM.
        family: ``chat``, ``brackets``, ``continuation``, or ``auto`` for what suits the model.
        template: A meta-prompt template of the user's own.
        max_tokens: Of one draw, which holds an analysis before the prompt; the default grows with
            long starting solutions.
        stages: Items seen after each stage of measuring; none: everything at once.
        keep: Share of the candidates that goes on after a stage.
        share: Most calls a step may spend, as a share of measuring everything; see
            :func:`~llmopt.algorithms.opro.opro`.
        rate: ``ability`` for a race by abilities, which takes fewest calls, or ``auto``: what
            `stages` and `share` say.

    Raises:
        ConfigError: An option is out of its range.
        TemplateError: The template cannot be used.
    """
    if history < 0:
        raise ConfigError(f"the earlier prompts shown are 0 or more, but got {history}")
    heat = Constant(temperature)
    return Algorithm(
        name="drpo",
        select=Lineages(history + 1),
        reflect=Rewards(queries, enough),
        propose=Generate(
            samples, family, "drpo", template, temperature=heat, max_tokens=max_tokens, last=True
        ),
        rate=rated(stages, keep, share, rate),
        keep=Elitist(beam),
        steady=True,
    )
