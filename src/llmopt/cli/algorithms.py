"""``llmopt algorithms``."""

from __future__ import annotations

import re
from dataclasses import MISSING, fields
from typing import TYPE_CHECKING, Any

import click

from llmopt.cli.options import console, json_option, print_json

if TYPE_CHECKING:
    from rich.console import Console


@click.command()
@click.argument("name", required=False)
@json_option
def algorithms(name: str | None, *, as_json: bool) -> None:
    """List the methods, or the options of the one called NAME."""
    from llmopt.algorithms import ALGORITHMS, table
    from llmopt.errors import UnknownNameError

    if name is not None and name not in ALGORITHMS:
        raise UnknownNameError("an algorithm", name, ALGORITHMS)
    rows: list[dict[str, Any]] = [
        {**row, "propose": _differing(ALGORITHMS[row["algorithm"]]().propose)} for row in table()
    ]
    if name is None:
        _print(rows, as_json=as_json)
        return
    chosen = next(row for row in rows if row["algorithm"] == name)
    chosen["options"] = _options(name)
    if as_json:
        print_json(chosen)
        return
    out = console()
    _print_row(out, chosen)
    out.print("\nOptions, for the table \\[algorithm] of a configuration:")
    for option in chosen["options"]:
        out.print(f"    {option['option']} = {_toml(option['default'])}", markup=False)
        out.print(f"        {option['what']}", markup=False, soft_wrap=True)


def _print(rows: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        print_json(rows)
        return
    out = console()
    for row in rows:
        _print_row(out, row)
    out.print("\nThe options of one: llmopt algorithms NAME")


def _print_row(out: Console, row: dict[str, Any]) -> None:
    out.print(row["algorithm"], style="bold", markup=False)
    out.print(f"    {row['what']}", markup=False, soft_wrap=True)
    for part in ("select", "reflect", "propose", "rate"):
        out.print(f"    {part:8} {row[part]}", markup=False, soft_wrap=True)


def _differing(part: Any) -> str:
    """Return a part with those of its options that are not at their defaults."""
    shown = []
    for field in fields(part):
        usual = field.default if field.default_factory is MISSING else field.default_factory()
        value = getattr(part, field.name)
        if value != usual:
            shown.append(f"{field.name}={value!r}")
    return f"{type(part).__name__}({', '.join(shown)})"


def _options(name: str) -> list[dict[str, Any]]:
    """Return the options of a method with their defaults, as its docstring explains them."""
    import inspect

    from llmopt.algorithms import ALGORITHMS

    make = ALGORITHMS[name]
    _, _, text = (inspect.getdoc(make) or "").partition("Args:\n")
    said = dict(re.findall(r"^    (\w+): (.*(?:\n        .*)*)", text, re.MULTILINE))
    return [
        {"option": option, "default": parameter.default, "what": _plain(said.get(option, ""))}
        for option, parameter in inspect.signature(make).parameters.items()
    ]


def _plain(text: str) -> str:
    """Return a docstring's words without their mark-up, on one line."""
    bare = re.sub(r":\w+:`~?(?:\w+\.)*(\w+)`", r"\1", text).replace("``", "")
    return " ".join(bare.split())


def _toml(value: Any) -> str:
    """Return a default as a configuration would write it."""
    import json

    return "(not set)" if value is None else json.dumps(value)
