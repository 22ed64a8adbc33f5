"""What a watch says as text for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmopt.core.formatting import counted
from llmopt.core.text import visible

if TYPE_CHECKING:
    from rich.console import Console

    from llmopt.core.presentation import Presentation
    from llmopt.evidence.watch_report import WatchReport


def print_watch(console: Console, found: WatchReport, shown: Presentation) -> None:
    """Print the verdict, the score of the day, the change with its interval, and the notes."""
    from rich.text import Text

    def say(text: str, style: str = "") -> None:
        console.print(Text(visible(text), style=style), soft_wrap=not console.is_terminal)

    say(found.verdict, "bold red" if found.alarm else "bold")
    today = "nothing measured"
    if found.today is not None and found.today_reference is not None:
        today = (
            f"{shown.amount(found.today)} on {counted(found.today_rows, 'row')}, compared with "
            f"{shown.amount(found.today_reference)}"
        )
    say(f"  {found.day}: {today}")
    say(f"  reference: {shown.amount(found.reference)} on {counted(found.reference_rows, 'row')}")
    if found.change is not None and found.interval is not None:
        low, high = (
            shown.number(v, signed=True) for v in (found.interval.low, found.interval.high)
        )
        say(
            f"  change since {found.since}: {shown.points(found.change)}, always-valid "
            f"{100 * found.level:g} % interval {low} to {high} "
            f"({counted(found.since_rows, 'row')} of {found.rows:,}, "
            f"{counted(found.days, 'day')} in all)"
        )
    for note in found.notes:
        say(f"Note: {note}", "yellow")
