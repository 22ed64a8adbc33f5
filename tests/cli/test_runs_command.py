"""``llmopt runs``: filters, names, labels; what is deleted, and what stays paid for."""

from __future__ import annotations

import re
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from llmopt import evaluate, open_store
from llmopt.cli import main
from llmopt.testing import scripted

if TYPE_CHECKING:
    from conftest import Shell


def listed(shell: Shell, *words: str) -> list[str]:
    return [row["name"] for row in shell.llmopt("runs", *words, "--json").data]


def replies(name: str) -> int:
    with closing(open_store()) as store:
        return sum(used.calls for used in store.spent(name).values())


@pytest.fixture
def two(shell: Shell) -> Shell:
    """A project with two runs, the second of which found its replies with the first."""
    shell.llmopt("run", "run.toml", "-q", "--name", "one")
    shell.llmopt("run", "run.toml", "-q", "--name", "two", "-o", "run.steps=3")
    return shell


def test_the_list_is_filtered(two: Shell) -> None:
    """By status, method, tag, time and text; filters add up."""
    looked = evaluate(scripted.problem(), ["A."], scorer=scripted.model(), progress=False)
    two.llmopt("runs", "tag", "one", "shown", "best")
    two.llmopt("runs", "tag", "two", "shown")
    two.llmopt("runs", "note", "two", "With three steps.")
    two.llmopt(
        "run", "run.toml", "-q", "--name", "poor", "-o", "budget.calls=20", "-o", "run.seed=7"
    )
    two.llmopt("run", "run.toml", "-q", "--name", "ape", "-o", "algorithm.name=ape")
    own = ["two", "two-control", "one", "one-control"]
    assert set(own) < set(listed(two))
    assert listed(two, "--status", "budget") == ["poor"]
    assert "ape" in listed(two, "--algorithm", "ape")
    assert listed(two, "--algorithm", "evaluation") == [looked.run]
    assert listed(two, "--tag", "shown") == ["two", "one"]
    assert listed(two, "--tag", "shown", "--tag", "best") == ["one"]
    assert listed(two, "--find", "THREE steps") == ["two"]
    assert listed(two, "--find", "questions.csv", "--tag", "best") == ["one"]
    assert listed(two, "--since", "1d") == listed(two)
    assert listed(two, "--since", "2999-01-01") == []
    assert "llmopt runs lists all" in two.llmopt("runs", "--since", "2999-01-01").err
    shown = two.llmopt("runs").out
    assert "#best #shown" in shown
    assert "With three steps." in shown


def test_labels_come_and_go(two: Shell) -> None:
    two.llmopt("runs", "tag", "one", "a", "b", "a")
    two.llmopt("runs", "note", "one", "Good.")
    two.llmopt("runs", "tag", "one", "a", "--remove")
    (row,) = two.llmopt("runs", "--tag", "b", "--json").data
    assert (row["tags"], row["note"], row["algorithm"]) == (["b"], "Good.", "opro")
    two.llmopt("runs", "note", "one", "")
    assert two.llmopt("runs", "--tag", "b", "--json").data[0]["note"] == ""


def test_a_renamed_run_goes_on(shell: Shell) -> None:
    """With its journal, its replies and its controls; nothing is paid for again."""
    shell.llmopt("run", "run.toml", "-q", "--name", "one")
    before, paid = shell.llmopt("show", "one", "--json").data, replies("one")
    assert shell.llmopt("runs", "rename", "one", "better").code == 0
    assert set(listed(shell)) == {"better", "better-control"}
    after = shell.llmopt("show", "better", "--json").data
    assert after["steps"] == before["steps"]
    assert shell.llmopt("resume", "better", "-q").code == 0
    assert replies("better") == paid
    assert set(listed(shell)) == {"better", "better-control"}


def test_what_was_measured_before_a_run_goes_with_it(shell: Shell) -> None:
    """A renamed run has it, still holds, and takes it along when it is deleted."""
    shell.llmopt("run", "run.toml", "-q", "--name", "one", "-o", "run.headroom=report")
    assert shell.llmopt("runs", "rename", "one", "better").code == 0
    assert set(listed(shell)) == {"better", "better-control", "better-headroom"}
    checked = shell.llmopt("verify", "better", "-q")
    assert checked.code == 0, checked.out
    assert shell.llmopt("runs", "delete", "better", "--yes").code == 0
    assert listed(shell) == []


def test_what_was_made_for_a_run_names_no_call_from_python(shell: Shell) -> None:
    shell.llmopt("run", "run.toml", "-q", "--name", "one", "-o", "run.headroom=report")
    for name in ("one-control", "one-headroom"):
        for command in ("resume", "verify"):
            said = shell.llmopt(command, name)
            assert said.code == 2
            assert "made for another run" in said.err
    assert "Not finished" not in shell.llmopt("show", "one-headroom").out


def test_a_deleted_run_leaves_what_the_other_uses(two: Shell) -> None:
    """The other is still shown with its replies, and may be resumed for nothing."""
    with closing(open_store()) as store:
        call = next(r.data["calls"][0] for r in store.records("two") if r.data.get("calls"))
    said = two.llmopt("runs", "delete", "one", "--yes", "--json").data
    assert said["deleted"] == ["one-control", "one"]
    assert listed(two) == ["two-control", "two"] or set(listed(two)) == {"two", "two-control"}
    with closing(open_store()) as store:
        assert store.exchange(call), "paid for by the one that is gone"
    paid = replies("two")
    assert two.llmopt("resume", "two", "-q").code == 0
    assert replies("two") == paid
    assert two.llmopt("gc", "--json").data["replies"] == 0
    gone = two.llmopt("runs", "delete", "two", "--yes", "--json").data
    assert gone["replies"] == paid
    freed = two.llmopt("gc", "--json").data
    assert freed["replies"] > 0
    assert freed["bytes"] > 0
    assert freed["disk"] > 0
    assert "Removed 0 replies" in two.llmopt("gc").err


def test_a_run_and_its_control_may_both_be_named(two: Shell) -> None:
    said = two.llmopt("runs", "delete", "one", "one-control", "--yes", "--json")
    assert said.data["deleted"] == ["one-control", "one"]
    assert set(listed(two)) == {"two", "two-control"}


def test_a_deletion_is_asked_for(shell: Shell) -> None:
    """No is no; where nobody answers, it is refused."""
    shell.llmopt("run", "run.toml", "-q", "--name", "one")
    runs = listed(shell)
    said = CliRunner().invoke(main, ["runs", "delete", "one"], input="n\n")
    assert (said.exit_code, said.stdout) == (0, "")
    assert "Nothing was deleted" in said.stderr
    silent = shell.llmopt("runs", "delete", "one")
    assert silent.code == 2
    assert "--yes" in silent.err
    assert listed(shell) == runs
    said = CliRunner().invoke(main, ["runs", "delete", "one"], input="y\n")
    assert said.exit_code == 0
    assert listed(shell) == []


def test_a_run_at_work_is_left_alone(shell: Shell) -> None:
    """What another process works on is neither renamed nor deleted, but may be labelled."""
    shell.llmopt("run", "run.toml", "-q", "--name", "one")
    with closing(open_store()) as store, store.claim("one"):
        for words in (
            ("runs", "rename", "one", "two"),
            ("runs", "delete", "one", "--yes"),
            ("gc",),
        ):
            refused = shell.llmopt(*words)
            assert refused.code == 2
            assert "at work on 'one'; wait" in refused.err
        assert shell.llmopt("runs", "tag", "one", "x").code == 0


SWEEP = """
base = "run.toml"
grid.algorithm.samples = [2, 3]
budget.calls = 200
"""


def test_a_sweep_and_its_cells_keep_their_names(shell: Shell) -> None:
    """A sweep finds its cells by their names."""
    shell.write("grid.toml", SWEEP)
    assert shell.llmopt("sweep", "grid.toml", "-q").code == 0
    cells = [name for name in listed(shell) if name.startswith("grid.")]
    assert cells
    for name in ("grid", cells[0]):
        refused = shell.llmopt("runs", "rename", name, "other")
        assert refused.code == 2
        assert "the sweep 'grid'" in refused.err
    assert listed(shell, "--algorithm", "sweep") == ["grid"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("delete", "on", "--yes"), "did you mean 'one'"),
        (("rename", "on", "x"), "did you mean 'one'"),
        (("rename", "one", "B d"), "but got 'B d'"),
        (("rename", "one", "one"), "is not taken"),
        (("tag", "on", "x"), "did you mean 'one'"),
        (("tag", "one", "a b"), "a tag is one word"),
        (("note", "on", "x"), "did you mean 'one'"),
        (("--since", "soon"), "but got 'soon'"),
        (("--status", "odd"), "'odd' is not one of"),
        (("--tag", "x", "delete", "one"), "leave one out"),
    ],
)
def test_bad_input_is_refused(shell: Shell, words: tuple[str, ...], said: str) -> None:
    with closing(open_store()) as store:
        store.create("one", {})
    refused = shell.llmopt("runs", *words)
    assert (refused.code, refused.out) == (2, "")
    assert said in refused.err
    assert listed(shell) == ["one"]


def test_another_store_is_named_before_or_after_the_command(shell: Shell) -> None:
    for number, words in enumerate(
        [("--store", "s.db", "note", "a", "x"), ("note", "a", "y", "--store", "s.db")]
    ):
        with closing(open_store("s.db")) as store:
            if not number:
                store.create("a", {})
        assert shell.llmopt("runs", *words).code == 0
        (row,) = shell.llmopt("runs", "--store", "s.db", "--json").data
        assert row["note"] == "xy"[number]


def test_values_are_shown_in_the_problem_s_own_direction(shell: Shell) -> None:
    """Higher is better inside alone: what is to be small is no negative number for people."""
    shell.write(
        "run.toml",
        """
        [problem]
        function = "llmopt.problems.numeric.regression:linear_regression"

        [algorithm]
        name = "random-search"

        [run]
        steps = 2
        """,
    )
    best = shell.llmopt("run", "run.toml", "--json").data["lines"][1]["train"]["mean"]
    (row,) = shell.llmopt("runs", "--json").data
    steps = shell.llmopt("show", "run", "--json").data["steps"]
    scores = [c["score"] for step in steps for c in step["candidates"]]
    assert row["best"] == min(scores) == best > 0
    for words in (("runs",), ("show", "run"), ("show", "run", "--step", "1")):
        assert not re.search(r"\s-\d", shell.llmopt(*words).out)
