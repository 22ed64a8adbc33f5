"""Answers that are JSON: the object in an output, and which of its fields is the answer."""

from __future__ import annotations

import json
import re
from typing import Any

from llmopt.problems.answers.thoughts import spoken

_ATTEMPTS = 50  # opening braces at which an object may begin
_LENGTH = 100_000  # characters of an output that are searched
_ANSWERS = (
    "finalanswer",
    "answer",
    "final",
    "correctanswer",
    "solution",
    "result",
    "label",
    "prediction",
    "predictedlabel",
    "choice",
    "option",
    "selectedoption",
    "classification",
    "class",
    "category",
    "sentiment",
    "verdict",
    "decision",
    "output",
    "response",
    "value",
    "number",
    "score",
)
_BESIDE = re.compile(
    r"confidence|certainty|probability|reason|rationale|explanation|explain|thought|think|analysis"
    r"|steps?$|work|justification|evidence|notes?$|comment|id$|question|input|unit"
)
_DECODER = json.JSONDecoder()


def json_object(output: str) -> dict[str, Any] | None:
    """Return the last JSON object that an output holds behind its thoughts, or None.

    Objects inside of others do not count.
    """
    text = spoken(output)[-_LENGTH:]
    found, at = None, text.find("{")
    for _ in range(_ATTEMPTS):
        if at < 0:
            break
        value, end = _decoded(text, at)
        if value is not None:
            found = value
        at = text.find("{", end)
    return found


def answer_field(output: str) -> str | None:
    """Return the answer of an output that is one JSON object, or ends in one, or None.

    It is the field that is called answer, result, label or the like, else the only one besides
    a confidence, a reason and the like. An object inside is asked in the same way.
    """
    text = output.rstrip(" \t\r\n`")
    if not text.endswith("}"):
        return None
    at = text.find("{")
    for _ in range(_ATTEMPTS):
        value, end = _decoded(text, at)
        if value is not None and end == len(text):
            return _answer(value)
        at = text.find("{", end)
        if at < 0:
            break
    return None


def _decoded(text: str, at: int) -> tuple[dict[str, Any] | None, int]:
    """Return the object that begins at a brace and where it ends, or None and the next place."""
    try:
        value, end = _DECODER.raw_decode(text, at)
    except (ValueError, RecursionError):
        return None, at + 1
    return (value, end) if isinstance(value, dict) else (None, at + 1)


def _answer(value: dict[str, Any]) -> str | None:
    names = {re.sub(r"[\W_]", "", name.lower()): name for name in value}
    chosen = next((names[name] for name in _ANSWERS if name in names), None)
    if chosen is None:
        others = [name for plain, name in names.items() if not _BESIDE.search(plain)]
        chosen = others[0] if len(others) == 1 else None
    if chosen is None:
        return None
    return _text(value[chosen])


def _text(value: Any) -> str | None:
    if isinstance(value, dict):
        return _answer(value)
    if isinstance(value, list):
        parts = [part for part in map(_text, value) if part is not None]
        return ", ".join(parts)
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    return str(value).lower() if isinstance(value, bool) else json.dumps(value)
