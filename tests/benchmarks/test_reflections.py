"""The repeated-reflection test finds what a model with known reflections does."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from llmopt.parts.similarity import Lexical

if TYPE_CHECKING:
    from types import ModuleType


def found_with(reflections: ModuleType, reads: float, wavers: float, *more: str) -> Any:
    """Return the change that is found of a model that reads and wavers as often as told."""
    own = reflections.options(["--rows", "60", "--times", "4", "--errors", "1", *more])
    model = reflections.scripted_model(reads, wavers)
    asked = reflections.problem("reviews", data_dir=None, scorer=model, rows=(own.rows, 2, 2))
    return asyncio.run(reflections.tested(asked, model, model, own))


@pytest.mark.parametrize(
    ("reads", "wavers", "same", "exchanged"),
    [
        (0.0, 0.0, 0.0, 0.0),  # always the same flaw
        (1.0, 0.0, 0.0, 1.0),  # always its errors
        (0.0, 1.0, 1.0, 1.0),  # something new each time
    ],
)
def test_what_a_model_does_is_found(
    reflections: ModuleType, reads: float, wavers: float, same: float, exchanged: float
) -> None:
    found = found_with(reflections, reads, wavers)
    assert set(found.same) == {same}
    assert set(found.exchanged) == {exchanged}
    assert dict(found.rows())["difference"] == tuple(
        other - one for other, one in zip(found.exchanged, found.same, strict=True)
    )


def test_a_model_that_reads_half_the_time_is_within_the_intervals(
    reflections: ModuleType,
) -> None:
    """Two reflections on the same errors differ in half of all cases, on others in 3 of 4."""
    found = found_with(reflections, 0.5, 0.0, "--pairs", "14")
    for shares, truth in ((found.same, 0.5), (found.exchanged, 0.75)):
        assert reflections.interval_of(shares).low <= truth <= reflections.interval_of(shares).high


def test_the_threshold_decides_what_differs(reflections: ModuleType) -> None:
    told = [(["a b c d", "a b c e"], ["a b x y", "a b x y"])] * 3
    at = [
        asyncio.run(reflections.change(told, Lexical("words"), threshold))
        for threshold in (0.4, 0.7, 0.8)
    ]
    assert [one.same[0] for one in at] == [0.0, 0.0, 0.5]
    assert [one.exchanged[0] for one in at] == [0.0, 1.0, 1.0]
    assert at[0].alike == pytest.approx((0.875, 0.5))


def test_groups_share_no_error(reflections: ModuleType) -> None:
    pairs = reflections.paired([*range(23)], 2, 12, 0)
    drawn = [error for pair in pairs for group in pair for error in group]
    assert len(pairs) == 5
    assert len(set(drawn)) == len(drawn) == 20
    assert pairs == reflections.paired([*range(23)], 2, 12, 0)
    assert pairs != reflections.paired([*range(23)], 2, 12, 1)


def test_too_few_errors_are_refused(reflections: ModuleType) -> None:
    with pytest.raises(ValueError, match="need 8 errors, but the start has 7"):
        reflections.paired([*range(7)], 2, 12, 0)


def test_where_all_agree_the_interval_is_no_point(reflections: ModuleType) -> None:
    for share in (0.0, 1.0):
        interval = reflections.interval_of([share] * 12)
        assert interval.high - interval.low > 0.2
    mixed = reflections.interval_of([0.0, 0.5, 1.0, 0.5])
    assert mixed.low < 0.5 < mixed.high


def test_the_command_prints_a_table(
    reflections: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    asyncio.run(reflections.main(["--rows", "40", "--times", "2", "--reads", "1", "--show"]))
    said = capsys.readouterr().out
    assert "errors exchanged    100.0%" in said
    assert "0 A: " in said
    assert np.all([name in said for name in ("the same errors", "difference", "mean similarity")])
