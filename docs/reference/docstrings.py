"""Turns the few marks of reStructuredText that docstrings here hold into Markdown.

An attribute that says in its annotation what it means, as the options of a run do, has that as its
docstring, and its plain type.
"""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Any

import griffe

if TYPE_CHECKING:
    from collections.abc import Callable

LINK = re.compile(r"\[([^]]*)\]\([^)]*\)")  # one from a page that is not this one
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
        if isinstance(obj, griffe.Attribute):
            _plain(obj)
        if obj.docstring:
            for mark, instead in MARKS:
                obj.docstring.value = re.sub(mark, instead, obj.docstring.value, flags=re.MULTILINE)


def _plain(attribute: griffe.Attribute) -> None:
    """Take what an attribute means out of its annotation."""
    match attribute.annotation:
        case griffe.ExprSubscript(
            left=griffe.ExprName(name="Annotated"),
            slice=griffe.ExprTuple(elements=[kind, griffe.ExprCall(arguments=[means, *_])]),
        ):
            text = LINK.sub(r"\1", ast.literal_eval(str(means)))
            attribute.annotation = kind
            attribute.docstring = griffe.Docstring(text, parent=attribute)
