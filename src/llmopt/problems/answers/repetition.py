"""Where a text begins to repeat itself without end, as a model does that lost its way."""

from __future__ import annotations

import re
from string import digits

_SHORTEST = 200  # characters of repetition from which it is taken for one without end
_TIMES = 5  # how often something stands at the end of a text that only repeats it
_COUNTING = 20  # likewise, where it is the same but for its digits
_PROBE = 24  # characters of the end that are looked for first
_READ = 16_000  # characters before the end in which the repetition is looked for
_SAME = str.maketrans(digits, "0" * len(digits))
_WORD = re.compile(r"[^\W\d_]|\d\s")  # not the digits of a fraction
_SENTENCE_END = re.compile(r"[.!?。]\s+|\n\s*")
_TOKENS = re.compile(r"(?:\s*<[^<>\s]{1,40}>)+\s*")


def endless(text: str) -> int:
    """Return where an endless repetition begins that reaches to the end of a text, or -1.

    It is the same part five times or more, the last of them perhaps cut off, over 200 characters
    or more; twenty times where it is the same but for its digits. Rules, dots and the special
    tokens of a model are no repetition. The time is linear in the text's length.
    """
    text = text.rstrip()
    if len(text) < _SHORTEST:
        return -1
    for least, shown in ((_TIMES, text), (_COUNTING, text.translate(_SAME))):
        if shown.count(shown[-_PROBE:]) < least - 1:
            continue
        tail = shown[-_READ:]
        start, period = _periodic_end(tail)
        part = tail[len(tail) - period :]
        worth = _WORD.search(part) and not _TOKENS.fullmatch(part)
        if worth and len(tail) - start >= max(_SHORTEST, least * period):
            return _at_sentence(text, len(text) - len(tail) + start, period)
    return -1


def _at_sentence(text: str, begin: int, period: int) -> int:
    """Return where the first whole sentence at or behind a place begins.

    The end of what was said before may be as the end of what is repeated: "It is 5. Add 5. …".
    """
    if not text[:begin].strip() or _SENTENCE_END.search(text, max(0, begin - 3), begin):
        return begin
    end = _SENTENCE_END.search(text, begin, begin + period)
    return end.end() if end else begin


def _periodic_end(text: str) -> tuple[int, int]:
    """Return the longest end of a text that is periodic at least `_TIMES` times, and its period.

    The borders of the reversed text (Knuth, Morris and Pratt) give the shortest period of every
    end of the text.
    """
    signs = text[::-1]
    borders = [0] * len(signs)
    border, best, period = 0, 0, 1
    for at in range(1, len(signs)):
        while border and signs[at] != signs[border]:
            border = borders[border - 1]
        border += signs[at] == signs[border]
        borders[at] = border
        shortest = at + 1 - border
        if (at + 1) >= _TIMES * shortest:
            best, period = at + 1, shortest
    return len(text) - best, period
