"""``llmopt report`` makes the page of a run, or of a sweep, from what is stored."""

from __future__ import annotations

import base64
import gzip
import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from llmopt.cli import main

RUN = """
[problem]
data = "questions.csv"
task = "Answer with yes or no."
instructions = ["Answer.", "Answer now."]
sizes = [12, 8, 20]
[scorer]
model = "scripted/llmopt.testing.scripted:answer"
[algorithm]
samples = 4
[run]
steps = 2
"""
NUMBERS = """
name = "numbers"
[base.problem]
function = "llmopt.problems.numeric.regression:linear_regression"
[base.run]
steps = 5
[grid]
"problem.arguments.repetition" = [0, 1]
[[variants]]
label = "random search"
"algorithm.name" = "random-search"
[[variants]]
label = "CMA-ES"
"algorithm.name" = "cma-es"
"""
WORDS = """
name = "words"
base = "run.toml"
[grid]
"algorithm.name" = ["opro", "sampling"]
"run.seed" = [0, 1]
"""


def llmopt(*words: str, code: int = 0) -> Result:
    said = CliRunner().invoke(main, [*words], catch_exceptions=False)
    assert said.exit_code == code, said.stderr
    return said


def core(file: str) -> dict[str, Any]:
    """Return the data that a page's script begins with."""
    found = re.search(r'data-name="core">([^<]+)<', Path(file).read_text("utf-8"))
    assert found
    data: dict[str, Any] = json.loads(gzip.decompress(base64.b64decode(found[1])))
    return data


@pytest.fixture(autouse=True)
def _project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A working directory with data, a configuration and two sweeps."""
    monkeypatch.chdir(tmp_path)
    rows = [f"Question number {n}?,{'yes' if n % 2 else 'no'}" for n in range(40)]
    Path("questions.csv").write_text("\n".join(["input,target", *rows, ""]), "utf-8")
    for name, text in (("run", RUN), ("numbers", NUMBERS), ("words", WORDS)):
        Path(f"{name}.toml").write_text(text, "utf-8")


def test_a_page_is_named_after_its_run_and_written_anew() -> None:
    llmopt("run", "run.toml", "-q", "--name", "first")
    said = json.loads(llmopt("report", "first", "--json").stdout)
    assert said == {"page": "first.html", "bytes": Path("first.html").stat().st_size}
    before = Path("first.html").read_bytes()
    assert "first.html" in llmopt("report", "first").stdout
    assert Path("first.html").read_bytes() == before
    llmopt("report", "first", "-o", "other.html")
    assert Path("other.html").read_bytes() == before


def test_a_page_needs_neither_the_data_nor_the_configuration() -> None:
    llmopt("run", "run.toml", "-q", "--name", "first")
    llmopt("report", "first")
    made = Path("first.html").read_bytes()
    assert b"Not on this page" not in made
    Path("questions.csv").unlink()
    Path("run.toml").unlink()
    llmopt("report", "first")
    assert Path("first.html").read_bytes() == made


def test_the_page_s_own_configuration_and_commands_do_the_run_again() -> None:
    llmopt("run", "run.toml", "-q", "--name", "first", "--record", "replies.jsonl")
    llmopt("report", "first")
    made = Path("first.html").read_text("utf-8")
    config = re.search(r'aria-label="Configuration"><code>([^<]+)</code>', made)
    command = re.search(r'aria-label="Command that replays"><code>([^<]+)</code>', made)
    assert config
    assert command
    Path("run.toml").write_text(config[1].replace("&#34;", '"').replace("&#39;", "'"), "utf-8")
    again = llmopt(*command[1].split()[1:], "-q", "--json", "--store", "elsewhere.sqlite")
    first = json.loads(llmopt("show", "first", "--json").stdout)["result"]
    assert json.loads(again.stdout)["best"] == first["best"]
    assert json.loads(again.stdout)["verdict"] == first["verdict"]


def test_a_sweep_without_models_has_its_table_and_curves() -> None:
    llmopt("sweep", "numbers.toml", "-q")
    llmopt("report", "numbers")
    data = core("numbers.html")
    assert [cell["variant"] for cell in data["cells"]] == ["random search", "CMA-ES"] * 2
    assert {line["variant"] for line in data["lines"]} >= {"random search", "CMA-ES"}
    assert {(p["variant"], p["step"]) for p in data["points"]} >= {("CMA-ES", 0), ("CMA-ES", 5)}
    assert all(point["mean"] > 0 and point["n"] == 2 for point in data["points"])
    cell = data["cells"][0]["cell"]
    llmopt("report", cell)
    assert core(f"{cell}.html")["figure"]["kind"] == "plane"


def test_a_sweep_on_prompts_has_its_test_and_the_course_of_each_search() -> None:
    llmopt("sweep", "words.toml", "-q")
    llmopt("report", "words")
    data = core("words.html")
    assert [row["variant"] for row in data["rows"]] == ["opro", "sampling"]
    assert data["rows"][1]["words"] in ("better", "worse", "not distinguishable")
    first = [p["mean"] for p in data["points"] if p["variant"] == "opro"]
    assert first == sorted(first)
    assert "Against opro, " in Path("words.html").read_text("utf-8")


def test_what_cannot_be_shown_or_written_is_refused() -> None:
    assert "holds, but got 'nothing'" in llmopt("report", "nothing", code=2).stderr
    llmopt("run", "run.toml", "-q", "--name", "first")
    said = llmopt("report", "first", "-o", "no/such/folder.html", code=2).stderr
    assert "a page goes to a file that can be written" in said
