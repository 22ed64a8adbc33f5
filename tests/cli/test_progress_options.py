"""How much a command says, and where: -q, -v and --json mean the same everywhere."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import click
import pytest

from llmopt.cli import main

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Shell

CHATTY = """
from llmopt.testing import scripted

def answer(call):
    print("said by the user's own code")
    return scripted.answer(call)
"""


def commands(group: click.Group, words: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, command in group.commands.items():
        yield (*words, name)
        if isinstance(command, click.Group):
            yield from commands(command, (*words, name))


@pytest.mark.parametrize("words", [*commands(main)], ids=" ".join)
def test_every_command_can_be_quiet_or_verbose(words: tuple[str, ...], shell: Shell) -> None:
    said = shell.llmopt(*words, "-q", "-v", "--help")
    assert said.code == 0
    assert "-q, --quiet" in said.out
    assert "-v, --verbose" in said.out


def test_progress_goes_to_standard_error_unless_it_is_not_wanted(shell: Shell) -> None:
    said = shell.llmopt("run", "run.toml", "--name", "loud")
    assert "[loud] step 1/2, " in said.err
    assert "[loud]" not in said.out
    assert shell.llmopt("run", "run.toml", "--name", "quiet", "-q").err == ""


def test_a_verbose_run_says_what_each_step_brought(shell: Shell) -> None:
    log = logging.getLogger("llmopt")
    before = log.level, len(log.handlers)
    said = shell.llmopt("run", "run.toml", "--name", "mine", "-q", "-v")
    assert said.err.startswith("mine: step 0 of 2: 2 new, 0 refused; 2 solutions measured so far\n")
    assert "mine: step 2 of 2: " in said.err
    assert (log.level, len(log.handlers)) == before
    again = shell.llmopt("resume", "mine", "-q", "-v")
    assert "mine: step" not in again.err  # nothing was told anew


def test_a_document_stands_alone_on_standard_output(shell: Shell) -> None:
    """Whatever a user's own code prints meanwhile."""
    shell.write("chatty.py", CHATTY)
    shell.configure(("llmopt.testing.scripted:answer", "chatty:answer"))
    said = shell.llmopt("run", "run.toml", "--name", "mine", "--json")
    assert said.data["run"] == "mine"
    assert "said by the user's own code" in said.err
