"""The JSON schema of configurations that is published is that of the tables."""

from __future__ import annotations

import os
from pathlib import Path

from llmopt.config.schema import schema_text

SHIPPED = Path(__file__).parents[2] / "docs" / "schemas" / "configuration.json"


def test_the_published_schema_is_current() -> None:
    """`make docs` writes it anew."""
    if os.environ.get("LLMOPT_REWRITE_DOCS"):
        SHIPPED.write_text(schema_text(), encoding="utf-8")
    assert SHIPPED.read_text(encoding="utf-8") == schema_text()
