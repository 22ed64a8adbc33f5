"""MMLU: 57 subjects and four categories of them; four lettered options. The test files are used."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

from llmopt.errors import DataError
from llmopt.problems.data.columns import text_of
from llmopt.problems.data.files import read_cells
from llmopt.problems.data.records import DataRecord
from llmopt.problems.tasks.lettered import question
from llmopt.problems.tasks.task import File, TaskInfo

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

_LETTERS = "ABCD"
_COLUMNS = ("question", *_LETTERS, "answer")  # the files have no header
_TRAIN = _VALIDATION = 20  # GPO, section 3
_TEST = 60

CATEGORIES: Mapping[str, tuple[str, ...]] = {
    "STEM": (
        "abstract_algebra",
        "astronomy",
        "college_biology",
        "college_chemistry",
        "college_computer_science",
        "college_mathematics",
        "college_physics",
        "computer_security",
        "conceptual_physics",
        "electrical_engineering",
        "elementary_mathematics",
        "high_school_biology",
        "high_school_chemistry",
        "high_school_computer_science",
        "high_school_mathematics",
        "high_school_physics",
        "high_school_statistics",
        "machine_learning",
    ),
    "humanities": (
        "formal_logic",
        "high_school_european_history",
        "high_school_us_history",
        "high_school_world_history",
        "international_law",
        "jurisprudence",
        "logical_fallacies",
        "moral_disputes",
        "moral_scenarios",
        "philosophy",
        "prehistory",
        "professional_law",
        "world_religions",
    ),
    "social_sciences": (
        "econometrics",
        "high_school_geography",
        "high_school_government_and_politics",
        "high_school_macroeconomics",
        "high_school_microeconomics",
        "high_school_psychology",
        "human_sexuality",
        "professional_psychology",
        "public_relations",
        "security_studies",
        "sociology",
        "us_foreign_policy",
    ),
    "other": (
        "anatomy",
        "business_ethics",
        "clinical_knowledge",
        "college_medicine",
        "global_facts",
        "human_aging",
        "management",
        "marketing",
        "medical_genetics",
        "miscellaneous",
        "nutrition",
        "professional_accounting",
        "professional_medicine",
        "virology",
    ),
}
"""Which subjects make up a category, as the authors of MMLU group them."""

_ABOUT = {
    "STEM": "science, technology, engineering and mathematics",
    "humanities": "the humanities",
    "social_sciences": "the social sciences",
    "other": "business, health and other fields",
    "high_school_us_history": "high school US history",
    "us_foreign_policy": "US foreign policy",
    "miscellaneous": "a mix of everyday and general knowledge",
}


def _read(path: Path) -> Iterator[tuple[str, str]]:
    for line, cells in read_cells(path, ","):
        place = f"{path}, line {line}"
        if len(cells) != len(_COLUMNS):
            raise DataError(
                f"{place}: a row has a question, four options and a letter, but this one has "
                f"{len(cells)} cells; use the official file"
            )
        record = DataRecord(place, dict(zip(_COLUMNS, cells, strict=True)))
        if cells[-1] not in tuple(_LETTERS):
            raise DataError(
                f"{place}: the right option is one of {_LETTERS}, but got {cells[-1]!r}; "
                "use the official file"
            )
        lines = [f"({letter}) {text_of(record, letter)}" for letter in _LETTERS]
        yield question(text_of(record, "question"), lines, _LETTERS), f"({cells[-1]})"


def _write(rows: Iterable[Mapping[str, Any]]) -> str:
    text = io.StringIO(newline="")
    written = csv.writer(text, lineterminator="\n")
    for row in rows:
        written.writerow((row["question"], *row["choices"], _LETTERS[row["answer"]]))
    return text.getvalue()


def _gpo(n: int) -> tuple[int, int, int]:
    return _TRAIN, _VALIDATION, min(_TEST, n - _TRAIN - _VALIDATION)


def _entry(name: str, subjects: tuple[str, ...]) -> TaskInfo:
    about = _ABOUT.get(name, name.replace("_", " "))
    return TaskInfo(
        name=f"mmlu/{name}",
        what=f"Answer questions about {about} by choosing one of four lettered options.",
        metric="options",
        home="the project test of hendrycks (MMLU), folder data/test of its archive",
        files=tuple(
            File("test", f"mmlu/test/{subject}_test.csv", "cais/mmlu", subject, "test")
            for subject in subjects
        ),
        read=_read,
        write=_write,
        gpo=None if name in CATEGORIES else _gpo,
    )


ENTRIES = (
    *(_entry(category, subjects) for category, subjects in CATEGORIES.items()),
    *(_entry(name, (name,)) for name in sorted(sum(CATEGORIES.values(), ()))),
)
