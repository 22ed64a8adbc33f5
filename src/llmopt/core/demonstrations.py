"""Worked examples as a part of a solution: which training rows a prompt shows, with which answers.

The canonical text of such a part is one JSON object per line, in the order in which the prompt
shows them: ``{"id": "17"}`` for a row with its expected answer, and ``{"id": "17", "answer": "…"}``
for one with an answer of the scorer LLM's own. The row itself is not repeated: its id finds it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

from llmopt.core.problem import Refusal
from llmopt.core.solution import split_parts
from llmopt.core.text import leaked_marker, one_line, tokens_of
from llmopt.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from llmopt.core.problem import Problem
    from llmopt.core.solution import SolutionPart
    from llmopt.core.values import Item

ShotAnswers = Literal["labels", "reasoning", "both"]
"""Whose answers are shown: the expected ones, the scorer LLM's own right ones, or either."""


@dataclass(frozen=True, slots=True)
class Shot:
    """A training row that the scorer's prompt shows with its answer.

    Attributes:
        id: Of the row.
        answer: What the scorer LLM itself answered, rightly; empty: the expected answer is shown.
    """

    id: str
    answer: str = ""


def shots_text(shots: Iterable[Shot]) -> str:
    """Return the canonical text of demonstrations; :func:`shots_in` undoes it."""
    rows = ({"id": s.id, "answer": s.answer} if s.answer else {"id": s.id} for s in shots)
    return "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)


def shots_in(text: str) -> tuple[Shot, ...] | Refusal:
    """Return the demonstrations in a text, or why it holds none; blank lines do not count."""
    found: list[Shot] = []
    for line in filter(None, map(str.strip, text.split("\n"))):
        shot = _shot(line)
        if shot is None:
            return Refusal(f"no demonstration: {one_line(line, 60)!r}")
        found.append(shot)
    return tuple(found)


def asked(row: Item) -> str:
    """Return the input of a row as people read it."""
    return row.input or "; ".join(f"{name}: {value}" for name, value in row.fields)


def rows_shown(
    texts: Iterable[str], parts: Sequence[SolutionPart], rows: Mapping[str, Item]
) -> dict[str, dict[str, str]]:
    """Return input and expected answer, by id, of the rows that solutions show.

    Args:
        texts: The solutions; one that cannot be read shows none.
        parts: Of a solution.
        rows: By id.
    """
    named = [part.name for part in parts if part.kind == "demonstrations"]
    shown: set[str] = set()
    for text in texts if named else ():
        try:
            read = split_parts(text, [part.name for part in parts])
        except DataError:  # such as a text that was given by hand
            continue
        for name in named:
            shots = shots_in(read[name])
            shown |= set() if isinstance(shots, Refusal) else {shot.id for shot in shots}
    return {
        name: {"input": asked(row), "target": row.target}
        for name, row in rows.items()
        if name in shown
    }


def _shot(line: str) -> Shot | None:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(row, dict) or not {"id"} <= row.keys() <= {"id", "answer"}:
        return None
    shot_id, answer = row["id"], row.get("answer", "")
    if not (isinstance(shot_id, str) and isinstance(answer, str)):
        return None
    return Shot(shot_id, answer.strip())


@dataclass(frozen=True)
class ShotRules:
    """Which demonstrations a solution may have.

    Attributes:
        rows: The rows that they may show: training rows, never others.
        most: How many there may be, 1 or more.
        tokens: How many tokens they may have together, as :func:`~llmopt.core.text.tokens_of`
            estimates them; 0: any number.
        answers: Whose answers they show.
        marks: Names of a meta-prompt's tags that occur in the user's own texts.
    """

    rows: tuple[Item, ...]
    most: int
    tokens: int = 0
    answers: ShotAnswers = "both"
    marks: frozenset[str] = frozenset()

    @cached_property
    def by_id(self) -> dict[str, Item]:
        """The rows by their ids."""
        return {row.id: row for row in self.rows}

    def size(self, shot: Shot) -> int:
        """Return about how many tokens a demonstration of a known row has."""
        row = self.by_id[shot.id]
        return tokens_of(row.input) + tokens_of(shot.answer or row.target)

    def fault(self, shots: Sequence[Shot]) -> str:
        """Return why a solution may not have these demonstrations, or an empty text."""
        if len(shots) > self.most:
            return f"more than {self.most} demonstrations"
        if len({shot.id for shot in shots}) < len(shots):
            return "shows a row twice"
        for shot in shots:
            if reason := self._fault_of(shot):
                return reason
        if self.tokens and sum(map(self.size, shots)) > self.tokens:
            return f"demonstrations of more than about {self.tokens} tokens"
        return ""

    def _fault_of(self, shot: Shot) -> str:
        row = self.by_id.get(shot.id)
        if row is None:
            return f"shows {one_line(shot.id, 40)!r}, which is no training row"
        if shot.answer and self.answers == "labels":
            return "shows an answer of the model's, not the expected one"
        if not shot.answer and self.answers == "reasoning":
            return "shows an expected answer, not one of the model's"
        if not shot.answer and not row.target:
            return f"shows {one_line(shot.id, 40)!r}, which has no expected answer"
        marker = leaked_marker(shot.answer, self.marks)
        return f"leaked marker {marker}" if marker else ""


@runtime_checkable
class HasDemonstrations(Protocol):
    """A problem whose solutions may have demonstrations, as a part of that kind."""

    def shot_rules(self) -> ShotRules | None:
        """Return which demonstrations there may be; None: none at all."""
        ...


def shot_rules_of(problem: Problem) -> ShotRules | None:
    """Return which demonstrations a problem's solutions may have; None: none at all."""
    return problem.shot_rules() if isinstance(problem, HasDemonstrations) else None
