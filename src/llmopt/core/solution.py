"""Solutions of several named parts, and the one canonical text that they are kept as.

The canonical text is what is hashed, stored and compared. A single part is its text, unchanged.
Several parts follow each other in their declared order, each below a heading line
``=== NAME ===``; a line of a part's own that looks like a heading begins with a backslash more
there, so that every text comes back exactly.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from llmopt.core.text import one_line
from llmopt.errors import ConfigError, DataError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PartKind = Literal["instruction", "demonstrations", "code"]

_LONGEST = 64  # characters of a name
_HEADING = re.compile(r"=== (.+) ===")
_ESCAPED = re.compile(r"\\*=== .+ ===")
_NAME = re.compile(r"[^\s=`](?:[^\n\r=`]*[^\s=`])?")


@dataclass(frozen=True, slots=True)
class SolutionPart:
    """One named part of a solution.

    Attributes:
        name: Its name, unique within the problem: 1 to 64 printable characters on one line,
            without ``=`` and backticks, and no space at either end.
        kind: ``instruction`` for a text, ``demonstrations`` for worked examples, ``code``.

    Raises:
        ConfigError: The name breaks that rule.
    """

    name: str
    kind: PartKind = "instruction"

    def __post_init__(self) -> None:
        fits = _NAME.fullmatch(self.name) and self.name.isprintable()
        if not fits or len(self.name) > _LONGEST:
            raise ConfigError(
                "the name of a part is 1 to 64 printable characters without '=' and '`', but got "
                f"{one_line(repr(self.name), 80)}; rename the part"
            )


def heading(name: str) -> str:
    """Return the line above a part in a text of several parts."""
    return f"=== {name} ==="


def join_parts(texts: Mapping[str, str]) -> str:
    """Return the canonical text of parts, in the order of the mapping.

    Args:
        texts: The text of each part by its name; at least one. Names follow the rule of
            :class:`SolutionPart`; texts may be anything.
    """
    if len(texts) == 1:
        return next(iter(texts.values()))
    return "\n\n".join(f"{heading(name)}\n{_escaped(text)}" for name, text in texts.items())


def split_parts(text: str, names: Sequence[str]) -> dict[str, str]:
    """Return the text of each part of a canonical text; :func:`join_parts` undoes it.

    Args:
        text: What :func:`join_parts` gave.
        names: The names of the parts in their declared order; at least one.

    Raises:
        DataError: Its headings are not exactly these names in this order.
    """
    if len(names) == 1:
        return {names[0]: text}
    lines = text.split("\n")
    starts = [at for at, line in enumerate(lines) if _HEADING.fullmatch(line)]
    found = [lines[at][4:-4] for at in starts]
    if found != list(names) or starts[0] != 0:
        wanted, got = (", ".join(map(repr, some)) for some in (names, found))
        raise DataError(
            f"a text of several parts has the headings {wanted} in this order, but got "
            f"{got or 'none'}; write each as a line such as {heading(names[0])!r}"
        )
    ends = [at - 1 for at in starts[1:]] + [len(lines)]
    return {
        name: "\n".join(_unescaped(line) for line in lines[start + 1 : end])
        for name, start, end in zip(names, starts, ends, strict=True)
    }


def _escaped(text: str) -> str:
    return "\n".join(f"\\{line}" if _ESCAPED.fullmatch(line) else line for line in text.split("\n"))


def _unescaped(line: str) -> str:
    return line[1:] if line.startswith("\\") and _ESCAPED.fullmatch(line) else line
