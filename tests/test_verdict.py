"""The winner is chosen on validation and tested once; what is said is what was measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from llmopt.problems.prompting import PromptProblem
from llmopt.problems.splits import Splits
from llmopt.trajectory import Entry, Trajectory
from llmopt.types import Candidate, Evaluation, Item, Outcome
from llmopt.verdict import Choice, decide, final_calls

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from llmopt.problem import SplitName

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
    ) -> None:
        self.problem = PromptProblem.from_splits(
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
        self.jobs: list[tuple[str, str]] = []
        self.announced: list[tuple[str, int]] = []

    async def measure(self, jobs: Sequence[tuple[Candidate, Item]]) -> list[Outcome]:
        self.jobs += [(c.text, i.id) for c, i in jobs]
        found = []
        for candidate, item in jobs:
            score = self.right[candidate.text](item.id, int("".join(filter(str.isdigit, item.id))))
            other = {"yes": "no", "no": "yes"}[item.target]
            said = self.answer or (item.target if score else other)
            found.append(Outcome(item.id, score, None if score is None else said, item.weight))
        return found

    async def choice(self) -> Choice:
        def announce(split: SplitName, jobs: int) -> None:
            self.announced.append((split, jobs))

        return await decide(self.problem, self.trajectory, self.measure, announce, self.finalists)


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
        f"The winner is not distinguishable from the start on {TEST} held-out items (+5.0 points)."
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
    assert "1 test answer stayed unmeasured and is left out." in choice.notes


async def test_nothing_measured_on_test_is_no_comparison() -> None:
    def never(item: str, number: int) -> float | None:
        return None if item.startswith("test") else share(0.8)(item, number)

    case = Case({"start": 0.3, "new": 0.9}, {"start": share(0.2), "new": never})
    choice = await case.choice()
    assert choice.test is None
    assert choice.verdict.startswith("Not tested")
    assert f"{TEST} test answers stayed unmeasured and are left out." in choice.notes


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
    assert (await case.choice()).best.text == "start"


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
