"""``llmopt export``: what leaves a run is what scored in it, byte for byte."""

from __future__ import annotations

import asyncio
import json
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from llmopt import evaluate, open_store, optimize, prepare
from llmopt.cli import main
from llmopt.config.reading import settings
from llmopt.core.values import Call, Message
from llmopt.problems.metrics.contract import Scored
from llmopt.testing import scripted

if TYPE_CHECKING:
    from conftest import Shell

    from llmopt.problems.prompt.prompt_problem import PromptProblem

NASTY = """
def answer(call):
    if call.role == "optimizer":
        return f"<INS>Think carefully: «step»\\r\\n\\tcheck {call.sample} \\x1b[31m \\ud800.</INS>"
    number = int("".join(c for c in call.text.split("Question")[-1] if c.isdigit()))
    return "no" if number % 2 == 0 else "yes" if "«step»" in call.text else "no"
"""


def raw(*words: str) -> bytes:
    """Return what a command writes, byte for byte."""
    said = CliRunner().invoke(main, [*words], catch_exceptions=False)
    assert said.exit_code == 0, said.stderr
    return said.stdout_bytes


def result(shell: Shell) -> dict[str, Any]:
    found: dict[str, Any] = shell.llmopt("show", "run", "--json").data["result"]
    return found


def problem_of(run: str) -> PromptProblem:
    with closing(open_store()) as store:
        source = store.config(run)["source"]
    return settings(source, run, Path("/")).built_prompts()


def test_the_winner_is_written_and_nothing_else(shell: Shell) -> None:
    """No line end, no encoding of control characters, to standard output and to a file."""
    shell.write("exported_nasty.py", NASTY)
    shell.configure(("llmopt.testing.scripted:answer", "exported_nasty:answer"))
    shell.llmopt("run", "run.toml", "-q")
    text = result(shell)["best"]["text"].encode("utf-8", "surrogatepass")
    assert b"\x1b[31m" in text
    assert raw("export", "run") == text
    assert raw("export", "run", "-o", "best.txt") == b""
    assert (shell.folder / "best.txt").read_bytes() == text


@pytest.mark.parametrize(
    ("position", "mode"),
    [
        ("before_Q", "chat"),
        ("Q_begin", "completion"),
        ("Q_end", "chat"),
        ("Q_end", "completion"),
        ("A_begin", "completion"),
    ],
)
def test_it_scores_outside_what_it_scored_inside(shell: Shell, position: str, mode: str) -> None:
    """Sent to the same model, the exported prompts get the replies and the score of the run."""
    shell.configure(
        ("[scorer]\n", f'[scorer]\nmode = "{mode}"\n'),
        ('task = "Answer', f'position = "{position}"\ntask = "Answer'),
    )
    shell.llmopt("run", "run.toml", "-q")
    problem = problem_of("run")
    right: list[float] = []
    for item in problem.items("test"):
        words = ("export", "run", "--input", item.input)
        prompt = raw(*words, "--prompt").decode()
        exported = json.loads(raw(*words, "--format", "json"))
        sent = exported["example"]["call"]
        assert sent == {
            **({"messages": [{"role": "user", "content": prompt}]} if mode == "chat" else {}),
            **({"prompt": prompt} if mode == "completion" else {}),
            "temperature": 0.0,
            "max_tokens": 256,
            "stop": [],
        }
        messages = tuple(Message(**message) for message in sent.pop("messages", ()))
        call = Call("scorer", messages, **{**sent, "stop": tuple(sent["stop"])})
        reply = scripted.answer(call)
        assert reply == exported["example"]["reply"], "the run has sent exactly this"
        scored = problem.metric(reply, item)
        assert isinstance(scored, Scored)
        right.append(scored.score)
    assert sum(right) / len(right) == result(shell)["test"]["best"]["mean"]


def test_json_tells_everything_that_is_needed(shell: Shell) -> None:
    """The layout, an example that was sent, the scorer LLM, and the held-out figures."""
    shell.llmopt("run", "run.toml", "-q")
    found = shell.llmopt("export", "run", "--format", "json").data
    assert shell.llmopt("export", "run", "--json").data == found
    inside = result(shell)
    assert found["instruction"] == inside["best"]["text"]
    assert found["layout"] == "{instruction}\n{input}"
    assert found["scorer"] == "scripted/llmopt.testing.scripted:answer"
    assert found["held_out"] == {
        "score": inside["test"]["best"],
        "start": inside["test"]["start"],
        "difference": inside["test"]["difference"],
    }
    example = found["example"]
    assert example["input"] in {item.input for item in problem_of("run").items("test")}
    assert example["call"]["messages"][0]["content"] == (
        f"{found['instruction']}\n{example['input']}"
    )
    assert example["reply"] in ("yes", "no")
    assert example["again"] is None


def test_a_second_round_is_exported_too(shell: Shell) -> None:
    """What asks for the final answer alone is made of the first reply."""
    shell.configure(("[scorer]\n", "[scorer]\nagain = true\n"))
    shell.llmopt("run", "run.toml", "-q")
    example = shell.llmopt("export", "run", "--format", "json").data["example"]
    turns = example["again"]["messages"]
    assert [turn["role"] for turn in turns] == ["user", "assistant", "user"]
    assert turns[0] == example["call"]["messages"][0]
    assert turns[1]["content"] == example["reply"]


def test_an_input_of_the_users_own_has_no_reply(shell: Shell) -> None:
    shell.llmopt("run", "run.toml", "-q")
    words = ("export", "run", "--input", "Is it {instruction}?")
    example = shell.llmopt(*words, "--format", "json").data["example"]
    assert (example["reply"], example["target"]) == (None, "")
    assert raw(*words, "--prompt").endswith(b"\nIs it {instruction}?")


def test_others_than_the_winner(shell: Shell) -> None:
    """The start, and ranks: 1 is the winner, then the best on train."""
    shell.llmopt("run", "run.toml", "-q")
    inside = result(shell)
    assert raw("export", "run", "--start") == inside["start"]["text"].encode()
    assert raw("export", "run", "--rank", "1") == inside["best"]["text"].encode()
    start = shell.llmopt("export", "run", "--start", "--format", "json").data
    assert start["held_out"] == {"score": inside["test"]["start"]}
    third = shell.llmopt("export", "run", "--rank", "3", "--format", "json").data
    assert third["train"] is not None
    assert third["example"]["reply"] in ("yes", "no")


def test_an_unfinished_run_has_no_winner_but_ranks(shell: Shell) -> None:
    async def begun() -> None:
        problem = replace(scripted.problem(), scorer=scripted.model())
        async with prepare(problem, optimizer=scripted.model(), name="run", controls=()) as run:
            await run.step()

    asyncio.run(begun())
    refused = shell.llmopt("export", "run")
    assert (refused.code, refused.out) == (2, "")
    assert "--rank 1" in refused.err
    assert raw("export", "run", "--rank", "1").startswith(b"Answer")


def test_a_run_from_python_gives_its_text_and_its_prompt(shell: Shell) -> None:
    """No configuration is needed: the run has kept how it asked."""
    problem = replace(scripted.problem(), scorer=scripted.model())
    found = optimize(problem, steps=1, name="mine", progress=False)
    assert raw("export", "mine") == found.best.text.encode()
    data = shell.llmopt("export", "mine", "--format", "json").data
    item = problem.items("test")[0]
    assert data["layout"] == "{instruction}\n{input}"
    assert (data["example"]["input"], data["example"]["target"]) == (item.input, item.target)
    assert raw("export", "mine", "--prompt") == f"{found.best.text}\n{item.input}".encode()
    optimize(scripted.numbers(), optimizer=scripted.model(), steps=1, name="n", progress=False)
    refused = shell.llmopt("export", "n", "--prompt")
    assert refused.code == 2
    assert "'n' searched for something else" in refused.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("missing",), "missing"),
        (("run", "--format", "yaml"), "a format is one of dspy, items, json, "),
        (("run", "--rank", "0"), "a rank in 'run' is one of 1 to "),
        (("run", "--rank", "1", "--start"), "but got both"),
        (("run", "--input", "x"), "--prompt or --format json"),
        (("run", "--prompt", "--format", "json"), "leave one out"),
        (("run", "-o", "missing/best.txt"), "a file that can be written"),
        (("run", "--input", "x", "--format", "dspy"), "--prompt or --format json or openai"),
        (("run", "--to", "excel"), "is one of mlflow, wandb, but got 'excel'"),
        (("run", "--to", "mlflow", "-o", "x"), "but got both"),
    ],
)
def test_bad_input_is_refused(shell: Shell, words: tuple[str, ...], said: str) -> None:
    shell.llmopt("run", "run.toml", "-q", "-o", "run.steps=0")
    refused = shell.llmopt("export", *words)
    assert (refused.code, refused.out) == (2, "")
    assert said in refused.err


def test_an_evaluation_has_nothing_to_export(shell: Shell) -> None:
    found = evaluate(scripted.problem(), ["A."], scorer=scripted.model(), progress=False)
    refused = shell.llmopt("export", found.run)
    assert refused.code == 2
    assert "is an evaluation" in refused.err
