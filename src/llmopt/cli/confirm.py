"""``llmopt confirm``."""

from __future__ import annotations

import click

from llmopt.cli.options import console, print_json, run_options
from llmopt.cli.resumable import SPENDING, resumable
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
    with resumable(("confirm", run), store, overrides, settings):
        found = confirmed(
            problem,
            run,
            store=store,
            progress=not quiet,
            cost=cost,
            **{k: options[k] for k in SPENDING},
        )
    if as_json:
        print_json(found.to_dict())
    else:
        print_confirmation(console(), found)
