"""DRPO: alignment prompts by beam search, with rewards of criteria that a judge chooses.

Source: "Dynamic Rewarding with Prompt Optimization Enables Tuning-free Self-Alignment of Language
Models" (EMNLP 2024, arXiv 2411.08733) and its published code: a state is a prompt, an action
rewrites it (3 each, temperature 0.2), a beam of 2, depth 20; the rewriter sees the prompt, an
answer with its reward, and the last 5 prompts, and keeps to 8 points with 2 new ones; answers
worth more than 4.5 of 5 are passed over. The dynamic reward is the problem's metric: set
``problem.metric = "judge"`` and ``judge.mode = "dynamic"``; other metrics work as well.

Known deviations, each of them on purpose, and the options of the published form: 6 prompts are
shown, the current one included, and the code shows 5 (``history=4``); a state without poor answers
is rewritten without a reward, where the code asks nothing and carries it on (``idle="carry"``); the
beam holds the best states, where the code weighs a state by the mean of its path
(``worth="path"``); criteria are chosen with the answer in view, where the code chooses them once
for each query, from it alone (``judge.criteria = "query"``).

Ours: a state is worth its mean over all training items, and not over one query at a time, so a
state may stay in the beam; each state draws its own query; the prompt alone between marks, and no
JSON with an analysis before it; the list of aspects and every word. Left out: the in-context
examples, which the paper optimizes first and retrieves for each query, the system role of the
prompt, and the growth of the depth.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

from llmopt.algorithms.drpo.path_mean import PathMean
from llmopt.algorithms.drpo.rewards import Rewards, RewriteOrCarry
from llmopt.core.algorithm import Algorithm, method
from llmopt.core.defaults import Following
from llmopt.errors import ConfigError, UnknownNameError
from llmopt.parts.keep import Elitist
from llmopt.parts.propose import AnyFamily, Generate
from llmopt.parts.rate import Rating, rated
from llmopt.parts.schedule import Constant
from llmopt.parts.select import Lineages

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llmopt.algorithms.drpo.rewards import Idle

Worth = Literal["own", "path"]
"""By what a prompt of the beam is chosen."""


@method
def drpo(
    *,
    beam: int = 2,
    samples: int = 3,
    history: int = 5,
    queries: int = 1,
    enough: float = 0.875,
    idle: Idle = "rewrite",
    worth: Worth = "own",
    temperature: float = 0.2,
    family: AnyFamily = "auto",
    template: str = "",
    strict: bool = True,
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
        history: How many of the prompts that a prompt came from are shown; 4: as in the code.
        queries: Training items whose answers are shown with their rewards.
        enough: Answers with a score above this are passed over (0..1; 4.5 of 1 to 5 is 0.875).
        idle: What happens to a prompt without answers below that: ``rewrite``, or ``carry`` (code).
        worth: By what the beam is chosen: a prompt's ``own`` score, or the mean of its ``path``
            (code), which are the prompts it came from and itself.
        temperature: Of the optimizer LLM.
        family: ``chat``, ``brackets``, ``continuation``, or ``auto`` for what suits the model.
        template: A meta-prompt template of the user's own.
        strict: Refuse a reply without marks; the published code takes it whole.
        max_tokens: Of one draw; the default grows with long starting solutions.
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
    if worth not in get_args(Worth):
        raise UnknownNameError("worth", worth, get_args(Worth))
    heat = Constant(temperature)
    ask = Generate(
        samples,
        family,
        "drpo",
        template,
        strict=strict,
        temperature=heat,
        max_tokens=max_tokens,
        last=True,
    )
    return Algorithm(
        name="drpo",
        select=Lineages(history + 1),
        reflect=Rewards(queries, enough, idle),
        propose=ask if idle == "rewrite" else RewriteOrCarry(ask),
        rate=rated(stages, keep, share, rate),
        keep=Elitist(beam) if worth == "own" else PathMean(beam),
        steady=True,
    )
