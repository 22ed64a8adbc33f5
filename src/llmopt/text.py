"""Markers and white space: pure functions on text."""

from __future__ import annotations

import re

MARKERS = ("<INS>", "</INS>", "<Start>", "</Start>", "<TEXT>", "</TEXT>")
"""Every tag that a meta-prompt of ours can ask for; none may leak into a candidate."""


def between(text: str, opening: str, closing: str) -> str | None:
    """Return what stands between the first `opening` and the next `closing`.

    A missing `closing` means "to the end" (a reply cut at its token limit); a missing
    `opening` gives None.
    """
    _, found, rest = text.partition(opening)
    return rest.partition(closing)[0] if found else None


def leaked_marker(text: str) -> str | None:
    """Return the first marker of a meta-prompt that stands in `text`, or None."""
    return next((marker for marker in MARKERS if marker.lower() in text.lower()), None)


def one_line(text: str, width: int = 100) -> str:
    """Return `text` on one line of at most `width` characters, control characters as spaces.

    For messages and tables; the text itself is never changed.
    """
    flat = re.sub(r"\s+", " ", "".join(c if c.isprintable() else " " for c in text)).strip()
    return flat if len(flat) <= width else flat[: width - 1] + "…"
