"""``llmopt check --headroom``: a dozen candidates beside the start, and what a run would gain."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conftest import Shell

LARGE = ("-o", "problem.sizes=[60, 20, 40]", "-o", "run.steps=20", "-o", "algorithm.samples=8")


def many(shell: Shell) -> None:
    """Write 120 rows."""
    lines = [f"Question number {n}?,{'yes' if n % 2 else 'no'}" for n in range(120)]
    shell.write("questions.csv", "\n".join(["input,target", *lines, ""]))


def test_it_says_whether_a_run_is_worth_it_and_what_it_takes(shell: Shell) -> None:
    many(shell)
    found = shell.llmopt("check", "run.toml", "--headroom", "--json", *LARGE).data["headroom"]
    assert found["word"] == "worth it"
    assert found["gain"]["low"] < found["gain"]["mean"] < found["gain"]["high"]
    assert found["planned"] == 160
    assert 0 < found["calls"] <= 0.06 * found["full"]
    said = shell.llmopt("check", "run.toml", "--headroom", *LARGE)
    assert "Worth it: 160 instructions like the" in said.out
    assert "80 % interval" in said.out


def test_the_run_does_not_pay_again_for_the_start(shell: Shell) -> None:
    many(shell)
    shell.llmopt("check", "run.toml", "--headroom", *LARGE)
    result = shell.llmopt("run", "run.toml", "--json", *LARGE, "-o", "run.steps=0").data
    assert result["stretch"]["hits"] >= 120  # both starts on train


def test_a_gain_that_nothing_can_reach_is_not_worth_it(shell: Shell) -> None:
    many(shell)
    found = shell.llmopt("check", "run.toml", "--headroom", "--worth", "95", "--json", *LARGE).data
    assert found["headroom"]["word"] == "not worth it"


def test_it_is_refused_offline_and_for_an_impossible_gain(shell: Shell) -> None:
    assert shell.llmopt("check", "run.toml", "--headroom", "--offline").code == 2
    said = shell.llmopt("check", "run.toml", "--headroom", "--worth", "0")
    assert said.code == 2
    assert "worth is above 0" in said.err


def test_a_plain_check_says_nothing_of_it(shell: Shell) -> None:
    assert "headroom" not in shell.llmopt("check", "run.toml", "--json").data
