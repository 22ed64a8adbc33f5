"""GSM8K: grade-school mathematics in words; the answer is a number."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from llmopt.errors import DataError
from llmopt.problems.data.columns import text_of
from llmopt.problems.data.files import read_jsonl
from llmopt.problems.tasks.task import File, TaskInfo

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

_MARK = "####"


def _read(path: Path) -> Iterator[tuple[str, str]]:
    """Yield questions with what stands after the mark at the end of the worked answer."""
    for record in read_jsonl(path):
        _, mark, target = text_of(record, "answer").rpartition(_MARK)
        if not (mark and target.strip()):
            raise DataError(
                f"{record.place}, column 'answer': an answer ends in {_MARK} and the result, but "
                "this one does not; use the official file"
            )
        yield text_of(record, "question"), target.strip()


def _write(rows: Iterable[Mapping[str, Any]]) -> str:
    kept = ({"question": row["question"], "answer": row["answer"]} for row in rows)
    return "".join(f"{json.dumps(row)}\n" for row in kept)


ENTRIES = (
    TaskInfo(
        name="gsm8k",
        what=(
            "Solve grade-school maths problems told in words; the answer is a single number that "
            "takes a few steps of arithmetic."
        ),
        metric="number",
        home="the project grade-school-math of OpenAI",
        files=(
            File("train", "gsm8k/train.jsonl", "openai/gsm8k", "main", "train"),
            File("test", "gsm8k/test.jsonl", "openai/gsm8k", "main", "test"),
        ),
        read=_read,
        write=_write,
        opro=0.035,
        gpo=lambda _: (100, 100, 300),
    ),
)
