"""``llmopt recipes``."""

from __future__ import annotations

import click

from llmopt.cli.options import console, json_option, print_json


@click.command()
@click.argument("name", required=False)
@json_option
def recipes(name: str | None, *, as_json: bool) -> None:
    """List the experiments that ship, or print the file of the one called NAME."""
    from dataclasses import asdict

    from llmopt.errors import UnknownNameError
    from llmopt.recipes import FOLDER, described

    rows = described()
    if name is not None and all(row.name != name for row in rows):
        raise UnknownNameError("a recipe", name, [row.name for row in rows])
    if name is not None:
        file = (FOLDER / f"{name}.toml").read_text(encoding="utf-8")
        if as_json:
            print_json({**next(asdict(row) for row in rows if row.name == name), "file": file})
        else:
            click.echo(file, nl=False)
        return
    if as_json:
        print_json([asdict(row) for row in rows])
        return
    out = console()
    for row in rows:
        out.print(f"llmopt {row.kind} {row.name}", style="bold", markup=False)
        for text in (row.what, f"Source: {row.source}", f"Needs: {row.needs}"):
            out.print(f"    {text}", markup=False, soft_wrap=True)
    out.print("\nThe file of one, to read or to copy: llmopt recipes NAME")
