"""What commands print with ``--json`` is held against the schemas that are published."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

SCHEMAS = Path(__file__).parents[2] / "docs" / "schemas"
FILES: dict[str, str] = json.loads((SCHEMAS / "commands.json").read_text(encoding="utf-8"))


def strict(schema: Any) -> Any:
    """Return a schema that refuses every key that it does not describe."""
    if isinstance(schema, list):
        return [strict(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: strict(value) for key, value in schema.items()}
    return made | ({"additionalProperties": False} if "properties" in made else {})


@cache
def validator(file: str) -> Draft202012Validator:
    schema = json.loads((SCHEMAS / file).read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(strict(schema))


def file_of(words: tuple[str, ...]) -> str:
    """Return the schema of a command line: that of its first two words, or of its first one."""
    return FILES.get(f"llmopt {' '.join(words[:2])}") or FILES[f"llmopt {words[0]}"]


def check_document(words: tuple[str, ...], document: Any) -> None:
    """Raise ``AssertionError`` if a document is not as published, or says more than that."""
    found = best_match(validator(file_of(words)).iter_errors(document))
    assert found is None, f"{' '.join(words)}: {found.json_path} {found.message[:500]}"
