"""How the cells of a sweep are called: for people in words, for the store by a lasting name."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmopt.core.values import canonical, digest

if TYPE_CHECKING:
    from collections.abc import Sequence

_BEFORE, _SLUG, _HASH = 30, 24, 6  # characters of the parts of a cell's name, which has 64 at most


def in_words(key: str, value: Any) -> str:
    """Return an axis' value in words."""
    last = key.rpartition(".")[2]
    return short(value) if last in ("name", "model") else f"{last}={short(value)}"


def short(value: Any) -> str:
    """Return a value as short as it can be told from others: a path's file, a text as it is."""
    if isinstance(value, dict):
        return ", ".join(f"{key}={short(inner)}" for key, inner in value.items())
    if isinstance(value, str):
        return Path(value).stem if value.startswith("/") else value
    return json.dumps(value, ensure_ascii=False)


def cell_name(sweep: str, changed: tuple[str, dict[str, Any]], words: Sequence[str]) -> str:
    """Return a name that stays the same when other cells come to the sweep or go."""
    part = slug("-".join(filter(None, words)), _SLUG)
    mark = digest(canonical([sweep, *changed]))[:_HASH]
    return f"{sweep[:_BEFORE]}.{part}-{mark}"


def slug(text: str, most: int) -> str:
    """Return a text as a part of a run's name."""
    kept = re.sub(r"[^a-z0-9._-]+", "-", text.lower())
    return re.sub(r"-{2,}", "-", kept)[:most].strip("._-") or "sweep"
