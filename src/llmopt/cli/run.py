"""``llmopt run``."""

from __future__ import annotations

import click

from llmopt.cli.options import run_options


@click.command()
@click.argument("config", metavar="CONFIG.toml|RECIPE")
@click.option("--name", help="Name of the run; default: a new one from the file's name.")
@run_options
def run(
    config: str,
    *,
    name: str | None,
    overrides: tuple[str, ...],
    store: str | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Search for a better instruction as a configuration file says.

    llmopt init writes a file to start from; a RECIPE is one that ships, such as demo.
    """
    from llmopt.cli.execute import execute
    from llmopt.config import read
    from llmopt.recipes import recipe_or_file
    from llmopt.store import open_store

    path = recipe_or_file(config)
    settings = read(path, overrides)
    if not (name or settings.run.name):
        kept = open_store(store)
        name = kept.new_name(_base(path.stem))
        kept.close()
    execute(
        settings,
        store=store,
        name=name or settings.run.name or "",
        as_json=as_json,
        quiet=quiet,
    )


def _base(stem: str) -> str:
    """Return the file's name as a run's name can be: lower case, no blanks."""
    kept = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "-" for c in stem.lower())
    return kept.lstrip("._-")[:48] or "run"
