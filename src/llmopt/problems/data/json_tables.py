"""Tables that are one JSON object, as data frames are written."""

from __future__ import annotations

from typing import Any


def rows_of(data: dict[str, Any]) -> list[Any] | None:
    """Return the rows of a table, or None where an object is no table.

    Read are the layouts of pandas: a column under each name, as an object by the number of the
    row (``columns``, its default) or as an array; a row under each name (``index``); and names
    with an array of arrays (``split``).
    """
    names, values = data.get("columns"), data.get("data")
    if isinstance(names, list) and isinstance(values, list):
        return _under(names, values)
    inner = list(data.values())
    if not inner or not all(isinstance(value, dict) for value in inner):
        return _of_columns(data)
    numbers = [str(row) for row in range(len(inner[0]))]
    if all(list(value) == numbers for value in inner):
        return _of_columns({name: list(value.values()) for name, value in data.items()})
    return inner if all(value.keys() == inner[0].keys() for value in inner) else None


def _under(names: list[Any], values: list[Any]) -> list[Any] | None:
    fits = all(isinstance(row, list) and len(row) == len(names) for row in values)
    if not (fits and all(isinstance(name, str) for name in names)):
        return None
    return [dict(zip(names, row, strict=True)) for row in values]


def _of_columns(data: dict[str, Any]) -> list[Any] | None:
    """Return the rows of columns as long as each other; arrays of objects are no columns."""
    columns = list(data.values())
    if len(columns) < 2 or not all(isinstance(column, list) for column in columns):  # noqa: PLR2004 - one is an array of rows
        return None
    if not columns[0] or len({len(column) for column in columns}) > 1:
        return None
    rows = [dict(zip(data, row, strict=True)) for row in zip(*columns, strict=True)]
    return None if any(isinstance(cell, dict) for row in rows for cell in row.values()) else rows
