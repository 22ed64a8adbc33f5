"""Instructions on the user's data: what is refused, what is shown, what is asked."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmopt.core.model import Traits
from llmopt.core.problem import Refusal
from llmopt.core.values import Item, Outcome
from llmopt.errors import ConfigError, DataError, TransientError, UnknownNameError
from llmopt.models.providers.scripted import ScriptedModel
from llmopt.problems.data.splits import Splits
from llmopt.problems.metrics.rules import Choice, Exact, Number
from llmopt.problems.prompt.constraints import Invariants
from llmopt.problems.prompt.prompt_problem import PromptProblem
from llmopt.problems.prompt.proposal_filter import Filters
from llmopt.problems.prompt.scorer_call import Asking
from llmopt.testing import scripted

if TYPE_CHECKING:
    from pathlib import Path


def parts(train: str = "yn", validation: str = "", test: str = "yn") -> Splits:
    """Return splits of yes/no items, one letter per item."""
    words = {"y": "yes", "n": "no"}
    return Splits(
        *(
            tuple(Item(f"{name}{i}", f"{name} {i}?", words[c]) for i, c in enumerate(letters))
            for name, letters in (("train", train), ("val", validation), ("test", test))
        )
    )


def made(**options: Any) -> PromptProblem:
    return PromptProblem.from_splits(options.pop("splits", parts()), **options)


# -- parsing ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("proposed", "canonical"),
    [
        ("Follow the INSTRUCTIONS.", "Follow the INSTRUCTIONS."),
        ("  think twice.\n", "Think twice."),
        ('"Think twice."', "Think twice."),
        ("“Think twice.”", "Think twice."),
        ('“"think twice."”', "Think twice."),
        ('"Yes" or "no"', '"Yes" or "no"'),
        ('Say "yes" or "no"', 'Say "yes" or "no"'),
        ("**Think** twice.", "**Think** twice."),
        ("<INS>Think</INS>", "Think"),
        ('**"think"**', "Think"),
        ("a", "A"),
        ("élan", "Élan"),
        ("Line one\nline two", "Line one\nline two"),
        ("Use {a, b} and {{1}}", "Use {a, b} and {{1}}"),
        ("Let\u2019s think", "Let\u2019s think"),
        ("x" * 500, "X" + "x" * 499),
    ],
)
def test_a_proposal_is_polished(proposed: str, canonical: str) -> None:
    """Section 3, steps 6 and 8; O3, O23."""
    assert made().parse(proposed) == canonical


@pytest.mark.parametrize(
    ("proposed", "reason"),
    [
        ("", "empty"),
        (" \n", "empty"),
        ("****", "empty"),
        ('""', "empty"),
        ("Think <Start> twice", "leaked marker <Start>"),
        ("<INS>Think</INS> twice", "leaked marker <INS>"),
        ("Think</text>", "leaked marker </TEXT>"),
        ("x" * 501, "longer than 500 characters"),
    ],
)
def test_what_is_no_instruction_is_refused_with_a_reason(proposed: str, reason: str) -> None:
    """O23."""
    assert made().parse(proposed) == Refusal(reason)


def test_digits_and_length_are_filters_of_the_task() -> None:
    """O23, O26."""
    strict = made(filters=Filters(max_length=20, digits=False))
    assert strict.parse("Count to 3.") == Refusal("contains a digit")
    assert strict.parse("Count to three.") == "Count to three."
    assert strict.parse("Count to three, then rest.") == Refusal("longer than 20 characters")
    assert made().parse("Count to 3.") == "Count to 3."


def test_a_final_full_stop_is_added_where_it_is_asked_for() -> None:
    problem = made(filters=Filters(last_full_stop=True))
    assert problem.parse("think") == "Think."
    assert problem.parse("Think!") == "Think!"
    assert made().parse("think") == "Think"


@given(st.text(alphabet='ab "“”*\n1.ßŉ<', max_size=12) | st.text(max_size=30))
def test_what_was_parsed_is_canonical(text: str) -> None:
    problem = made(filters=Filters(last_full_stop=True))
    parsed = problem.parse(text)
    if isinstance(parsed, str):
        assert parsed
        assert problem.parse(parsed) == parsed


def test_a_start_is_measured_as_it_was_given_and_recognised_when_proposed_again() -> None:
    """O4: also where a proposal would have been polished to something else."""
    starts = ["let's think", '**Be** "brief"', "x" * 600]
    problem = made(instructions=[*starts, " let's think\n"])
    assert list(problem.starts) == starts
    for start in starts:
        assert problem.parse(f" {start} ") == start
    assert problem.parse("Let's think") == "Let's think"


def test_the_empty_start_of_the_paper_is_allowed_but_never_proposed() -> None:
    """Section 6; O23."""
    problem = made(instructions="")
    assert problem.starts == ("",)
    assert problem.parse("") == Refusal("empty")


# -- scores as shown --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("score", "buckets", "shown"),
    [
        (0.29, 100, "29"),
        (0.125, 100, "12"),
        (0.135, 100, "14"),
        (0.285, 100, "28"),
        (0.575, 100, "58"),
        (0.0, 100, "0"),
        (1.0, 100, "100"),
        (1 / 3, 100, "33"),
        (0.38, 20, "8"),
        (0.125, 20, "2"),
        (1.0, 20, "20"),
    ],
)
def test_scores_are_rounded_half_to_even(score: float, buckets: int, shown: str) -> None:
    """Section 2: 0.125 is shown as 12."""
    assert made().show(score, buckets) == shown
    assert made().scale(buckets) == str(buckets)


@given(st.floats(0, 1), st.sampled_from([20, 100]))
def test_the_aim_is_better_than_the_best_and_within_the_scale(best: float, buckets: int) -> None:
    problem = made()
    aim = int(problem.aim(best, buckets))
    assert int(problem.show(best, buckets)) <= aim <= buckets


# -- asking the scorer LLM --------------------------------------------------------------------


def test_the_scorer_is_asked_as_its_model_can_and_greedily() -> None:
    item = Item("1", "Why {instruction}?", "yes")
    chat, raw = (
        ScriptedModel(scripted.answer, traits=Traits(chat=chat, completion=True))
        for chat in (True, False)
    )
    problem = made(position="A_begin")
    call = problem.call("Think {input}.", item, chat)
    assert call.messages[0].content == "Q: Why {instruction}?\n\nA: Think {input}."
    assert (call.role, call.temperature, call.sample) == ("scorer", 0.0, 0)
    assert problem.call("Think.", item, raw).prompt == "Q: Why {instruction}?\n\nA: Think."
    forced = replace(problem, asking=Asking(mode="completion", max_tokens=3, stop=("\n",)))
    call = forced.call("Think.", item, chat)
    assert (call.prompt is not None, call.max_tokens, call.stop) == (True, 3, ("\n",))


def test_numbers_get_room_to_reason() -> None:
    rows = [{"input": f"{n} + 1?", "target": str(n + 1)} for n in range(12)]
    problem = PromptProblem.from_rows(rows)
    assert isinstance(problem.metric, Number)
    item = problem.items("train")[0]
    assert problem.call("Add.", item, scripted.model()).max_tokens == 1024
    assert made().call("Add.", item, scripted.model()).max_tokens == 256


async def test_an_answer_is_judged_and_a_failure_is_never_a_score() -> None:
    def answer(call: Any) -> str:
        if "broken" in call.text:
            raise TransientError("busy")
        return "I think the answer is yes."

    model = ScriptedModel(answer)
    right, wrong = Item("1", "a?", "yes", 2.0), Item("2", "b?", "no", 0.5)
    problem = made()
    assert await problem.measure("Go.", right, model) == Outcome("1", 1.0, "yes", 2.0)
    assert await problem.measure("Go.", wrong, model) == Outcome("2", 0.0, "yes", 0.5)
    with pytest.raises(TransientError):
        await problem.measure("broken", right, model)


async def test_without_a_scorer_the_message_says_what_to_name() -> None:
    with pytest.raises(ConfigError, match="scorer"):
        await made().measure("Go.", Item("1", "a?", "yes"), None)


def test_an_exemplar_shows_the_placeholder_where_the_instruction_goes() -> None:
    item = Item("1", "Why <INS>?", "yes")
    shown = made(position="Q_end", qa_frame=True).exemplar(item, "<INS>")
    assert (shown.question, shown.output) == ("Why <INS>?", "yes")
    assert shown.input == "Q: Why <INS>?\n<INS>\n\nA:"


def test_the_problem_describes_itself() -> None:
    problem = made(position="before_Q", choices=["yes", "no"])
    assert problem.description.where == "before the question"
    assert problem.description.labels == ("yes", "no")
    assert problem.description.higher_is_better
    assert problem.description.task
    assert made(task="Say yes.").description.task == "Say yes."
    assert made(prompt="{instruction}: {input}").description.where == ""


# -- balanced accuracy ------------------------------------------------------------------------


def test_balanced_weights_make_the_mean_balanced_accuracy() -> None:
    """Right on every yes and on no no is one half, however many there are of each."""
    problem = made(splits=parts("yyyyyyyyn", "yyyn", "ynnn"), balanced=True)
    for split in ("train", "validation", "test"):
        items = problem.items(split)
        total = sum(item.weight for item in items)
        assert total == pytest.approx(len(items))
        yes = sum(item.weight for item in items if item.target == "yes")
        assert yes == pytest.approx(total / 2)
    assert {item.weight for item in made(splits=parts("yyyn")).items("train")} == {1.0}


# -- bad input --------------------------------------------------------------------------------


def test_one_class_only_is_refused() -> None:
    with pytest.raises(DataError, match="at least two kinds, but all 4 are 'yes'"):
        made(splits=parts("yy", "", "yy"))


def test_a_target_that_is_no_choice_is_refused_by_row() -> None:
    with pytest.raises(DataError, match=r"'yes', 'maybe'.*train1.*'no'"):
        made(choices=["yes", "maybe"])


def test_a_question_in_two_given_splits_is_refused() -> None:
    splits = parts()
    again = replace(splits, test=(*splits.test, Item("9", " TRAIN  0? ", "yes")))
    with pytest.raises(DataError, match=r"train and test both have"):
        made(splits=again)


def test_wrong_options_are_refused_by_name() -> None:
    with pytest.raises(UnknownNameError, match=r"position.*did you mean 'Q_end'"):
        made(position="Q_ends")
    with pytest.raises(UnknownNameError, match=r"metric.*did you mean 'exact'"):
        made(metric="exakt")
    with pytest.raises(ConfigError, match="frame"):
        made(position="A_begin", qa_frame=False)
    with pytest.raises(ConfigError, match=r"\{input\} exactly once"):
        made(prompt="{instruction}")
    with pytest.raises(ConfigError, match="one or more"):
        made(instructions=[])


def test_a_data_set_too_small_to_split_is_refused(tmp_path: Path) -> None:
    small = tmp_path / "small.csv"
    small.write_text("input,target\na?,yes\nb?,no\n")
    with pytest.raises(DataError, match="too few"):
        PromptProblem.from_file(small)


def test_a_file_and_its_rows_make_the_same_problem(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [
        {"q": f"Question {n}?", "a": "yes" if n % 2 else "no"} for n in range(20)
    ]
    path = tmp_path / "data.csv"
    path.write_text("q,a\n" + "".join(f"{row['q']},{row['a']}\n" for row in rows))
    from_file = PromptProblem.from_file(path, input="q", target="a", split_seed=4)
    from_rows = PromptProblem.from_rows(rows, input="q", target="a", split_seed=4)
    for split in ("train", "validation", "test"):
        first, second = (
            [(i.input, i.target) for i in p.items(split)] for p in (from_file, from_rows)
        )
        assert first == second
    assert from_file.task == from_rows.task


# -- identity ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "key"),
    [
        ({"splits": parts("nyn")}, "train"),
        ({"splits": parts("yn", "yn")}, "validation"),
        ({"splits": parts("yn", "", "ny")}, "test"),
        ({"instructions": "Other."}, "instructions"),
        ({"task": "Other."}, "task"),
        ({"metric": "exact"}, "metric"),
        ({"position": "Q_end"}, "prompt"),
        ({"asking": Asking(max_tokens=9)}, "asking"),
        ({"filters": Filters(digits=False)}, "filters"),
        ({"filters": Filters(copied_words=0)}, "filters"),
        ({"invariants": Invariants(max_words=40)}, "invariants"),
        ({"asking": Asking(again=True)}, "asking"),
        ({"splits": parts("ynn"), "balanced": True}, "train"),
    ],
)
def test_the_fingerprint_changes_with_everything_that_decides_a_score(
    changed: dict[str, Any], key: str
) -> None:
    plain = made(metric="choice", choices=["yes", "no"], task="Say.")
    options: dict[str, Any] = {"metric": "choice", "choices": ["yes", "no"], "task": "Say."}
    other = made(**{**options, **changed})
    assert plain.fingerprint == made(**options).fingerprint
    assert plain.fingerprint[key] != other.fingerprint[key]


def test_a_metric_by_object_is_taken_as_it_is() -> None:
    assert made(metric=Exact()).metric == Exact()
    assert made(metric=Choice(("yes", "no"))).description.labels == ("yes", "no")
