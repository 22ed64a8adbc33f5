"""The package's log, for those who want to read more than the progress."""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING

from llmopt.core.text import one_line
from llmopt.terminal.progress.stream import say

if TYPE_CHECKING:
    from collections.abc import Iterator

_LONGEST = 500  # characters of a line


class _Said(logging.Handler):
    """Writes what is logged to standard error, above a live view where there is one."""

    def emit(self, record: logging.LogRecord) -> None:
        say(one_line(record.getMessage(), _LONGEST))


@contextlib.contextmanager
def logged() -> Iterator[None]:
    """Write what the package logs at level INFO or above while the context lasts."""
    log, handler = logging.getLogger("llmopt"), _Said(logging.INFO)
    before = log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(before)
