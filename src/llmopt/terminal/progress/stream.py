"""Where progress goes: standard error, as a terminal, a notebook, or lines in a file."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console, RenderableType
    from rich.live import Live

_DRAWN = 5  # times a second that a terminal is drawn on
_FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_TURNS = 8  # frames a second


def terminal() -> Console:
    """Return the console on standard error; rich honours NO_COLOR and TERM."""
    from rich.console import Console

    return Console(stderr=True, highlight=False, soft_wrap=False)


def draws(console: Console) -> bool:
    """Return whether a terminal can be drawn on: not in CI, not where TERM is ``dumb``.

    Neither where it cannot write the characters of the view.
    """
    if os.environ.get("CI") or console.is_jupyter or not console.is_interactive:
        return False
    return not console.options.ascii_only


def in_notebook(console: Console) -> bool:
    """Return whether output goes to a notebook that can show HTML."""
    return (
        console.is_jupyter and not os.environ.get("CI") and find_spec("IPython.display") is not None
    )


def drawing(console: Console, draw: Callable[[], RenderableType]) -> Live:
    """Begin to draw on a terminal what `draw` returns, again and again, until it is stopped.

    What others write to the same terminal meanwhile is put above it. Standard output that goes
    elsewhere, to a file or another program, is left alone.
    """
    from rich.live import Live

    out: TextIO | None = sys.stdout
    live = Live(
        get_renderable=draw,
        console=console,
        refresh_per_second=_DRAWN,
        transient=True,
        vertical_overflow="crop",
        redirect_stdout=out is not None and out.isatty(),
    )
    live.start(refresh=True)
    return live


def frame(now: float) -> str:
    """Return what turns, as it is at a time in seconds."""
    return _FRAMES[int(now * _TURNS) % len(_FRAMES)]


def say(line: str) -> None:
    """Write a line to standard error; go on quietly where it is closed, or nobody reads it."""
    stream: TextIO | None = sys.stderr
    if stream is None:
        return
    try:
        stream.write(line + "\n")
        stream.flush()
    except BrokenPipeError:
        # Python itself would fail at its end with what could not be written.
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - open to the end
