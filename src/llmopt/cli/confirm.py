"""``llmopt confirm``."""

from __future__ import annotations

import sys

import click

from llmopt.cli.options import INTERRUPTED, command_line, console, print_json, run_options
from llmopt.cli.stored_settings import stored_settings


@click.command()
@click.argument("run", metavar="RUN")
@run_options
def confirm(
    run: str,
    overrides: tuple[str, ...],
    store: str | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Open the vault of a finished run, once: is its winner better than its start?

    The rows of problem.vault are in no search, no choice and no test. A store opens them once,
    for one run; the answer is final. Repeated, the same command prints what was found and asks
    nothing; one that was stopped continues.
    """
    from llmopt.api import confirm as confirmed
    from llmopt.engine.confirm import finished
    from llmopt.errors import BudgetError, InputError, LlmoptError
    from llmopt.terminal.confirmation_table import print_confirmation
    from llmopt.terminal.progress import say

    settings = stored_settings("confirm", run, store, overrides, finished)

    def cost(calls: int, items: int) -> None:
        if not quiet:
            say(
                f"Opens the vault of {run}: {items:,} items, at most {calls:,} calls. They are "
                "opened once."
            )

    problem, options = settings.built_problem(), settings.options()
    again = ("confirm", run)
    caps = settings.budget.model_dump(exclude_none=True)
    try:
        found = confirmed(
            problem,
            run,
            store=store,
            progress=not quiet,
            cost=cost,
            **{k: options[k] for k in ("budget", "prices", "rates", "concurrency", "tolerance")},
        )
    except KeyboardInterrupt:
        how = command_line(again, store, overrides)
        say(f"\nInterrupted; every reply so far is stored. Continue with: {how}")
        sys.exit(INTERRUPTED)
    except BudgetError:
        say(f"With a larger budget: {command_line(again, store, overrides, caps)}")
        raise
    except LlmoptError as error:
        if not isinstance(error, InputError):
            how = command_line(again, store, overrides)
            say(f"Every reply so far is stored. Continue with: {how}")
        raise
    if as_json:
        print_json(found.to_dict())
    else:
        print_confirmation(console(), found)
