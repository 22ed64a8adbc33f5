"""The gate, the fronts and the rows of GEPA."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from llmopt.algorithms.gepa import gepa
from llmopt.algorithms.gepa.acceptance import AcceptanceGate, looks
from llmopt.algorithms.gepa.row_fronts import CandidatePool, ParetoDraw, front_counts
from llmopt.algorithms.gepa.tracked_rows import TrackedRows
from llmopt.core.trajectory import Entry, Trajectory
from llmopt.core.values import Candidate, Evaluation, Item, Outcome, digest
from llmopt.errors import ConfigError
from llmopt.testing import scripted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from llmopt.algorithms.gepa.acceptance import GateName

ROWS = tuple(Item(str(n), f"row {n}", "yes") for n in range(60))


def entry(text: str, *scores: float, parents: tuple[str, ...] = (), planned: int = 0) -> Entry:
    outcomes = tuple(Outcome(str(n), score) for n, score in enumerate(scores))
    return Entry(
        Candidate(text, int(bool(parents)), parents), Evaluation(outcomes, planned or len(scores))
    )


def tried(
    gate: AcceptanceGate, right: Callable[[int], bool], *, seed: int = 0
) -> tuple[Evaluation, list[int]]:
    """Return the evaluation of a child of a parent that gets every second row right."""
    start = entry("start", *(float(n % 2) for n in range(len(ROWS))))
    asked: list[int] = []

    async def measure(jobs: Sequence[tuple[Candidate, Item]]) -> list[Outcome]:
        asked.extend(int(item.id) for one, item in jobs if one.text == "child")
        return [Outcome(item.id, float(right(int(item.id)))) for _, item in jobs]

    ctx = scripted.context(Trajectory().tell([start]), seed=seed)
    child = Candidate("child", 1, (start.candidate.id,))
    (found,) = asyncio.run(gate(ctx, [child], ROWS, measure))
    return found, asked


@pytest.mark.parametrize("gate", ["sequential", "strict"])
def test_a_child_that_gains_everywhere_is_measured_on_every_row(gate: GateName) -> None:
    found, asked = tried(AcceptanceGate(gate=gate), lambda _: True)
    assert sorted(asked) == list(range(60))
    assert found.whole
    assert [outcome.item for outcome in found.outcomes] == [item.id for item in ROWS]


@pytest.mark.parametrize("gate", ["sequential", "strict"])
def test_a_child_that_gains_nothing_where_it_was_written_stops_there(gate: GateName) -> None:
    found, asked = tried(AcceptanceGate(gate=gate), lambda n: n % 2 == 1)
    assert len(asked) == 3
    assert all(n % 2 == 0 for n in asked)
    assert found.partial


def test_the_published_gate_accepts_what_the_sequential_test_rejects() -> None:
    """A child that is another draw of the same luck."""
    sequential = strict = 0
    for seed in range(60):

        def luck(row: int, seed: int = seed) -> bool:
            return int(digest(f"{seed} {row}")[:4], 16) % 2 == 0

        sequential += not tried(AcceptanceGate(), luck, seed=seed)[0].partial
        strict += not tried(AcceptanceGate(gate="strict"), luck, seed=seed)[0].partial
    assert strict > 40
    assert sequential <= 6


def test_a_rejected_child_is_never_complete_and_leaves_the_pool() -> None:
    for seed in range(20):
        found, _ = tried(AcceptanceGate(futility=0), lambda n: n % 2 == 0, seed=seed)
        assert len(found.outcomes) < found.planned
    trajectory = Trajectory().tell([entry("a", 1, 0)]).tell([entry("b", 1, planned=2)])
    pool = CandidatePool()(scripted.context(trajectory))
    assert [one.text for one in pool] == ["a"]


def test_rows_apart_are_shown_and_tracked_rows_are_measured() -> None:
    rows = TrackedRows(3, 0.5)
    apart, kept = rows.apart(ROWS), rows.kept(ROWS)
    assert (len(apart), len(kept)) == (30, 30)
    assert not {item.id for item in apart} & {item.id for item in kept}
    start = entry("start", 0)
    steps = [rows.shown(ROWS, 7, step, start) for step in range(1, 11)]
    assert Counter(item.id for some in steps for item in some) == dict.fromkeys(
        (item.id for item in apart), 1
    )
    found, asked = tried(AcceptanceGate(rows), lambda _: True)
    assert found.whole
    assert len(asked) == 33


def test_looks_double_up_to_the_last_row() -> None:
    assert looks(100) == (8, 16, 32, 64, 100)
    assert looks(8) == (8,)
    assert looks(5) == (5,)


def test_fronts_leave_out_what_others_cover() -> None:
    best, covered, special = entry("a", 1, 1, 0, 1), entry("b", 1, 0, 0, 0), entry("c", 0, 0, 1, 0)
    assert front_counts([best, covered, special]) == {0: 3, 2: 1}


async def test_parents_are_drawn_by_the_rows_on_which_they_are_best() -> None:
    many, one = entry("a", 1, 1, 1, 0), entry("b", 0, 0, 0, 1)
    drawn: Counter[str] = Counter()
    for seed in range(200):
        ctx = scripted.context(Trajectory().tell([many, one]), seed=seed)
        (group,) = await ParetoDraw(selection="pareto")(
            scripted.context(ctx.trajectory, seed=seed, survivors=(many, one))
        )
        assert group.base
        drawn[group.base.text] += 1
    assert 125 < drawn["a"] < 175


async def test_what_the_best_surely_beats_is_not_drawn() -> None:
    good, poor = entry("good", *[1.0] * 19, 0), entry("poor", *[0.0] * 19, 1)
    for seed in range(40):
        ctx = scripted.context(Trajectory().tell([good, poor]), seed=seed, survivors=(good, poor))
        (group,) = await ParetoDraw()(ctx)
        assert group.base is good


@pytest.mark.parametrize(
    "options",
    [
        {"rows": 0},
        {"tracked": 0.0},
        {"gate": "loose"},
        {"error": 0.0},
        {"futility": 1.0},
        {"selection": "worst"},
        {"parents": 0},
        {"clip": 0},
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="got"):
        gepa(**options)  # type: ignore[arg-type] # that is the point


def test_too_few_rows_for_the_test_are_refused() -> None:
    few = scripted.problem(20, (6, 4, 10))
    with pytest.raises(ConfigError, match="give more rows"):
        gepa().check(few, scripted.model())
    gepa(gate="strict").check(few, scripted.model())
