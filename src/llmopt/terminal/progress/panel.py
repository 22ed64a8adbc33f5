"""The live view of a run as lines of fixed number: what is done, spent and found."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from llmopt.core.formatting import spark, spent
from llmopt.core.text import one_line
from llmopt.evidence.scores import mark
from llmopt.terminal.progress.stream import frame

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console, RenderableType
    from rich.text import Text

    from llmopt.engine.progress import Amount, Progress
    from llmopt.terminal.progress.evaluation_rate import EvaluationRate

WORDS = {
    "starts": "measuring the starting solutions",
    "asking": "asking for new solutions",
    "scoring": "measuring new solutions",
    "searching": "asking for new solutions and measuring them",
    "checking": "measuring the step's best on validation items",
    "validation": "choosing the winner on validation items",
    "test": "testing on held-out items",
    "evaluating": "measuring the instructions",
    "confirming": "measuring winner and start on the vault",
    "judging": "asking the judge LLM",
    "done": "done",
}

_WIDEST = 110  # columns; longer lines are hard to read
_SPARE = 3  # columns kept free: what a key echoes at the end must not break the last line
_ROOM = 80  # columns from which words stand between what is spent and its cap
_BAR = 30  # columns of a bar at most
_LABEL = 8  # columns of the labels
_TEXT_LINES = 2  # lines of the best solution
_HIGH, _CRITICAL = 0.8, 0.95  # shares of a cap from which it is coloured
_MARKS = 2  # combining marks on one character; more would run over other lines


@dataclass(frozen=True)
class Panel:
    """Draws the state of a run; as many lines, whatever it is.

    Attributes:
        progress: The state.
        pace: How fast it goes.
        now: Time of the drawing, on the clock of the pace.
        later: Seconds since the state was told; time passes between two tellings.
    """

    progress: Progress
    pace: EvaluationRate
    now: float
    later: float

    def lines(self, console: Console) -> list[Text]:
        """Return the lines; none is wider than the console."""
        width = min(console.width - _SPARE, _WIDEST)
        progress = self.progress
        lines = [self._title(width)]
        if progress.steps:
            lines.append(self._steps(width))
        lines += [self._items(width), self._spent(width), self._calls()]
        if progress.steps:
            lines.append(self._best(width))
            lines += self._solution(width)
        for line in lines:
            line.no_wrap = True
            line.truncate(max(1, width), overflow="ellipsis")
        return lines

    def drawn(self, console: Console) -> RenderableType:
        """Return the lines as one thing that rich draws."""
        from rich.text import Text

        return Text("\n", no_wrap=True, overflow="crop", end="").join(self.lines(console))

    def _title(self, width: int) -> Text:
        from rich.text import Text

        progress = self.progress
        mark = "✓" if progress.phase == "done" else frame(self.now)
        phase = WORDS.get(progress.phase, progress.phase)
        name = one_line(progress.run, max(8, width - len(phase) - 5))
        return Text.assemble((mark, "green"), " ", (name, "bold"), "  ", phase)

    def _steps(self, width: int) -> Text:
        progress = self.progress
        at = min(progress.step, progress.steps)
        done = float(at)
        if progress.phase in ("asking", "scoring"):  # the step is under way
            part = progress.done / progress.planned if progress.planned else 0.0
            done = max(0, at - 1) + part
        _, left = self.pace.words(progress, self.now)
        said = f"{at} of {progress.steps}"
        return _barred("steps", done / progress.steps, width, said, left)

    def _items(self, width: int) -> Text:
        progress = self.progress
        rate, left = self.pace.words(progress, self.now)
        left = "" if progress.steps else left
        planned = progress.planned
        if not planned:
            return _barred("items", 0.0, width, "nothing to measure yet")
        said = f"{progress.done:,} of {planned:,}"
        return _barred("items", progress.done / planned, width, said, rate, left)

    def _spent(self, width: int) -> Text:
        from rich.text import Text

        between = "/" if width < _ROOM else " of "
        parts = [
            Text(spent(of.of, of.used, of.cap, between), style=_warmth(of.share))
            for of in map(self._current, self.progress.budget)
        ]
        return _row("spent", *parts)

    def _current(self, of: Amount) -> Amount:
        """Return an amount as it is now: time has gone on since it was told."""
        waits = of.of == "seconds" and self.progress.phase != "done"
        return replace(of, used=of.used + self.later) if waits else of

    def _calls(self) -> Text:
        from rich.text import Text

        progress = self.progress
        if progress.stall:
            return _row("calls", Text(one_line(progress.stall, _WIDEST), style="yellow"))
        busy = f"{progress.busy} of {progress.slots} slots busy" if progress.slots else ""
        return _row("calls", busy, *traffic_words(progress))

    def _best(self, width: int) -> Text:
        from rich.text import Text

        progress = self.progress
        if progress.best is None:
            return _row("best", Text("nothing measured yet", style="dim"))
        held, shown = progress.validation, progress.presentation
        on = mark(*progress.validation_items)
        last = "" if held is None else f"{shown.amount(held)}{on} on validation"
        partly = mark(*progress.best_items, items=held is None)
        room = width - 45 - len(partly) - (len(on) if last else 0)
        curve = spark(list(progress.curve), max(8, room))
        score = Text(shown.amount(progress.best), style="bold")
        return _row("best", score.append(partly, style="yellow"), Text(curve, "cyan"), last)

    def _solution(self, width: int) -> list[Text]:
        from rich.text import Text

        progress, indent = self.progress, " " * (_LABEL + 2)
        room = max(10, width - len(indent))
        text = "" if progress.best is None else progress.best_text or "(empty)"
        rows = folded(text, room, _TEXT_LINES)
        return [Text(indent + row, style="italic" if row else "") for row in rows]


def _row(label: str, *parts: Text | str) -> Text:
    """Return a line of a label and what is to say, parted by dots."""
    from rich.text import Text

    said = [part if isinstance(part, Text) else Text(part) for part in parts]
    rest = Text.assemble((" · ", "dim")).join(part for part in said if part.plain)
    return Text.assemble("  ", (f"{label:<{_LABEL}}", "dim"), rest)


def _barred(label: str, share: float, width: int, *parts: str) -> Text:
    """Return a line with a bar that is filled to a share of 1."""
    from rich.text import Text

    size = max(8, min(_BAR, width - 50))
    full = round(max(0.0, min(1.0, share)) * size)
    bar = Text.assemble(("━" * full, "green"), ("─" * (size - full), "dim"), "  ")
    line = _row(label)
    return line.append_text(bar).append_text(_row("", *parts)[2 + _LABEL :])


def _warmth(share: float) -> str:
    return "red" if share >= _CRITICAL else "yellow" if share >= _HIGH else ""


def traffic_words(progress: Progress) -> list[str]:
    """Return how many replies came from the store and how many calls were retried."""
    words = [f"{progress.hits:,} from the store"] if progress.hits else []
    return [*words, f"{progress.retries:,} retried"] if progress.retries else words


def folded(text: str, width: int, lines: int) -> list[str]:
    """Return a text of unknown origin as exactly so many lines of at most `width` columns.

    Control characters, and marks that pile up on one character, are left out; what does not fit
    is cut off, with an ellipsis.
    """
    rest = "".join(_printed(one_line(text, (width * lines + 1) * (1 + _MARKS))))
    rows = []
    for left in range(lines - 1, -1, -1):
        end = _fitting(rest, width)
        if end < len(rest) and not left:
            end = _fitting(rest, width - 1)
            rows.append(rest[:end].rstrip() + "…")
            break
        space = rest[: end + 1].rfind(" ")
        if end < len(rest) and space > end // 2:  # else it is no text of words
            end = space
        rows.append(rest[:end])
        rest = rest[end:].lstrip()
    return rows


def _fitting(text: str, width: int) -> int:
    """Return how many characters of a text fit into so many columns on any terminal.

    Terminals do not agree on what several characters that make one sign take, such as a flag.
    A line that is too wide for one of them would break, and the view with it; so each is counted.
    """
    taken = 0
    for at, character in enumerate(text):
        taken += _columns(character)
        if taken > width:
            return at
    return len(text)


def _columns(character: str) -> int:
    """Return the most columns that a terminal gives to a character."""
    if character == "\ufe0f":  # it makes the sign before it a wide one
        return 1
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    wide = unicodedata.east_asian_width(character) in "WF" or character >= "\U0001f000"
    return 2 if wide else 1


def _printed(text: str) -> Iterator[str]:
    """Yield the characters of a line, with few combining marks on each."""
    marks = 0
    for character in text:
        marks = marks + 1 if unicodedata.category(character) in ("Mn", "Me") else 0
        if marks <= _MARKS:
            yield character
