"""A run may measure first whether it is worth it: paid once, told, and stopped where it is not."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from llmopt.api import optimize_async
from llmopt.errors import BudgetError, ConfigError, NotWorthItError
from llmopt.models.providers.scripted import ScriptedModel
from llmopt.problems.function import FunctionProblem
from llmopt.store import open_store
from llmopt.testing import scripted

if TYPE_CHECKING:
    from pathlib import Path

    from llmopt.core.values import Call
    from llmopt.evidence.result import Result


def _hopeless(call: Call) -> str:
    """Answer right with the starting solution alone, so that nothing can gain."""
    if call.role == "optimizer":
        return scripted.answer(call)
    number = int("".join(filter(str.isdigit, call.text.rpartition("number")[2])) or 0)
    right = "yes" if number % 2 else "no"
    return right if "Answer." in call.text else "neither"


async def ran(folder: Path, answer: Any = scripted.answer, **options: Any) -> tuple[Result, int]:
    calls: list[Call] = []

    def listen(call: Call) -> str:
        calls.append(call)
        return str(answer(call))

    model = ScriptedModel(listen, identity="scripted/world")
    problem = replace(scripted.problem(120, (40, 30, 50)), scorer=model)
    usual = {"steps": 3, "controls": (), "name": "looked", "progress": False}
    found = await optimize_async(
        problem, optimizer=model, store=folder / "runs.sqlite", **{**usual, **options}
    )
    return found, len(calls)


async def test_it_is_told_and_its_calls_are_those_of_the_run(tmp_path: Path) -> None:
    result, calls = await ran(tmp_path, headroom="report")
    assert result.headroom is not None
    assert result.headroom["word"] in {"worth it", "not worth it", "cannot tell"}
    assert any(note.startswith("Before the search: ") for note in result.notes)
    assert sum(used.calls for used in result.usage.values()) == calls
    with closing(open_store(tmp_path / "runs.sqlite")) as store:
        assert {info.name for info in store.runs()} == {"looked", "looked-headroom"}
    again = type(result).plain(result.to_dict())
    assert again.headroom == result.to_dict()["headroom"]


async def test_the_search_finds_the_same_with_it_and_without(tmp_path: Path) -> None:
    (tmp_path / "with").mkdir()
    (tmp_path / "without").mkdir()
    looked, _ = await ran(tmp_path / "with", headroom="report")
    usual, _ = await ran(tmp_path / "without")
    assert (looked.best, looked.verdict, looked.lines) == (usual.best, usual.verdict, usual.lines)
    assert usual.headroom is None


async def test_what_is_not_worth_it_stops_and_can_be_resumed(tmp_path: Path) -> None:
    with pytest.raises(NotWorthItError, match=r"Not worth it: .* The whole search takes about"):
        await ran(tmp_path, _hopeless, headroom="stop")
    with closing(open_store(tmp_path / "runs.sqlite")) as store:
        info = next(info for info in store.runs() if info.name == "looked")
        assert info.status == "budget"
    with pytest.raises(NotWorthItError):
        await ran(tmp_path, _hopeless, headroom="stop")
    result, calls = await ran(tmp_path, _hopeless, headroom="report")
    assert result.steps == 3
    assert result.headroom is not None
    # The dozen candidates were paid before, and so was measuring the starting solutions.
    assert calls < sum(used.calls for used in result.usage.values())
    stopped, _ = await ran(tmp_path, _hopeless, headroom="stop", steps=4)
    assert stopped.steps == 4  # a search that has begun is not stopped


async def test_small_searches_are_not_asked_about(tmp_path: Path) -> None:
    result, _ = await ran(tmp_path, headroom="stop", headroom_over=1_000_000)
    assert result.headroom is None


async def test_it_has_the_exit_code_of_a_budget() -> None:
    assert NotWorthItError.exit_code == BudgetError.exit_code


async def test_what_has_no_headroom_is_refused_before_the_first_call(tmp_path: Path) -> None:
    value = FunctionProblem(len, "Write much.", ["a"])
    with pytest.raises(ConfigError, match="shares from 0 to 1"):
        await optimize_async(
            value, optimizer=scripted.model(), store=tmp_path / "runs", headroom="report"
        )
    with pytest.raises(ConfigError, match="headroom is one of off, report, stop, but got 'on'"):
        await ran(tmp_path, headroom="on")
