"""Scores as the words of a page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llmopt.core.presentation import Presentation

if TYPE_CHECKING:
    from collections.abc import Mapping

_GROUPED = (1e4, 1e9)  # sizes between which a value is written out, in groups of three digits
FIXED = "\u00a0"  # a blank at which no line ends


def shown_in(record: Mapping[str, Any]) -> Presentation:
    """Return how the scores of a document are shown."""
    measure = record["measure"]
    return Presentation(
        noun=record.get("noun", "text"),
        measure=measure.get("name", "value"),
        higher_is_better=measure["higher_is_better"],
        unit="share" if measure["shares"] else "value",
        decimals=measure.get("decimals"),
    )


def amount(value: float, shown: Presentation) -> str:
    """Return a score: per cent where it is a share of 1."""
    if shown.shares:
        return f"{shown.number(value)}{FIXED}%"
    if shown.decimals is not None:
        return f"{value:,.{shown.decimals}f}"
    return f"{value:,.0f}" if _GROUPED[0] <= abs(value) < _GROUPED[1] else f"{value:.6g}"


def points(value: float, shown: Presentation) -> str:
    """Return a difference of scores: in points of a hundred where they are shares."""
    return shown.number(value, signed=True)
