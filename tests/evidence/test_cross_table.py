"""Models by winners: an interaction is claimed where there is one, and hardly ever where not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from llmopt.core.presentation import ACCURACY
from llmopt.core.values import Outcome
from llmopt.errors import ConfigError
from llmopt.evidence.comparison import Comparison, compare
from llmopt.evidence.cross_table import CrossTable, cross_table
from llmopt.models.middleware.traffic import Stretch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


def comparison(own: int, scores: Floats, texts: Sequence[str]) -> Comparison:
    """Return what a model got: `scores` has a row for each winner, of which `own` comes first."""
    order = sorted(range(len(texts)), key=lambda at: at != own)
    found = {
        texts[at]: [Outcome(str(n), float(score)) for n, score in enumerate(scores[at])]
        for at in order
    }
    rows = compare(found, 1, groups={}, shown=ACCURACY)
    n = scores.shape[1]
    return Comparison(
        f"e{own}", f"model {own}", "test", n, 1, ACCURACY, rows, (), "", (), {}, None, 0, Stretch()
    )


def crossed(grid: Floats, texts: Sequence[str] = ()) -> CrossTable:
    """Return the table of scores by model, winner and item."""
    named = texts or [f"text {at}" for at in range(len(grid))]
    runs = [f"run {at}" for at in range(len(grid))]
    return cross_table(runs, [comparison(at, row, named) for at, row in enumerate(grid)], {})


def drawn(rates: Sequence[Sequence[float]], items: int, seed: int) -> Floats:
    """Return right and wrong answers: items differ in how hard they are, for all cells alike."""
    rng = np.random.RandomState(seed)
    ease = rng.uniform(-0.2, 0.2, items)
    chance = np.asarray(rates)[:, :, None] + ease
    made: Floats = (rng.random_sample(chance.shape) < chance).astype(float)
    return made


def test_opposite_tastes_are_found() -> None:
    found = crossed(drawn([[0.8, 0.4], [0.4, 0.8]], 100, 0))
    assert found.own
    assert found.own.mean > 0.2
    assert found.verdict.startswith("The best instruction depends on the model")
    assert [[cell.word for cell in row] for row in found.cells] == [["", "worse"], ["worse", ""]]
    assert "its own" in str(found)


def test_what_models_and_instructions_add_by_themselves_cancels_out() -> None:
    rates = np.add.outer([0.0, 0.3], [0.2, 0.4])
    grid = np.repeat(rates[:, :, None], 50, axis=2)
    found = crossed(grid)
    assert found.own
    assert found.own.mean == pytest.approx(0)
    assert "is not shown by these items" in found.verdict


@pytest.mark.parametrize(
    "rates",
    [
        [[0.6, 0.6], [0.6, 0.6]],
        [[0.3, 0.5], [0.5, 0.7]],
        [[0.3, 0.4, 0.5], [0.4, 0.5, 0.6], [0.5, 0.6, 0.7]],
    ],
    ids=["equal", "added", "three"],
)
def test_without_an_interaction_one_is_claimed_in_5_percent_at_most(
    rates: list[list[float]],
) -> None:
    """With 40 trials, a level of 5 % gives more than 6 claims in 1 % of cases."""
    tables = [crossed(drawn(rates, 60, seed)) for seed in range(40)]
    claimed = sum("is not shown" not in found.verdict for found in tables)
    assert claimed <= 6


def test_equal_winners_are_not_tested() -> None:
    found = crossed(drawn([[0.8, 0.8], [0.4, 0.4]], 20, 0), ["same", "same"])
    assert found.own is None
    assert "all winners are the same text" in found.verdict
    assert found.cells[0][1].difference is None


def test_items_without_a_score_somewhere_are_left_out() -> None:
    grid = drawn([[0.8, 0.4], [0.4, 0.8]], 30, 1)
    made = [comparison(at, row, ["a", "b"]) for at, row in enumerate(grid)]
    lost = [Outcome("0", None, reason="lost"), *made[1].rows[1].outcomes[1:]]
    texts = {made[1].rows[0].text: made[1].rows[0].outcomes, made[1].rows[1].text: lost}
    partial = Comparison(**{**vars(made[1]), "rows": compare(texts, 1, groups={}, shown=ACCURACY)})
    found = cross_table(["x", "y"], [made[0], partial], {})
    assert found.own
    assert found.own.n == 29


def test_what_does_not_belong_together_is_refused() -> None:
    two = drawn([[0.8, 0.4], [0.4, 0.8]], 20, 0)
    alone = comparison(0, two[0], ["a", "b"])
    with pytest.raises(ConfigError, match="2 models or more, but got 1"):
        cross_table(["a"], [alone], {})
    with pytest.raises(ConfigError, match="instructions of two evaluations differ"):
        cross_table(["a", "b"], [alone, comparison(1, two[1], ["a", "c"])], {})
    with pytest.raises(ConfigError, match="the items of the runs differ"):
        cross_table(["a", "b"], [alone, comparison(1, two[1][:, :10], ["a", "b"])], {})
