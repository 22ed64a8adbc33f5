"""Instructions are measured on the same items, compared with the first, and paid for once."""

from __future__ import annotations

import asyncio
import json
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmopt import Asking, FunctionProblem, evaluate, evaluate_async, optimize
from llmopt.core.presentation import ACCURACY
from llmopt.core.values import Outcome, digest
from llmopt.errors import BudgetError, ConfigError, RefusedError, StepFailedError, TransientError
from llmopt.evidence.comparison import compare, differing, sentence
from llmopt.models.middleware.budget import Limits, Price
from llmopt.models.providers.scripted import ScriptedModel
from llmopt.problems.prompt.prompt_problem import PromptProblem
from llmopt.statistics import bootstrap_mean, holm, paired_difference, wilson
from llmopt.store import open_store
from llmopt.testing import scripted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from llmopt.core.values import Call
    from llmopt.engine.progress import Progress
    from llmopt.evidence.comparison import Comparison

TEXTS = ("Answer.", "Answer carefully step by step.", "Answer slowly and think twice.")
TEST = 20  # test items of the usual problem


def done(
    model: ScriptedModel | None = None, texts: Sequence[str] = TEXTS, **options: Any
) -> Comparison:
    problem = options.pop("problem", None) or scripted.problem()
    scorer = model or scripted.model()
    return evaluate(problem, texts, scorer=scorer, progress=False, **options)


def model(answer: Callable[[Call], str]) -> ScriptedModel:
    return ScriptedModel(answer, identity="scripted/world")


def drawn(call: Call) -> str:
    """Answer each draw in its own way."""
    return ("yes", "no")[int(digest(f"{call.text} {call.sample}")[0], 16) % 2]


def failing(*numbers: int, error: type[Exception] = RefusedError) -> Callable[[Call], str]:
    """Fail for questions of these numbers."""

    def answer(call: Call) -> str:
        if any(f"number {number}?" in call.text for number in numbers):
            raise error("not today")
        return scripted.answer(call)

    return answer


def unstable(*numbers: int) -> ScriptedModel:
    """Fail for questions of these numbers in a way that may pass; little is tried again."""
    made = model(failing(*numbers, error=TransientError))
    made.traits = replace(made.traits, deadline=3.0)
    return made


def warm(temperature: float = 0.7) -> PromptProblem:
    return replace(scripted.problem(), asking=Asking(temperature=temperature))


# -- figures --------------------------------------------------------------------------------


def test_figures_are_those_of_the_statistics() -> None:
    """Wilson for each instruction, a paired test against the first, Holm over all of them."""
    found = done()
    scores = [[outcome.score or 0.0 for outcome in row.outcomes] for row in found.rows]
    assert [row.text for row in found.rows] == list(TEXTS)
    for row, here in zip(found.rows, scores, strict=True):
        assert row.score is not None
        assert row.score.mean == sum(here) / TEST
        assert row.score.interval == wilson(sum(here), TEST)
        assert (row.measured, row.planned) == (TEST, TEST)
    assert found.rows[0].difference is None
    expected = [paired_difference(scores[0], here) for here in scores[1:]]
    assert [row.difference for row in found.rows[1:]] == expected
    corrected = holm([difference.p_value for difference in expected])
    assert [row.corrected for row in found.rows] == [None, *corrected]


def test_two_need_no_correction_and_one_no_comparison() -> None:
    two, one = done(texts=TEXTS[:2]), done(texts=TEXTS[:1])
    assert two.rows[1].difference is not None
    assert two.rows[1].corrected is None
    assert one.rows[0].difference is None
    assert one.verdict.endswith("%).")


@pytest.mark.parametrize(
    ("second", "word"),
    [("Think carefully, step by step, check twice, precisely, slowly.", "is better than"),
     ("Answer!", "is not distinguishable from")],
)  # fmt: skip
def test_the_verdict_says_what_the_test_says(second: str, word: str) -> None:
    problem = scripted.problem(items=300, sizes=(50, 50, 200))
    found = done(problem=problem, texts=("Answer.", second))
    assert word in found.verdict
    assert ("items can show a difference of about" in found.verdict) == ("not" in word)
    turned = done(problem=problem, texts=(second, "Answer."))
    assert word.replace("better", "worse") in turned.verdict


def test_many_are_sorted_by_what_can_be_said() -> None:
    problem = scripted.problem(items=300, sizes=(50, 50, 200))
    good = "Think carefully, step by step, check twice, precisely, slowly."
    found = done(problem=problem, texts=("Answer.", "Answer!", good))
    assert found.verdict == (
        "Against [1], corrected for 2 comparisons: better: [3]; not distinguishable: [2]."
    )


@pytest.mark.parametrize(
    ("texts", "part", "picked"), [(3, "test", 1), (2, "test", 0), (3, "train", 0)]
)
def test_picking_the_best_of_many_on_held_out_items_is_said_to_be_a_choice(
    texts: int, part: str, picked: int
) -> None:
    found = done(texts=TEXTS[:texts], part=part)
    said = [note for note in found.notes if "is a choice on held-out items" in note]
    assert len(said) == picked
    assert all(f"the best of these {texts} instructions" in note for note in said)


def test_items_that_differ_are_those_that_make_the_difference() -> None:
    found = done(texts=TEXTS[:2])
    difference = found.rows[1].difference
    assert difference is not None
    assert len(found.differing) == difference.wins + difference.losses
    for item in found.differing:
        assert set(item.scores) == {0.0, 1.0}
        assert [answer == item.target for answer in item.answers] == [s == 1 for s in item.scores]


def test_an_empty_instruction_is_one_and_a_repetition_is_none() -> None:
    found = done(texts=("", "Answer.", ""))
    assert [row.text for row in found.rows] == ["", "Answer."]
    assert found.notes == ("1 of 3 instructions given repeat others.",)


def test_parts_together_are_all() -> None:
    sizes = [done(part=part).items for part in ("train", "validation", "test", "all")]
    assert sizes == [12, 8, 20, 40]


def test_a_function_is_measured_in_its_own_direction() -> None:
    """Better is lower here; scores are shown as they are, and wins are the better one's."""
    problem = FunctionProblem(lambda text: float(text) ** 2, describe="Small.", minimize=True,
                              seeds=["9"])  # fmt: skip
    found = evaluate(problem, ["3", "1"], part="train", progress=False)
    assert [row.score.mean for row in found.rows if row.score] == [9.0, 1.0]
    assert found.rows[1].difference is not None
    assert found.rows[1].difference.mean == 8.0
    assert found.differing[0].scores == (9.0, 1.0)
    assert (found.scorer, found.usage, found.shown.shares) == ("", {}, False)


@given(
    st.lists(
        st.tuples(st.sampled_from([None, 0.0, 1.0]), st.sampled_from([None, 0.0, 1.0])),
        min_size=1,
        max_size=12,
    )
)
def test_only_what_is_measured_counts(pairs: list[tuple[float | None, float | None]]) -> None:
    """Scores are means over measured items, differences over those measured for both."""
    found = {
        text: [Outcome(str(n), pair[at]) for n, pair in enumerate(pairs)]
        for at, text in enumerate(("a", "b"))
    }
    rows = compare(found, 1, groups={}, shown=ACCURACY)
    for at, row in enumerate(rows):
        known = [score for pair in pairs if (score := pair[at]) is not None]
        assert (row.measured, row.planned) == (len(known), len(pairs))
        assert (row.score.mean if row.score else None) == (
            sum(known) / len(known) if known else None
        )
    both = [(a, b) for a, b in pairs if a is not None and b is not None]
    difference = rows[1].difference
    assert (difference.n if difference else 0) == len(both)
    if difference:
        assert difference.mean == pytest.approx(sum(b - a for a, b in both) / len(both))
        assert difference.wins - difference.losses == sum(b - a for a, b in both)
    swapped = compare({"b": found["b"], "a": found["a"]}, 1, groups={}, shown=ACCURACY)[
        1
    ].difference
    assert (swapped is None) == (difference is None)
    if swapped and difference:
        assert swapped.mean == pytest.approx(-difference.mean)
        assert swapped.p_value == difference.p_value


# -- several answers to an item -------------------------------------------------------------


def test_several_answers_are_several_draws() -> None:
    """Each has its number; the item stays the unit, so repeating does not make sure."""
    asked: list[Call] = []

    def answer(call: Call) -> str:
        asked.append(call)
        return drawn(call)

    found = done(model(answer), problem=warm(), samples=3, texts=TEXTS[:2])
    assert len(asked) == 2 * TEST * 3
    assert {call.sample for call in asked} == {0, 1, 2}
    assert (found.samples, found.items) == (3, TEST)
    row = found.rows[1]
    assert row.difference is not None
    assert (row.measured, row.difference.n) == (60, TEST)


def test_items_are_the_clusters() -> None:
    """Means per item give what clustered statistics of all answers give."""
    found = done(model(drawn), problem=warm(), samples=4, texts=TEXTS[:2])
    flat = [[outcome.score or 0.0 for outcome in row.outcomes] for row in found.rows]
    names = [outcome.item for outcome in found.rows[0].outcomes]
    first = found.rows[0].score
    assert first is not None
    drawn_interval = bootstrap_mean(flat[0], clusters=names)
    assert (first.interval.low, first.interval.high) == pytest.approx(
        (drawn_interval.low, drawn_interval.high)
    )
    difference, clustered = (
        found.rows[1].difference,
        paired_difference(flat[0], flat[1], clusters=names),
    )
    assert difference is not None
    assert difference.mean == pytest.approx(clustered.mean)
    assert difference.p_value == pytest.approx(clustered.p_value)


def test_rows_with_equal_inputs_are_one_question() -> None:
    """As in the verdict of a run: twelve rows of four questions do not make twelve."""
    rows = [
        {"input": f"Question {n % 4}?", "target": "no" if n % 4 == 3 else "yes"} for n in range(12)
    ]
    repeated = PromptProblem.from_rows(rows, sizes=(6, 0, 6), task="Answer.")
    often = model(lambda call: "no" if "Answer" in call.text else "yes")
    found = done(often, problem=repeated, part="all", texts=("Answer.", "Think twice."))
    first, second = ([outcome.score or 0.0 for outcome in row.outcomes] for row in found.rows)
    items = [*repeated.items("train"), *repeated.items("test")]
    expected = paired_difference(first, second, clusters=[item.input for item in items])
    assert found.rows[1].difference == expected
    assert expected.p_value > paired_difference(first, second).p_value


def test_the_first_answer_is_the_only_one_of_an_evaluation_with_one() -> None:
    """More samples are paid for beyond those that are stored."""
    one, more = model(drawn), model(drawn)
    done(one, problem=warm())
    done(more, problem=warm(), samples=3)
    assert (one.calls, more.calls) == (3 * TEST, 2 * 3 * TEST)


def test_an_item_with_some_answers_missing_counts_with_the_others() -> None:
    outcomes = [Outcome("a", 1.0), Outcome("a", None), Outcome("b", None), Outcome("b", None)]
    (row,) = compare({"x": outcomes}, 2, groups={}, shown=ACCURACY)
    assert row.score is not None
    assert (row.score.mean, row.score.n, row.measured, row.planned) == (1.0, 1, 1, 4)
    assert differing((row,), scripted.problem().items("test")[:2], 2, ACCURACY) == ()


# -- what is paid ---------------------------------------------------------------------------


def test_nothing_is_paid_twice() -> None:
    first, again = scripted.model(), scripted.model()
    found, same = done(first), done(again)
    assert (first.calls, again.calls) == (3 * TEST, 0)
    assert same.rows == found.rows
    assert same.run == found.run
    assert same.usage == found.usage, "what it has cost, also when it was begun earlier"
    assert same.stretch.hits == 3 * TEST


def test_replies_of_a_run_are_free() -> None:
    """The winner and the start were tested in the run already."""
    world = scripted.model()
    result = optimize(replace(scripted.problem(), scorer=world), steps=1, progress=False)
    before = world.calls
    found = done(world, texts=(result.start.text, result.best.text))
    assert world.calls == before
    assert found.usage == {}
    assert result.test is not None
    assert [row.score for row in found.rows] == [result.test.start, result.test.best]
    assert found.rows[1].difference == result.test.difference


def test_a_budget_holds_over_all_goes() -> None:
    """The same evaluation goes on with what is left, and only with that."""
    world = scripted.model()
    for _ in range(2):
        with pytest.raises(BudgetError):
            done(world, budget=Limits(calls=25))
        assert world.calls == 25
    found = done(world, budget=Limits(calls=60))
    assert world.calls == 60
    assert found.usage["scorer"].calls == 60
    with closing(open_store()) as store:
        (info,) = store.runs()
    assert (info.name, info.status) == (found.run, "done")


def test_the_cost_is_told_where_the_price_is_known() -> None:
    priced = done(prices={"scorer": Price(1.0, 2.0)})
    used = priced.usage["scorer"]
    assert priced.usd == pytest.approx((used.input_tokens + 2 * used.output_tokens) / 1e6)
    assert done(texts=("Answer now.",)).usd is None


async def test_an_interrupted_one_goes_on_where_it_stopped(tmp_path: Path) -> None:
    slow = ScriptedModel(scripted.answer, identity="scripted/world", latency=0.01)
    under_way = asyncio.Event()

    def listen(progress: Progress) -> None:
        if progress.done >= 20:
            under_way.set()

    work = asyncio.ensure_future(
        evaluate_async(scripted.problem(), TEXTS, scorer=slow, concurrency=4, progress=listen)
    )
    await under_way.wait()
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    with closing(open_store()) as store:
        (info,) = store.runs()
        stored = store.spent(info.name)["scorer"].calls
    assert info.status == "interrupted"
    assert stored >= 20
    fast = scripted.model()
    found = await evaluate_async(scripted.problem(), TEXTS, scorer=fast, progress=False)
    assert fast.calls == 3 * TEST - stored
    assert found.rows == done(store=tmp_path / "other.sqlite").rows


def test_an_evaluation_is_named_by_what_decides_it() -> None:
    names = {
        done(texts=TEXTS[:2]).run,
        done(texts=TEXTS[1::-1]).run,
        done(part="train").run,
        done(problem=warm()).run,
        done(ScriptedModel(scripted.answer, identity="scripted/other")).run,
    }
    assert len(names) == 5
    assert done(texts=TEXTS[:2], budget=Limits(calls=100), concurrency=1).run in names


# -- what goes wrong ------------------------------------------------------------------------


def test_a_failed_answer_is_unmeasured_and_not_wrong() -> None:
    """It is out of the mean, shown in the denominator, noted, and asked for again."""
    number = int(scripted.problem().items("test")[0].input.split()[-1].rstrip("?"))
    found = done(unstable(number), texts=TEXTS[:1])
    (row,) = found.rows
    assert (row.measured, row.planned) == (TEST - 1, TEST)
    assert row.score is not None
    assert row.score.n == TEST - 1
    assert "1 of 20 answers stayed unmeasured" in found.notes[0]
    assert "not today" in found.notes[0]
    whole = scripted.model()
    assert done(whole, texts=TEXTS[:1]).rows[0].measured == TEST
    assert whole.calls == 1


def test_too_many_failures_stop_it() -> None:
    with pytest.raises(StepFailedError, match="could not be measured"):
        done(unstable(*range(40)))


def test_what_fails_at_once_leaves_nothing_behind() -> None:
    with pytest.raises(RefusedError):
        done(model(failing(*range(40))))
    with closing(open_store()) as store:
        assert store.runs() == ()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"texts": ()}, "one instruction or more"),
        ({"samples": 0}, "samples are 1 or more"),
        ({"samples": 2}, "temperature above 0"),
        ({"part": "tests"}, "one of train, validation, test, all"),
        ({"problem": scripted.problem(sizes=(20, 0, 20)), "part": "validation"}, "has none"),
        ({"concurrency": 0}, "concurrency is 1 or more"),
    ],
)
def test_bad_input_is_refused_before_anything_is_asked(options: dict[str, Any], words: str) -> None:
    world = scripted.model()
    with pytest.raises(ConfigError, match=words):
        done(world, **options)
    assert world.calls == 0
    with closing(open_store()) as store:
        assert store.runs() == ()


# -- around it ------------------------------------------------------------------------------


def test_a_comparison_is_plain_data() -> None:
    data = json.loads(json.dumps(done().to_dict(), allow_nan=False))
    assert len(data["rows"][0]["outcomes"]) == TEST
    assert data["rows"][1]["difference"]["wins"] >= 0


async def test_it_works_in_a_running_loop() -> None:
    assert (
        done().rows
        == (
            await evaluate_async(scripted.problem(), TEXTS, scorer=scripted.model(), progress=False)
        ).rows
    )


def test_progress_is_told_to_whoever_listens() -> None:
    told: list[tuple[str, int, int]] = []
    world = scripted.model()
    evaluate(
        scripted.problem(),
        TEXTS,
        scorer=world,
        progress=lambda p: told.append((p.phase, p.done, p.planned)),
    )
    assert told[0] == ("evaluating", 0, 60)
    assert told[-1] == ("done", 60, 60)


def test_more_items_are_asked_for_only_where_they_are_more() -> None:
    """Four of four won is not enough to tell, but four would not be more."""
    rows = compare(
        {t: [Outcome(f"{n}", s) for n in range(4)] for t, s in (("a", 0), ("b", 1))},
        1,
        groups={},
        shown=ACCURACY,
    )
    said = sentence(rows, "test", ACCURACY)
    assert said == "[2] is not distinguishable from [1] on 4 test items (+100.0 points)."


def test_only_comparisons_that_were_made_are_counted() -> None:
    scores = {"a": 0.0, "b": 1.0, "c": None}
    rows = compare(
        {t: [Outcome(f"{n}", s) for n in range(9)] for t, s in scores.items()},
        1,
        groups={},
        shown=ACCURACY,
    )
    said = sentence(rows, "test", ACCURACY)
    assert said == "Against [1]: better: [2]; not comparable: [3]."
