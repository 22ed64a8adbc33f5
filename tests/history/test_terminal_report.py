"""What people see of a run: progress, results and lists, with model output as text."""

from __future__ import annotations

import io
import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from llmopt.core.presentation import ACCURACY, Presentation
from llmopt.core.text import visible
from llmopt.engine.progress import Amount, Progress
from llmopt.terminal.progress import Doing, Download, View
from llmopt.terminal.progress.evaluation_rate import EvaluationRate
from llmopt.terminal.progress.panel import Panel, folded

NASTY = "[red]x[/red] [/] \x1b[31mloud\x1b[0m \x07 \u202e"


def terminal(*, tty: bool = True) -> Console:
    return Console(file=io.StringIO(), force_terminal=tty, width=100, highlight=False)


def written(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.fixture(autouse=True)
def _a_plain_world(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    for name in ("CI", "NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)


@given(st.text())
def test_nothing_visible_commands_a_terminal(text: str) -> None:
    """Control characters, bidirectional overrides and half pairs are spelled out."""
    said = visible(text)
    assert not re.search(
        "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]", said
    )
    said.encode("utf-8")


@given(st.text())
def test_a_json_document_stays_the_same_when_made_visible(text: str) -> None:
    assert json.loads(visible(json.dumps(text, ensure_ascii=False))) == text


@pytest.mark.parametrize(
    "text", ["plain", "two\nlines\tand a tab", "naïve 中文 🙂 e\u0301 👩\u200d👩", ""]
)
def test_letters_and_symbols_stay(text: str) -> None:
    assert visible(text) == text


PHASES = ("starts", "asking", "scoring", "checking", "validation", "test", "done")
TEXTS = (
    NASTY,
    "",
    "word " * 400,
    "中文的提示词" * 100,
    "👩\u200d👩\u200d👧 ❤\ufe0f 👍🏽 🇩🇪 " * 40,
    "אנא ענה בזהירות " * 40,
    "Z\u0334\u0321\u0327\u034e\u0324a" * 60,
    "two\nlines\r\nand\ttabs\x00",
)


def state(**changes: Any) -> Progress:
    """A run in the middle of everything."""
    usual: dict[str, Any] = {
        "presentation": ACCURACY,
        "phase": "scoring",
        "step": 123,
        "steps": 200,
        "done": 1_234,
        "planned": 98_765,
        "ahead": 1_000_000,
        "best": 0.5,
        "best_text": "Answer.",
        "validation": 0.25,
        "curve": [n / 200 for n in range(123)],
        "hits": 123_456,
        "retries": 1_234,
        "busy": 256,
        "slots": 256,
        "budget": (
            Amount("calls", 98_765, 1_000_000),
            Amount("tokens", 98_765_432, 1_000_000_000),
            Amount("usd", 412.3, 500),
            Amount("seconds", 45_296, 86_400),
        ),
    }
    return Progress("a-run-with-a-name", **(usual | changes))


def drawn(progress: Progress, width: int = 80) -> list[str]:
    console = Console(file=io.StringIO(), force_terminal=True, width=width)
    panel = Panel(progress, EvaluationRate(), now=10.0, later=0.0)
    return [line.plain for line in panel.lines(console)]


@pytest.mark.parametrize("width", [40, 80, 140])
@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("phase", PHASES)
def test_the_view_has_as_many_lines_whatever_happens(phase: str, text: str, width: int) -> None:
    """A view that changes its height jumps, and a line that is too wide breaks it."""
    for best in (None, 0.5, -1234.5):
        for stall in ("", "nothing was answered for 60 s: " + "x" * 300):
            made = drawn(state(phase=phase, best_text=text, best=best, stall=stall), width)
            assert len(made) == 8
            assert all(cell_len(line) < width for line in made)
            assert not any(re.search(r"[\x00-\x1f\x7f\u202e]", line) for line in made)


def test_a_run_at_work_at_80_columns() -> None:
    """Everything that is asked for is there, and nothing is cut off."""
    made = drawn(state())
    assert made[0].endswith(" a-run-with-a-name  measuring new solutions")
    assert made[1].endswith("  123 of 200")
    assert made[2].endswith("  1,234 of 98,765")
    assert made[3] == (
        "  spent   98.8k/1M calls · 98.8M/1G tokens · $412.30/$500 · 12:34:56/24:00:00"
    )
    assert made[4] == "  calls   256 of 256 slots busy · 123,456 from the store · 1,234 retried"
    assert made[5].startswith("  best    50.0 % · ▁")
    assert made[5].endswith("· 25.0 % on validation")
    assert made[6] == "          Answer."


def test_an_evaluation_has_neither_steps_nor_a_best() -> None:
    made = drawn(Progress("evaluate-1", phase="evaluating", planned=10, done=5))
    assert [line[:9].strip() for line in made[1:]] == ["items", "spent", "calls"]


def test_a_cap_that_is_nearly_reached_is_coloured() -> None:
    console = terminal()
    panel = Panel(state(), EvaluationRate(), now=0.0, later=0.0)
    console.print(panel.lines(console)[3])
    assert "\x1b[33m$412.30" in written(console)  # 82 %


@given(st.text(), st.integers(4, 60), st.integers(1, 3))
def test_a_folded_text_fits_on_every_terminal(text: str, width: int, lines: int) -> None:
    made = folded(text, width, lines)
    assert len(made) == lines
    assert all(cell_len(line) <= width for line in made)
    assert all(line.isprintable() for line in made)


def test_a_text_is_folded_between_words_where_it_has_some() -> None:
    assert folded("one two three four", 9, 2) == ["one two", "three fo…"]
    assert folded("a " + "中" * 20, 10, 2) == ["a 中中中中", "中中中中…"]
    assert folded("one", 9, 2) == ["one", ""]


def test_time_goes_on_between_two_tellings() -> None:
    console = terminal()
    panel = Panel(
        state(budget=(Amount("seconds", 60, None),)), EvaluationRate(), now=0.0, later=30.0
    )
    assert panel.lines(console)[3].plain == "  spent   1:30"


def test_the_live_view_draws_and_leaves_nothing_behind() -> None:
    """It begins with the first telling, so that a download before it has the terminal."""
    console = terminal()
    with View(console) as view:
        assert written(console) == ""
        progress = Progress("mine", steps=2, warnings=["half is spent"], presentation=ACCURACY)
        for phase in PHASES:
            progress.phase, progress.step = phase, 1
            progress.best, progress.best_text = 0.5, NASTY
            view(progress)
    said = written(console)
    assert "✓" in said
    assert "50.0 %" in said
    assert "[mine] half is spent" in said
    assert "[red]x[/red] [/]" in said
    assert "\x1b[31m" not in said
    assert "\x07" not in said
    assert said.endswith(("\x1b[2K", "\x1b[?25h"))


@pytest.mark.parametrize(("variable", "value"), [("CI", "1"), ("TERM", "dumb")])
def test_there_are_plain_lines_where_nothing_can_be_drawn(
    variable: str,
    value: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv(variable, value)
    console = terminal()
    with View(console) as view:
        view(Progress("mine", phase="starts", planned=4))
    assert written(console) == ""
    assert capsys.readouterr().err == "[mine] measuring the starting solutions, 0/4 evaluations\n"


def test_colours_are_left_out_where_they_are_not_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    console = terminal()
    with View(console) as view:
        view(state())
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]m", written(console))


def test_plain_lines_are_few(capsys: pytest.CaptureFixture[str]) -> None:
    """One when a phase begins, not one for every evaluation."""
    view = View(terminal(tty=False))
    progress = Progress("mine", phase="scoring", step=1, steps=2, planned=50, presentation=ACCURACY)
    progress.budget = (Amount("calls", 3, 50), Amount("seconds", 5, None))
    with view:
        for done in range(50):
            progress.done = done
            view(progress)
        progress.phase = "done"
        progress.best, progress.best_text = 0.5, NASTY
        view(progress)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == (
        "[mine] step 1/2, measuring new solutions, 0/50 evaluations, 3 of 50 calls, time 0:05"
    )
    assert lines[1].endswith("best 50.0 %: [red]x[/red] [/] [31mloud [0m")
    assert len(lines) == 2


def test_steps_that_take_no_time_have_no_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress("mine", steps=500)
    with View(terminal(tty=False)) as view:
        for step in range(1, 501):
            for phase in ("asking", "scoring"):
                progress.phase, progress.step = phase, step
                view(progress)
    assert len(capsys.readouterr().err.splitlines()) < 100


def test_a_pace_is_told_once_it_is_known() -> None:
    """Ten a second, with a hundred to go."""
    seen = EvaluationRate()
    progress = Progress("mine", phase="scoring", planned=100, ahead=20)
    assert seen.words(progress, 0.0) == ("", "")
    for second in range(5):
        progress.done = 10 * second
        seen.saw(progress, float(second))
    assert seen.words(progress, 4.0) == ("10.0/s", "about 0:08 left")
    progress.ahead = None
    assert seen.words(progress, 4.0) == ("10.0/s", "")
    progress.phase, progress.done = "validation", 10
    seen.saw(progress, 5.0)
    assert seen.words(progress, 5.0) == ("10.0/s", "")
    # While nothing comes, the rate falls.
    assert seen.words(progress, 50.5) == ("1.0/s", "")


def test_scores_are_written_for_people() -> None:
    assert [ACCURACY.amount(0.5), ACCURACY.amount(1.0), Presentation().amount(-1234.5)] == [
        "50.0 %",
        "100.0 %",
        "-1234.5",
    ]


def test_what_takes_long_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As a line that turns on a terminal, as one that stays elsewhere, not at all when quiet."""
    monkeypatch.setattr("llmopt.terminal.progress.waiting._PATIENCE", 0.0)
    console = terminal()
    with Doing("asking\x1b[31m it", console=console) as doing:
        doing.begun.wait(10)
    assert "asking [31m it  0:00" in written(console)
    with Doing("asking", console=terminal(tty=False)) as doing:
        doing.begun.wait(10)
    with Doing("asking", quiet=True, console=console):
        pass
    assert capsys.readouterr().err == "asking …\n"


def test_what_is_quick_is_not_said(capsys: pytest.CaptureFixture[str]) -> None:
    with Doing("asking", console=terminal(tty=False)):
        pass
    assert capsys.readouterr().err == ""


def test_a_download_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """As a bar on a terminal, as one line per stage elsewhere, not at all where nothing is done."""
    console = terminal()
    with Download(console) as download:
        download("download", 10_000_000, 98_000_000)
        download("verify", 98_000_000, 98_000_000)
    assert "fetching the local model" in written(console)
    with Download(terminal(tty=False)) as download:
        download("download", 1, 98_000_000)
        download("download", 98_000_000, 98_000_000)
    assert capsys.readouterr().err == "fetching the local model (98 MB)\n"
    with Download(console):
        pass
    with Download(terminal(tty=False), quiet=True) as download:
        download("Use it kindly.", 0, 0)
        download("download", 1, 98_000_000)
    assert capsys.readouterr().err == ""


def test_what_is_to_be_known_of_a_download_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Before the bar or above it; the bar goes on."""
    with Download(terminal(tty=False)) as download:
        download("Use it kindly.", 0, 0)
        download("download", 1, 98_000_000)
        download("Now from elsewhere.", 0, 0)
        download("download", 2, 98_000_000)
    assert capsys.readouterr().err == (
        "Use it kindly.\nfetching the local model (98 MB)\nNow from elsewhere.\n"
    )
    console = terminal()
    with Download(console) as download:
        download("download", 1, 98_000_000)
        download("[b]Now from elsewhere.", 0, 0)
    assert "[b]Now from elsewhere." in written(console)
