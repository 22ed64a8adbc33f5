"""Lists of words, as answers to "sort these words".

The rules, in order:

1. What follows the last announcement that is followed by words (``answer is``,
   ``the sorted list is``, ``in alphabetical order:``): the rest of its line, or where that is
   blank, the next lines, either one line or the items of a numbered or bulleted list.
2. Else the last numbered or bulleted list of at least two items; else all lines where each is
   one word; else the last line, where it is the only one or holds nothing but words.
3. Words are parted by blanks, commas, semicolons, ``<`` and arrows; the numbers of items,
   quotes, Markdown, brackets, final punctuation and an "and" behind a comma are left out.
   Case does not matter.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from llmopt.problems.answers.cleaning import (
    announced,
    clean,
    normalize,
    refusals,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

_SORTED = re.compile(
    r"\b(?:(?:sorted|ordered|alphabeti[sz]ed|final|correct|resulting|complete)\s+"
    r"(?:(?:list|order|words|version|sequence|result)\b)(?:\s+of\s+(?:the\s+)?words)?"
    r"|alphabetical\s+order(?:ing)?|(?:words|list)\s+(?:are\s+)?(?:sorted|ordered)(?:\s+alphabetically)?"
    r"|sorted(?:\s+alphabetically)?)\b"
    r"[^.:\n]{0,60}?(?:\s(?:is|are|would\s+be)(?:\s+as\s+follows)?\b[ \t]*:?|:)",
    re.IGNORECASE,
)
_ITEM = re.compile(r"[ \t>]*(?:\(?\d{1,3}[.):]|[-*\u2022+])[ \t]+(\S.*)")
_BETWEEN = re.compile(r"[\s,;<>|/\u2192\u21d2\u3001]+|-+>")
_MARKS = re.compile(r"[.:!\"()](?:\s|$)|[?\[\]=]")
_SMALL_WORDS = re.compile(r"\b(?:the|is|we|so|are|that|this|have|of)\b", re.IGNORECASE)
_LAST_AND = re.compile(r"(?<=[,;])\s*and\s+", re.IGNORECASE)
_REMARK = re.compile(r"\s\([^()]*\)[.\s]*$")
_PARAGRAPHS = 3  # from which words that stand alone may be a list; fewer are heading and answer
_EDGES = " \t\"'“”‘’`*.,;:!?()[]{}"  # noqa: RUF001  # typographic quotes


def word_list(output: str) -> str | None:
    """Return the words that `output` lists as its answer, small and parted by blanks, or None."""
    text = clean(output)
    refused = refusals(text)
    places = [
        (place.boxed, place.low, place.high) for place in announced(text) if not place.backwards
    ]
    places += [(False, match.end(), len(text)) for match in _SORTED.finditer(text)]
    for boxed, low, high in sorted(places, reverse=True):
        if any(begin <= low < end for begin, end in refused):
            continue
        words = words_of(text[low:high] if boxed else _block(text, low))
        if words:
            return " ".join(words)
    if refused:
        return None
    words = words_of(_unannounced(text))
    return " ".join(words) or None


def words_of(text: str) -> list[str]:
    """Return the words of a list written in one line or several."""
    lines = [item[1] if (item := _ITEM.fullmatch(line)) else line for line in text.split("\n")]
    joined = _LAST_AND.sub(" ", " , ".join(_REMARK.sub("", line) for line in lines))
    words = (normalize(word.strip(_EDGES)) for word in _BETWEEN.split(joined))
    return [word for word in words if word]


def _block(text: str, begin: int) -> str:
    """Return the rest of the line, or what stands below it: one line or the items of a list."""
    lines = text[begin:].split("\n")
    at_line_start = not text[text.rfind("\n", 0, begin) + 1 : begin].strip()
    if lines[0].strip(_EDGES + "#") and not at_line_start:
        return lines[0].rpartition(": ")[2]
    below = _skip_blank(lines if at_line_start else lines[1:])
    items = _items(below)
    if items:
        return "\n".join(items)
    singles = []
    for line in below:
        if len(line.split()) != 1:
            break
        singles.append(line)
    return "\n".join(singles) if len(singles) > 1 else "".join(below[:1])


def _skip_blank(lines: Sequence[str]) -> Sequence[str]:
    for i, line in enumerate(lines):
        if line.strip(_EDGES):
            return lines[i:]
    return []


def _items(lines: Sequence[str]) -> list[str]:
    """Return the items that `lines` begin with; blank lines may part them."""
    items = []
    for line in lines:
        item = _ITEM.fullmatch(line)
        if item:
            items.append(item[1])
        elif line.strip():
            break
    return items


def _unannounced(text: str) -> str:
    paragraphs = re.split(r"\n[ \t]*\n", text.strip())
    lines = [line.strip() for line in text.strip().split("\n") if line.strip(_EDGES)]
    if not lines:
        return ""
    items: list[str] = []
    for line in reversed(lines):
        item = _ITEM.fullmatch(line)
        if item:
            items.insert(0, item[1])
        elif items:
            break
    if len(items) > 1 and all(len(item.split()) == 1 for item in items):
        return "\n".join(items)
    if lines[-1] == paragraphs[-1].strip() and len(paragraphs) < _PARAGRAPHS:
        lines = lines[-1:]
    if all(len(line.split()) == 1 and not _MARKS.search(line) for line in lines):
        return "\n".join(lines)
    last = lines[-1]
    parts = last.rstrip(".").split(",")
    if len(parts) > 1 and all(len(part.split()) == 1 for part in parts):
        return last
    if len(lines) == 1:  # all of it, or what follows a colon
        last = last.rpartition(": ")[2]
        return "" if _MARKS.search(last.rstrip(".")) else last
    return "" if _MARKS.search(last.rstrip(".")) or _SMALL_WORDS.search(last) else last
