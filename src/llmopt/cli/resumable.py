"""Says how a command that was stopped continues."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from llmopt.cli.options import INTERRUPTED, command_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmopt.config.settings import Configuration

SPENDING = ("budget", "prices", "rates", "concurrency", "tolerance")
"""The options of a run that what measures given solutions has, too."""


@contextmanager
def resumable(
    words: tuple[str, ...], store: str | None, overrides: tuple[str, ...], settings: Configuration
) -> Iterator[None]:
    """Say how to continue where what is done in the context is stopped.

    Args:
        words: The command and its arguments.
        store: Where runs are kept, or None for the usual place.
        overrides: Values of the configuration that are changed, as ``table.key=value``.
        settings: The configuration, which has the budget.
    """
    from llmopt.errors import BudgetError, InputError, LlmoptError, StoreError
    from llmopt.terminal.progress import say

    caps = settings.budget.model_dump(exclude_none=True)
    how = command_line(words, store, overrides)
    try:
        yield
    except KeyboardInterrupt:
        say(f"\nInterrupted; every reply so far is stored. Continue with: {how}")
        sys.exit(INTERRUPTED)
    except BudgetError:
        larger = command_line(words, store, overrides, caps)
        say(f"Every reply so far is stored. With a larger budget: {larger}")
        raise
    except LlmoptError as error:
        under_way = isinstance(error, StoreError) and error.under_way
        if under_way or not isinstance(error, InputError):
            say(f"Every reply so far is stored. Continue with: {how}")
        raise
