"""A told step comes out of the journal as it went in."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from llmopt.core.trajectory import Entry
from llmopt.core.values import (
    Candidate,
    Evaluation,
    Item,
    Outcome,
    Rejected,
)
from llmopt.engine.journal import (
    HeldOut,
    Step,
    _unpacked,
    steps,
)
from llmopt.store import open_store

if TYPE_CHECKING:
    from pathlib import Path

SCORES = st.none() | st.floats(allow_nan=False, allow_infinity=False)
OUTCOMES = st.builds(
    Outcome,
    item=st.text(),
    score=SCORES,
    answer=st.none() | st.text(),
    weight=st.floats(0.01, 100),
    reason=st.text(),
    cut_at=st.integers(0, 9),
    feedback=st.text(max_size=5),
    aims=st.lists(st.tuples(st.text(max_size=5), st.floats(0, 1)), max_size=2).map(tuple),
)


@st.composite
def told(draw: st.DrawFn) -> Step:
    number = draw(st.integers(0, 500))
    texts = draw(st.lists(st.text(), max_size=4, unique=True))
    entries = tuple(
        Entry(
            Candidate(text, number, tuple(draw(st.lists(st.text(), max_size=3)))),
            Evaluation(tuple(draw(st.lists(OUTCOMES, max_size=4))), draw(st.integers(0, 9))),
        )
        for text in texts
    )
    refused = draw(st.lists(st.tuples(st.text(), st.text()), max_size=3))
    rejected = tuple(Rejected(text, reason, number) for text, reason in refused)
    return Step(number, entries, rejected, tuple(draw(st.lists(st.text(), max_size=3))))


@given(told(), SCORES)
def test_a_step_survives_json(step: Step, best: float | None) -> None:
    packed = json.loads(json.dumps(step.packed(best)))
    assert _unpacked(packed) == step
    assert packed["best"] == best


@given(
    st.lists(st.builds(Item, st.text(), st.text(), st.text(), st.floats(0.01, 100)), max_size=4),
    st.lists(st.tuples(st.text(), st.text(), st.lists(OUTCOMES, max_size=4)), max_size=3),
)
def test_what_was_tested_survives_json(
    items: list[Item], answers: list[tuple[str, str, list[Outcome]]]
) -> None:
    found = HeldOut(
        tuple(items),
        "best",
        tuple((label, text, Evaluation(tuple(found), 9)) for label, text, found in answers),
    )
    assert HeldOut.unpacked(json.loads(json.dumps(found.packed()))) == found


def test_an_outcome_without_feedback_is_stored_as_ever() -> None:
    """So that what is stored now and what was stored earlier are the same bytes."""
    outcomes = (
        Outcome("a", 1.0, "x"),
        Outcome("b", 0.5, calls="k" * 43),
        Outcome("c", 0, cut_at=8),
    )
    step = Step(0, (Entry(Candidate("t"), Evaluation(outcomes, 3)),))
    assert [len(row) for row in step.packed(1.0)["entries"][0]["outcomes"]] == [5, 6, 7]


def test_a_row_that_was_stored_earlier_is_read() -> None:
    rows = [["a", 1.0, "x", 1.0, ""], ["b", 0.0, None, 1.0, "", "k" * 43, 8]]
    entry = {"text": "t", "parents": [], "planned": 2, "outcomes": rows}
    step = _unpacked({"step": 0, "entries": [entry], "rejected": [], "calls": []})
    assert step.entries[0].evaluation.outcomes == (
        Outcome("a", 1.0, "x"),
        Outcome("b", 0.0, calls="k" * 43, cut_at=8),
    )


def test_a_store_gives_the_steps_in_order_and_nothing_else(tmp_path: Path) -> None:
    store = open_store(tmp_path / "runs.sqlite")
    store.create("run", {})
    wanted = [
        Step(0, (Entry(Candidate("ä \ud800 \n"), Evaluation((Outcome("i", 0.1 + 0.2),), 1)),)),
        Step(1, (Entry(Candidate("x", 1), Evaluation((Outcome("i", 0.0, cut_at=8),), 1)),)),
        Step(2, (), (Rejected("x", "empty", 2),), ("key",)),
    ]
    for step in wanted:
        store.append("run", "status", {"status": "running"})
        store.append("run", "step", step.packed(0.3))
    assert list(steps(store, "run")) == wanted
    store.close()
