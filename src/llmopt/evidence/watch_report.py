"""What is known of a prompt in production after another day of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from llmopt.core.formatting import counted
from llmopt.statistics.always_valid import ERROR, MeanChange, change_since

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llmopt.core.presentation import Presentation
    from llmopt.statistics import Interval

WatchStatus = Literal["no drop seen", "dropped", "improved"]

START_EVERY = 100
"""After this number of rows another test begins, for a change that came late."""


@dataclass(frozen=True)
class WatchedDay:
    """What one day added; scores and changes are shares.

    Attributes:
        day: ISO 8601.
        asked: Rows asked for.
        rows: Those measured, by what they hold.
        score: Their mean score; None where none was measured.
        reference: What the same rows are compared with, in the mean.
        changes: Score minus reference, one per independent row, -1 to 1.
        margins: How far each reference may be off for all rows at once.
        fresh: Whether the rows came from a file of new ones.
    """

    day: str
    asked: int
    rows: tuple[str, ...]
    score: float | None
    reference: float | None
    changes: tuple[float, ...]
    margins: tuple[float, ...]
    fresh: bool

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data for the journal."""
        return asdict(self)

    @classmethod
    def plain(cls, data: dict[str, Any]) -> WatchedDay:
        """Rebuild it from what :meth:`to_dict` gave, also through JSON."""
        known = {key: value for key, value in data.items() if key in cls.__dataclass_fields__}
        lists = {key: tuple(known[key]) for key in ("rows", "changes", "margins")}
        return cls(**{**known, **lists})


@dataclass(frozen=True)
class WatchReport:
    """What is known of a prompt in production; scores are shares, changes differences of them.

    Attributes:
        watch: Name of the watch in the store.
        instruction: The prompt in use.
        reference: Its mean score on the rows that it is compared with.
        reference_rows: How many rows that is.
        day: The day of the last measurement, ISO 8601.
        today: Its mean score on that day's rows; None where none was measured.
        today_reference: What the same rows are compared with, in the mean.
        today_rows: Rows measured on that day.
        days: Days measured so far.
        rows: Independent rows measured on all of them.
        since: The day from which on `change` is.
        since_rows: Independent rows from there on.
        change: Mean change from the reference since then; None: nothing was measured yet.
        interval: Of the change, valid at all times at once.
        level: Its confidence level: each end is ever wrong in (1 - level) / 2 of watches at most.
        min_drop: A drop that is shown to be smaller is no alarm.
        status: In a few words.
        verdict: In a sentence.
        notes: What a careful reader should know.
    """

    watch: str
    instruction: str
    reference: float
    reference_rows: int
    day: str
    today: float | None
    today_reference: float | None
    today_rows: int
    days: int
    rows: int
    since: str
    since_rows: int
    change: float | None
    interval: Interval | None
    level: float
    min_drop: float
    status: WatchStatus
    verdict: str
    notes: tuple[str, ...]

    @property
    def alarm(self) -> bool:
        """Whether the prompt has dropped by as much as matters."""
        return self.status == "dropped"

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data for JSON."""
        return {**asdict(self), "alarm": self.alarm}


def watch_report(
    watch: str,
    instruction: str,
    reference: Sequence[float],
    days: Sequence[WatchedDay],
    *,
    min_drop: float,
    shown: Presentation,
    notes: Sequence[str] = (),
) -> WatchReport:
    """Say what the days so far mean.

    Args:
        watch: Name of the watch.
        instruction: The prompt in use.
        reference: The scores that it is compared with, one or more.
        days: In their order, one or more.
        min_drop: A drop that is shown to be smaller is no alarm, above 0, at most 1.
        shown: How scores are shown.
        notes: What a careful reader should know in addition.
    """
    last = days[-1]
    firsts = _starts(days)
    changes = [change for day in days for change in day.changes]
    margins = [margin for day in days for margin in day.margins]
    found = change_since(changes, margins, tuple(firsts), min_drop) if changes else None
    status: WatchStatus = "no drop seen"
    if found and (found.fallen or found.risen):
        status = "dropped" if found.fallen else "improved"
    return WatchReport(
        watch=watch,
        instruction=instruction,
        reference=sum(reference) / len(reference),
        reference_rows=len(reference),
        day=last.day,
        today=last.score,
        today_reference=last.reference,
        today_rows=len(last.rows),
        days=len(days),
        rows=len(changes),
        since=firsts[found.start] if found else last.day,
        since_rows=found.n if found else 0,
        change=found.mean if found else None,
        interval=found.interval if found else None,
        level=round(1 - 2 * ERROR, 9),
        min_drop=min_drop,
        status=status,
        verdict=_verdict(status, found, firsts, min_drop, shown),
        notes=(*notes, *_notes(found, margins, min_drop, shown)),
    )


def _starts(days: Sequence[WatchedDay]) -> dict[int, str]:
    """Return the rows with which the tests for a change begin, and their days."""
    starts: dict[int, str] = {}
    rows, latest = 0, -START_EVERY
    for day in days:
        if day.changes and rows - latest >= START_EVERY:
            starts[rows] = day.day
            latest = rows
        rows += len(day.changes)
    return starts


def _verdict(
    status: WatchStatus,
    found: MeanChange | None,
    firsts: dict[int, str],
    min_drop: float,
    shown: Presentation,
) -> str:
    if found is None:
        return "No drop seen: nothing could be measured yet."
    on = f"on {counted(found.n, 'row')} since {firsts[found.start]}"
    size = shown.points(found.mean)
    least = shown.points(min_drop, signed=False)
    if status == "dropped":
        low = shown.points(-found.interval.high, signed=False)
        return f"Dropped by at least {low}: {size} {on}."
    if status == "improved":
        return f"Improved: {size} {on}."
    return f"No drop of {least} seen: {size} {on}."


def _notes(
    found: MeanChange | None, margins: Sequence[float], min_drop: float, shown: Presentation
) -> list[str]:
    """Say where a drop is proven but small, and where the reference is coarse."""
    said = []
    if found and not found.fallen and found.interval.high < 0:
        said.append(
            f"A drop is shown, but it is smaller than {shown.points(min_drop, signed=False)}."
        )
    if margins and max(margins) > min_drop / 2:
        said.append(
            f"The reference itself is known only to {shown.points(max(margins), signed=False)} "
            "here, and a drop must show beyond that; more rows in the reference help."
        )
    return said
