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
# As optimizer LLMs write them.
_LIKE_HEADING = re.compile(r"[*#\s]*={2,}\s*([^=\s](?:[^=]*[^=\s])?)\s*={2,}[*\s]*")
_MARKDOWN = re.compile(r"#{1,6}\s*[*`]*([^*`#]+?)[*`]*:?")
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


def found_parts(text: str, names: Sequence[str]) -> dict[str, str] | str:
    """Return the parts that a proposed text gives, which may be some of them, in any order.

    A heading is ``=== NAME ===`` or something like it: another number of equal signs, other
    capitals, emphasis, or a Markdown heading where nothing has equal signs. What is before the
    first heading is no part. Texts have no white space and no code fence around them.

    Args:
        text: What an optimizer LLM wrote.
        names: The names of the parts; two or more.

    Returns:
        The texts by name in the order of `names`; or, as a short phrase, why it is refused.
    """
    known = {_folded(name): name for name in names}
    lines = text.split("\n")
    headings = _headings(lines, known)
    if not headings:
        return f"has no heading of a part, such as {heading(names[0])}"
    found: dict[str, str] = {}
    for (start, said), end in zip(
        headings, [at for at, _ in headings[1:]] + [len(lines)], strict=True
    ):
        name = known.get(_folded(said))
        if name is None:
            return f"invents the part {one_line(said, 40)!r}"
        if name in found:
            return f"has the part {name!r} twice"
        content = "\n".join(_unescaped(line) for line in lines[start + 1 : end])
        found[name] = content.strip()
    return {name: found[name] for name in names if name in found}


def completed(text: str, edited: str, names: Sequence[str]) -> str:
    """Return a proposal with the parts that it lacks as they are in the solution it edits.

    Args:
        text: What an optimizer LLM wrote; unchanged where it cannot be read, or lacks nothing.
        edited: The canonical text of the edited solution.
        names: The names of the parts.
    """
    if len(names) == 1:
        return text
    found = found_parts(text, names)
    if isinstance(found, str) or len(found) == len(names):
        return text
    return join_parts({**split_parts(edited, names), **found})


def _headings(lines: Sequence[str], known: Mapping[str, str]) -> list[tuple[int, str]]:
    """Return the number of each heading line with what it says; none where no name is known.

    A line in another form than the canonical one is a heading only where it says a known name:
    texts may have headings of their own.
    """
    stripped = [line.strip() for line in lines]
    found = [
        (at, match[1].strip())
        for at, line in enumerate(stripped)
        if (match := _HEADING.fullmatch(line) or _LIKE_HEADING.fullmatch(line))
        and (_HEADING.fullmatch(line) or _folded(match[1]) in known)
    ]
    if any(_folded(said) in known for _, said in found):
        return found
    return [
        (at, match[1])
        for at, line in enumerate(stripped)
        if (match := _MARKDOWN.fullmatch(line)) and _folded(match[1]) in known
    ]


def _folded(name: str) -> str:
    return " ".join(name.casefold().split())


def _escaped(text: str) -> str:
    return "\n".join(f"\\{line}" if _ESCAPED.fullmatch(line) else line for line in text.split("\n"))


def _unescaped(line: str) -> str:
    return line[1:] if line.startswith("\\") and _ESCAPED.fullmatch(line) else line
