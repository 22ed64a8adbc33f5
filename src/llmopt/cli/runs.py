"""``llmopt runs``."""

from __future__ import annotations

import click

from llmopt.cli.options import console, json_option, print_json, store_option


@click.command()
@store_option
@json_option
def runs(store: str | None, as_json: bool) -> None:
    """List the runs in the store, newest first."""
    from llmopt.report.tables import print_runs
    from llmopt.store import open_store

    kept = open_store(store, new=store is None)
    try:
        found = kept.runs()
    finally:
        kept.close()
    if as_json:
        print_json(
            [
                {
                    "name": info.name,
                    "created": info.created,
                    "status": info.status,
                    "steps": max(0, info.steps - 1),  # the starting solutions are no step
                    "best": info.best,
                }
                for info in found
            ]
        )
    elif found:
        print_runs(console(), found)
    else:
        click.echo("No runs yet; llmopt demo makes one.", err=True)
