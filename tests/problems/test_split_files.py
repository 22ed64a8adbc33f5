"""Data files as splits: read once, and again when they have changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from llmopt.errors import DataError
from llmopt.problems.data.columns import RowColumns
from llmopt.problems.data.split_files import split_file

if TYPE_CHECKING:
    from pathlib import Path

    from llmopt.problems.data.splits import Splits


def written(path: Path, *targets: str) -> Path:
    rows = [f"question {n},{target}" for n, target in enumerate(targets)]
    path.write_text("\n".join(["input,target", *rows, ""]), "utf-8")
    return path


def found(path: Path, sizes: tuple[float, float, float] = (2, 0, 2)) -> Splits:
    return split_file(path, RowColumns(fields=[]), encoding="", sizes=sizes, seed=0, vault=0)


def test_a_file_that_has_not_changed_is_not_read_again(tmp_path: Path) -> None:
    path = written(tmp_path / "rows.csv", "a", "b", "c", "d")
    assert found(path) is found(path)


def test_a_file_that_has_changed_is(tmp_path: Path) -> None:
    path = written(tmp_path / "rows.csv", "a", "b", "c", "d")
    before = found(path)
    after = found(written(path, "e", "f", "g", "h"))
    assert {item.target for item in before.train + before.test} == set("abcd")
    assert {item.target for item in after.train + after.test} == set("efgh")


def test_shares_and_counts_are_different_sizes(tmp_path: Path) -> None:
    path = written(tmp_path / "rows.csv", *"abcdefgh")
    assert len(found(path, (2, 0, 2)).train) == 2
    assert found(path, (0.5, 0, 0.5)) is not found(path, (0.5, 0.0, 0.5))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no"):
        found(tmp_path / "none.csv")
