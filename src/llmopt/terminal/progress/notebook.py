"""The live view in a notebook: one output that is overwritten."""

from __future__ import annotations

import io
import threading
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import RenderableType

_TWICE = 0.5  # seconds between two drawings
_COLUMNS = 100
_FRAME = (
    '<pre style="white-space:pre;overflow-x:auto;line-height:normal;'
    "font-family:Menlo,'DejaVu Sans Mono',Consolas,'Courier New',monospace\">{code}</pre>"
)


class NotebookOutput:
    """Draws into the output of a notebook's cell, and leaves the last state there.

    The first drawing is done by the caller; a thread of its own does the others, so that time
    goes on while a slow model keeps everything waiting.
    """

    def __init__(self) -> None:
        self._draw: Callable[[], RenderableType] | None = None
        self._handle: Any = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._redraw, daemon=True)

    def show(self, draw: Callable[[], RenderableType]) -> None:
        """Draw what `draw` returns, now and again and again."""
        if self._draw is not None:
            return
        self._draw = draw
        display = import_module("IPython.display").display
        self._handle = display(self._drawn(), raw=True, display_id=True)
        self._thread.start()

    def stop(self) -> None:
        """Draw the last state, which stays."""
        if self._draw is None:
            return
        self._over.set()
        self._thread.join()
        self._handle.update(self._drawn(), raw=True)

    def _redraw(self) -> None:
        while not self._over.wait(_TWICE):
            self._handle.update(self._drawn(), raw=True)

    def _drawn(self) -> dict[str, str]:
        """Return the drawing by media type; rich escapes the texts in the HTML."""
        from rich.console import Console

        assert self._draw is not None  # noqa: S101 - shown before
        console = Console(
            file=io.StringIO(),
            record=True,
            width=_COLUMNS,
            force_terminal=True,
            force_jupyter=False,
        )
        console.print(self._draw())
        html = console.export_html(inline_styles=True, code_format=_FRAME, clear=False)
        return {"text/html": html, "text/plain": console.export_text()}
