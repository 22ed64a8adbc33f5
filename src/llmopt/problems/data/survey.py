"""A look at a data file that nobody has described: its encoding, its columns, its answers."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from llmopt.errors import DataError
from llmopt.problems.data.columns import RowColumns, items_of, value_of
from llmopt.problems.data.files import records
from llmopt.problems.data.group_columns import group_columns
from llmopt.problems.data.shapes import ANSWERS, leaves, shape_of
from llmopt.problems.metrics.rules import default_metric

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from llmopt.core.values import Item
    from llmopt.problems.data.records import DataRecord
    from llmopt.problems.metrics.contract import Metric

_LOOKED_AT = 400  # rows that decide which columns are which
_FEW = 20  # different answers, at most, are labels
_LONG = 60  # characters; answers that are usually longer are texts, which no rule compares

_INPUTS = (
    *("text", "question", "input", "prompt", "query", "message", "sentence", "review", "document"),
    *("content", "body", "utterance", "comment", "description", "ticket", "email", "title", "user"),
    *("customer_message", "user_message", "user_input", "problem", "request", "instruction"),
)
_TARGETS = (
    *("label", "target", "answer", "expected_output", "expected", "expected_answer", "gold"),
    *("ground_truth", "category", "class", "sentiment", "intent", "topic", "labels", "answers"),
    *("reference", "correct_answer", "expected_response", "department", "team", "output"),
    *("completion", "response", "result", "solution", "rating", "score", "tag", "type"),
)
_NAMES = ("id", "uid", "uuid", "row_id", "index", "idx", "no", "nr", "unnamed_0")


@dataclass(frozen=True)
class DataSurvey:
    """What a look at a data file has found.

    Attributes:
        encoding: What it is written in, as ``problem.encoding``; empty: UTF-8.
        shape: Which export it is, such as ``LangSmith``; empty: none that is known.
        columns: All columns, those one level down by their paths.
        input: The column of the input, or several.
        target: The column of the expected answer; empty: the last turn of a chat.
        items: The rows as items, up to those that are looked at.
        rows: How many rows there are.
        metric: The metric that suits the answers.
        system: The system message that all chats begin with; empty where there is none.
        group: The column that looks like what rows share that are not independent; empty: none.
    """

    encoding: str
    shape: str
    columns: tuple[str, ...]
    input: str | tuple[str, ...]
    target: str
    items: tuple[Item, ...]
    rows: int
    metric: Metric
    system: str
    group: str = ""

    @property
    def answers(self) -> Counter[str]:
        """How often each answer is expected."""
        return Counter(item.target for item in self.items)

    @property
    def written_long(self) -> bool:
        """Whether the answers are texts that no rule compares well."""
        return self.metric.name == "exact" and _usual_length(list(self.answers)) > _LONG


def survey(
    path: Path, given_input: Sequence[str] = (), target: str = "", encoding: str = ""
) -> DataSurvey:
    """Look at a data file.

    Args:
        path: The file, as :func:`~llmopt.problems.data.files.records` reads it.
        given_input: The columns of the input; none: those that look like it.
        target: The column of the expected answer; empty: the one that looks like it.
        encoding: What the file is written in; empty: UTF-8, or what its bytes say.

    Raises:
        DataError: The file cannot be read, or which columns to take is not clear.
    """
    encoding, found = _read(path, encoding)
    if not found:
        raise DataError(f"{path}: a data set has at least one row, but it has none")
    shape = None if given_input and target else shape_of(found[0].values)
    columns = _columns(found[0].values)
    if shape:
        asked: str | tuple[str, ...] = _one(given_input) or shape.input
        target = target or shape.target
    else:
        target = target or _target(path, found, columns, given_input)
        asked = _one(given_input) or _input(path, found, columns, target)
    items = items_of(
        found[:_LOOKED_AT], str(path), RowColumns(input=asked, target=target or "target")
    )
    answers = [answer for item in items for answer in (item.target, *item.accepted)]
    return DataSurvey(
        encoding,
        shape.name if shape else "",
        columns,
        asked,
        target,
        items,
        len(found),
        default_metric(answers),
        _system(found, asked) if isinstance(asked, str) else "",
        next(group_columns(found, columns, {target, *([asked] if type(asked) is str else [])}), ""),
    )


def _one(columns: Sequence[str]) -> str | tuple[str, ...]:
    """Return a column alone as itself."""
    return columns[0] if len(columns) == 1 else tuple(columns)


def _read(path: Path, encoding: str) -> tuple[str, list[DataRecord]]:
    """Return what a file is written in, and its rows."""
    try:
        return encoding, list(records(path, encoding))
    except DataError:
        if encoding:
            raise
        guessed = _guessed(path)
        if not guessed:
            raise
    return guessed, list(records(path, guessed))


def _guessed(path: Path) -> str:
    """Return the encoding of a file that is not UTF-8; empty where it is, or cannot be read."""
    try:
        raw = path.expanduser().read_bytes()
    except OSError:
        return ""
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    even, odd = raw[:2000:2].count(0), raw[1:2000:2].count(0)
    if max(even, odd) > len(raw[:2000]) / 5:  # every second byte of most scripts is 0
        return "utf-16-le" if odd > even else "utf-16-be"
    try:
        raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return "cp1252" if _is_in(raw, "cp1252") else "latin-1"
    return ""


def _is_in(raw: bytes, encoding: str) -> bool:
    with suppress(UnicodeDecodeError):
        raw.decode(encoding)
        return True
    return False


def _columns(row: Mapping[str, object]) -> tuple[str, ...]:
    """Return the columns of a row; of nested ones those of the plain values below them."""
    found: list[str] = []
    for name, value in row.items():
        found += leaves(name, value) if isinstance(value, Mapping) else [name]
    return tuple(name for name in found if name.strip())


def _named(column: str) -> str:
    """Return the last key of a column as a word to compare."""
    return re.sub(r"\W+", "_", column.rpartition(".")[2].strip().casefold()).strip("_")


def _target(
    path: Path, found: Sequence[DataRecord], columns: Sequence[str], taken: Sequence[str]
) -> str:
    """Return the column that is the answer by its name, or the only one with labels in it."""
    free = [column for column in columns if column not in taken]
    for word in dict.fromkeys((*_TARGETS, *ANSWERS)):
        named = [column for column in free if _named(column) == word]
        if len(named) == 1:
            return named[0]
    labels = [column for column in free if _has_labels(_texts(found, column))]
    if len(labels) == 1:
        return labels[0]
    left = [column for column in free if _named(column) not in (*_NAMES, *_INPUTS)]
    if len(left) == 1 and len(free) > 1:
        return left[0]
    raise _unclear(path, "the expected answer", "--target", columns)


def _input(
    path: Path, found: Sequence[DataRecord], columns: Sequence[str], target: str
) -> str | tuple[str, ...]:
    """Return the column that is the input by its name, or the one with the longest texts."""
    free = [c for c in columns if c != target and _named(c) not in _NAMES]
    # A context that belongs to a question is a part of the input.
    known = {_named(column): column for column in free}
    for pair in (("context", "question"), ("premise", "hypothesis"), ("instruction", "input")):
        if all(word in known for word in pair) and all(any(_texts(found, known[w])) for w in pair):
            return tuple(known[word] for word in pair)
    for word in _INPUTS:
        if word in known:
            return known[word]
    lengths = {column: _usual_length(_texts(found, column)) for column in free}
    if not lengths or not max(lengths.values()):
        raise _unclear(path, "the input", "--input", columns)
    return max(lengths, key=lambda column: lengths[column])


def _unclear(path: Path, what: str, option: str, columns: Sequence[str]) -> DataError:
    named = ", ".join(map(repr, columns))
    return DataError(
        f"{path}: {what} is a column that is called so or looks so, but it is not clear which of "
        f"{named}; name it with {option} COLUMN"
    )


def _texts(found: Sequence[DataRecord], column: str) -> list[str]:
    values = (value_of(record.values, column) for record in found[:_LOOKED_AT])
    return [str(value).strip() for value in values if isinstance(value, str | int | float | bool)]


def _has_labels(texts: Sequence[str]) -> bool:
    """Return whether a column holds few different short words, each several times."""
    counts = Counter(text.casefold() for text in texts if text)
    return (
        1 < len(counts) <= _FEW
        and min(counts.values()) > 1
        and not all(re.fullmatch(r"[\d.,:\-/]+", text) for text in counts)
    )


def _usual_length(texts: Sequence[str]) -> float:
    return sum(map(len, texts)) / len(texts) if texts else 0.0


def _system(found: Sequence[DataRecord], column: str) -> str:
    """Return the system message of chats, where all have the same one."""
    said = set()
    for record in found[:_LOOKED_AT]:
        chat: Any = value_of(record.values, column)
        if not isinstance(chat, list) or not chat or not isinstance(chat[0], Mapping):
            return ""
        first = chat[0]
        speaks = first.get("role", first.get("from")) in ("system", "developer")
        said.add(str(first.get("content", first.get("value"))) if speaks else "")
    return said.pop() if len(said) == 1 else ""
