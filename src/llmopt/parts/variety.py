"""Makes the samples of a step differ."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, get_args

from llmopt.errors import ConfigError

if TYPE_CHECKING:
    from llmopt.core.part import StepContext
    from llmopt.core.values import Item

Vary = Literal["none", "exemplars", "angles", "together"]

ANGLES: tuple[str, ...] = (
    "make it a short question about the input.",
    "name every possible answer, and demand exactly one of them and nothing else.",
    "use as few words as possible, eight at most.",
    "say which words or facts in the input to look for.",
    "begin with a verb that nothing above begins with.",
    "give the assistant a role that suits the task.",
    "give an order of work: first one thing, then another, then the answer.",
    "explain in a few words what each possible answer means.",
)
"""What a draw may try; ours. They are written for instructions."""

TOGETHER = 4
"""Solutions asked for in one reply, with ``together``."""


@dataclass(frozen=True)
class Request:
    """What one call asks for, beside what all calls of a step say.

    Attributes:
        draw: Its number within the step.
        several: How many solutions its reply is to hold.
        angles: What they are to try.
        exemplars: Training examples of its own; None: those of the step.
    """

    draw: int
    several: int = 1
    angles: tuple[str, ...] = ()
    exemplars: tuple[Item, ...] | None = None


def requests(vary: Vary, ctx: StepContext, samples: int) -> tuple[Request, ...]:
    """Return the calls of a step.

    Ours: published methods draw all solutions of a step from one text (``none``). A small
    model then writes one sentence with many endings. ``exemplars`` shows every draw other
    training examples, as many as the step has; ``angles`` asks every draw of an instruction to
    try something else (:data:`ANGLES`, in an order drawn for the step); ``together`` asks for
    :data:`TOGETHER` solutions in one reply, each with an angle of its own.

    Args:
        vary: How the draws differ.
        ctx: Of the group.
        samples: Solutions wanted, 1 or more.
    """
    chosen = _angles(ctx, samples) if vary in ("angles", "together") else ()
    if vary == "together":
        return tuple(
            Request(number, min(TOGETHER, samples - at), chosen[at : at + TOGETHER])
            for number, at in enumerate(range(0, samples, TOGETHER))
        )
    if vary == "exemplars" and ctx.feedback.exemplars and not ctx.feedback.failing:
        return tuple(Request(draw, exemplars=_exemplars(ctx, draw)) for draw in range(samples))
    return tuple(Request(draw, angles=chosen[draw : draw + 1]) for draw in range(samples))


def check_vary(vary: str) -> None:
    """Refuse an unknown way.

    Raises:
        ConfigError: There is no such way.
    """
    if vary not in get_args(Vary):
        raise ConfigError(
            f"the draws of a step vary by {', '.join(get_args(Vary))}, but got {vary!r}"
        )


def _angles(ctx: StepContext, samples: int) -> tuple[str, ...]:
    """Return an angle per draw; none but for instructions.

    All draws of a step differ while there are enough, those of other groups as well.
    """
    if (ctx.description or ctx.problem.description).noun != "instruction":
        return ()
    order = replace(ctx, group=0).rng("angles").permutation(len(ANGLES))
    first = samples * (ctx.group or 0)
    return tuple(ANGLES[order[draw % len(ANGLES)]] for draw in range(first, first + samples))


def _exemplars(ctx: StepContext, draw: int) -> tuple[Item, ...]:
    items = ctx.problem.items("train")
    wanted = len(ctx.feedback.exemplars)
    order = ctx.rng(f"exemplars of draw {draw}").permutation(len(items))
    return tuple(items[i] for i in sorted(order[:wanted]))
