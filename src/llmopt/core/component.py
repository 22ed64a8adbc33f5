"""A solution of several parts seen through one of them, for methods that rewrite part by part."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from llmopt.core.focus import PartView
from llmopt.core.problem import DescribesParts, parts_of
from llmopt.core.solution import found_parts, join_parts, split_parts
from llmopt.errors import DataError

if TYPE_CHECKING:
    from llmopt.core.problem import Description, Problem
    from llmopt.core.trajectory import Entry


@dataclass(frozen=True)
class Component:
    """One part of one solution; its other parts stay as they are.

    Attributes:
        problem: The problem; its solutions have several parts.
        name: The name of the part.
        solution: The solution, as canonical text.
    """

    problem: Problem
    name: str
    solution: str

    @cached_property
    def _names(self) -> list[str]:
        return [part.name for part in parts_of(self.problem)]

    @cached_property
    def text(self) -> str:
        """The text of the part in the solution."""
        return split_parts(self.solution, self._names)[self.name]

    def of(self, text: str) -> str:
        """Return the text of the part in a solution; a text without headings is that text."""
        try:
            return split_parts(text, self._names)[self.name]
        except DataError:
            return text

    def whole(self, text: str) -> str:
        """Return the solution with another text of the part.

        Args:
            text: The text; or, with headings, several parts, of which this one is taken.
        """
        found = found_parts(text, self._names)
        own = found.get(self.name, text) if isinstance(found, Mapping) else text
        return join_parts({**split_parts(self.solution, self._names), self.name: own})

    def shown(self, entry: Entry) -> Entry:
        """Return the entry of the solution as one of the part's text, without parents."""
        return replace(entry, candidate=replace(entry.candidate, text=self.text, parents=()))

    @property
    def view(self) -> PartView:
        """The problem of finding a text for the part."""
        return ComponentView(self)


class ComponentView(PartView):
    """The problem of finding a text for one part of one solution."""

    def __init__(self, component: Component) -> None:
        super().__init__(component)
        self._name = component.name

    @property
    def description(self) -> Description:
        """That of the part, where the problem has one."""
        problem = self._inner
        if isinstance(problem, DescribesParts):
            return problem.describe(self._name)
        return problem.description
