"""``llmopt check``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from llmopt.cli.options import (
    console,
    data_dir_option,
    json_option,
    print_json,
    set_option,
    silenced,
)
from llmopt.core.formatting import dollars, duration, rounded

if TYPE_CHECKING:
    from rich.console import Console

    from llmopt.preflight.findings import Findings


@click.command()
@click.argument("config", metavar="CONFIG.toml|RECIPE|TASK")
@data_dir_option
@set_option
@click.option("--offline", is_flag=True, help="Make no call; how long a run takes stays unknown.")
@click.option(
    "--headroom",
    is_flag=True,
    help="Measure a dozen candidates, for a twentieth of the run's calls at most, and say whether "
    "it is worth it.",
)
@click.option(
    "--worth",
    type=float,
    default=2.0,
    show_default=True,
    metavar="POINTS",
    help="The gain from which it is.",
)
@json_option
def check(
    config: str,
    *,
    data_dir: str | None,
    overrides: tuple[str, ...],
    offline: bool,
    headroom: bool,
    worth: float,
    as_json: bool,
) -> None:
    """Test a configuration before it costs anything, and say what a run will take.

    Reads the data, lays out the first meta-prompt and makes one short call to each model, then
    prints calls, tokens, money and time with a low and a high bound. Exit code 1: a model does
    not answer; 2: something else would stop the run.

    With --headroom it measures how much gain is still possible. What that costs is paid from the
    budget, and its replies are stored, so the run does not pay for them again.
    """
    import asyncio

    from llmopt.errors import ConfigError
    from llmopt.preflight.check import examined
    from llmopt.preflight.configured import configured
    from llmopt.preflight.worthwhile import headroom_of

    settings, _ = configured(config, data_dir, overrides)
    if headroom and offline:
        raise ConfigError("--headroom asks models, but got --offline too; leave one out")
    findings = asyncio.run(examined(settings, offline=offline, quiet=silenced()))
    if headroom and not findings.code:
        findings.headroom, findings.verdict = asyncio.run(headroom_of(settings, worth))
    if as_json:
        print_json(findings.to_dict())
    else:
        _print(findings)
    sys.exit(findings.code)


def _print(findings: Findings) -> None:
    from rich.text import Text

    from llmopt.core.text import visible

    out = console()
    for what, fine, said in findings.checks:
        mark, style = ("ok", "green") if fine else ("NO", "bold red")
        line = Text.assemble((f"{mark}  ", style), (f"{what:<14} ", "bold"), visible(said))
        out.print(line, soft_wrap=True)
    if findings.rows():
        _print_estimate(out, findings)
    out.print(Text(f"\n{findings.buys}.", "bold"), soft_wrap=True)
    if findings.verdict:
        out.print(Text(f"\n{findings.verdict}", "bold"), soft_wrap=True)
    for caution in findings.cautions:
        out.print(Text(f"Note: {visible(caution)}", "yellow"), soft_wrap=True)


def _print_estimate(out: Console, findings: Findings) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 3, 0, 0), header_style="dim")
    table.add_column("")
    for name in ("calls", "tokens in", "tokens out", "US dollars", "time"):
        table.add_column(name, no_wrap=True)
    for name, low, high in findings.rows():
        table.add_row(
            name,
            _span(f"{low.calls:,}", f"{high.calls:,}"),
            _span(rounded(low.input_tokens), rounded(high.input_tokens)),
            _span(rounded(low.output_tokens), rounded(high.output_tokens)),
            _span(dollars(low.usd), dollars(high.usd)),
            _span(duration(low.seconds), duration(high.seconds)),
        )
    out.print()
    out.print(table)
    out.print(
        Text(
            "\nAt least: nothing new is proposed, and every answer is one token. At most: "
            "everything\nproposed is new, and every answer is as long as it may be. Calls that "
            "fail and are made\nagain come on top.",
            "dim",
        ),
        soft_wrap=True,
    )


def _span(low: str, high: str) -> str:
    return low if low == high else f"{low} to {high}"
