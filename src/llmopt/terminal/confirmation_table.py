"""A confirmation as text for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmopt.core.formatting import counted, p_equals
from llmopt.core.text import visible

if TYPE_CHECKING:
    from rich.console import Console

    from llmopt.evidence.confirmation import Confirmation


def print_confirmation(console: Console, found: Confirmation) -> None:
    """Print what a vault said of a winner: the verdict, the two scores, the test, the notes."""
    from rich.text import Text

    def say(text: str, style: str = "") -> None:
        console.print(Text(visible(text), style=style), soft_wrap=not console.is_terminal)

    say(found.verdict, "bold")
    shown = found.presentation
    for name, score in (("start", found.start_score), ("winner", found.winner_score)):
        if score is not None:
            low, high = map(shown.number, (score.interval.low, score.interval.high))
            say(f"  {name}: {shown.amount(score.mean)} [{low}, {high}]")
    difference = found.difference
    if difference is not None:
        ends = (difference.interval.low, difference.interval.high)
        low, high = (shown.number(end, signed=True) for end in ends)
        say(
            f"Difference: {shown.points(difference.mean)}, {100 * found.level:g} % interval {low} "
            f"to {high}, p {p_equals(found.corrected)} ({difference.method}); "
            f"{counted(difference.wins, 'item')} won, {difference.losses:,} lost."
        )
    for note in found.notes:
        say(f"Note: {note}", "yellow")
