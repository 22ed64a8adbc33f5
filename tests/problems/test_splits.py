"""Truths about splits: disjoint, seeded, stratified down to their prefixes."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmopt.core.values import Evaluation, Item, Outcome
from llmopt.errors import ConfigError, DataError
from llmopt.problems.data.splits import (
    Splits,
    balance,
    check_disjoint,
    split,
)


def items(*targets: str) -> tuple[Item, ...]:
    return tuple(Item(f"i{n}", f"input {n}", target) for n, target in enumerate(targets))


def two_classes(n: int) -> tuple[Item, ...]:
    return items(*["yes", "no"] * (n // 2))


def shares(part: tuple[Item, ...]) -> Counter[str]:
    return Counter(item.target for item in part)


def test_default_fractions_are_a_quarter_a_quarter_and_a_half() -> None:
    splits = split(two_classes(100))
    assert [len(part) for part in (splits.train, splits.validation, splits.test)] == [25, 25, 50]


def test_counts_are_kept_and_the_rest_is_in_no_part() -> None:
    splits = split(two_classes(100), sizes=(10, 0, 21))
    assert [len(part) for part in (splits.train, splits.validation, splits.test)] == [10, 0, 21]


def test_fractions_are_the_decimals_that_were_written() -> None:
    splits = split(two_classes(10), sizes=(0.2, 0.1, 0.7))
    assert [len(part) for part in (splits.train, splits.validation, splits.test)] == [2, 1, 7]


@given(
    st.lists(st.sampled_from("abc"), min_size=8, max_size=60),
    st.lists(st.integers(0, 30), min_size=60, max_size=60),
    st.integers(0, 2**32 - 1),
    st.booleans(),
)
def test_parts_are_disjoint_complete_and_seeded(
    targets: list[str], inputs: list[int], seed: int, stratify: bool
) -> None:
    """Whatever repeats, no input is on two sides, and no item is lost or doubled."""
    data = tuple(
        Item(f"{n}", f"Input  {i}" if n % 2 else f"input {i}", target)
        for n, (target, i) in enumerate(zip(targets, inputs, strict=False))
    )
    try:
        splits = split(data, seed=seed, stratify=stratify)
    except DataError as error:
        assert "distinct inputs" in str(error)  # noqa: PT017  # most draws do not raise
        return
    check_disjoint(splits)
    together = [*splits.train, *splits.validation, *splits.test]
    assert sorted(together, key=lambda i: i.id) == sorted(data, key=lambda i: i.id)
    assert splits == split(data, seed=seed, stratify=stratify)
    assert len(splits.train) <= len(data) / 4 + 1


def test_seeds_differ() -> None:
    data = two_classes(100)
    assert split(data, seed=1) != split(data, seed=2)
    assert split(data, seed=1, stratify=False) != split(data, seed=2, stratify=False)


@given(st.integers(0, 2**32 - 1), st.integers(10, 60), st.integers(10, 60))
def test_every_prefix_of_every_part_has_the_classes_in_their_shares(
    seed: int, yes: int, no: int
) -> None:
    splits = split(items(*["yes"] * yes, *["no"] * no), seed=seed)
    for part in (splits.train, splits.validation, splits.test):
        for end in range(1, len(part) + 1):
            expected = end * yes / (yes + no)
            assert abs(shares(part[:end])["yes"] - expected) <= 1.5


def test_many_or_rare_targets_are_not_stratified() -> None:
    """Free answers, and a class rarer than there are parts, are shuffled as one."""
    free = items(*(str(n) for n in range(40)))
    assert len(split(free).train) == 10
    rare = items(*["yes"] * 30, *["no"] * 9, "maybe")
    assert split(rare, seed=4) == split(rare, seed=4, stratify=False)


def test_repeated_inputs_stay_together_even_with_other_targets() -> None:
    data = (
        *two_classes(20),
        Item("x", "Same  Input", "yes"),
        Item("y", "same input\n", "no"),
    )
    for seed in range(20):
        splits = split(data, seed=seed)
        for part in (splits.train, splits.validation, splits.test):
            assert {item.id for item in part} & {"x", "y"} in (set(), {"x", "y"})


@pytest.mark.parametrize(
    ("n", "sizes", "message"),
    [
        (5, (0.25, 0.25, 0.5), "5 rows split .* too few; 8 rows are enough"),
        (0, (0.25, 0.25, 0.5), "0 rows split .* too few; 8 rows are enough"),
        (29, (0.05, 0.0, 0.95), "29 rows split .* too few; 40 rows are enough"),
        (9, (4, 2, 4), "need 10 rows, but the data set has 9"),
    ],
)
def test_too_few_rows_are_counted(n: int, sizes: tuple[float, float, float], message: str) -> None:
    with pytest.raises(DataError, match=message):
        split(items(*["yes"] * n), sizes=sizes)


def test_the_number_of_rows_asked_for_is_enough() -> None:
    split(two_classes(8))
    split(two_classes(40), sizes=(0.05, 0.0, 0.95))
    split(two_classes(10), sizes=(4, 2, 4))


def test_copies_of_one_row_cannot_be_split() -> None:
    with pytest.raises(DataError, match="only 1 distinct inputs"):
        split([Item(f"{n}", "same", "yes") for n in range(50)])


@pytest.mark.parametrize(
    "sizes",
    [
        (0.5, 0.3, 0.3),
        (-0.1, 0.5, 0.5),
        (0.0, 0.5, 0.5),
        (0.5, 0.5, 0.0),
        (1, 1, 5),
        (float("nan"), 0.5, 0.5),
    ],
)
def test_sizes_are_checked(sizes: tuple[float, float, float]) -> None:
    with pytest.raises(ConfigError, match="but got"):
        split(two_classes(100), sizes=sizes)


def test_a_shared_input_is_named_with_both_splits() -> None:
    splits = Splits(
        (Item("a", "The Film  is good " + "x" * 100, "yes"),),
        (),
        (Item("b", "the film is GOOD " + "x" * 100, "no"),),
    )
    with pytest.raises(DataError, match=r"train and test both have 'the film is GOOD x+…'"):
        check_disjoint(splits)


def test_repetitions_inside_one_split_are_allowed() -> None:
    check_disjoint(Splits((Item("a", "x"), Item("b", "x")), (), (Item("c", "y"),)))


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), min_size=1, max_size=30))
def test_balanced_weights_make_the_mean_balanced_accuracy(pairs: list[tuple[str, bool]]) -> None:
    weighted = balance(items(*(target for target, _ in pairs)))
    scores = [float(right) for _, right in pairs]
    outcomes = tuple(
        Outcome(item.id, score, weight=item.weight)
        for item, score in zip(weighted, scores, strict=True)
    )
    recalls = []
    for name in {target for target, _ in pairs}:
        members = [right for target, right in pairs if target == name]
        recalls.append(sum(members) / len(members))
    expected = sum(recalls) / len(recalls)
    assert Evaluation(outcomes, len(outcomes)).score == pytest.approx(expected)
    assert sum(item.weight for item in weighted) == pytest.approx(len(weighted))


def test_classes_differ_in_more_than_case() -> None:
    assert [item.weight for item in balance(items("Yes", "yes ", "no"))] == [0.75, 0.75, 1.5]
    assert balance([]) == ()
