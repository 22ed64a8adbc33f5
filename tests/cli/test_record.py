"""A run that was recorded can be done again without any model."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conftest import Shell


def test_a_recorded_run_is_done_again_from_its_file(shell: Shell) -> None:
    """Same winner, same held-out figures, and no model is asked: its name is a made-up one."""
    first = shell.llmopt("run", "run.toml", "--record", "replies.jsonl", "--json", "-q")
    assert first.code == 0
    assert (shell.folder / "replies.jsonl").read_text("utf-8").count('"reply"') > 20
    again = shell.llmopt(
        "run",
        "run.toml",
        *("-o", "scorer.model=replay/replies.jsonl"),
        *("--store", "elsewhere.sqlite", "--json", "-q"),
    )
    assert again.code == 0
    for field in ("best", "lines", "verdict", "curve", "rejected"):
        assert again.data[field] == first.data[field]


def test_a_recording_is_a_new_file(shell: Shell) -> None:
    shell.write("replies.jsonl", "mine")
    said = shell.llmopt("run", "run.toml", "--record", "replies.jsonl", "-q")
    assert said.code == 2
    assert "a recording is a new file" in said.err
    assert (shell.folder / "replies.jsonl").read_text("utf-8") == "mine"
