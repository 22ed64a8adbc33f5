"""Inputs that the optimizer LLM writes: answered by the original, paid once, kept with the run."""

from __future__ import annotations

import asyncio
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from llmopt import Budget
from llmopt.api import optimize, verify
from llmopt.engine.asking_first import ASKED_FIRST
from llmopt.errors import BudgetError, ConfigError
from llmopt.models.providers.scripted import ScriptedModel
from llmopt.problems.code.code_problem import CodeProblem
from llmopt.problems.code.code_tests import CodeTest
from llmopt.problems.code.sandbox import RunLimits
from llmopt.problems.code.written_inputs import InputRequest, written_inputs
from llmopt.store import open_store

if TYPE_CHECKING:
    from pathlib import Path

    from llmopt.core.problem import SplitName
    from llmopt.core.values import Call

SUM = """\
numbers = [int(word) for word in input().split()]
while sum(numbers) < 0:
    pass
print(sum(numbers) + 1)
"""
BETTER = "print(sum(map(int, input().split())) * 2 + 2)\n"
REPLIES = (
    "Here:\n```\n1 2\n```\nand\n```text\n5 5 5\n```\n```\nfive\n```\n",
    "```\n7\n```\n```\n8 8 8 8\n```\n```\n9",
)


def problem(**options: Any) -> CodeProblem:
    """Return a program whose score is what it prints; one test has the input 1 2."""
    given = {"inputs": 3, "goal": "score", "limits": RunLimits(cpu=2.0), **options}
    tests = [CodeTest(str(n), "stdin", f"{n} 2\n") for n in range(1, 5)]
    return CodeProblem(SUM, tests, **given)


class Writer:
    """Writes inputs and programs; counts its calls for inputs."""

    def __init__(self, further: str = "") -> None:
        self.asked: list[str] = []
        self.further = further

    def __call__(self, call: Call) -> str:
        """Answer a call."""
        if "more test inputs" not in call.text:
            return f"```python\n{BETTER}```"
        self.asked.append(call.text)
        return REPLIES[call.sample % 2] + self.further


def searched(path: Path, writer: Writer, **options: Any) -> Any:
    return optimize(
        problem(),
        algorithm="opro",
        optimizer=ScriptedModel(writer),
        controls=(),
        store=path / "runs.sqlite",
        name="run",
        progress=False,
        **{"steps": 1, **options},
    )


def told(path: Path) -> list[dict[str, Any]]:
    with closing(open_store(path / "runs.sqlite")) as store:
        return [one.data for one in store.records("run") if one.kind == ASKED_FIRST]


def test_the_original_answers_what_a_model_has_written(tmp_path: Path) -> None:
    writer = Writer("```\n-1\n```\n")
    result = searched(tmp_path, writer)
    (found,) = told(tmp_path)
    assert [given for _, _, given in found["tests"]] == ["5 5 5\n", "7\n", "8 8 8 8\n"]
    assert found["dropped"]["written-1"] == "there is a test with this input"
    assert found["dropped"]["written-3"] == "the program rejects it (exit code 1)"
    assert found["dropped"]["written-4"].startswith("took ")
    assert len(writer.asked) == 2
    assert "5 5 5" in writer.asked[1]
    assert result.usage["optimizer"].calls > 2
    assert result.comparisons[0].word in ("better", "not distinguishable")


def test_a_run_that_is_continued_does_not_ask_again(tmp_path: Path) -> None:
    writer = Writer()
    searched(tmp_path, writer)
    searched(tmp_path, writer, steps=2)
    assert len(writer.asked) == 2
    assert len(told(tmp_path)) == 1


def test_a_budget_that_ends_amid_the_inputs_is_resumed_without_paying_twice(tmp_path: Path) -> None:
    writer = Writer()
    with pytest.raises(BudgetError):
        searched(tmp_path, writer, budget=Budget(calls=1))
    assert not told(tmp_path)
    searched(tmp_path, writer, budget=Budget(calls=50))
    assert len(writer.asked) == 2


def test_a_run_with_written_inputs_is_verified(tmp_path: Path) -> None:
    writer = Writer()
    searched(tmp_path, writer)
    found = verify(
        problem(),
        algorithm="opro",
        optimizer=ScriptedModel(writer),
        steps=1,
        controls=(),
        store=tmp_path / "runs.sqlite",
        name="run",
    )
    assert found.holds, found.differences
    assert len(writer.asked) == 2


def test_users_tests_stay_in_their_splits() -> None:
    known = {"tests": [["written-1", "stdin", "5 5 5 5 5 5\n"], ["written-2", "stdin", "6\n"]]}
    before = problem()
    after = before.completed({**known, "dropped": {"written-3": "it is no input"}})
    splits: tuple[SplitName, ...] = ("train", "validation", "test")
    for split in splits:
        names = [item.id for item in after.items(split) if "written" not in item.id]
        assert names == [item.id for item in before.items(split)]
    assert [item.id for item in after.items("train")][-1] == "written-1"
    assert [item.id for item in after.items("test")][-1] == "written-2"
    assert after.fingerprint == before.fingerprint
    assert after.fingerprint != problem(inputs=0).fingerprint
    assert after.dropped == {"written-3": "it is no input"}
    assert after.recorded()["written"] == 2


def test_a_program_runs_on_written_inputs_though_it_ran_on_others() -> None:
    before = problem()
    asyncio.run(before.measure(BETTER, before.items("train")[0], None))
    after = before.completed({"tests": [["written-1", "stdin", "70\n"]], "dropped": {}})
    (item,) = [item for item in after.items("train") if item.id == "written-1"]
    found = asyncio.run(after.measure(BETTER, item, None))
    assert found.score == pytest.approx(142 / 71)


def test_inputs_are_for_the_search_where_the_user_has_split() -> None:
    tests = [CodeTest(s, "stdin", f"{len(s)}\n", None, s) for s in ("train", "validation", "test")]
    chosen = CodeProblem(SUM, tests, inputs=1)
    assert {item.id for item in chosen.items("train")} == {"train"}
    known = {"tests": [["written-1", "stdin", "70\n"], ["written-2", "stdin", "6\n"]]}
    grown = chosen.completed({**known, "dropped": {}})
    assert {item.id for item in grown.items("train")} == {"train", "written-1", "written-2"}
    assert len(grown.items("test")) == 1


def test_arguments_are_read_one_in_a_block_or_one_on_a_line() -> None:
    replies = ('```json\n[1, 2]\n```\n```\n[3]\n{"n": 4}\n```\n```\nf(5)\n```\n', "None.")
    wanted = InputRequest("def f(n): ...\n", "", "f", [CodeTest("a", "call", "[0]")], 4)

    async def fine(test: CodeTest) -> str:
        del test
        return ""

    model = ScriptedModel(lambda call: replies[call.sample])
    tests, dropped = asyncio.run(written_inputs(model, wanted, fine))
    assert [test.given for test in tests] == ["[1, 2]", "[3]", '{"n": 4}']
    assert dropped == {"written-4": "it is no JSON list of arguments"}


def test_test_functions_have_no_inputs() -> None:
    tests = [CodeTest("t", "check", "test_a", source="def test_a(): pass\n")]
    with pytest.raises(ConfigError, match="set inputs = 0"):
        CodeProblem(SUM, tests, inputs=1)
    with pytest.raises(ConfigError, match="0 or more, but got -1"):
        problem(inputs=-1)
