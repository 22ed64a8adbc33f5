"""Counts, amounts, durations and p-values as people read them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from llmopt.core.formatting import (
    about,
    capped,
    clock,
    counted,
    dollars,
    duration,
    limit,
    p_equals,
    p_value,
    pace,
    rounded,
    short,
    spark,
    spent,
)


def test_things_are_counted_in_words() -> None:
    assert [counted(1, "step"), counted(1_200, "step")] == ["1 step", "1,200 steps"]
    assert [counted(1, "reply", "replies"), counted(0, "reply", "replies")] == [
        "1 reply",
        "0 replies",
    ]


def test_p_values_are_not_told_apart_below_what_is_shown() -> None:
    assert [p_value(0.04321), p_value(0.0001), p_value(0.00009)] == ["0.0432", "0.0001", "< 0.0001"]
    assert p_value(0, blank="_") == "<_0.0001"
    assert [p_equals(0.04321), p_equals(0)] == ["= 0.0432", "< 0.0001"]


def test_durations_and_rates() -> None:
    assert [clock(0.4), clock(75), clock(3_675)] == ["0:00", "1:15", "1:01:15"]
    assert [about(8.4), about(63), about(3_675)] == ["about 0:08", "about 1:05", "about 1:01:00"]
    assert [duration(0), duration(0.2), duration(59)] == ["0 s", "1 s", "59 s"]
    assert [duration(150), duration(5_400), duration(None)] == ["2 min", "1.5 h", "unknown"]
    assert [pace(24.13), pace(0.25)] == ["24.1/s", "15.0/min"]


def test_counts_and_money() -> None:
    assert [short(9_999), short(12_345), short(999_999)] == ["9,999", "12.3k", "1M"]
    assert [rounded(950), rounded(1_234), rounded(34_400_000)] == ["950", "1.2k", "34M"]
    assert [dollars(0), dollars(0.0123), dollars(1234.5)] == ["0", "0.012", "1,234.50"]
    assert dollars(None) == "unknown"
    assert [spent("usd", 0.0123, 5), spent("usd", 1.5)] == ["$0.012/$5", "$1.50"]
    assert [spent("tokens", 5, 10), spent("seconds", 75)] == ["5/10 tokens", "1:15"]
    assert [capped("calls", 1), capped("usd", 0.35)] == ["1 call", "$0.35"]
    assert [limit("calls", 1_200), limit("usd", 0.123456)] == ["1,200 calls", "$0.123456"]


def test_a_curve_needs_two_different_points() -> None:
    assert [spark([0.5]), spark([0.5, 0.5]), spark([0.0, 0.5, 1.0])] == ["", "", "▁▅█"]


@given(st.floats(0, 1e12))
def test_a_short_count_is_short(count: float) -> None:
    assert len(short(count)) <= 6
