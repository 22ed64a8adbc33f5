"""The skill for coding agents: its format, and that its commands do what it says, in its order."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, get_args

from click.testing import CliRunner
from documents import ROOT

from llmopt.cli import main
from llmopt.evidence.words import Word
from llmopt.recipes import starter

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

SKILL = ROOT / "docs" / "skills" / "llmopt" / "SKILL.md"
SCRIPTED = ("-o", "scorer.model=scripted/llmopt.testing.scripted:answer")
TEXT = SKILL.read_text(encoding="utf-8")


def test_the_front_matter_is_that_of_a_skill() -> None:
    """https://agentskills.io/specification."""
    matter = re.match(r"---\n(.*?)\n---\n", TEXT, re.DOTALL)
    assert matter
    fields = dict(line.split(": ", 1) for line in matter[1].splitlines())
    assert fields["name"] == SKILL.parent.name
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", fields["name"])
    assert 0 < len(fields["description"]) <= 1024
    assert len(fields["compatibility"]) <= 500
    assert set(fields) == {"name", "description", "license", "compatibility"}
    assert not re.search(r"[^(]: ", fields["description"]), "YAML would take it for a mapping"


def test_it_is_read_alone() -> None:
    """Copied to another project, it has no pages beside it; agents load it whole."""
    assert "](" not in TEXT
    assert len(TEXT.splitlines()) < 500


def test_it_explains_every_word_and_exit_code() -> None:
    rows = set(re.findall(r"^\| `?([^`|]+?)`? \|", TEXT, re.MULTILINE))
    assert {*get_args(Word), "0", "1", "2", "3", "4", "130"} <= rows


def test_its_commands_run_in_its_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a scripted model in place of one that costs money, on a task that it can learn."""
    for name, content in starter().items():
        (tmp_path / name).write_bytes(content)
    asked = [
        f"Is {number} an odd number?,{'yes' if number % 2 else 'no'}\n" for number in range(80)
    ]
    (tmp_path / "tickets.csv").write_text("text,label\n" + "".join(asked), encoding="utf-8")
    (tmp_path / "prompt.txt").write_text("Answer.\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```bash\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    lines = "".join(blocks).splitlines()
    assert len(lines) >= 10
    for line in lines:
        words = shlex.split(line)[1:]
        own = SCRIPTED if "llmopt.toml" in words else ()
        said = CliRunner().invoke(main, [*words, *own], catch_exceptions=False)
        assert said.exit_code == 0, f"{line}: {said.stderr}"
    assert (tmp_path / "best.txt").read_bytes()
