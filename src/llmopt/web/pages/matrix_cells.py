"""The texts of the matrix of candidates and items, packed for a page that asks no server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llmopt.web.pages.payload import cut_text, packed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from llmopt.history.cells import Matrix

ROOM = 1_200_000
"""Characters for the texts of all candidates together."""

_MOST_CELLS = 40_000  # read from the store, which takes some seconds
_LONGEST = 2_000  # characters of one text


def cell_chunks(matrix: Matrix, record: Mapping[str, Any]) -> dict[str, str]:
    """Return the cells of as many candidates as there is room for, each as a chunk of its own.

    The start and the winner come first, then the best ones. A chunk is named after the position
    of its candidate, such as ``cells-12``, and holds what :meth:`~llmopt.history.cells.Matrix.row`
    gives.

    Args:
        matrix: Of the run.
        record: The document of the run.
    """
    made: dict[str, str] = {}
    room, cells = ROOM, _MOST_CELLS
    for place in _by_use(record):
        row = [cell and short(cell) for cell in matrix.row(place)]
        text = packed(row)
        room, cells = room - len(text), cells - len(row)
        if room < 0 or cells < 0:
            break
        made[f"cells-{place}"] = text
    return made


def short(cell: list[Any]) -> list[Any]:
    """Return a cell with its texts cut."""
    return [cut_text(part, _LONGEST) if isinstance(part, str) else part for part in cell]


def _by_use(record: Mapping[str, Any]) -> list[int]:
    """Return the positions of the candidates, those first whose answers are looked at most."""
    up = 1 if record["measure"]["higher_is_better"] else -1
    found = [c for step in record["steps"] for c in step["candidates"]]
    ends = {(record[end] or {}).get("id") for end in ("start", "best")}

    def worth(place: int) -> tuple[bool, bool, float]:
        score = found[place]["score"]
        return found[place]["id"] not in ends, score is None, -up * (score or 0.0)

    return sorted(range(len(found)), key=worth)
