"""A population: who breeds with whom by chance and score, and who takes whose place."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmopt.algorithms.evoprompt.founding import Population, founders
from llmopt.algorithms.evoprompt.population import DifferenceGroups, ReplaceIfBetter, Roulette
from llmopt.core.trajectory import Entry, Trajectory, rank
from llmopt.core.values import Candidate, Evaluation, Outcome
from llmopt.errors import ConfigError, UnknownNameError
from llmopt.parts.keep import Elitist
from llmopt.testing import scripted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from llmopt.core.part import Select


def entry(text: str, score: float | None, step: int = 0, *parents: str) -> Entry:
    ids = tuple(Candidate(parent).id for parent in parents)
    return Entry(Candidate(text, step, ids), Evaluation((Outcome("i", score),), 1))


def told(*steps: Sequence[Entry]) -> Trajectory:
    past = Trajectory()
    for entries in steps:
        past = past.tell(entries)
    return past


def starts(*scores: float) -> list[Entry]:
    return [entry(f"s{n}", score) for n, score in enumerate(scores)]


def groups(select: Select, past: Trajectory, current: Sequence[Entry], seed: int = 0) -> list[str]:
    found = asyncio.run(select(scripted.context(past, survivors=tuple(current), seed=seed)))
    assert all(group.base in (*group.shown[:1], None) for group in found)
    return [" ".join(entry.text for entry in group.shown) for group in found]


CONTEXT = scripted.context()
MAKES: list[Callable[[int], Select]] = [Roulette, DifferenceGroups]


@pytest.mark.parametrize("make", MAKES)
def test_the_first_step_fills_the_population_with_other_wordings(
    make: Callable[[int], Select],
) -> None:
    past = told(starts(0.2, 0.6))
    assert groups(make(5), past, past.best(5)) == ["s1", "s0", "s1"]


@pytest.mark.parametrize("make", MAKES)
def test_who_has_too_few_to_cross_is_reworded(make: Callable[[int], Select]) -> None:
    past = told(starts(0.2), [], [])
    assert groups(make(3), past, past.best(3)) == ["s0"] * 3


@pytest.mark.parametrize("make", MAKES)
def test_with_nobody_measured_there_is_one_empty_group(make: Callable[[int], Select]) -> None:
    past = told([entry("s", None)])
    assert groups(make(4), past, ()) == [""]


def test_the_parents_of_a_pair_differ_and_there_are_as_many_pairs_as_places() -> None:
    past = told(starts(0.1, 0.2, 0.9), [])
    pairs = groups(Roulette(7), past, past.best(3))
    assert len(pairs) == 7
    assert all(len(set(pair.split())) == 2 for pair in pairs)
    assert pairs == groups(Roulette(7), past, past.best(3))
    assert pairs != groups(Roulette(7), past, past.best(3), seed=1)


@pytest.mark.parametrize(
    ("scores", "first"),
    [
        ((0.1, 0.3, 0.6), (0.1, 0.3, 0.6)),
        ((0.0, 0.0, 0.0), (1 / 3, 1 / 3, 1 / 3)),
        ((-3.0, -2.0, 1.0), (0.0, 0.2, 0.8)),
    ],
)
def test_the_wheel_turns_by_the_score(scores: tuple[float, ...], first: tuple[float, ...]) -> None:
    past = told(starts(*scores), [])
    drawn = Counter(pair.split()[0] for pair in groups(Roulette(4000), past, past.best(3)))
    for n, share in enumerate(first):
        assert drawn[f"s{n}"] / 4000 == pytest.approx(share, abs=0.03)


def test_a_difference_group_is_base_two_others_and_the_best() -> None:
    past = told(starts(0.1, 0.2, 0.9, 0.5), [])
    found = [group.split() for group in groups(DifferenceGroups(4), past, past.best(4))]
    assert [base for base, *_ in found] == ["s2", "s3", "s1", "s0"]
    for base, first, second, best in found:
        assert len({base, first, second}) == 3
        assert best == "s2"


def kept(population: int, past: Trajectory) -> tuple[Entry, ...]:
    return ReplaceIfBetter(population)(replace(CONTEXT, trajectory=past))


def held(population: int, *steps: Sequence[Entry]) -> list[str]:
    return [entry.text for entry in kept(population, told(*steps))]


def test_a_child_takes_the_place_of_its_first_parent_if_it_is_better() -> None:
    first = starts(0.5, 0.4, 0.3)
    better, worse = entry("b", 0.45, 1, "s1", "s0"), entry("w", 0.2, 1, "s2", "s0")
    assert held(3, first, [better, worse]) == ["s0", "b", "s2"]


def test_an_equal_child_does_not_replace() -> None:
    assert held(1, starts(0.5), [entry("e", 0.5, 1, "s0")]) == ["s0"]


def test_the_best_starts_take_the_places_and_newcomers_the_free_ones() -> None:
    assert held(2, starts(0.1, 0.5, 0.3)) == ["s1", "s2"]
    assert held(3, starts(0.5), [entry("a", 0.1, 1, "s0"), entry("b", 0.7, 1, "s0")]) == [
        "b",
        "s0",
        "a",
    ]


def test_a_place_is_inherited_and_strangers_take_none() -> None:
    """A child of somebody who was replaced in the meantime competes with who holds the place."""
    first = starts(0.5)
    assert held(1, first, [entry("a", 0.6, 1, "s0"), entry("b", 0.7, 1, "s0")]) == ["b"]
    assert held(1, first, [entry("a", 0.8, 1, "s0"), entry("b", 0.7, 1, "s0")]) == ["a"]
    assert held(1, first, [entry("stranger", 0.9, 1)]) == ["s0"]


def test_a_place_is_taken_by_estimate_and_without_a_score_by_nobody() -> None:
    """Of 20 items, 2 right ones are no match for 0.9 of all, but 8 right ones are for 0.5."""
    parents = (Candidate("s0").id,)
    lucky = Entry(Candidate("lucky", 1, parents), Evaluation((Outcome("i", 1.0),) * 2, 20))
    solid = Entry(Candidate("solid", 1, parents), Evaluation((Outcome("i", 1.0),) * 8, 20))
    assert held(1, starts(0.96), [lucky, entry("poor", 0.1, 1)]) == ["s0"]
    assert held(1, starts(0.5), [solid, entry("poor", 0.1, 1)]) == ["solid"]
    assert held(2, starts(0.5), [entry("lost", None, 1, "s0")]) == ["s0"]


@given(
    st.lists(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 9)), max_size=6), max_size=6),
    st.integers(1, 5),
)
def test_no_place_ever_gets_worse(steps: list[list[tuple[float, int]]], population: int) -> None:
    past, known = told(starts(0.5, 0.2)), ["s0", "s1"]
    before = kept(population, past)
    for number, children in enumerate(steps, 1):
        made = [
            entry(f"c{number}.{n}", score, number, known[parent % len(known)])
            for n, (score, parent) in enumerate(children)
        ]
        past = past.tell(made)
        known += [child.text for child in made]
        after = kept(population, past)
        assert len(after) == min(population, max(len(before), len(past)))
        for old, new in zip(before, after, strict=False):
            assert rank(new) >= rank(old)
        assert list(after) == sorted(after, key=rank, reverse=True)
        before = after


@pytest.mark.parametrize(
    ("make", "size"), [(Roulette, 1), (DifferenceGroups, 2), (ReplaceIfBetter, 0), (Elitist, 0)]
)
def test_too_small_a_population_is_refused(make: Callable[[int], object], size: int) -> None:
    with pytest.raises(ConfigError, match=f"got {size}"):
        make(size)


# -- the options of the published code ------------------------------------------------------


def test_parents_may_be_drawn_at_random_or_by_tournaments() -> None:
    """The better of two wins a tournament, so the worst is never a first parent."""
    past = told(starts(0.9, 0.5, 0.1), [])
    current = past.best(3)
    for way in ("random", "tour"):
        pairs = [pair.split() for pair in groups(Roulette(40, way), past, current)]
        assert all(first != second for first, second in pairs)
        firsts = Counter(first for first, _ in pairs)
        assert (firsts["s2"] == 0) == (way == "tour")
    with pytest.raises(UnknownNameError, match="selection"):
        Roulette(selection="no")  # type: ignore[arg-type]  # what a user may write


def test_the_third_of_a_difference_group_may_be_a_random_other() -> None:
    past = told(starts(0.9, 0.7, 0.5, 0.3, 0.1), [])
    found = groups(DifferenceGroups(5, "random"), past, past.best(5))
    assert all(len(set(group.split())) == 4 for group in found)
    assert {group.split()[3] for group in found} != {"s0"}
    few = told(starts(0.9, 0.7, 0.5), [])
    assert all(
        len(group.split()) == 4 for group in groups(DifferenceGroups(3, "random"), few, few.best(3))
    )
    with pytest.raises(UnknownNameError, match="donor"):
        DifferenceGroups(donor="no")  # type: ignore[arg-type]  # what a user may write


def test_starts_found_a_population_from_the_top_the_bottom_or_at_random() -> None:
    ranked = starts(0.9, 0.7, 0.5, 0.3)
    names = {
        way: [one.text for one in founders(ranked, 2, way, 0)]
        for way in ("top", "bottom", "random", "para-top", "para-bottom", "para-random")
    }
    assert names["top"] == ["s0", "s1"]
    assert names["bottom"] == ["s2", "s3"]
    assert (names["para-top"], names["para-bottom"]) == (["s0"], ["s3"])
    assert (len(names["random"]), len(names["para-random"])) == (2, 1)
    drawn = {tuple(one.text for one in founders(ranked, 2, "random", seed)) for seed in range(20)}
    assert len(drawn) > 1
    with pytest.raises(UnknownNameError, match="initial"):
        ReplaceIfBetter(initial="no")  # type: ignore[arg-type]  # what a user may write


def test_who_did_not_found_a_population_stays_out_of_it() -> None:
    past = told(starts(0.9, 0.3, 0.1), [entry("child", 0.2, 1, "s1")])
    ctx = scripted.context(past)
    assert [one.text for one in Population(2, initial="bottom")(ctx)] == ["s1", "child"]
    held = ReplaceIfBetter(2, "bottom")(ctx)
    assert [one.text for one in held] == ["s1", "s2"]


def test_children_may_take_all_places_of_a_full_population() -> None:
    first = [entry("a", 0.2, 1, "s0"), entry("b", 0.1, 1, "s1")]
    past = told(starts(0.9, 0.8), first)
    assert [one.text for one in Population(2, "children")(scripted.context(past))] == ["a", "b"]
    fewer = told(starts(0.9, 0.8), first[:1])
    assert [one.text for one in Population(2, "children")(scripted.context(fewer))] == ["s0", "a"]
    filling = told(starts(0.9), first[:1])
    assert [one.text for one in Population(2, "children")(scripted.context(filling))] == ["s0", "a"]
    with pytest.raises(UnknownNameError, match="survivors"):
        Population(survivors="no")  # type: ignore[arg-type]  # what a user may write
    with pytest.raises(ConfigError, match="a population is 1 or more, but got 0"):
        Population(0)
