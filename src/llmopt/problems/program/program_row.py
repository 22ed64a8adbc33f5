"""A row as the user's program gets it: everything but the expected answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from llmopt.errors import nearest

if TYPE_CHECKING:
    from collections.abc import Collection

    from llmopt.core.values import Item

INPUT = "input"
"""The key of the whole input, whatever its columns are called."""


class ProgramRow(Mapping[str, str]):
    """The columns of a row by name, read only.

    ``row["input"]`` is the whole input; a single input column and further columns
    (``problem.fields``) have their own names as well. The expected answer, further accepted
    answers, the weight, the group and what only the metric may see are not in it.

    Args:
        item: The row.
        column: The name of the one input column; empty: there are several, or it is not known.
        hidden: Names of fields that only the metric may see.
    """

    def __init__(self, item: Item, column: str = "", hidden: Collection[str] = ()) -> None:
        own = {name: text for name, text in item.fields if name not in hidden}
        named = {column: item.input} if column and column not in own else {}
        self._columns = {**own, **named, INPUT: item.input}
        self.id = item.id

    def __getitem__(self, column: str) -> str:
        if column not in self._columns:
            raise UnknownColumnError(  # short, because a reason is one line of 100 characters
                f"no {column!r} in this row{nearest(str(column), self._columns)} (nor the expected "
                f"answer), but {', '.join(self._columns)}"
            )
        return self._columns[column]

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)

    def __repr__(self) -> str:
        return f"ProgramRow({self._columns!r})"


class UnknownColumnError(KeyError):
    """A program asked for a column that its row does not have."""

    def __str__(self) -> str:
        """Return the sentence, which a KeyError would quote."""
        return str(self.args[0])
