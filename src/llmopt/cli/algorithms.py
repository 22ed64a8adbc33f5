"""``llmopt algorithms``."""

from __future__ import annotations

import click

from llmopt.cli.options import console, json_option, print_json


@click.command()
@json_option
def algorithms(as_json: bool) -> None:
    """List the methods with the parts they are made of."""
    from llmopt.algorithms import table

    rows = table()
    if as_json:
        print_json(rows)
        return
    for row in rows:
        out = console()
        out.print(f"{row['algorithm']}", style="bold", markup=False)
        out.print(f"    {row['what']}", markup=False)
        for part in ("select", "reflect", "propose", "rate"):
            out.print(f"    {part:8} {row[part]}", markup=False)
