"""``llmopt watch``."""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from llmopt.cli.gate_options import NOT_PASSED
from llmopt.cli.options import console, print_json, run_options
from llmopt.cli.resumable import SPENDING, resumable

if TYPE_CHECKING:
    import datetime as dt

    from llmopt.config.settings import Configuration
    from llmopt.core.values import Item


@click.command()
@click.argument("which", metavar="RUN|CONFIG")
@click.option("--rows", type=click.IntRange(1), default=20, show_default=True, help="A day.")
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="New labelled rows, with the columns of the configuration; else test rows are used.",
)
@click.option(
    "--min-drop",
    type=click.FloatRange(0, 100, min_open=True),
    default=5,
    show_default=True,
    metavar="POINTS",
    help="A drop shown to be smaller is no alarm.",
)
@click.option(
    "--day",
    type=click.DateTime(["%Y-%m-%d"]),
    metavar="YYYY-MM-DD",
    help="The day that this is for; default: today, in UTC.",
)
@run_options
def watch(
    which: str,
    *,
    rows: int,
    data: Path | None,
    min_drop: float,
    day: dt.datetime | None,
    overrides: tuple[str, ...],
    store: str | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Measure a prompt in production on some rows more: has it dropped?

    The prompt is the winner of a finished RUN, compared with what it got on the test rows; or the
    first instruction of a CONFIG, whose score on the test rows is measured on the first day.
    Give the command daily, from cron or CI. The interval and the alarm hold at all times at once,
    however often it is given; on the same day again, it asks nothing.

    With an alarm it exits with 4.
    """
    from llmopt.api import watch as watched
    from llmopt.core.problem import presented
    from llmopt.terminal.progress import say
    from llmopt.terminal.watch_text import print_watch

    run, settings = _settings(which, store, overrides)
    problem, options = settings.built_problem(), settings.options()
    again = _words(which, rows, data, min_drop)
    with resumable(again, store, overrides, settings):
        found = watched(
            problem,
            run,
            rows=rows,
            fresh=_rows(settings, data) if data else None,
            min_drop=min_drop / 100,
            day=day.date() if day else None,
            store=store,
            progress=not quiet,
            source=again,
            **{k: options[k] for k in SPENDING},
        )
    if as_json:
        print_json(found.to_dict())
    else:
        print_watch(console(), found, presented(problem))
    if found.alarm:
        say(f"Alarm: {found.verdict}")
        sys.exit(NOT_PASSED)


def _settings(
    which: str, store: str | None, overrides: tuple[str, ...]
) -> tuple[str | None, Configuration]:
    """Return the name of the run, if it is one, and the settings that say how it measures."""
    from llmopt.config.reading import absolute, settings, tables
    from llmopt.errors import ConfigError
    from llmopt.recipes import recipe_or_file
    from llmopt.store import open_store

    source = None
    if not Path(which).is_file():
        with closing(open_store(store)) as kept:
            if any(info.name == which for info in kept.runs()):
                source = kept.config(which).get("source") or {}
    if source is None:
        path = recipe_or_file(which)
        return None, settings(absolute(tables(path), path.parent), which, Path.cwd(), overrides)
    if not source:
        raise ConfigError(
            f"llmopt watch is for searches that were started from a configuration file, but "
            f"{which!r} was not; call llmopt.watch in Python"
        )
    # What the run might spend was for the run.
    source = {name: table for name, table in source.items() if name != "budget"}
    return which, settings(source, f"the run {which!r}", Path("/"), overrides)


def _rows(settings: Configuration, path: Path) -> tuple[Item, ...]:
    """Read new rows, with the columns that the configuration names."""
    from llmopt.config.tables import text_of
    from llmopt.problems.data.columns import load
    from llmopt.problems.prompt.layout import named_slots

    table = settings.problem
    slots = named_slots(text_of(table.prompt_from)) if table.prompt_from else ()
    return load(path, encoding=table.encoding, optional=slots, **table.columns)


def _words(which: str, rows: int, data: Path | None, min_drop: float) -> tuple[str, ...]:
    """Return the words that do this again, on any day."""
    words = ["watch", which, "--rows", str(rows), "--min-drop", f"{min_drop:g}"]
    return (*words, "--data", str(data)) if data else tuple(words)
