"""``llmopt compare``."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from llmopt.cli.options import console, doing, json_option, print_json, store_option
from llmopt.core.formatting import p_value

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from llmopt.core.presentation import Presentation
    from llmopt.evidence.scores import Score
    from llmopt.history.compare import RunComparison
    from llmopt.history.compared_run import Compared
    from llmopt.history.text_diff import Change

_ITEMS = 10  # items shown; all of them are in the JSON document
_STYLES = {"added": "green", "removed": "red", "moved": "yellow", "other answer": "yellow"}
_COLUMNS = 6  # runs whose answers find room beside each other


@click.command()
@click.argument("runs", metavar="RUN RUN …", nargs=-1)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="Write a page to show to others into this file.",
)
@store_option
@json_option
def compare(
    runs: tuple[str, ...], *, output: Path | None, store: str | None, as_json: bool
) -> None:
    """Compare two or more runs, and their winners with the first one's.

    The winners are compared on the held-out items that the runs have in common, as the answers
    were kept; nothing is asked. Warnings say where the runs are not alike.
    """
    from llmopt.history.compare import compared_runs
    from llmopt.store import open_store

    with closing(open_store(store, new=store is None)) as kept, doing("reading the runs"):
        found = compared_runs(kept, runs)
    if output is not None:
        from llmopt.cli.report import write_page
        from llmopt.web.pages.site_pages import comparison

        write_page(output, comparison(found, alone=True), as_json=as_json)
    elif as_json:
        print_json(found.to_dict())
    else:
        _print(console(), found)


def _print(out: Console, found: RunComparison) -> None:
    """Print the runs, their tables, the verdict, the warnings, and what differs."""
    for number, row in enumerate(found.runs, 1):
        _say(out, f"[{number}] {row.run}", "bold")
        for line in _about(row):
            _say(out, line, indent=4)
    for table in (_scores(found), _effort(found.runs), _against(found)):
        if table.rows:
            out.print()
            out.print(table)
    out.print()
    _say(out, found.verdict, "bold")
    methods = sorted({row.difference.method for row in found.runs if row.difference})
    if methods:
        several = any(row.corrected is not None for row in found.runs)
        corrected = ", corrected by Holm for the number of runs" if several else ""
        alone = " The intervals are not corrected." if several else ""
        _say(out, f"p: {', '.join(methods)}{corrected}.{alone}", "dim")
    for warning in found.warnings:
        _say(out, f"Warning: {warning}", "yellow")
    if found.changed:
        shown = min(_ITEMS, len(found.changed))
        _say(out, f"\nItems on which the winners differ ({shown} of {len(found.changed)}):", "dim")
        out.print(_items(found))
    for number, row in enumerate(found.runs[1:], 2):
        _say(out, f"\nFrom the text of [1] to that of [{number}]:", "dim")
        _print_wording(out, row)


def _print_wording(out: Console, row: Compared) -> None:
    """Print how a text became another: part by part where it has several."""
    from llmopt.history.readable_solution import changed_line

    # Not wrapped by us, so that it can be copied as it is.
    if not row.part_changes:
        out.print(_worded(row.wording), soft_wrap=True)
    for part in row.part_changes:
        _say(out, f"{part.name}: unchanged" if part.unchanged else f"{part.name}:", "dim")
        if part.pairs is None and not part.unchanged:
            out.print(_worded(part.wording), soft_wrap=True)
        for pair in () if part.unchanged else part.pairs or ():
            _say(out, changed_line(pair), _STYLES.get(pair.change, ""))


def _say(out: Console, text: str, style: str = "", indent: int = 0) -> None:
    """Print a sentence: broken between words on a terminal, as a whole line in a file."""
    from rich.padding import Padding
    from rich.text import Text

    from llmopt.core.text import visible

    said = Text(visible(text), style=style)
    if out.is_terminal:
        out.print(Padding(said, (0, 0, 0, indent)))
    else:
        out.print(Text(" " * indent).append_text(said), soft_wrap=True)


def _about(row: Compared) -> Iterator[str]:
    """Yield what a run is, and what it says of itself."""
    models = (("optimizer", row.optimizer), ("scorer", row.scorer), ("seed", row.seed))
    yield ", ".join(
        [row.algorithm, *(f"{what} {name}" for what, name in models if name), row.status]
    )
    yield "budget: " + (", ".join(f"{most:,g} {cap}" for cap, most in row.caps.items()) or "none")
    if row.task:
        yield f"task: {row.task}"
    if row.verdict:
        yield row.verdict


def _made(*heads: str) -> Table:
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for head in heads:
        table.add_column(head, no_wrap=True)
    return table


def _scores(found: RunComparison) -> Table:
    """Return the scores of the winners on each split, with their intervals."""
    unit = "%" if found.shown.shares else ""
    table = _made("winner", *(f"{name} {unit}".strip() for name in ("train", "validation", "test")))
    for number, row in enumerate(found.runs, 1):
        cells = (_scored(s, found.shown) for s in (row.train, row.validation, row.test))
        table.add_row(f"[{number}]", *cells)
    return table


def _scored(score: Score | None, shown: Presentation) -> str:
    if score is None:
        return "-"
    low, high = score.interval.low, score.interval.high
    mean, spread = shown.number(score.mean), f"[{shown.number(low)}, {shown.number(high)}]"
    if shown.shares:
        apart = "\n" if score.mark else " "
        return f"{mean} {spread}{apart}n={score.items}"
    return f"{mean}{score.mark}" + ("" if low == high else f" {spread}")


def _effort(rows: Sequence[Compared]) -> Table:
    """Return what each run did and spent."""
    from llmopt.core.formatting import clock, dollars

    heads = ["", "steps", "solutions", "evaluations", "calls", "tokens", "time"]
    priced = any(row.usd for row in rows)
    table = _made(*heads, *(["dollars"] if priced else []))
    for number, row in enumerate(rows, 1):
        table.add_row(
            f"[{number}]",
            f"{row.steps:,}",
            f"{row.candidates:,}",
            f"{row.evaluations:,}",
            f"{row.calls:,}",
            f"{row.tokens:,}",
            clock(row.seconds),
            *([dollars(row.usd)] if priced else []),
        )
    return table


def _against(found: RunComparison) -> Table:
    """Return the differences to the first run's winner; no rows where there are none."""
    shown = found.shown
    heads = ("vs [1]", "points" if shown.shares else "difference", "95 % interval")
    table = _made(*heads, "items", "won:lost", "p", "the winner is")
    if all(row.difference is None for row in found.runs):
        return table
    for number, row in enumerate(found.runs[1:], 2):
        one = row.difference
        if one is None:
            table.add_row(f"[{number}]", *["-"] * (len(table.columns) - 2), row.word)
            continue
        low, high = (shown.number(e, signed=True) for e in (one.interval.low, one.interval.high))
        table.add_row(
            f"[{number}]",
            shown.number(one.mean, signed=True),
            f"[{low}, {high}]",
            f"{one.n:,}",
            f"{one.wins}:{one.losses}",
            p_value(row.p_value),
            row.word,
        )
    return table


def _items(found: RunComparison) -> Table:
    from rich.text import Text

    from llmopt.core.text import one_line

    table = _made("item")
    widths = [("input", 34), ("target", 14)]
    widths += [(f"[{n}]", 14) for n in range(1, 1 + min(_COLUMNS, len(found.runs)))]
    for head, width in widths:
        table.add_column(head, no_wrap=True, overflow="ellipsis", max_width=width)
    for changed in found.changed[:_ITEMS]:
        cells = []
        for score, answer in zip(changed.scores, changed.answers, strict=True):
            if score is None:
                cells.append(Text(" "))
                continue
            mark = {1.0: "+", 0.0: "-"}.get(score) if found.shown.shares else None
            worth = mark or found.shown.amount(score)
            words = "(none)" if answer is None else one_line(answer, 60)
            cells.append(Text(f"{worth} {words}"))
        table.add_row(
            Text(one_line(changed.item, 14)),
            Text(one_line(changed.input, 200)),
            Text(one_line(changed.target, 60)),
            *cells[:_COLUMNS],
        )
    return table


def _worded(wording: Sequence[Change]) -> Text:
    """Return a text with what went out and what came in marked, not by colour alone."""
    from rich.text import Text

    from llmopt.core.text import visible

    marks = {"same": ("", "", ""), "out": ("[-", "-]", "red"), "in": ("{+", "+}", "green")}
    made = Text()
    for change in wording:
        before, after, style = marks[change.kind]
        made.append(f"{before}{visible(change.text)}{after}", style=style)
    return made if made.plain else Text("(empty)")
