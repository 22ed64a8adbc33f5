"""``llmopt judge-check``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from llmopt.cli.options import (
    console,
    json_option,
    print_json,
    quiet_option,
    set_option,
    store_option,
)

if TYPE_CHECKING:
    from llmopt.engine.judge_check import Checked
    from llmopt.problems.metrics.judge_agreement import Kappa, Share
    from llmopt.statistics import JudgeBias

_EXAMPLE = 70  # per cent: a score by which the bias is explained


@click.command("judge-check")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--config", type=click.Path(path_type=Path), help="A configuration with the table [judge]."
)
@click.option("--input", "question", default="input", metavar="COLUMN", help="What was asked.")
@click.option("--output", "answer", default="output", metavar="COLUMN", help="The answer.")
@click.option("--target", default="target", metavar="COLUMN", help="The reference answer.")
@click.option("--label", default="label", metavar="COLUMN", help="What a person said of it.")
@set_option
@store_option
@json_option
@quiet_option
def judge_check(
    file: Path,
    *,
    config: Path | None,
    question: str,
    answer: str,
    target: str,
    label: str,
    overrides: tuple[str, ...],
    store: str | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Measure how far a judge LLM agrees with people, on a file of labelled answers.

    The judge is the table [judge] of --config, and of options such as -o judge.model=NAME. A
    label is a rating on its scale, or, where it compares, what a person said of the answer
    against the reference answer: win, tie or loss.

    Repeated, the same command pays for nothing twice.
    """
    import asyncio

    from llmopt.config.reading import judge_table, tables
    from llmopt.engine.judge_check import checked
    from llmopt.models.middleware.concurrency import Rates
    from llmopt.problems.metrics.judge_agreement import Columns, labelled
    from llmopt.terminal.progress.terminal_display import TERMINAL

    data = tables(config) if config else {}
    where, folder = (str(config), config.parent) if config else ("judge-check", Path())
    table = judge_table(data, where, folder, overrides)
    judge = table.built()
    rows = labelled(file, judge, Columns(question, answer, target, label))
    words = ["judge-check", str(file)]
    words += ["--config", str(config)] if config else []
    names = {"--input": question, "--output": answer, "--target": target, "--label": label}
    for option, column in names.items():
        words += [] if option == f"--{column}" else [option, column]
    for override in overrides:
        words += ["-o", override]
    found = asyncio.run(
        checked(
            judge,
            table.named(),
            rows,
            store=store,
            prices={"judge": table.price.price()} if table.price else {},
            rates={"judge": Rates(table.requests_per_minute, table.tokens_per_minute)},
            progress=not quiet,
            source=words,
            display=TERMINAL,
        )
    )
    if as_json:
        print_json(found.to_dict())
    else:
        _print(found)


def _print(checked: Checked) -> None:
    from rich.table import Table
    from rich.text import Text

    from llmopt.core.text import one_line, visible

    out, found = console(), checked.found

    def say(text: str, style: str = "") -> None:
        out.print(Text(visible(text), style=style), soft_wrap=True)

    say(f"{checked.judge}, {checked.mode}", "dim")
    say(checked.verdict, "bold")
    figures = Table(box=None, padding=(0, 3, 0, 0), show_header=False)
    figures.add_row("agreement", _share(found.agreement))
    figures.add_row("Cohen's kappa", _kappa(found.kappa))
    figures.add_row("the same, near misses counting less", _kappa(found.weighted))
    if found.score_bias:
        figures.add_row("judge's score minus people's", _points(found.score_bias))
    if found.bias:
        figures.add_row("verdict changes with the order", _share(found.bias.changes))
        sides = f"{found.bias.first} to the first, {found.bias.second} to the second"
        figures.add_row("of these, in favour of a place", sides)
    out.print()
    out.print(figures)
    counts = Table(box=None, padding=(0, 3, 0, 0), header_style="dim")
    counts.add_column("people \\ judge")
    for verdict in found.verdicts:
        counts.add_column(verdict, justify="right")
    for verdict, line in zip(found.verdicts, found.confusion, strict=True):
        counts.add_row(verdict, *map(str, line))
    out.print()
    out.print(counts)
    out.print()
    if found.score_bias:
        say(_meaning(found.score_bias))
    if found.unmeasured:
        say(
            f"Note: {len(found.unmeasured)} of {checked.rows} answers have no verdict and are left "
            f"out. The first: {one_line(found.unmeasured[0], 300)}",
            "yellow",
        )
    used = checked.usage
    say(
        f"judge LLM: {used.calls:,} calls, {used.input_tokens:,} tokens in, "
        f"{used.output_tokens:,} out."
    )


def _share(share: Share) -> str:
    low, high = 100 * share.interval.low, 100 * share.interval.high
    return f"{100 * share.share:.1f} % [{low:.1f}, {high:.1f}] n={share.n}"


def _points(bias: JudgeBias) -> str:
    low, high = 100 * bias.interval.low, 100 * bias.interval.high
    return f"{100 * bias.mean:+.1f} points [{low:+.1f}, {high:+.1f}] n={bias.n}"


def _meaning(bias: JudgeBias) -> str:
    """Say what the bias means for a score that this judge gives."""
    means, low, high = (
        max(0.0, min(100.0, _EXAMPLE - 100 * shift))
        for shift in (bias.mean, bias.interval.high, bias.interval.low)
    )
    return (
        f"A mean score of {_EXAMPLE} % by this judge means about {means:.1f} % by people (95 % "
        f"interval {low:.1f} to {high:.1f} %, from these labels alone), for answers like these."
    )


def _kappa(kappa: Kappa) -> str:
    if kappa.value is None or kappa.interval is None:
        return "- (one verdict is all that was given)"
    return f"{kappa.value:.2f} [{kappa.interval.low:.2f}, {kappa.interval.high:.2f}]"
