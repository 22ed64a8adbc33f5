"""What ``llmopt check`` says about the number of answers to each test row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from conftest import Shell

_WARM = ("-o", "scorer.temperature=0.7")
_FIVE = ("-o", "evidence.samples=5")


def _checked(shell: Shell, *words: str) -> Any:
    return shell.llmopt("check", "run.toml", "--json", *words).data


def test_check_says_what_more_answers_would_bring_and_counts_them(shell: Shell) -> None:
    once, five = _checked(shell, *_WARM), _checked(shell, *_WARM, *_FIVE)
    said = "\n".join(once["cautions"])
    assert "evidence.samples = 5 takes 80 more answers for each text that is tested" in said
    assert "at best 45 % as wide" in said
    assert "evidence.samples" not in "\n".join(five["cautions"])
    low = [found["estimate"]["scorer"]["low"]["calls"] for found in (once, five)]
    assert low[1] > low[0]


def test_check_says_where_more_answers_would_be_equal(shell: Shell) -> None:
    cold = _checked(shell, *_FIVE)
    assert "each test row is answered once" in "\n".join(cold["cautions"])
    most = [found["estimate"]["scorer"]["high"]["calls"] for found in (cold, _checked(shell))]
    assert most[0] == most[1]
