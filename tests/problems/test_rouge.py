"""ROUGE-L counts as the package `rouge` does, whose figures are given here."""

from __future__ import annotations

import pytest

from llmopt.core.values import Item
from llmopt.errors import DataError
from llmopt.problems.metrics.best_scored import best_scored
from llmopt.problems.metrics.rouge import RougeL, rouge_l


@pytest.mark.parametrize(
    ("output", "reference", "score"),
    [
        ("Dallas is in Texas.", "Dallas is in Texas.", 1.0),
        ("Dallas is in Texas", "Dallas lies in Texas", 0.75),
        ("Texas has Dallas", "Dallas is in Texas", 2 / 7),
        ("dallas", "Dallas", 0.0),
        ("a a a b", "a b", 1.0),
        ("It is big. It is red.", "It is big and red.", 8 / 9),
        ("Red it is. Big.", "Big red. It is.", 0.5),
        ("", "Dallas", 0.0),
        (" . ", "Dallas", 0.0),
    ],
)
def test_it_is_as_the_package_counts(output: str, reference: str, score: float) -> None:
    assert rouge_l(output, reference) == pytest.approx(score, abs=1e-6)


async def test_a_score_is_the_mean_over_the_references_and_not_the_best() -> None:
    item = Item("r", "q", "Dallas is in Texas", accepted=("Texas has Dallas",))
    found = await best_scored(RougeL(), "<think>Texas.</think> Dallas is in Texas", item)
    assert found.score == pytest.approx((1 + 2 / 7) / 2)
    assert found.answer == "Dallas is in Texas"


def test_a_blank_reference_is_refused() -> None:
    with pytest.raises(DataError, match="row r has a blank one"):
        RougeL().check(Item("r", "q", "text", accepted=(" ",)))
