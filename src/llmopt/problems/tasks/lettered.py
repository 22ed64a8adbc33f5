"""Questions with lettered options (OPRO, section 4), and the line that closes them.

The published code of OPRO closes with a question that shows the letters with nothing between them;
``closing="question"`` does. The usual line is ours, and asks for one of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

from llmopt.errors import UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Sequence


Closing = Literal["choose", "question", "none"]
"""How a question with lettered options ends: with our line, a question, or the last option."""

_FIRST = "\nChoose one: "  # how the usual line begins


def closed_by(text: str, closing: Closing) -> str:
    """Return a question with another closing line; one without lettered options as it is.

    Args:
        text: As :func:`question` made it.
        closing: The line it is to have.

    Raises:
        UnknownNameError: There is no such line.
    """
    if closing not in get_args(Closing):
        raise UnknownNameError("problem.closing", closing, get_args(Closing))
    body, line, letters = text.rpartition(_FIRST)
    if not line or closing == "choose":
        return text
    shown = letters.removesuffix(".").replace(" or ", " ").replace(",", "")
    return f"{body}\nWhich one is the answer: {shown}?" if closing == "question" else body


def question(text: str, options: Sequence[str], letters: str) -> str:
    """Return a question, a line for each option, and a line that asks for one of the letters.

    Args:
        text: The question itself.
        options: The lines of the options, each beginning with its bracketed letter.
        letters: The letters, such as ``ABCD``.
    """
    *first, last = (f"({letter})" for letter in letters)
    return "\n".join((text, *options)) + f"{_FIRST}{', '.join(first)} or {last}."
