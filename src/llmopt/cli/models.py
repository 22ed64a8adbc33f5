"""``llmopt models``: what can be named, and what a model can do."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from llmopt.cli.options import console, doing, json_option, print_json, silenced

if TYPE_CHECKING:
    from llmopt.core.model import Model
    from llmopt.models.probe import Probe


@click.group(invoke_without_command=True)
@json_option
@click.pass_context
def models(context: click.Context, *, as_json: bool) -> None:
    """List the models that can be named, and whether their keys and weights are there."""
    from llmopt.errors import ConfigError
    from llmopt.models.registry import known_models

    if context.invoked_subcommand is not None:
        if as_json:
            raise ConfigError(
                f"options of the list come without a command, but got {context.invoked_subcommand}"
                f" too; write: llmopt models {context.invoked_subcommand} NAME --json"
            )
        return

    rows = known_models()
    if as_json:
        print_json([asdict(row) for row in rows])
        return
    out = console()
    for row in rows:
        out.print(row.name, style="bold", markup=False)
        out.print(f"    {row.what}", markup=False, soft_wrap=True)
        out.print(f"    {row.state}", style="" if row.ready else "dim", markup=False)
    out.print("\nWhat one can do: llmopt models test NAME", markup=False)


@models.command()
@click.argument("name")
@click.option("--base-url", metavar="URL", help="Where the API begins; default: the provider's.")
@click.option(
    "--key-variable", metavar="VARIABLE", help="Variable with the key; default: the provider's."
)
@json_option
@click.pass_context
def test(
    context: click.Context,
    name: str,
    base_url: str | None,
    key_variable: str | None,
    *,
    as_json: bool,
) -> None:
    """Ask the model NAME a few tokens and say what works.

    Makes four short calls at most, each once. Exit code 1: nothing works.
    """
    import asyncio

    from llmopt.models.registry import model_named
    from llmopt.terminal.progress import Download

    with Download(quiet=silenced()) as download:
        model = model_named(
            name, base_url=base_url, api_key_variable=key_variable, progress=download
        )
    findings = asyncio.run(_probed(model))
    if as_json:
        rows = [asdict(finding) for finding in findings]
        print_json({"model": name, "identity": model.identity, "findings": rows})
    else:
        _show(model.identity, findings)
    if not any(finding.works for finding in findings):
        context.exit(1)


async def _probed(model: Model) -> tuple[Probe, ...]:
    """Return what was found, and close the model in the loop that it was used in."""
    from llmopt.models.probe import probe

    try:
        with doing(f"asking {model.identity}"):
            return await probe(model)
    finally:
        await model.close()


def _show(identity: str, findings: tuple[Probe, ...]) -> None:
    from llmopt.core.text import visible

    out = console()
    out.print(visible(identity), style="bold", markup=False)
    for finding in findings:
        answer = "yes" if finding.works else "no"
        line = f"    {finding.what:15} {answer:4} {visible(finding.said)}"
        out.print(line, markup=False, soft_wrap=True)
