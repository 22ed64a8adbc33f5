"""Options that do not go together, names of the wrong kind, and output that cannot be written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Shell

SWEEP = 'base = "run.toml"\n[grid]\n"run.seed" = [0, 1]\n"algorithm.samples" = [2, 3]\n'


@pytest.fixture
def ran(shell: Shell) -> Shell:
    """A project with a run called one."""
    shell.llmopt("run", "run.toml", "-q", "--name", "one")
    return shell


def processed(*words: str, **changes: str) -> subprocess.CompletedProcess[bytes]:
    """Run a command in a process of its own."""
    line = [sys.executable, "-m", "llmopt", *words]
    return subprocess.run(line, env={**os.environ, **changes}, capture_output=True, check=False)


@pytest.mark.usefixtures("ran")
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full device here")
def test_output_without_room_is_said_in_one_line() -> None:
    for words in (("runs",), ("runs", "--json"), ("export", "one"), ("show", "one")):
        with Path("/dev/full").open("wb") as full:
            ended = subprocess.run(
                [sys.executable, "-m", "llmopt", *words],
                stdout=full,
                stderr=subprocess.PIPE,
                check=False,
            )
        assert ended.returncode == 1, words
        assert ended.stderr.startswith(b"Error: what is written needs room on the disk, but got: ")
        assert ended.stderr.count(b"\n") == 1, words


def test_a_text_that_the_encoding_does_not_have_is_spelled_out(shell: Shell) -> None:
    """As on a pipe of an old encoding: the result of a paid run is printed all the same."""
    shell.configure(('"Answer."', '"Antworte «ja» или нет."'))
    ended = processed("run", "run.toml", "-q", PYTHONIOENCODING="ascii")
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert rb"Antworte \xabja\xbb \u0438" in ended.stdout


def test_what_a_users_function_raises_is_shown_alone(shell: Shell) -> None:
    """The traceback leads to the function, and to nothing of ours that was caught before."""
    shell.write("breaking.py", "def answer(call):\n    raise ValueError('broken here')\n")
    ended = processed("run", "run.toml", "-q", "-o", "scorer.model=scripted/breaking:answer")
    assert ended.returncode == 1
    assert b"ValueError: broken here" in ended.stderr
    assert b"During handling" not in ended.stderr


def test_a_scripted_model_that_gives_no_text_is_refused(shell: Shell) -> None:
    shell.write("silent_of_tests.py", "def answer(call):\n    return None\n")
    said = shell.llmopt("run", "run.toml", "-o", "scorer.model=scripted/silent_of_tests:answer")
    assert said.code == 1
    assert "returns a text, but gave None" in said.err


@pytest.mark.parametrize("command", ["run", "check"])
def test_a_file_of_a_sweep_is_pointed_to_its_command(shell: Shell, command: str) -> None:
    shell.write("seeds.toml", SWEEP)
    said = shell.llmopt(command, "seeds.toml")
    assert (said.code, said.out) == (2, "")
    assert "start it with: llmopt sweep seeds.toml" in said.err


def test_a_check_finds_a_name_that_no_run_can_have(shell: Shell) -> None:
    said = shell.llmopt("check", "run.toml", "-o", "run.name=A/B")
    assert said.code == 2
    assert "the name of a run" in said.err


@pytest.mark.parametrize(
    ("option", "hint"),
    [
        ("run.target=95", "run.target is a score from 0 to 1, but got 95; 0.95 means 95 %"),
        ("problem.sizes=many", "the key 'problem.sizes' is a valid list, but got 'many'"),
    ],
)
def test_a_value_out_of_its_kind_is_refused(shell: Shell, option: str, hint: str) -> None:
    for command in ("run", "check"):
        said = shell.llmopt(command, "run.toml", "-o", option)
        assert (said.code, said.out) == (2, "")
        assert hint in said.err


def test_json_is_not_given_to_a_list_when_one_thing_is_asked(shell: Shell) -> None:
    """It stands behind the command that prints; nothing is printed in another form."""
    name = "scripted/llmopt.testing.scripted:answer"
    said = shell.llmopt("models", "--json", "test", name)
    assert (said.code, said.out) == (2, "")
    assert "llmopt models test NAME --json" in said.err
    assert shell.llmopt("models", "test", name, "--json").data["model"] == name


def test_an_export_has_one_format(ran: Shell) -> None:
    said = ran.llmopt("export", "one", "--json", "--format", "items")
    assert (said.code, said.out) == (2, "")
    assert "--json and --format items" in said.err
    plain, both = (ran.llmopt("export", "one", "--json", *f) for f in ((), ("--format", "json")))
    assert plain.data == both.data


def test_a_recipe_as_json_has_its_file(shell: Shell) -> None:
    file = shell.llmopt("recipes", "demo").out
    assert shell.llmopt("recipes", "demo", "--json").data["file"] == file


@pytest.mark.parametrize("table", ["nowhere/table.csv", ".", "run.toml/table.csv"])
def test_a_table_that_cannot_be_written_is_refused_before_the_sweep(
    shell: Shell, table: str
) -> None:
    shell.write("seeds.toml", SWEEP)
    said = shell.llmopt("sweep", "seeds.toml", "--csv", table)
    assert (said.code, said.out) == (2, "")
    assert f"a file that can be written, but got {table!r}" in said.err
    assert shell.runs() == []


def test_what_is_no_run_is_called_by_its_kind(shell: Shell) -> None:
    """Neither a sweep nor an evaluation is said to be a run that was started from Python."""
    shell.write("seeds.toml", SWEEP)
    shell.llmopt("sweep", "seeds.toml", "-q")
    said = shell.llmopt("evaluate", "--run", "seeds")
    assert said.code == 2
    assert "'seeds' is a sweep" in said.err
    found = shell.llmopt("evaluate", "--config", "run.toml", "-q", "--json").data["run"]
    assert f"{found!r} is an evaluation" in shell.llmopt("evaluate", "--run", found).err
    told = shell.llmopt("show", found, "--step", "0")
    assert told.code == 2
    assert "leave --step out" in told.err


def test_what_changes_a_run_prints_it_as_json(ran: Shell) -> None:
    """As the list has it."""
    assert ran.llmopt("runs", "tag", "one", "shown", "--json").data["tags"] == ["shown"]
    assert ran.llmopt("runs", "note", "one", "In March.", "--json").data["note"] == "In March."
    said = ran.llmopt("runs", "rename", "one", "two", "--json").data
    assert said in ran.llmopt("runs", "--json").data
    assert (said["name"], said["tags"]) == ("two", ["shown"])


def test_a_name_is_not_changed_into_itself(ran: Shell) -> None:
    """And nobody is told to delete the run first."""
    said = ran.llmopt("runs", "rename", "one", "one")
    assert said.code == 2
    assert "delete" not in said.err


@pytest.mark.usefixtures("ran")
def test_a_deletion_that_is_declined_is_a_document_too() -> None:
    line = [sys.executable, "-m", "llmopt", "runs", "delete", "one", "--json"]
    ended = subprocess.run(line, input=b"n\n", capture_output=True, check=False)
    assert ended.returncode == 0
    assert json.loads(ended.stdout) == {"deleted": [], "replies": 0, "bytes": 0}
