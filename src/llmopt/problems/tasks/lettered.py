"""Questions with lettered options, composed as the papers do (OPRO, section 4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def question(text: str, options: Sequence[str], letters: str) -> str:
    """Return a question, a line for each option, and a line that asks for one of the letters.

    Args:
        text: The question itself.
        options: The lines of the options, each beginning with its bracketed letter.
        letters: The letters, such as ``ABCD``.
    """
    *first, last = (f"({letter})" for letter in letters)
    closing = f"Choose one: {', '.join(first)} or {last}."
    return "\n".join((text, *options, closing))
