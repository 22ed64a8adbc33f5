"""From an unknown file to a running search: ``init --data`` and ``run --data``."""

from __future__ import annotations

import json
import tomllib
from typing import TYPE_CHECKING

import pytest

from llmopt.config.reading import read
from llmopt.config.schema import schema, schema_text

if TYPE_CHECKING:
    from conftest import Shell
    from endpoint import Endpoint

SCRIPTED = "scripted/llmopt.testing.scripted:answer"


@pytest.fixture
def tickets(shell: Shell) -> Shell:
    rows = [f"{n};Größe {n} fehlt;{('Billing', 'Shipping')[n % 2]}" for n in range(60)]
    text = "\n".join(["Nr;Nachricht;Team", *rows, ""])
    (shell.folder / "tickets.csv").write_bytes(text.encode("cp1252"))
    return shell


def test_two_commands_lead_to_a_search_on_a_server(
    tickets: Shell, server: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    words = ("--scorer", "openai/m", "--base-url", server.url)
    first = tickets.llmopt("init", "here", "--data", "tickets.csv", *words)
    assert first.code == 0, first.err
    second = tickets.llmopt("run", "here/llmopt.toml", "-q", "-o", "run.steps=1")
    assert second.code == 0, second.err
    assert server.calls > 60


def test_what_is_written_is_commented_and_can_be_checked(tickets: Shell) -> None:
    said = tickets.llmopt("init", "--data", "tickets.csv", "--scorer", SCRIPTED)
    text = (tickets.folder / "llmopt.toml").read_text(encoding="utf-8")
    assert text in said.out
    problem = tomllib.loads(text)["problem"]
    assert problem == {
        "data": "tickets.csv",
        "encoding": "cp1252",
        "input": "Nachricht",
        "target": "Team",
        "instructions": ["Answer with one of: Billing, Shipping."],
        "metric": "choice",
        "sizes": [0.3, 0.2, 0.5],
    }
    for part in ("# 60 rows", "# the file is not UTF-8", "# Billing (30), Shipping (30)", "Nr"):
        assert part in text
    assert tickets.llmopt("check", "llmopt.toml", "--offline", "-q").code == 0
    assert "writes only new files" in tickets.llmopt("init", "--data", "tickets.csv").err


def test_without_a_model_it_is_the_one_in_this_process(tickets: Shell) -> None:
    tickets.llmopt("init", "--data", "tickets.csv")
    made = read(tickets.folder / "llmopt.toml")
    assert made.scorer
    assert made.scorer.model == "local/smollm2-135m"
    assert made.optimizer is None


def test_long_answers_are_judged_by_the_optimizer(shell: Shell) -> None:
    rows = [
        f'"What is {n}?","It is number {n}, and this is said in so many words that no rule fits"'
        for n in range(30)
    ]
    shell.write("long.csv", "\n".join(["question,answer", *rows]))
    words = ("--scorer", SCRIPTED, "--optimizer", "scripted/llmopt.testing.scripted:answer")
    assert shell.llmopt("init", "--data", "long.csv", *words).code == 0
    made = read(shell.folder / "llmopt.toml")
    assert made.problem.metric == "judge"
    assert made.judge
    assert made.judge.model == SCRIPTED
    assert made.built_problem()


def test_a_first_try_needs_no_file(tickets: Shell) -> None:
    words = ("--input", "Nachricht", "--target", "Team", "--scorer", SCRIPTED)
    said = tickets.llmopt("run", "--data", "tickets.csv", *words, "-q", "-o", "run.steps=1")
    assert said.code == 0, said.err
    assert "tickets" in tickets.runs()
    with_resume = tickets.llmopt("resume", "tickets", "-q")
    assert with_resume.code == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("run",), "a run is of a configuration or of --data, but got neither"),
        (("run", "x.toml", "--data", "y.csv"), "but got both"),
        (("run", "x.toml", "--scorer", "a/b"), "go with --data, but got no --data"),
        (("init", "--target", "x"), "go with --data, but got no --data"),
        (("run", "--data", "none.csv"), "a data file exists, but there is no 'none.csv'"),
        (("init", "--data", "tickets.csv", "--target", "Tem"), "there is no 'Tem'"),
        (("init", "mine.toml"), "the configuration in it will be llmopt.toml"),
        (("init", "tickets.csv"), "llmopt init --data tickets.csv"),
    ],
)
def test_what_does_not_go_together_is_said(
    tickets: Shell, words: tuple[str, ...], said: str
) -> None:
    found = tickets.llmopt(*words)
    assert found.code == 2
    assert said in found.err


def test_the_schema_takes_what_the_tables_take(shell: Shell) -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed")
    jsonschema.Draft202012Validator.check_schema(schema())
    check = jsonschema.Draft202012Validator(schema())
    assert shell.llmopt("init", "--schema").out == schema_text()
    shell.configure()
    shell.llmopt("init", "kit")
    for text in (
        (shell.folder / "run.toml").read_text(encoding="utf-8"),
        (shell.folder / "kit" / "llmopt.toml").read_text(encoding="utf-8"),
    ):
        data = tomllib.loads(text)
        check.validate(data)
        assert not check.is_valid({**data, "scorers": {}})
        assert not check.is_valid({**data, "run": {"step": 5}})
        assert not check.is_valid({**data, "problem": {**data["problem"], "position": "here"}})
    assert json.loads(schema_text())["properties"]["problem"]
