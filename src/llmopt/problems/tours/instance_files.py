"""Files of points for tours: TSPLIB, and CSV with two coordinates; and how lengths are computed.

The rules are those of TSPLIB 95 (Reinelt, 1995), whose lengths are whole numbers, so that a tour
can be compared with the published optimum.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from llmopt.errors import DataError
from llmopt.problems.data.files import read_cells
from llmopt.problems.data.records import read_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_EARTH = 6378.388  # km, as TSPLIB has it
_MEAN_EARTH = 6371.0088  # km
_PI = 3.141592  # as TSPLIB has it; published lengths rest on it
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
_KEYWORD = re.compile(r"\s*([A-Z_0-9]+)\s*(?::\s*(.*?))?\s*$")
_POINT = 2  # coordinates
_TABLES = (".csv", ".tsv")


@dataclass(frozen=True)
class PointFile:
    """What a file says of the nodes of a tour, in its order.

    Attributes:
        points: The coordinates of each; empty where the file has distances alone.
        rule: How lengths are computed from them: a name in :data:`RULES`, or ``EXPLICIT``.
        matrix: The distances where the rule is ``EXPLICIT``.
    """

    points: tuple[tuple[float, float], ...]
    rule: str
    matrix: tuple[tuple[float, ...], ...] = ()


def read_points(path: Path) -> PointFile:
    """Read a TSPLIB file, or a CSV or TSV file with a row for each point.

    In a table the columns are those named ``x`` and ``y`` or ``lat…`` and ``lon…`` (``lng``), or
    else the last two, with or without a header line.

    Raises:
        DataError: The file cannot be used; the message names the line where one is to blame.
    """
    return _table(path) if path.suffix.lower() in _TABLES else _tsplib(path)


def _table(path: Path) -> PointFile:
    rows = list(read_cells(path, "\t" if path.suffix.lower() == ".tsv" else ""))
    header = [cell.strip().casefold() for cell in rows[0][1]]
    named = not all(map(_is_number, header[-_POINT:]))
    columns, rule = _columns(header) if named else ((-2, -1), "EXACT")
    points = []
    for line, row in rows[named:]:
        cells = [row[at].strip() if len(row) >= _POINT else "" for at in columns]
        if not all(map(_is_number, cells)):
            raise DataError(
                f"{path}, line {line}: a point is two numbers, but got {', '.join(row)!r}; "
                "name the columns x and y, or lat and lon"
            )
        points.append((float(cells[0]), float(cells[1])))
    return PointFile(tuple(points), rule)


def _columns(header: Sequence[str]) -> tuple[tuple[int, int], str]:
    """Return which columns are the coordinates, and how lengths are computed."""
    if {"x", "y"} <= set(header):
        return (header.index("x"), header.index("y")), "EXACT"
    north = [at for at, name in enumerate(header) if name.startswith("lat")]
    east = [at for at, name in enumerate(header) if name.startswith(("lon", "lng"))]
    return ((north[0], east[0]), "EARTH") if north and east else ((-2, -1), "EXACT")


def _is_number(text: str) -> bool:
    return _NUMBER.fullmatch(text) is not None


def _tsplib(path: Path) -> PointFile:
    told: dict[str, str] = {}
    sections: dict[str, list[tuple[int, str]]] = {}
    rows: list[tuple[int, str]] | None = None
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        keyword = _KEYWORD.match(line) if line.strip()[:1].isalpha() else None
        if keyword is None:
            if rows is not None and line.strip():
                rows.append((number, line))
        elif keyword[1].endswith("_SECTION"):
            rows = sections.setdefault(keyword[1], [])
        elif keyword[1] == "EOF":
            break
        else:
            told[keyword[1]] = keyword[2] or ""
    rule = _rule(path, told)
    if rule == "EXPLICIT":
        return PointFile((), rule, _matrix(path, told, sections.get("EDGE_WEIGHT_SECTION", [])))
    points = tuple(_point(path, *row) for row in sections.get("NODE_COORD_SECTION", []))
    if told.get("DIMENSION", str(len(points))) != str(len(points)):
        raise DataError(
            f"{path}: a TSPLIB file has as many points as its DIMENSION, "
            f"{told['DIMENSION']}, but got {len(points)}; mend one of them"
        )
    return PointFile(points, rule)


def _rule(path: Path, told: dict[str, str]) -> str:
    """Return how lengths are computed, of a file that is a problem of this kind."""
    kind = told.get("TYPE", "TSP").split()[:1]
    if "EDGE_WEIGHT_TYPE" not in told or kind != ["TSP"]:
        got = f"TYPE {told['TYPE']}" if kind != ["TSP"] else "no EDGE_WEIGHT_TYPE"
        raise DataError(
            f"{path}: a file of points is a CSV table or a TSPLIB file of TYPE TSP with an "
            f"EDGE_WEIGHT_TYPE, but got {got}; tours are symmetric and closed here"
        )
    rule = told["EDGE_WEIGHT_TYPE"]
    if rule not in RULES and rule != "EXPLICIT":
        known = [name for name in RULES if name not in ("EXACT", "EARTH")]
        raise DataError(
            f"{path}: EDGE_WEIGHT_TYPE is one of {', '.join(known)} or EXPLICIT, but got {rule}; "
            "write the distances as EXPLICIT"
        )
    return rule


def _point(path: Path, number: int, line: str) -> tuple[float, float]:
    cells = line.split()
    if len(cells) != 1 + _POINT or not all(map(_is_number, cells[1:])):
        raise DataError(
            f"{path}, line {number}: a point is a number and two coordinates, but got "
            f"{line.strip()!r}; mend the line"
        )
    return float(cells[1]), float(cells[2])


def _matrix(
    path: Path, told: dict[str, str], rows: Sequence[tuple[int, str]]
) -> tuple[tuple[float, ...], ...]:
    """Return the distances of an explicit matrix, which must be symmetric."""
    form = told.get("EDGE_WEIGHT_FORMAT", "")
    if form not in _FORMS or not told.get("DIMENSION", "").isdecimal():
        raise DataError(
            f"{path}: an EXPLICIT matrix has a DIMENSION and an EDGE_WEIGHT_FORMAT, one of "
            f"{', '.join(_FORMS)}, but got {form or 'none'}; write it as FULL_MATRIX"
        )
    nodes = int(told["DIMENSION"])
    places = [(i, j) for i in range(nodes) for j in _FORMS[form](i, nodes)]
    numbers = [cell for _, line in rows for cell in line.split()]
    if len(numbers) != len(places) or not all(map(_is_number, numbers)):
        raise DataError(
            f"{path}: a {form} of {nodes} nodes has {len(places)} numbers, but got "
            f"{len(numbers)}, or something else among them; mend the matrix"
        )
    made = np.zeros((nodes, nodes))
    for (i, j), number in zip(places, numbers, strict=True):
        made[i, j] = float(number)
        if form != "FULL_MATRIX":
            made[j, i] = made[i, j]
    np.fill_diagonal(made, 0.0)
    if not np.array_equal(made, made.T) or made.min() < 0:
        raise DataError(
            f"{path}: distances are the same in both directions and not negative, but these are "
            "not; asymmetric tours are not known here"
        )
    return tuple(tuple(row) for row in made.tolist())


_FORMS: dict[str, Callable[[int, int], range]] = {
    "FULL_MATRIX": lambda _, n: range(n),
    "UPPER_ROW": lambda i, n: range(i + 1, n),
    "LOWER_ROW": lambda i, _: range(i),
    "UPPER_DIAG_ROW": range,
    "LOWER_DIAG_ROW": lambda i, _: range(i + 1),
}
"""Which columns a row of a matrix has, by its format."""


def _nearest_whole(lengths: Floats) -> Floats:
    return np.floor(lengths + 0.5)


def _straight(x: Floats, y: Floats) -> Floats:
    found: Floats = np.hypot(x[:, None] - x, y[:, None] - y)
    return found


def _pseudo_euclidean(x: Floats, y: Floats) -> Floats:
    return np.ceil(_straight(x, y) / math.sqrt(10))


def _geographical(x: Floats, y: Floats) -> Floats:
    """Return whole kilometres; 16.47 is 16 degrees and 47 minutes."""
    north, east = (_PI * (np.trunc(a) + 5.0 * (a - np.trunc(a)) / 3.0) / 180.0 for a in (x, y))
    across = np.cos(east[:, None] - east)
    minus, plus = np.cos(north[:, None] - north), np.cos(north[:, None] + north)
    arc = np.arccos(np.clip(0.5 * ((1 + across) * minus - (1 - across) * plus), -1, 1))
    found: Floats = np.floor(_EARTH * arc + 1.0)
    np.fill_diagonal(found, 0.0)
    return found


def _great_circle(x: Floats, y: Floats) -> Floats:
    """Return kilometres between points in decimal degrees."""
    north, east = np.radians(x), np.radians(y)
    half = np.sin((north[:, None] - north) / 2) ** 2 + (
        np.cos(north[:, None]) * np.cos(north) * np.sin((east[:, None] - east) / 2) ** 2
    )
    found: Floats = 2 * _MEAN_EARTH * np.arcsin(np.sqrt(np.clip(half, 0, 1)))
    return found


RULES: dict[str, tuple[str, Callable[[Floats, Floats], Floats]]] = {
    "EXACT": ("straight lines", _straight),
    "EARTH": ("kilometres along the Earth, from latitude and longitude in degrees", _great_circle),
    "EUC_2D": (
        "straight lines, each rounded to a whole number",
        lambda x, y: _nearest_whole(_straight(x, y)),
    ),
    "CEIL_2D": (
        "straight lines, each rounded up to a whole number",
        lambda x, y: np.ceil(_straight(x, y)),
    ),
    "MAN_2D": (
        "steps along x and y, rounded to a whole number",
        lambda x, y: _nearest_whole(abs(x[:, None] - x) + abs(y[:, None] - y)),
    ),
    "MAX_2D": (
        "the longer of the steps along x and y, rounded to a whole number",
        lambda x, y: np.maximum(
            _nearest_whole(abs(x[:, None] - x)), _nearest_whole(abs(y[:, None] - y))
        ),
    ),
    "GEO": (
        "whole kilometres along the Earth, from latitude and longitude as degrees.minutes",
        _geographical,
    ),
    "ATT": ("straight lines divided by the root of 10, each rounded up", _pseudo_euclidean),
}
"""How lengths are computed: in words, and of all x and all y; TSPLIB's names but the first two."""


def distances_of(points: Sequence[tuple[float, float]], rule: str) -> Floats:
    """Return the distance between each two points by a rule."""
    x, y = np.array(points, dtype=np.float64).reshape(-1, _POINT).T
    return RULES[rule][1](x, y)
