"""Results and trajectories as text for a terminal; model output is escaped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmopt.report.progress import clock, shown
from llmopt.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console

    from llmopt.store.protocol import RunInfo
    from llmopt.trajectory import Trajectory
    from llmopt.verdict import Result, Score


def print_result(console: Console, result: Result) -> None:
    """Print what a run found: the two texts, the table, the verdict, and what it cost."""
    from rich.table import Table
    from rich.text import Text

    for line in result.lines:
        console.print(Text(f"\n{line.label}:", style="dim"))
        console.print(Text(_safe(line.text) or "(empty)", style="bold"), soft_wrap=True)
    table = Table(box=None, padding=(0, 3, 0, 0), header_style="dim")
    table.add_column("")
    for name in ("train", "validation", "held out (test)"):
        table.add_column(name)
    for line in result.lines:
        table.add_row(line.label, _cell(line.train), _cell(line.validation), _cell(line.test))
    console.print()
    console.print(table)
    console.print()
    console.print(Text(result.verdict, style="bold"))
    if result.test:
        difference = result.test.difference
        low, high = difference.interval.low, difference.interval.high
        console.print(
            f"Difference on {difference.n} held-out items: {100 * difference.mean:+.1f} points, "
            f"95 % interval {100 * low:+.1f} to {100 * high:+.1f}, "
            f"p = {_p(difference.p_value)} ({difference.method}); "
            f"{difference.wins} items won, {difference.losses} lost.",
            highlight=False,
        )
    for note in result.notes:
        console.print(Text(f"Note: {note}", style="yellow"))
    console.print()
    _print_costs(console, result)


def _print_costs(console: Console, result: Result) -> None:
    console.print(
        f"{result.steps} steps, {result.candidates} solutions measured"
        + (f", {sum(result.rejected.values())} proposals refused" if result.rejected else "")
        + f" ({result.stopped}).",
        highlight=False,
        markup=False,
    )
    for reason, count in result.rejected.items():
        console.print(f"  {count} x {one_line(reason)}", highlight=False, markup=False)
    for role, used in result.usage.items():
        about = "about " if used.estimated else ""
        console.print(
            f"{role} LLM: {used.calls:,} calls, {about}{used.input_tokens:,} tokens in, "
            f"{about}{used.output_tokens:,} out.",
            highlight=False,
        )
    console.print(f"Time: {clock(result.seconds)}. Run: {result.run}", highlight=False)


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
    for name in ("run", "created", "status", "steps", "best on train"):
        table.add_column(name)
    for run in runs:
        best = "-" if run.best is None else shown(run.best)
        steps = str(max(0, run.steps - 1))
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
    return "< 0.0001" if value < 0.0001 else f"{value:.4f}"  # noqa: PLR2004 - enough digits


def _safe(text: str) -> str:
    """Return text with control characters made visible; line breaks stay."""
    return "".join(c if c.isprintable() or c == "\n" else f"\\x{ord(c):02x}" for c in text)
