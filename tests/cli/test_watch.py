"""``llmopt watch``: a prompt in production, day by day."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

if TYPE_CHECKING:
    from conftest import Shell

DRIFTING = """
import re
from pathlib import Path

from llmopt.core.values import Call
from llmopt.testing import scripted

FIRST = (1 << 19) + 9000  # earlier draws are those of runs


def answer(call: Call) -> str:
    with Path("calls.txt").open("a") as file:
        file.write("x")
    if call.role == "optimizer":
        return scripted.answer(call)
    right = "yes" if int(re.findall("([0-9]+)[?]", call.text)[-1]) % 2 else "no"
    {rule}
"""
STEADY = "return right"
BROKEN = 'return right if call.sample < FIRST else {"yes": "no", "no": "yes"}[right]'


def drifting(shell: Shell, name: str, rule: str) -> None:
    shell.write(f"{name}.py", DRIFTING.replace("{rule}", rule))
    shell.configure(("llmopt.testing.scripted:answer", f"{name}:answer"))


@pytest.fixture
def started(shell: Shell) -> Shell:
    assert shell.llmopt("run", "run.toml", "-q", "--json").code == 0
    return shell


def test_a_winner_that_stays_as_it_was_raises_no_alarm(started: Shell) -> None:
    said = started.llmopt("watch", "run", "-q", "--day", "2026-03-01", "--rows", "8")
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith("No drop of 5.0 points seen: +0.0 points on 8 rows since 2026-03-01")
    found = started.llmopt("watch", "run", "-q", "--json", "--day", "2026-03-02").data
    assert (found["status"], found["days"], found["rows"], found["alarm"]) == (
        "no drop seen",
        2,
        28,
        False,
    )
    assert found["today"] == found["reference"]
    assert "The reference itself" in found["notes"][0]  # 8 rows have been asked before
    assert found["interval"]["low"] < 0 < found["interval"]["high"]


def test_a_day_is_measured_once_and_every_day_anew(shell: Shell) -> None:
    drifting(shell, "counted_model", STEADY)
    assert shell.llmopt("run", "run.toml", "-q", "--json").code == 0
    calls = [len((shell.folder / "calls.txt").read_text())]
    for day in ("2026-03-01", "2026-03-01", "2026-03-02"):
        said = shell.llmopt("watch", "run", "-q", "--json", "--rows", "7", "--day", day).data
        assert said["today_rows"] == 7
        calls.append(len((shell.folder / "calls.txt").read_text()))
    assert np.diff(calls).tolist() == [7, 0, 7]
    again = shell.llmopt("watch", "run", "--day", "2026-02-28")
    assert again.code == 2
    assert "come in their order" in again.err


def test_a_prompt_that_drops_is_an_alarm_and_exit_code_4(shell: Shell) -> None:
    drifting(shell, "broken_model", BROKEN)
    assert shell.llmopt("run", "run.toml", "-q", "--json").code == 0
    said = shell.llmopt("watch", "run", "-q", "--day", "2026-03-01")
    assert said.code == 4
    assert said.out.startswith("Dropped by at least ")
    assert said.err.startswith("Alarm: Dropped by at least ")
    found = shell.llmopt("watch", "run", "-q", "--json", "--day", "2026-03-01").data
    assert (found["alarm"], found["change"]) == (True, -1)
    assert found["interval"]["high"] < 0
    shown = shell.llmopt("show", found["watch"])
    assert shown.out.startswith(f"{found['verdict']}\nMeasure another day with: llmopt watch run")
    assert shell.llmopt("show", found["watch"], "--json").data["watch"]["alarm"]


def test_a_configuration_is_watched_from_its_first_day_on(shell: Shell) -> None:
    drifting(shell, "steady_model", STEADY)
    found = shell.llmopt("watch", "run.toml", "-q", "--json", "--day", "2026-03-01").data
    assert (found["instruction"], found["reference"], found["reference_rows"]) == ("Answer.", 1, 20)
    assert (found["today"], found["status"]) == (1, "no drop seen")


def test_new_rows_are_used_once_and_compared_with_the_mean(started: Shell) -> None:
    lines = [f"Another question {n}?,{'yes' if n % 2 else 'no'}" for n in range(30)]
    started.write("new.csv", "\n".join(["input,target", *lines, ""]))
    words = ("watch", "run", "-q", "--json", "--data", "new.csv", "--day")
    days = [started.llmopt(*words, f"2026-03-0{day}").data for day in (1, 2, 3)]
    assert [day["rows"] for day in days] == [20, 30, 30]
    assert [day["days"] for day in days] == [1, 2, 2]
    assert "Every row of the file was measured before" in days[2]["notes"][0]
    assert any("The reference itself" in note for note in days[1]["notes"])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("nothing",), "nothing"),
        (("run", "-o", "scorer.temperature=0.7"), "changed"),
        (("run", "--min-drop", "0"), "--min-drop"),
    ],
)
def test_what_cannot_be_watched_is_refused(
    started: Shell, words: tuple[str, ...], said: str
) -> None:
    found = started.llmopt("watch", *words)
    assert (found.code, found.out) == (2, "")
    assert said in found.err
