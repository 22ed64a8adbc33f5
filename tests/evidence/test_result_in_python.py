"""What a result looks like in Python: as text, in a notebook, as rows, and again later."""

from __future__ import annotations

import json
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

import llmopt
from llmopt.errors import ConfigError, MissingExtraError, StoreError
from llmopt.evidence.result import Result
from llmopt.evidence.text_table import TextTable
from llmopt.problems.tours.tour_problem import tsp
from llmopt.testing import scripted

if TYPE_CHECKING:
    from pathlib import Path

ROWS = [(f"Is {n} even?", "no" if n % 2 else "yes") for n in range(40)]


def problem() -> llmopt.PromptProblem:
    return llmopt.PromptProblem.from_rows(
        ROWS, instructions=["Say <it>.", "Say it now."], scorer=scripted.model()
    )


def found(store: Path, name: str = "run", validate_every: int = 1) -> Result:
    return llmopt.optimize(
        problem(),
        optimizer=scripted.model(),
        steps=2,
        store=str(store),
        name=name,
        progress=False,
        validate_every=validate_every,
    )


@pytest.fixture
def result(tmp_path: Path) -> Result:
    return found(tmp_path / "s.db")


def test_printed_it_is_the_table_and_the_verdict(result: Result) -> None:
    text = str(result)
    assert result.best.text in text
    assert result.verdict in text
    for line in result.shown_lines:
        assert f"\n{line.label}  " in text
    for part in ("95 % intervals", "held out (test)", "winner against", "Note: "):
        assert part in text
    assert "Candidate(" not in text


def test_in_a_notebook_it_is_a_table_with_everything_escaped(result: Result) -> None:
    html = result._repr_html_()
    assert html.count("<table>") == 3  # scores, comparisons, parts of the gain
    assert "Say &lt;it&gt;." in html
    assert "Say <it>." not in html


def test_as_rows_it_has_every_split(result: Result) -> None:
    rows = result.rows()
    assert [row["label"] for row in rows] == [line.label for line in result.lines]
    start = rows[0]
    assert result.test
    assert start["test"] == result.test.start.mean
    assert start["test_low"] <= start["test"] <= start["test_high"]
    assert start["train_items"] == 10


def test_a_frame_needs_pandas(result: Result, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "pandas", None)
        with pytest.raises(MissingExtraError, match=r"llms-as-optimizers\[pandas\]"):
            result.to_frame()
    pytest.importorskip("pandas", reason="needs pandas: make test-extras")
    assert result.to_frame().to_dict("records")[0]["label"] == "start"


def test_it_comes_back_from_the_store_as_it_was(tmp_path: Path, result: Result) -> None:
    assert Result.plain(json.loads(json.dumps(result.to_dict()))) == result
    store = str(tmp_path / "s.db")
    assert llmopt.result_of("run", store) == result
    with closing(llmopt.open_store(store)) as kept:
        assert llmopt.result_of("run", kept) == result
        assert "run" in [run.info.name for run in llmopt.runs(kept)]
    assert llmopt.runs(store)[0].to_dict()["status"] == "done"


def test_what_has_no_result_is_said(tmp_path: Path, result: Result) -> None:
    del result
    store = str(tmp_path / "s.db")
    with pytest.raises(StoreError, match="nope"):
        llmopt.result_of("nope", store)
    llmopt.evaluate(problem(), ["Say it."], store=store, progress=False)
    (evaluation,) = [run.info.name for run in llmopt.runs(store) if run.algorithm == "evaluation"]
    with pytest.raises(ConfigError, match=f"'{evaluation}' has none"):
        llmopt.result_of(evaluation, store)


def test_a_result_of_an_older_release_is_read(result: Result) -> None:
    """What it does not have is as usual, and what a newer one has is left out."""
    data = result.to_dict()
    for key in ("curve", "comparisons", "level", "finalists", "optimism", "stretch"):
        del data[key]
    read = Result.plain({**data, "of a newer one": 1})
    assert read.best == result.best
    assert read.comparisons == ()


def test_of_one_value_there_is_no_interval(tmp_path: Path) -> None:
    values = llmopt.optimize(
        scripted.numbers(),
        optimizer=scripted.model(),
        steps=1,
        progress=False,
        store=str(tmp_path / "s.db"),
    )
    assert str(values).splitlines()
    assert "[" not in values.scores_table().rows[0][1]


def test_a_problem_is_summed_up_and_its_rows_are_not_told() -> None:
    said = repr(problem())
    assert said == (
        "PromptProblem(Splits(train=10, validation=10, test=20), metric='boolean', "
        "start='Say <it>.' and 1 more)"
    )
    tour = repr(tsp(50))
    assert tour.startswith("TourProblem(minimize, 'Find the shortest round trip")
    assert len(tour) < 120
    assert len(repr(scripted.numbers())) < 150


def test_cells_of_several_lines_are_aligned() -> None:
    table = TextTable(("a\nb", "c"), (("long one", "1\n2"), ("x", "<3>")))
    assert table.text() == "a         c\nb\nlong one  1\n          2\nx         <3>"
    assert "<br>" in table.html()
    assert "&lt;3&gt;" in table.html()
