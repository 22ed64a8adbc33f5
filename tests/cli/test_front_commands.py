"""``llmopt show --front`` and ``llmopt export --prefer``: one front, and what is taken from it."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from llmopt import open_store

if TYPE_CHECKING:
    from conftest import Shell


@pytest.fixture
def finished(shell: Shell) -> Shell:
    shell.configure()
    shell.llmopt("run", "run.toml", "-q")
    return shell


def test_the_front_is_shown_and_a_solution_of_it_exported(finished: Shell) -> None:
    said = finished.llmopt("show", "run", "--front")
    assert "(winner)" in said.out
    assert "llmopt export run --prefer short" in said.out
    found: dict[str, Any] = finished.llmopt("show", "run", "--front", "--json").data["front"]
    assert found == finished.llmopt("show", "run", "--json").data["result"]["front"]
    shortest = min(found["members"], key=lambda m: (m["prompt_tokens"], -m["score"]["mean"]))
    taken = finished.llmopt("export", "run", "--prefer", "short", "--within", "100")
    assert taken.out == shortest["text"]
    best = next(m for m in found["members"] if m["candidate"] == found["winner"])
    assert finished.llmopt("export", "run", "--prefer", "best").out == best["text"]
    if shortest != best:
        assert "no held-out figures" in taken.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("export", "run", "--within", "2"), "a limit goes with a preference"),
        (("export", "run", "--prefer", "short", "--start"), "preferred or named"),
        (("export", "run", "--prefer", "short", "--rank", "2"), "preferred or named"),
        (("export", "run", "--prefer", "short", "--within", "-1"), "within is 0 or more"),
        (("show", "run", "--front", "--step", "1"), "a front is of a whole run"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    finished: Shell, words: tuple[str, ...], said: str
) -> None:
    found = finished.llmopt(*words)
    assert found.code == 2
    assert said in found.err


def test_a_run_without_a_front_says_how_to_get_one(finished: Shell) -> None:
    """A run of an older version has a result without it; resuming costs nothing."""
    with closing(open_store()) as store:
        *_, last = (r for r in store.records("run") if r.kind == "result")
        older = {key: value for key, value in last.data.items() if key != "front"}
        store.append("run", "result", older)
    said = finished.llmopt("show", "run", "--front")
    assert said.code == 2
    assert "llmopt resume run" in said.err
    resumed = finished.llmopt("resume", "run", "--json")
    assert resumed.data["front"] == last.data["front"]
    assert "(winner)" in finished.llmopt("show", "run", "--front").out
