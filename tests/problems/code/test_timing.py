"""Pairs of runs, their ratio with its interval, and the words for it."""

from __future__ import annotations

from random import Random

import pytest

from llmopt.problems.code.output_comparison import agrees, difference_in_words
from llmopt.problems.code.timing import FINAL, LookPlan, Pairs, sentence, speed_up, timed
from llmopt.statistics.ratios import median_ratio, ratio_interval


def noisy(seconds: float, rng: Random) -> float:
    """Return a time as a loaded machine gives it: sometimes much longer, never much shorter."""
    return seconds * (1 + rng.expovariate(20) + (rng.random() < 0.1) * rng.random())


def words(ratio: float, tries: int = 200) -> list[str]:
    """Return what is said in so many tries where the truth is a ratio."""
    rng = Random(7)
    looks = LookPlan((7, 15, 31), 1e9)
    found: list[str] = []
    for _ in range(tries):
        pairs = timed(lambda: noisy(ratio, rng), lambda: noisy(1.0, rng), looks)
        found.append(speed_up([pairs], looks).word)
    return found


def test_identical_programs_are_hardly_ever_called_faster() -> None:
    said = words(1.0)
    assert said.count("faster") <= 0.05 * len(said)
    assert said.count("slower") <= 0.05 * len(said)


def test_a_program_that_is_a_fifth_faster_is_found() -> None:
    said = words(1.2)
    assert said.count("faster") >= 0.9 * len(said)


def test_a_gain_below_a_tenth_is_not_called_faster() -> None:
    assert words(1.04, 50).count("faster") <= 2


def test_pairs_alternate_and_stop_when_they_are_decided() -> None:
    order: list[str] = []

    def first() -> float:
        order.append("o")
        return 2.0

    def second() -> float:
        order.append("c")
        return 1.0

    pairs = timed(first, second, FINAL)
    assert "".join(order) == "occooccooccooc"
    assert pairs.ratios == (2.0,) * 7
    assert speed_up([pairs], FINAL).word == "faster"


def test_time_ends_the_pairs_but_not_the_first_look() -> None:
    times = iter(range(0, 10_000, 100))
    rng = Random(1)
    looks = LookPlan((3, 31), 50.0)
    pairs = timed(rng.random, rng.random, looks, clock=lambda: float(next(times)))
    assert len(pairs.ratios) == 3


def test_the_ratio_of_several_inputs_is_a_geometric_mean_of_medians() -> None:
    groups = [(2.0, 2.0, 9.0), (8.0, 8.0, 8.0)]
    assert median_ratio(groups) == pytest.approx(4.0)
    interval = ratio_interval(groups)
    assert interval.low == pytest.approx(4.0)
    assert interval.high >= 4.0
    assert ratio_interval(groups) == interval


def test_the_verdict_says_how_much_and_how_sure() -> None:
    fast = speed_up([Pairs((2.0,) * 7, (1.0,) * 7)], FINAL)
    assert sentence(fast) == (
        "The winner is faster: 2.00 times as fast as the original (95 % interval 2.00 to 2.00; on "
        "1 held-out input, 7 pairs of runs)."
    )
    same = speed_up([Pairs((1.0,) * 7, (1.0,) * 7)], FINAL)
    assert "not distinguishable from the original" in sentence(same)
    slow = speed_up([Pairs((1.0,) * 7, (2.0,) * 7)], FINAL)
    assert sentence(slow).startswith("The winner is slower: 0.50 times as fast")


@pytest.mark.parametrize(
    ("how", "expected", "got", "same"),
    [
        ("exact", "1\n", "1", False),
        ("lines", "1\n2\n", "1  \n2", True),
        ("lines", "1 2", "1  2", False),
        ("tokens", "1 2", "1\n2\n", True),
        ("tokens", "1.0", "1.00", False),
        ("numbers", "x=1.0 2", "x=1.0000000001 2", True),
        ("numbers", "x=1.0 2", "y=1.0 2", False),
        ("numbers", "1.0", "1.1", False),
        ("numbers", "1", "1 2", False),
    ],
)
def test_outputs_are_compared_as_declared(how: str, expected: str, got: str, same: bool) -> None:
    assert agrees(how, expected, got) is same  # type: ignore[arg-type]


def test_a_difference_is_told_by_its_first_line() -> None:
    assert difference_in_words("1\n2", "1\n3") == "line 2: expected '2', got '3'"
    assert difference_in_words("1\n2", "1") == "line 2: expected '2', got nothing"
    assert difference_in_words("1", "1\n9") == "line 2: expected nothing, got '9'"
    assert difference_in_words("1", "1 ") == "white space differs"
