"""Results and trajectories as text for a terminal; model output is escaped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmopt.core.formatting import (
    cached_part,
    clock,
    counted,
    p_equals,
    spent,
)
from llmopt.core.text import one_line, visible
from llmopt.evidence.differences import on_correction
from llmopt.evidence.optimism import on_optimism
from llmopt.evidence.scores import LEGEND, mark
from llmopt.history.readable_solution import SolutionReader

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rich.console import Console
    from rich.table import Table

    from llmopt.core.presentation import Presentation
    from llmopt.core.trajectory import Entry, Trajectory
    from llmopt.core.values import Usage
    from llmopt.evidence.result import OverfittingPoint, Result
    from llmopt.evidence.scores import Score
    from llmopt.evidence.text_table import TextTable
    from llmopt.models.middleware.traffic import Stretch
    from llmopt.statistics import Difference


_PLAIN = SolutionReader()  # shows solutions as they are


def print_result(console: Console, result: Result, reader: SolutionReader = _PLAIN) -> None:
    """Print what a run found: the texts, the verdict, the tables behind it, and what it cost.

    Args:
        console: Where to.
        result: What was found.
        reader: Reads the solutions.
    """
    from rich.text import Text

    def say(text: str, style: str = "") -> None:
        # Sentences break between words on a terminal; a file keeps whole lines.
        console.print(Text(visible(text), style=style), soft_wrap=not console.is_terminal)

    def quote(text: str) -> None:
        # Not wrapped by us, so that it can be copied as it is.
        console.print(Text(visible(text) or "(empty)", style="bold"), soft_wrap=True)

    same = result.unchanged
    for line in result.shown_lines:
        if line.label not in ("start", "best") and line.train is None:
            continue  # a plain control says in its label what it is
        still = same and line.label == "start"
        say(f"\n{line.label}, and still the best:" if still else f"\n{line.label}:", "dim")
        quote(reader.text(line.text))
    console.print()
    say(result.verdict, "bold")
    if result.gain and result.gain.telling and (read := result.gain.sentence(result.level)):
        say(read)
    for cells in _tables(result):
        console.print()
        console.print(_drawn(cells))
    print_curve(console, result.curve, result.presentation)
    console.print()
    for text in _evidence(result, same=same):
        say(text)
    for note in result.notes:
        say(f"Note: {note}", "yellow")
    console.print()
    for text in _costs(result):
        say(text)


def _tables(result: Result) -> Iterator[TextTable]:
    """Yield the scores, the comparisons, and the parts of the gain, those that there are."""
    yield result.scores_table()
    if len(result.comparisons) > 1:
        yield result.comparisons_table()
    if result.gain and result.gain.telling:
        yield result.gain.table(result.presentation, result.level)


def _drawn(cells: TextTable) -> Table:
    """Return a table for a terminal, of which the first column may be wrapped."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for number, head in enumerate(cells.heads):
        table.add_column(head, no_wrap=number > 0)
    for label, *row in cells.rows:
        table.add_row(Text(visible(label)), *map(Text, row))
    return table


def _evidence(result: Result, *, same: bool) -> Iterator[str]:
    """Yield what the verdict rests on: the tests, the choice, and how far train flattered."""
    several = len(result.comparisons)
    older = several > 1 and any(versus.family is None for versus in result.comparisons)
    own = result.conclusion  # it says itself what it rests on
    yield from own.get("remarks", ()) if own else ()
    if result.test and not same and not own:
        yield _difference(result.test.difference, result, corrected=older)
    if several > 1 and all(
        v.word != "not tested" for v in result.comparisons
    ):  # as the verdict says
        how = on_correction([(v.against, v.word, v.family) for v in result.comparisons])
        yield f"In the table above, {how}."
    if same:
        return
    picked = f"The winner was picked from {counted(result.candidates, 'solution')}"
    if result.finalists:
        picked += f", {result.finalists} of them compared on validation too"
    flattered = ""
    if result.optimism is not None and not own:
        interval, shown = result.optimism_interval, result.presentation
        flattered = f" {on_optimism(result.optimism, interval, result.level, shown)}"
    yield f"{picked}.{flattered}"


def _difference(difference: Difference, result: Result, *, corrected: bool) -> str:
    shown, ends = result.presentation, (difference.interval.low, difference.interval.high)
    low, high = (shown.number(end, signed=True) for end in ends)
    looks = result.looks.earlier if result.looks else 0
    alone = " before correction" if corrected or looks else ""
    alone += " for earlier looks" if looks else ""
    if looks and len(result.comparisons) == 1:  # there is no table that has it
        alone += f", {p_equals(result.comparisons[0].corrected)} after it"
    return (
        f"Difference on {difference.n} held-out items: {shown.points(difference.mean)}, "
        f"{100 * result.level:g} % interval {low} to {high}, "
        f"p {p_equals(difference.p_value)}{alone} ({difference.method}); "
        f"{counted(difference.wins, 'item')} won, {difference.losses:,} lost."
    )


def _costs(result: Result) -> Iterator[str]:
    refused = sum(result.rejected.values())
    yield (
        f"{counted(result.steps, 'step')}, {counted(result.candidates, 'solution')} measured"
        + (f", {counted(refused, 'proposal')} refused" if refused else "")
        + f" ({result.stopped})."
    )
    for reason, count in result.rejected.items():
        yield f"  {count} x {one_line(reason)}"
    yield from paid(result.usage, result.stretch)
    if result.usd:
        yield f"Cost: {spent('usd', result.usd)}, by the prices that are known."
    yield f"Time: {clock(result.seconds)}. Run: {result.run}"


def paid(usage: Mapping[str, Usage], stretch: Stretch) -> Iterator[str]:
    """Yield lines about what was used, by role, and what was not paid, asked again or lost."""
    for role, used in usage.items():
        about = "about " if used.estimated else ""
        yield (
            f"{role} LLM: {counted(used.calls, 'call')}, {about}{used.input_tokens:,} tokens in"
            f"{cached_part(used.cached_tokens)}, {about}{used.output_tokens:,} out."
        )
    if stretch.hits:
        yield f"Stored replies, free: {counted(stretch.hits, 'reply', 'replies')}."
    if stretch.retries:
        yield f"Retried: {counted(stretch.retries, 'call')}."
    if stretch.lost:
        yield (f"Sent, no response: {counted(stretch.lost, 'call')}, which may have been billed.")


def print_trajectory(
    console: Console,
    trajectory: Trajectory,
    shown: Presentation,
    reader: SolutionReader = _PLAIN,
) -> None:
    """Print every candidate in the order in which it was tried.

    Args:
        console: Where to.
        trajectory: What was tried.
        shown: How the problem's scores are shown.
        reader: Reads the solutions.
    """
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    by = ("method",) if trajectory.methods else ()
    for name in ("step", *by, "id", "score", "items", "text"):
        table.add_column(name, no_wrap=name != "text")
    for entry in trajectory:
        evaluation = entry.evaluation
        found = shown.facing(evaluation.score)
        score = "-" if found is None else shown.amount(found)
        table.add_row(
            str(entry.candidate.step),
            *(trajectory.made_by(entry.candidate.step) for _ in by),
            entry.candidate.id[:8],
            score + mark(evaluation.measured, evaluation.planned),
            f"{evaluation.measured}/{evaluation.planned}",
            Text(
                (f"({_unread(entry)}) " if trajectory.unreadable(entry) else "")
                + (one_line(reader.line(entry.text), 2000) or "(empty)")
            ),
        )
    console.print(table)
    if any(entry.evaluation.partial for entry in trajectory):
        console.print(Text(LEGEND, style="dim"), soft_wrap=not console.is_terminal)


def _unread(entry: Entry) -> str:
    """Return why hardly any answer of a solution could be read."""
    unread = [o for o in entry.evaluation.outcomes if o.answer is None and o.score is not None]
    cut = sum(o.cut_at > 0 for o in unread)
    return "answers cut off" if 2 * cut > len(unread) else "unreadable answers"


def print_curve(console: Console, curve: Sequence[OverfittingPoint], shown: Presentation) -> None:
    """Print the overfitting curve, if there is one: a line for each point."""
    from rich.table import Table

    if not curve:
        return
    table = Table(box=None, padding=(0, 3, 0, 0), header_style="dim")
    for name in ("best of step", "id", "train", "validation"):
        table.add_column(name, no_wrap=True)
    for point in curve:
        words = (_cell(point.train, shown), _cell(point.validation, shown))
        table.add_row(str(point.step), point.candidate[:8], *words)
    console.print()
    console.print(table)


def _cell(score: Score | None, shown: Presentation) -> str:
    if score is None:
        return "-"
    if not shown.shares:
        return f"{shown.amount(score.mean)}{score.mark}"
    low, high = shown.number(score.interval.low), shown.number(score.interval.high)
    apart = "\n" if score.mark else " "  # 80 columns are enough for two such cells
    return f"{shown.amount(score.mean)} [{low}, {high}]{apart}n={score.items}"
