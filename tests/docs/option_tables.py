"""The tables of docs/configuration.md that are made from the options of a run."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from types import NoneType
from typing import Any, Literal, get_args, get_origin

from documents import holds
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from llmopt.config.tables import PartTable
from llmopt.engine.options import rows_in

NONE = "–"  # noqa: RUF001 - the dash that the tables show for no default


def written(default: object) -> str:
    """Return a default as the document writes it."""
    if default in (PydanticUndefined, inspect.Parameter.empty):
        return "needed"
    return NONE if default is None else f"`{json.dumps(default)}`"


def kind_of(annotation: Any) -> str:
    """Return how the document calls a type; more may follow."""
    if NoneType in get_args(annotation):
        return kind_of(next(a for a in get_args(annotation) if a is not NoneType))
    if get_origin(annotation) is Literal:
        *names, last = (f"`{name}`" if name else "empty" for name in get_args(annotation))
        return f"{', '.join(names)} or {last}"
    if get_origin(annotation) is list and get_origin(get_args(annotation)[0]) is Literal:
        return f"list of {', '.join(f'`{name}`' for name in get_args(get_args(annotation)[0]))}"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "table"
    if get_origin(annotation) is tuple:
        return "three numbers" if len(get_args(annotation)) > 2 else "two whole numbers"
    names_of = {
        str: "text",
        Path: "path",
        bool: "true or false",
        int: "whole number",
        float: "number",
        int | float: "number",
        list[str]: "list of texts",
        str | list[str]: "text or list of texts",
        str | dict[str, Any]: "text or table",
        list[Path]: "list of paths",
        dict[str, str | PartTable]: "table",
        dict[str, Any]: "table",
    }
    return names_of[annotation]


def check(table: str) -> None:
    """Compare the table of these options, or write it."""
    rows = ["| key | type | default | meaning |\n|---|---|---|---|\n"]
    for row in rows_in(table):
        about = row.about
        kind = ", ".join(filter(None, (kind_of(about.written or row.kind), about.bounds)))
        rows.append(f"| `{row.name}` | {kind} | {written(row.default)} | {about.means} |\n")
    holds("docs/configuration.md", table, "".join(rows))
