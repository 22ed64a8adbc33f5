"""Rows that are put aside before a data set is split."""

from __future__ import annotations

import pytest

from llmopt.core.values import Item
from llmopt.errors import ConfigError, DataError
from llmopt.problems.data.splits import put_aside, split
from llmopt.problems.prompt.prompt_problem import PromptProblem

ITEMS = tuple(Item(str(n), f"Question {n}?", "yes" if n % 2 else "no") for n in range(100))
ROWS = [{"input": item.input, "target": item.target} for item in ITEMS]


def inputs(items: tuple[Item, ...]) -> set[str]:
    return {item.input for item in items}


@pytest.mark.parametrize(("vault", "size"), [(0.2, 20), (0.29, 29), (7, 7), (2, 2)])
def test_a_share_or_a_number_of_rows_is_put_aside(vault: float, size: int) -> None:
    aside, others = put_aside(ITEMS, vault)
    assert (len(aside), len(others)) == (size, 100 - size)
    assert inputs(aside) | inputs(others) == inputs(ITEMS)


def test_it_is_the_same_whatever_the_seed_and_the_order_are() -> None:
    found = [
        inputs(split(items, seed=seed, vault=0.2).vault)
        for seed, items in ((0, ITEMS), (1, ITEMS), (0, ITEMS[::-1]))
    ]
    assert found[0] == found[1] == found[2]


def test_rows_that_are_added_change_little_of_it() -> None:
    more = tuple(Item(f"new {n}", f"Another question {n}?", "no") for n in range(10))
    before, after = put_aside(ITEMS, 0.2)[0], put_aside((*ITEMS, *more), 0.2)[0]
    assert len(inputs(before) & inputs(after)) >= 17


def test_sizes_are_of_what_is_left() -> None:
    made = split(ITEMS, vault=0.2)
    sizes = (len(made.train), len(made.validation), len(made.test), len(made.vault))
    assert sizes == (20, 20, 40, 20)
    assert repr(made) == "Splits(train=20, validation=20, test=40, vault=20)"


def test_equal_inputs_stay_together() -> None:
    items = tuple(Item(str(n), f"question {n // 4}", "yes") for n in range(100))
    aside, others = put_aside(items, 0.2)
    assert len(aside) == 20
    assert not inputs(aside) & inputs(others)


def test_without_a_vault_nothing_changes() -> None:
    plain = PromptProblem.from_rows(ROWS)
    assert put_aside(ITEMS, 0) == ((), ITEMS)
    assert plain.vault() == ()
    assert "vault" not in plain.fingerprint
    assert plain.fingerprint == PromptProblem.from_rows(ROWS, vault=0).fingerprint


@pytest.mark.parametrize("vault", [-1, -0.1, 1.0, 1.5, float("nan"), float("inf")])
def test_an_impossible_vault_is_refused(vault: float) -> None:
    with pytest.raises(ConfigError, match="a share of the rows below 1, or a number of rows"):
        put_aside(ITEMS, vault)


@pytest.mark.parametrize("vault", [1, 0.004, 97, 0.98, 200])
def test_a_vault_that_leaves_too_little_is_refused(vault: float) -> None:
    with pytest.raises(DataError, match="at least 2 rows and leaves 4"):
        put_aside(ITEMS, vault)


def test_its_rows_are_checked_with_the_others() -> None:
    """A class that only the vault has is a class, so its rows can be right."""
    rows = [*ROWS[:50], *({"input": f"Other {n}", "target": "maybe"} for n in range(30))]
    made = PromptProblem.from_rows(rows, vault=0.3)
    assert set(made.metric.labels) == {"yes", "no", "maybe"}
