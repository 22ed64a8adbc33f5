"""Numbers as people and models write them: digits, fractions, powers of ten, words."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal, localcontext
from fractions import Fraction

_UNITS = re.findall(
    r"\w+",
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
    "fifteen sixteen seventeen eighteen nineteen",
)
_TENS = re.findall(r"\w+", "twenty thirty forty fifty sixty seventy eighty ninety")
_SCALES = {
    "hundred": 100,
    "thousand": 1000,
    "million": 10**6,
    "billion": 10**9,
    "trillion": 10**12,
}
_VALUES = (
    {word: value for value, word in enumerate(_UNITS)}
    | {word: 10 * value for value, word in enumerate(_TENS, start=2)}
    | {"a": 1}
)

_SMALL = (
    rf"(?:(?:{'|'.join(_TENS)})(?:[-\s](?:{'|'.join(_UNITS[1:10])}))?|{'|'.join(_UNITS[::-1])})"
)
_BELOW_1000 = rf"(?:(?:{_SMALL}|a)\s+hundred(?:\s+(?:and\s+)?{_SMALL})?|{_SMALL})"
_SCALED = rf"(?:{_BELOW_1000}|a)\s+(?:thousand|million|billion|trillion)"
_JOIN = r"(?:,\s*|\s+)(?:and\s+)?"
_WORDS = rf"(?:{_SCALED}(?:{_JOIN}{_SCALED})*(?:{_JOIN}{_BELOW_1000})?|{_BELOW_1000})"

# Longer runs of digits are no quantities, and whole numbers of them cost quadratic time.
_DIGITS = r"(?:\d{1,3}(?:,\d{3}){1,99}(?!\d)|\d{1,300}(?!\d))"
_NUMBER = re.compile(
    rf"""
    (?: (?:(?<![\w)\]}}%.])(?P<sign>[-+])|\bnegative\s+|(?<![\d)%]\s)\bminus\s+)
      | (?<![A-Za-z0-9_])(?<!\d\.)(?<![A-Za-z]-) )
    (?: (?P<word>\b{_WORDS}(?!-?\w))
      | (?: (?P<whole>\d{{1,4}})\s(?P<top>\d{{1,4}})/(?P<low>[1-9]\d{{0,3}})(?![\d/])
          | (?P<digits>{_DIGITS}(?:\.\d{{1,300}}(?!\d))?|\.\d{{1,300}}(?!\d))
            (?: [eE](?P<exponent>[-+]?\d{{1,3}})(?!\w)
              | \s?(?:[x\u00d7*]|\\times|\\cdot)\s?10\s?\^\s?\{{?(?P<power>[-+]?\d{{1,3}})\}}?(?!\d)
              | /(?P<bottom>\d{{1,300}}(?:\.\d{{1,300}})?)(?![\d/]) )?
        )
        (?:\s+(?P<scale>{"|".join(_SCALES)})\b)?
    )
    """,
    re.IGNORECASE | re.VERBOSE,
)
_CURRENCY = re.compile(r"([-+]?)(?:\b(?:US|A|C|Rs\.?))?[ ]?[$€£¥₹][ ]?([-+]?)(?=\.?\d)")
_ENUMERATOR = re.compile(
    r"^[ \t]*(?:step\s+)?(\d{1,3})[.):](?=[ \t]+\S)", re.IGNORECASE | re.MULTILINE
)


@dataclass(frozen=True, slots=True)
class Found:
    """A number in a text.

    Attributes:
        start: Index of its first character, sign included.
        end: Index after its last character.
        value: Exact.
        word: Whether it is written in words.
        weak: Whether it may be no quantity: a lone "one", or the number of a list entry.
    """

    start: int
    end: int
    value: Fraction
    word: bool = False
    weak: bool = False


def find_numbers(text: str) -> list[Found]:
    """Return the numbers in `text` in their order, whole tokens only.

    Read are signs, thousands separators, decimals, ``1/2``, ``2 1/2``, ``1e5``, ``3 x 10^5``,
    ``2 million``, ``-$5``, and English words up to the trillions (``forty-two``). Units and
    percent signs are passed over. A hyphen between two numbers is no sign.
    """
    # Same length, so that the indices stay those of the text.
    plain = _CURRENCY.sub(lambda m: (m[1] + m[2]).rjust(len(m[0])), text)
    enumerators = {m.start(1) for m in _ENUMERATOR.finditer(plain)}
    found = []
    for match in _NUMBER.finditer(plain):
        value = _value(match)
        word = match["word"] is not None
        weak = match.start() in enumerators or (word and match["word"].lower() == "one")
        found.append(Found(match.start(), match.end(), value, word, weak))
    return found


def show_number(value: Fraction) -> str:
    """Return `value` as a decimal number without separators, exact up to 30 digits."""
    if value.denominator == 1:
        return str(value.numerator)
    with localcontext(prec=30):
        return format(Decimal(value.numerator) / Decimal(value.denominator), "f")


def round_to(value: Fraction, decimals: int) -> Fraction:
    """Round half away from zero."""
    scale: int = 10**decimals
    scaled = abs(value) * scale
    rounded = Fraction((2 * scaled.numerator + scaled.denominator) // (2 * scaled.denominator))
    return (rounded if value >= 0 else -rounded) / scale


def _value(match: re.Match[str]) -> Fraction:
    if match["word"]:
        value = Fraction(_words_value(match["word"]))
    elif match["whole"]:
        value = int(match["whole"]) + Fraction(int(match["top"]), int(match["low"]))
    else:
        power = int(match["exponent"] or match["power"] or 0)
        value = Fraction(f"{match['digits'].replace(',', '')}e{power}")
        bottom = Fraction(match["bottom"] or 1)
        value = value / bottom if bottom else value
    if match["scale"]:
        value *= _SCALES[match["scale"].lower()]
    negative = match[0].startswith("-") or re.match(r"negative|minus", match[0], re.IGNORECASE)
    return -value if negative else value


def _words_value(words: str) -> int:
    total = current = 0
    for word in re.findall(r"[a-z]+", words.lower()):
        if word == "hundred":
            current *= 100
        elif word in _SCALES:
            total, current = total + current * _SCALES[word], 0
        elif word != "and":
            current += _VALUES[word]
    return total + current
