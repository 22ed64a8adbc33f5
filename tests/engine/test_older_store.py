"""A store that the released state b3d7e93 made can be read, and its runs go on where they can.

It holds ``words`` (OPRO on prompts, finished, with its control), ``cut`` (GPO, interrupted in its
second step), ``lengths`` and ``line`` (functions whose values are lowered) and ``by-hand`` (a
method with a part that is no dataclass, so that nothing says what it was).
"""

from __future__ import annotations

import gzip
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

import llmopt
from llmopt.cli import main
from llmopt.core.presentation import ACCURACY, Presentation
from llmopt.engine.header import RunHeader
from llmopt.engine.journal import steps
from llmopt.errors import StoreError
from llmopt.history.compare import compared_runs
from llmopt.history.document import record
from llmopt.history.listing import listed
from llmopt.problems.numeric.regression import linear_regression
from llmopt.store import open_store
from llmopt.testing import scripted
from llmopt.web.pages.run_page import page

if TYPE_CHECKING:
    from llmopt.core.algorithm import Algorithm
    from llmopt.core.part import StepContext
    from llmopt.core.problem import Problem
    from llmopt.core.trajectory import Entry
    from llmopt.evidence.result import Result

OLDER = Path(__file__).with_name("older") / "b3d7e93.sqlite.gz"
LOWERED = Presentation(higher_is_better=False)


@pytest.fixture
def older(tmp_path: Path) -> Path:
    path = tmp_path / "older.sqlite"
    path.write_bytes(gzip.decompress(OLDER.read_bytes()))
    return path


def words() -> Problem:
    return replace(scripted.problem(16, (6, 4, 6)), scorer=scripted.model())


def lengths() -> Problem:
    def length(text: str) -> float:
        return float(len(text))

    length.__qualname__ = "length"
    seeds = ["a long text", "text"]
    return llmopt.FunctionProblem(length, describe="A short text.", seeds=seeds, minimize=True)


class Recent:
    """Keeps the last three."""

    def __call__(self, ctx: StepContext) -> tuple[Entry, ...]:
        """Return them."""
        return tuple(ctx.trajectory)[-3:]


OPRO = llmopt.opro(samples=2)
RUNS: dict[str, tuple[Problem, Algorithm | str]] = {
    "words": (words(), llmopt.opro(samples=2, exemplars=1)),
    "cut": (words(), llmopt.gpo(samples=2)),
    "lengths": (lengths(), OPRO),
    "line": (linear_regression(), "random-search"),
    "by-hand": (lengths(), replace(OPRO, name="mother's", keep=Recent())),
}


def done(name: str, store: Path, steps: int, **changed: Any) -> Result:
    problem, algorithm = RUNS[name]
    given: dict[str, Any] = {"algorithm": algorithm, "controls": (), **changed}
    return llmopt.optimize(
        problem,
        optimizer=scripted.model(),
        name=name,
        store=store,
        steps=steps,
        progress=False,
        **given,
    )


def test_every_run_says_how_it_is_shown(older: Path) -> None:
    with closing(open_store(older)) as store:
        headers = {info.name: RunHeader.of(store.config(info.name)) for info in store.runs()}
        best = {one.info.name: one.best for one in listed(store)}
    assert {name: header.algorithm for name, header in headers.items()} == {
        "words": "opro",
        "words-control": "sampling",
        "cut": "gpo",
        "lengths": "opro",
        "line": "random-search",
        "by-hand": "mother's",
    }
    assert {name: header.presentation for name, header in headers.items()} == {
        **dict.fromkeys(("words", "words-control", "cut"), ACCURACY),
        **dict.fromkeys(("lengths", "by-hand"), LOWERED),
        "line": replace(LOWERED, noun="point"),
    }
    assert [name for name, header in headers.items() if header.control] == ["words-control"]
    assert headers["words"].task == "Answer with yes or no."
    assert best["lengths"] == 4
    assert best["words"] == pytest.approx(5 / 6)


@pytest.mark.parametrize("name", RUNS)
def test_every_run_has_a_report(older: Path, name: str) -> None:
    with closing(open_store(older)) as store:
        found = record(store, name)
    assert "<html" in page(found)


def test_runs_and_show_read_it(older: Path) -> None:
    def said(*words: str) -> list[str]:
        return CliRunner().invoke(main, [*words, "--store", str(older)]).output.split()

    assert {"mother's", "83.3", "%"} <= set(said("runs"))
    shown = said("show", "lengths")
    assert "11" in shown
    assert "-11" not in shown


def test_runs_of_both_kinds_are_compared(older: Path) -> None:
    problem, algorithm = RUNS["words"]
    llmopt.optimize(problem, algorithm=algorithm, optimizer=scripted.model(), steps=1,
                    name="new", store=older, controls=(), progress=False)  # fmt: skip
    with closing(open_store(older)) as store:
        found = compared_runs(store, ["words", "new"])
    assert found.shown == ACCURACY
    assert not any("metric" in warning for warning in found.warnings)


@pytest.mark.parametrize("name", ["words", "cut", "lengths", "line"])
def test_a_run_goes_on_from_what_it_has_told(older: Path, name: str) -> None:
    with closing(open_store(older)) as store:
        before = list(steps(store, name))
    assert done(name, older, 3).steps == 3
    with closing(open_store(older)) as store:
        assert list(steps(store, name))[: len(before)] == before


def test_a_function_is_searched_on_as_in_one_go(older: Path, tmp_path: Path) -> None:
    resumed, unbroken = done("line", older, 3), done("line", tmp_path / "new.sqlite", 3)
    assert [line.text for line in resumed.lines] == [line.text for line in unbroken.lines]


def test_a_run_with_another_configuration_is_refused(older: Path) -> None:
    said = "the run 'words', which was begun with an older version of llmopt, is continued only"
    with pytest.raises(StoreError, match=f"{said}.*but algorithm changed; choose another name"):
        done("words", older, 3, algorithm=llmopt.opro(samples=3, exemplars=1))


def test_a_run_of_a_part_that_nobody_can_know_is_refused(older: Path) -> None:
    with pytest.raises(StoreError, match=r"'by-hand'.*only with its own configuration"):
        done("by-hand", older, 3)
