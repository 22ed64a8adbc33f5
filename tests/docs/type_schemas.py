"""JSON schemas of types: dataclasses and typed dictionaries, with their docstrings' words."""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass
from importlib import import_module
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    Literal,
    NotRequired,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

DRAFT = "https://json-schema.org/draft/2020-12/schema"
SIMPLE = {bool: "boolean", int: "integer", float: "number", str: "string", NoneType: "null"}
Schema = dict[str, Any]


@dataclass(frozen=True)
class More:
    """What a command adds to the fields of a value.

    Attributes:
        source: The typed dictionary with these keys.
    """

    source: type


STORED = "stored"
"""Marks a value that an older release may have stored: what has a default may be missing."""


def schema_of(kind: Any, title: str) -> Schema:
    """Return the whole schema of a document."""
    defs: dict[str, Schema] = {}
    made = _of(kind, defs)
    return {"$schema": DRAFT, "title": title, **made, **({"$defs": defs} if defs else {})}


def _of(kind: Any, defs: dict[str, Schema]) -> Schema:
    origin, args = get_origin(kind), get_args(kind)
    if origin is Annotated:
        made = _annotated(args, defs)
    elif origin is NotRequired:
        made = _of(args[0], defs)
    elif kind in SIMPLE:
        made = {"type": SIMPLE[kind]}
    elif kind is Any:
        made = {}
    elif origin is Literal:
        made = {"enum": list(args)}
    elif origin in (Union, UnionType):
        made = _either([_of(one, defs) for one in args])
    elif is_dataclass(kind) or is_typeddict(kind):
        made = _named(kind, defs)
    else:
        made = _container(origin, args, defs)
    return made


def _container(origin: Any, args: tuple[Any, ...], defs: dict[str, Schema]) -> Schema:
    if inspect.isclass(origin) and issubclass(origin, Mapping):
        return {"type": "object", "additionalProperties": _of(args[1], defs)}
    if origin is tuple and args[-1] is not Ellipsis:
        parts = [_of(one, defs) for one in args]
        return {
            "type": "array",
            "prefixItems": parts,
            "minItems": len(parts),
            "maxItems": len(parts),
        }
    if inspect.isclass(origin) and issubclass(origin, Sequence | frozenset):
        return {"type": "array", "items": _of(args[0], defs)}
    raise TypeError(f"a document has no {origin} of {args}")


def _either(parts: list[Schema]) -> Schema:
    if all(set(part) == {"type"} for part in parts):
        return {"type": [part["type"] for part in parts]}
    return {"anyOf": parts}


def _named(kind: Any, defs: dict[str, Schema], *, stored: bool = False) -> Schema:
    """Return a reference to the schema of a class, which is put among the others."""
    if kind.__name__ not in defs:
        defs[kind.__name__] = {}  # it may occur in itself
        defs[kind.__name__] = _object(kind, defs, stored=stored)
    return {"$ref": f"#/$defs/{kind.__name__}"}


def _object(kind: Any, defs: dict[str, Schema], *, stored: bool = False) -> Schema:
    said = _said(kind)
    names = names_in(kind.__module__)
    hints = get_type_hints(kind, names, names, include_extras=True)
    properties = {}
    for name, hint in hints.items():
        if is_dataclass(kind) and all(one.name != name for one in fields(kind)):
            continue  # of the class
        about = {"description": said[name]} if said.get(name) else {}
        properties[name] = about | _of(hint, defs)
    if is_typeddict(kind):
        # __required_keys__ does not know annotations that are strings
        required = [name for name in properties if get_origin(hints[name]) is not NotRequired]
    else:
        required = [one.name for one in fields(kind) if not (stored and _defaulted(one))]
    return {
        "description": _first(kind),
        "type": "object",
        "required": required,
        "properties": properties,
        "additionalProperties": True,
    }


def _defaulted(field: Any) -> bool:
    return field.default is not MISSING or field.default_factory is not MISSING


def _annotated(args: tuple[Any, ...], defs: dict[str, Schema]) -> Schema:
    kind, *marks = args
    if marks == [STORED]:
        return _named(kind, defs, stored=True)
    (more,) = marks
    made, added = _object(kind, defs), _object(more.source, defs)
    made["properties"] |= added["properties"]
    made["required"] += [name for name in added["required"] if name not in made["required"]]
    return made


def names_in(module: str) -> dict[str, Any]:
    """Return the names of a module, with those that it imports for types alone."""
    source = sys.modules[module]
    found = {}
    for node in ast.walk(ast.parse(inspect.getsource(source))):
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                try:
                    found[alias.asname or alias.name] = getattr(
                        import_module(node.module), alias.name
                    )
                except (ImportError, AttributeError):
                    continue  # of a library that is not here
    return found | vars(source)


def _first(kind: Any) -> str:
    """Return the first sentence of a docstring."""
    return _plain((inspect.getdoc(kind) or "").partition("\n\n")[0])


def _said(kind: Any) -> dict[str, str]:
    """Return what a docstring says of each attribute, those of the classes below included."""
    found: dict[str, str] = {}
    for one in reversed(kind.__mro__):
        _, _, text = inspect.cleandoc(one.__doc__ or "").partition("Attributes:\n")
        for name, words in re.findall(r"^    (\w+): (.*(?:\n        .*)*)", text, re.MULTILINE):
            found[name] = _plain(words)
    return found


def _plain(text: str) -> str:
    """Return a docstring's words without their marks, on one line."""
    bare = re.sub(r":\w+:`~?(?:\w+\.)*(\w+)`", r"\1", text).replace("``", "").replace("`", "")
    return " ".join(bare.split())
