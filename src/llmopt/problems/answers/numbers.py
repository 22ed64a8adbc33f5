"""Numbers as people and models write them: digits, fractions, powers of ten, words."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal, localcontext
from fractions import Fraction

from llmopt.problems.answers.magnitudes import EAST_ASIAN, compound, magnitude

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
_DIGITS = (
    r"(?:\d{1,3}(?:,\d{3}){1,99}(?![\d])"  # 1,234,567
    r"|\d{1,3}(?:'\d{3}){1,99}(?![\d'])"  # 1'234'567 as in Switzerland
    r"|\d{1,3}(?:_\d{3}){1,99}(?![\d_])"  # 1_234_567 as in programs
    r"|\d{1,2}(?:,\d{2}){1,20},\d{3}(?!\d)"  # 12,34,567 as in India
    r"|\d{1,300}(?!\d))"
)
_EUROPEAN = (
    r"(?:\d{1,3}(?:\.\d{3}){1,99},\d{1,300}(?![\d,])"  # 1.234,5
    r"|\d{1,3}(?:\.\d{3}){2,99}(?![\d.,]\d)"  # 1.234.567
    r"|\d{1,3}(?:[ ]\d{3}){1,9}(?:,\d{1,300})?(?![\d/]|[ ,.]\d)"  # 1 234,5
    r"|(?<!\()\d{1,300},\d{1,2}(?![\d,]|\.\d|[ ]?\)))"  # 2,5, but no pair (2,5)
)
_NUMBER = re.compile(
    rf"""
    (?=[-+.\d]|\b[nmzotfsea])  # the first characters there can be: quick to reject
    (?: (?:(?<![\w)\]}}%.])(?P<sign>[-+])|(?<==[ ])-[ ]|\bnegative\s+|(?<![\d)%]\s)\bminus\s+)
      | (?<![A-Za-z0-9_])(?<!\d\.)(?<![A-Za-z]-) )
    (?: (?P<word>\b{_WORDS}(?!-?\w))
      | (?: (?P<whole>\d{{1,4}})(?:\s|\sand\s)(?P<top>\d{{1,4}})/(?P<low>[1-9]\d{{0,3}})(?![\d/])
          | (?P<european>(?<!\d[ ]){_EUROPEAN})
          | (?P<digits>{_DIGITS}(?:\.\d{{1,300}}(?!\d))?|\.\d{{1,300}}(?!\d))
            (?: [eE](?P<exponent>[-+]?\d{{1,3}})(?!\w)
              | \s?(?:[x\u00d7*]|\\times|\\cdot)\s?10\s?(?:\^|\*\*)\s?
                \{{?(?P<power>[-+]?\d{{1,3}})\}}?(?!\d)
              | /(?P<bottom>\d{{1,300}}(?:\.\d{{1,300}})?)(?![\d/]) )?
        )
        (?:(?:\s+|-(?![hH]undred))(?P<scale>{"|".join(_SCALES)})\b)?
    )
    """,
    re.IGNORECASE | re.VERBOSE,
)
_SEPARATOR = re.compile(r"[,'_]")
_CURRENCY = re.compile(r"([-+]?)(?:\b(?:US|A|C|Rs\.?))?[ ]?[$€£¥₹][ ]?([-+]?)(?=\.?\d)")
_ENUMERATOR = re.compile(
    r"^[ \t#>-]*(?:(?:step|part|day|case)\s+)?\(?(\d{1,3})[.):](?=[ \t]+\S)|\bstep\s+(\d{1,3})\b",
    re.IGNORECASE | re.MULTILINE,
)
_CALENDAR = re.compile(
    r"\b(?:\d{4}-\d{1,2}-\d{1,2}|\d{1,2}/\d{1,2}/\d{2,4}|\d{1,2}:\d{2}(?::\d{2})?(?:\s?[ap]\.?m\b)?"
    r"|(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?\s\d{1,2},\s\d{4})(?![\w/])",
    re.IGNORECASE,
)
# What is denied directly in front of a number, but not "not only 5" nor "not more than 5".
_NEGATING = re.compile(
    r"\bno[tn]|n't|rather|instead|opposed|nicht|\bpas\b|不是|ではなく", re.IGNORECASE
)
_NEGATED = re.compile(
    r"(?:\b(?:not|isn't|aren't|wasn't|rather\s+than|instead\s+of|as\s+opposed\s+to|nicht|non|pas"
    r"|and\s+not|not\s+(?:counting|including))\s+|不是\s*)(?:(?:is|be|the|a|an|equal\s+to|exactly|simply)\s+)?(?=[-+.\d]|\b[nmzotfse])",
    re.IGNORECASE,
)
_NOR = re.compile(r",?\s*n?or\s+[$€£¥₹]?", re.IGNORECASE)  # behind a denied number: "not 26 or 30"
_TOLERANCE = re.compile(r"(?:±|\+/-|\\pm\b)\s*[$€£¥₹]?(?=[.\d])")
_ORDINAL = re.compile(r"(?:st|nd|rd|th)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Found:
    """A number in a text.

    Attributes:
        start: Index of its first character, sign included.
        end: Index after its last character.
        value: Exact.
        word: Whether it is written in words.
        weak: Whether it may be no quantity: a lone "one", an ordinal, a part of a date or of a
            time, the number of a list entry, or a tolerance.
    """

    start: int
    end: int
    value: Fraction
    word: bool = False
    weak: bool = False


def find_numbers(text: str) -> list[Found]:
    """Return the numbers in `text` in their order, whole tokens only.

    Read are signs, thousands separators (``1,234``, ``1 234``; ``1.234,5``, ``1.234.567``),
    decimals (``2.5``; ``2,5`` outside of brackets and lists), ``1/2``, ``2 1/2``, ``1e5``,
    ``3 x 10^5``, ``2 million``, ``-$5``, and English words up to the trillions
    (``forty-two``). A magnitude behind a number counts (``150k``, ``€3.2bn``, ``1,2 Mio``,
    ``3万``); other units and percent signs are passed over. A hyphen between two numbers is
    no sign. What is denied (``not 26``) is left out.
    """
    # Same length, so that the indices stay those of the text.
    plain = _CURRENCY.sub(lambda m: (m[1] + m[2]).rjust(len(m[0])), text)
    weak = {m.start(m.lastindex or 0) for m in _ENUMERATOR.finditer(plain)}
    weak |= {m.end() for m in _TOLERANCE.finditer(plain)}
    dates = [m.span() for m in _CALENDAR.finditer(plain)]
    negated = {m.end() for m in _NEGATED.finditer(plain)} if _NEGATING.search(plain) else set()
    taken = 0
    found = []
    for match in _NUMBER.finditer(plain):
        start, end = match.span()
        if start < taken:
            continue
        factor, end = magnitude(text, start, end)
        value = _value(match) * factor
        if text.startswith(EAST_ASIAN, end - 1):
            value, end = compound(text, value, end)
        taken = end
        word = match["word"] is not None
        doubtful = (
            start in weak
            or (word and match["word"].lower() == "one")
            or (not word and _ORDINAL.match(plain, end) is not None)
            or any(low <= start < high for low, high in dates)
        )
        if start in negated:
            also = _NOR.match(plain, end)
            negated |= {also.end()} if also else set()
        else:
            found.append(Found(start, end, value, word, doubtful))
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
    if match[0].isdecimal():  # most are: quick
        return Fraction(int(match[0]))
    if match["word"]:
        value = Fraction(_words_value(match["word"]))
    elif match["whole"]:
        value = int(match["whole"]) + Fraction(int(match["top"]), int(match["low"]))
    elif match["european"]:
        value = Fraction(_european(match["european"]))
    else:
        power = int(match["exponent"] or match["power"] or 0)
        value = Fraction(f"{_SEPARATOR.sub('', match['digits'])}e{power}")
        bottom = Fraction(match["bottom"] or 1)
        value = value / bottom if bottom else value
    if match["scale"]:
        value *= _SCALES[match["scale"].lower()]
    negative = match[0].startswith("-") or re.match(r"negative|minus", match[0], re.IGNORECASE)
    return -value if negative else value


def _european(digits: str) -> str:
    """Write ``1.234,5``, ``1 234,5`` and ``2,5`` with a decimal point and no separators."""
    whole, _, decimals = digits.partition(",")
    whole = whole.replace(".", "").replace(" ", "")
    return f"{whole}.{decimals}" if decimals else whole


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
