"""What a user named, as a configuration: a file, a recipe or a task."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llmopt.config.draft import DraftModels
    from llmopt.config.settings import Configuration


def configured(
    config: str, data_dir: str | None, overrides: Sequence[str]
) -> tuple[Configuration, str]:
    """Return the configuration that a user named, and a word to name runs of it by.

    Args:
        config: A file, a recipe or a task.
        data_dir: The data folder of a task, or None.
        overrides: As :func:`llmopt.config.reading.read` takes them.

    Raises:
        ConfigError: There is no such thing, or a key or a value cannot be used.
        DataError: The data folder is none.
    """
    from llmopt.config.reading import read, tables
    from llmopt.errors import ConfigError
    from llmopt.recipes import recipe_or_file

    if _is_task(config):
        return _of_task(config, data_dir, overrides), config
    path = recipe_or_file(config)
    if "base" in tables(path):
        raise ConfigError(
            f"a configuration describes one run, but {config} is a sweep of runs; start it with: "
            f"llmopt sweep {config}"
        )
    if data_dir:
        overrides = (*overrides, f"problem.data_dir={json.dumps(data_dir)}")
    return read(path, overrides), path.stem


def at_first_sight(
    data: Path,
    columns: Sequence[str],
    target: str,
    models: DraftModels,
    overrides: Sequence[str],
) -> tuple[Configuration, str]:
    """Return the configuration that a look at a data file suggests, and a word for its runs.

    Args:
        data: The file.
        columns: The columns of its input; none: those that look like it.
        target: The column of the expected answers; empty: the one that looks like it.
        models: Which models are used.
        overrides: As :func:`llmopt.config.reading.read` takes them.

    Raises:
        InputError: The file cannot be used, or its columns are not clear.
    """
    from llmopt.config.draft import drafted
    from llmopt.config.reading import settings
    from llmopt.problems.data.survey import survey

    found = survey(data, columns, target)
    made = drafted(found, str(data), models)
    return settings(made, f"the data {data}", Path.cwd(), overrides), data.stem


def _is_task(config: str) -> bool:
    """Return whether a word is a task's name, or meant as one."""
    from llmopt.errors import nearest
    from llmopt.problems.tasks import TASKS
    from llmopt.recipes import recipes

    if Path(config).is_file() or config in recipes() or config.endswith(".toml"):
        return False
    families = {name.partition("/")[0] for name in TASKS}
    return config.partition("/")[0].casefold() in families or bool(nearest(config, TASKS))


def _of_task(config: str, data_dir: str | None, overrides: Sequence[str]) -> Configuration:
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
