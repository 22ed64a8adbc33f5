"""The winner is chosen on validation and tested once; what is said is what was measured."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from llmopt.core.presentation import ACCURACY
from llmopt.core.problem import Conclusion
from llmopt.core.trajectory import Entry, Trajectory
from llmopt.core.values import (
    Candidate,
    Evaluation,
    Item,
    Outcome,
)
from llmopt.errors import BudgetError
from llmopt.evidence.finalists import cut_off, monotony
from llmopt.evidence.scores import score_of
from llmopt.evidence.verdict import Evidence, Selection, decide, final_calls
from llmopt.problems.data.splits import Splits
from llmopt.problems.prompt.prompt_problem import PromptProblem
from llmopt.statistics import holm

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from llmopt.core.problem import SplitName

    Right = Callable[[str, int], float | None]

VALIDATION, TEST = 30, 60


def items(split: str, n: int) -> tuple[Item, ...]:
    return tuple(
        Item(f"{split}{i}", f"{split} {i}", "yes" if i % 2 else "no") for i in range(n)
    )  # fmt: skip


class Case:
    """A finished search over texts with train scores, and what they would get elsewhere.

    `right` gives the score of each text on an item by its id and number; None leaves the
    item unmeasured. `partial` are those whose train score stands on half of the items.
    """

    def __init__(
        self,
        train: dict[str, float | None],
        right: dict[str, Right],
        *,
        validation: int = VALIDATION,
        finalists: int = 10,
        steps: dict[str, int] | None = None,
        partial: Sequence[str] = (),
        answer: str = "",
        evidence: Evidence | None = None,
        broke_after: int = 10_000,
        kind: type[PromptProblem] = PromptProblem,
    ) -> None:
        self.problem = kind.from_splits(
            Splits(items("train", 10), items("validation", validation), items("test", TEST)),
            instructions=[next(iter(train))],
        )
        steps = steps or {}
        entries = [
            Entry(
                Candidate(text, steps.get(text, int(at > 0))),
                Evaluation(
                    (Outcome("train0", score, reason="" if score is not None else "lost"),),
                    2 if text in partial else 1,
                ),
            )
            for at, (text, score) in enumerate(train.items())
        ]
        self.trajectory = Trajectory().tell(entries[:1]).tell(entries[1:])
        self.right, self.answer, self.finalists = right, answer, finalists
        self.evidence, self.broke_after = evidence, broke_after
        self.jobs: list[tuple[str, str]] = []
        self.announced: list[tuple[str, int]] = []

    async def measure(self, jobs: Sequence[tuple[Candidate, Item]]) -> list[Outcome]:
        if len(self.jobs) + len(jobs) > self.broke_after:
            raise BudgetError("the budget is spent")
        self.jobs += [(c.text, i.id) for c, i in jobs]
        found = []
        for candidate, item in jobs:
            score = self.right[candidate.text](item.id, int("".join(filter(str.isdigit, item.id))))
            other = {"yes": "no", "no": "yes"}[item.target]
            said = self.answer or (item.target if score else other)
            found.append(Outcome(item.id, score, None if score is None else said, item.weight))
        return found

    async def choice(self) -> Selection:
        def announce(split: SplitName, jobs: int) -> None:
            self.announced.append((split, jobs))

        return await decide(
            self.problem,
            self.trajectory,
            self.measure,
            announce,
            self.finalists,
            evidence=self.evidence,
        )


def share(of: float, *, test: float | None = None) -> Right:
    """Right on this share of a split, and on another share of the test split."""

    def right(item: str, number: int) -> float:
        if item.startswith("test"):
            return float(number < (of if test is None else test) * TEST)
        return float(number < of * VALIDATION)

    return right


async def test_the_winner_is_chosen_on_validation_and_not_on_train() -> None:
    case = Case(
        {"start": 0.3, "flattered": 0.9, "good": 0.7},
        {"start": share(0.3), "flattered": share(0.4), "good": share(0.8)},
    )
    choice = await case.choice()
    assert choice.best.text == "good"
    assert choice.start.text == "start"
    assert [line.label for line in choice.lines] == ["start", "best"]
    assert choice.test is not None
    assert choice.test.difference.mean == pytest.approx(0.5)
    assert choice.test.difference.interval.low > 0
    assert choice.test.difference.p_value < 0.001
    assert choice.verdict == "The winner is better than the start on held-out items (+50.0 points)."
    assert choice.notes == ()


async def test_test_is_measured_once_for_start_and_winner_only() -> None:
    case = Case(
        {"start": 0.3, "other": 0.9, "good": 0.7},
        {"start": share(0.3), "other": share(0.4), "good": share(0.8)},
    )
    await case.choice()
    tested = [text for text, item in case.jobs if item.startswith("test")]
    assert tested == ["start"] * TEST + ["good"] * TEST
    assert len(set(case.jobs)) == len(case.jobs)
    assert case.announced == [("validation", 3 * VALIDATION), ("test", 2 * TEST)]
    assert len(case.jobs) <= final_calls(case.problem, case.finalists)


async def test_a_start_that_wins_is_tested_once_and_no_gain_is_said() -> None:
    case = Case({"start": 0.3, "other": 0.9}, {"start": share(0.6), "other": share(0.5)})
    choice = await case.choice()
    assert choice.best is choice.start
    assert [t for t, item in case.jobs if item.startswith("test")] == ["start"] * TEST
    assert choice.verdict.startswith("No gain")
    assert choice.test is not None
    assert choice.test.difference.mean == 0
    assert choice.test.difference.p_value == 1


@pytest.mark.parametrize("validation", [VALIDATION, 0])
async def test_a_tie_goes_to_the_start(validation: int) -> None:
    """To *the* start, also before another starting solution and a shorter text."""
    case = Case(
        {"the start": 0.5, "another": 0.5, "new": 0.5},
        {"the start": share(0.5), "another": share(0.5), "new": share(0.5)},
        validation=validation,
        steps={"another": 0},
    )
    assert (await case.choice()).best.text == "the start"


async def test_a_tie_on_validation_is_decided_by_train() -> None:
    case = Case(
        {"start": 0.5, "new": 0.6}, {"start": share(0.5), "new": share(0.5)}
    )  # fmt: skip
    assert (await case.choice()).best.text == "new"


async def test_the_start_is_a_finalist_wherever_it_ranks() -> None:
    names = {f"new {n}": 0.5 + n / 100 for n in range(5)}
    case = Case(
        {"start": 0.1, **names},
        {"start": share(0.9), **{name: share(0.1) for name in names}},
        finalists=2,
    )
    assert (await case.choice()).best.text == "start"
    on_validation = {text for text, item in case.jobs if item.startswith("validation")}
    assert on_validation == {"start", "new 3", "new 4"}


async def test_without_validation_the_report_says_that_train_decided() -> None:
    case = Case({"start": 0.3, "new": 0.9}, {"start": share(0.3), "new": share(0.3)}, validation=0)
    choice = await case.choice()
    assert choice.best.text == "new"
    assert any("no validation split" in note for note in choice.notes)
    assert all(line.validation is None for line in choice.lines)


async def test_few_validation_items_are_pointed_out() -> None:
    case = Case({"start": 0.3, "new": 0.9}, {"start": share(0), "new": share(1)}, validation=5)
    assert any("Only 5 validation items" in note for note in (await case.choice()).notes)


async def test_a_small_difference_is_not_distinguishable() -> None:
    case = Case({"start": 0.3, "new": 0.9}, {"start": share(0.5), "new": share(0.6, test=0.55)})
    choice = await case.choice()
    assert choice.verdict == (
        f"The winner is not distinguishable from the start on {TEST} held-out items (+5.0 points). "
        f"These {TEST} items can show a difference of about 11 points or more."
    )
    assert choice.test is not None
    assert choice.test.difference.interval.low <= 0 <= choice.test.difference.interval.high


async def test_a_winner_that_is_worse_on_test_is_called_worse() -> None:
    case = Case({"start": 0.3, "new": 0.9}, {"start": share(0.5, test=0.9), "new": share(0.6)})
    choice = await case.choice()
    assert choice.verdict == "The winner is worse than the start on held-out items (-30.0 points)."


@pytest.mark.parametrize(("answer", "warned"), [("yes", True), ("", False)])
async def test_a_winner_that_always_says_the_same_is_pointed_out(answer: str, warned: bool) -> None:
    case = Case({"start": 0.3, "new": 0.9}, {"start": share(0), "new": share(0.5)}, answer=answer)
    notes = (await case.choice()).notes
    assert any("answers 'yes' on 100% of the items" in note for note in notes) is warned


async def test_unmeasured_test_items_are_left_out_and_said() -> None:
    def holes(item: str, number: int) -> float | None:
        return None if item == "test3" else share(0.8)(item, number)

    case = Case({"start": 0.3, "new": 0.9}, {"start": share(0.2), "new": holes})
    choice = await case.choice()
    assert choice.test is not None
    assert choice.test.difference.n == TEST - 1
    assert (choice.test.start.n, choice.test.best.n) == (TEST, TEST - 1)
    assert "1 test answer stayed unmeasured and is left out: best on item test3." in choice.notes


async def test_nothing_measured_on_test_is_no_comparison() -> None:
    def never(item: str, number: int) -> float | None:
        return None if item.startswith("test") else share(0.8)(item, number)

    case = Case({"start": 0.3, "new": 0.9}, {"start": share(0.2), "new": never})
    choice = await case.choice()
    assert choice.test is None
    assert choice.verdict.startswith("Not tested")
    told = f"best on items test0, test1, test2 and {TEST - 3} more."
    assert f"{TEST} test answers stayed unmeasured and are left out: {told}" in choice.notes


async def test_partly_measured_solutions_never_beat_full_ones() -> None:
    """Neither on train nor on validation."""
    case = Case(
        {"start": 0.3, "dropped": 1.0, "good": 0.5},
        {"start": share(0.3), "dropped": share(1), "good": share(0.5)},
        partial=["dropped"],
    )
    assert (await case.choice()).best.text == "good"
    assert not any(text == "dropped" for text, _ in case.jobs)

    def lucky(item: str, number: int) -> float | None:
        del item
        return 1.0 if number < 5 else None

    case = Case({"start": 0.3, "new": 0.9}, {"start": share(0.3), "new": lucky})
    choice = await case.choice()
    assert choice.best.text == "start"
    assert (
        "One finalist could not be measured on enough validation items, and ranks behind the "
        "others." in choice.notes
    )


async def test_a_partly_measured_start_is_still_what_is_compared_with() -> None:
    case = Case(
        {"start": 1.0, "good": 0.5},
        {"start": share(0.3), "good": share(0.5)},
        partial=["start"],
        validation=0,
    )
    choice = await case.choice()
    assert (choice.start.text, choice.best.text) == ("start", "good")


async def test_where_only_partial_scores_exist_something_is_still_chosen() -> None:
    case = Case(
        {"start": 0.2, "good": 0.5},
        {"start": share(0.3), "good": share(0.5)},
        partial=["start", "good"],
    )
    assert (await case.choice()).best.text == "good"


async def test_a_start_without_any_score_is_said_to_have_none() -> None:
    case = Case({"start": None, "new": 0.5}, {"start": share(0.3), "new": share(0.5)})
    choice = await case.choice()
    assert choice.best.text == "new"
    assert any("start" in note and "lost" in note for note in choice.notes)
    assert choice.lines[0].train is None


# -- controls, optimism, level -----------------------------------------------------------------

TWO = (("nothing", ""), ("general", "Think."))


def beside(**more: Any) -> Case:
    """A winner that is 50 points better than the start, with two controls in between."""
    right = {"start": share(0.3), "new": share(0.8), "": share(0.5), "Think.": share(0.75)}
    return Case({"start": 0.3, "new": 0.9}, right, evidence=Evidence(controls=TWO), **more)


async def test_controls_stand_in_the_table_with_their_test_scores_only() -> None:
    choice = await beside().choice()
    assert [line.label for line in choice.lines] == ["start", "best", "nothing", "general"]
    for line in choice.lines[2:]:
        assert (line.train, line.validation) == (None, None)
        assert line.test is not None
        assert line.test.n == TEST
    assert choice.lines[3].text == "Think."


async def test_the_start_is_tested_first_and_the_controls_are_corrected_among_themselves() -> None:
    choice = await beside().choice()
    assert [versus.against for versus in choice.comparisons] == ["start", "nothing", "general"]
    start, *controls = choice.comparisons
    assert (start.corrected, start.family) == (start.difference.p_value, 1)
    adjusted = holm([versus.difference.p_value for versus in controls])
    assert tuple(versus.corrected for versus in controls) == adjusted
    assert {versus.family for versus in controls} == {2}
    assert [v.word for v in choice.comparisons] == ["better", "better", "not distinguishable"]
    assert choice.verdict == (
        "The winner is better than the start on held-out items (+50.0 points). Against the "
        'controls it is better than "nothing"; not distinguishable from "general".'
    )


LABELS = tuple((name, name) for name in ("a", "b", "c"))


async def test_controls_take_nothing_from_the_comparison_with_the_start() -> None:
    """What is said of the start is the same with controls and without; theirs is corrected."""
    right = {name: share(0.5) for name in ("start", "a", "b", "c")}
    right["new"] = share(0.6, test=0.58)  # five items more: p is 1/32
    train: dict[str, float | None] = {"start": 0.3, "new": 0.9}
    alone = await Case(train, right).choice()
    among = await Case(train, right, evidence=Evidence(controls=LABELS)).choice()
    assert alone.comparisons[0].word == "better"
    assert among.comparisons[0] == alone.comparisons[0]
    assert [v.difference for v in among.comparisons[1:]] == [alone.comparisons[0].difference] * 3
    assert [v.word for v in among.comparisons[1:]] == ["not distinguishable"] * 3


@pytest.mark.parametrize("gain", [0.0, 0.05, 0.09, 0.1, 0.2, -0.2])
async def test_no_control_changes_what_is_said_of_the_start(gain: float) -> None:
    """Whatever the controls get; and they get words only after the start."""
    right = {"start": share(0.5), "new": share(0.6, test=0.5 + gain), "a": share(0.1)}
    right |= {"b": share(0.5), "c": share(0.95)}
    train: dict[str, float | None] = {"start": 0.3, "new": 0.9}
    alone = await Case(train, right).choice()
    among = await Case(train, right, evidence=Evidence(controls=LABELS)).choice()
    assert among.comparisons[0] == alone.comparisons[0]
    assert among.verdict.startswith(alone.verdict)
    closed = alone.comparisons[0].word == "not distinguishable"
    words = [versus.word for versus in among.comparisons[1:]]
    assert all((word == "not tested") is closed for word in words)
    assert all(v.corrected >= among.comparisons[0].corrected for v in among.comparisons)


async def test_controls_are_figures_without_words_where_the_start_shows_no_difference() -> None:
    right = {"start": share(0.5), "new": share(0.6, test=0.55), "": share(0.1), "Think.": share(0)}
    choice = await Case(
        {"start": 0.3, "new": 0.9}, right, evidence=Evidence(controls=TWO)
    ).choice()  # fmt: skip
    assert [v.word for v in choice.comparisons] == ["not distinguishable", *["not tested"] * 2]
    assert choice.comparisons[1].difference.p_value < 0.001
    assert choice.verdict.endswith(
        'It is not tested against "nothing" and "general": controls come after the start, and '
        "only if that one differs."
    )


async def test_a_control_that_has_won_or_is_tested_already_is_not_measured_again() -> None:
    evidence = Evidence(controls=(("general", "new"),))
    case = Case(
        {"start": 0.3, "new": 0.9}, {"start": share(0.3), "new": share(0.8)}, evidence=evidence
    )
    choice = await case.choice()
    assert len(set(case.jobs)) == len(case.jobs)
    assert choice.comparisons[1].difference.mean == 0


async def test_when_the_budget_ends_in_the_controls_everything_else_is_said() -> None:
    case = beside(broke_after=2 * VALIDATION + 3 * TEST)
    choice = await case.choice()
    assert [line.label for line in choice.lines] == ["start", "best", "nothing"]
    assert choice.verdict.startswith("The winner is better than the start")
    assert 'The control is missing: "general"; the budget is spent.' in choice.notes


async def test_when_the_budget_ends_before_the_start_is_tested_there_is_no_result() -> None:
    with pytest.raises(BudgetError):
        await beside(broke_after=2 * VALIDATION + 1).choice()


async def test_a_start_that_won_is_compared_with_the_controls_alone() -> None:
    right = {"start": share(0.8), "new": share(0.3), "": share(0.2), "Think.": share(0.8)}
    choice = await Case(
        {"start": 0.3, "new": 0.9}, right, evidence=Evidence(controls=TWO)
    ).choice()  # fmt: skip
    assert [versus.against for versus in choice.comparisons] == ["nothing", "general"]
    assert choice.verdict == (
        "No gain: the other finalist did not do better than the start in the choice on 30 "
        'validation and 10 train items. Against the controls it is better than "nothing"; not '
        'distinguishable from "general".'
    )


async def test_the_level_decides_intervals_and_words() -> None:
    right = {"start": share(0.5), "new": share(0.6, test=0.6)}
    sure, unsure = [
        await Case({"start": 0.3, "new": 0.9}, right, evidence=Evidence(level=level)).choice()
        for level in (0.9, 0.99)
    ]
    assert (sure.comparisons[0].word, unsure.comparisons[0].word) == (
        "better",
        "not distinguishable",
    )
    for narrow, wide in zip(sure.lines, unsure.lines, strict=True):
        assert narrow.test is not None
        assert wide.test is not None
        assert wide.test.interval.low < narrow.test.interval.low
        assert wide.test.interval.high > narrow.test.interval.high
    assert sure.level == 0.9


async def test_optimism_is_what_train_says_more_than_test() -> None:
    choice = await Case(
        {"start": 0.3, "new": 0.9}, {"start": share(0.3), "new": share(0.8, test=0.6)}
    ).choice()
    assert choice.optimism == pytest.approx(0.9 - 0.6)
    assert choice.finalists == 2


async def test_a_question_that_is_asked_several_times_counts_as_one() -> None:
    """The interval is as wide as if each question stood there once."""
    case = Case({"start": 0.3, "new": 0.9}, {"start": share(0.3), "new": share(0.8)})
    once = await case.choice()
    test = tuple(
        replace(item, input=f"test {number // 4}")
        for number, item in enumerate(items("test", TEST))
    )
    case.problem = replace(case.problem, splits=replace(case.problem.splits, test=test))
    often = await case.choice()
    assert once.test is not None
    assert often.test is not None
    wide, narrow = (c.test.difference.interval for c in (often, once) if c.test)
    assert wide.high - wide.low > 1.5 * (narrow.high - narrow.low)
    assert often.test.difference.method.endswith("over 15 groups")


async def test_questions_are_told_apart_in_every_split() -> None:
    """Scores on train and validation have intervals too."""
    case = Case({"start": 0.3, "new": 0.9}, {"start": share(0.3), "new": share(0.6)})
    once = await case.choice()
    held = tuple(
        replace(item, input=f"validation {number // 4}")
        for number, item in enumerate(items("validation", VALIDATION))
    )
    case.problem = replace(case.problem, splits=replace(case.problem.splits, validation=held))
    often = await case.choice()
    wide, narrow = (c.lines[1].validation for c in (often, once))
    assert wide is not None
    assert narrow is not None
    assert wide.mean == narrow.mean
    assert wide.interval.high - wide.interval.low > narrow.interval.high - narrow.interval.low


@pytest.mark.parametrize("right", [1.0, 0.0])
def test_a_score_that_all_items_share_is_not_certain(right: float) -> None:
    """Where classes weigh unequally or questions are repeated, as much as where they do not."""
    plain = [Outcome(f"{n}", right) for n in range(20)]
    weighted = [replace(o, weight=2.0 if n < 5 else 0.5) for n, o in enumerate(plain)]
    widths = []
    for outcomes, groups in ((plain, {}), (plain, {"0": "one", "1": "one"}), (weighted, {})):
        found = score_of(Evaluation(tuple(outcomes), 20), ACCURACY, groups=groups)
        assert found is not None
        assert (found.mean, found.n) == (right, 20)
        widths.append(found.interval.high - found.interval.low)
    assert 0.1 < widths[0] < widths[1] < widths[2] < 0.3


@pytest.mark.parametrize(
    ("outcomes", "said"),
    [
        ([Outcome("1", 0.0, cut_at=8), Outcome("2", 0.0, cut_at=8)], "All 2 answers"),
        ([Outcome("1", 0.0, "5", cut_at=8), Outcome("2", 1.0, "6")], "1 of 2 answers"),
        ([Outcome("1", 0.0, "5", cut_at=8), Outcome("2", 0.0, cut_at=8)], "1 of them before there"),
        ([Outcome("1", 0.0, cut_at=1024), Outcome("2", 0.0, cut_at=8)], "at 8 or 1,024 tokens"),
        ([Outcome("1", 1.0, "5", cut_at=8), Outcome("2", 1.0, "6", cut_at=8)], ""),
        ([Outcome("1", 0.0, cut_at=8), *(Outcome(str(n), 0.0) for n in range(10))], ""),
        ([Outcome("1", None, cut_at=8)], ""),
        ([], ""),
    ],
)
def test_answers_that_were_cut_off_name_the_limit(outcomes: list[Outcome], said: str) -> None:
    notes = cut_off(outcomes, "of the winner")
    assert len(notes) == bool(said)
    assert all(said in note and "raise scorer.max_tokens" in note for note in notes)


async def test_a_winner_whose_answers_were_cut_off_is_not_called_unreadable() -> None:
    silent = Evaluation(tuple(Outcome(f"test{n}", 0.0, cut_at=8) for n in range(4)), 4)
    problem = Case({"start": 0.3}, {"start": share(0.5)}).problem
    assert monotony(problem, silent) == []
    plain = Evaluation(tuple(replace(o, cut_at=0) for o in silent.outcomes), 4)
    assert "no readable answer" in monotony(problem, plain)[0]


async def test_a_finalist_that_the_problem_finds_unfit_is_passed_over() -> None:
    """A problem with a verdict of its own says it, and the next finalist is taken."""

    class Own(PromptProblem):
        def fits(self, evaluation: Evaluation) -> bool:
            return evaluation.score != 0.95

        def conclusion(self, text: str, level: float) -> Conclusion:
            fit = text != "unfit"
            return Conclusion("better" if fit else "worse", f"{text} at {level}", {}, not fit)

    shares = {"start": 0.1, "unfit": 0.9, "fit": 0.8, "wrong on train": 0.95}
    right = {text: share(one) for text, one in shares.items()}
    found = await Case({**shares}, right, kind=Own).choice()
    assert found.best.text == "fit"
    assert found.verdict == "fit at 0.95"
    assert [versus.word for versus in found.comparisons] == ["better"]
    assert "1 finalist failed on held-out items and was passed over." in found.notes


async def test_finalists_are_dropped_on_the_way_where_that_is_wanted() -> None:
    shares = {f"c{n}": n / 10 for n in range(1, 7)}
    case = Case(
        {"start": 0.1, **dict.fromkeys(shares, 0.5)},
        {"start": share(0.0), **{text: share(part) for text, part in shares.items()}},
        evidence=Evidence(drop=True),
    )
    whole = Case({"start": 0.1, **dict.fromkeys(shares, 0.5)}, case.right)
    choice, usual = await case.choice(), await whole.choice()
    assert choice.best.text == usual.best.text == "c6"
    validated = [job for job in case.jobs if job[1].startswith("validation")]
    assert len(set(validated)) == len(validated) == case.announced[0][1]
    assert len(validated) < len([job for job in whole.jobs if job[1].startswith("validation")])
    full = [e for e in choice.held.values() if e.whole]
    assert len(full) == 3  # the start and two more
    assert choice.held[choice.start.candidate.id].whole
    assert choice.held[choice.best.candidate.id].whole
    assert choice.notes == (
        "4 of 7 finalists were dropped on the way through validation, and rank behind the others.",
    )


async def test_two_finalists_are_never_dropped() -> None:
    case = Case(
        {"start": 0.1, "one": 0.5, "two": 0.5},
        {"start": share(0.0), "one": share(0.2), "two": share(0.4)},
        evidence=Evidence(drop=True),
    )
    choice = await case.choice()
    assert choice.notes == ()
    assert all(e.whole for e in choice.held.values())
