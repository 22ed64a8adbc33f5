"""A run's document as one self-contained page: what needs no script is HTML, the rest is data.

The page loads nothing. Its policy lets exactly its own style and its own script work, both by
their hash, and nothing else; texts of models are escaped here, and the script puts them in as
text alone.
"""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from llmopt.core.text import visible
from llmopt.web.pages.payload import chunks
from llmopt.web.pages.summary import summary

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jinja2 import Environment

SCRIPTS = (
    *("base.js", "words.js", "chart.js", "figures.js", "matrix.js", "candidates.js"),
    *("tree.js", "spending.js", "download.js", "asked.js", "items.js", "sweep.js", "start.js"),
)
"""The files of the page's script, in their order."""

# Marks of direction that are seen by nobody; a terminal's own list leaves them, as letters are
# shaped by some of them.
_MARKS = re.compile("[\u061c\u200e\u200f]")
_SPELLED = re.compile(r"(\\u[0-9a-f]{4})")


@dataclass(frozen=True)
class Served:
    """What a page has more of when it comes from a server, which it may then ask for news.

    Attributes:
        bar: Safe HTML above the page.
        style: CSS after the page's own.
        script: Put into the room of the page's own script, behind it.
    """

    bar: str
    style: str
    script: str


def templates() -> Environment:
    """Return what the pages are made with; it escapes all texts."""
    from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

    return Environment(
        loader=PackageLoader("llmopt.web", "static"),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=spelled,
    )


def page(
    record: Mapping[str, Any],
    served: Served | None = None,
    cells: Mapping[str, str] | None = None,
) -> str:
    """Return the page of a run or a sweep.

    Args:
        record: What :func:`llmopt.history.document.record` gives.
        served: What it has more of when a server shows it; None: it is a file of its own.
        cells: Chunks with the texts of its matrix, see
            :func:`~llmopt.web.pages.matrix_cells.cell_chunks`; None: a server gives them, or they
            are not shown.
    """
    from markupsafe import Markup

    data, cut = chunks(record)
    data |= cells or {}
    style = asset("page.css") + (served.style if served else "")
    script = in_room(*map(asset, SCRIPTS), *([served.script] if served else []))
    connect = " connect-src 'self';" if served else ""
    policy = (
        f"default-src 'none'; style-src '{hash_of(style)}'; script-src '{hash_of(script)}';"
        f" img-src blob:;{connect} base-uri 'none'; form-action 'none'"
    )
    return (
        templates()
        .get_template("template.html")
        .render(
            **summary(record, cut),
            record=record,
            bar=Markup(served.bar if served else ""),  # noqa: S704 - as Served demands
            policy=Markup(policy),  # noqa: S704 - our own words and two hashes
            style=Markup(style),  # noqa: S704 - our own file
            script=Markup(script),  # noqa: S704 - our own files
            data={name: Markup(text) for name, text in data.items()},  # noqa: S704 - base64
        )
    )


def spelled(value: Any) -> Any:
    """Return a text as safe HTML in which control characters and marks of direction are seen."""
    from markupsafe import Markup, escape

    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    text = _MARKS.sub(lambda found: f"\\u{ord(found[0]):04x}", visible(value))
    if text == value:
        return value
    parts = _SPELLED.split(text)
    marked = ['<span class="esc">%s</span>' if n % 2 else "%s" for n in range(len(parts))]
    return Markup("").join(Markup(m) % escape(p) for m, p in zip(marked, parts, strict=True))  # noqa: S704 - our own marks around escaped text


@cache
def asset(name: str) -> str:
    """Return a file of the page: ``page.css`` or one of :data:`SCRIPTS`."""
    return files("llmopt.web").joinpath("static").joinpath(name).read_text("utf-8")


def in_room(*scripts: str) -> str:
    """Return scripts as one, in a room of their own."""
    body = "\n".join(scripts)
    return f'(() => {{\n"use strict";\n{body}\n}})();\n'


def hash_of(text: str) -> str:
    """Return a text's hash as a page's policy names it."""
    made = base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")
    return f"sha256-{made}"
