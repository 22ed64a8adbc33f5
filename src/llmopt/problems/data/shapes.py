"""The shapes of the exports that people have, told by what stands in a row.

LangSmith, MLflow, Label Studio, Argilla and OpenAI name no column ``input`` or ``target``. Where
nobody says which columns to take, these are found by their own keys.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

ANSWERS = (
    "expected_response",
    "expected_output",
    "expected_answer",
    "expected",
    "target",
    "answer",
    "output",
    "label",
    "response",
    "result",
    "completion",
)
"""What the key of an expected answer is called, the surest first."""

_PREFERRED = ("question", "text", "query", "prompt", "input", "message")
_STUDIO = ("choices", "text", "rating", "number", "taxonomy", "datetime")  # kinds of a result
_STUDIO_OWN = {
    *("annotation_id", "annotator", "created_at", "updated_at", "lead_time", "id", "agreement"),
    *("draft_id", "project", "inner_id"),
}


@dataclass(frozen=True)
class Shape:
    """Which export a row is of, and its columns.

    Attributes:
        name: Whose it is: ``LangSmith``, ``Label Studio`` and so on.
        input: The column of the input, or several.
        target: The column of the expected answer; empty: the last turn of a chat.
    """

    name: str
    input: str | tuple[str, ...]
    target: str


def shape_of(row: Mapping[str, object]) -> Shape | None:
    """Return which export a row is of, or None where it is no known one."""
    values = {key: inner(value) for key, value in row.items()}
    for reader in (_argilla, _label_studio, _label_studio_small, _mlflow, _langsmith, _openai):
        found = reader(values)
        if found:
            return found
    return None


def inner(value: object) -> Any:
    """Return a value, an object or a list also where it is a cell with JSON in it."""
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        with suppress(ValueError, RecursionError):
            return json.loads(value, parse_int=str, parse_float=str)
    return value


def leaves(prefix: str, value: object) -> Iterator[str]:
    """Yield the dotted paths of all plain values below a value."""
    if isinstance(value, Mapping):
        for key, one in value.items():
            yield from leaves(f"{prefix}.{key}", one)
    elif value is not None and not isinstance(value, list):
        yield prefix


def _langsmith(row: Mapping[str, Any]) -> Shape | None:
    for out in ("reference_outputs", "outputs", "reference"):
        made = _pair("LangSmith", row, "inputs", out)
        if made:
            return made
    return None


def _mlflow(row: Mapping[str, Any]) -> Shape | None:
    for asked in ("inputs", "request"):
        for expected in ("expectations", "ground_truth", "targets"):
            made = _pair("MLflow", row, asked, expected)
            if made:
                return made
    return None


def _argilla(row: Mapping[str, Any]) -> Shape | None:
    fields = row.get("fields")
    for kind, path in (("responses", "{}.0.value"), ("suggestions", "{}.value")):
        answers = row.get(kind)
        if isinstance(fields, Mapping) and isinstance(answers, Mapping) and answers:
            name = _answer(list(answers))
            if name:
                return Shape("Argilla", _asked("fields", fields), f"{kind}.{path.format(name)}")
    if "annotation" in row and ("prediction" in row or "annotation_agent" in row):
        asked = row.get("inputs")
        by = _asked("inputs", asked) if isinstance(asked, Mapping) else "text"
        return Shape("Argilla", by, "annotation")
    flat = [key.removesuffix(".responses") for key in row if key.endswith(".responses")]
    name = _answer(flat)
    texts = [key for key in row if key in _PREFERRED]
    return Shape("Argilla", texts[0], f"{name}.responses") if name and texts else None


def _label_studio(row: Mapping[str, Any]) -> Shape | None:
    data, annotations = row.get("data"), row.get("annotations") or row.get("completions")
    if not isinstance(data, Mapping) or not isinstance(annotations, list) or not annotations:
        return None
    above = "annotations" if row.get("annotations") else "completions"
    results = annotations[0].get("result") if isinstance(annotations[0], Mapping) else None
    value = results[0].get("value") if results and isinstance(results[0], Mapping) else None
    kinds = [kind for kind in _STUDIO if isinstance(value, Mapping) and kind in value]
    if not kinds:
        return None
    path = f"{above}.0.result.0.value.{kinds[0]}"
    return Shape("Label Studio", _asked("data", data), path)


def _label_studio_small(row: Mapping[str, Any]) -> Shape | None:
    """Recognise the smaller export, JSON-MIN or CSV: a column for the text and for each label."""
    if not {"annotation_id", "annotator"} <= set(row):
        return None
    texts = [key for key in row if key in _PREFERRED]
    others = [key for key in row if key not in _STUDIO_OWN and key not in texts]
    labels = [key for key in others if _is_answer(row[key])]
    if len(texts) != 1 or len(labels) != 1:
        return None
    value = row[labels[0]]
    inside = isinstance(value, Mapping) and "choices" in value
    return Shape("Label Studio", texts[0], f"{labels[0]}.choices" if inside else labels[0])


def _openai(row: Mapping[str, Any]) -> Shape | None:
    if isinstance(row.get("messages"), list):
        return Shape("OpenAI fine-tuning", "messages", "")
    if isinstance(row.get("conversations"), list):
        return Shape("ShareGPT", "conversations", "")
    if {"prompt", "completion"} <= set(row):
        return Shape("OpenAI fine-tuning", "prompt", "completion")
    return Shape("OpenAI evals", "input", "ideal") if {"input", "ideal"} <= set(row) else None


def _pair(name: str, row: Mapping[str, Any], asked: str, expected: str) -> Shape | None:
    """Return the columns below two keys, where the answer among them is plain."""
    if row.get(asked) in (None, "") or row.get(expected) in (None, ""):
        return None
    below = row[expected]
    if isinstance(below, Mapping):
        paths = list(leaves(expected, below))
        paths += [f"{expected}.{key}" for key, value in below.items() if isinstance(value, list)]
        target = _answer(paths)
    else:
        target = expected
    if not target:
        return None
    known = isinstance(row[asked], Mapping)
    return Shape(name, _asked(asked, row[asked]) if known else asked, target)


def _asked(prefix: str, below: Mapping[str, Any]) -> str | tuple[str, ...]:
    """Return the columns of the input below a key: a chat, the only one, or all plain ones."""
    chat = [key for key, value in below.items() if isinstance(value, list)]
    if "messages" in chat:
        return f"{prefix}.messages"
    paths = tuple(leaves(prefix, below)) or (prefix,)
    return paths[0] if len(paths) == 1 else paths


def _answer(paths: list[str]) -> str:
    """Return the one path, or the one whose last key is what answers are called; else none."""
    if len(paths) == 1:
        return paths[0]
    for word in ANSWERS:
        named = [path for path in paths if path.rpartition(".")[2].casefold() == word]
        if len(named) == 1:
            return named[0]
    spoken = [path for path in paths if path.endswith((".content", ".text"))]
    return spoken[0] if len(spoken) == 1 else ""


def _is_answer(value: object) -> bool:
    return isinstance(value, str) or (isinstance(value, Mapping) and "choices" in value)
