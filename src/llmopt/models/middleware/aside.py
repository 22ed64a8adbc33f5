"""What a budget keeps for the control of a search that it ends."""

from __future__ import annotations

from dataclasses import dataclass

SHARE = 1 / 3
"""Most of what is left after the starts, choosing and testing that is kept for a control."""


@dataclass(frozen=True, slots=True)
class ControlShare:
    """A part of a budget, kept for a control that is as large as the search.

    The amount grows with what the search has spent, up to :data:`SHARE`. Nothing is kept where
    that share would not pay for the smallest control.

    Attributes:
        starts: Calls that measured the starting solutions.
        finals: Calls that choose and test the control's winner.
        least: Calls of the smallest control that says anything, its `finals` included.
    """

    starts: int
    finals: int
    least: int


@dataclass(frozen=True, slots=True)
class ShareOf:
    """A control's share in one unit of a budget: calls, tokens, dollars or seconds.

    Attributes:
        starts: See :class:`ControlShare`.
        finals: See :class:`ControlShare`.
        least: See :class:`ControlShare`.
        kept: What is kept for the search's own choosing and testing.
        done: What the control has spent up to now.
    """

    starts: float
    finals: float
    least: float
    kept: float
    done: float

    def pays(self, cap: float) -> bool:
        """Return whether the share of a budget pays for the smallest control."""
        return SHARE * (cap - self.starts - self.kept) >= self.least

    def of(self, cap: float, spent: float) -> float:
        """Return what is kept now, where so much is spent in all."""
        searched = spent - self.done - self.starts
        most = SHARE * (cap - self.starts - self.kept)
        return max(0.0, min(searched + self.finals, most) - self.done)

    def enough(self, spent: float) -> float:
        """Return a cap from which on so much may be spent with everything that is kept."""
        bare = spent + self.kept
        equal = bare + max(0.0, spent - 2 * self.done - self.starts + self.finals)
        most = (bare - self.done - SHARE * (self.starts + self.kept)) / (1 - SHARE)
        return max(bare, min(equal, most))
