"""A table of texts, written plainly or as HTML: for whoever has no terminal to draw on."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from itertools import zip_longest

from llmopt.core.text import visible

_CELL = "padding:0 1em 0 0;text-align:left;vertical-align:top"


@dataclass(frozen=True)
class TextTable:
    """Heads and rows of texts, which may have several lines.

    Attributes:
        heads: The heads of the columns.
        rows: The rows, with a cell for each column.
    """

    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def text(self) -> str:
        """Return the table with its columns aligned by blanks."""
        cells = [[visible(cell).split("\n") for cell in row] for row in (self.heads, *self.rows)]
        widths = [
            max(len(line) for cell in column for line in cell)
            for column in zip(*cells, strict=True)
        ]
        lines = []
        for row in cells:
            for parts in zip_longest(*row, fillvalue=""):
                padded = (f"{part:<{width}}" for part, width in zip(parts, widths, strict=True))
                lines.append("  ".join(padded).rstrip())
        return "\n".join(lines)

    def html(self) -> str:
        """Return the table as HTML, escaped."""
        rows = [
            "<tr>"
            + "".join(f'<{tag} style="{_CELL}">{_inner(cell)}</{tag}>' for cell in row)
            + "</tr>"
            for tag, row in (("th", self.heads), *(("td", row) for row in self.rows))
        ]
        return f"<table>{''.join(rows)}</table>"


def _inner(cell: str) -> str:
    return escape(visible(cell)).replace("\n", "<br>")
