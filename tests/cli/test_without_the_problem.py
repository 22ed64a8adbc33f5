"""A finished run is read the same when the user's data, modules and configuration are gone."""

from __future__ import annotations

import json
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from llmopt import open_store
from llmopt.history.document import record

if TYPE_CHECKING:
    from conftest import Shell

MODULE = '''
from dataclasses import dataclass, replace

from llmopt.errors import ConfigError
from llmopt.problems.tours.tour_problem import tsp
from llmopt.testing import scripted
from llmopt.core.values import Call, Outcome


@dataclass(frozen=True)
class Twice:
    """Asks two things about each row, in an order of its own, by means of another problem."""

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(scripted.problem(), name)

    scorer = "scripted/llmopt.testing.scripted:answer"
    fingerprint = {"problem": "twice"}

    async def measure(self, text, item, scorer):
        said = []
        for question in (f"{text}\\nFirst of all: {item.input}", f"{text}\\n{item.input}"):
            call = Call("scorer", prompt=question, stop=("!",))
            said.append((await scorer.complete(call)).text)
        return Outcome(item.id, float(said == [item.target] * 2), said[-1], item.weight)


def twice():
    return Twice()


def tour():
    return tsp(7)


def near(text):
    return abs(len(text) - 20.0)


def rated(output, item):
    return output == item.target


def judging(call):
    code = call.text.rpartition("Verdict ")[2].partition(":")[0]
    return f"Verdict {code}: {1 + len(call.text) % 5}"
'''

OWN = """
[problem]
function = "{name}"
{more}
[run]
steps = 2
[optimizer]
model = "scripted/llmopt.testing.scripted:answer"
"""

ARGUMENTS = """[problem.arguments]
describe = "A text of 20 letters."
seeds = ["Well."]
minimize = true
best = 0.0
"""

PROMPTS = {
    "chat": (),
    "raw completion": (("[scorer]\n", '[scorer]\nmode = "completion"\nstop = ["Q:"]\n'),),
    "asked twice": (("[scorer]\n", "[scorer]\nagain = true\n"),),
    "metric of one's own": (("\n[scorer]\n", '\nmetric = "gone_rows:rated"\n[scorer]\n'),),
}

SIDES = ("before", "after")

FORMATS = ("json", "items", "trajectory", "openai", "langchain", "dspy", "promptfoo")


def everything(shell: Shell, *, prompts: bool) -> dict[str, str]:
    """Return all that readers say of the run, by command."""
    commands: list[tuple[str, ...]] = [("show", "run", "--json"), ("export", "run")]
    forms = FORMATS if prompts else ("json", "items", "trajectory")
    commands += [("export", "run", "--format", form) for form in forms]
    if prompts:
        commands += [
            ("export", "run", "--prompt"),
            ("export", "run", "--start", "--input", "Question number 3?", "--format", "json"),
            ("export", "run", "--input", "Is it new?", "--format", "json"),
        ]
    said = {}
    for words in commands:
        found = shell.llmopt(*words)
        assert found.code == 0, found.err
        said[" ".join(words)] = found.out
    assert shell.llmopt("report", "run", "-o", "page.html").code == 0
    said["report"] = (shell.folder / "page.html").read_text("utf-8")
    with closing(open_store()) as store:
        document = record(store, "run")
    assert document["missing"] == []
    return said | {"document": json.dumps(document)}


def outputs(said: dict[str, str]) -> set[str]:
    """Return what was answered to the items that the document shows."""
    items = json.loads(said["document"])["items"].values()
    return {row[side]["output"] for split in items for row in split["rows"] for side in SIDES}


def forget(shell: Shell) -> None:
    """Remove all that a run was made from."""
    for path in shell.folder.iterdir():
        if path.suffix in (".csv", ".py", ".toml"):
            path.unlink()
    for name in [name for name in sys.modules if name.startswith("gone_")]:
        del sys.modules[name]


@pytest.mark.parametrize("case", PROMPTS)
def test_a_run_of_instructions_needs_no_data(shell: Shell, case: str) -> None:
    shell.write("gone_rows.py", MODULE)
    shell.configure(*PROMPTS[case])
    assert shell.llmopt("run", "run.toml", "-q").code == 0
    before = everything(shell, prompts=True)
    example = json.loads(before["export run --format json"])["example"]
    assert example["reply"] in ("yes", "no")
    assert (example["again"] is not None) == (case == "asked twice")
    forget(shell)
    assert everything(shell, prompts=True) == before


def test_a_judged_run_needs_neither_data_nor_the_judge(shell: Shell) -> None:
    shell.write("gone_judge.py", MODULE)
    judge = '\nmetric = "judge"\n[judge]\nmodel = "scripted/gone_judge:judging"\n[scorer]\n'
    shell.configure(("\n[scorer]\n", judge))
    assert shell.llmopt("run", "run.toml", "-q").code == 0
    before = everything(shell, prompts=True)
    assert outputs(before) <= {"yes", "no"}
    forget(shell)
    assert everything(shell, prompts=True) == before


@pytest.mark.parametrize(("name", "more"), [("twice", ""), ("tour", ""), ("near", ARGUMENTS)])
def test_a_problem_of_one_s_own_needs_no_module(shell: Shell, name: str, more: str) -> None:
    shell.write(f"gone_{name}.py", MODULE)
    text = OWN.format(name=f"gone_{name}:{name}", more=more)
    if name == "tour":
        text = text.replace("[run]", '[algorithm]\nname = "two-opt"\n[run]')
    shell.write("run.toml", text)
    ran = shell.llmopt("run", "run.toml", "-q")
    assert ran.code == 0, ran.err
    before = everything(shell, prompts=False)
    both = {f"{first}\n\n{second}" for first in ("yes", "no") for second in ("yes", "no")}
    assert outputs(before) <= both
    assert bool(outputs(before)) == (name == "twice")
    forget(shell)
    assert everything(shell, prompts=False) == before
