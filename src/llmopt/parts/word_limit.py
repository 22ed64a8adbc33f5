"""Limits the distance of a new solution from the current one: GPO's learning rate."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

from llmopt.errors import ConfigError, UnknownNameError

Shape = Literal["fixed", "linear", "cosine"]
Control = Shape | Literal["none"]
Counting = Literal["paper", "code"]
Above = Literal["record", "refuse", "again"]


def word_limit(
    shape: Shape, c: int, total: int, initial: int, final: int, *, warmup: int = 0
) -> int:
    """Return how many words may change (GPO, section 4).

    Args:
        shape: How the limit falls.
        c: Progress: 0 gives `initial`, `total` gives `final`.
        total: Steps planned.
        initial: The limit at the beginning.
        final: The limit at the end, at most `initial`.
        warmup: Progress up to which the limit rises from 0 to `initial` in equal parts.

    Returns:
        A whole number from `final` to `initial`, rounded towards 0 as in the published code.
    """
    if c < warmup:
        found = initial * c / warmup
    else:
        done = min(1.0, (c - warmup) / max(1, total - warmup))
        fallen = {
            "fixed": 0.0,
            "linear": done,
            "cosine": 0.5 * (1 - math.cos(math.pi * done)),
        }[shape]
        # A share such as 0.1 is not exact, so 14.999999999 words are 15.
        found = round(initial - (initial - final) * fallen, 9)
    return min(initial, max(final, int(found)))


@dataclass(frozen=True)
class StepSize:
    """A limit on changed words, by step, and what happens to a proposal beyond it.

    Attributes:
        shape: ``fixed``, ``linear`` or ``cosine``.
        words: The limit at the beginning, 1 or more.
        floor: The limit at the end as a share of `words`, in 0..1.
        warmup: Share of the steps in which the limit rises to `words`, from 0 to below 1.
        counting: Whether the first step gets the limit at the beginning (``paper``), or the one
            after it (``code``: the published code begins to count at 1).
        above: What happens to a proposal that changes more: ``record`` lets it pass (how many
            words it changes follows from the trajectory), ``refuse`` refuses it with the reason,
            ``again`` asks once more and says why, and refuses it if that is no better.
    """

    shape: Shape = "cosine"
    words: int = 50
    floor: float = 0.2
    warmup: float = 0.0
    counting: Counting = "paper"
    above: Above = "record"

    def __post_init__(self) -> None:
        for what, value, known in (
            ("the control of the step size", self.shape, Shape),
            ("how steps are counted", self.counting, Counting),
            ("what happens above the limit", self.above, Above),
        ):
            if value not in get_args(known):
                raise ConfigError(
                    f"{what} is one of {', '.join(get_args(known))}, but got {value!r}"
                )
        if self.words < 1:
            raise ConfigError(f"the limit on changed words is 1 or more, but got {self.words}")
        if not 0 <= self.floor <= 1:
            raise ConfigError(
                f"the floor is a share from 0 to 1 of the limit, but got {self.floor}"
            )
        if not 0 <= self.warmup < 1:
            raise ConfigError(f"the warm-up is a share of the steps below 1, but got {self.warmup}")

    def __call__(self, step: int, steps: int) -> int:
        """Return the limit for `step` (1..steps) of a run of `steps` steps."""
        return word_limit(
            self.shape,
            step - (self.counting == "paper"),
            steps,
            self.words,
            max(1, round(self.floor * self.words)),
            warmup=math.ceil(round(self.warmup * steps, 9)),
        )


def limited(  # noqa: PLR0917 - the options of a method, in their order
    control: Control, words: int, floor: float, warmup: float, counting: Counting, above: Above
) -> StepSize | None:
    """Return the limit that a method's options ask for; with the control ``none``, no limit.

    Raises:
        ConfigError: An option is out of its range.
    """
    if control == "none":
        return None
    if control not in get_args(Shape):
        raise UnknownNameError("the control of the step size", control, ("none", *get_args(Shape)))
    return StepSize(control, words, floor, warmup, counting, above)
