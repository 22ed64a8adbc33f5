"""Which part of a solution a prompt was made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmopt.problems.prompt.variables import variables_of

if TYPE_CHECKING:
    from collections.abc import Mapping


def part_in(name: str, prompt: str, texts: Mapping[str, str]) -> str:
    """Return the part whose text a prompt holds: that of the step's name, or the longest one.

    What a program fills in, such as ``{question}``, need not be the same.
    """
    if name in texts:
        return name
    held = [part for part, text in texts.items() if _holds(prompt, text)]
    return max(held, key=lambda part: len(texts[part]), default="")


def _holds(prompt: str, text: str) -> bool:
    pieces = [text]
    for variable in variables_of(text):
        pieces = [piece for one in pieces for piece in one.split(variable)]
    said = [piece.strip() for piece in pieces if piece.strip()]
    return bool(said) and all(piece in prompt for piece in said)
