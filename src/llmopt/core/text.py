"""Markers and white space in text: pure functions."""

from __future__ import annotations

import itertools
import math
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

MARKERS = (
    *("<INS>", "</INS>", "<Start>", "</Start>", "<TEXT>", "</TEXT>"),
    *("<STEPS>", "</STEPS>", "<STEP>", "</STEP>", "<EXPECTED>", "</EXPECTED>"),
)
"""Every tag that a meta-prompt of ours can ask for; none may leak into a candidate."""

FOREIGN = ("<END>", "</END>", "<Prompt>", "</Prompt>")
"""Tags of GPO's own meta-prompts, which models have learnt to write (GPO, G21)."""

_PER_TOKEN = 4  # UTF-8 bytes of a token, as a rule
_SPELLED = {marker.lower(): marker for marker in (*MARKERS, *FOREIGN)}
_NAMES = f"(?:{'|'.join(sorted({marker.strip('</>') for marker in _SPELLED}))})"
# With a number where texts hold the plain tag, see `free_tag`.
_ANY_MARKER = re.compile(rf"</?{_NAMES}\d*>", re.IGNORECASE)
_ANY_TAG = re.compile(rf"</?({_NAMES}\d*)(?:\s[^<>]*)?>", re.IGNORECASE)
# Emphasis around something, but no power such as 2**3 and no lone pair of asterisks.
_EMPHASIS = re.compile(r"(?<![\w*])\*\*(?=[^\s*])(.+?)(?<=[^\s*])\*\*(?![\w*])", re.DOTALL)


def between(text: str, opening: str, closing: str) -> str | None:
    """Return what stands between the first `opening` and the next `closing`.

    A missing `closing` means "to the end" (a reply cut at its token limit); a missing
    `opening` gives None.
    """
    _, found, rest = text.partition(opening)
    return rest.partition(closing)[0] if found else None


def markers_in(text: str) -> tuple[str, ...]:
    """Return the markers of meta-prompts that stand in `text`, whatever the case, in order."""
    found = (marker.lower() for marker in _ANY_MARKER.findall(text))
    return tuple(dict.fromkeys(_SPELLED.get(marker, marker.upper()) for marker in found))


def mark_names(text: str) -> frozenset[str]:
    """Return the names of a meta-prompt's tags that `text` has, in small letters.

    Whether a tag opens or closes and which attributes it has does not count.
    """
    return frozenset(name.lower() for name in _ANY_TAG.findall(text))


def leaked_marker(text: str, own: Collection[str] = ()) -> str | None:
    """Return the first marker of a meta-prompt that stands in `text`, or None.

    Args:
        text: A proposed solution.
        own: Names of tags that belong to the user's own texts, see :func:`mark_names`.
    """
    found = markers_in(text)
    return next((marker for marker in found if marker.strip("</>").lower() not in own), None)


def free_tag(name: str, held: Collection[str]) -> str:
    """Return the name of a tag that no text holds: `name`, or that with a number.

    Case does not count, so that a model is not asked to tell ``<TEXT>`` from ``<text>``.

    Args:
        name: The usual name.
        held: Names of tags in the texts, see :func:`mark_names`.
    """
    numbered = (f"{name}{number}" for number in itertools.count(2))
    return name if name.lower() not in held else next(n for n in numbered if n.lower() not in held)


def without_emphasis(text: str) -> str:
    """Return a text without the marks of ``**bold**`` words; powers such as 2**3 stay."""
    return _EMPHASIS.sub(r"\1", text)


def word_distance(old: str, new: str) -> int:
    """Return how many words have to be replaced, put in or left out to turn one text into another.

    Words are what white space separates; capitals and punctuation count.
    """
    import numpy as np

    before, after = old.split(), new.split()
    codes: dict[str, int] = {}
    target = np.array([codes.setdefault(word, len(codes)) for word in after], dtype=np.int64)
    places = np.arange(len(after) + 1)
    row = places
    for count, word in enumerate(before, 1):
        changed = row[:-1] + (target != codes.get(word, -1))
        best = np.minimum(row[1:] + 1, changed)
        # Words put in: each cell is at most one more than the cell before it.
        row = np.minimum.accumulate(np.concatenate(([count], best)) - places) + places
    return int(row[-1])


def tokens_of(text: str) -> int:
    """Return about how many tokens a text has: a quarter of its UTF-8 bytes, rounded up."""
    return math.ceil(len(text.encode("utf-8", "surrogatepass")) / _PER_TOKEN)


def shared_beginning(one: str, other: str) -> int:
    """Return how many characters two texts have in common at their beginning."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(one), len(other)))


def folded(text: str) -> str:
    """Return what texts have in common that differ in case and white space only."""
    return " ".join(text.casefold().split())


def one_line(text: str, width: int = 100) -> str:
    """Return `text` on one line of at most `width` characters, control characters as spaces.

    For messages and tables; the text itself is never changed.
    """
    flat = re.sub(r"\s+", " ", "".join(c if c.isprintable() else " " for c in text)).strip()
    return flat if len(flat) <= width else flat[: width - 1] + "…"


# Control characters but tab and line feed, line separators, what reverses the direction of
# writing, and halves of surrogate pairs.
_COMMANDS = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def visible(text: str) -> str:
    """Return `text` with characters that command a terminal, or deceive its reader, spelled out.

    Line feeds and tabs stay, as do all letters and symbols. As JSON writes them, so that this
    may be done to a JSON document, too.
    """
    return _COMMANDS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
