"""``llmopt run``."""

from __future__ import annotations

from pathlib import Path

import click

from llmopt.cli.options import data_dir_option, run_options


@click.command()
@click.argument("config", metavar="CONFIG.toml|RECIPE|TASK", default="")
@click.option("--data", metavar="FILE", default="", help="A first try on this file instead.")
@click.option("--input", "columns", multiple=True, metavar="COL", help="Its input, once or more.")
@click.option("--target", default="", metavar="COL", help="Its column of expected answers.")
@click.option("--scorer", default="", metavar="MODEL", help="The model that answers.")
@click.option("--optimizer", default="", metavar="MODEL", help="The model that proposes.")
@click.option("--base-url", default="", metavar="URL", help="Where the scorer's API begins.")
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
    data: str,
    columns: tuple[str, ...],
    target: str,
    scorer: str,
    optimizer: str,
    base_url: str,
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
    that is a sweep is done as by llmopt sweep. With --data, no file is needed: the data are looked
    at as by llmopt init --data.
    """
    from llmopt.cli.execute import execute
    from llmopt.cli.sweep import sweep
    from llmopt.config.draft import DraftModels
    from llmopt.preflight.configured import at_first_sight, configured
    from llmopt.recipes import sweeps
    from llmopt.store import open_store

    first_try = any((data, columns, target, scorer, optimizer, base_url))
    _check_source(config, data, first_try=first_try)
    if not Path(config).is_file() and config in sweeps():
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
    if data:
        models = DraftModels(scorer, optimizer, base_url)
        settings, base = at_first_sight(Path(data), columns, target, models, overrides)
    else:
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


def _check_source(config: str, data: str, *, first_try: bool) -> None:
    """Refuse a run of nothing, or of two things."""
    from llmopt.errors import ConfigError

    if first_try and not data:
        raise ConfigError(
            "--input, --target, --scorer, --optimizer and --base-url go with --data, but got no "
            "--data; name the file, or set values of a configuration with -o table.key=value"
        )
    if bool(config) == bool(data):
        raise ConfigError(
            "a run is of a configuration or of --data, but got "
            f"{'both' if config else 'neither'}; llmopt init writes a configuration"
        )


def _base(stem: str) -> str:
    """Return the file's name as a run's name can be: lower case, no blanks."""
    kept = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "-" for c in stem.lower())
    return kept.lstrip("._-")[:48] or "run"
