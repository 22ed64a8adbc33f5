"""Numbers as the words of a page."""

from __future__ import annotations

_GROUPED = (1e4, 1e9)  # sizes between which a value is written out, in groups of three digits
_FIXED = "\u00a0"  # a blank at which no line ends
_SMALL = 0.0001  # p-values below this are not told apart


def amount(value: float, *, share: bool) -> str:
    """Return a score: per cent where it is a share of 1."""
    if share:
        return f"{100 * value:.1f}{_FIXED}%"
    return f"{value:,.0f}" if _GROUPED[0] <= abs(value) < _GROUPED[1] else f"{value:.6g}"


def points(value: float, *, share: bool) -> str:
    """Return a difference of scores: in points of a hundred where they are shares."""
    return f"{100 * value:+.1f}" if share else f"{value:+.6g}"


def chance(value: float) -> str:
    """Return a p-value."""
    return f"<{_FIXED}{_SMALL}" if value < _SMALL else f"{value:.4f}"


def counted(number: int, what: str, many: str = "") -> str:
    """Return a number of things; `many` is their name where it does not just end in s."""
    return f"{number:,} {what if number == 1 else many or what + 's'}"
