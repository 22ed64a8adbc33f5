"""Winograd schemas (WSC273): whom a pronoun means, of two. GPO has a split of it."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

from llmopt.errors import DataError
from llmopt.problems.data.records import read_text
from llmopt.problems.tasks.lettered import question
from llmopt.problems.tasks.task import File, TaskInfo

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

_LETTERS = "AB"
_ROWS = 273  # the collection has grown since; the papers use these


def _read(path: Path) -> Iterator[tuple[str, str]]:
    try:
        root = ET.fromstring(read_text(path))  # noqa: S314 - expat itself limits entities
    except ET.ParseError as error:
        raise DataError(
            f"{path}: the collection is an XML file, but: {error}; use the official file"
        ) from error
    for number, schema in enumerate(islice(root.iter("schema"), _ROWS)):
        place = f"{path}, schema {number + 1}"
        parts = [_said(schema, f"text/{name}") for name in ("txt1", "pron", "txt2")]
        options = [" ".join((one.text or "").split()) for one in schema.iterfind("answers/answer")]
        correct = _said(schema, "correctAnswer").strip(".").upper()
        if not parts[1] or len(options) != len(_LETTERS) or not all(options):
            raise DataError(
                f"{place}: a schema has a pronoun and two answers, but this one does not; use the "
                "official file"
            )
        if correct not in tuple(_LETTERS):
            raise DataError(
                f"{place}: the right answer is A or B, but got {correct!r}; use the official file"
            )
        lines = [f"({letter}) {one}" for letter, one in zip(_LETTERS, options, strict=True)]
        asked = f'{_joined(parts)}\nWhom or what does "{parts[1]}" mean?'
        yield question(asked, lines, _LETTERS), f"({correct})"


def _said(schema: ET.Element, name: str) -> str:
    """Return the text of an element with single blanks; empty where it is missing."""
    return " ".join((schema.findtext(name) or "").split())


def _joined(parts: Iterable[str]) -> str:
    """Return the parts with blanks between them, but for punctuation and genitives."""
    text = ""
    for part in filter(None, parts):
        text += part if not text or part[0] in ".,;:!?'\u2019" else f" {part}"
    return text


def _write(rows: Iterable[Mapping[str, Any]]) -> str:
    return f"<collection>\n{''.join(map(_schema, rows))}</collection>\n"


def _schema(row: Mapping[str, Any]) -> str:
    """Return a row of the hub as an element of the official file."""
    text, pronoun, at = str(row["text"]), str(row["pronoun"]), int(row["pronoun_loc"])
    parts = (("txt1", text[:at]), ("pron", pronoun), ("txt2", text[at + len(pronoun) :]))
    said = "".join(f"<{name}>{escape(part.strip())}</{name}>" for name, part in parts)
    answers = "".join(f"<answer>{escape(str(one))}</answer>" for one in row["options"])
    correct = _LETTERS[int(row["label"])]
    return (
        f"<schema><text>{said}</text><answers>{answers}</answers>"
        f"<correctAnswer>{correct}</correctAnswer></schema>\n"
    )


ENTRIES = (
    TaskInfo(
        name="wsc",
        what="Say which of two candidates a pronoun in a sentence means.",
        metric="options",
        home="the Winograd Schema Challenge's collection of schemas, WSCollection.xml",
        files=(
            File("test", "wsc/WSCollection.xml", "ErnestSDavis/winograd_wsc", "wsc273", "test"),
        ),
        read=_read,
        write=_write,
        gpo=lambda _: (50, 50, 150),
    ),
)
