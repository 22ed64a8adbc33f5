"""When a search is over: what is reached counts, and one less does not."""

from __future__ import annotations

import pytest

from llmopt.engine.stop import Stop
from llmopt.errors import ConfigError

STATE = {"done": 3, "best": 0.5, "idle": 0, "stale": 0}


@pytest.mark.parametrize(
    ("stop", "state", "why"),
    [
        (Stop(steps=4), {}, ""),
        (Stop(steps=3), {}, "steps done"),
        (Stop(steps=9, target=0.5), {}, "target reached"),
        (Stop(steps=9, target=0.51), {}, ""),
        (Stop(steps=9, target=0.5), {"best": None}, ""),
        (Stop(steps=9, target=0.5), {"done": -1}, ""),
        (Stop(steps=9, patience=2), {"idle": 1}, ""),
        (Stop(steps=9, patience=2), {"idle": 2}, "no better score in 2 steps"),
        (Stop(steps=9), {"idle": 99, "stale": 99}, ""),
        (Stop(steps=9, validation_patience=2), {"stale": 1}, ""),
        (
            Stop(steps=9, validation_patience=2),
            {"stale": 2},
            "no better validation score in 2 validations",
        ),
    ],
)
def test_a_search_is_over_when_a_limit_is_reached(
    stop: Stop, state: dict[str, float | None], why: str
) -> None:
    assert stop.why(**{**STATE, **state}) == why  # type: ignore[arg-type] # of mixed types


@pytest.mark.parametrize("option", ["steps", "patience", "validation_patience"])
def test_what_is_below_0_is_refused(option: str) -> None:
    with pytest.raises(ConfigError, match="but got -1"):
        Stop(**{option: -1})
