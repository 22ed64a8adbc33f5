"""The list of runs: which of them are in it, and what a line says."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console

from llmopt.core.presentation import ACCURACY
from llmopt.core.store import RunInfo
from llmopt.engine.header import RunHeader
from llmopt.errors import ConfigError
from llmopt.history.listing import Listed, Wanted, moment
from llmopt.terminal.runs_table import print_runs

CREATED = "2026-01-02T03:04:05.678+00:00"
NOW = datetime(2026, 2, 1, tzinfo=UTC)


def header(algorithm: str) -> RunHeader:
    return RunHeader("run", algorithm, ACCURACY, "", control=False)


def lines(*runs: Listed) -> list[list[str]]:
    console = Console(file=io.StringIO(), width=120, highlight=False)
    print_runs(console, runs)
    assert isinstance(console.file, io.StringIO)
    return [line.split() for line in console.file.getvalue().splitlines()]


def test_runs_are_listed() -> None:
    found = lines(
        Listed(RunInfo("mine", CREATED, "done", 5, 0.75), header("opro")),
        Listed(RunInfo("new", CREATED, "running", 0, None), header("")),
    )
    assert found[1] == ["mine", "2026-01-02", "03:04", "done", "opro", "4", "75.0", "%"]
    assert found[2] == ["new", "2026-01-02", "03:04", "running", "-", "0", "-"]


def test_labels_are_shown_as_text() -> None:
    """Markup and control characters of a note command nothing."""
    info = RunInfo("mine", CREATED, "done", 1, None, ("best",), "[red]x[/] \x1b[31m")
    assert lines(Listed(info, header("opro")))[1][-3:] == ["#best", "[red]x[/]", "\\u001b[31m"]


@pytest.mark.parametrize(
    ("wanted", "fits"),
    [
        (Wanted(), True),
        (Wanted(status="done", algorithm="opro", tags=("a", "b")), True),
        (Wanted(status="failed"), False),
        (Wanted(algorithm="ape"), False),
        (Wanted(tags=("a", "x")), False),
        (Wanted(since=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)), True),
        (Wanted(since=datetime(2026, 1, 3, tzinfo=UTC)), False),
        (Wanted(text="TICKETS.csv"), True),
        (Wanted(text="second TRY"), True),
        (Wanted(text="elsewhere"), False),
    ],
)
def test_a_run_is_wanted_that_has_all_that_is_asked_for(wanted: Wanted, *, fits: bool) -> None:
    info = RunInfo("mine", CREATED, "done", 5, 0.75, ("a", "b"), "Second try")
    config = {"source": {"problem": {"data": "/data/Tickets.csv"}}}
    assert wanted.fits(info, "opro", config) is fits


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("7d", NOW - timedelta(days=7)),
        ("36h", NOW - timedelta(hours=36)),
        ("2026-01-31", datetime(2026, 1, 31, tzinfo=UTC)),
        ("2026-01-31T18:30", datetime(2026, 1, 31, 18, 30, tzinfo=UTC)),
        ("2026-01-31T18:30+02:00", datetime(2026, 1, 31, 16, 30, tzinfo=UTC)),
    ],
)
def test_a_time_is_a_date_or_how_long_ago(text: str, found: datetime) -> None:
    assert moment(text, NOW) == found


@pytest.mark.parametrize("text", ["", "yesterday", "7w", "2026-13-01", "999999d"])
def test_any_other_time_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="7d or 36h"):
        moment(text, NOW)
