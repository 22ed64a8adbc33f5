"""``llmopt models``."""

from __future__ import annotations

import click

from llmopt.cli.options import console, json_option, print_json


@click.command()
@json_option
def models(as_json: bool) -> None:
    """List the kinds of models that can be named."""
    from llmopt.models.registry import known_models

    rows = known_models()
    if as_json:
        print_json([{"name": name, "what": what} for name, what in rows])
        return
    out = console()
    for name, what in rows:
        out.print(name, style="bold", markup=False)
        out.print(f"    {what}", markup=False)
