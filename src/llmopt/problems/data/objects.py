"""The user's data as Python objects: a list, a dataframe, a Hugging Face data set or its name.

None of the libraries is imported to recognise its objects: what counts is what an object can do.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from llmopt.errors import DataError, MissingExtraError
from llmopt.problems.data.columns import RowColumns, items_of
from llmopt.problems.data.records import DataRecord

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from llmopt.core.values import Item

Rows = Any
"""What :func:`from_rows` takes; the libraries that it may be of are not imported for a type."""

_MISSING = ("NAType", "NaTType")  # what pandas calls a missing value, beside nan
_PAIR = 2


def from_rows(
    rows: Rows,
    *,
    input: str | Sequence[str],  # noqa: A002  # as in datasets.load
    target: str,
    **more: Any,
) -> tuple[Item, ...]:
    """Turn Python data into items.

    Text stays as it is; numbers, dates and times become what ``str`` makes of them, booleans
    become ``true`` and ``false``. A Hugging Face data set's class labels become their names. Ids
    are those of :func:`~llmopt.problems.data.columns.load`.

    Args:
        rows: Mappings; or pairs of an input and a target; or a dataframe (pandas, polars); or
            one split of a Hugging Face data set.
        input: Column or columns of the inputs, see
            :class:`~llmopt.problems.data.columns.RowColumns`; without meaning for pairs.
        target: Name of the column of the expected answers; likewise.
        more: The other columns of :class:`~llmopt.problems.data.columns.RowColumns`.

    Raises:
        DataError: A row cannot be used; the message names its number (from 1) and the column.
    """
    columns = RowColumns(input, target, **more)
    return items_of(_records(rows, next(iter(columns.inputs), ""), target), "the rows", columns)


def _records(rows: Rows, input_column: str, target_column: str) -> Iterator[DataRecord]:
    labels = _labels(rows)
    for number, row in enumerate(_plain(rows), start=1):
        place = f"row {number}"
        if isinstance(row, list | tuple) and len(row) == _PAIR:
            values: Mapping[str, object] = {input_column: row[0], target_column: row[1]}
        elif isinstance(row, Mapping):
            values = {column: _known(value) for column, value in row.items()}
        else:
            raise DataError(
                f"{place}: a row is a mapping, or a pair of input and target, but got a "
                f"{type(row).__name__}"
            )
        named = {c: _name(place, c, values[c], names) for c, names in labels.items() if c in values}
        yield DataRecord(place, {**values, **named})


def _plain(rows: Rows) -> Rows:
    """Return an iterable of rows."""
    if callable(getattr(rows, "to_dicts", None)):  # polars
        return rows.to_dicts()
    if hasattr(rows, "iloc") and hasattr(rows, "columns"):  # pandas
        return rows.to_dict("records")
    if isinstance(rows, Mapping):
        names = ", ".join(map(repr, rows))
        raise DataError(
            f"rows are a list, a dataframe or one split of a data set, but got a mapping with "
            f"{names or 'nothing'}; choose one of these, such as data['train']"
        )
    if isinstance(rows, str | bytes) or not isinstance(rows, Iterable):
        raise DataError(
            f"rows are a list, a dataframe or one split of a data set, but got a "
            f"{type(rows).__name__}; a file is read with from_file(…)"
        )
    return rows


def _known(value: object) -> object:
    return None if type(value).__name__ in _MISSING else value


def _labels(rows: Rows) -> dict[str, Sequence[str]]:
    """Return the names of class labels by column, where a data set declares some."""
    features = getattr(rows, "features", None)
    if not isinstance(features, Mapping):
        return {}
    return {
        column: feature.names for column, feature in features.items() if hasattr(feature, "int2str")
    }


def _name(place: str, column: str, value: object, names: Sequence[str]) -> object:
    """Return the name of a class label; None stays what it is."""
    if not isinstance(value, int):
        return value
    if not 0 <= value < len(names):
        raise DataError(
            f"{place}, column {column!r}: a label is one of 0 to {len(names) - 1}, but got "
            f"{value}; leave out rows without a label"
        )
    return names[value]


def hub_rows(name: str, config: str = "", split: str = "train") -> Rows:
    """Return one split of a data set by its name, from the Hugging Face hub or its cache.

    Args:
        name: Such as ``org/name``, or ``org/name@revision`` for a version that stays the same.
        config: Which of its configurations; empty: the only one, or the default.
        split: Which of its splits; the split expressions of the library are allowed.

    Raises:
        MissingExtraError: The library is not installed.
        DataError: There is no such data set, or it cannot be fetched.
    """
    try:
        import datasets
    except ImportError as error:
        raise MissingExtraError(f"fetching the data set {name!r}", "datasets") from error
    path, _, revision = name.partition("@")
    try:
        return datasets.load_dataset(path, config or None, split=split, revision=revision or None)
    except Exception as error:  # the library raises those of its HTTP client and parsers as well
        what = f"{name!r}, {config!r}" if config else repr(name)
        raise DataError(
            f"a data set is one that the Hugging Face hub or its cache has, but got {what}, split "
            f"{split!r}: {type(error).__name__}; check the names, or name a file instead"
        ) from error
