"""Plain values as TOML.

Ours, because arrays stay on one line and tables inside a table too, as people write them in a
configuration; the libraries spread both over several lines.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def toml_document(config: Mapping[str, Mapping[str, Any]]) -> str:
    """Return tables as a document that reads back equal; values that are None are left out."""
    blocks = ("\n".join([f"[{_key(table)}]", *_pairs(rows)]) for table, rows in config.items())
    return "\n\n".join(blocks) + "\n"


def toml_value(value: Any) -> str:
    """Return a text, a number, a truth value, or a list or table of these."""
    if isinstance(value, dict):
        return "{ " + ", ".join(_pairs(value)) + " }" if value else "{}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(toml_value, value)) + "]"
    # JSON's escapes are TOML's; the one character that JSON leaves as it is has to be escaped.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _pairs(values: Mapping[str, Any]) -> list[str]:
    return [f"{_key(k)} = {toml_value(v)}" for k, v in values.items() if v is not None]


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else toml_value(name)
