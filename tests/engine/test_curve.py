"""The overfitting curve is measured beside the search, paid once, and can end it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmopt.api import optimize_async, prepare
from llmopt.core.presentation import ACCURACY, Presentation
from llmopt.core.trajectory import Entry
from llmopt.core.values import Candidate, Evaluation, Outcome
from llmopt.engine.journal import VALIDATION, Validation, steps
from llmopt.engine.options import Options
from llmopt.engine.overfitting import Curve, curve_of
from llmopt.errors import BudgetError, ConfigError, RefusedError
from llmopt.models.middleware.budget import Limits
from llmopt.models.providers.scripted import ScriptedModel
from llmopt.problems.function import FunctionProblem
from llmopt.store import open_store
from llmopt.testing import scripted

if TYPE_CHECKING:
    from pathlib import Path

    from llmopt.core.values import Call
    from llmopt.engine.progress import Progress
    from llmopt.evidence.result import Result


async def ran(folder: Path, model: ScriptedModel | None = None, **more: Any) -> Result:
    model = model or scripted.model()
    problem = replace(scripted.problem(), scorer=model)
    options = {"steps": 4, "seed": 3, "finalists": 3, "validate_every": 2, **more}
    return await optimize_async(
        problem,
        store=folder / "runs.sqlite",
        name="tried",
        optimizer=model,
        progress=more.pop("progress", False),
        **{key: value for key, value in options.items() if key != "progress"},
    )


def found(result: Result) -> dict[str, Any]:
    """Everything in a result but what it took."""
    return {k: v for k, v in result.to_dict().items() if k not in ("usage", "seconds", "stretch")}


def kinds(folder: Path) -> list[str]:
    store = open_store(folder / "runs.sqlite")
    try:
        return [r.kind for r in store.records("tried") if r.kind in ("step", VALIDATION)]
    finally:
        store.close()


def scored(text: str, score: float | None, step: int = 0) -> Entry:
    return Entry(Candidate(text, step), Evaluation((Outcome("item", score),), 1))


def drawn(*scores: tuple[float, float | None]) -> Curve:
    """Return a curve with these scores on train and validation, one point a step."""
    curve = Curve(1)
    for step, (train, validation) in enumerate(scores):
        curve.told(step, [scored(str(step), train, step)])
        due = curve.due()
        assert due is not None
        curve.took(Validation(step, due.candidate.id, scored("", validation).evaluation))
    return curve


# -- a run with a curve -------------------------------------------------------------------------


async def test_a_point_is_the_best_of_its_step_on_both_splits(tmp_path: Path) -> None:
    result = await ran(tmp_path)
    store = open_store(tmp_path / "runs.sqlite")
    told = {step.number: step.entries for step in steps(store, "tried")}
    store.close()
    assert [point.step for point in result.curve] == [0, 2, 4]
    for point in result.curve:
        best = max(entry.score for entry in told[point.step])
        (entry,) = [e for e in told[point.step] if e.candidate.id == point.candidate]
        assert entry.score == best
        assert point.train is not None
        assert point.validation is not None
        assert point.train.mean == pytest.approx(best)
        assert (point.train.n, point.validation.n) == (12, 8)
        assert point.validation.interval.low < point.validation.interval.high
    assert kinds(tmp_path) == [
        "step", "validation", "step", "step", "validation", "step", "step", "validation"
    ]  # fmt: skip


async def test_without_it_nothing_is_measured_and_the_search_is_the_same(tmp_path: Path) -> None:
    plain, model = scripted.model(), scripted.model()
    without = await ran(tmp_path / "without", plain, validate_every=0)
    result = await ran(tmp_path / "with", model)
    assert without.curve == ()
    assert "validation" not in kinds(tmp_path / "without")
    more = {"curve": (), "notes": (), "front": None}  # the front has the points of the curve too
    assert found(result) | more == found(without) | more
    assert plain.calls < model.calls <= plain.calls + 3 * 8


async def test_a_finalist_that_is_on_the_curve_is_not_measured_again(tmp_path: Path) -> None:
    """With every candidate a finalist, the curve costs nothing."""
    plain, model = scripted.model(), scripted.model()
    await ran(tmp_path / "without", plain, validate_every=0, finalists=99)
    await ran(tmp_path / "with", model, validate_every=1, finalists=99)
    assert model.calls == plain.calls


@pytest.mark.parametrize("every", [1, 2])
async def test_broken_off_after_any_call_it_ends_as_the_unbroken_run(
    tmp_path: Path, every: int
) -> None:
    """Each stretch of the run dies some calls later than the one before; nothing is paid twice."""
    whole = scripted.model()
    expected = await ran(tmp_path / "whole", whole, validate_every=every, concurrency=1)
    paid: list[str] = []
    allowed = [0]

    def mortal(call: Call) -> str:
        if len(paid) >= allowed[0]:
            raise RefusedError("switched off")
        paid.append(call.key("scripted/world"))
        return scripted.answer(call)

    while True:
        allowed[0] += 67
        model = ScriptedModel(mortal, identity="scripted/world")
        try:
            result = await ran(tmp_path, model, validate_every=every, concurrency=1)
        except RefusedError:
            continue
        break
    assert found(result) == found(expected)
    assert kinds(tmp_path) == kinds(tmp_path / "whole")
    assert len(paid) == len(set(paid)) == whole.calls


async def test_killed_between_a_step_and_its_validation_the_point_is_made_up_for(
    tmp_path: Path,
) -> None:
    expected = await ran(tmp_path / "whole")
    model = scripted.model()
    problem = replace(scripted.problem(), scorer=model)
    options: dict[str, Any] = {"steps": 4, "seed": 3, "finalists": 3, "validate_every": 2}
    for _ in range(2):  # a step each, without what comes after it
        async with prepare(
            problem, store=tmp_path / "runs.sqlite", name="tried", optimizer=model, **options
        ) as run:
            await run.validate()
            await run.step()
    assert kinds(tmp_path) == ["step", "validation", "step"]
    assert found(await ran(tmp_path, model)) == found(expected)


async def test_a_point_is_measured_once(tmp_path: Path) -> None:
    model = scripted.model()
    async with prepare(
        replace(scripted.problem(), scorer=model),
        store=tmp_path / "runs.sqlite",
        name="tried",
        optimizer=model,
        validate_every=1,
    ) as run:
        await run.validate()  # nothing is told yet
        assert model.calls == 0
        await run.step()
        await run.validate()
        calls = model.calls
        await run.validate()
        assert model.calls == calls == 2 * 12 + 8


@pytest.mark.parametrize("calls", [70, 120, 200])
async def test_a_budget_keeps_its_verdict_and_a_larger_one_continues(
    tmp_path: Path, calls: int
) -> None:
    expected = await ran(tmp_path / "whole")
    model = scripted.model()
    try:
        result = await ran(tmp_path, model, budget=Limits(calls=calls))
    except BudgetError:
        assert calls < 2 * 12 + 4 * 8 + 2 * 20
    else:
        assert result.out_of_budget
        assert result.test is not None
        assert result.test.best.n == 20
    assert model.calls <= calls
    again = await ran(tmp_path, model, budget=Limits(calls=10_000))
    searched = ("curve", "best", "steps", "candidates", "rejected", "stopped")
    assert {k: found(again)[k] for k in searched} == {k: found(expected)[k] for k in searched}
    # A winner that is tested after another one was is the second look at the test items.
    assert again.looks is not None
    assert again.looks.earlier == again.looks.own <= 1


async def test_progress_tells_the_last_point(tmp_path: Path) -> None:
    seen: list[tuple[str, float | None, int, int]] = []

    def listen(p: Progress) -> None:
        seen.append((p.phase, p.validation, p.done, p.planned))

    result = await ran(tmp_path, progress=listen)
    phases = [now for now, before in zip(seen, [("", None, 0, 0), *seen], strict=False)
              if now[0] != before[0]]  # fmt: skip
    assert [phase for phase, *_ in phases].count("checking") == 3
    point = result.curve[-1].validation
    assert point is not None
    assert seen[-1][1] == pytest.approx(point.mean)
    assert all(done <= planned for _, _, done, planned in seen)


async def test_a_search_ends_when_validation_gets_no_better(tmp_path: Path) -> None:
    """The same before and after it is opened again."""
    result = await ran(tmp_path, steps=30, validate_every=1, validation_patience=2)
    assert result.stopped == "no better validation score in 2 validations"
    scores = [p.validation.mean for p in result.curve if p.validation]
    assert max(scores[-2:]) <= max(scores[:-2])
    for end in range(3, len(scores)):  # it did not end earlier
        assert max(scores[end - 2 : end]) > max(scores[: end - 2])
    model = scripted.model()
    again = await ran(tmp_path, model, steps=30, validate_every=1, validation_patience=2)
    assert (found(again), model.calls) == (found(result), 0)


async def test_what_cannot_be_validated_is_refused_before_anything_is_paid(tmp_path: Path) -> None:
    model = scripted.model()
    no_split = replace(scripted.problem(40, (20, 0, 20)), scorer=model)
    value = FunctionProblem(float, describe="a number", seeds=["1"])
    for problem in (no_split, value):
        with pytest.raises(ConfigError, match="validate_every needs validation items"):
            await optimize_async(
                problem, optimizer=model, store=tmp_path / "s", validate_every=1, progress=False
            )
    with pytest.raises(ConfigError, match="no validate_every"):
        await ran(tmp_path, model, validate_every=0, validation_patience=1)
    for wrong in ("validate_every", "validation_patience"):
        with pytest.raises(ConfigError, match=f"{wrong} is 0"):
            await ran(tmp_path, model, **{wrong: -1})
    assert Options().validate_every == Options().validation_patience == 0
    assert model.calls == 0


# -- the curve itself ---------------------------------------------------------------------------


def test_a_step_without_anything_new_has_no_point() -> None:
    curve = Curve(1)
    assert curve.due() is None
    curve.told(0, [scored("a", None)])
    assert curve.due() is None
    curve.told(1, [])
    assert curve.due() is None


def test_among_equals_the_newest_stands_for_its_step() -> None:
    curve = Curve(3)
    curve.told(0, [scored("a", 0.5), scored("b", 0.5), scored("c", 0.1), scored("d", None)])
    due = curve.due()
    assert due is not None
    assert due.text == "b"
    curve.told(1, [scored("e", 0.9, 1)])
    assert curve.due() is None


@given(st.integers(0, 9), st.integers(0, 9), st.integers(0, 5))
def test_it_is_known_how_many_points_are_left(first: int, more: int, every: int) -> None:
    last = first + more
    due = [step for step in range(first, last + 1) if every and step % every == 0]
    assert Curve(every).left(first, last) == len(due)


@given(st.lists(st.none() | st.integers(0, 4).map(lambda n: n / 4), max_size=9))
def test_stale_counts_from_the_first_best_point(scores: list[float | None]) -> None:
    known = [-1.0 if score is None else score for score in scores]
    expected = len(known) - 1 - known.index(max(known)) if known else 0
    assert drawn(*((0.5, score) for score in scores)).stale == expected


def test_a_gain_on_train_alone_is_pointed_out() -> None:
    (said,) = drawn((0.3, 0.3), (0.5, 0.6), (0.6, 0.5), (0.9, 0.55)).notes(ACCURACY)
    assert "From step 1 to step 3" in said
    assert "by 40.0 points" in said
    assert "did not (5.0 points worse)" in said
    (said,) = drawn((0.3, 0.6), (0.6, 0.6), (0.7, 0.6)).notes(ACCURACY)
    assert "worse" not in said


def test_nothing_is_said_of_a_gain_on_both_or_of_a_single_point() -> None:
    assert drawn((0.3, 0.3), (0.5, 0.6), (0.9, 0.7)).notes(ACCURACY) == ()
    assert drawn((0.3, 0.6), (0.5, 0.5)).notes(ACCURACY) == ()
    assert drawn((0.5, 0.6), (0.4, 0.5), (0.5, 0.5)).notes(ACCURACY) == ()
    assert Curve(1).notes(ACCURACY) == ()


def test_scores_that_are_no_shares_differ_by_a_number() -> None:
    (said,) = drawn((-30, -30), (-20, -35), (-10, -40)).notes(Presentation())
    assert "by 20, but on validation it did not (10 worse)" in said


def test_points_face_as_the_problem_does() -> None:
    (point,) = drawn((-3.0, -4.0)).points(Presentation(higher_is_better=False))
    assert point.train is not None
    assert point.validation is not None
    assert (point.train.mean, point.validation.mean) == (3.0, 4.0)


def test_a_journal_without_points_has_an_empty_curve() -> None:
    entries = [scored("a", 0.5)]
    assert curve_of([(0, entries)], []).points(ACCURACY) == ()
