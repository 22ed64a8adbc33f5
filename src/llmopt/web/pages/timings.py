"""The pairs of runs behind a verdict on a program's speed, as a table with drawings."""

from __future__ import annotations

import math
from statistics import median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from markupsafe import Markup

_WIDTH, _HEIGHT, _EDGE = 320, 26, 8
_WORTH = 1.1  # the ratio below which a difference is noise, as a line
_MOST = 2.0  # the axis reaches from 1 / this to this at least


def timings_of(conclusion: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the section on timings; empty where nothing was timed."""
    pairs = (conclusion or {}).get("pairs")
    if not conclusion or not pairs:
        return {}
    ratios = {name: _ratios(found) for name, found in pairs.items()}
    all_of = [ratio for found in ratios.values() for ratio in found]
    reach = math.log(max(_MOST, *all_of, *(1 / ratio for ratio in all_of)))
    rows = [
        {
            "input": name,
            "original": f"{1000 * median(pairs[name]['original']):,.0f}",
            "winner": f"{1000 * median(pairs[name]['candidate']):,.0f}",
            "ratio": f"{median(found):.2f}",
            "pairs": len(found),
            "plot": _drawn(found, reach),
        }
        for name, found in ratios.items()
    ]
    caption = (
        f"{conclusion['ratio']:.2f} times as fast, 95 % interval {conclusion['low']:.2f} to "
        f"{conclusion['high']:.2f}: the winner is {conclusion['word']}. All "
        f"{conclusion['tests']:,} held-out tests passed"
    )
    about = (
        "Each dot is a pair of runs, one of the original and one of the winner, one after the "
        "other on one processor core: how many times as fast the winner was. Lines: 1, as fast as "
        f"the original; dashed {_WORTH}, the least that is called faster."
    )
    return {"title": "Timings", "caption": caption, "about": about, "rows": rows}


def _ratios(pairs: Mapping[str, Sequence[float]]) -> list[float]:
    both = zip(pairs["original"], pairs["candidate"], strict=True)
    return [original / candidate for original, candidate in both]


def _drawn(ratios: Sequence[float], reach: float) -> Markup:
    """Return the ratios as dots on a logarithmic axis with 1 in its middle."""
    from markupsafe import Markup

    def at(ratio: float) -> float:
        share = (math.log(ratio) / reach + 1) / 2
        return round(_EDGE + share * (_WIDTH - 2 * _EDGE), 1)

    y, one, worth = _HEIGHT / 2, at(1.0), at(_WORTH)
    dots = "".join(f'<circle class="pair" cx="{at(r)}" cy="{y}" r="3"/>' for r in ratios)
    return Markup(  # noqa: S704 - of numbers alone
        f'<svg class="pairs" viewBox="0 0 {_WIDTH} {_HEIGHT}" aria-hidden="true">'
        f'<line class="rail" x1="{_EDGE}" y1="{y}" x2="{_WIDTH - _EDGE}" y2="{y}"/>'
        f'<line class="zero" x1="{one}" y1="0" x2="{one}" y2="{_HEIGHT}"/>'
        f'<line class="worth" x1="{worth}" y1="0" x2="{worth}" y2="{_HEIGHT}"/>'
        f"{dots}</svg>"
    )
