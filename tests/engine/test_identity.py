"""A run is known by data: harmless changes of the code leave it resumable, others do not."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

import llmopt
from llmopt.core.algorithm import method
from llmopt.engine.header import RunHeader
from llmopt.errors import StoreError
from llmopt.models.providers.scripted import ScriptedModel
from llmopt.parts import keep
from llmopt.store import open_store

if TYPE_CHECKING:
    from pathlib import Path

    from llmopt.core.algorithm import Algorithm
    from llmopt.evidence.result import Result

OPRO = llmopt.opro(samples=2)
BY_HAND = replace(OPRO, name="by hand")


@dataclass(frozen=True)
class Elitist(keep.Elitist):
    """The part of a later release, which has an option with a harmless default more."""

    newest_first: bool = True


@dataclass(frozen=True)
class Renamed(keep.Elitist):
    """The part of a later release, which is called otherwise."""

    stored_name: ClassVar[str] = "Elitist"


def done(store: Path, algorithm: Algorithm, steps: int = 1, **changed: Any) -> Result:
    problem = llmopt.FunctionProblem(len, describe="x", seeds=["aaa"], **changed)
    return llmopt.optimize(
        problem,
        algorithm=algorithm,
        optimizer=ScriptedModel(lambda call: f"<INS>{'b' * (2 + call.sample % 9)}</INS>"),
        steps=steps,
        name="evolve",
        store=store,
        progress=False,
        controls=(),
    )


def identity(store: Path) -> dict[str, str]:
    with closing(open_store(store)) as kept:
        found: dict[str, str] = kept.config("evolve")["identity"]
        return found


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "runs.sqlite"


@pytest.mark.parametrize("begun", [OPRO, BY_HAND], ids=["a method", "parts put together"])
@pytest.mark.parametrize("part", [Elitist(), Renamed()], ids=["an option more", "renamed"])
def test_a_part_of_a_later_release_goes_on(store: Path, begun: Algorithm, part: Any) -> None:
    done(store, begun)
    assert done(store, replace(begun, keep=part), steps=2).steps == 2


@pytest.mark.parametrize("begun", [OPRO, BY_HAND], ids=["a method", "parts put together"])
@pytest.mark.parametrize(
    "change",
    [
        {"keep": Elitist(newest_first=False)},
        {"keep": llmopt.evoprompt_ga().keep},
        {"name": "another"},
        {"version": 2},
    ],
    ids=str,
)
def test_what_does_something_else_does_not(
    store: Path, begun: Algorithm, change: dict[str, Any]
) -> None:
    done(store, begun)
    with pytest.raises(StoreError, match="only with its own configuration, but algorithm"):
        done(store, replace(begun, **change), steps=2)


def test_a_method_is_known_by_its_name_version_and_options(store: Path) -> None:
    done(store, llmopt.opro(samples=2, shown=20))
    known = {key: value for key, value in identity(store).items() if key.startswith("algorithm")}
    assert known == {
        "algorithm": "opro",
        "algorithm version": "1",
        "algorithm options": '{"samples":2}',
    }


def test_parts_put_together_are_known_by_what_they_are(store: Path) -> None:
    done(store, BY_HAND)
    known = identity(store)
    assert known["algorithm"] == "by hand"
    assert '"keep":{"Elitist":{}}' in known["algorithm parts"]
    assert "algorithm options" not in known


def test_a_function_that_becomes_a_method_goes_on(store: Path) -> None:
    def mine(*, samples: int = 2) -> Algorithm:
        return replace(llmopt.opro(samples=samples), name="mine")

    done(store, mine())
    made = method(mine)(samples=2)
    assert made.options == {}
    assert done(store, made, steps=2).steps == 2


def test_another_setting_of_the_problem_is_another_run(store: Path) -> None:
    done(store, OPRO)
    assert identity(store)["problem decimals"] == "6"
    with pytest.raises(StoreError, match="but problem decimals changed"):
        done(store, OPRO, steps=2, decimals=3)


def test_the_header_is_written_once_and_read_back(store: Path) -> None:
    done(store, OPRO, minimize=True)
    with closing(open_store(store)) as kept:
        header = RunHeader.of(kept.config("evolve"))
    assert (header.kind, header.algorithm, header.task) == ("run", "opro", "x")
    assert not header.control
    assert header.presentation.to_dict() == {
        "noun": "text",
        "measure": "value",
        "higher_is_better": False,
        "unit": "value",
        "decimals": None,
    }


def test_a_header_of_a_later_release_is_read_as_far_as_it_is_known(store: Path) -> None:
    done(store, OPRO)
    with closing(open_store(store)) as kept:
        config = kept.config("evolve")
    config["header"]["presentation"] |= {"colour": "blue", "noun": "word"}
    assert RunHeader.of(config).presentation.noun == "word"
