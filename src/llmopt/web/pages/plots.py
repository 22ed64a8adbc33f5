"""Intervals as small drawings in table cells, made from numbers alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from markupsafe import Markup

_WIDTH, _HEIGHT, _EDGE = 160, 18, 5


def across(score: Mapping[str, Any]) -> Markup:
    """Return a mean with its interval on a line from 0 to 1."""
    interval = score["interval"]
    return _drawn(*(_at(v) for v in (interval["low"], score["mean"], interval["high"])))


def around_zero(difference: Mapping[str, Any], reach: float) -> Markup:
    """Return a difference with its interval on a line from ``-reach`` to ``reach``."""
    span = reach or 1.0
    interval = difference["interval"]
    values = (interval["low"], difference["mean"], interval["high"])
    return _drawn(*(_at((value / span + 1) / 2) for value in values), middle=True)


def _at(share: float) -> float:
    return round(_EDGE + min(1.0, max(0.0, share)) * (_WIDTH - 2 * _EDGE), 1)


def _drawn(low: float, mean: float, high: float, *, middle: bool = False) -> Markup:
    from markupsafe import Markup

    y = _HEIGHT / 2
    zero = f'<line class="zero" x1="{_WIDTH / 2}" y1="0" x2="{_WIDTH / 2}" y2="{_HEIGHT}"/>'
    return Markup(  # noqa: S704 - of numbers alone
        f'<svg class="interval" viewBox="0 0 {_WIDTH} {_HEIGHT}" aria-hidden="true">'
        f'<line class="rail" x1="{_EDGE}" y1="{y}" x2="{_WIDTH - _EDGE}" y2="{y}"/>'
        f"{zero if middle else ''}"
        f'<line class="span" x1="{low}" y1="{y}" x2="{high}" y2="{y}"/>'
        f'<circle class="mean" cx="{mean}" cy="{y}" r="4"/></svg>'
    )
