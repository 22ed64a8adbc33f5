"""``llmopt sweep``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from llmopt.cli.options import (
    INTERRUPTED,
    command_line,
    console,
    data_dir_option,
    print_json,
    run_options,
)

if TYPE_CHECKING:
    from llmopt.sweeps.grid import Sweep
    from llmopt.sweeps.swept import Swept


@click.command()
@click.argument("config", metavar="SWEEP.toml|RECIPE")
@click.option("--name", help="Name of the sweep; default: what the file says, or its own name.")
@data_dir_option
@click.option(
    "--jobs",
    type=int,
    help="Cells at once; with a model in this process, each in a process with its own cores. "
    "Default: 1; with --on, as many as there are cores.",
)
@click.option(
    "--on",
    metavar="PLACE",
    help="Where cells are done: processes of this machine, ray, or ray://HOST:PORT.",
)
@click.option(
    "--cells",
    "cells",
    metavar="I/N",
    help="Do only the I-th of N parts of the cells, while other processes do the others.",
)
@click.option(
    "--calls",
    type=click.IntRange(1),
    help="Calls that the whole sweep may buy, over all processes that do its cells; default: what "
    "the budgets of its cells come to.",
)
@click.option("--csv", "table", metavar="FILE", help="Write the table to a CSV file, too.")
@click.option("--list", "listing", is_flag=True, help="List cells and estimated calls; do nothing.")
@run_options
def sweep(
    config: str,
    *,
    name: str | None,
    data_dir: str | None,
    jobs: int | None,
    on: str | None,
    cells: str | None,
    calls: int | None,
    table: str | None,
    listing: bool,
    overrides: tuple[str, ...],
    store: str | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Do a grid of runs on equal budgets, and compare them.

    Variants are compared with the first one on common test items. A reply is bought once for
    all cells. The same command continues where an interrupted one stopped; a cell that is done
    is not done again.
    """
    from llmopt.engine.blocking import wait
    from llmopt.errors import InputError, LlmoptError
    from llmopt.evidence import convergence
    from llmopt.evidence import sweep_summary as sweeps
    from llmopt.integrations.csv_table import write_csv
    from llmopt.recipes import sweep_or_file
    from llmopt.sweeps.executors.choice import check_place
    from llmopt.sweeps.grid import read_sweep
    from llmopt.sweeps.parting import SweepPart
    from llmopt.sweeps.runner import run_sweep
    from llmopt.terminal.convergence_table import print_convergence
    from llmopt.terminal.progress import say
    from llmopt.terminal.sweep_table import print_sweep

    part = SweepPart.read(cells) if cells else None
    check_place(on)
    here = _written(data_dir)
    made = read_sweep(sweep_or_file(config), (*here, *overrides), name)
    if listing:
        _list(made, store, as_json=as_json)
        return
    if table is not None:
        _check_file(table)
    given = (("name", name), ("data-dir", data_dir), ("on", on), ("cells", cells), ("calls", calls))
    options = [f"--{key}={value}" for key, value in given if value]
    again = command_line(("sweep", config, *options), store, overrides)
    try:
        found = wait(
            run_sweep(
                made, store=store, jobs=jobs, on=on, part=part, calls=calls, progress=not quiet
            ),
            say,
        )
    except KeyboardInterrupt:
        click.echo(f"\nInterrupted; every reply so far is stored. Continue with: {again}", err=True)
        sys.exit(INTERRUPTED)
    except LlmoptError as error:
        if not isinstance(error, InputError):
            click.echo(f"Finished cells are stored. Continue with: {again}", err=True)
        raise
    if table is not None and found.complete:
        rows = map(convergence.flat, found.lines) if found.lines else map(sweeps.flat, found.rows)
        write_csv(Path(table), rows)
    if as_json:
        print_json(found.to_dict())
    elif not found.complete:
        _print_part(found)
    elif found.lines:
        print_convergence(console(), found.converged)
        _print_costs(found, store)
    else:
        print_sweep(console(), found.rows, found.cells)
        _print_costs(found, store)


def _written(data_dir: str | None) -> tuple[str, ...]:
    """Return the folder of the data as an option."""
    import json

    return () if data_dir is None else (f"problem.data_dir={json.dumps(data_dir)}",)


def _check_file(table: str) -> None:
    """Refuse a file that cannot be written before anything is paid."""
    from llmopt.errors import ConfigError

    path = Path(table)
    there = path.exists()
    try:
        path.open("a", encoding="utf-8").close()
    except OSError as error:
        raise ConfigError(
            f"the table goes to a file that can be written, but got {table!r}: {error.strerror}; "
            "name another"
        ) from error
    if not there:
        path.unlink()


def _print_part(found: Swept) -> None:
    """Say how far a sweep is whose other parts are not done."""
    from llmopt.core.formatting import counted

    count = len(found.cells)
    click.echo(
        f"Part {found.part} is done ({counted(count, 'cell')}); {found.done} of {found.total} "
        "cells of the sweep are done. The table comes with the last part, or with "
        "the same command without --cells."
    )


def _print_costs(found: Swept, store: str | None) -> None:
    used = sum(cell.calls for cell in found.cells)
    click.echo(
        f"{len(found.cells)} cells used {used:,} calls; models answered {found.bought:,}, the "
        "others were in the store."
    )
    best = max(found.cells, key=lambda cell: cell.score)
    click.echo(f"Look closer at one: {command_line(('show', best.cell), store)}")


def _list(made: Sweep, store: str | None, *, as_json: bool) -> None:
    """Print the cells, whether they are done, and the calls that each may use."""
    rows = _rows(made, store)
    if as_json:
        print_json({"sweep": made.name, "cells": rows})
        return
    from rich.table import Table
    from rich.text import Text

    from llmopt.core.text import visible

    out = console()
    shown = Table(box=None, padding=(0, 3, 0, 0), header_style="dim")
    for head in ("cell", "variant", "task", "seed", "state", "calls"):
        shown.add_column(head, justify="right" if head == "calls" else "left")
    for number, row in enumerate(rows, 1):
        shown.add_row(
            str(number),
            *(Text(visible(row[key])) for key in ("variant", "task", "seed", "state")),
            f"{row['low']:,} to {row['high']:,}",
        )
    out.print(shown)
    low, high = (sum(row[key] for row in rows if row["state"] != "done") for key in ("low", "high"))
    click.echo(
        f"\nStill to do: {low:,} to {high:,} calls, fewer where cells ask the same: a reply is "
        "bought once."
    )


def _rows(made: Sweep, store: str | None) -> list[dict[str, Any]]:
    """Return what is known of each cell before it is done."""
    import asyncio

    from llmopt.preflight.check import examined
    from llmopt.store import open_store
    from llmopt.sweeps.swept import finished

    kept = open_store(store)
    try:
        done = finished(kept, made)
        begun = {info.name for info in kept.runs()}
    finally:
        kept.close()
    rows = []
    bounds: dict[tuple[str, str], tuple[int, int]] = {}
    for cell in made.cells:
        alike = (cell.variant, cell.task)  # seeds change nothing of what may be asked
        if alike not in bounds:
            bounds[alike] = asyncio.run(examined(cell.settings, offline=True)).calls
        low, high = bounds[alike]
        cap = cell.settings.budget.calls
        rows.append(
            {
                "name": cell.name,
                "variant": cell.variant,
                "task": cell.task,
                "seed": cell.seed,
                "state": "done" if cell.name in done else "begun" if cell.name in begun else "new",
                "low": low if cap is None else min(cap, low),
                "high": high if cap is None else min(cap, high),
            }
        )
    return rows
