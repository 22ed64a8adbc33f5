"""Magnitudes behind a number: ``150k``, ``€3.2bn``, ``1,2 Mio.``, ``2 lakh``, ``3万``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fractions import Fraction

_THOUSAND, _MILLION, _BILLION, _TRILLION = 10**3, 10**6, 10**9, 10**12
# Short ones are read right behind the digits alone, or beside a currency: "5 m" are meters.
_SHORT = {"k": _THOUSAND, "m": _MILLION, "b": _BILLION, "t": _TRILLION}
_ATTACHED = "kKMB"  # what counts right behind the digits without a currency
_WRITTEN = {
    "thousand": _THOUSAND,
    "thousands": _THOUSAND,
    "tausend": _THOUSAND,
    "tsd": _THOUSAND,
    "mila": _THOUSAND,
    "тыс": _THOUSAND,
    "lakh": 10**5,
    "lakhs": 10**5,
    "million": _MILLION,
    "millions": _MILLION,
    "millionen": _MILLION,
    "millones": _MILLION,
    "millón": _MILLION,
    "milhão": _MILLION,
    "milhões": _MILLION,
    "milione": _MILLION,
    "milioni": _MILLION,
    "mio": _MILLION,
    "mln": _MILLION,
    "mn": _MILLION,
    "mm": _MILLION,
    "млн": _MILLION,
    "crore": 10**7,
    "crores": 10**7,
    "billion": _BILLION,
    "billions": _BILLION,
    "bilhão": _BILLION,
    "bilhões": _BILLION,
    "milliarde": _BILLION,
    "milliarden": _BILLION,
    "milliard": _BILLION,
    "milliards": _BILLION,
    "miliardo": _BILLION,
    "miliardi": _BILLION,
    "mrd": _BILLION,
    "mld": _BILLION,
    "bln": _BILLION,
    "bn": _BILLION,
    "млрд": _BILLION,
    "trillion": _TRILLION,
    "trillions": _TRILLION,
    "trn": _TRILLION,
    "tn": _TRILLION,
}
_MYRIADS = {
    "千万": 10**7,
    "千萬": 10**7,
    "천만": 10**7,
    "百万": 10**6,
    "百萬": 10**6,
    "백만": 10**6,
    "十亿": 10**9,
    "十億": 10**9,
    "万亿": 10**12,
    "万億": 10**12,
    "兆": 10**12,
    "조": 10**12,
    "亿": 10**8,
    "億": 10**8,
    "억": 10**8,
    "万": 10**4,
    "萬": 10**4,
    "만": 10**4,
}
EAST_ASIAN = tuple(sorted({word[-1] for word in _MYRIADS}))
"""The last characters of the magnitudes of East Asia, behind which a smaller one may follow."""

_PLANS = ("401", "403")  # American pension plans: 401k, 403b

_MONEY = r"[$€£¥₹]|\b(?:USD|EUR|GBP|CHF|INR|JPY)\b"
_MONEY_BEFORE = re.compile(rf"(?:{_MONEY})\s?[-+]?\s?$")
_MONEY_BEHIND = re.compile(rf"\s?(?:{_MONEY})")
_BEFORE = 6  # characters before a number in which its currency stands
_LATIN = re.compile(r"(?P<gap>[ ]?)-?(?P<word>[^\W\d_]{1,10})(?![\w'])")
_EASTERN = re.compile(rf"[ ]?({'|'.join(_MYRIADS)})")
_SMALLER = re.compile(rf"[ ]?(\d{{1,4}})[ ]?({'|'.join(_MYRIADS)})")
_MILLIARDS = re.compile(r"[ ]?mil\s+mill?(?:ones|ón)\b", re.IGNORECASE)


def magnitude(text: str, start: int, end: int) -> tuple[int, int]:
    """Return the factor of the magnitude behind a number, and where the whole ends.

    Args:
        text: Cleaned.
        start: Where the number starts.
        end: Where its digits end.
    """
    if not text[end : end + 2].strip(" .,;:!?)\n"):  # most end here: quick
        return 1, end
    eastern = _EASTERN.match(text, end)
    if eastern:
        return _MYRIADS[eastern[1]], eastern.end()
    double = _MILLIARDS.match(text, end)
    if double:
        return _BILLION, double.end()
    match = _LATIN.match(text, end)
    if not match:
        return 1, end
    word, stop = match["word"], match.end("word")
    if word.lower() in ("k", "b") and text[start:end] in _PLANS:
        return 1, end
    factor = _WRITTEN.get(word.lower())
    if word == "mm" and not _is_money(text, start, stop):  # millimeters
        factor = None
    elif word.lower() in _SHORT:
        near = not match["gap"] and word in _ATTACHED
        factor = _SHORT[word.lower()] if near or _is_money(text, start, stop) else None
    return (factor, stop) if factor else (1, end)


def compound(text: str, value: Fraction, end: int) -> tuple[Fraction, int]:
    """Add the smaller magnitudes behind one of East Asia: ``1亿5000万``."""
    while smaller := _SMALLER.match(text, end):
        value += int(smaller[1]) * _MYRIADS[smaller[2]]
        end = smaller.end()
    return value, end


def _is_money(text: str, start: int, end: int) -> bool:
    """Say whether a currency stands before the digits of a number or behind its magnitude."""
    digits = next((at for at in range(start, start + 4) if text[at : at + 1].isdigit()), start)
    before = text[max(0, digits - _BEFORE) : digits]
    return bool(_MONEY_BEFORE.search(before) or _MONEY_BEHIND.match(text, end))
