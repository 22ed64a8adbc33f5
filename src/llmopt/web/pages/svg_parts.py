"""The parts of drawings that are files of their own: light, without a script, texts escaped."""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING

from llmopt.core.text import visible

if TYPE_CHECKING:
    from collections.abc import Sequence

_STYLE = """
text{font:12px system-ui,"Helvetica Neue",Arial,"DejaVu Sans",sans-serif;fill:#595f69}
.rule{stroke:#d9d5cb}.whisker{stroke:#8a8778}.best-line,.edited{fill:none;stroke:#1f2328;stroke-width:1.5}
.edited{stroke:#8a8778}.point{fill:#1f5a96;fill-opacity:.45}.leads{fill:#1f2328;fill-opacity:1}
.winner{fill:#17694a;fill-opacity:1}.validation{fill:#fff;stroke:#7a4b94;stroke-width:2}
.held{stroke:#80610a;stroke-width:2}.right{fill:#5aa287}.wrong{fill:#e0a794}.between{fill:#d8c58c}
"""


def svg(width: float, height: float, parts: Sequence[str], title: str) -> str:
    """Return a drawing as the text of a file.

    Args:
        width: In pixels.
        height: In pixels.
        parts: Its elements.
        title: What it shows.
    """
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" '
        f'width="{width:g}" height="{height:g}" role="img">'
        f"<title>{escape(visible(title))}</title><style>{_STYLE}</style>"
        f'<rect width="{width:g}" height="{height:g}" fill="#fff"/>{"".join(parts)}</svg>\n'
    )


def text(x: float, y: float, said: str, anchor: str = "start") -> str:
    """Return a line of text; `anchor` is its place in it: start, middle or end."""
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}">{escape(visible(said))}</text>'


class Axis:
    """Places values between two ends of a drawing.

    Args:
        low: The value at `begin`.
        high: The value at `end`; where it is not above `low`, room is made for one more.
        begin: Where the axis begins, in pixels.
        end: Where it ends.
        log: Whether equal ratios are equally long; then both values are above 0.
    """

    def __init__(
        self, low: float, high: float, begin: float, end: float, *, log: bool = False
    ) -> None:
        self._bend = math.log10 if log else float
        self._low, self._high = self._bend(low), self._bend(high)
        if not self._high > self._low:
            self._high = self._low + (abs(self._low) or 1.0)
        self._begin, self._end, self._log = begin, end, log

    def __call__(self, value: float) -> float:
        """Return the place of a value."""
        share = (self._bend(value) - self._low) / (self._high - self._low)
        return round(self._begin + share * (self._end - self._begin), 1)

    def ticks(self) -> list[tuple[float, float]]:
        """Return a few round values with their places."""
        marks = ticks(self._low, self._high, 4)
        if self._log:
            powers = [10**mark for mark in marks if mark == int(mark)]
            marks = powers if len(powers) > 1 else ticks(10**self._low, 10**self._high, 4)
        return [(mark, self(mark)) for mark in marks]


def ticks(low: float, high: float, about: int = 8) -> list[float]:
    """Return round numbers from `low` to `high`, about as many as wanted."""
    if not high > low:
        return [low]
    rough = (high - low) / about
    unit: float = 10 ** math.floor(math.log10(rough))
    step = unit * next(n for n in (1, 2, 5, 10) if n * unit >= 0.999 * rough)
    return [n * step for n in range(math.ceil(low / step), math.floor(high / step + 1e-9) + 1)]
