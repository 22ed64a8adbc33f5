"""Parts, metrics and other settings as plain data, from which a run's identity is made.

Of a dataclass only what is not at its default is encoded, under the name of its class. So an
option that a later release adds with a harmless default changes nothing, and neither does a move
to another module. A class that is renamed keeps its name in the stores with the class attribute
``stored_name``; one whose behaviour changes, so that stored runs must not go on with it, gets a new
``stored_name``, or its method a higher version.
"""

from __future__ import annotations

import ast
import json
import math
import re
from dataclasses import MISSING, Field, fields, is_dataclass
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, Any

from llmopt.core.values import canonical

if TYPE_CHECKING:
    from collections.abc import Iterator

_ADDRESS = re.compile(r" at 0x[0-9a-f]+", re.IGNORECASE)


def encoded(value: object) -> Any:
    """Return a value as JSON data.

    A dataclass becomes ``{"Name": {field: value}}`` with the fields that are not at their
    defaults; those with ``repr=False`` or ``init=False`` are no settings. A function or class is
    its name. Any other object is what it prints, where its class says how, or else
    ``{"Name": {attribute: value}}`` with all its attributes; of a model its ``identity`` alone.
    """
    found: Any
    match value:
        case Enum():
            found = encoded(value.value)
        case float():  # 1 and 1.0 are the same setting
            whole = math.isfinite(value) and value.is_integer()
            found = int(value) if whole else value if math.isfinite(value) else str(value)
        case None | bool() | int():
            found = value
        case str():
            found = str(value)
        case list() | tuple():
            found = [encoded(part) for part in value]
        case set() | frozenset():
            found = sorted((encoded(part) for part in value), key=canonical)
        case dict():
            found = {str(key): encoded(part) for key, part in value.items()}
        case _:
            found = _encoded_object(value)
    return found


def _encoded_object(value: Any) -> Any:
    kind: Any = type(value)
    if isinstance(value, type):
        return stored_name(value)
    if is_dataclass(value):
        given = {f.name: getattr(value, f.name) for f in _settings(value) if not _usual(f, value)}
    elif isinstance(value, partial):
        given = {"function": value.func, "args": value.args, **value.keywords}
    elif callable(value) and hasattr(value, "__qualname__"):
        return str(value.__qualname__)
    elif kind.__repr__ is not object.__repr__:
        return _ADDRESS.sub("", repr(value))
    elif isinstance(getattr(value, "identity", None), str):
        given = {"identity": value.identity}
    else:
        slots = getattr(kind, "__slots__", ())
        given = {slot: getattr(value, slot, None) for slot in slots} | getattr(
            value, "__dict__", {}
        )
    return {stored_name(kind): encoded(given)}


class Written(str):
    """The canonical text of an encoded value, which still knows the value.

    So a run of a release that stored representations can be compared with it; see
    :func:`is_representation`.
    """

    __slots__ = ("of",)

    of: object


def written(value: object) -> Written:
    """Return a value as canonical JSON text, for a fingerprint."""
    text = Written(canonical(encoded(value)))
    text.of = value
    return text


def stored_name(kind: type) -> str:
    """Return the name under which a class is stored: its ``stored_name``, or what it is called."""
    return str(vars(kind).get("stored_name", kind.__name__))


def is_representation(text: str, value: object) -> bool:
    """Return whether a text is the representation of a value, as older releases stored it.

    Fields that the class did not have then must be at their defaults now.
    """
    found = _parsed(text)
    return text == repr(value) if found is None else _is_of(found, value)


def agree(one: str, other: str) -> bool:
    """Return whether two texts can be of one value: canonical ones, or representations.

    What only one of the two says of a dataclass is taken for its default in the other.
    """
    pair = [_known(text) for text in (one, other)]
    return one == other or (None not in pair and _alike(*pair))


def _known(text: str) -> dict[str, Any] | None:
    """Return what a stored text says of a dataclass, in either form; None: it is not of one."""
    try:
        found = json.loads(text)
    except ValueError:
        found = _parsed(text)
    return found if isinstance(found, dict) else None


def _alike(one: Any, other: Any) -> bool:
    if not (isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys()):
        return bool(one == other)
    pairs = [(one[name], other[name]) for name in one]
    if not all(isinstance(said, dict) for pair in pairs for said in pair):
        return bool(one == other)
    return all(_alike(a[key], b[key]) for a, b in pairs for key in a.keys() & b.keys())


def named_in(text: str) -> str:
    """Return the field ``name`` of a representation as older releases stored it, or nothing."""
    found = _parsed(text)
    if isinstance(found, dict):
        name = next((said.get("name") for said in found.values() if isinstance(said, dict)), None)
        return name if isinstance(name, str) else ""
    # A part that is no dataclass prints something that cannot be read; the name comes before it.
    before = re.search(r"""name=('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")""", text)
    return str(ast.literal_eval(before[1])) if before else ""


def _is_of(stored: Any, value: object) -> bool:
    """Return whether what a representation says is so of a value."""
    if isinstance(value, list | tuple):
        same = isinstance(stored, list) and len(stored) == len(value)
        return same and all(_is_of(s, v) for s, v in zip(stored, value, strict=True))
    if not is_dataclass(value) or isinstance(value, type):
        return bool(encoded(stored) == encoded(value))
    name = stored_name(type(value))
    if not isinstance(stored, dict) or list(stored) != [name]:
        return False
    said, now = stored[name], {field.name: field for field in _settings(value)}
    return said.keys() <= now.keys() and all(
        _is_of(said[key], getattr(value, key)) if key in said else _usual(field, value)
        for key, field in now.items()
    )


def _settings(value: Any) -> Iterator[Field[Any]]:
    return (field for field in fields(value) if field.init and field.repr)


def _usual(field: Field[Any], value: object) -> bool:
    """Return whether a field is at its default."""
    if field.default_factory is not MISSING:
        usual: object = field.default_factory()
    elif field.default is not MISSING:
        usual = field.default
    else:
        return False
    return bool(encoded(getattr(value, field.name)) == encoded(usual))


def _parsed(text: str) -> Any:
    """Return what a representation says, or None where it cannot be read."""
    try:
        return _read(ast.parse(text, mode="eval").body)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _read(node: ast.expr) -> Any:
    """Return what an expression of a representation says, with calls as in :func:`encoded`.

    Raises:
        ValueError: It has something in it that no representation of settings has.
    """
    match node:
        case ast.Constant(value):
            return encoded(value)
        case ast.Name("inf" | "nan"):
            return math.inf if node.id == "inf" else math.nan
        case ast.UnaryOp(ast.USub(), operand):
            return -_read(operand)
        case ast.Tuple(elements) | ast.List(elements):
            return [_read(element) for element in elements]
        case ast.Dict(keys, values) if None not in keys:
            return {
                str(_read(key)): _read(value)
                for key, value in zip(keys, values, strict=True)
                if key is not None
            }
        case ast.Call(ast.Name(name), [], keywords):
            return {name: {str(word.arg): _read(word.value) for word in keywords}}
    raise ValueError(f"a representation is of settings, but got {ast.dump(node)[:80]}")
