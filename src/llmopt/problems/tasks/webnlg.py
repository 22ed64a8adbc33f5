"""WebNLG: triples as text, compared with several references. GPO has a split of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

from llmopt.errors import DataError
from llmopt.problems.data.records import read_text
from llmopt.problems.tasks.task import File, TaskInfo

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

_FILE = "webnlg/rdf-to-text-generation-test-data-with-refs-en.xml"


def _read(path: Path) -> Iterator[tuple[str, ...]]:
    try:
        root = ET.fromstring(read_text(path))  # noqa: S314 - expat itself limits entities
    except ET.ParseError as error:
        raise DataError(
            f"{path}: the benchmark is an XML file, but: {error}; use the official file"
        ) from error
    for number, entry in enumerate(root.iter("entry"), 1):
        triples = _texts(entry, "modifiedtripleset/mtriple")
        references = _texts(entry, "lex")
        if not triples or not references:
            raise DataError(
                f"{path}, entry {number}: an entry has modified triples and texts (lex), but this "
                "one does not; use the official file with references"
            )
        lines = "\n".join(triples)
        yield f"Say in fluent English what these triples state.\n\nTriples:\n{lines}", *references


def _texts(entry: ET.Element, path: str) -> list[str]:
    said = (" ".join("".join(one.itertext()).split()) for one in entry.iterfind(path))
    return [text for text in said if text]


def _write(rows: Iterable[Mapping[str, Any]]) -> str:
    entries = "".join(map(_entry, rows))
    return f"<benchmark><entries>\n{entries}</entries></benchmark>\n"


def _entry(row: Mapping[str, Any]) -> str:
    """Return a row of the hub as an element of the official file."""
    triples = "".join(f"<mtriple>{escape(str(one))}</mtriple>" for one in row["input"])
    texts = "".join(f"<lex>{escape(str(one))}</lex>" for one in row["references"])
    return f"<entry><modifiedtripleset>{triples}</modifiedtripleset>{texts}</entry>\n"


ENTRIES = (
    TaskInfo(
        name="webnlg",
        what="Turn facts, given as triples of subject, predicate and object, into fluent English.",
        metric="rouge-l",
        home="release 3.0 of shimorina/webnlg-dataset, its English test data with references",
        files=(File("test", _FILE, "GEM/web_nlg", "en", "test"),),
        read=_read,
        write=_write,
        gpo=lambda _: (100, 100, 300),
    ),
)
