"""Options of multiple-choice questions: reading them, and telling letters from texts."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from llmopt.problems.answers.cleaning import clean, normalize

if TYPE_CHECKING:
    from collections.abc import Sequence

LETTER = re.compile(r"\s*[(\[]?([A-Za-z])[)\].:]?\s*")
_LETTERED = re.compile(
    r"\s*(?:\(([A-Za-z])\)|\[([A-Za-z])\]|([A-Za-z])[).:](?=\s))\s*(\S.*)", re.DOTALL
)
_LINE = re.compile(r"^[ \t]*(\([A-Z]\)|[A-Z][).])[ \t]*(\S[^\n]*?)[ \t]*$", re.MULTILINE)
_HEADING = re.compile(
    r"^[ \t]*(?:answer\s+)?(?:options|choices)[ \t]*:[ \t]*$", re.IGNORECASE | re.MULTILINE
)
_BULLET = re.compile(r"[ \t]*[-*\u2022][ \t]*(\S.*?)[ \t]*")


@dataclass(frozen=True, slots=True)
class AnswerOption:
    """One possible answer.

    Attributes:
        value: As it is written in the choices.
        letter: In upper case; empty where the choice shows none.
        label: Its text, normalized; empty where the choice is a letter alone.
    """

    value: str
    letter: str
    label: str


@lru_cache(maxsize=256)
def parsed(choices: tuple[str, ...]) -> tuple[AnswerOption, ...]:
    """Return the choices taken apart: ``A``, ``(A)``, ``(A) text``, ``A) text`` or ``text``.

    A letter before a text counts only where it is the letter of its position.
    """
    options = []
    for position, choice in enumerate(choices):
        marked, alone = _LETTERED.fullmatch(choice), LETTER.fullmatch(choice)
        letter = (marked[1] or marked[2] or marked[3]).upper() if marked else ""
        if alone:
            options.append(AnswerOption(choice, alone[1].upper(), ""))
        elif marked and ord(letter) == ord("A") + position:
            options.append(AnswerOption(choice, letter, normalize(clean(marked[4]))))
        else:
            options.append(AnswerOption(choice, "", normalize(clean(choice))))
    return tuple(options)


def same_option(option: AnswerOption, target: str) -> bool:
    """Say whether a target such as ``(B) text`` has the option's text and not another letter."""
    marked = _LETTERED.fullmatch(target)
    if not (marked and option.label):
        return False
    letter = (marked[1] or marked[2] or marked[3]).upper()
    return normalize(clean(marked[4])) == option.label and option.letter in ("", letter)


def with_target(choices: Sequence[str] | None, target: str) -> tuple[str, ...] | None:
    """Return the choices, and behind lettered ones a target that is none of them.

    Some published questions have broken options: the target is a text that no option shows. An
    answer with that text is right.
    """
    if choices is None:
        return None
    fixed = tuple(choices)
    options = parsed(fixed)
    if any(not option.letter for option in options) or LETTER.fullmatch(target):
        return fixed
    label = normalize(clean(target))
    known = not label or _LETTERED.fullmatch(target) or any(o.label == label for o in options)
    return fixed if known else (*fixed, target)


@lru_cache(maxsize=256)
def read_options(text: str) -> tuple[str, ...]:
    """Return the options that a question lists, as its lines show them; none is an empty tuple.

    Read are lines such as ``(A) text``, ``A) text`` or ``A. text`` that count up from A, of
    which the last such series counts, else the bullets below a line ``Options:``.
    """
    series: list[str] = []
    for match in _LINE.finditer(text):
        letter = match[1].strip("().")
        if letter == "A":
            series = []
        elif not series or ord(letter) != ord("A") + len(series):
            continue
        series.append(f"{match[1]} {match[2]}")
    headings = list(_HEADING.finditer(text))
    if len(series) > 1 or (series and headings):
        return tuple(series)
    if not headings:
        return ()
    found: list[str] = []
    for line in text[headings[-1].end() :].strip("\n").split("\n"):
        bullet = _BULLET.fullmatch(line)
        if not bullet:
            break
        found.append(bullet[1])
    return tuple(found)
