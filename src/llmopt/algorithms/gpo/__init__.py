"""GPO: gradient-inspired prompt optimization.

Source: "Unleashing the Potential of Large Language Models as Prompt Optimizers" (AAAI;
arXiv 2402.17564): its best row. Known deviations: faults of its code are mended; see docs/gpo.md.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from llmopt.algorithms.gpo.critique import Reflection, reflected
from llmopt.algorithms.gpo.momentum import Momentum, Retrieval, Turn
from llmopt.core.algorithm import Algorithm, method
from llmopt.parts.keep import Current, going_on_from
from llmopt.parts.pace import paced
from llmopt.parts.propose import AnyFamily, Generate, Wording, worded
from llmopt.parts.rate import Rating, rated, without_first
from llmopt.parts.reflect import Exemplars
from llmopt.parts.reply_length import USUAL
from llmopt.parts.schedule import Constant
from llmopt.parts.word_limit import (
    Above,
    Control,
    Counting,
    limited,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llmopt.algorithms.gpo.momentum import CurrentShown
    from llmopt.core.metaprompt import Refine, Zeros
    from llmopt.parts.similarity import Similarity
    from llmopt.parts.variety import Vary


@method
def gpo(
    *,
    momentum: Momentum = "relevance",
    shown: int = 3,
    order: Turn = "ascending",
    zeros: Zeros = "few",
    current_shown: CurrentShown = "always",
    similarity: str | Similarity = "words",
    reflection: Reflection = "none",
    control: Control = "cosine",
    words: int = 50,
    floor: float = 0.2,
    warmup: float = 0.0,
    counting: Counting = "paper",
    above: Above = "record",
    refine: Refine = "generate",
    current: Current = "latest_best",
    epochs: int = 0,
    batch: int = 8,
    exemplars: int = 3,
    format_rows: int = 0,
    samples: int = 8,
    scores: int = 100,
    temperature: float = 1.0,
    family: AnyFamily = "auto",
    template: str = "",
    strict: bool = True,
    wording: Wording = "ours",
    max_tokens: int = USUAL,
    vary: Vary = "none",
    stages: Sequence[int] = (),
    keep: float = 0.5,
    share: float = 1.0,
    rate: Rating = "auto",
) -> Algorithm:
    """Return GPO as a row of parts; a ConfigError names an option that is out of its range.

    Args:
        momentum: Past prompts: ``none``, ``recency``, ``relevance``, ``importance``, ``summary``.
        shown: How many are shown, the current one included.
        order: The most recent, relevant or important last (``ascending``) or first.
        zeros: Of past prompts that came to nothing, ``few`` are shown, or ``all`` (paper).
        current_shown: By importance: ``always``, or ``ranked``, if it is among the best (code).
        similarity: For relevance: ``words``, ``characters``, or an embedding model by name.
        reflection: On errors: ``none``, of the ``current`` prompt, with earlier ones as `momentum`.
        control: How the limit on changed words falls: ``none``, ``fixed``, ``linear``, ``cosine``.
        words: The limit at the beginning.
        floor: The limit at the end, as a share of `words`.
        warmup: Share of the steps in which the limit rises to `words`.
        counting: ``paper``: the first step has the full limit; ``code``: the one after it.
        above: What happens to a prompt beyond the limit: ``record``, ``refuse``, ``again``.
        refine: Whether to ``generate`` a new prompt or to ``edit`` the current one.
        current: ``latest_best`` of the last step, ``never_chosen`` (never stays), ``best`` so far.
        epochs: Times through the training items after which the search ends; 0: when the run does.
        batch: Training items of a step, for `epochs` and for reflection.
        exemplars: Training examples shown, drawn once for the run.
        format_rows: Training rows that only exemplars come from (code); 0: from all.
        samples: New prompts asked for in a step.
        scores: Steps of the shown score range; 0 hides the scores.
        temperature: Of the optimizer LLM; reflections and summaries are made at 0.
        family: ``chat``, ``brackets``, ``continuation``, or ``auto`` for what suits the model.
        template: A meta-prompt template of the user's own.
        wording: Of the meta-prompt: ``ours``, or ``paper-like`` with the paper's parts and order.
        strict: Refuse a reply without marks; the published code takes it whole.
        max_tokens: Of one draw; the default grows with long starting solutions.
        vary: How draws are made to differ: ``none``, ``exemplars``, ``angles``, ``together``.
        stages: Items seen after each stage of measuring; none: everything at once.
        keep: Share of the candidates that goes on after a stage.
        share: Most calls a step may spend, as a share of measuring everything.
        rate: ``ability`` for a race by abilities, which takes fewest calls, or ``auto``: what
            `stages` and `share` say.
    """
    past = Retrieval(shown, order, similarity, zeros, current_shown)
    limit = limited(control, words, floor, warmup, counting, above)
    asking = Generate(
        samples,
        family,
        worded("gpo", wording),
        template,
        strict=strict,
        scores=scores,
        max_tokens=max_tokens,
    )
    return Algorithm(
        name="gpo",
        select=past.select(momentum),
        reflect=reflected(
            Exemplars(exemplars, "constant", format_rows), momentum, reflection, past, batch
        ),
        propose=replace(
            asking, temperature=Constant(temperature), refine=refine, step_size=limit, vary=vary
        ),
        rate=without_first(format_rows, rated(stages, keep, share, rate)),
        keep=going_on_from(current),
        pace=paced(epochs, batch),
    )
