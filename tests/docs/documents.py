"""The documents, and how their generated parts are compared or written."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCUMENTS = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
REWRITE = bool(os.environ.get("LLMOPT_REWRITE_DOCS"))


def holds(document: str, name: str, body: str) -> None:
    """Compare a generated part of a document, or write it."""
    path = ROOT / document
    text = path.read_text(encoding="utf-8")
    begin, end = f"<!-- {name}:begin -->\n", f"<!-- {name}:end -->"
    before, found, rest = text.partition(begin)
    part, ended, after = rest.partition(end)
    assert found, f"{document} has a part {name}"
    assert ended, f"{document} has a part {name}"
    if REWRITE:
        path.write_text(before + begin + body + end + after, encoding="utf-8")
    else:
        assert part == body, "run: make docs"
