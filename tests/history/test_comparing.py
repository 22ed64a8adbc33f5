"""Runs beside each other: their winners on common items, and why that may mean little."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmopt.api import optimize
from llmopt.core.presentation import ACCURACY, Presentation
from llmopt.engine.journal import TESTED, HeldOut
from llmopt.errors import ConfigError, StoreError
from llmopt.history.compare import RunComparison, compared_runs
from llmopt.history.text_diff import changes
from llmopt.store import open_store
from llmopt.testing import scripted

if TYPE_CHECKING:
    from pathlib import Path

    from llmopt.problems.prompt.prompt_problem import PromptProblem

# -- the words that changed -------------------------------------------------------------------


@given(st.text(), st.text())
def test_a_change_of_words_holds_both_texts(old: str, new: str) -> None:
    made = changes(old, new)
    assert "".join(c.text for c in made if c.kind != "in") == old
    assert "".join(c.text for c in made if c.kind != "out") == new
    assert all(change.text for change in made)


def test_words_are_replaced_as_a_whole() -> None:
    made = [(c.kind, c.text) for c in changes("Answer now, friend.", "Answer twice then, friend.")]
    assert made == [
        ("same", "Answer "),
        ("out", "now"),
        ("in", "twice then"),
        ("same", ", friend."),
    ]
    assert [c.kind for c in changes("one two", "three four")] == ["out", "in"]
    assert changes("", "") == ()


# -- runs --------------------------------------------------------------------------------------


@pytest.fixture
def where(tmp_path: Path) -> Path:
    return tmp_path / "runs.sqlite"


def run(where: Path, name: str, problem: PromptProblem | None = None, **more: Any) -> None:
    usual: dict[str, Any] = {"steps": 2, "finalists": 3, "controls": (), "progress": False}
    model = more.pop("model", None) or scripted.model()
    problem = replace(problem or scripted.problem(), scorer=model)
    optimize(problem, store=where, name=name, optimizer=model, **(usual | more))


def compared(where: Path, *names: str) -> RunComparison:
    with closing(open_store(where)) as store:
        return compared_runs(store, names)


def told(where: Path, name: str, kind: str) -> dict[str, Any]:
    with closing(open_store(where)) as store:
        return [record.data for record in store.records(name) if record.kind == kind][-1]


def test_winners_are_compared_item_by_item(where: Path) -> None:
    """The figures are those of the answers that both journals have kept."""
    run(where, "one", seed=1)
    run(where, "two", seed=4, steps=4)
    found = compared(where, "one", "two")
    first, second = found.runs
    scores = []
    for name in ("one", "two"):
        kept = HeldOut.unpacked(told(where, name, TESTED))
        label, text, evaluation = kept.answers[0]
        result = told(where, name, "result")
        assert (label, text) == ("best", result["best"]["text"])
        assert evaluation.score == result["lines"][1]["test"]["mean"]
        scores.append([o.score for o in evaluation.outcomes])
    pairs = list(zip(*scores, strict=True))
    difference = second.difference
    assert difference is not None
    assert second.common == difference.n == 20
    assert difference.wins == sum(b > a for a, b in pairs) > 0
    assert difference.losses == sum(b < a for a, b in pairs)
    assert len(found.changed) == difference.wins + difference.losses
    assert all(changed.scores[0] != changed.scores[1] for changed in found.changed)
    assert second.corrected is None
    assert first.difference is None
    assert first.wording == ()
    assert "".join(c.text for c in second.wording if c.kind != "in") == first.best
    assert found.verdict.startswith("The winner of [2] is ")
    assert "on 20 common held-out items" in found.verdict
    assert found.shown == ACCURACY
    json.dumps(found.to_dict(), allow_nan=False)


def test_a_run_says_of_itself_what_its_result_says(where: Path) -> None:
    run(where, "one")
    run(where, "two", seed=1)
    row, result = compared(where, "one", "two").runs[0], told(where, "one", "result")
    assert (row.algorithm, row.status, row.steps) == ("opro", "done", 2)
    assert row.verdict == result["verdict"]
    assert row.best == result["best"]["text"]
    line = result["lines"][1]
    for name in ("train", "validation", "test"):
        score = getattr(row, name)
        assert (score.mean, score.n) == (line[name]["mean"], line[name]["n"])
    assert row.calls == sum(used["calls"] for used in result["usage"].values()) > 0
    assert row.candidates == result["candidates"]
    assert len(row.curve) == 3
    assert row.curve[-1] == max(row.curve)


def test_more_than_two_are_corrected_by_holm(where: Path) -> None:
    for seed, name in enumerate(("one", "two", "three")):
        run(where, name, seed=seed)
    found = compared(where, "one", "two", "three")
    raw = [row.difference.p_value for row in found.runs[1:] if row.difference]
    corrected = [row.corrected for row in found.runs[1:]]
    assert min(c or 0.0 for c in corrected) == min(1.0, 2 * min(raw))
    assert found.verdict.startswith("Against the winner of [1], corrected for 2 comparisons: ")
    picking = "Picking the best of these 3 runs by these items is a choice on held-out items"
    assert any(words.startswith(picking) for words in found.warnings)


def test_equal_winners_are_said_to_be_equal(where: Path) -> None:
    run(where, "one")
    run(where, "two")
    found = compared(where, "one", "two")
    assert found.verdict == "Both runs ended with the same text, which got the same on 20 items."
    assert [change.kind for change in found.runs[1].wording] == ["same"]
    assert found.changed == ()
    assert found.warnings == ()


def test_runs_on_other_data_are_compared_on_what_is_common(where: Path) -> None:
    """And it is said how many items that are, and how many were searched on."""
    run(where, "one")
    run(where, "two", scripted.problem(sizes=(20, 8, 12)))
    found = compared(where, "one", "two")
    with closing(open_store(where)):
        items = [set(HeldOut.unpacked(told(where, n, TESTED)).items) for n in ("one", "two")]
    common = len(items[0] & items[1])
    assert found.runs[1].common == common < 20
    said = " ".join(found.warnings)
    assert "[1] and [2] are not alike: they searched on different training items." in said
    assert f"hold out different items: {common} are common to 20 and 12" in said
    assert "They did not search equally long" in said


def test_items_that_were_searched_on_are_pointed_out(where: Path) -> None:
    """What one run has held out may be what the other was searched on."""
    whole = scripted.problem().splits
    other = replace(whole, train=(*whole.train, *whole.test[:5]))
    run(where, "one")
    run(where, "two", replace(scripted.problem(), splits=other))
    assert (
        "[2] was searched on 5 of the 20 items that it has in common with [1], so its figures on "
        "them are flattered."
    ) in compared(where, "one", "two").warnings


def test_other_models_and_metrics_are_pointed_out(where: Path) -> None:
    run(where, "one")
    model = scripted.model()
    model.identity = "scripted/other"
    run(where, "two", replace(scripted.problem(), task="Say yes or no."), model=model)
    said = " ".join(compared(where, "one", "two").warnings)
    assert "different scorer LLMs answered" in said
    assert "they were given different tasks" in said


def test_a_run_without_a_result_is_shown_with_its_best_on_train(where: Path) -> None:
    run(where, "one")
    run(where, "two", seed=1)
    with closing(open_store(where)) as store:
        store.create("begun", store.config("two"))
        for record in store.records("two"):
            if record.kind == "step":
                store.append("begun", "step", record.data)
        store.append("begun", "status", {"status": "interrupted"})
    found = compared(where, "one", "begun")
    row = found.runs[1]
    assert (row.status, row.difference, row.test, row.verdict) == ("interrupted", None, None, "")
    assert row.train is not None
    assert row.word == "not comparable"
    assert found.verdict.startswith("The winners cannot be compared")
    assert "[2] has no result yet: its best on train is used as its winner." in found.warnings


def test_a_run_that_was_interrupted_after_its_result_is_not_said_to_have_ended_early(
    where: Path,
) -> None:
    run(where, "one")
    run(where, "two", seed=1)
    with closing(open_store(where)) as store:
        store.append("two", "status", {"status": "interrupted"})
    said = " ".join(compared(where, "one", "two").warnings)
    assert "ended early" not in said
    assert "[2] went on after its result" in said


def test_a_run_that_kept_no_answers_says_how_to_get_them(where: Path) -> None:
    run(where, "one")
    with closing(open_store(where)) as store:
        store.create("old", store.config("one"))
        for record in store.records("one"):
            if record.kind in ("step", "result"):
                store.append("old", record.kind, record.data)
        store.append("old", "status", {"status": "done"})
    found = compared(where, "one", "old")
    assert found.runs[1].common is None
    assert any("llmopt resume old asks for them again" in words for words in found.warnings)


def test_searches_that_hold_nothing_out_are_shown_by_value(where: Path) -> None:
    for name, steps in (("short", 1), ("long", 9)):
        optimize(
            scripted.numbers(),
            algorithm="random-search",
            steps=steps,
            store=where,
            name=name,
            progress=False,
        )
    found = compared(where, "short", "long")
    values = [row.train.mean for row in found.runs if row.train]
    assert values[1] <= values[0]
    assert found.shown == Presentation(higher_is_better=False)
    assert found.verdict == (
        f"Nothing is held out, so nothing is tested. Best values: [1] {values[0]:g}, [2] "
        f"{values[1]:g}; lower is better."
    )


def test_what_cannot_be_compared_is_refused(where: Path) -> None:
    run(where, "one", steps=1)
    optimize(scripted.numbers(), algorithm="random-search", store=where, name="low", progress=False)
    with closing(open_store(where)) as store:
        store.create("table", {"sweep": True, "identity": {}, "source": {}})
        store.create("given", {"evaluation": [], "identity": {}, "source": {}})
        store.create("new", store.config("one"))
        for names, why in (
            ((), "two or more different runs"),
            (("one",), "two or more different runs"),
            (("one", "one"), "two or more different runs"),
            (("one", "table"), "is a sweep"),
            (("one", "given"), "is an evaluation"),
            (("one", "new"), "has not"),
            (("one", "low"), "higher scores are better"),
        ):
            with pytest.raises(ConfigError, match=why):
                compared_runs(store, names)
        with pytest.raises(StoreError, match="'one'"):
            compared_runs(store, ("one", "ones"))
