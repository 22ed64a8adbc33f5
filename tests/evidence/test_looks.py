"""Looks at held-out items: what each costs the next one, and that it suffices."""

from __future__ import annotations

from dataclasses import replace
from math import erfc, sqrt
from typing import TYPE_CHECKING

import numpy as np
import pytest

from llmopt.evidence.differences import Versus
from llmopt.evidence.looks import PriorLooks
from llmopt.evidence.words import word_of
from llmopt.statistics import Difference, Interval, paired_difference

if TYPE_CHECKING:
    from llmopt.evidence.words import Word

LEVEL = 0.95


def versus(p_value: float, *, mean: float = 0.1) -> Versus:
    found = Difference(mean, Interval(-1, 1), p_value, 100, 20, 10, 70, "a test")
    word: Word = word_of(found, p_value, LEVEL)
    return Versus("start", found, p_value, word)


def test_the_first_look_costs_nothing() -> None:
    found = (versus(0.03),)
    assert PriorLooks(items=100).corrected(found, LEVEL) == found
    assert (PriorLooks().number, PriorLooks().factor, list(PriorLooks().notes(LEVEL))) == (1, 1, [])


@pytest.mark.parametrize(
    ("earlier", "p_value", "corrected", "word"),
    [
        (1, 0.03, 0.06, "not distinguishable"),
        (1, 0.02, 0.04, "better"),
        (11, 0.0005, 0.066, "not distinguishable"),
        (11, 0.0001, 0.0132, "better"),
        (5, 0.9, 1.0, "not distinguishable"),
    ],
)
def test_later_ones_decide_at_a_stricter_level(
    earlier: int, p_value: float, corrected: float, word: str
) -> None:
    (found,) = PriorLooks(earlier).corrected((versus(p_value),), LEVEL)
    assert found.corrected == pytest.approx(corrected)
    assert found.word == word


def test_what_the_items_can_show_is_not_said_at_a_stricter_level() -> None:
    one = versus(0.2)
    known = replace(one, difference=replace(one.difference, detectable=0.3))
    assert PriorLooks().corrected((known,), LEVEL)[0].difference.detectable == 0.3
    assert PriorLooks(2).corrected((known,), LEVEL)[0].difference.detectable is None


def test_a_word_is_never_made_stronger() -> None:
    (found,) = PriorLooks(3).corrected((versus(0.2),), LEVEL)
    assert found.word == "not distinguishable"


def test_all_later_looks_together_may_err_as_often_as_the_first() -> None:
    """The levels 1/2, 1/6, 1/12, ... of the first one's have the sum 1, however many there are."""
    sums = np.cumsum([1 / PriorLooks(earlier).factor for earlier in range(1, 2000)])
    assert sums[-1] == pytest.approx(1, abs=1e-3)
    assert (sums < 1).all()


def test_it_says_how_many_there_were_and_whose() -> None:
    assert PriorLooks().said == ""
    assert PriorLooks(11, 2, 200, 200).said == (
        "These 200 held-out items were used by 11 earlier results, 2 of them of this run: this is "
        "the twelfth look."
    )
    assert PriorLooks(2, 2, 200, 80).said == (
        "80 of the 200 held-out items were used by 2 earlier results, of this run: this is the "
        "third look."
    )
    (note,) = PriorLooks(11, 0, 200, 200).notes(LEVEL)
    assert "multiplied by 132" in note
    assert "at most 5 %" in note
    (note,) = PriorLooks(1, 0, 1, 1).uncorrected()
    assert note.startswith("This 1 held-out item was used by 1 earlier result: this is the second")


def errors(rng: np.random.RandomState, worlds: int, looks: int, common: float) -> float:
    """Return the share of worlds in which any of several looks calls a winner better by luck.

    Args:
        rng: Where luck comes from.
        worlds: How many worlds are drawn.
        looks: Results on the same items in each.
        common: Correlation of their test statistics, because they share a start and the items.
    """
    shared = rng.normal(size=(worlds, 1))
    own = rng.normal(size=(worlds, looks))
    z = sqrt(common) * shared + sqrt(1 - common) * own
    limits = np.array([(1 - LEVEL) / PriorLooks(earlier).factor for earlier in range(looks)])
    p_values = np.vectorize(lambda one: erfc(abs(one) / sqrt(2)))(z)
    return float(((z > 0) & (p_values < limits)).any(axis=1).mean())


@pytest.mark.parametrize("common", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("looks", [1, 2, 12, 50])
def test_nothing_to_find_is_called_better_in_one_of_twenty_worlds_at_most(
    looks: int, common: float
) -> None:
    rng, worlds = np.random.RandomState(looks), 20_000 // looks
    found = errors(rng, worlds, looks, common)
    assert found <= 0.05 + 3 * sqrt(0.05 * 0.95 / worlds)


def test_twelve_tests_of_right_and_wrong_answers_on_one_split_hold_it_too() -> None:
    """The same with McNemar's test, of winners that share the start and the items."""
    rng, worlds, better = np.random.RandomState(0), 300, 0
    for _ in range(worlds):
        ability = rng.uniform(0.2, 0.9, 100)
        start = (rng.uniform(size=100) < ability).astype(float)
        for earlier in range(12):
            winner = (rng.uniform(size=100) < ability).astype(float)
            found = paired_difference(start.tolist(), winner.tolist(), draws=50)
            one = Versus("start", found, found.p_value, word_of(found, found.p_value, LEVEL))
            if PriorLooks(earlier).corrected((one,), LEVEL)[0].word == "better":
                better += 1
                break
    assert better / worlds <= 0.05 + 3 * sqrt(0.05 * 0.95 / worlds)
