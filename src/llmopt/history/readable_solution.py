"""Solutions as people read them: demonstrations as numbered pairs, and changes part by part.

The canonical text of demonstrations is made of JSON lines that name training rows. Here the rows
are looked up, as the run has kept them. Nothing is escaped: what shows a text does that.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Any, Literal

from llmopt.core.demonstrations import asked, rows_shown, shots_in
from llmopt.core.formatting import counted
from llmopt.core.problem import Refusal
from llmopt.core.solution import SolutionPart, heading, split_parts
from llmopt.core.text import one_line
from llmopt.core.values import Item
from llmopt.errors import DataError
from llmopt.history.text_diff import changes

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from llmopt.history.run_history import RunHistory
    from llmopt.history.text_diff import Change

_WIDTH = 300  # characters of an input or answer in a text for a terminal
_FEW = 6  # rows named in a line

PairChange = Literal["same", "added", "removed", "moved", "other answer"]


@dataclass(frozen=True)
class ShownPair:
    """A demonstration with the row that it shows.

    Attributes:
        id: Of the row.
        input: Its input; empty where the row is not kept.
        answer: The expected answer, or the model's own where none is known.
        reasoning: What the scorer LLM itself wrote, its answer included; empty where the expected
            answer is shown.
    """

    id: str
    input: str
    answer: str
    reasoning: str = ""


@dataclass(frozen=True)
class ReadablePart:
    """A part of a solution.

    Attributes:
        name: Of the part.
        text: Its text; of demonstrations as numbered pairs, with reasoning left out.
        pairs: The demonstrations in their order; None where the part is a text.
    """

    name: str
    text: str
    pairs: tuple[ShownPair, ...] | None = None


@dataclass(frozen=True)
class ChangedPair:
    """A demonstration of two solutions, and what became of it.

    Attributes:
        change: ``moved`` where others that are in both have another order around it.
        pair: As it is in the new solution, or in the old one where it was removed.
        before: Its number in the old solution, from 1; 0: not there.
        after: Its number in the new one; 0: not there.
    """

    change: PairChange
    pair: ShownPair
    before: int
    after: int


@dataclass(frozen=True)
class ChangedPart:
    """How a part became another.

    Attributes:
        name: Of the part.
        wording: Of a text: word by word; a stretch that is the same alone: unchanged.
        pairs: Of demonstrations: those of the new solution in their order, then those removed;
            None where the part is a text.
    """

    name: str
    wording: tuple[Change, ...] = ()
    pairs: tuple[ChangedPair, ...] | None = None

    @property
    def unchanged(self) -> bool:
        """Whether it is as it was."""
        if self.pairs is not None:
            return all(pair.change == "same" for pair in self.pairs)
        return all(change.kind == "same" for change in self.wording)


@dataclass(frozen=True)
class SolutionReader:
    """Reads the solutions of a run.

    Attributes:
        parts: The parts of its solutions; empty where a solution is one text.
        rows: Training rows by id.
    """

    parts: tuple[SolutionPart, ...] = ()
    rows: Mapping[str, Item] = field(default_factory=dict)

    @classmethod
    def of(cls, journal: RunHistory) -> SolutionReader:
        """Return the reader of a run."""
        kept = journal.problem
        rows = {item.id: item for item in kept.items["train"]} if kept else {}
        return cls(journal.header.parts, rows)

    @classmethod
    def documented(cls, record: Mapping[str, Any]) -> SolutionReader:
        """Return the reader that the document of a run describes."""
        names, rows = record.get("parts") or (), record.get("shown_rows") or {}
        kinds = record.get("part_kinds") or ("instruction",) * len(names)
        return cls(
            tuple(map(SolutionPart, names, kinds)),
            {name: Item(name, row["input"], row["target"]) for name, row in rows.items()},
        )

    @classmethod
    def compared(cls, found: Mapping[str, Any]) -> SolutionReader:
        """Return the reader of what an evaluation found; older ones have no parts."""
        parts = found.get("parts") or ()
        return cls.documented(
            {
                "parts": [part["name"] for part in parts],
                "part_kinds": [part["kind"] for part in parts],
                "shown_rows": found.get("shown_rows"),
            }
        )

    @property
    def shows_rows(self) -> bool:
        """Whether solutions may have demonstrations."""
        return any(part.kind == "demonstrations" for part in self.parts)

    def read(self, text: str) -> tuple[ReadablePart, ...]:
        """Return the parts of a solution; none where it is one text."""
        try:
            texts = split_parts(text, [part.name for part in self.parts]) if self.parts else {}
        except DataError:  # such as a text that was given by hand
            return ()
        return tuple(self._part(part, texts[part.name]) for part in self.parts if texts)

    def text(self, solution: str) -> str:
        """Return a solution with its demonstrations as numbered pairs; others as they are."""
        parts = self.read(solution) if self.shows_rows else ()
        if not parts:
            return solution
        return "\n\n".join(f"{heading(part.name)}\n{part.text or '(none)'}" for part in parts)

    def line(self, solution: str) -> str:
        """Return a solution for one line of a table: its texts, and which rows it shows."""
        parts = self.read(solution) if self.shows_rows else ()
        if not parts:
            return solution
        return " ".join(_brief(part) for part in parts)

    def changes(
        self, old: str, new: str, other: SolutionReader | None = None
    ) -> tuple[ChangedPart, ...]:
        """Return how a solution became another, part by part; none where they are single texts.

        Args:
            old: The one.
            new: The other.
            other: Reads `new`, where that is of another run; with other parts there is no change.
        """
        reader = other or self
        before, after = self.read(old), reader.read(new)
        alike = self.parts == reader.parts and before and after
        return tuple(map(_changed, before, after)) if alike else ()

    def shown_rows(self, texts: Iterable[str]) -> dict[str, dict[str, str]]:
        """Return input and expected answer of each row that one of these solutions shows."""
        return rows_shown(texts, self.parts, self.rows)

    def _part(self, part: SolutionPart, text: str) -> ReadablePart:
        shots = shots_in(text) if part.kind == "demonstrations" else None
        if shots is None or isinstance(shots, Refusal):
            return ReadablePart(part.name, text)
        pairs = tuple(self._pair(shot.id, shot.answer) for shot in shots)
        lines = [_numbered(number, pair) for number, pair in enumerate(pairs, 1)]
        return ReadablePart(part.name, "\n".join(lines), pairs)

    def _pair(self, row_id: str, said: str) -> ShownPair:
        row = self.rows.get(row_id)
        if row is None:
            return ShownPair(row_id, "", said)
        reasoning = said if said.strip() != row.target.strip() and row.target else ""
        return ShownPair(row_id, asked(row), row.target or said, reasoning)


def in_words(found: ChangedPair) -> str:
    """Return in a word or a few what became of a demonstration."""
    if found.change == "moved":
        return f"moved from {found.before}"
    return found.change


def changed_line(found: ChangedPair) -> str:
    """Return what became of a demonstration, as a line."""
    number = f"{found.after}." if found.after else "-"
    asked = one_line(found.pair.input, _WIDTH) or f"row {found.pair.id}"
    said = one_line(found.pair.answer, _WIDTH) or "(no answer)"
    return f"{number} ({in_words(found)}) [{found.pair.id}] {asked} -> {said}"


def _numbered(number: int, pair: ShownPair) -> str:
    asked = one_line(pair.input, _WIDTH) or "(the row is not kept)"
    said = one_line(pair.answer, _WIDTH) or "(no answer)"
    words = len(pair.reasoning.split())
    behind = f" (with the model's reasoning, {counted(words, 'word')})" if words else ""
    return f"{number}. [{pair.id}] {asked}\n   -> {said}{behind}"


def _brief(part: ReadablePart) -> str:
    if part.pairs is None:
        return part.text
    names = ", ".join(one_line(pair.id, 24) for pair in part.pairs[:_FEW])
    more = ", …" if len(part.pairs) > _FEW else ""
    return f"[{counted(len(part.pairs), 'demonstration')}{': ' if names else ''}{names}{more}]"


def _changed(before: ReadablePart, after: ReadablePart) -> ChangedPart:
    if before.pairs is None or after.pairs is None:
        return ChangedPart(after.name, changes(before.text, after.text))
    return ChangedPart(after.name, (), changed_pairs(before.pairs, after.pairs))


def changed_pairs(old: Sequence[ShownPair], new: Sequence[ShownPair]) -> tuple[ChangedPair, ...]:
    """Return what became of demonstrations: the new ones in their order, then those removed."""
    first, second = [pair.id for pair in old], [pair.id for pair in new]
    both = set(first) & set(second)
    before, after = ([name for name in names if name in both] for names in (first, second))
    blocks = SequenceMatcher(None, before, after, autojunk=False).get_matching_blocks()
    still = {name for _, begin, size in blocks for name in after[begin : begin + size]}
    places = {name: number for number, name in enumerate(first, 1)}
    found = []
    for number, pair in enumerate(new, 1):
        place = places.get(pair.id, 0)
        change: PairChange = "same"
        if not place:
            change = "added"
        elif pair.id not in still:
            change = "moved"
        elif old[place - 1] != pair:
            change = "other answer"
        found.append(ChangedPair(change, pair, place, number))
    gone = [
        ChangedPair("removed", old[places[n] - 1], places[n], 0) for n in first if n not in both
    ]
    return (*found, *gone)
