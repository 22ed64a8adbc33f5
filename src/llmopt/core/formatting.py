"""Counts, amounts, durations and p-values as text, formatted in one place.

How scores are written is said by a problem's :class:`~llmopt.core.presentation.Presentation`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_SMALL = 0.0001  # p-values below this are not told apart
_SHORT = 10_000  # a count from here on is shortened
_MINUTE, _TEN_MINUTES, _HOUR = 60, 600, 3600  # seconds
_UNITS = ((1_000_000_000, "G"), (1_000_000, "M"), (1_000, "k"))
_TEN = 10
_ORDINALS = (
    *("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth"),
    *("tenth", "eleventh", "twelfth"),
)


def counted(number: int, what: str, many: str = "") -> str:
    """Return a number of things; `many` is their name where it does not just end in s."""
    return f"{number:,} {plural(number, what, many)}"


def cached_part(tokens: int) -> str:
    """Return how many of the tokens just named a provider read from its cache; of 0, nothing."""
    return f" ({tokens:,} of them cached)" if tokens else ""


def plural(number: int, what: str, many: str = "") -> str:
    """Return the name of so many things; see :func:`counted`."""
    return what if number == 1 else many or what + "s"


def ordinal(number: int) -> str:
    """Return a number from 1 as it counts: ``third``, ``13th``, ``21st``."""
    if number <= len(_ORDINALS):
        return _ORDINALS[number - 1]
    last = 0 if number // 10 % 10 == 1 else number % 10
    return f"{number:,}{('th', 'st', 'nd', 'rd')[last] if last <= 3 else 'th'}"  # noqa: PLR2004 - 1st, 2nd, 3rd


def p_value(value: float, *, blank: str = " ") -> str:
    """Return a p-value: ``0.0123``, ``< 0.0001``.

    Args:
        value: From 0 to 1.
        blank: What stands behind the sign: where lines may end, one that keeps them together.
    """
    return f"<{blank}{_SMALL}" if value < _SMALL else f"{value:.4f}"


def p_equals(value: float) -> str:
    """Return a p-value as it stands behind its letter: ``= 0.0123``, ``< 0.0001``."""
    return p_value(value) if value < _SMALL else f"= {p_value(value)}"


# -- durations and rates --------------------------------------------------------------------


def clock(seconds: float) -> str:
    """Return a duration as ``m:ss`` or ``h:mm:ss``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def about(seconds: float) -> str:
    """Return a guessed duration, rounded so that it does not pretend to be exact."""
    grain = 1 if seconds < _MINUTE else 5 if seconds < _TEN_MINUTES else 60
    return f"about {clock(grain * round(seconds / grain))}"


def duration(seconds: float | None) -> str:
    """Return an estimated duration with its unit: ``40 s``, ``3 min``, ``1.5 h``; None: unknown."""
    if seconds is None:
        return "unknown"
    if seconds < _MINUTE:
        return f"{max(1, round(seconds)) if seconds else 0} s"
    if seconds < _HOUR:
        return f"{seconds / _MINUTE:.0f} min"
    return f"{seconds / _HOUR:.1f} h"


def pace(rate: float) -> str:
    """Return so many a second as a rate, of a minute where it is slow."""
    return f"{rate:.1f}/s" if rate >= 1 else f"{60 * rate:.1f}/min"


# -- counts and money -----------------------------------------------------------------------


def short(count: float) -> str:
    """Return a count in at most six characters: 9,999, then 12.3k, 1.23M."""
    if count < _SHORT:
        return f"{count:,.0f}"
    size, unit = next(u for u in _UNITS if count >= 0.9995 * u[0])
    return f"{float(f'{count / size:.3g}'):g}{unit}"


def rounded(count: int) -> str:
    """Return an estimated count with two digits that mean something: 950, 1.2k, 34M."""
    for size, name in _UNITS[1:]:
        if count >= size:
            digits = f"{count / size:.1f}" if count < _TEN * size else f"{count / size:,.0f}"
            return digits + name
    return str(count)


def dollars(usd: float | None) -> str:
    """Return estimated US dollars without their sign: 0, 0.012, 1,234.50; None: unknown."""
    if usd is None:
        return "unknown"
    return "0" if usd == 0 else f"{usd:,.2f}" if usd >= 1 else f"{usd:.2g}"


def spent(what: str, used: float, cap: float | None = None, between: str = "/") -> str:
    """Return what was spent of one thing, and its cap where it has one.

    Args:
        what: calls, tokens, usd or seconds.
        used: How much was spent.
        cap: How much there may be.
        between: What stands between the two.
    """
    said = _spent(what, used)
    if cap is not None:
        said += between + _spent(what, cap).removesuffix(".00")
    return said if what in ("usd", "seconds") else f"{said} {what}"


def _spent(what: str, value: float) -> str:
    if what == "usd":
        return f"${value:,.2f}" if value >= 1 or not value else f"${value:.3f}"
    return clock(value) if what == "seconds" else short(value)


def bare(what: str, amount: float) -> str:
    """Return an amount of what a budget caps without its unit: ``$0.35``, ``1,200``."""
    return f"${amount:,.4g}" if what == "usd" else f"{amount:,.0f}"


def capped(what: str, amount: float) -> str:
    """Return an amount of what a budget caps: ``$0.35``, ``1,200 calls``."""
    said = bare(what, amount)
    return said if what == "usd" else f"{said} {what.removesuffix('s') if said == '1' else what}"


def limit(what: str, amount: float) -> str:
    """Return a limit exactly as it was set: ``$0.123456``, ``1,200 calls``."""
    if what == "usd":
        return f"${amount:,.10g}"
    return f"{amount:,.10g} {what.removesuffix('s') if amount == 1 else what}"


def spark(values: Sequence[float], width: int = 40) -> str:
    """Return a small curve of the best score after each of the last `width` steps."""
    blocks = "▁▂▃▄▅▆▇█"
    last = values[-width:]
    if len(last) < 2 or max(last) == min(last):  # noqa: PLR2004 - a curve needs two points
        return ""
    low, high = min(last), max(last)
    return "".join(blocks[round((v - low) / (high - low) * 7)] for v in last)
