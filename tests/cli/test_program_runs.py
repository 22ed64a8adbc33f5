"""Programs of several texts on the command line: run, check, evaluate, sweep, and kill."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Shell

CONFIG = """
[problem]
program = "llmopt.testing.scripted:planned"
data = "questions.csv"
task = "Answer with yes or no."
sizes = [12, 8, 20]

[problem.parts]
plan = "Plan."
answer = "Answer."

[scorer]
model = "scripted/llmopt.testing.scripted:answer"
price = {input = 1, output = 2}

[algorithm]
name = "gepa"
gate = "strict"

[run]
steps = 4
"""

SLOW = """
import os, time
from llmopt.testing.scripted import answer as plain

def answer(call):
    time.sleep(float(os.environ.get("DELAY", "0")))
    return plain(call)
"""

SWEEP = """
[base]
problem.program = "llmopt.testing.scripted:planned"
problem.data = "questions.csv"
problem.task = "Answer with yes or no."
problem.sizes = [12, 8, 20]
problem.parts = { plan = "Plan.", answer = "Answer." }
scorer.model = "scripted/llmopt.testing.scripted:answer"
run.steps = 2

[grid]
"algorithm.name" = ["gepa", "protegi"]
"run.seed" = [0, 1]

[budget]
calls = 500
"""


@pytest.fixture
def project(shell: Shell) -> Shell:
    shell.write("program.toml", CONFIG)
    shell.write("plan.md", "Think carefully, check twice.\n")
    return shell


def test_a_part_from_a_file_is_compared_with_the_start(project: Shell) -> None:
    said = project.llmopt(
        "evaluate", "--config", "program.toml", "--part-file", "plan=plan.md", "--json", "-q"
    )
    assert said.code == 0
    first, second = said.data["rows"]
    assert first["text"] == "=== plan ===\nPlan.\n\n=== answer ===\nAnswer."
    assert second["text"] == first["text"].replace("Plan.", "Think carefully, check twice.")
    assert second["difference"]["n"] == 20


def test_a_gate_holds_for_programs(project: Shell) -> None:
    parts = ("evaluate", "--config", "program.toml", "--part-file", "plan=plan.md", "-q", "--json")
    passed = project.llmopt(*parts, "--fail-if", "worse")
    assert passed.code == 0
    assert passed.data["gate"]["passed"]
    assert project.llmopt(*parts, "--min", "0.999").code == 4


def test_solutions_with_headings_take_what_they_lack_from_the_start(project: Shell) -> None:
    project.write("both.md", "## answer\nAnswer slowly.\n")
    said = project.llmopt(
        *("evaluate", "--config", "program.toml", "--json", "-q"),
        *("--instruction", "=== plan ===\nPlan twice.", "--file", "both.md"),
    )
    assert [row["text"] for row in said.data["rows"]] == [
        "=== plan ===\nPlan twice.\n\n=== answer ===\nAnswer.",
        "=== plan ===\nPlan.\n\n=== answer ===\nAnswer slowly.",
    ]


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--part-file", "plan"), "--part-file must be NAME=FILE, got 'plan'"),
        (("--part-file", "plan=plan.md", "--part-file", "plan=plan.md"), "got 'plan' twice"),
        (("--part-file", "other=plan.md"), "one of the parts plan, answer, got 'other'"),
        (("--part-file", "plan=nothing.md"), "nothing.md"),
        (("--instruction", "Think."), "headings such as === plan ==="),
    ],
)
def test_texts_that_are_no_solution_are_refused(
    project: Shell, words: tuple[str, ...], why: str
) -> None:
    said = project.llmopt("evaluate", "--config", "program.toml", *words)
    assert said.code == 2
    assert why in said.err


def test_parts_of_a_prompt_are_refused(project: Shell) -> None:
    said = project.llmopt("evaluate", "--config", "run.toml", "--part-file", "plan=plan.md")
    assert said.code == 2
    assert "no problem.program" in said.err


def test_the_winner_of_a_run_is_measured_on_other_data(project: Shell) -> None:
    assert project.llmopt("run", "program.toml", "-q", "-o", "run.name='two'").code == 0
    said = project.llmopt("evaluate", "--run", "two", "--json", "-q")
    assert said.code == 0
    rows = [f"Is {n} odd?,{'yes' if n % 2 else 'no'}" for n in range(6)]
    project.write("others.csv", "\n".join(["input,target", *rows, ""]))
    other = project.llmopt(
        *("evaluate", "--run", "two", "--data", "others.csv", "--part", "all", "--json", "-q"),
        *("-o", "problem.sizes=[2,2,2]"),
    )
    assert other.code == 0
    assert other.data["items"] == 6


def test_check_estimates_tokens_and_dollars_from_one_run_of_the_program(project: Shell) -> None:
    said = project.llmopt("check", "program.toml", "--json")
    assert said.code == 0
    scorer = said.data["estimate"]["scorer"]
    assert scorer["low"]["calls"] == 2 * (12 + 8 + 20)  # two calls on each row
    assert scorer["high"]["calls"] >= 2 * (12 * 5 + 8 + 40)
    assert 0 < scorer["low"]["usd"] < scorer["high"]["usd"]
    assert scorer["low"]["seconds"] is not None
    offline = project.llmopt("check", "program.toml", "--json", "--offline")
    assert offline.data["estimate"]["scorer"]["low"]["calls"] == scorer["low"]["calls"]
    assert offline.data["estimate"]["scorer"]["low"]["seconds"] is None
    run = project.llmopt("run", "program.toml", "-q", "--json", "-o", "evidence.controls=[]")
    used = run.data["usage"]["scorer"]
    assert used["calls"] <= scorer["high"]["calls"]
    assert used["input_tokens"] <= scorer["high"]["input_tokens"]


def test_the_order_of_parts_survives_the_store(project: Shell) -> None:
    project.llmopt("run", "program.toml", "-q", "-o", "run.name='two'", "-o", "run.steps=1")
    said = project.llmopt("resume", "two", "-q", "--json", "-o", "run.steps=2")
    assert said.code == 0
    assert said.data["steps"] == 2
    assert said.data["best"]["text"].startswith("=== plan ===")


def test_a_sweep_compares_methods_on_a_program(project: Shell) -> None:
    project.write("sweep.toml", SWEEP)
    said = project.llmopt("sweep", "sweep.toml", "-q", "--json")
    assert said.code == 0
    assert len(said.data["cells"]) == 4


@pytest.mark.skipif(os.name == "nt", reason="there is no SIGKILL to send")
def test_a_killed_run_of_a_program_ends_as_the_unbroken_one(project: Shell) -> None:
    project.write("slow_model.py", SLOW)
    project.write(
        "program.toml", CONFIG.replace("llmopt.testing.scripted:answer", "slow_model:answer")
    )
    broken = subprocess.Popen(
        [sys.executable, "-m", "llmopt", "run", "program.toml", "-o", "run.name='two'", "--json"],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(project.folder), *sys.path]),
            "DELAY": "0.02",
        },
        cwd=project.folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert broken.stderr is not None
    for line in broken.stderr:
        if "step 1/4" in line:
            broken.send_signal(signal.SIGKILL)
            break
    broken.communicate(timeout=30)
    assert broken.returncode == -signal.SIGKILL
    resumed = project.llmopt("resume", "two", "-q", "--json")
    other = ("--store", str(project.folder / "other.sqlite"), "-o", "run.name='two'")
    unbroken = project.llmopt("run", "program.toml", "-q", "--json", *other)
    assert resumed.code == unbroken.code == 0
    for key in ("best", "test", "verdict", "steps"):
        assert resumed.data[key] == unbroken.data[key]
