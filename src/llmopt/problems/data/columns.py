"""Rows of the user's data as items: which columns are the input, the answer, and the rest.

Whatever cannot be used is refused with the place and the column, before anything is paid.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, time
from decimal import Decimal
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from llmopt.core.values import Item, canonical, digest
from llmopt.errors import DataError, nearest
from llmopt.problems.data.files import records
from llmopt.problems.data.shapes import inner, shape_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from llmopt.problems.data.records import DataRecord

CHAT = "messages"
"""The column that fine-tuning files and chat logs keep a conversation in."""

_CHATS = (CHAT, "conversations")
_SPEAKERS = {"human": "user", "gpt": "assistant", "bot": "assistant"}
_USUAL = ("input", "target")  # columns that nobody has to name
_MISSING = object()
_PLAIN = (str, bool, int, float, Decimal, date, time)


@dataclass(frozen=True)
class RowColumns:
    """Which columns of a row make an item.

    A column of a nested object is named by its path with dots, such as ``inputs.question`` or
    ``annotations.0.result``, also where a cell is such an object as JSON; a column whose own name
    has dots comes first. Where neither is named and the rows have no such columns, those of a
    known export are taken (:mod:`~llmopt.problems.data.shapes`).

    Attributes:
        input: What the scorer LLM is given. Several columns become one text, a labelled
            paragraph each. A column of chat messages gives what came before the last turn of
            the assistant, without system turns.
        target: The expected answer: a plain value, or a list of answers of which each is right.
            Where the input is a chat and there is no such column, the last turn of the
            assistant.
        id: The column that names rows; empty: names are made from the content.
        weight: The column of weights, numbers greater than 0; empty: all rows count the same.
        group: The column of what rows share that are not independent, such as a passage, a user
            or a document; empty: rows belong together only where their inputs are equal.
        fields: Further columns that a prompt layout or a metric of the user's own uses.
        optional: Further fields that are taken where rows have them.
    """

    input: str | Sequence[str] = "input"
    target: str = "target"
    id: str = ""
    weight: str = ""
    group: str = ""
    fields: Sequence[str] = ()
    optional: Sequence[str] = ()

    @property
    def inputs(self) -> tuple[str, ...]:
        """The columns of the input."""
        return (self.input,) if isinstance(self.input, str) else tuple(self.input)


def items_of(records: Iterable[DataRecord], source: str, columns: RowColumns) -> tuple[Item, ...]:
    """Return rows as items.

    An item's id is what its id column says; else the first 12 hex digits of its content's
    digest, followed by ``-2``, ``-3`` … for further rows of the same content, so that it does
    not depend on the order of the rows.

    Args:
        records: The rows.
        source: What messages call all of them.
        columns: Which of their columns are used.

    Raises:
        DataError: A row cannot be used; the message names its place and the column.
    """
    records = iter(records)
    start = next(records, None)
    if start is not None:
        columns = _recognised(start, columns)
        records = chain((start,), records)
    inputs = columns.inputs
    if not inputs or len(set(inputs)) < len(inputs):
        raise DataError(f"input columns are one or more, all different, but got {list(inputs)!r}")
    if inputs == (columns.target,) and inputs[0] not in _CHATS:
        raise DataError(f"input and target are two columns, but both are {columns.target!r}")
    seen: Counter[str] = Counter()
    items: list[Item] = []
    for number, record in enumerate(records):
        item = _item(record, columns, first=number == 0)
        seen[item.id] += 1
        if columns.id and seen[item.id] > 1:
            raise DataError(
                f"{record.place}, column {columns.id!r}: an id is given once, but {item.id!r} "
                "stands there again; leave problem.id out, or make the ids unique"
            )
        repeated = f"-{seen[item.id]}" if seen[item.id] > 1 else ""
        items.append(replace(item, id=item.id + repeated))
    if not items:
        raise DataError(f"{source}: a data set has at least one row, but it has none")
    return tuple(items)


def _recognised(record: DataRecord, columns: RowColumns) -> RowColumns:
    """Return the columns of a known export where nobody has named any and the usual are missing."""
    if (columns.input, columns.target) != _USUAL or all(c in record.values for c in _USUAL):
        return columns
    shape = shape_of(record.values)
    if shape is None:
        return columns
    return replace(columns, input=shape.input, target=shape.target or _USUAL[1])


def text_of(record: DataRecord, column: str) -> str:
    """Return the value of a column as text.

    Raises:
        DataError: The column or the value is missing, or the value is blank or no plain value.
    """
    value = value_of(record.values, column)
    if value is _MISSING:
        _missing_column(record, column, first=False)
    return _text(record, column, value)


def value_of(values: Mapping[str, object], column: str) -> Any:
    """Return what stands in a column, or at a path with dots; a marker where there is nothing."""
    if column in values:
        return values[column]
    found: Any = values
    for step in column.split("."):
        found = inner(found)
        if isinstance(found, Mapping) and step in found:
            found = found[step]
        elif isinstance(found, list) and step.isdecimal() and int(step) < len(found):
            found = found[int(step)]
        else:
            return _MISSING
    return found


def _item(record: DataRecord, columns: RowColumns, *, first: bool) -> Item:
    inputs = columns.inputs
    if first or any(chat in record.values for chat in _CHATS):
        inputs = _or_chat(record, inputs)
    for column in inputs:
        if value_of(record.values, column) is _MISSING:
            _missing_column(record, column, first=first)
    spoken = _conversation(value_of(record.values, inputs[0])) if len(inputs) == 1 else None
    target = value_of(record.values, columns.target)
    if spoken is not None:
        text, last = _parts_of(record, inputs[0], spoken)
        if target is _MISSING or columns.target == inputs[0]:
            target = last
    else:
        texts = [_text(record, column, value_of(record.values, column)) for column in inputs]
        pairs = zip(inputs, texts, strict=True)
        text = texts[0] if len(texts) == 1 else "\n\n".join(f"{c}: {t}" for c, t in pairs)
    if target is _MISSING:
        _missing_column(record, columns.target, first=first)
    answers = _answers(record, columns.target, target)
    kept = [*(inputs if len(inputs) > 1 else ()), *columns.fields]
    fields = {c: _text(record, c, value_of(record.values, c), first=first) for c in kept}
    for column in columns.optional:
        value = value_of(record.values, column)
        if value is not _MISSING and column not in fields:
            fields[column] = _text(record, column, value)
    # What only some files have is left out of the name, so that other names stay what they are.
    more = [list(answers[1:]), fields] if len(answers) > 1 or fields else []
    name = digest(canonical([text, answers[0], *more]))[:12]
    return Item(
        id=_text(record, columns.id, value_of(record.values, columns.id), first=first)
        if columns.id
        else name,
        input=text,
        target=answers[0],
        weight=_weight(record, columns.weight, first=first) if columns.weight else 1.0,
        accepted=answers[1:],
        fields=tuple(fields.items()),
        group=_text(record, columns.group, value_of(record.values, columns.group), first=first)
        if columns.group
        else "",
    )


def _or_chat(record: DataRecord, inputs: tuple[str, ...]) -> tuple[str, ...]:
    """Return the column of messages where the named one is missing and a row is a chat."""
    if len(inputs) == 1 and value_of(record.values, inputs[0]) is _MISSING:
        for chat in _CHATS:
            if _conversation(record.values.get(chat)) is not None:
                return (chat,)
    return inputs


def _conversation(value: object) -> list[Mapping[str, Any]] | None:
    """Return a value as messages of a chat, or None if it is something else."""
    value = inner(value)
    if not isinstance(value, list) or not value:
        return None
    if all(isinstance(turn, Mapping) and {"role", "content"} <= set(turn) for turn in value):
        return value
    if all(isinstance(turn, Mapping) and {"from", "value"} <= set(turn) for turn in value):
        return [
            {"role": _SPEAKERS.get(turn["from"], turn["from"]), "content": turn["value"]}
            for turn in value
        ]
    return None


def _parts_of(
    record: DataRecord, column: str, spoken: Sequence[Mapping[str, Any]]
) -> tuple[str, object]:
    """Return what the scorer LLM is given of a chat, and the last turn of the assistant.

    A system turn is the instruction, which is what is searched for. One turn of the user stays
    as it is; of several, each line says whose it was.
    """
    turns = [turn for turn in spoken if turn["role"] not in ("system", "developer")]
    last: object = _MISSING
    if turns and turns[-1]["role"] == "assistant":
        last = _said(record, column, turns.pop()["content"])
    if not turns:
        raise DataError(
            f"{record.place}, column {column!r}: a chat has a turn of the user before the last "
            "turn of the assistant, but this one has none; drop the row"
        )
    texts = [(str(turn["role"]), _said(record, column, turn["content"])) for turn in turns]
    if len(texts) == 1:
        return texts[0][1], last
    return "\n".join(f"{role}: {text}" for role, text in texts), last


def _said(record: DataRecord, column: str, content: object) -> str:
    """Return the text of a turn, which may be a list of parts."""
    if isinstance(content, list):
        texts = [part.get("text") for part in content if isinstance(part, Mapping)]
        content = "\n".join(text for text in texts if isinstance(text, str))
    return _text(record, column, content)


def _answers(record: DataRecord, column: str, value: object) -> tuple[str, ...]:
    """Return the accepted answers, at least one, each once."""
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if not isinstance(value, list | tuple):
        return (_text(record, column, _as_json(value)),)
    if not value:
        raise DataError(
            f"{record.place}, column {column!r}: a list of accepted answers has at least one, "
            "but it is empty; fill it or drop the row"
        )
    return tuple(dict.fromkeys(_text(record, column, _as_json(one)) for one in value))


def _as_json(value: object) -> object:
    """Return an object as JSON, which the metric of that name compares field by field."""
    return json.dumps(value, ensure_ascii=False) if value and isinstance(value, dict) else value


def _weight(record: DataRecord, column: str, *, first: bool) -> float:
    text = _text(record, column, value_of(record.values, column), first=first)
    try:
        weight = float(text)
    except ValueError:
        weight = math.nan
    if not 0 < weight < math.inf:
        raise DataError(
            f"{record.place}, column {column!r}: a weight is a number greater than 0, but got "
            f"{text!r}; mend it or drop the row"
        )
    return weight


def _missing_column(record: DataRecord, column: str, *, first: bool) -> None:
    columns = [str(name) for name in record.values]
    # In the first row the name is probably wrong, later on the row is.
    what = "the input and target columns are in the data" if first else "every row has the columns"
    deeper = [
        f"{name}.{key}"
        for name, value in record.values.items()
        if isinstance(value, Mapping)
        for key in value
    ]
    below = f"; below them are {', '.join(map(repr, deeper))}" if deeper else ""
    raise DataError(
        f"{record.place}: {what}, but there is no {column!r}{nearest(column, columns + deeper)}; "
        f"the columns are {', '.join(map(repr, columns)) or 'none'}{below}"
    )


def _text(record: DataRecord, column: str, value: object, *, first: bool = False) -> str:
    """Return a plain value as text."""
    if value is _MISSING:
        _missing_column(record, column, first=first)
    place = f"{record.place}, column {column!r}"
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or (isinstance(value, (float, Decimal)) and math.isnan(value)):
        raise DataError(f"{place}: a value is given, but it is missing; fill it or drop the row")
    if not isinstance(value, _PLAIN):
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


def load(
    path: str | Path,
    *,
    input: str | Sequence[str],  # noqa: A002  # the public word for the column, here and in the configuration
    target: str,
    encoding: str = "",
    **more: Any,
) -> tuple[Item, ...]:
    """Read a data file; its format follows from its suffix, and from what stands in it.

    CSV and TSV have a header line; cells may be separated by semicolons, tabs or ``|`` as well,
    and a first line ``sep=;`` is understood. JSON is an array of objects, or an object that holds
    one array of objects (``examples`` and ``data`` are preferred over other keys). JSON Lines has
    one object a line; either of the two may have the other's suffix. Excel needs the extra
    ``xlsx``: the first sheet, its first row the header. Text is strict UTF-8, with or without byte
    order mark, unless `encoding` says otherwise. Numbers become text as they are written in the
    file, booleans become ``true`` and ``false``. Blank lines, and rows without any value, are
    skipped. Parquet needs the extra ``parquet``. YAML is a promptfoo configuration, whose test
    cases are rows (see :mod:`~llmopt.problems.data.promptfoo_tests`), and needs the extra
    ``promptfoo``.

    Args:
        path: The file: ``.csv``, ``.tsv``, ``.json``, ``.jsonl``, ``.ndjson``, ``.parquet``,
            ``.xlsx`` or ``.yaml``.
        input: Column or columns with what the scorer LLM is given, see
            :class:`~llmopt.problems.data.columns.RowColumns`.
        target: Name of the column with the expected answer.
        encoding: Of a text file that is not UTF-8, such as ``cp1252`` or ``utf-16``.
        more: The other columns of :class:`~llmopt.problems.data.columns.RowColumns`.

    Raises:
        DataError: The file cannot be read or used; the message names file, place and column.
        MissingExtraError: The format needs a library that is not installed.
    """
    columns = RowColumns(input, target, **more)
    return items_of(records(path, encoding), str(Path(path).expanduser()), columns)
