"""Doing a run for the command line: progress, result, and how to go on after a stop."""

from __future__ import annotations

import sys
from contextlib import closing
from typing import TYPE_CHECKING

import click

from llmopt.cli.options import INTERRUPTED, command_line, console, print_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llmopt.config.settings import Configuration
    from llmopt.history.readable_solution import SolutionReader


def execute(
    settings: Configuration,
    *,
    store: str | None,
    name: str,
    as_json: bool,
    quiet: bool,
    record: str | None = None,
    changed: Sequence[str] = (),
) -> None:
    """Run a configuration to its end and print what was found.

    Args:
        settings: The configuration.
        store: Where runs are kept.
        name: Name of the run; one that is in the store is continued.
        as_json: Print the result as JSON.
        quiet: Show no progress.
        record: A new file for all replies that the run uses, or None.
        changed: Options that a continued run was given and that its journal does not know.

    Raises:
        LlmoptError: See :func:`llmopt.optimize`; the message says how to resume.
    """
    from llmopt.api import optimize
    from llmopt.errors import (
        BudgetError,
        InputError,
        LlmoptError,
        NotWorthItError,
        StoreError,
    )
    from llmopt.terminal.progress import say
    from llmopt.terminal.result_table import print_result

    problem = settings.built_problem()
    options = settings.options()
    how = command_line(("resume", name), store, changed)
    caps = settings.budget.model_dump(exclude_none=True)
    larger = command_line(("resume", name), store, changed, caps)
    try:
        result = optimize(
            problem,
            **options,
            name=name,
            store=store,
            record=record,
            progress=not quiet,
            source=settings.model_dump(mode="json", exclude_defaults=True),
        )
    except KeyboardInterrupt:
        kept = f"every reply so far is stored. Continue with: {how}"
        kept = kept if _is_kept(store, name) else "nothing was asked yet."
        say(f"\nInterrupted; {kept}")
        sys.exit(INTERRUPTED)
    except LlmoptError as error:
        under_way = isinstance(error, StoreError) and error.under_way
        if (under_way or not isinstance(error, InputError)) and _is_kept(store, name):
            if isinstance(error, NotWorthItError):
                anyway = [*changed, "run.headroom=report"]
                how = command_line(("resume", name), store, anyway)
            elif isinstance(error, BudgetError):
                how = larger
            say(f"The run is stored. Continue with: {how}")
        raise
    if as_json:
        print_json(result.to_dict())
    else:
        print_result(console(), result, _reader(store, name))
        click.echo(f"Look closer: {command_line(('show', name), store)}")
    if result.out_of_budget:
        say(f"The budget ended the search; with a larger one: {larger}")
        sys.exit(BudgetError.exit_code)


def _reader(store: str | None, name: str) -> SolutionReader:
    """Return what reads the solutions of a run."""
    from llmopt.history.readable_solution import SolutionReader
    from llmopt.history.run_history import told
    from llmopt.store import open_store

    with closing(open_store(store)) as kept:
        return SolutionReader.of(told(kept, name))


def _is_kept(store: str | None, name: str) -> bool:
    """Return whether the store has the run; one that got no reply at all is not kept.

    A store that cannot be read now may still have it.
    """
    from llmopt.errors import StoreError
    from llmopt.store import open_store

    try:
        with closing(open_store(store)) as kept:
            return any(info.name == name for info in kept.runs())
    except StoreError:
        return True
