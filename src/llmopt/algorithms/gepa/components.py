"""Which parts of a solution a step rewrites, where a solution has several."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from llmopt.algorithms.gepa.system_merge import merges_in
from llmopt.core.problem import parts_of
from llmopt.errors import ConfigError

if TYPE_CHECKING:
    from llmopt.core.part import StepContext

Components = Literal["round-robin", "all", "together"]


@dataclass(frozen=True)
class ComponentChoice:
    """How the parts of a solution take turns.

    Attributes:
        choice: ``round-robin``: one part in each step, in their declared order; ``all``: every
            part, each with a request of its own; ``together``: the whole solution as one text.
    """

    choice: Components = "round-robin"

    def __post_init__(self) -> None:
        if self.choice not in get_args(Components):
            raise ConfigError(
                f"components must be {', '.join(get_args(Components))}, got {self.choice!r}"
            )

    def names(self, ctx: StepContext) -> tuple[str, ...]:
        """Return the parts that a group of the step rewrites; none: the solution as a whole.

        The turn follows from the number of steps that rewrote something, so a part whose rewrites
        are all refused does not keep the others waiting. Further groups of a step rewrite the
        next parts.
        """
        names = tuple(part.name for part in parts_of(ctx.problem) if part.kind == "instruction")
        if len(names) < 2 or self.choice == "together":  # noqa: PLR2004 - one part is the whole
            return ()
        if self.choice == "all":
            return names
        turn = ctx.step - 1 - merges_in(ctx.trajectory) + (ctx.group or 0)
        return (names[turn % len(names)],)
