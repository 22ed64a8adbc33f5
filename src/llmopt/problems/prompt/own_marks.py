"""What belongs to the user's own texts, and so may stand in a proposal: tags, frames, variables."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from llmopt.core.text import leaked_marker, mark_names, one_line
from llmopt.problems.prompt.frames import frames_of
from llmopt.problems.prompt.variables import name_in, variables_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from llmopt.core.values import Item

_WIDTH = 60  # characters of a variable in a reason
_TAG = re.compile(r"<([A-Za-z][\w-]*)>")


@dataclass(frozen=True)
class OwnMarks:
    """The marks that the user's own texts hold.

    Attributes:
        starts: The starting instructions.
        told: What else is said of every instruction: the task, phrases that are demanded.
        items: The training items.
        names: Names of answers, which may stand in braces: ``{yes}``.
        layout: The prompt in which instructions stand; its slots are no variables of theirs.
    """

    starts: tuple[str, ...]
    told: tuple[str, ...] = ()
    items: tuple[Item, ...] = ()
    names: tuple[str, ...] = ()
    layout: str = ""

    def leaked(self, text: str) -> str | None:
        """Return the first marker of a meta-prompt in a text that no text of the user's holds."""
        return leaked_marker(text, self.marks) if leaked_marker(text) else None

    @cached_property
    def marks(self) -> frozenset[str]:
        """The names of a meta-prompt's tags that stand in any of the texts."""
        texts = (*self.starts, *self.told, self.layout, *_texts(self.items))
        return frozenset().union(*map(mark_names, texts))

    @cached_property
    def frames(self) -> frozenset[str]:
        """The kinds of frames that stand around starting instructions, and tags within them."""
        texts = (*self.starts, *self.told, self.layout)
        tags = (f"<{name.lower()}>" for text in texts for name in _TAG.findall(text))
        return frozenset((*(kind for text in self.starts for kind in frames_of(text)), *tags))

    @cached_property
    def kept(self) -> tuple[str, ...]:
        """The variables that every starting instruction has, blank ones aside."""
        each = [variables_of(text) for text in self.starts if text.strip()]
        return tuple(one for one in each[0] if all(one in some for some in each)) if each else ()

    def fault(self, text: str) -> str:
        """Return which variable a text has lost or invented, as a reason to refuse it, or nothing.

        Invented is one that stands neither in the starting instructions nor in another text of
        the user's: nothing fills it in.
        """
        return next(self._faults(text), "")

    def _faults(self, text: str) -> Iterator[str]:
        said = variables_of(text)
        for one in self.kept:
            if one not in said:
                yield f"lacks the placeholder {one_line(one, _WIDTH)} of the start"
        for one in said:
            named = one in self._variables or name_in(one).casefold() in self._names
            if not named and not self._in_items(one):
                yield f"invents the variable {one_line(one, _WIDTH)}"

    def _in_items(self, variable: str) -> bool:
        """Return whether the rows hold a variable, or its name is one of their answers."""
        answers = self._answers
        return variable in self._variables_of_items or name_in(variable).casefold() in answers

    @cached_property
    def _answers(self) -> frozenset[str]:
        return frozenset(item.target.strip().casefold() for item in self.items)

    @cached_property
    def _names(self) -> frozenset[str]:
        return frozenset(name.casefold() for name in self.names)

    @cached_property
    def _variables(self) -> frozenset[str]:
        return frozenset(v for text in (*self.starts, *self.told) for v in variables_of(text))

    @cached_property
    def _variables_of_items(self) -> frozenset[str]:
        return frozenset(v for text in _texts(self.items) for v in variables_of(text))


def _texts(items: Sequence[Item]) -> Iterable[str]:
    return (text for item in items for text in (item.input, item.target))
