"""Encodes steps, validations and tests as journal records, and decodes them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from sys import intern
from typing import TYPE_CHECKING, Any, Self, TypeVar, get_args

from llmopt.core.problem import Recorded, SplitName, optimum_of
from llmopt.core.store import PARTIAL, STEP, UNSTORED
from llmopt.core.trajectory import Entry, OpenRequest
from llmopt.core.values import (
    Candidate,
    Evaluation,
    Item,
    Outcome,
    Rejected,
)
from llmopt.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from llmopt.core.problem import Problem
    from llmopt.core.store import JournalRecord, Store

T = TypeVar("T")

_BEFORE_AIMS = 5  # after the answer: weight, reason, calls, cut_at, feedback

EVALUATION = "evaluation"
"""Key of the configuration that marks a stored run as an evaluation of given instructions (its
value: the words of the command that repeats it), and kind of the records with what it found."""

VALIDATION = "validation"
"""Kind of the records with a point of the overfitting curve; it follows the step it is about."""

CONTROL = "control"
"""Kind of the records of how large the control best of N is planned, and what it spent."""

REQUEST = "request"
"""Kind of the records of a question for new solutions, where several are open at once; it comes
before the question is asked. Its data is that of :class:`~llmopt.core.trajectory.OpenRequest`."""

SPENT = "spent"
"""Kind of the records of what a run had spent when a step was done; one follows each step. Its data
is ``{"seconds": …, "usage": {role: [calls, input tokens, output tokens]}, "plan": {"steps": …,
"caps": …}}``: summed up from the beginning of the run, and what is planned. Tokens that the
provider read from its cache and wrote to it come last, where there are any."""

USED = ("calls", "input_tokens", "output_tokens", "cached_tokens", "cache_write_tokens")
"""What the numbers of a role in a record of kind `SPENT` are."""

TESTED = "tested"
"""Kind of the records with the held-out answers behind a result; it comes before the result."""

PROBLEM = "problem"
"""Kind of the record with what readers need of the problem; it comes before the first step."""


@dataclass(frozen=True)
class ProblemRecord:
    """What a run keeps of its problem, so that it can be shown when the problem is gone.

    Attributes:
        noun: What one solution is called.
        optimum: The best score there can be (higher is better), where it is known and cheap.
        items: The items of every split.
        own: What the problem itself keeps, see :class:`~llmopt.core.problem.Recorded`.
    """

    noun: str
    optimum: float | None
    items: Mapping[SplitName, tuple[Item, ...]]
    own: Mapping[str, Any]

    @classmethod
    def of(cls, problem: Problem) -> Self:
        """Return what is kept of a problem."""
        own = problem.recorded() if isinstance(problem, Recorded) else {}
        return cls(
            problem.description.noun,
            None if own.get("kind") == "tour" else optimum_of(problem),  # which may take a minute
            {split: problem.items(split) for split in get_args(SplitName)},
            own,
        )

    def packed(self) -> dict[str, Any]:
        """Return it as JSON data."""
        return {
            "noun": self.noun,
            "optimum": self.optimum,
            "items": {split: _packed_items(items) for split, items in self.items.items()},
            "own": dict(self.own),
        }

    @classmethod
    def unpacked(cls, data: dict[str, Any]) -> Self:
        """Rebuild from what :meth:`packed` gave."""
        items = {split: tuple(map(_unpacked_item, rows)) for split, rows in data["items"].items()}
        return cls(data["noun"], data["optimum"], items, data["own"])


@dataclass(frozen=True)
class Step:
    """One step as it was told.

    Attributes:
        number: 0 for the starting solutions.
        entries: The candidates with their evaluations, in order.
        rejected: What was proposed and did not become a candidate.
        calls: Keys of the optimizer calls, in order.
        request: Which request it answers, where several are open at once.
        by: Name of the method that made it, where several take turns.
    """

    number: int
    entries: tuple[Entry, ...]
    rejected: tuple[Rejected, ...] = ()
    calls: tuple[str, ...] = ()
    request: OpenRequest | None = None
    by: str = ""

    def records(self, best: Entry | None) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield kind and data of each record of the step, in order.

        Where the run's best is partial, a record of its own says so, and comes first: a process
        that is killed between the two leaves nothing that could be taken for a full score.

        Args:
            best: The best of the run after this step.
        """
        partial = best is not None and best.evaluation.partial
        if best is not None and partial:
            of = {"measured": best.evaluation.measured, "planned": best.evaluation.planned}
            yield PARTIAL, {"best": best.score, **of}
        yield STEP, self.packed(None if best is None or partial else best.score)

    def packed(self, best: float | None) -> dict[str, Any]:
        """Return the step as JSON data; outcomes are lists, as there may be 400,000 of them.

        Args:
            best: The best score of the run after this step; None where it is partial.
        """
        return {
            "step": self.number,
            "entries": [
                {
                    "text": entry.text,
                    "parents": list(entry.candidate.parents),
                    **_packed(entry.evaluation),
                }
                for entry in self.entries
            ],
            "rejected": [[r.text, r.reason] for r in self.rejected],
            "calls": list(self.calls),
            "best": best,
            **({"request": asdict(self.request)} if self.request else {}),
            **({"by": self.by} if self.by else {}),
        }


@dataclass(frozen=True)
class Validation:
    """A point of the overfitting curve: the best candidate of a step on the validation split.

    Attributes:
        step: Number of the step; 0 for the starting solutions.
        candidate: Id of the step's best candidate on train.
        evaluation: What it got on validation.
    """

    step: int
    candidate: str
    evaluation: Evaluation

    def packed(self) -> dict[str, Any]:
        """Return the point as JSON data."""
        return {"step": self.step, "candidate": self.candidate, **_packed(self.evaluation)}


@dataclass(frozen=True)
class HeldOut:
    """What the held-out items say, item by item.

    Attributes:
        items: The test items.
        best: Id of the winner.
        answers: Label, text and evaluation of each solution that was tested: the winner first,
            then the start and the controls; a start that won is there once.
    """

    items: tuple[Item, ...]
    best: str
    answers: tuple[tuple[str, str, Evaluation], ...]

    def packed(self) -> dict[str, Any]:
        """Return it as JSON data."""
        return {
            "items": _packed_items(self.items),
            "best": self.best,
            "answers": [
                {"label": label, "text": text, **_packed(evaluation)}
                for label, text, evaluation in self.answers
            ],
        }

    @classmethod
    def unpacked(cls, data: dict[str, Any]) -> Self:
        """Rebuild from what :meth:`packed` gave."""
        return cls(
            tuple(map(_unpacked_item, data["items"])),
            data["best"],
            tuple((a["label"], a["text"], _evaluation(a)) for a in data["answers"]),
        )


def steps(
    store: Store,
    run: str,
    unstored: Callable[[dict[str, Any]], None] | None = None,
    validated: Callable[[Validation], None] | None = None,
) -> Iterator[Step]:
    """Yield the told steps of a run in order.

    Args:
        store: Where the run is kept.
        run: Its name.
        unstored: Told the data of each record of kind `UNSTORED`, in the one pass.
        validated: Told each record of kind `VALIDATION`, after its step was taken.

    Raises:
        StoreError: The store has no such run, or cannot be read.
    """
    number = 0
    for record in store.records(run):
        if record.kind == STEP:
            step = understood(run, record, _unpacked)
            if step.number != number:
                raise damaged(run, record, f"step {step.number} where step {number} comes next")
            number += 1
            yield step
        elif record.kind == UNSTORED and unstored is not None:
            unstored(record.data)
        elif record.kind == VALIDATION and validated is not None:
            validated(understood(run, record, _validation))


def understood(run: str, record: JournalRecord, build: Callable[[dict[str, Any]], T]) -> T:
    """Return what a record holds.

    Args:
        run: Name of the run.
        record: One of its records.
        build: What makes it of the record's data.

    Raises:
        StoreError: It does not hold that, so it was damaged or written by something else.
    """
    try:
        return build(record.data)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise damaged(run, record, repr(error)) from error


def damaged(run: str, record: JournalRecord, why: str) -> StoreError:
    """Return the error of a record that does not hold what one of its kind holds."""
    return StoreError(
        f"a record of a journal is as llmopt wrote it, but record {record.seq} ({record.kind}) of "
        f"run {run!r} cannot be read ({why}); put a backup of the store in its place"
    )


def _validation(data: dict[str, Any]) -> Validation:
    return Validation(data["step"], data["candidate"], _evaluation(data))


def _unpacked(data: dict[str, Any]) -> Step:
    number = data["step"]
    entries = tuple(
        Entry(Candidate(e["text"], number, tuple(e["parents"])), _evaluation(e))
        for e in data["entries"]
    )
    rejected = tuple(Rejected(text, reason, number) for text, reason in data["rejected"])
    request = OpenRequest(**data["request"]) if "request" in data else None
    return Step(number, entries, rejected, tuple(data["calls"]), request, data.get("by", ""))


def _packed_items(items: Sequence[Item]) -> list[list[Any]]:
    return [[item.id, item.input, item.target, item.weight, *_seldom(item)] for item in items]


def _seldom(item: Item) -> tuple[Any, ...]:
    """Return what the row of an item ends in where it says something."""
    if item.group:
        return item.accepted, item.fields, item.group
    return (item.accepted, item.fields) if item.accepted or item.fields else ()


def _unpacked_item(data: Sequence[Any]) -> Item:
    name, text, target, weight, *more = data
    accepted, fields, *group = more or ((), ())
    pairs = tuple((key, value) for key, value in fields)
    return Item(name, text, target, weight, tuple(accepted), pairs, *group)


def _packed(evaluation: Evaluation) -> dict[str, Any]:
    outcomes = [
        [o.item, o.score, o.answer, o.weight, o.reason, *_rarely(o)] for o in evaluation.outcomes
    ]
    expected = {} if evaluation.expected is None else {"expected": evaluation.expected}
    return {"planned": evaluation.planned, "outcomes": outcomes, **expected}


def _rarely(outcome: Outcome) -> Sequence[Any]:
    """Return what a row ends in where it says something: there are very many rows."""
    more = (outcome.calls, outcome.cut_at, outcome.feedback, outcome.aims)
    said = max((at for at, value in enumerate(more, 1) if value), default=0)
    return more[:said]


def _evaluation(data: dict[str, Any]) -> Evaluation:
    outcomes = tuple(_outcome(row) for row in data["outcomes"])
    return Evaluation(outcomes, data["planned"], data.get("expected"))


def _outcome(row: list[Any]) -> Outcome:
    item, score, answer, *rest = row  # older rows have no calls, most rows no feedback
    if len(rest) > _BEFORE_AIMS:
        rest[_BEFORE_AIMS] = tuple((name, value) for name, value in rest[_BEFORE_AIMS])
    # Items and answers come back again and again; each text is kept in memory once.
    return Outcome(intern(item), score, answer and intern(answer), *rest)
