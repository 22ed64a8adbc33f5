"""What is public is one list, docs/reference/index.md; the documents and examples keep to it."""

from __future__ import annotations

import ast
import re
from importlib import import_module
from typing import TYPE_CHECKING

import pytest
from documents import DOCUMENTS, ROOT

import llmopt

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

INDEX = ROOT / "docs" / "reference" / "index.md"
LISTED = re.findall(r"^\| `(llmopt[\w.*]*)` \|", INDEX.read_text(encoding="utf-8"), re.MULTILINE)
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PATH = re.compile(r"\bllmopt(?:\.\w+)+:\w+")  # package.module:name, as configurations have it


def sources() -> Iterator[tuple[Path, str]]:
    """Yield the Python of documents and examples."""
    for path in DOCUMENTS:
        for block in BLOCK.findall(path.read_text(encoding="utf-8")):
            yield path, block
    for path in (ROOT / "examples").glob("*.py"):
        yield path, path.read_text(encoding="utf-8")


def imports(code: str) -> Iterator[tuple[str, str]]:
    """Yield module and name of each import of the package."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "llmopt":
            yield from ((node.module or "", alias.name) for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from ((a.name, "") for a in node.names if a.name.split(".")[0] == "llmopt")


def imported() -> list[tuple[str, str, str]]:
    """Return file, module and name of each import, those in configurations included."""
    found = [
        (str(path.relative_to(ROOT)), module, name)
        for path, code in sources()
        for module, name in imports(code)
    ]
    for path in [*DOCUMENTS, *(ROOT / "examples").glob("*.toml")]:
        paths = PATH.findall(path.read_text(encoding="utf-8"))
        found += [(str(path.relative_to(ROOT)), *one.split(":")) for one in paths]
    return found


def listed(module: str) -> bool:
    """Return whether a module is public."""
    return any(
        module == entry or (entry.endswith(".*") and f"{module}.".startswith(entry[:-1]))
        for entry in LISTED
    )


def public(module: str, name: str) -> bool:
    """Return whether a name of a module, or the module itself, may be imported."""
    if module == "llmopt":
        return not name or name in llmopt.__all__
    return not name.startswith("_") and (listed(module) or listed(f"{module}.{name}"))


@pytest.mark.parametrize(
    ("module", "name", "expected"),
    [
        ("llmopt", "", True),
        ("llmopt", "optimize", True),
        ("llmopt", "api", False),
        ("llmopt.parts.keep", "Elitist", True),
        ("llmopt.parts.keep", "_best_first", False),
        ("llmopt.testing", "scripted", True),
        ("llmopt.partsmith", "x", False),
        ("llmopt.core.store", "Store", False),
        ("llmopt.engine.run", "Run", False),
    ],
)
def test_a_name_is_public_where_it_is_listed(module: str, name: str, *, expected: bool) -> None:
    assert public(module, name) is expected


def test_documents_and_examples_import_only_what_is_public() -> None:
    internal = [(file, f"{m}:{n}") for file, m, n in imported() if not public(m, n)]
    assert internal == []


def test_everything_listed_exists() -> None:
    assert len(LISTED) == len(set(LISTED)) > 0
    for entry in LISTED:
        assert import_module(entry.removesuffix(".*")).__doc__, entry


def test_everything_listed_is_shown_somewhere() -> None:
    """A document or an example imports it, or names it."""
    others = [path for path in DOCUMENTS if path != INDEX]
    examples = (ROOT / "examples").glob("*.py")
    text = "\n".join(path.read_text(encoding="utf-8") for path in (*others, *examples))
    for entry in LISTED:
        assert re.search(rf"\b{re.escape(entry.removesuffix('.*'))}\b", text), entry
