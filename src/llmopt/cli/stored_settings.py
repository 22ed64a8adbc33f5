"""The configuration that a stored run was begun with."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from llmopt.config.settings import Configuration
    from llmopt.core.store import Store


def stored_settings(
    command: str,
    run: str,
    store: str | None,
    overrides: Sequence[str],
    check: Callable[[Store, str], object],
) -> Configuration:
    """Return the settings of a run that a command works on.

    Args:
        command: Name of the command, and of the function that does the same in Python.
        run: Name of the run.
        store: Where runs are kept.
        overrides: Values that are changed.
        check: Refuses a run that the command is not for; called first.

    Raises:
        ConfigError: The run was made for another one, or started from Python, or as `check` says.
        StoreError: There is no such run.
    """
    from llmopt.config.reading import settings
    from llmopt.engine.header import RunHeader
    from llmopt.errors import ConfigError
    from llmopt.store import open_store

    with closing(open_store(store, new=store is None)) as kept:
        if RunHeader.of(kept.config(run)).control:
            raise ConfigError(
                f"llmopt {command} is for runs that were started by themselves, but {run!r} was "
                "made for another run; name that one"
            )
        check(kept, run)
        source = kept.config(run).get("source")
    if not source:
        raise ConfigError(
            f"llmopt {command} is for runs that were started from a configuration file, but "
            f"{run!r} was started from Python; call llmopt.{command} there"
        )
    return settings(source, f"the run {run!r}", Path("/"), overrides)
