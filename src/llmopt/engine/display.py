"""The protocol of a progress display; the engine itself draws nothing."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Protocol

from llmopt.engine.progress import silent

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from llmopt.engine.progress import Progress


class Display(Protocol):
    """Shows what is under way, where options say that progress is shown."""

    def progress(self) -> AbstractContextManager[Callable[[Progress], None]]:
        """Return who is told of the progress of a run while the context lasts."""
        ...

    def download(self) -> AbstractContextManager[Callable[[str, int, int], None]]:
        """Return who is told of a stage of obtaining a model, and of bytes done and in all."""
        ...


class NoDisplay:
    """Shows nothing."""

    def progress(self) -> AbstractContextManager[Callable[[Progress], None]]:
        """See :class:`Display`."""
        return contextlib.nullcontext(silent)

    def download(self) -> AbstractContextManager[Callable[[str, int, int], None]]:
        """See :class:`Display`."""
        return contextlib.nullcontext(_unseen)


def _unseen(stage: str, done: int, total: int) -> None:
    del stage, done, total


NO_DISPLAY = NoDisplay()
