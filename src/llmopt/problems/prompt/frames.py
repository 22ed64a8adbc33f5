"""What frames a proposed instruction, and is no part of it: quotes, a code fence, emphasis, a tag.

A frame stands around the whole text. What looks like one and stands within is the text's own.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

_FENCE = re.compile(r"(?P<fence>`{3,}|~{3,})[^\n`]*\n(?P<inner>.*?)\n?[ \t]*(?P=fence)", re.DOTALL)
_ONE_LINE = re.compile(r"```(?P<inner>[^`\n]+)```")
_TAGS = "prompt|text|ins|start|instructions?|(?:new|improved|final)[_-](?:prompt|instructions?)"
_TAG = re.compile(rf"<(?P<name>{_TAGS})>(?P<inner>.*)</(?P=name)>", re.DOTALL | re.IGNORECASE)
_QUOTES = (('"', '"'), ("“", "”"))
QUOTES = tuple(opening for opening, _ in _QUOTES)
"""The kinds of frames that are quotation marks."""

_EMPHASES = ("**", "__", "*", "_", "`")
_POWER = re.compile(r"(?<=\w)\*\*(?=\w)")


def frames_of(text: str) -> tuple[str, ...]:
    """Return the kinds of frames around a text, the outermost first."""
    return tuple(kind for kind, _ in _peeled(text.strip()))


def unframed(text: str, own: Collection[str] = ()) -> str:
    """Return a text without white space and frames around it.

    Args:
        text: A text.
        own: Kinds of frames that belong to it, as :func:`frames_of` names them.
    """
    found = text.strip()
    for kind, inner in _peeled(found):
        if kind in own:
            break
        found = inner
    return found


def _peeled(text: str) -> Iterator[tuple[str, str]]:
    """Yield each frame around a text, and what is left without it."""
    while (found := _frame(text)) is not None:
        yield found
        text = found[1]


def _frame(text: str) -> tuple[str, str] | None:
    """Return the outermost frame and what stands in it, stripped; None: there is none."""
    for read in (_fenced, _tagged, _quoted, _emphasized):
        found = read(text)
        if found is not None and found[1].strip():
            return found[0], found[1].strip()
    return None


def _fenced(text: str) -> tuple[str, str] | None:
    """Read a single code fence around everything, with whole fences in it at most."""
    one = _ONE_LINE.fullmatch(text)
    if one:
        return "fence", one["inner"]
    found = _FENCE.fullmatch(text)
    if not found:
        return None
    depth = 0
    lines = re.findall(rf"^[ \t]*{found['fence']}[`~]*[ \t]*(\S*)", found["inner"], re.MULTILINE)
    for info in lines:
        depth += 1 if info else -1
        if depth < 0:
            return None  # the first fence ends before the text does
    return None if depth else ("fence", found["inner"])


def _tagged(text: str) -> tuple[str, str] | None:
    found = _TAG.fullmatch(text)
    if not found:
        return None
    again = re.search(rf"</?{found['name']}>", found["inner"], re.IGNORECASE)
    return None if again else (f"<{found['name'].lower()}>", found["inner"])


def _quoted(text: str) -> tuple[str, str] | None:
    for opening, closing in _QUOTES:
        if len(text) > 1 and (text[0], text[-1]) == (opening, closing):
            inner = text[1:-1]
            # Otherwise these are two quotations, not one around everything.
            return None if opening in inner or closing in inner else (opening, inner)
    return None


def _emphasized(text: str) -> tuple[str, str] | None:
    for mark in _EMPHASES:
        inner = text[len(mark) : -len(mark)]
        if text.startswith(mark) and text.endswith(mark) and inner and inner == inner.strip():
            plain = _POWER.sub("", inner)
            if not inner.startswith(mark) and mark not in (plain if mark == "**" else inner):
                return mark, inner
    return None
