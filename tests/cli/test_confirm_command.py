"""``llmopt confirm``: what it says, and its exit codes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Shell

VAULT = ("sizes = [12, 8, 20]", "sizes = [10, 4, 12]\nvault = 14")


def test_it_says_what_it_costs_then_what_it_found_and_says_that_again(shell: Shell) -> None:
    shell.configure(VAULT)
    ran = shell.llmopt("run", "run.toml", "-q", "--json")
    assert (ran.code, ran.data["looks"]["earlier"]) == (0, 0)
    said = shell.llmopt("confirm", "run")
    assert said.code == 0
    assert said.err.startswith("Opens the vault of run: 14 items, at most 28 calls.")
    assert "onfirmed: the winner is" in said.out
    assert "start on 14 vault items" in said.out
    again = shell.llmopt("confirm", "run")
    assert (again.code, again.out, again.err) == (0, said.out, "")
    found = shell.llmopt("confirm", "run", "--json", "-q").data
    assert (found["run"], found["items"]) == ("run", 14)
    shown = shell.llmopt("show", "run")
    assert found["verdict"] in shown.out
    assert shell.llmopt("show", "run", "--json").data["confirmation"] == found


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        ((), 2, "has none; begin a new run with problem.vault = 0.2"),
        (("-o", "problem.vault=14"), 2, "problem vault"),
    ],
)
def test_a_run_without_a_vault_is_refused(
    shell: Shell, options: tuple[str, ...], code: int, said: str
) -> None:
    shell.configure(("sizes = [12, 8, 20]", "sizes = [10, 4, 12]"))
    shell.llmopt("run", "run.toml", "-q", "--json")
    found = shell.llmopt("confirm", "run", *options)
    assert (found.code, found.out) == (code, "")
    assert said in found.err


def test_a_budget_that_does_not_suffice_is_exit_code_3(shell: Shell) -> None:
    shell.configure(VAULT)
    shell.llmopt("run", "run.toml", "-q", "--json", "-o", "evidence.controls=[]")
    found = shell.llmopt("confirm", "run", "-o", "budget.calls=60")
    assert found.code == 3
    assert "llmopt confirm run -o budget.calls=…" in found.err
    assert shell.llmopt("confirm", "run", "-q").code == 0


@pytest.mark.parametrize(
    ("vault", "said"),
    [("vault = 1.5", "a share of the rows below 1"), ("vault = 39", "leaves 4")],
)
def test_an_impossible_vault_is_refused_before_anything_is_paid(
    shell: Shell, vault: str, said: str
) -> None:
    shell.configure((VAULT[0], f"{VAULT[0]}\n{vault}"))
    found = shell.llmopt("run", "run.toml")
    assert found.code == 2
    assert said in found.err
