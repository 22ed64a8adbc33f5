"""OPRO: Optimization by PROmpting.

Source: "Large Language Models as Optimizers", ICLR 2024, arXiv 2309.03409; defaults from its
sections on prompt optimization and from the published code where the paper is silent.

Known deviations, each of them on purpose: the list of past solutions obeys its length limit in all
families, and of those that came to nothing it has few (``zeros="all"``: all); a reply without marks
is refused (``strict=False`` takes it whole); that old solutions fail on the exemplars is said only
where these were chosen for it; the list continuation has exemplars, made-up tasks and a score to
reach, as small models need them; exemplars by frequency take the highest counts; exemplars stand as
inputs with answers, and the limit on the length is told (``wording="paper-like"``: all as in the
paper).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmopt.core.algorithm import Algorithm, method
from llmopt.parts.keep import Elitist
from llmopt.parts.propose import AnyFamily, Generate, Wording, worded
from llmopt.parts.rate import Rating, rated
from llmopt.parts.reflect import Exemplars
from llmopt.parts.reply_length import USUAL
from llmopt.parts.schedule import leading
from llmopt.parts.select import Best

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llmopt.core.metaprompt import Order, Tag, Zeros
    from llmopt.parts.reflect import Choose
    from llmopt.parts.variety import Vary


@method
def opro(
    *,
    shown: int = 20,
    order: Order = "ascending",
    threshold: float | None = None,
    zeros: Zeros = "few",
    exemplars: int = 3,
    exemplars_by: Choose = "random",
    samples: int = 8,
    scores: int = 100,
    fraction: bool = False,
    temperature: float = 1.0,
    temperature_end: float | None = None,
    family: AnyFamily = "auto",
    template: str = "",
    wording: Wording = "ours",
    tag: Tag = "INS",
    strict: bool = True,
    trajectory_first: bool = True,
    max_tokens: int = USUAL,
    vary: Vary = "none",
    stages: Sequence[int] = (),
    keep: float = 0.5,
    share: float = 1.0,
    rate: Rating = "auto",
) -> Algorithm:
    """Return OPRO as a row of parts.

    Args:
        shown: How many of the best solutions are shown.
        order: Best last (``ascending``), best first, or ``random``.
        threshold: Solutions below this score (0..1) are not shown, but the best is; code: 0.3.
        zeros: Whether of solutions that came to nothing ``few`` are shown, or ``all`` (paper).
        exemplars: How many training examples are shown.
        exemplars_by: ``random``, ``constant``, ``accumulative_`` or ``current_most_frequent``.
        samples: New solutions asked for in a step.
        scores: Steps of the shown score range (100 or 20); 0 hides the scores.
        fraction: Show scores as shares such as 0.812 (published code without steps).
        temperature: Of the optimizer LLM, or of its first step.
        temperature_end: Of the last step, where it changes linearly; none: it does not.
        family: ``chat``, ``brackets``, ``continuation``, or ``auto`` for what suits the model.
        template: A meta-prompt template of the user's own.
        wording: Of the meta-prompt: ``ours``, or ``paper-like``, with the paper's
            parts in the paper's order, where rows hold the placeholder.
        tag: ``INS`` (paper) or ``Start`` (published code, instructions that begin the answer).
        strict: Refuse a reply without marks.
        trajectory_first: Show the trajectory before the exemplars.
        max_tokens: Of one draw; the default grows with long starting solutions.
        vary: How draws are made to differ: ``none``, ``exemplars``, ``angles``, ``together``.
        stages: Items seen after each stage of measuring; none: everything at once.
        keep: Share of the candidates that goes on after a stage.
        share: Most calls a step may spend, as a share of measuring everything; below 1: a race.
        rate: ``ability`` for a race by abilities, which takes fewest calls, or ``auto``: what
            `stages` and `share` say.

    Raises:
        ConfigError: An option is out of its range.
        TemplateError: The template cannot be used.
    """
    return Algorithm(
        name="opro",
        select=Best(shown, order, threshold, zeros),
        reflect=Exemplars(exemplars, exemplars_by),
        propose=Generate(
            samples=samples,
            family=family,
            wording=worded("opro", wording),
            template=template,
            tag=tag,
            strict=strict,
            scores=scores,
            order=order,
            trajectory_first=trajectory_first,
            temperature=leading(temperature, temperature_end),
            max_tokens=max_tokens,
            vary=vary,
            fraction=fraction,
        ),
        rate=rated(stages, keep, share, rate),
        keep=Elitist(),
        steady=True,
        version=2 if (family, wording) == ("continuation", "paper-like") else 1,
    )
