"""MultiArith: sums in words that take two operations; the answer is a whole number."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from llmopt.errors import DataError
from llmopt.problems.answers import number_of
from llmopt.problems.data.columns import text_of
from llmopt.problems.data.files import read_json
from llmopt.problems.tasks.task import File, TaskInfo

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path


def _read(path: Path) -> Iterator[tuple[str, str]]:
    for record in read_json(path):
        solutions = record.values.get("lSolutions")
        first = solutions[0] if isinstance(solutions, list) and solutions else None
        value = number_of(first) if isinstance(first, str) else None
        if value is None or value != int(value):
            raise DataError(
                f"{record.place}, column 'lSolutions': solutions are a list that begins with a "
                "whole number, but this one does not; use the official file"
            )
        yield text_of(record, "sQuestion").strip(), str(int(value))


def _write(rows: Iterable[Mapping[str, Any]]) -> str:
    kept = [
        {
            "iIndex": index,
            "sQuestion": row["question"],
            "lSolutions": [float(str(row["final_ans"]).replace(",", ""))],
        }
        for index, row in enumerate(rows)
    ]
    return json.dumps(kept, indent=1)


ENTRIES = (
    TaskInfo(
        name="multiarith",
        what="Solve short maths problems told in words that take more than one operation.",
        metric="number",
        home="the project google-deepmind/opro, which has the file MultiArith.json",
        files=(File("test", "multiarith/MultiArith.json", "ChilleD/MultiArith", "", "train+test"),),
        read=_read,
        write=_write,
    ),
)
