"""Turns the few marks of reStructuredText that docstrings here hold into Markdown."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import griffe

if TYPE_CHECKING:
    from collections.abc import Callable

MARKS: tuple[tuple[str, str | Callable[[re.Match[str]], str]], ...] = (
    (r":\w+:`~([\w.]+)`", lambda name: f"`{name[1].rpartition('.')[2]}`"),  # :class:`~a.b.C`
    (r":\w+:`([\w.]+)`", r"`\1`"),  # :func:`f`
    (r"^::\n", ""),  # a literal block that nothing announces
    (r"(?<=\S)::$", ":"),  # and one that a sentence does
)


class Markdown(griffe.Extension):
    """Rewrites every docstring before it is read."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Rewrite the docstring of one object."""
        del kwargs
        if obj.docstring:
            for mark, instead in MARKS:
                obj.docstring.value = re.sub(mark, instead, obj.docstring.value, flags=re.MULTILINE)
