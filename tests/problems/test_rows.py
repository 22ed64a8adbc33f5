"""Python data as items: lists, dataframes and Hugging Face data sets, by what they can do.

The libraries themselves are large; where one is not installed, its test is skipped, and a plain
object that does the same stands for it.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from llmopt import PromptProblem
from llmopt.config.reading import settings
from llmopt.errors import ConfigError, DataError, MissingExtraError
from llmopt.problems.data.objects import from_rows, hub_rows

if TYPE_CHECKING:
    from pathlib import Path

ROWS = [{"text": f"Sentence {n}.", "label": ["good", "bad"][n % 2], "n": n} for n in range(12)]
PAIRS = [(row["text"], row["label"]) for row in ROWS]
ITEMS = from_rows(ROWS, input="text", target="label")


def test_pairs_are_input_and_target() -> None:
    """In lists or tuples, also from a generator; the names of columns do not matter."""
    for rows in (PAIRS, [list(pair) for pair in PAIRS], iter(PAIRS), tuple(PAIRS)):
        assert from_rows(rows, input="a", target="b") == ITEMS


def test_a_problem_is_made_of_a_list() -> None:
    problem = PromptProblem.from_rows(PAIRS, sizes=(4, 4, 4))
    assert {item.target for item in problem.items("test")} == {"good", "bad"}


@dataclass
class Frame:
    """Does what a dataframe of polars does."""

    rows: list[dict[str, Any]]

    def to_dicts(self) -> list[dict[str, Any]]:
        return self.rows


@dataclass
class Label:
    """Does what a class label of a Hugging Face data set does."""

    names: list[str]

    def int2str(self, value: int) -> str:
        return self.names[value]


class Split(list[dict[str, Any]]):
    """Does what one split of a Hugging Face data set does."""

    features: Any


def test_what_gives_rows_is_a_dataframe() -> None:
    assert from_rows(Frame(ROWS), input="text", target="label") == ITEMS


def split(labels: list[int | None]) -> Split:
    found = Split({"text": f"Sentence {n}.", "label": label} for n, label in enumerate(labels))
    found.features = {"text": object(), "label": Label(["good", "bad"])}
    return found


def test_class_labels_become_their_names() -> None:
    assert from_rows(split([0, 1] * 6), input="text", target="label") == ITEMS


def test_a_row_without_a_label_is_refused() -> None:
    """The hub's test splits often have -1 there; None is a missing value."""
    with pytest.raises(
        DataError, match="row 2, column 'label': a label is one of 0 to 1, but got -1"
    ):
        from_rows(split([0, -1]), input="text", target="label")
    with pytest.raises(DataError, match="it is missing"):
        from_rows(split([None]), input="text", target="label")


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ({"train": [], "test": []}, "got a mapping with 'train', 'test'; choose one"),
        ("data.csv", "got a str; a file is read with from_file"),
        (7, "got a int"),
        ([7], "row 1: a row is a mapping, or a pair"),
        (["ab"], "but got a str"),
    ],
)
def test_other_objects_are_refused(rows: object, said: str) -> None:
    with pytest.raises(DataError, match=said):
        from_rows(rows, input="text", target="label")


def test_pandas() -> None:
    """Missing values of each of its kinds are missing."""
    pandas = pytest.importorskip("pandas", reason="needs pandas: make test-extras")
    assert from_rows(pandas.DataFrame(ROWS), input="text", target="label") == ITEMS
    for missing in (None, float("nan"), pandas.NA, pandas.NaT):
        frame = pandas.DataFrame({"text": ["a", "b"], "label": ["x", missing]}, dtype=object)
        with pytest.raises(DataError, match="row 2, column 'label': a value is given"):
            from_rows(frame, input="text", target="label")
    days = pandas.DataFrame({"text": ["a", "b"], "label": pandas.to_datetime(["2026-01-02"] * 2)})
    assert from_rows(days, input="text", target="label")[0].target == "2026-01-02 00:00:00"


def test_polars() -> None:
    polars = pytest.importorskip("polars", reason="needs polars: make test-extras")
    frame = polars.DataFrame(ROWS)
    assert from_rows(frame, input="text", target="label") == ITEMS
    with pytest.raises(DataError, match="got a LazyFrame"):
        from_rows(frame.lazy(), input="text", target="label")


def test_hugging_face(tmp_path: Path) -> None:
    """An object, and a name; a folder of files is a data set too."""
    datasets = pytest.importorskip("datasets", reason="needs the extra datasets: make test-extras")
    made = datasets.Dataset.from_list(ROWS).cast_column(
        "label", datasets.ClassLabel(names=["good", "bad"])
    )
    assert from_rows(made, input="text", target="label") == ITEMS
    with pytest.raises(DataError, match="choose one of these, such as data"):
        from_rows(datasets.DatasetDict(train=made), input="text", target="label")
    (tmp_path / "data").mkdir()
    made.to_csv(tmp_path / "data" / "train.csv")
    found = hub_rows(str(tmp_path / "data"))
    assert [row["text"] for row in found] == [row["text"] for row in ROWS]
    table = {"dataset": str(tmp_path / "data"), "input": "text", "target": "label"}
    data = {"problem": {**table, "sizes": [4, 4, 4]}, "scorer": {"model": "local/smollm2-135m"}}
    problem = settings(data, "here", tmp_path).built_prompts()
    assert {item.input for item in problem.items("test")} < {row["text"] for row in ROWS}


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingExtraError, match=r"llms-as-optimizers\[datasets\]"):
        hub_rows("org/name")


class Hub:
    """Stands for the library: says what it was asked for, or fails."""

    def __init__(self, error: Exception | None = None) -> None:
        self.asked: list[Any] = []
        self.error = error

    def load_dataset(self, *words: Any, **named: Any) -> list[dict[str, Any]]:
        self.asked.append((words, named))
        if self.error:
            raise self.error
        return ROWS


def test_a_revision_is_part_of_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    hub = Hub()
    monkeypatch.setitem(sys.modules, "datasets", hub)
    assert hub_rows("org/name@v2", "main", "test") is ROWS
    hub_rows("org/name")
    assert hub.asked == [
        (("org/name", "main"), {"split": "test", "revision": "v2"}),
        (("org/name", None), {"split": "train", "revision": None}),
    ]


def test_what_cannot_be_fetched_is_bad_input(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the library says may hold a token: its text is not repeated."""
    monkeypatch.setitem(sys.modules, "datasets", Hub(RuntimeError("hf_secret")))
    with pytest.raises(DataError, match="'org/name', split 'train': RuntimeError") as refused:
        hub_rows("org/name")
    assert "hf_secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"dataset": "a", "data": "b.csv"}, "got both"),
        ({"data": "b.csv", "dataset_split": "test"}, "go with problem.dataset"),
        ({}, "or problem.dataset"),
    ],
)
def test_a_data_set_by_name_is_the_only_source(
    table: dict[str, str], said: str, tmp_path: Path
) -> None:
    data = {"problem": table, "scorer": {"model": "local/smollm2-135m"}}
    with pytest.raises(ConfigError, match=said):
        settings(data, "here", tmp_path).built_prompts()
