"""Every command's JSON document has a published schema, which is made of the code's types."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click
import json_documents
import pytest
from documents import REWRITE, ROOT, holds
from json_documents import BY_HAND, PRINTED
from jsonschema import Draft202012Validator
from type_schemas import schema_of

from llmopt.cli import main

if TYPE_CHECKING:
    from collections.abc import Iterator

SCHEMAS = ROOT / "docs" / "schemas"
INDEX = SCHEMAS / "commands.json"
FILES = {f"llmopt {command}": f"{name}.json" for command, (name, _) in PRINTED.items()} | {
    f"llmopt {command}": f"{name}.json" for command, name in BY_HAND.items()
}


def with_json(group: click.Group, words: str = "llmopt") -> Iterator[str]:
    for name, command in group.commands.items():
        if any("--json" in option.opts for option in command.params):
            yield f"{words} {name}"
        if isinstance(command, click.Group):
            yield from with_json(command, f"{words} {name}")


def written(data: Any) -> str:
    return json.dumps(data, ensure_ascii=False, indent=2) + "\n"


def current(name: str, text: str) -> None:
    """Compare a file with what it should be, or write it."""
    path = SCHEMAS / name
    if REWRITE:
        path.write_text(text, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == text, "run: make docs"


def test_every_command_with_json_has_a_schema() -> None:
    assert set(with_json(main)) == set(FILES)
    for name in FILES.values():
        assert (SCHEMAS / name).is_file()


@pytest.mark.parametrize(("name", "kind"), dict(PRINTED.values()).items())
def test_a_schema_is_that_of_the_type(name: str, kind: Any) -> None:
    commands = " or ".join(f"llmopt {c} --json" for c, (file, _) in PRINTED.items() if file == name)
    made = schema_of(kind, f"What {commands} prints")
    Draft202012Validator.check_schema(made)
    current(f"{name}.json", written(made))


def test_the_index_says_which_command_has_which_schema() -> None:
    files = dict(sorted(FILES.items()))
    current("commands.json", written(files))
    rows = (f"| `{command}` | [{file}](../schemas/{file}) |\n" for command, file in files.items())
    holds("docs/reference/json.md", "schemas", f"| command | schema |\n|---|---|\n{''.join(rows)}")


def test_every_key_of_a_document_is_described() -> None:
    for file in FILES.values():
        schema = json.loads((SCHEMAS / file).read_text(encoding="utf-8"))
        for name in schema.get("$defs", {}).keys() & vars(json_documents).keys():
            described = schema["$defs"][name]
            if name not in ("Cost", "Price", "Call"):  # values whose own docstrings say it together
                for key, about in described["properties"].items():
                    assert about.get("description"), f"{file} {name}.{key}"
