"""The user's data files as items: CSV, TSV, JSON, JSON Lines, Parquet, promptfoo's YAML.

Whatever cannot be used is refused with the file, the place and the column, before anything is
paid. A value stays the text it is in the file: no guessing of types, no rounding.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, time
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from llmopt.errors import DataError, MissingExtraError, nearest
from llmopt.types import Item, canonical, digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_FIELD_LIMIT = 1 << 30  # characters of one CSV cell; the csv module's own limit is 131,072


@dataclass(frozen=True, slots=True)
class Record:
    """One row as it was read, with the place that messages name.

    Attributes:
        place: The file and the line, or the number of the row.
        values: The columns; numbers of JSON are the text that they are written as.
    """

    place: str
    values: Mapping[str, object]


def load(path: str | Path, *, input: str, target: str) -> tuple[Item, ...]:  # noqa: A002  # the public word for the column, here and in the configuration
    """Read a data file; its format follows from its suffix.

    CSV and TSV have a header line. JSON is an array of objects, or an object that holds one
    array of objects (``examples`` and ``data`` are preferred over other keys). JSON Lines has
    one object a line. Text is strict UTF-8, with or without byte order mark. Numbers become
    text as they are written in the file, booleans become ``true`` and ``false``. Blank lines
    are skipped. Parquet needs the extra ``parquet``. YAML is a promptfoo configuration, whose test
    cases are rows (see :mod:`~llmopt.problems.promptfoo`), and needs the extra ``promptfoo``.

    An item's id is the first 12 hex digits of its content's digest, followed by ``-2``, ``-3``
    … for further rows of the same content; it does not depend on the order of the rows.

    Args:
        path: The file: ``.csv``, ``.tsv``, ``.json``, ``.jsonl``, ``.ndjson``, ``.parquet`` or
            ``.yaml``.
        input: Name of the column with what the scorer LLM is given.
        target: Name of the column with the expected answer.

    Raises:
        DataError: The file cannot be read or used; the message names file, place and column.
        MissingExtraError: The file is Parquet and pyarrow is not installed.
    """
    return items_of(records(path), str(Path(path).expanduser()), input, target)


def records(path: str | Path) -> Iterator[Record]:
    """Yield the rows of a data file with all their columns.

    Raises:
        InputError: As for :func:`load`.
    """
    path = Path(path).expanduser()
    try:
        is_folder = path.is_dir()
    except OSError as error:
        raise _unreadable(path, error) from error
    if is_folder:
        raise DataError(f"a data file is a file, but {str(path)!r} is a directory; name the file")
    read = _READERS.get(path.suffix.lower())
    if read is None:
        raise DataError(
            f"a data file is one of {', '.join(sorted(_READERS))}, but got {str(path)!r}; "
            "rename it or convert it"
        )
    return read(path)


def items_of(
    records: Iterator[Record],
    source: str,
    input_column: str,
    target_column: str,
) -> tuple[Item, ...]:
    """Return rows as items; `source` is what messages call all rows.

    Raises:
        DataError: A row cannot be used; the message names its place and the column.
    """
    if input_column == target_column:
        raise DataError(f"input and target are two columns, but both are {input_column!r}")
    seen: Counter[str] = Counter()
    items = []
    for number, record in enumerate(records):
        for column in (input_column, target_column):
            if column not in record.values:
                _missing_column(record, column, first=number == 0)
        text = text_of(record, input_column)
        answer = text_of(record, target_column)
        name = digest(canonical([text, answer]))[:12]
        seen[name] += 1
        repeated = f"-{seen[name]}" if seen[name] > 1 else ""
        items.append(Item(id=name + repeated, input=text, target=answer))
    if not items:
        raise DataError(f"{source}: a data set has at least one row, but it has none")
    return tuple(items)


def _missing_column(record: Record, column: str, *, first: bool) -> None:
    columns = [str(name) for name in record.values]
    # In the first row the name is probably wrong, later on the row is.
    what = "the input and target columns are in the data" if first else "every row has the columns"
    raise DataError(
        f"{record.place}: {what}, but there is no {column!r}{nearest(column, columns)}; "
        f"the columns are {', '.join(map(repr, columns)) or 'none'}"
    )


def text_of(record: Record, column: str) -> str:
    """Return the value of a column as text.

    Raises:
        DataError: The column or the value is missing, or the value is blank or no plain value.
    """
    if column not in record.values:
        _missing_column(record, column, first=False)
    value = record.values[column]
    place = f"{record.place}, column {column!r}"
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or (isinstance(value, (float, Decimal)) and math.isnan(value)):
        raise DataError(f"{place}: a value is given, but it is missing; fill it or drop the row")
    if not isinstance(value, (str, bool, int, float, Decimal, date, time)):
        raise DataError(
            f"{place}: a value is text, a number or a boolean, but got a {type(value).__name__}; "
            "turn it into text"
        )
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if not text.strip():
        raise DataError(f"{place}: a value is not blank, but got {text!r}; fill it or drop the row")
    if "\0" in text:
        raise DataError(f"{place}: text has no NUL characters, but it has one; clean the data")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise DataError(
            f"{place}: text is valid Unicode, but character {error.start + 1} is half a "
            "surrogate pair; clean the data"
        ) from error
    return text


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        beside = []
        with suppress(OSError):  # a folder that cannot be listed gives no hint
            beside = [p.name for p in path.parent.iterdir()]
        raise DataError(
            f"a data file exists, but there is no {str(path)!r}{nearest(path.name, beside)}"
        ) from error
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> DataError:
    return DataError(f"a data file is readable, but {str(path)!r} is not: {error.strerror}")


def read_text(path: Path) -> str:
    """Return the file's text without byte order mark; line ends stay as they are.

    Raises:
        DataError: It cannot be read, is no UTF-8, has a NUL character or nothing but blanks.
    """
    raw = _read_bytes(path)
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DataError(f"{path}: text is UTF-8, but the file is UTF-16; save it as UTF-8")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise DataError(
            f"{path}, line {line}: text is UTF-8, but got the byte "
            f"0x{error.object[error.start]:02x}; save the file as UTF-8"
        ) from error
    nul = text.find("\0")
    if nul >= 0:
        line = text.count("\n", 0, nul) + 1
        raise DataError(f"{path}, line {line}: text has no NUL bytes, but it has one")
    if not text.strip():
        raise DataError(f"{path}: a data file has rows, but it is empty")
    return text


def _read_csv(path: Path) -> Iterator[Record]:
    return _delimited(path, ",")


def _read_tsv(path: Path) -> Iterator[Record]:
    return _delimited(path, "\t")


def _delimited(path: Path, delimiter: str) -> Iterator[Record]:
    """Yield the rows below the header; a place is the line on which its row begins."""
    rows = read_cells(path, delimiter)
    line, header = next(rows)
    header = [name.strip() for name in header]
    _check_columns(f"{path}, line {line}", [name for name in header if name])
    for line, row in rows:
        place = f"{path}, line {line}"
        if len(row) != len(header):
            raise DataError(
                f"{place}: a row has {len(header)} cells like the header, but this one has "
                f"{len(row)}; quote cells that hold the separator, quotes or line ends"
            )
        yield Record(place, dict(zip(header, row, strict=True)))


def read_cells(path: Path, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yield (first line, cells) of every row of a CSV file that is not blank, the first included.

    Raises:
        DataError: The file cannot be read; the message names the line.
    """
    text = read_text(path)
    # The limit belongs to the whole process, so it is put back before any row is handed out.
    former = csv.field_size_limit(_FIELD_LIMIT)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    found = []
    begin = 1
    try:
        for row in reader:
            if any(cell.strip() for cell in row) or len(row) > 1:
                found.append((begin, row))
            begin = reader.line_num + 1
    except csv.Error as error:
        raise DataError(
            f"{path}, line {begin}: a row is well-formed, but this one is not: {error}; "
            'write a quote inside a quoted cell as ""'
        ) from error
    finally:
        csv.field_size_limit(former)
    yield from found


def _check_columns(place: str, names: list[str]) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise DataError(f"{place}: column names are distinct, but {twice[0]!r} occurs twice")


def _decode(text: str, locate: Callable[[int, int], str]) -> Any:
    """Decode JSON with numbers as the text they are written as; `locate` words a place."""

    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        _check_columns(locate(0, 0), [key for key, _ in found])
        return dict(found)

    def constant(word: str) -> None:
        raise DataError(f"{locate(0, 0)}: a number is finite, but got {word}")

    try:
        return json.loads(
            text,
            parse_int=str,
            parse_float=str,
            parse_constant=constant,
            object_pairs_hook=pairs,
        )
    except json.JSONDecodeError as error:
        raise DataError(
            f"{locate(error.lineno, error.colno)}: the data is valid JSON, but got: {error.msg}"
        ) from error
    except RecursionError as error:
        raise DataError(
            f"{locate(0, 0)}: the data is rows of plain values, not deep nests"
        ) from error


def read_jsonl(path: Path) -> Iterator[Record]:
    """Yield the objects of a file with one on each line; blank lines are skipped.

    Raises:
        DataError: The file cannot be read; the message names the line.
    """
    # Only \n ends a line: JSON strings may hold the other characters that splitlines() cuts at.
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        place = f"{path}, line {number}"
        row = _decode(line, _in_line(place))
        yield Record(place, _object(place, row))


def _in_line(place: str) -> Callable[[int, int], str]:
    """Word places inside the one line `place`: the decoder counts columns from its start."""
    return lambda _, column: f"{place}, column {column}" if column else place


def read_json(path: Path) -> Iterator[Record]:
    """Yield the objects of a JSON array, which may be held by an object (see :func:`load`).

    Raises:
        DataError: The file cannot be read; the message names the line.
    """
    from llmopt.problems.promptfoo import is_promptfoo, test_cases  # as in _read_yaml

    def locate(line: int, column: int) -> str:
        return f"{path}, line {line}, column {column}" if line else str(path)

    data = _decode(read_text(path), locate)
    if is_promptfoo(data):
        yield from test_cases(data, path)
        return
    if isinstance(data, dict):
        data = _only_array(path, data)
    if not isinstance(data, list):
        raise DataError(f"{path}: a JSON data set is an array of objects, but got {_json(data)}")
    for number, row in enumerate(data, start=1):
        place = f"{path}, record {number}"
        yield Record(place, _object(place, row))


def _only_array(path: Path, data: dict[str, Any]) -> list[Any]:
    arrays = {key: value for key, value in data.items() if isinstance(value, list)}
    for key in ("examples", "data"):
        if key in arrays:
            return arrays[key]
    if len(arrays) != 1:
        raise DataError(
            f"{path}: an object holds its rows in one array, but this one has "
            f"{', '.join(map(repr, arrays)) or 'no array'}; name the array 'examples'"
        )
    return next(iter(arrays.values()))


def _object(place: str, row: Any) -> dict[str, Any]:
    if not isinstance(row, dict):
        raise DataError(f"{place}: a row is an object, but got {_json(row)}")
    return row


def _json(value: Any) -> str:
    """Name the kind of a decoded JSON value; numbers were decoded as text."""
    kinds = {dict: "an object", list: "an array", str: "a single value", bool: "a boolean"}
    return kinds.get(type(value), "null")


def _read_parquet(path: Path) -> Iterator[Record]:
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError as error:
        raise MissingExtraError("reading Parquet files", "parquet") from error
    try:
        table = parquet.read_table(pa.BufferReader(_read_bytes(path)))
    except pa.ArrowException as error:
        raise DataError(f"{path}: the data is valid Parquet, but got: {error}") from error
    _check_columns(str(path), table.column_names)
    number = 0
    for batch in table.to_batches():
        for row in batch.to_pylist():
            number += 1
            yield Record(f"{path}, record {number}", row)


def _read_yaml(path: Path) -> Iterator[Record]:
    from llmopt.problems.promptfoo import read_yaml  # it reads its test cases with this module

    return read_yaml(path)


_READERS: Mapping[str, Callable[[Path], Iterator[Record]]] = {
    ".csv": _read_csv,
    ".tsv": _read_tsv,
    ".json": read_json,
    ".jsonl": read_jsonl,
    ".ndjson": read_jsonl,
    ".parquet": _read_parquet,
    ".yaml": _read_yaml,
    ".yml": _read_yaml,
}
