"""``llmopt run``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from llmopt.cli.options import run_options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llmopt.config.settings import Settings


@click.command()
@click.argument("config", metavar="CONFIG.toml|RECIPE|TASK")
@click.option("--name", help="Name of the run; default: a new one from the file's name.")
@click.option(
    "--data-dir",
    metavar="FOLDER",
    help="Where a TASK's official files are; default: LLMOPT_DATA, or the Hugging Face hub.",
)
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


def configured(config: str, data_dir: str | None, overrides: Sequence[str]) -> tuple[Settings, str]:
    """Return the configuration that a user named, and a word to name runs of it by.

    Args:
        config: A file, a recipe or a task.
        data_dir: The data folder of a task, or None.
        overrides: As :func:`llmopt.config.reading.read` takes them.

    Raises:
        ConfigError: There is no such thing, or a key or a value cannot be used.
        DataError: The data folder is none.
    """
    from llmopt.config.reading import read
    from llmopt.recipes import recipe_or_file

    if _is_task(config):
        return _of_task(config, data_dir, overrides), config
    path = recipe_or_file(config)
    if data_dir:
        overrides = (*overrides, f"problem.data_dir={json.dumps(data_dir)}")
    return read(path, overrides), path.stem


def _is_task(config: str) -> bool:
    """Return whether a word is a task's name, or meant as one."""
    from llmopt.errors import nearest
    from llmopt.problems.tasks import TASKS
    from llmopt.recipes import recipes

    if Path(config).is_file() or config in recipes() or config.endswith(".toml"):
        return False
    families = {name.partition("/")[0] for name in TASKS}
    return config.partition("/")[0].casefold() in families or bool(nearest(config, TASKS))


def _of_task(config: str, data_dir: str | None, overrides: Sequence[str]) -> Settings:
    """Return a task's configuration: the split of its paper unless sizes are given."""
    from llmopt.config.reading import settings
    from llmopt.errors import ConfigError
    from llmopt.problems.tasks import data_folder, entry_named

    entry = entry_named(config)
    given = {override.partition("=")[0].strip() for override in overrides}
    if "scorer.model" not in given:
        raise ConfigError(
            "a task is run with a scorer LLM, but none is named; add "
            "-o scorer.model=local/smollm2-135m or another one of llmopt models"
        )
    problem = {"benchmark": entry.name}
    if entry.papers and "problem.sizes" not in given:
        problem["split"] = entry.papers[0]
    # The folder is kept with the run, so that llmopt resume finds it without the environment.
    folder = data_folder(data_dir)
    if folder:
        problem["data_dir"] = str(folder)
    return settings({"problem": problem}, f"the task {entry.name!r}", Path.cwd(), overrides)


def _base(stem: str) -> str:
    """Return the file's name as a run's name can be: lower case, no blanks."""
    kept = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "-" for c in stem.lower())
    return kept.lstrip("._-")[:48] or "run"
