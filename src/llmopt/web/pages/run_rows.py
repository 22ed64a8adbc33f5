"""The list of runs for a browser: which are asked for, in which order, and what is said of each."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, get_args

from llmopt.core.formatting import clock, counted
from llmopt.core.store import Status
from llmopt.core.values import Evaluation
from llmopt.engine.journal import steps
from llmopt.errors import StoreError
from llmopt.evidence.scores import PARTIAL, Score, mark
from llmopt.history.document import price_of
from llmopt.history.families import families
from llmopt.history.listing import Wanted, listed
from llmopt.web.pages.score_text import amount
from llmopt.web.pages.setup import cost

if TYPE_CHECKING:
    from collections.abc import Mapping

    from llmopt.core.presentation import Presentation
    from llmopt.core.store import RunInfo, Store
    from llmopt.history.families import Family
    from llmopt.history.listing import Listed

PAGE = 60
"""Rows that are shown at first, and how many more each time."""

ORDERS = {
    "new": "newest first",
    "old": "oldest first",
    "name": "name",
    "calls": "most calls",
    "time": "longest",
}
"""The orders of the list, and their names."""


@dataclass(frozen=True)
class ListQuery:
    """What a reader wants to see of the list.

    Attributes:
        wanted: Which runs.
        order: One of :data:`ORDERS`.
        most: How many rows at most.
    """

    wanted: Wanted = field(default_factory=Wanted)
    order: str = "new"
    most: int = PAGE

    @classmethod
    def of(cls, query: Mapping[str, str]) -> ListQuery:
        """Read it from the query of an address; what has no meaning there has no effect."""
        status, tag = query.get("status", ""), query.get("tag", "")
        order, most = query.get("order", ""), query.get("most", "")
        known = len(most) < len(str(PAGE**3)) and most.isascii() and most.isdigit()
        return cls(
            Wanted(
                status=status if status in get_args(Status) else "",
                algorithm=query.get("algorithm", ""),
                tags=(tag,) if tag else (),
                text=query.get("find", "").strip(),
            ),
            order if order in ORDERS else "new",
            max(PAGE, int(most)) if known else PAGE,
        )


@dataclass(frozen=True)
class ListedRun:
    """A run of the list.

    Attributes:
        listed: What ``llmopt runs`` says of it.
        kind: "run", "sweep" or "evaluation".
        calls: Calls paid or used, over all roles.
        seconds: Wall time.
        start: Score of the start, as words; empty where there is none.
        best: Score of the winner, or of the best so far, as words.
        measured: On what these two were measured; empty for values of a function.
        word: What the winner is, compared with the start; empty where nothing was tested.
        cost: What was spent as words: dollars, or calls where a price is not known.
        used: The rest of it: calls and tokens, or tokens.
        time: Wall time as words; empty where it is not known yet.
        members: The cells of a sweep, or the controls of a run, which are folded under it.
    """

    listed: Listed
    kind: str
    calls: int = 0
    seconds: float = 0.0
    start: str = ""
    best: str = ""
    measured: str = ""
    word: str = ""
    cost: str = ""
    used: str = ""
    time: str = ""
    members: tuple[ListedRun, ...] = ()


@dataclass(frozen=True)
class Rows:
    """The list.

    Attributes:
        shown: The rows, in order.
        heads: How many rows there are of what is wanted, without those folded under another.
        found: How many runs there are of what is wanted.
        all: How many runs the store has.
        algorithms: Every algorithm in it, sorted.
        tags: Every tag, sorted.
    """

    shown: tuple[ListedRun, ...]
    heads: int
    found: int
    all: int
    algorithms: tuple[str, ...]
    tags: tuple[str, ...]


class Reading:
    """Reads rows out of a store; what a journal says is kept until the run changes."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._rows: dict[str, tuple[RunInfo, ListedRun]] = {}

    def rows(self, asked: ListQuery) -> Rows:
        """Return what is asked for.

        Raises:
            StoreError: The store cannot be read.
        """
        every = listed(self._store)
        found = list(listed(self._store, asked.wanted))
        if asked.order == "old":
            found.reverse()
        elif asked.order == "name":
            found.sort(key=lambda one: one.info.name)
        elif asked.order in ("calls", "time"):
            rows = {one.info.name: self._spending(one) for one in found}
            by = {name: (row.calls, row.seconds) for name, row in rows.items()}
            at = 0 if asked.order == "calls" else 1
            found.sort(key=lambda one: by[one.info.name][at], reverse=True)
        heads = families(found)
        return Rows(
            tuple(self._family(one) for one in heads[: asked.most]),
            len(heads),
            len(found),
            len(every),
            tuple(sorted({one.algorithm for one in every if one.algorithm})),
            tuple(sorted({tag for one in every for tag in one.info.tags})),
        )

    def _family(self, family: Family) -> ListedRun:
        """Return a row with those that belong to it; members of members come after their own."""
        members = tuple(self._row(one) for _, one in family.each())[1:]
        return replace(self._row(family.head), members=members)

    def _row(self, one: Listed) -> ListedRun:
        known = self._rows.get(one.info.name)
        if known is None or known[0] != one.info or one.info.status == "running":
            try:
                known = (one.info, self._read(one))
            except StoreError:  # deleted or renamed since it was listed
                return ListedRun(one, _kind(one))
            self._rows[one.info.name] = known
        return known[1]

    def _spending(self, one: Listed) -> ListedRun:
        """Return a row that says what was spent alone, unless all of it is known."""
        known = self._rows.get(one.info.name)
        if known and known[0] == one.info and one.info.status != "running":
            return known[1]
        try:
            used = self._store.spent(one.info.name).values()
            seconds = self._store.seconds(one.info.name)
        except StoreError:
            return ListedRun(one, _kind(one))
        return ListedRun(one, _kind(one), calls=sum(part.calls for part in used), seconds=seconds)

    def _read(self, one: Listed) -> ListedRun:
        name, store = one.info.name, self._store
        config, seconds = store.config(name), store.seconds(name)
        row = ListedRun(one, _kind(one), seconds=seconds, time=clock(seconds) if seconds else "")
        usage = {str(role): asdict(used) for role, used in store.spent(name).items()}
        if row.kind != "run":
            return _spent(row, usage, config)
        result = None
        if one.info.status != "running":
            for record in store.records(name):
                if record.kind == "result":
                    result = record.data
        if result is None:
            return _spent(self._so_far(row), usage, config)
        return _spent(_found(row, result), result["usage"], config)

    def _so_far(self, row: ListedRun) -> ListedRun:
        """Return a row with the scores on train of a run that has no result."""
        first = next(steps(self._store, row.listed.info.name), None)
        shown = row.listed.header.presentation
        starts = first.entries[0].evaluation if first and first.entries else Evaluation((), 0)
        best, of = row.listed.best, PARTIAL if row.listed.info.partial else ""
        return replace(
            row,
            start=""
            if starts.score is None
            else amount(shown.facing(starts.score), shown) + mark(starts.measured, starts.planned),
            best="" if best is None else amount(best, shown) + of,
            measured=_measured(shown, tested=False),
        )


def _kind(one: Listed) -> str:
    return one.header.kind


def _measured(shown: Presentation, *, tested: bool) -> str:
    return "held out" if tested else "on train" if shown.shares else ""


def _found(row: ListedRun, result: Mapping[str, Any]) -> ListedRun:
    """Return a row with what a run has found."""
    shown = row.listed.header.presentation
    lines = {line["label"]: line for line in result["lines"]}
    ends = [lines.get("start"), lines.get("best", lines.get("start"))]
    tested = all(line and line["test"] for line in ends)
    said = [
        amount(score["mean"], shown) + Score.plain(score).mark if score else ""
        for score in ((line or {}).get("test" if tested else "train") for line in ends)
    ]
    against = next((v for v in result.get("comparisons") or () if v["against"] == "start"), None)
    word = against["word"] if against else ""
    if result["start"]["text"] == result["best"]["text"]:
        word = "no gain"
    return replace(
        row, start=said[0], best=said[1], measured=_measured(shown, tested=tested), word=word
    )


def _spent(row: ListedRun, usage: Mapping[str, Any], config: dict[str, Any]) -> ListedRun:
    """Return a row with what was spent, by role."""
    paid = {role: used for role, used in usage.items() if used["calls"]}
    calls = sum(used["calls"] for used in paid.values())
    tokens = sum(used["input_tokens"] + used["output_tokens"] for used in paid.values())
    identity = config.get("identity", {})
    dollars = [cost(price_of(role, config, identity), used) for role, used in paid.items()]
    known = [usd for usd in dollars if usd is not None]
    words = [counted(calls, "call"), counted(tokens, "token")] if calls else []
    if known and len(known) == len(dollars) and sum(known):
        words.insert(0, f"${sum(known):,.4f}")
    return replace(row, calls=calls, cost="".join(words[:1]), used=", ".join(words[1:]))
