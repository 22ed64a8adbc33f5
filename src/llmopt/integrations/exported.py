"""What a run found, taken out of it: the text byte for byte, and the exact prompt around it.

A text scores elsewhere what it scored here only in the same prompt. So the prompt is not laid
out anew: it is a call that the store kept.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from llmopt.engine.header import RunHeader
from llmopt.errors import ConfigError
from llmopt.history.outputs import exchanges
from llmopt.history.run_history import front_in, told
from llmopt.problems.prompt.few_shot import FewShotLayout, answered, apart
from llmopt.problems.prompt.layout import Layout, named_slots
from llmopt.problems.prompt.scorer_call import as_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from llmopt.core.presentation import Presentation
    from llmopt.core.problem import SplitName
    from llmopt.core.store import Store
    from llmopt.core.trajectory import Entry
    from llmopt.core.values import (
        Call,
        Evaluation,
        Item,
        Outcome,
        Reply,
    )
    from llmopt.engine.journal import ProblemRecord
    from llmopt.evidence.front import Prefer
    from llmopt.history.run_history import RunHistory


SCHEMA = 1
"""The form of an export; it grows by one when something in it changes its meaning."""


@dataclass(frozen=True)
class Standing:
    """The solutions of a run in their order.

    Attributes:
        run: Name of the run.
        start: The starting solution to beat.
        ranked: All measured solutions: the winner first where the run has chosen one, then the
            best on train.
        result: What the run found, as plain data; None while it has not come to its end.
        journal: All that its journal says.
    """

    run: str
    start: Entry
    ranked: tuple[Entry, ...]
    result: dict[str, Any] | None
    journal: RunHistory

    @property
    def prompts(self) -> ProblemRecord | None:
        """What the run has kept of its problem, if its solutions are instructions."""
        problem = self.journal.problem
        laid_out = "problem prompt" in self.journal.identity
        return problem if problem and laid_out and problem.own.get("kind") == "prompt" else None

    def at(self, rank: int) -> Entry:
        """Return the solution of a rank, 1 for the first.

        Raises:
            ConfigError: There is none.
        """
        if not 1 <= rank <= len(self.ranked):
            raise ConfigError(
                f"a rank in {self.run!r} is one of 1 to {len(self.ranked)}, but got {rank}"
            )
        return self.ranked[rank - 1]

    def preferred(self, prefer: Prefer, within: float | None) -> Entry:
        """Return a solution of the front; see :meth:`~llmopt.evidence.front.Front.choose`.

        Raises:
            ConfigError: The run has no front, or costs are not known.
            UnknownNameError: There is no such preference.
        """
        member = front_in(self.journal).choose(prefer, within)
        return self.journal.trajectory.entry(member.candidate)


@dataclass(frozen=True)
class Example:
    """An input with the exact call that asks for its answer.

    Attributes:
        input: The input.
        target: The expected answer; empty where the input is the user's own.
        call: What is sent.
        reply: What the run got for it; None where it has not sent it.
        again: The second call, which asks for the final answer alone and is made of the reply;
            None where the problem asks once, and where there is no reply.
    """

    input: str
    target: str
    call: Call
    reply: str | None
    again: Call | None


@dataclass(frozen=True)
class Demonstrated:
    """A training row that a prompt shows.

    Attributes:
        id: Of the row.
        input: Its input.
        answer: The answer shown.
    """

    id: str
    input: str
    answer: str


@dataclass(frozen=True)
class WrittenOut:
    """A solution with demonstrations, as an instruction and a layout that shows them.

    Attributes:
        instruction: The instruction.
        layout: The scorer's prompt with the demonstrations written into it.
        demonstrations: The training rows shown, in their order.
    """

    instruction: str
    layout: Layout
    demonstrations: tuple[Demonstrated, ...]


@dataclass(frozen=True)
class Export:
    """A solution with everything that is needed to use it elsewhere.

    Attributes:
        run: Name of the run.
        step: The step that proposed it; 0 for a starting solution.
        instruction: The text.
        layout: The scorer's prompt with the slots ``{instruction}`` and ``{input}``, and with the
            demonstrations of the solution; None where solutions are not instructions.
        scorer: Identity of the scorer LLM; empty where there is none.
        train: Mean on the train items measured, in the problem's own direction; None: none was.
        measured: How many train items that is.
        planned: How many a full score has; where it is more, `train` is partial.
        held_out: The winner's and the start's figures on test items; for other solutions, and
            where nothing was held out, None.
        example: None where solutions are not instructions, or the store has no call of theirs.
        parts: The text of each part by its name; empty where the solution is one text.
        demonstrations: The training rows that the layout shows, where there are any.
    """

    run: str
    step: int
    instruction: str
    layout: str | None
    scorer: str
    train: float | None
    measured: int
    planned: int
    held_out: dict[str, Any] | None
    example: Example | None
    parts: dict[str, str] = field(default_factory=dict)
    demonstrations: tuple[Demonstrated, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the export as plain data for JSON; docs/schemas/export.json is its schema."""
        data = {"schema": SCHEMA, **asdict(self)}
        if not self.demonstrations:
            del data["demonstrations"]
        if self.example:
            again = self.example.again
            data["example"]["call"] = _sendable(self.example.call)
            data["example"]["again"] = _sendable(again) if again else None
        return data


@dataclass(frozen=True)
class Material:
    """All that a format may draw on.

    Attributes:
        export: The solution.
        standing: The solutions of its run.
        store: Where the run is kept.
        text: An input of the user's own; None: none was given.
    """

    export: Export
    standing: Standing
    store: Store
    text: str | None

    @property
    def shown(self) -> Presentation:
        """How the problem's scores are shown; all formats have them in this direction."""
        return RunHeader.of(self.store.config(self.export.run)).presentation


def standing(store: Store, run: str) -> Standing:
    """Read the solutions of a run.

    Raises:
        StoreError: There is no such run.
        ConfigError: It has measured nothing yet.
    """
    kind = RunHeader.of(store.config(run)).kind
    if kind == "evaluation":
        raise ConfigError(
            f"solutions are taken from a run that searched for them, but {run!r} is an "
            "evaluation; its instructions are those that it was given"
        )
    if kind == "sweep":
        raise ConfigError(
            f"solutions are taken from one run, but {run!r} is a sweep; name one of its cells, "
            "which llmopt runs lists"
        )
    journal = told(store, run)
    trajectory, result = journal.trajectory, journal.result
    if not len(trajectory):
        raise ConfigError(
            f"solutions are taken from a run that has measured its starting solutions, but "
            f"{run!r} has not; continue with: llmopt resume {run}"
        )
    ranked = list(trajectory.best(len(trajectory)))
    if result:
        # Stable: the winner goes to the front, the others keep their order.
        ranked.sort(key=lambda entry: entry.text != result["best"]["text"])
    return Standing(run, next(iter(trajectory)), tuple(ranked), result, journal)


def export(store: Store, found: Standing, entry: Entry, text: str | None) -> Material:
    """Return a solution with everything that is needed to use it elsewhere.

    Args:
        store: Where the run is kept.
        found: The run's solutions.
        entry: One of them.
        text: An input of the user's own for the example; None: one that the run has sent.
    """
    identity = found.journal.identity
    shown = found.journal.header.presentation
    prompt = few_shot_of(found, entry)
    made = Export(
        run=found.run,
        step=entry.candidate.step,
        instruction=prompt.instruction if prompt else entry.text,
        layout=prompt.layout.text if prompt else identity.get("problem prompt"),
        scorer=identity["scorer"],
        train=shown.facing(entry.evaluation.score),
        measured=entry.evaluation.measured,
        planned=entry.evaluation.planned,
        held_out=_held_out(found, entry),
        example=_example(store, found, entry, text),
        parts=found.journal.header.split(entry.text),
        demonstrations=prompt.demonstrations if prompt else (),
    )
    return Material(made, found, store, text)


def layout_kept(found: Standing, text: str) -> Layout:
    """Return the prompt layout of a run by its text; its columns are those of the kept items."""
    kept = found.journal.problem
    items = [item for some in kept.items.values() for item in some] if kept else []
    columns = {name for item in items[:1] for name, _ in item.fields}
    if "{input}" not in text:  # older versions kept no columns, but such a layout has some
        columns.update(named_slots(text))
    return Layout(text, columns=tuple(sorted(columns)))


def few_shot_of(found: Standing, entry: Entry) -> WrittenOut | None:
    """Return a solution with its demonstrations written out; None: the run's have none.

    Raises:
        ConfigError: They cannot be written out.
    """
    kept = found.prompts
    if kept is None or not kept.own.get("demonstrations"):
        return None
    instruction, examples = apart(entry.text)
    shots = answered(examples, {item.id: item for item in kept.items["train"]})
    layout = FewShotLayout(layout_kept(found, found.journal.identity["problem prompt"]))
    shown = tuple(Demonstrated(row.id, row.input, answer) for row, answer in shots)
    return WrittenOut(instruction, layout.filled(shots), shown)


def _held_out(found: Standing, entry: Entry) -> dict[str, Any] | None:
    """Return the figures on test items: of the winner beside the start, or of the start alone."""
    tested = found.result["test"] if found.result else None
    if not tested or not found.result:
        return None
    if entry.text == found.result["best"]["text"]:
        return {"score": tested["best"], **{k: tested[k] for k in ("start", "difference")}}
    return {"score": tested["start"]} if entry is found.start else None


def _example(store: Store, found: Standing, entry: Entry, text: str | None) -> Example | None:
    """Return the call for an input, in the form in which the run has sent its own calls."""
    problem = found.prompts
    if problem is None:
        return None
    asked = list(_asked(found.journal, problem, entry))
    same = [pair for pair in asked if text is None or pair[0].input == text]
    for item, ((call, reply), *more) in _sent(store, same):
        target = item.target if text is None else ""
        again = more[0][0] if more else None
        return Example(item.input, target, _spoken(call, problem), reply.text, again)
    if text is not None:
        for _, ((call, _), *_) in _sent(store, asked):
            made = _unsent(store, found, entry, call, text)
            return replace(made, call=_spoken(made.call, problem))
    return None


def _asked(
    journal: RunHistory, problem: ProblemRecord, entry: Entry
) -> Iterator[tuple[Item, Outcome]]:
    """Yield what a solution got on its items, test items first: they prove how it was asked."""
    tested = journal.tested.answers if journal.tested else ()
    evaluations: dict[SplitName, Evaluation | None] = {
        "test": next((got for _, text, got in tested if text == entry.text), None),
        "validation": next(
            (v.evaluation for v in journal.validations if v.candidate == entry.candidate.id), None
        ),
        "train": entry.evaluation,
    }
    for split, got in evaluations.items():
        outcomes = {outcome.item: outcome for outcome in got.outcomes} if got else {}
        for item in problem.items[split]:
            if item.id in outcomes:
                yield item, outcomes[item.id]


def _sent(
    store: Store, asked: Iterable[tuple[Item, Outcome]]
) -> Iterator[tuple[Item, list[tuple[Call, Reply]]]]:
    """Yield items with the calls that the store has of them, and their replies."""
    for item, outcome in asked:
        found = exchanges(store, outcome)
        if found:
            yield item, found


def _unsent(store: Store, found: Standing, entry: Entry, like: Call, text: str) -> Example:
    """Return the example of an input that the run has not sent, asked like one that it has."""
    prompt = few_shot_of(found, entry)
    layout = (
        prompt.layout if prompt else layout_kept(found, found.journal.identity["problem prompt"])
    )
    if layout.used:
        raise ConfigError(
            f"an input of your own is for prompts with {{input}}, but that of {found.run!r} has "
            f"columns of the data: {', '.join(layout.used)}; leave the input out"
        )
    turns = layout.turns(prompt.instruction if prompt else entry.text, text)
    chat = like.prompt is None
    call = replace(like, messages=turns if chat else (), prompt=None if chat else as_text(turns))
    kept = store.exchange(call.key(found.journal.identity["scorer"]))
    return Example(text, "", call, kept[1].text if kept else None, None)


def _spoken(call: Call, problem: ProblemRecord) -> Call:
    """Return a call as it asks for a text: others cannot read likelihoods."""
    if not call.answers:
        return call
    own = problem.own
    return replace(call, max_tokens=own["max_tokens"], stop=tuple(own["stop"]), answers=())


def _sendable(call: Call) -> dict[str, Any]:
    """Return what is sent of a call; how it came about is of no use elsewhere."""
    names = ("messages" if call.prompt is None else "prompt", "temperature", "max_tokens", "stop")
    return {name: call.plain()[name] for name in names}
