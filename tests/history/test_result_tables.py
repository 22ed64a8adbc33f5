"""The final report is readable in 80 columns, says what was compared, and escapes model texts."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console

import llmopt
from llmopt.core.values import Candidate
from llmopt.models.providers.scripted import ScriptedModel
from llmopt.statistics import Interval
from llmopt.terminal.result_table import print_result
from llmopt.testing import scripted

if TYPE_CHECKING:
    from pathlib import Path

    from llmopt.core.values import Call
    from llmopt.evidence.result import Result, ResultRow

NASTY = "[red]x[/red] \x1b[31mloud\x07 \u202e"


def printed(result: Result, width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width, highlight=False)
    print_result(console, result)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def tables(said: str) -> list[list[str]]:
    """Return the lines of the two tables."""
    blocks = [block.splitlines() for block in said.split("\n\n")]
    return [b for b in blocks if "held out (test)" in b[0] or b[0].startswith("winner against")]


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Result:
    """The result of a run with all controls."""
    return ran(tmp_path_factory.mktemp("runs"))


def ran(folder: Path, **more: Any) -> Result:
    model = more.pop("model", None) or scripted.model()
    starts = more.pop("starts", ("Answer.", "Answer now."))
    problem = replace(scripted.problem(200, (40, 40, 120)), scorer=model, instructions=starts)
    options: dict[str, Any] = {"store": folder / "runs.sqlite", "name": "tried", "steps": 3}
    return llmopt.optimize(problem, progress=False, **options, **more)


def test_the_tables_fit_into_80_columns_and_nothing_is_cut(result: Result) -> None:
    said = printed(result)
    scores, comparisons = tables(said)
    assert all(len(line) <= 80 for line in (*scores, *comparisons))
    assert "…" not in said
    labels = [line.label for line in result.lines]
    assert [row[: len(label)] for row, label in zip(scores[2:], labels, strict=True)] == labels
    assert "%, 120 items" in scores[1]
    assert [row.split("  ")[0] for row in comparisons[1:]] == [
        versus.against for versus in result.comparisons
    ]
    assert scores == tables(printed(result, width=200))[0]


def test_each_comparison_says_its_word(result: Result) -> None:
    _, comparisons = tables(printed(result))
    for row, versus in zip(comparisons[1:], result.comparisons, strict=True):
        assert row.rstrip().endswith(versus.word)
        assert f"{100 * versus.difference.mean:+.1f}" in row


def test_what_the_verdict_rests_on_is_said(result: Result) -> None:
    said = printed(replace(result, optimism=0.1, optimism_interval=Interval(-0.05, 0.2)))
    assert f"\n{result.verdict}\n" in said.partition("held out (test)")[0]
    how = "the start is tested first; the p-values of 3 controls are corrected"
    assert f"In the table above, {how} for their number (Holm), intervals are not." in said
    assert "before correction" not in said
    assert "(McNemar mid-p test)" in said
    assert f"picked from {result.candidates} solutions, {result.finalists} of them" in said
    assert "10.0 points more on train than on test (95 % interval -5.0 to +20.0)" in said


def test_results_of_older_versions_say_how_they_were_corrected(result: Result) -> None:
    """There, the start was corrected too, and the sentence on train had no interval."""
    found = tuple(replace(versus, family=None) for versus in result.comparisons)
    said = printed(replace(result, comparisons=found, optimism=0.1, optimism_interval=None))
    assert "p-values are corrected for all 4 comparisons (Holm), intervals are not." in said
    assert "before correction (McNemar mid-p test)" in said
    assert "more on train than on test.\n" in said


def test_where_the_start_shows_no_difference_the_table_has_no_words_on_controls(
    result: Result,
) -> None:
    first, *controls = result.comparisons
    closed = [replace(versus, word="not tested") for versus in controls]
    said = printed(replace(result, comparisons=(first, *closed)))
    closed_rows = [line for line in said.splitlines() if line.rstrip().endswith("not tested")]
    assert len(closed_rows) == 3
    assert all(re.search(r"\]  +-  +not tested$", line.rstrip()) for line in closed_rows)
    assert "In the table above" not in said  # the verdict says it


def test_the_text_of_best_of_n_is_shown_and_the_plain_controls_are_only_named(
    result: Result,
) -> None:
    texts = printed(result).partition(result.verdict)[0]
    assert f"\n{result.lines[4].label}:\n{result.lines[4].text}\n" in texts
    assert "think step by step" not in texts


def test_without_controls_there_is_one_table(tmp_path: Path) -> None:
    said = printed(ran(tmp_path, controls=(), level=0.9))
    assert len(tables(said)) == 1
    assert "90 % intervals" in said
    assert "Holm" not in said
    assert "before correction" not in said
    assert ", 90 % interval +" in said


def test_what_a_model_wrote_does_not_command_the_terminal(result: Result) -> None:
    lines = tuple(replace(line, text=NASTY) for line in result.lines)
    lines = (*lines[:-1], replace(lines[-1], label=NASTY))
    said = printed(replace(result, best=Candidate(NASTY), lines=lines))
    assert "[red]x[/red] \\u001b[31mloud\\u0007 \\u202e" in said
    assert not {"\x1b", "\x07", "\u202e"} & set(said)


def test_a_start_that_won_is_shown_once_and_still_compared_with_the_controls(
    tmp_path: Path,
) -> None:
    def answer(call: Call) -> str:
        return "<INS>Answer.</INS>" if call.role == "optimizer" else scripted.answer(call)

    dull = ScriptedModel(answer, identity="scripted/dull")
    said = printed(ran(tmp_path, model=dull, starts=("Answer.",)))
    assert said.count("\nAnswer.\n") == 1
    assert "Difference on" not in said
    assert [row.split("  ")[0] for row in tables(said)[1][1:]] == [
        "empty instruction",
        "think step by step",
    ]


def test_fewer_measured_items_are_told_in_the_cell(result: Result) -> None:
    line = result.lines[1]
    assert line.test is not None
    fewer = replace(line, test=replace(line.test, n=119))
    lines: tuple[ResultRow, ...] = (result.lines[0], fewer, *result.lines[2:])
    assert "119 of 120 items" in printed(replace(result, lines=lines))


def test_values_that_are_no_shares_are_printed_as_they_are(tmp_path: Path) -> None:
    problem = llmopt.FunctionProblem(lambda text: 100.0 * len(text), "Write much.", ["a"])
    result = llmopt.optimize(
        problem, optimizer=scripted.model(), store=tmp_path / "r", steps=1, progress=False
    )
    (scores,) = tables(printed(result))
    assert "%" not in scores[1].replace("95 % intervals", "")
    assert "100" in scores[2]
    assert "Not tested: nothing is held out." in printed(result)
