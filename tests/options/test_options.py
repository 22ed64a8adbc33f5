"""An option is written in one place, and is then everywhere; types know it, too.

``right.py`` and ``wrong.py`` beside this file are for the type checker.
"""

from __future__ import annotations

import inspect
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import llmopt
from llmopt.engine.options import Options, rows_of
from llmopt.errors import ConfigError

ROOT = Path(__file__).parents[2]
NEW = """    grace: Annotated[
        int, Option("Steps that are forgiven.", table="run", least=0, advice="leave it out")
    ] = 2
    record: Annotated["""

TRIED = """
import inspect, json
from pathlib import Path
import llmopt
from llmopt.config.reading import settings
from llmopt.errors import ConfigError
from llmopt.recipes import starter
from option_tables import check

def read(run, *overrides):
    data = {"problem": {"data": "x.csv"}, "scorer": {"model": "openai/x"}, "run": run}
    return settings(data, "here", Path("/"), overrides).options()["grace"]

def refused(work):
    try:
        work()
    except ConfigError as error:
        return str(error)

check("run")
print(json.dumps({
    "signature": inspect.signature(llmopt.optimize).parameters["grace"].default,
    "python": refused(lambda: llmopt.optimize(None, grace=-1)),
    "toml": read({"grace": 3}),
    "default": read({}),
    "-o": read({}, "run.grace=4"),
    "wrong": refused(lambda: read({}, "run.grace=-1")),
    "near": refused(lambda: read({}, "run.grase=1")),
    "init": [l for l in starter()["llmopt.toml"].decode().splitlines() if "grace" in l],
    "help": [l for l in llmopt.engine.options.Options.__doc__.splitlines() if "grace" in l],
}))
"""


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }


def test_an_option_is_added_in_one_place(tmp_path: Path) -> None:
    """One edit; Python, TOML, ``-o``, ``llmopt init`` and, written by make docs, the document."""
    for name in ("src/llmopt", "tests/docs"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("*.pyc"))
    document = tmp_path / "docs" / "configuration.md"
    document.parent.mkdir()
    shutil.copy(ROOT / "docs" / "configuration.md", document)
    before = files(tmp_path)
    table = tmp_path / "src" / "llmopt" / "engine" / "options.py"
    text = table.read_text(encoding="utf-8")
    assert text.count("    record: Annotated[") == 1
    table.write_text(text.replace("    record: Annotated[", NEW), encoding="utf-8")
    paths = os.pathsep.join(str(tmp_path / name) for name in ("src", "tests/docs"))
    said = subprocess.run(
        [sys.executable, "-c", TRIED],
        env={**os.environ, "PYTHONPATH": paths, "LLMOPT_REWRITE_DOCS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(said.stdout) == {
        "signature": 2,
        "python": "grace is 0 or more, but got -1; leave it out",
        "toml": 3,
        "default": 2,
        "-o": 4,
        "wrong": "here: the key 'run.grace' is greater than or equal to 0, but got -1",
        "near": json.loads(said.stdout)["near"],
        "init": ["# grace = 2                     # steps that are forgiven"],
        "help": ["    grace: Steps that are forgiven."],
    }
    assert "did you mean 'grace'" in json.loads(said.stdout)["near"]
    after = files(tmp_path)
    changed = sorted(name for name in after if after[name] != before.get(name))
    assert changed == ["docs/configuration.md", "src/llmopt/engine/options.py"]
    row = b"| `grace` | whole number, 0 or more | `2` | Steps that are forgiven. |\n"
    assert row in after["docs/configuration.md"]


@pytest.mark.parametrize("door", [llmopt.optimize, llmopt.optimize_async, llmopt.prepare])
def test_what_takes_options_shows_them(door: object) -> None:
    """In ``help``, with plain types and the defaults."""
    shown = inspect.signature(door).parameters  # type: ignore[arg-type]
    assert list(shown) == ["problem", *(row.name for row in rows_of(Options))]
    assert (shown["steps"].default, shown["steps"].annotation) == (10, int)


def test_what_waits_shows_what_it_waits_for() -> None:
    shown = inspect.signature(llmopt.evaluate).parameters
    assert shown == inspect.signature(llmopt.evaluate_async).parameters


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("step_deadline", 0, "a step's deadline is more than 0 seconds, but got 0; leave it out"),
        ("level", 0.5, "a confidence level is above 0.5 and below 1, but got 0.5; 0.95 is usual"),
        ("level", 1, "below 1, but got 1"),
        ("steps", 1_000_001, "steps are 0 or more, up to 1,000,000, but got 1000001"),
        ("tolerance", float("nan"), "tolerance is a share from 0 to 1, but got nan"),
        ("controls", "empty", r"controls are a list of names, but got 'empty'; write"),
    ],
)
def test_a_value_out_of_its_bounds_is_told_the_rule(name: str, value: Any, rule: str) -> None:
    with pytest.raises(ConfigError, match=rule):
        Options(**{name: value})


def test_the_bounds_themselves_are_allowed() -> None:
    Options(tolerance=0, concurrency=1, steps=1_000_000)
    Options(tolerance=1, step_deadline=0.001, level=0.501)
