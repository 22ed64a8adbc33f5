"""Tests by betting: they hold at all times, and find what is there."""

from __future__ import annotations

import numpy as np
import pytest

from llmopt.statistics.always_valid import (
    ERROR,
    REFERENCE,
    change_since,
    log_bets,
    log_capital,
    log_price,
)


def test_the_shares_of_all_starts_are_within_the_error() -> None:
    shares = np.exp([-log_price(number) for number in range(20_000)])
    assert shares.sum() < ERROR - REFERENCE
    assert np.all(np.diff(shares) < 0)


def test_the_mean_capital_is_one_where_nothing_changes() -> None:
    changes = np.array([-1.0, 0.0, 1.0])
    assert np.exp(log_bets(changes, 0.0)).mean(axis=0) == pytest.approx(1)
    assert np.all(np.exp(log_bets(changes, 0.1)).mean(axis=0) < 1)
    assert np.exp(log_bets(np.array([-1.0, 0.0, 1.0]), 0.0, 0.0)).min() > 0


def test_a_fall_that_is_not_there_is_seldom_found_at_any_time() -> None:
    random = np.random.RandomState(1)
    for noise in (0.02, 0.2, 0.5):
        moved = random.random_sample((400, 2000)) < noise
        changes = np.where(moved, random.choice([-1.0, 1.0], (400, 2000)), 0.0)
        capital = log_capital(log_bets(changes, 0.0).cumsum(axis=1))
        assert np.mean(capital.max(axis=1) >= log_price(0)) <= ERROR


def test_looks_with_every_new_block_and_start_seldom_err() -> None:
    random = np.random.RandomState(2)
    wrong = 0
    for _ in range(60):
        changes = random.choice([-1.0, 0.0, 0.0, 1.0], 600).tolist()
        ends = range(100, 601, 100)
        found = [change_since(changes[:n], [0.0] * n, tuple(range(0, n, 100))) for n in ends]
        wrong += any(one.fallen for one in found)
    assert wrong / 60 <= ERROR


def test_a_prompt_that_breaks_is_found_and_its_interval_agrees() -> None:
    found = change_since([0.0] * 20 + [-1.0] * 10, [0.0] * 30, least=0.05)
    assert found.fallen
    assert found.n == 30
    assert found.mean == pytest.approx(-1 / 3)
    assert -1 <= found.interval.low < found.mean < found.interval.high < 0


def test_a_late_fall_is_found_from_a_later_start() -> None:
    changes = [0.5, -0.5] * 300 + [-0.5] * 40
    found = change_since(changes, [0.0] * len(changes), tuple(range(0, 640, 100)), 0.05)
    assert (found.fallen, found.start) == (True, 600)


def test_a_fall_that_is_shown_to_be_small_is_none() -> None:
    changes = ([0.0] * 49 + [-1.0]) * 80
    assert change_since(changes, [0.0] * 4000, least=0.01).fallen
    found = change_since(changes, [0.0] * 4000, least=0.2)
    assert not found.fallen
    assert -0.2 < found.interval.low <= found.interval.high < 0


def test_the_luck_of_the_reference_must_be_exceeded() -> None:
    changes = [0.0] * 40 + [-1.0] * 8
    assert change_since(changes, [0.0] * 48).fallen
    wide = change_since(changes, [0.2] * 48)
    assert not wide.fallen
    assert wide.interval.high > 0


def test_a_rise_is_the_mirror_of_a_fall() -> None:
    changes = [0.0] * 20 + [1.0] * 10
    rise, fall = (change_since([sign * c for c in changes], [0.0] * 30) for sign in (1, -1))
    assert (rise.risen, rise.fallen, fall.risen, fall.fallen) == (True, False, False, True)
    assert rise.interval.low == pytest.approx(-fall.interval.high)


@pytest.mark.parametrize(
    ("changes", "starts"), [([], (0,)), ([2.0], (0,)), ([0.5], (1,)), ([0.5, 0.5], (0, 0))]
)
def test_arguments_out_of_range_are_refused(changes: list[float], starts: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="changes"):
        change_since(changes, [0.0] * len(changes), starts)
