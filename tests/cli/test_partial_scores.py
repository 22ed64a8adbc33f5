"""A score that some items are missing from is shown as partial wherever it is shown."""

from __future__ import annotations

import csv
import io
import json
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console

import llmopt
from llmopt import open_store
from llmopt.core.presentation import ACCURACY
from llmopt.core.values import Outcome
from llmopt.errors import TransientError
from llmopt.evidence.comparison import compare, sentence
from llmopt.evidence.scores import LEGEND, Score
from llmopt.evidence.sweep_summary import Done, flat, summarized
from llmopt.history.document import record
from llmopt.problems.prompt.prompt_problem import PromptProblem
from llmopt.terminal.progress import View
from llmopt.terminal.progress.evaluation_rate import EvaluationRate
from llmopt.terminal.progress.panel import Panel
from llmopt.terminal.result_table import print_result
from llmopt.terminal.sweep_table import print_sweep
from llmopt.testing import scripted
from llmopt.web.pages.run_page import page
from llmopt.web.pages.run_rows import ListQuery, Reading

if TYPE_CHECKING:
    from conftest import Shell

    from llmopt.core.model import Model
    from llmopt.core.values import Item
    from llmopt.engine.progress import Progress
    from llmopt.evidence.result import Result

SIZES = {"train": 15, "validation": 8, "test": 20}


class Holed(PromptProblem):
    """The scripted task, in which the first item of each split cannot be measured."""

    lost: tuple[str, ...] = ("train", "validation", "test")

    async def measure(self, text: str, item: Item, scorer: Model | None) -> Outcome:
        """Fail on these items, as a model does that never answers them."""
        if any(item == self.items(split)[0] for split in self.lost):  # type: ignore[arg-type] # names of splits
            raise TransientError("no answer to this one")
        return await super().measure(text, item, scorer)


class Mended(Holed):
    """The same, in which only test items cannot be measured."""

    lost = ("test",)


def searched(kind: type[Holed], name: str, **more: Any) -> Result:
    rows = [
        {"input": f"Question number {n}?", "target": "yes" if n % 2 else "no"} for n in range(43)
    ]
    problem = kind.from_rows(
        rows,
        sizes=(15, 8, 20),
        instructions=["Answer.", "Answer now."],
        task="Answer with yes or no.",
        scorer=scripted.model(),
    )
    options: dict[str, Any] = {"steps": 2, "controls": (), "validate_every": 1, "tolerance": 0.2}
    return llmopt.optimize(
        problem, optimizer=scripted.model(), name=name, **(options | {"progress": False} | more)
    )


@pytest.fixture
def holed(shell: Shell) -> Result:
    del shell  # it gives the store its place
    return searched(Holed, "holed")


def names_of(result: Result) -> set[str]:
    return {line.label for line in result.lines}


def test_the_table_of_a_result_has_every_denominator_and_a_note_for_each_split(
    holed: Result,
) -> None:
    console = Console(file=io.StringIO(), width=80, highlight=False)
    print_result(console, holed)
    said = console.file.getvalue()  # type: ignore[attr-defined] # a StringIO
    assert "%, 15 items" in said
    for split, size in SIZES.items():
        assert said.count(f"{size - 1} of {size} items") == 2  # the start's and the winner's
        (note,) = [n for n in holed.notes if n.startswith(f"2 {split} answers stayed unmeasured")]
        assert "left out: start on item " in note
        assert "; best on item " in note
    assert "n=14 of 15" in said
    assert "n=7 of 8" in said
    for line in holed.lines:
        for split, size in SIZES.items():
            score = getattr(line, split)
            assert (score.n, score.planned) == (size - 1, size)


def test_progress_says_so_in_lines_and_in_a_panel_of_80_columns(
    shell: Shell, capfd: pytest.CaptureFixture[str]
) -> None:
    del shell
    seen: list[Progress] = []
    with View(live=False) as lines:

        def told(progress: Progress) -> None:
            lines(progress)
            if progress.best is not None:
                seen.append(replace(progress))

        searched(Holed, "holed", progress=told)
    assert {progress.best_items for progress in seen} == {(14, 15)}
    assert "% (partial, 14 of 15 items): Answer" in capfd.readouterr().err
    console = Console(file=io.StringIO(), width=80)
    first, last = (
        "\n".join(line.plain for line in Panel(progress, EvaluationRate(), 0.0, 0.0).lines(console))
        for progress in (seen[0], replace(seen[-1], curve=[n / 99 for n in range(99)]))
    )
    assert "% (partial, 14 of 15 items)" in first
    assert last.count("% (partial)") == 2
    assert "% (partial) on validation" in last


def test_the_list_of_runs_marks_it_and_says_what_the_mark_means(
    shell: Shell, holed: Result
) -> None:
    searched(Mended, "full")
    said = shell.llmopt("runs").out
    rows = {line.split()[0]: line.rstrip() for line in said.splitlines()}
    train = holed.lines[1].train
    assert train is not None
    best = max(e["score"] for e in candidates(shell, "holed"))
    assert rows["holed"].endswith(f"{100 * best:.1f} % (partial)")
    assert "partial" not in rows["full"]
    assert LEGEND in said
    found = {
        row["name"]: (row["best"], row["best_partial"])
        for row in shell.llmopt("runs", "--json").data
    }
    assert found["holed"] == (best, True)
    assert found["full"][1] is False


def candidates(shell: Shell, run: str) -> list[dict[str, Any]]:
    steps = shell.llmopt("show", run, "--json").data["steps"]
    return [candidate for step in steps for candidate in step["candidates"]]


def test_without_partial_scores_nothing_is_marked(shell: Shell) -> None:
    class Whole(Holed):
        lost = ()

    searched(Whole, "full")
    for words in (("runs",), ("show", "full"), ("show", "full", "--step", "1")):
        assert "partial" not in shell.llmopt(*words).out


def test_a_full_best_after_partial_ones_is_listed_as_full(shell: Shell) -> None:
    """What the journal says of the best holds for the last step."""
    del shell
    store = open_store()
    with closing(store):
        store.create("grown", {"identity": {}})
        store.append("grown", "partial", {"best": 0.9, "measured": 1, "planned": 2})
        store.append("grown", "step", {"best": None})
        assert [(i.best, i.partial, i.steps) for i in store.runs()] == [(0.9, True, 1)]
        store.append("grown", "step", {"best": 0.5})
        assert [(i.best, i.partial, i.steps) for i in store.runs()] == [(0.5, False, 2)]


def test_show_marks_candidates_points_and_a_step(shell: Shell, holed: Result) -> None:
    said = shell.llmopt("show", "holed").out
    assert "% (partial)" in said
    assert "14/15" in said
    assert LEGEND in said
    assert "n=14 of 15" in said
    assert "(partial, 14 of 15 items)" in shell.llmopt("show", "holed", "--step", "1").out
    data = shell.llmopt("show", "holed", "--json").data
    assert all(c["measured"] < c["planned"] for c in candidates(shell, "holed"))
    assert data["curve"][0]["validation"] | {"n": 7, "planned": 8} == data["curve"][0]["validation"]
    assert {line["train"]["planned"] for line in data["result"]["lines"]} == {15}
    assert names_of(holed) == {"start", "best"}


def test_the_page_says_of_how_many_items(shell: Shell, holed: Result) -> None:
    del shell, holed
    with closing(open_store()) as store:
        document = record(store, "holed")
    assert [step["best_partial"] for step in document["steps"]] == [True] * 3
    html = page(document)
    for split, size in SIZES.items():
        assert f"n\u00a0=\u00a0{size - 1} of {size}" in html, split
    assert html.count("% (partial) →".replace(" %", "\u00a0%")) == 1
    assert "2 train answers stayed unmeasured" in html


def test_the_list_in_a_browser_marks_both_scores(holed: Result) -> None:
    del holed
    with closing(open_store()) as store:
        (row,) = Reading(store).rows(ListQuery()).shown
    assert row.start.endswith("% (partial)")
    assert row.best.endswith("% (partial)")
    assert row.measured == "held out"


def test_runs_beside_each_other_say_it_in_cells_and_warnings(
    shell: Shell, holed: Result, tmp_path: Any
) -> None:
    del holed
    searched(Holed, "other", seed=1)
    said = shell.llmopt("compare", "holed", "other").out
    assert said.count("n=14 of 15") == 2
    assert "curve on train" not in said  # one answer was lost, and every item was tried
    data = shell.llmopt("compare", "holed", "other", "--json").data
    assert [run["curve_partial"] for run in data["runs"]] == [0, 0]
    shell.llmopt("compare", "holed", "other", "-o", str(tmp_path / "page.html"))
    html = (tmp_path / "page.html").read_text("utf-8")
    assert "n = 19 of 20" in html
    assert " (partial)</td>" not in html


def test_exports_say_on_how_many_items_a_score_stands(shell: Shell, holed: Result) -> None:
    del holed
    data = shell.llmopt("export", "holed", "--format", "json").data
    assert (data["measured"], data["planned"]) == (14, 15)
    assert (data["held_out"]["score"]["n"], data["held_out"]["score"]["planned"]) == (19, 20)
    rows = list(
        csv.DictReader(io.StringIO(shell.llmopt("export", "holed", "--format", "trajectory").out))
    )
    assert {(r["measured"], r["planned"]) for r in rows if not r["refused"]} == {("14", "15")}


def test_the_sentence_of_an_evaluation_has_the_denominator() -> None:
    outcomes = [Outcome(str(n), None if n == 3 else 1.0) for n in range(15)]
    rows = compare({"Answer.": outcomes}, 1, groups={}, shown=ACCURACY)
    assert sentence(rows, "test", ACCURACY).startswith("100.0 % on 14 of 15 test items (")


def test_a_sweep_marks_variants_whose_winners_or_starts_lack_test_answers() -> None:
    items = tuple((str(n), float(n % 2), 1.0) for n in range(9))
    full, holed = (
        Done(
            name,
            name,
            "",
            "0",
            items,
            0.5,
            "",
            "",
            "",
            3,
            9,
            100,
            1000,
            unmeasured=lost,
            shown=ACCURACY,
        )
        for name, lost in (("a", 0), ("b", 1))
    )
    rows = summarized([full, holed])
    console = Console(file=io.StringIO(), width=120, highlight=False)
    print_sweep(console, rows, [full, holed])
    said = console.file.getvalue()  # type: ignore[attr-defined] # a StringIO
    assert said.count("44.4 % (partial)") == 1
    assert "partial: without 1 test answer left unmeasured." in said
    assert [flat(row)["unmeasured"] for row in rows] == [0, 1]
    old = {key: value for key, value in vars(full).items() if key not in ("unmeasured", "shown")}
    assert (Done.plain(old).unmeasured, Done.plain(old).shown) == (0, ACCURACY)


def test_a_score_of_an_older_run_counts_as_full() -> None:
    old = {"mean": 0.5, "interval": {"low": 0.2, "high": 0.8}, "n": 14}
    assert Score.plain(old).planned == 14
    assert not Score.plain(old).mark


def test_a_run_of_an_older_version_is_still_shown(shell: Shell, holed: Result) -> None:
    """Its steps have a best without a word, and its scores have no number of planned items."""
    del holed
    with closing(open_store()) as store:
        kept = list(store.records("holed"))
        store.create("older", kept[0].data)
        for entry in kept[1:]:
            if entry.kind == "partial":
                best = entry.data["best"]
            elif entry.kind == "step":
                store.append("older", "step", entry.data | {"best": best})
            else:
                text = json.dumps(entry.data)
                for split in SIZES.values():
                    text = (
                        text.replace(f', "planned": {split}}}', "}")
                        if entry.kind == "result"
                        else text
                    )
                store.append("older", entry.kind, json.loads(text))
        assert '"planned"' not in text
        page(record(store, "older"))
        assert {row.listed.info.name for row in Reading(store).rows(ListQuery()).shown} == {
            "holed",
            "older",
        }
    assert "best on train" in shell.llmopt("runs").out
    assert "n=14" in shell.llmopt("compare", "older", "holed").out
