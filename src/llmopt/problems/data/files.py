"""The user's data files as items: CSV, TSV, JSON, JSON Lines, Parquet, promptfoo's YAML.

What cannot be read is refused with the file and the place, before anything is paid. A value stays
the text it is in the file: no guessing of types, no rounding. Which columns make an item says
:mod:`~llmopt.problems.data.columns`.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

from llmopt.errors import DataError, MissingExtraError
from llmopt.problems.data.json_tables import rows_of
from llmopt.problems.data.promptfoo_tests import is_promptfoo, read_yaml, test_cases
from llmopt.problems.data.records import DataRecord, _read_bytes, _unreadable, read_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping


_FIELD_LIMIT = 1 << 30  # characters of one CSV cell; the csv module's own limit is 131,072
_DELIMITERS = (",", ";", "\t", "|")  # Excel writes semicolons where the comma is a decimal point
_SPOKEN = {",": "commas", ";": "semicolons", "\t": "tabs"}
_LOOKED_AT = 50  # rows that decide what separates cells
_SEPARATOR = re.compile(r"sep=(.)\r?\n", re.IGNORECASE)


def records(path: str | Path, encoding: str = "") -> Iterator[DataRecord]:
    """Yield the rows of a data file with all their columns.

    Args:
        path: The file.
        encoding: Of a text file; empty: UTF-8.

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
    return read(path, encoding)


def _read_csv(path: Path, encoding: str) -> Iterator[DataRecord]:
    return _delimited(path, "", encoding)


def _read_tsv(path: Path, encoding: str) -> Iterator[DataRecord]:
    return _delimited(path, "\t", encoding)


def _delimited(path: Path, delimiter: str, encoding: str) -> Iterator[DataRecord]:
    """Yield the rows below the header; a place is the line on which its row begins."""
    rows = read_cells(path, delimiter, encoding)
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
        yield DataRecord(place, dict(zip(header, row, strict=True)))


def read_cells(path: Path, delimiter: str, encoding: str = "") -> Iterator[tuple[int, list[str]]]:
    """Yield (first line, cells) of every row of a CSV file with a value, the first included.

    Args:
        path: The file.
        delimiter: What stands between cells; empty: what the file itself suggests.
        encoding: Of the text; empty: UTF-8.

    Raises:
        DataError: The file cannot be read; the message names the line.
    """
    text = read_text(path, encoding)
    named = _SEPARATOR.match(text)
    if named:  # Excel's own first line; it is no row
        delimiter, text = named.group(1), "\n" + text[named.end() :]
    elif not delimiter:
        delimiter = _delimiter_of(text)
    # The limit belongs to the whole process, so it is put back before any row is handed out.
    former = csv.field_size_limit(_FIELD_LIMIT)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    found = []
    begin = 1
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                found.append((begin, row))
            begin = reader.line_num + 1
    except csv.Error as error:
        between = _SPOKEN.get(delimiter, repr(delimiter))
        raise DataError(
            f"{path}, line {begin}: a row is well-formed, but this one is not: {error}; "
            f'write a quote inside a quoted cell as "" (the cells were read as separated by '
            f"{between})"
        ) from error
    finally:
        csv.field_size_limit(former)
    yield from found


def _delimiter_of(text: str) -> str:
    """Return what separates the cells: the first that gives all first rows the same width.

    A comma is preferred, and is also the answer where nothing fits, so that messages speak of
    what most files are.
    """
    for delimiter in _DELIMITERS:
        widths = set()
        try:
            rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
            for row in islice((row for row in rows if any(row)), _LOOKED_AT):
                widths.add(len(row))
        except csv.Error:
            continue
        if len(widths) == 1 and widths.pop() > 1:
            return delimiter
    return ","


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


def read_jsonl(path: Path, encoding: str = "") -> Iterator[DataRecord]:
    """Yield the objects of a file with one on each line; blank lines are skipped.

    A file that is one array is read as such, whatever its suffix says.

    Raises:
        DataError: The file cannot be read; the message names the line.
    """
    text = read_text(path, encoding)
    if text.lstrip().startswith("["):
        yield from _from_json(path, text)
        return
    # Only \n ends a line: JSON strings may hold the other characters that splitlines() cuts at.
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        place = f"{path}, line {number}"
        row = _decode(line, _in_line(place))
        yield DataRecord(place, _object(place, row))


def _in_line(place: str) -> Callable[[int, int], str]:
    """Word places inside the one line `place`: the decoder counts columns from its start."""
    return lambda _, column: f"{place}, column {column}" if column else place


def read_json(path: Path, encoding: str = "") -> Iterator[DataRecord]:
    """Yield the objects of a JSON array, which may be held by an object (see :func:`load`).

    A file with one object on each line is read as JSON Lines, whatever its suffix says.

    Raises:
        DataError: The file cannot be read; the message names the line.
    """
    text = read_text(path, encoding)
    lines = [line for line in islice(text.split("\n"), _LOOKED_AT) if line.strip()]
    if len(lines) > 1 and all(_is_object(line) for line in lines[:2]):
        return read_jsonl(path, encoding)
    return _from_json(path, text)


def _is_object(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _from_json(path: Path, text: str) -> Iterator[DataRecord]:
    def locate(line: int, column: int) -> str:
        return f"{path}, line {line}, column {column}" if line else str(path)

    data = _decode(text, locate)
    if is_promptfoo(data):
        yield from test_cases(data, path, records)
        return
    if isinstance(data, dict):
        table = rows_of(data)
        data = _only_array(path, data) if table is None else table
    if not isinstance(data, list):
        raise DataError(f"{path}: a JSON data set is an array of objects, but got {_json(data)}")
    for number, row in enumerate(data, start=1):
        place = f"{path}, record {number}"
        yield DataRecord(place, _object(place, row))


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


def _read_parquet(path: Path, encoding: str) -> Iterator[DataRecord]:
    del encoding  # the format says it
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
            yield DataRecord(f"{path}, record {number}", row)


def _read_xlsx(path: Path, encoding: str) -> Iterator[DataRecord]:
    """Yield the rows of the first sheet below its header; a place is the row's number there."""
    del encoding
    try:
        from openpyxl import load_workbook
    except ImportError as error:
        raise MissingExtraError("reading Excel files", "xlsx") from error
    try:
        book = load_workbook(io.BytesIO(_read_bytes(path)), read_only=True, data_only=True)
    except (BadZipFile, KeyError, ValueError, OSError) as error:
        raise DataError(f"{path}: the data is a valid Excel workbook, but got: {error}") from error
    rows = (
        (number, ["" if cell is None else cell for cell in row])
        for number, row in enumerate(book.worksheets[0].iter_rows(values_only=True), start=1)
    )
    filled = ((n, row) for n, row in rows if any(str(cell).strip() for cell in row))
    line, first = next(filled, (1, []))
    header = [str(name).strip() for name in first]
    _check_columns(f"{path}, row {line}", [name for name in header if name])
    for line, row in filled:
        yield DataRecord(f"{path}, row {line}", dict(zip(header, row, strict=False)))


def _read_yaml(path: Path, encoding: str) -> Iterator[DataRecord]:
    del encoding  # YAML is Unicode
    return read_yaml(path, records)


_READERS: Mapping[str, Callable[[Path, str], Iterator[DataRecord]]] = {
    ".csv": _read_csv,
    ".tsv": _read_tsv,
    ".json": read_json,
    ".jsonl": read_jsonl,
    ".ndjson": read_jsonl,
    ".parquet": _read_parquet,
    ".xlsx": _read_xlsx,
    ".yaml": _read_yaml,
    ".yml": _read_yaml,
}
