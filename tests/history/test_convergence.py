"""Steps to the optimum, solutions tried and gaps follow from the trajectory alone."""

from __future__ import annotations

import csv
import json
from dataclasses import asdict
from statistics import fmean, stdev
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from llmopt.core.presentation import Presentation
from llmopt.core.trajectory import Entry, Trajectory
from llmopt.core.values import Candidate, Evaluation, Outcome
from llmopt.evidence.convergence import (
    Converged,
    Course,
    course_of,
    flat,
    lines_of,
    notes,
    points_of,
    spread,
)
from llmopt.integrations.csv_table import write_csv
from llmopt.terminal.convergence_table import print_convergence
from llmopt.testing import scripted

if TYPE_CHECKING:
    from pathlib import Path

SCORES = st.lists(st.lists(st.one_of(st.none(), st.integers(-9, 0)), max_size=4), min_size=1)


def told(*steps: list[float | None]) -> Trajectory:
    trajectory, number = Trajectory(), 0
    for step, scores in enumerate(steps):
        entries = []
        for score in scores:
            number += 1
            outcome = Outcome("value", score)
            entries.append(Entry(Candidate(str(number), step), Evaluation((outcome,), 1)))
        trajectory = trajectory.tell(entries)
    return trajectory


def course(*steps: list[float | None]) -> Course:
    """Return the course of a search on a problem whose optimum is 0 and whose values are losses."""
    return course_of(scripted.numbers(), told(*steps))


def test_a_course_is_its_new_bests() -> None:
    found = course([-9.0, -5.0], [-7.0, None], [], [-5.0, -2.0, -3.0, 0.0])
    assert found.path == ((0, 1, -9.0), (0, 2, -5.0), (3, 6, -2.0), (3, 8, 0.0))
    assert (found.steps, found.tried, found.starts) == (3, 8, 2)
    assert (found.solved, found.optimum) == (3, 0.0)


def test_an_optimum_among_the_starts_took_no_step() -> None:
    assert course([0.0], [-1.0]).solved == 0


def test_an_optimum_that_nobody_found_took_no_number_of_steps() -> None:
    assert course([-1.0], [-0.5]).solved is None
    assert course_of(scripted.problem(), told([1.0])).solved is None


def test_what_rounding_keeps_off_the_optimum_is_the_optimum() -> None:
    off = 0.1 + 0.2 - 0.3
    assert Course(((0, 1, -100 - off),), 0, 1, 1, optimum=-100.0).solved == 0
    assert Course(((0, 1, -100.001),), 0, 1, 1, optimum=-100.0).solved is None


def test_a_gap_is_a_share_of_the_optimum() -> None:
    found = Course(((0, 1, -150.0), (2, 5, -110.0)), 2, 9, 1, optimum=-100.0)
    assert found.gap == pytest.approx(0.1)
    assert found.gap_after(4) == pytest.approx(0.5)
    assert found.gap_after(5) == pytest.approx(0.1)
    assert found.gap_after(0) is None
    assert Course(found.path, 2, 9, 1, optimum=0.0).gap is None


@given(SCORES)
def test_the_path_is_the_best_so_far(steps: list[list[float | None]]) -> None:
    found = course(*steps)
    for step in range(len(steps)):
        known = [s for scores in steps[: step + 1] for s in scores if s is not None]
        assert found.best_at(step) == max(known, default=None)


@given(SCORES)
def test_a_course_survives_the_journal(steps: list[list[float | None]]) -> None:
    found = course(*steps)
    assert Course.plain(json.loads(json.dumps(asdict(found)))) == found


def cells() -> list[Converged]:
    def one(variant: str, seed: str, *path: tuple[int, int, float]) -> Converged:
        steps, tried = path[-1][0] + 1, path[-1][1] + 2
        made = Course(tuple(path), steps, tried, 1, optimum=-100.0)
        return Converged(variant, "n=10", seed, made, Presentation(higher_is_better=False))

    return [
        one("model", "0", (0, 1, -300.0), (2, 4, -100.0)),
        one("random", "0", (0, 1, -300.0), (3, 6, -150.0), (9, 20, -100.0)),
        one("model", "1", (0, 1, -200.0), (4, 10, -100.0)),
        one("random", "1", (0, 1, -200.0), (8, 30, -180.0)),
    ]


def test_a_line_is_the_mean_over_the_repetitions() -> None:
    model, random = lines_of(cells())
    assert (model.variant, model.cells, model.solved) == ("model", 2, 2)
    assert model.steps == spread([2, 4])
    assert (model.tried.mean, model.tried.n) == (fmean([5, 11]), 2)
    assert model.gap == spread([0.0, 0.0])
    assert (random.solved, random.steps) == (1, spread([9]))
    assert random.best == spread([-100.0, -180.0])


def test_a_spread_is_the_sample_standard_deviation() -> None:
    found = spread([2, 4, 9])
    assert found is not None
    assert (found.mean, found.n) == (5, 3)
    assert found.sd == pytest.approx(stdev([2, 4, 9]))
    assert found.error == pytest.approx(stdev([2, 4, 9]) / 3**0.5)
    assert spread([]) is None


def test_at_level_all_have_tried_as_many_as_the_first() -> None:
    """The model tried 6 and 12, by which random search had -150 and -200."""
    model, random = lines_of(cells())
    assert model.level_gap == model.gap
    assert random.level_gap is not None
    assert random.level_gap.mean == pytest.approx(fmean([0.5, 1.0]))
    assert random.gap is not None
    assert random.gap.mean == pytest.approx(fmean([0.0, 0.8]))


def test_a_search_that_ended_keeps_its_best() -> None:
    points = {(p.variant, p.step): p.best.mean for p in points_of(cells())}
    assert points["model", 10] == -100
    assert points["random", 5] == fmean([-150, -200])
    assert {step for _, step in points} == {0, 1, 2, 5, 10}


def test_the_table_is_in_the_direction_of_the_problem() -> None:
    console = Console(width=160, record=True, force_terminal=False)
    with console.capture() as printed:
        print_convergence(console, cells())
    text = printed.get()
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert "n=10 model 3.0 ± 1.4 (2) 8.0 ± 4.2 0.0 ± 0.0 0.0 ± 0.0 100" in lines
    assert "random 9.0 (1) 26.0 ± 7.1 40.0 ± 40.0 75.0 ± 25.0 140" in lines
    assert "step model random" in lines
    assert "2 150 ± 70.7 250 ± 70.7" in lines
    assert "10 100 ± 0 140 ± 56.6" in lines


def test_one_search_says_nothing_about_the_spread() -> None:
    assert any("One search" in note for note in notes(lines_of(cells()[:2])))
    assert not any("One search" in note for note in notes(lines_of(cells())))


def test_where_no_optimum_is_known_it_is_said_how_to_know_it() -> None:
    found = lines_of([Converged("model", "", "0", Course(((0, 1, -5.0),), 0, 1, 1))])
    assert (found[0].solved, found[0].gap) == (None, None)
    assert any("llms-as-optimizers[exact]" in note for note in notes(found))
    assert not any("llms-as-optimizers[exact]" in note for note in notes(lines_of(cells())))


def test_the_table_is_written_as_csv(tmp_path: Path) -> None:
    write_csv(tmp_path / "table.csv", map(flat, lines_of(cells())))
    with (tmp_path / "table.csv").open(encoding="utf-8", newline="") as file:
        first, second = csv.DictReader(file)
    assert (first["variant"], first["steps"], first["solved"]) == ("model", "3.0", "2")
    assert (second["steps_sd"], float(second["level_gap"])) == ("", 0.75)
