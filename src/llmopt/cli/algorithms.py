"""``llmopt algorithms``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import click

from llmopt.cli.options import console, json_option, print_json

if TYPE_CHECKING:
    from rich.console import Console

KINDS = ("select", "reflect", "propose", "rate", "keep", "pace")
"""The kinds of parts, in the order in which they are shown."""


@click.command()
@click.argument("name", required=False)
@json_option
def algorithms(name: str | None, *, as_json: bool) -> None:
    """List the methods with their parts, or explain the one called NAME.

    One of your own is package.module:function.
    """
    from llmopt.algorithms import explained, row, table

    if name is None:
        _print([dict(one) for one in table()], as_json=as_json)
        return
    chosen: dict[str, Any] = dict(row(name))
    chosen |= {"parts": _parts(name), **explained(name), "options": _options(name)}
    if as_json:
        print_json(chosen)
        return
    _explain(console(), chosen)


def _print(rows: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        print_json(rows)
        return
    out = console()
    for row in rows:
        out.print(row["algorithm"], style="bold", markup=False)
        out.print(f"    {row['what']}", markup=False, soft_wrap=True)
        for part in KINDS:
            if part in row:
                out.print(f"    {part:8} {row[part]}", markup=False, soft_wrap=True)
    out.print("\nMore of one: llmopt algorithms NAME")


def _explain(out: Console, method: dict[str, Any]) -> None:
    out.print(method["algorithm"], style="bold", markup=False)
    out.print(f"    {method['what']}", markup=False, soft_wrap=True)
    said = {
        "Source": [method["paper"]],
        "Known deviations, and what is ours": method["deviations"],
        "What it needs": method["needs"],
    }
    for heading, lines in said.items():
        if any(lines):
            out.print(f"\n{heading}:")
        for line in filter(None, lines):
            out.print(f"    {_plain(line)}", markup=False, soft_wrap=True)
    out.print("\nParts:")
    for part in method["parts"]:
        out.print(f"    {part['kind']:8} {part['part']}", markup=False, soft_wrap=True)
        if part["what"]:
            out.print(f"             {part['what']}", markup=False, soft_wrap=True)
    out.print("\nOptions, for the table \\[algorithm] of a configuration:")
    for option in method["options"]:
        out.print(f"    {option['option']} = {_toml(option['default'])}", markup=False)
        if option["what"]:
            out.print(f"        {option['what']}", markup=False, soft_wrap=True)


def _parts(name: str) -> list[dict[str, str]]:
    """Return the parts of a method, each with the first sentence of its docstring."""
    from llmopt.algorithms import algorithm_named, written

    return [
        {
            "kind": kind,
            "part": written(part),
            "what": _plain(_said(type(part)).partition("\n\n")[0]),
        }
        for kind, part in algorithm_named(name).parts.items()
    ]


def _said(kind: type) -> str:
    """Return the docstring of a class, without what a dataclass writes where it has none."""
    import inspect

    said = inspect.getdoc(kind) or ""
    return "" if said.startswith(f"{kind.__name__}(") else said


def _options(name: str) -> list[dict[str, Any]]:
    """Return the options of a method with their defaults, as its docstring explains them."""
    import inspect

    from llmopt.algorithms import made_by, signature_of

    _, _, text = (inspect.getdoc(made_by(name)) or "").partition("Args:\n")
    said = dict(re.findall(r"^    (\w+): (.*(?:\n        .*)*)", text, re.MULTILINE))
    return [
        {"option": option, "default": parameter.default, "what": _plain(said.get(option, ""))}
        for option, parameter in signature_of(name).parameters.items()
    ]


def _plain(text: str) -> str:
    """Return a docstring's words without their mark-up, on one line."""
    bare = re.sub(r":\w+:`~?(?:\w+\.)*(\w+)`", r"\1", text).replace("``", "")
    return " ".join(bare.split())


def _toml(value: Any) -> str:
    """Return a default as a configuration would write it."""
    import json

    return "(not set)" if value is None else json.dumps(value, default=repr)
