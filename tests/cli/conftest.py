"""The command line in this process, a small project to run, and a server to pay."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from endpoint import Endpoint, endpoint
from printed import check_document

from llmopt.cli import main

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CONFIG = """
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


@dataclass(frozen=True)
class Said:
    """What a command said."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        """The one JSON document on standard output; NaN and infinities are none."""

        def refuse(word: str) -> None:
            raise ValueError(word)

        return json.loads(self.out, parse_constant=refuse)


@dataclass(frozen=True)
class Shell:
    """A working directory in which ``llmopt`` is run."""

    folder: Path

    def llmopt(self, *words: str) -> Said:
        """Run a command; an exception that it does not handle goes through."""
        said = CliRunner().invoke(main, [*words], catch_exceptions=False)
        if "--json" in words and said.stdout:
            check_document(words, json.loads(said.stdout))
        return Said(said.exit_code, said.stdout, said.stderr)

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return path

    def configure(self, *changes: tuple[str, str]) -> None:
        """Write run.toml with pieces of the usual configuration replaced."""
        text = CONFIG
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        self.write("run.toml", text)

    def runs(self) -> list[str]:
        return [row["name"] for row in self.llmopt("runs", "--json").data]


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """A project with a configuration and its data, in the working directory."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", sys.path.copy())
    made = Shell(folder)
    rows = [f"Question number {n}?,{'yes' if n % 2 else 'no'}" for n in range(40)]
    made.write("questions.csv", "\n".join(["input,target", *rows, ""]))
    made.configure()
    return made


@pytest.fixture
def server() -> Iterator[Endpoint]:
    with endpoint() as made:
        yield made
