"""AQuA: algebra in words with five lettered options. The papers use its test set."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from llmopt.errors import DataError
from llmopt.problems.data.columns import text_of
from llmopt.problems.data.files import read_jsonl
from llmopt.problems.tasks.lettered import question
from llmopt.problems.tasks.task import File, TaskInfo

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

_LETTERS = "ABCDE"


def _read(path: Path) -> Iterator[tuple[str, str]]:
    for record in read_jsonl(path):
        options: Any = record.values.get("options")
        whole = isinstance(options, list) and len(options) == len(_LETTERS)
        if not whole or not all(
            isinstance(option, str) and option.startswith(f"{letter})")
            for option, letter in zip(options, _LETTERS, strict=True)
        ):
            raise DataError(
                f"{record.place}, column 'options': options are five texts from 'A)…' to 'E)…', "
                "but these are not; use the official file"
            )
        correct = text_of(record, "correct")
        if correct not in tuple(_LETTERS):
            raise DataError(
                f"{record.place}, column 'correct': the right option is one of {_LETTERS}, but "
                f"got {correct!r}; use the official file"
            )
        lines = [f"({option}" for option in options]
        yield question(text_of(record, "question"), lines, _LETTERS), f"({correct})"


def _write(rows: Iterable[Mapping[str, Any]]) -> str:
    kept = (
        {
            "question": row["question"],
            "options": list(row["options"]),
            "rationale": row["rationale"],
            "correct": row["correct"],
        }
        for row in rows
    )
    return "".join(f"{json.dumps(row)}\n" for row in kept)


ENTRIES = (
    TaskInfo(
        name="aqua",
        what=(
            "Solve algebra problems told in words and choose the right one of five lettered "
            "answers."
        ),
        metric="options",
        home="the project google-deepmind/AQuA, whose test set it is",
        files=(File("test", "aqua/AQuA.json", "deepmind/aqua_rat", "raw", "test"),),
        read=_read,
        write=_write,
    ),
)
