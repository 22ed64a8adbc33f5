"""The JSON schema of a configuration, by which editors complete and check the TOML file."""

from __future__ import annotations

import json
from typing import Any

from llmopt.config.settings import Configuration

_DRAFT = "https://json-schema.org/draft/2020-12/schema"


def schema() -> dict[str, Any]:
    """Return the JSON schema of a configuration of a run, made from its tables."""
    made = Configuration.model_json_schema()
    return {"$schema": _DRAFT, **made, "title": "A run of llmopt"}


def schema_text() -> str:
    """Return the schema as a file."""
    return json.dumps(schema(), ensure_ascii=False, indent=2) + "\n"
