"""Results and trajectories as text for a terminal; model output is escaped."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from llmopt.report.progress import clock, shown
from llmopt.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rich.console import Console

    from llmopt.statistics import Difference
    from llmopt.store.protocol import RunInfo
    from llmopt.trajectory import Trajectory
    from llmopt.verdict import Result, Score

# Control characters but tab and line feed, line separators, what reverses the direction of
# writing, and halves of surrogate pairs.
_COMMANDS = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def visible(text: str) -> str:
    """Return `text` with characters that command a terminal, or deceive its reader, spelled out.

    Line feeds and tabs stay, as do all letters and symbols. As JSON writes them, so that this
    may be done to a JSON document, too.
    """
    return _COMMANDS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def print_result(console: Console, result: Result) -> None:
    """Print what a run found: the two texts, the table, the verdict, and what it cost."""
    from rich.table import Table
    from rich.text import Text

    def say(text: str, style: str = "") -> None:
        # Never wrapped by us: a terminal does it itself, and a file keeps whole lines.
        console.print(Text(visible(text), style=style), soft_wrap=True)

    same = result.best.text == result.start.text
    for line in result.lines[:1] if same else result.lines:
        say(f"\n{line.label}, and still the best:" if same else f"\n{line.label}:", "dim")
        say(line.text or "(empty)", "bold")
    table = Table(box=None, padding=(0, 3, 0, 0), header_style="dim")
    table.add_column("")
    for name in ("train", "validation", "held out (test)"):
        table.add_column(name, no_wrap=True)
    for line in result.lines[:1] if same else result.lines:
        table.add_row(line.label, _cell(line.train), _cell(line.validation), _cell(line.test))
    console.print()
    console.print(table)
    console.print()
    say(result.verdict, "bold")
    if result.test and not same:
        say(_difference(result.test.difference))
    for note in result.notes:
        say(f"Note: {note}", "yellow")
    console.print()
    for text in _costs(result):
        say(text)


def _difference(difference: Difference) -> str:
    low, high = difference.interval.low, difference.interval.high
    return (
        f"Difference on {difference.n} held-out items: {100 * difference.mean:+.1f} points, "
        f"95 % interval {100 * low:+.1f} to {100 * high:+.1f}, "
        f"p {_p(difference.p_value)} ({difference.method}); "
        f"{difference.wins} items won, {difference.losses} lost."
    )


def _costs(result: Result) -> Iterator[str]:
    refused = sum(result.rejected.values())
    yield (
        f"{_count(result.steps, 'step')}, {_count(result.candidates, 'solution')} measured"
        + (f", {_count(refused, 'proposal')} refused" if refused else "")
        + f" ({result.stopped})."
    )
    for reason, count in result.rejected.items():
        yield f"  {count} x {one_line(reason)}"
    for role, used in result.usage.items():
        about = "about " if used.estimated else ""
        yield (
            f"{role} LLM: {_count(used.calls, 'call')}, {about}{used.input_tokens:,} tokens in, "
            f"{about}{used.output_tokens:,} out."
        )
    stretch = result.stretch
    if stretch.hits:
        yield f"From the store, free: {_count(stretch.hits, 'reply', 'replies')}."
    if stretch.retries:
        yield f"Asked again after a fault: {_count(stretch.retries, 'call')}."
    if stretch.lost:
        yield (
            f"Sent and never answered: {_count(stretch.lost, 'call')}, which may have been billed."
        )
    yield f"Time: {clock(result.seconds)}. Run: {result.run}"


def _count(number: int, what: str, many: str = "") -> str:
    return f"{number:,} {what if number == 1 else many or what + 's'}"


def print_trajectory(console: Console, trajectory: Trajectory) -> None:
    """Print every candidate in the order in which it was tried."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("step", "id", "score", "items", "text"):
        table.add_column(name, no_wrap=name != "text")
    for entry in trajectory:
        evaluation = entry.evaluation
        score = "-" if evaluation.score is None else shown(evaluation.score)
        table.add_row(
            str(entry.candidate.step),
            entry.candidate.id[:8],
            score + (" (partial)" if evaluation.partial else ""),
            f"{evaluation.measured}/{evaluation.planned}",
            Text(one_line(entry.text, 2000) or "(empty)"),
        )
    console.print(table)


def print_runs(console: Console, runs: Iterable[RunInfo]) -> None:
    """Print a line about every run, newest first."""
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("run", "created (UTC)", "status", "steps", "best on train"):
        table.add_column(name)
    for run in runs:
        best = "-" if run.best is None else shown(run.best)
        steps = str(max(0, run.steps - 1))  # the starting solutions are no step
        table.add_row(run.name, run.created[:16].replace("T", " "), run.status, steps, best)
    console.print(table)


def _cell(score: Score | None) -> str:
    if score is None:
        return "-"
    if not 0 <= score.mean <= 1:
        return f"{score.mean:.6g}"
    low, high = 100 * score.interval.low, 100 * score.interval.high
    return f"{100 * score.mean:.1f} % [{low:.1f}, {high:.1f}] n={score.n}"


def _p(value: float) -> str:
    return "< 0.0001" if value < 0.0001 else f"= {value:.4f}"  # noqa: PLR2004 - enough digits
