"""Solutions of several parts in the forms of other libraries: an entry with messages for each."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from llmopt import optimize
from llmopt.core.demonstrations import Shot, shots_text
from llmopt.core.solution import SolutionPart, join_parts
from llmopt.core.values import Item, Message
from llmopt.errors import ConfigError
from llmopt.history.readable_solution import SolutionReader
from llmopt.integrations.frameworks import part_turns
from llmopt.problems.program.program_problem import ProgramProblem
from llmopt.testing import scripted

if TYPE_CHECKING:
    from conftest import Shell

START = {"plan": 'Plan {a} "so" {{b}}.', "answer": "Answer."}


@pytest.fixture
def program(shell: Shell) -> Shell:
    """A folder with a run of a program, whose texts look like templates."""
    problem = ProgramProblem.from_splits(
        scripted.planned,
        scripted.problem().splits,
        parts=START,
        task="Answer with yes or no.",
        scorer=scripted.model(),
    )
    optimize(
        problem,
        algorithm="gepa",
        optimizer=scripted.model(),
        steps=1,
        controls=(),
        name="two",
        progress=False,
    )
    return shell


def written(shell: Shell, form: str, *words: str) -> Any:
    said = shell.llmopt("export", "two", "--start", "--format", form, *words)
    assert said.code == 0, said.err
    return json.loads(said.out)


def test_a_request_has_the_messages_of_each_part(program: Shell) -> None:
    assert written(program, "openai") == {
        name: {"messages": [{"role": "system", "content": text}]} for name, text in START.items()
    }


def test_langchain_has_a_chat_for_each_part(program: Shell) -> None:
    made = written(program, "langchain")
    assert list(made) == list(START)
    for name, text in START.items():
        (message,) = made[name]["kwargs"]["messages"]
        assert message["id"][-1] == "SystemMessagePromptTemplate"
        assert message["kwargs"]["prompt"]["kwargs"]["template"].format() == text


@pytest.mark.filterwarnings("ignore:The function `loads` is in beta")
def test_langchain_loads_each_part(program: Shell) -> None:
    load = pytest.importorskip(
        "langchain_core.load", reason="needs langchain-core: make test-extras"
    )
    said = program.llmopt("export", "two", "--start", "--format", "langchain").out
    loaded = load.loads(said, allowed_objects="core")
    for name, text in START.items():
        (message,) = loaded[name].format_messages()
        assert (message.type, message.content) == ("system", text)


def test_an_input_has_no_place_in_several_parts(program: Shell) -> None:
    said = program.llmopt("export", "two", "--start", "--format", "openai", "--input", "x")
    assert said.code == 2
    assert "has the parts plan, answer" in said.err


def test_demonstrations_are_turns_and_code_is_no_message() -> None:
    shots = [Shot("1"), Shot("2", "Two is even, so: no")]
    solution = join_parts({"how": "Answer.", "shown": shots_text(shots)})
    rows = {"1": Item("1", "One?", "yes"), "2": Item("2", "Two?", "no")}
    parts = (SolutionPart("how"), SolutionPart("shown", "demonstrations"))
    assert part_turns(SolutionReader(parts, rows), solution) == {
        "how": (Message("system", "Answer."),),
        "shown": (
            Message("user", "One?"),
            Message("assistant", "yes"),
            Message("user", "Two?"),
            Message("assistant", "Two is even, so: no"),
        ),
    }
    code = (SolutionPart("how"), SolutionPart("shown", "code"))
    with pytest.raises(ConfigError, match="the part 'shown' is code; take the format json"):
        part_turns(SolutionReader(code), solution)
