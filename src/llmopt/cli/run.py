"""``llmopt run``."""

from __future__ import annotations

from pathlib import Path

import click

from llmopt.cli.options import data_dir_option, run_options


@click.command()
@click.argument("config", metavar="CONFIG.toml|RECIPE|TASK")
@click.option("--name", help="Name of the run; default: a new one from the file's name.")
@data_dir_option
@click.option(
    "--record",
    metavar="FILE",
    help="Write all replies that the run uses to a new file, for the model replay/FILE.",
)
@run_options
def run(
    config: str,
    *,
    name: str | None,
    data_dir: str | None,
    record: str | None,
    overrides: tuple[str, ...],
    store: str | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Search for a better instruction as a configuration file says.

    llmopt init writes a file to start from; a RECIPE is one that ships, such as demo. A TASK is
    one of the papers' benchmarks (llmopt tasks lists them); it needs -o scorer.model=… A recipe
    that is a sweep is done as by llmopt sweep.
    """
    from llmopt.cli.configured import configured
    from llmopt.cli.execute import execute
    from llmopt.cli.sweep import sweep
    from llmopt.recipes import sweeps
    from llmopt.store import open_store

    if config in sweeps() and not Path(config).is_file():
        click.get_current_context().invoke(
            sweep,
            config=config,
            name=name,
            data_dir=data_dir,
            overrides=overrides,
            store=store,
            as_json=as_json,
            quiet=quiet,
        )
        return
    settings, base = configured(config, data_dir, overrides)
    if not (name or settings.run.name):
        kept = open_store(store)
        name = kept.new_name(_base(base))
        kept.close()
    execute(
        settings,
        store=store,
        name=name or settings.run.name or "",
        as_json=as_json,
        quiet=quiet,
        record=record,
    )


def _base(stem: str) -> str:
    """Return the file's name as a run's name can be: lower case, no blanks."""
    kept = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "-" for c in stem.lower())
    return kept.lstrip("._-")[:48] or "run"
