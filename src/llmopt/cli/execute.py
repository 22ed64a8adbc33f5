"""Doing a run for the command line: progress, result, and how to go on after a stop."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from llmopt.cli.options import console, print_json

if TYPE_CHECKING:
    from llmopt.config import Settings

INTERRUPTED = 130


def execute(
    settings: Settings, *, store: str | None, name: str, as_json: bool, quiet: bool
) -> None:
    """Run a configuration to its end and print what was found.

    Args:
        settings: The configuration.
        store: Where runs are kept.
        name: Name of the run; one that is in the store is continued.
        as_json: Print the result as JSON.
        quiet: Show no progress.

    Raises:
        LlmoptError: See :func:`llmopt.optimize`; the message says how to resume.
    """
    from llmopt.api import optimize
    from llmopt.errors import BudgetError, LlmoptError
    from llmopt.report.tables import print_result

    problem = settings.built_problem()
    options = settings.options()
    how = f"llmopt resume {name}" + (f" --store {store}" if store else "")
    try:
        result = optimize(
            problem,
            **options,
            name=name,
            store=store,
            progress=not quiet,
            source=settings.model_dump(mode="json", exclude_defaults=True),
        )
    except KeyboardInterrupt:
        click.echo(f"\nInterrupted; every reply so far is stored. Go on with: {how}", err=True)
        sys.exit(INTERRUPTED)
    except LlmoptError as error:
        if error.exit_code != 2:  # noqa: PLR2004 - bad input leaves nothing to resume
            click.echo(f"The run is stored. Go on with: {how}", err=True)
        raise
    if as_json:
        print_json(result.to_dict())
    else:
        print_result(console(), result)
        click.echo(f"Look closer: llmopt show {name}" + (f" --store {store}" if store else ""))
    if result.out_of_budget:
        more = f"{how} -o budget.…=…"
        click.echo(f"The budget ended the search; with a larger one: {more}", err=True)
        sys.exit(BudgetError.exit_code)
