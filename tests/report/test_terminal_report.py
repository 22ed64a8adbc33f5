"""What people see of a run: progress, results and lists, with model output as text."""

from __future__ import annotations

import io
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from llmopt.report.progress import Download, Pace, View, clock, shown, spark
from llmopt.report.tables import print_runs, visible
from llmopt.search.progress import Progress
from llmopt.store.protocol import RunInfo

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


def test_the_live_view_draws_every_phase() -> None:
    """A phase that begins right after another is drawn: it may be silent for long."""
    console = terminal()
    with View(console) as view:
        progress = Progress("mine", steps=2)
        for phase in ("starts", "asking", "scoring", "validation", "test", "done"):
            progress.phase, progress.step = phase, 1
            progress.best, progress.best_text = 0.5, NASTY
            progress.planned = 0 if phase == "asking" else 10
            view(progress)
    said = written(console)
    for words in ("measuring the starting", "asking for new", "choosing the winner", "testing on"):
        assert words in said
    assert "50.0 %" in said
    assert "[red]x[/red] [/]" in said
    assert "\x1b[31m" not in said
    assert "\x07" not in said
    assert "?" not in re.sub(r"\x1b\[\?", "", said)


def test_plain_lines_are_few(capsys: pytest.CaptureFixture[str]) -> None:
    """One when a phase begins, not one for every evaluation."""
    view = View(terminal(tty=False))
    progress = Progress("mine", phase="scoring", step=1, steps=2, planned=50)
    with view:
        for done in range(50):
            progress.done = done
            view(progress)
        progress.phase = "done"
        progress.best, progress.best_text = 0.5, NASTY
        view(progress)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "[mine] step 1/2, measuring new solutions, 0/50 evaluations"
    assert lines[1].endswith("best 50.0 %: [red]x[/red] [/] [31mloud [0m")
    assert len(lines) == 2


def test_a_pace_is_told_once_it_is_known() -> None:
    """Ten a second, with a hundred to go."""
    pace = Pace()
    progress = Progress("mine", phase="scoring", planned=100, ahead=20)
    assert pace.words(progress) == []
    for second in range(5):
        progress.done = 10 * second
        pace.saw(progress, float(second))
    assert pace.words(progress) == ["10.0/s", "about 0:08 left"]
    progress.ahead = None
    assert pace.words(progress) == ["10.0/s"]
    progress.phase, progress.done = "validation", 10
    pace.saw(progress, 5.0)
    assert pace.words(progress) == ["10.0/s"]


def test_numbers_are_written_for_people() -> None:
    assert [shown(0.5), shown(1.0), shown(-1234.5)] == ["50.0 %", "100.0 %", "-1234.5"]
    assert [clock(0.4), clock(75), clock(3_675)] == ["0:00", "1:15", "1:01:15"]
    assert [spark([0.5]), spark([0.5, 0.5]), spark([0.0, 0.5, 1.0])] == ["", "", "▁▅█"]


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
    assert capsys.readouterr().err == ""


def test_runs_are_listed() -> None:
    console = terminal(tty=False)
    print_runs(
        console,
        [
            RunInfo("mine", "2026-01-02T03:04:05.678+00:00", "done", 5, 0.75),
            RunInfo("new", "2026-01-02T03:04:05.678+00:00", "running", 0, None),
        ],
    )
    lines = [line.split() for line in written(console).splitlines()]
    assert lines[1] == ["mine", "2026-01-02", "03:04", "done", "4", "75.0", "%"]
    assert lines[2] == ["new", "2026-01-02", "03:04", "running", "0", "-"]
