"""Amounts and durations as people read them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llmopt.search.progress import Amount

_SHORT = 10_000  # a count from here on is shortened
_MINUTE, _TEN_MINUTES = 60, 600  # seconds
_UNITS = ((1_000_000_000, "G"), (1_000_000, "M"), (1_000, "k"))


def clock(seconds: float) -> str:
    """Return a duration as ``m:ss`` or ``h:mm:ss``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def about(seconds: float) -> str:
    """Return a guessed duration, rounded so that it does not pretend to be exact."""
    grain = 1 if seconds < _MINUTE else 5 if seconds < _TEN_MINUTES else 60
    return f"about {clock(grain * round(seconds / grain))}"


def pace(rate: float) -> str:
    """Return so many a second as a rate, of a minute where it is slow."""
    return f"{rate:.1f}/s" if rate >= 1 else f"{60 * rate:.1f}/min"


def short(count: float) -> str:
    """Return a count in at most six characters: 9,999, then 12.3k, 1.23M."""
    if count < _SHORT:
        return f"{count:,.0f}"
    size, unit = next(u for u in _UNITS if count >= 0.9995 * u[0])
    return f"{float(f'{count / size:.3g}'):g}{unit}"


def amount(of: Amount, between: str = "/") -> str:
    """Return what was spent of one thing, and its cap where it has one.

    Args:
        of: What was spent.
        between: What stands between the two.
    """
    said = _plain(of.of, of.used)
    if of.cap is not None:
        said += between + _plain(of.of, of.cap).removesuffix(".00")
    return said if of.of in ("usd", "seconds") else f"{said} {of.of}"


def _plain(of: str, value: float) -> str:
    if of == "usd":
        return f"${value:,.2f}" if value >= 1 or not value else f"${value:.3f}"
    return clock(value) if of == "seconds" else short(value)


def spark(values: Sequence[float], width: int = 40) -> str:
    """Return a small curve of the best score after each of the last `width` steps."""
    blocks = "▁▂▃▄▅▆▇█"
    last = values[-width:]
    if len(last) < 2 or max(last) == min(last):  # noqa: PLR2004 - a curve needs two points
        return ""
    low, high = min(last), max(last)
    return "".join(blocks[round((v - low) / (high - low) * 7)] for v in last)
