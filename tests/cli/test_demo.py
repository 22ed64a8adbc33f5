"""``llmopt demo`` takes another optimizer LLM by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conftest import Shell


def test_an_unknown_optimizer_is_refused_before_anything_is_asked(shell: Shell) -> None:
    """The name is read like any other model's."""
    said = shell.llmopt("demo", "--optimizer", "local/qwen2.5-coder-1.5")
    assert said.code == 2
    assert "did you mean 'qwen2.5-coder-1.5b'" in said.err
