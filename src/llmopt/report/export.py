"""What a run found, taken out of it: the text byte for byte, and the exact prompt around it.

A text scores elsewhere what it scored here only in the same prompt. So the prompt is not laid
out anew: it comes from the problem itself, and where the run has sent it, it is checked against
the call that the store kept.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from llmopt.errors import ConfigError
from llmopt.model import Traits
from llmopt.models.scripted import ScriptedModel
from llmopt.search.header import RunHeader
from llmopt.search.journal import steps
from llmopt.trajectory import Trajectory
from llmopt.types import Item

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from llmopt.presentation import Presentation
    from llmopt.problem import SplitName
    from llmopt.problems.prompting import PromptProblem
    from llmopt.store.protocol import Store
    from llmopt.trajectory import Entry
    from llmopt.types import Call


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
    """

    run: str
    start: Entry
    ranked: tuple[Entry, ...]
    result: dict[str, Any] | None

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
class Export:
    """A solution with everything that is needed to use it elsewhere.

    Attributes:
        run: Name of the run.
        step: The step that proposed it; 0 for a starting solution.
        instruction: The text.
        layout: The scorer's prompt with the slots ``{instruction}`` and ``{input}``; None where
            solutions are not instructions.
        scorer: Identity of the scorer LLM; empty where there is none.
        train: Mean on the train items measured, in the problem's own direction; None: none was.
        measured: How many train items that is.
        planned: How many a full score has; where it is more, `train` is partial.
        held_out: The winner's and the start's figures on test items; for other solutions, and
            where nothing was held out, None.
        example: None where solutions are not instructions, or the problem is not at hand.
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

    def to_dict(self) -> dict[str, Any]:
        """Return the export as plain data for JSON; docs/schemas/export.json is its schema."""
        data = {"schema": SCHEMA, **asdict(self)}
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
        problem: What was optimized; None where it is not at hand, or no prompts are sent.
        text: An input of the user's own; None: none was given.
    """

    export: Export
    standing: Standing
    store: Store
    problem: PromptProblem | None
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
    trajectory = Trajectory()
    for step in steps(store, run):
        trajectory = trajectory.tell(step.entries)
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
    if not len(trajectory):
        raise ConfigError(
            f"solutions are taken from a run that has measured its starting solutions, but "
            f"{run!r} has not; go on with: llmopt resume {run}"
        )
    result = None
    for record in store.records(run):
        if record.kind == "result":  # the last one: a run resumed after its budget has several
            result = record.data
    ranked = list(trajectory.best(len(trajectory)))
    if result:
        # Stable: the winner goes to the front, the others keep their order.
        ranked.sort(key=lambda entry: entry.text != result["best"]["text"])
    return Standing(run, next(iter(trajectory)), tuple(ranked), result)


def export(
    store: Store, found: Standing, entry: Entry, problem: PromptProblem | None, text: str | None
) -> Material:
    """Return a solution with everything that is needed to use it elsewhere.

    Args:
        store: Where the run is kept.
        found: The run's solutions.
        entry: One of them.
        problem: What was optimized; None where it is not at hand, or no prompts are sent.
        text: An input of the user's own for the example; None: one that the run has sent.
    """
    config = store.config(found.run)
    identity, shown = config["identity"], RunHeader.of(config).presentation
    made = Export(
        run=found.run,
        step=entry.candidate.step,
        instruction=entry.text,
        layout=identity.get("problem prompt"),
        scorer=identity["scorer"],
        train=shown.facing(entry.evaluation.score),
        measured=entry.evaluation.measured,
        planned=entry.evaluation.planned,
        held_out=_held_out(found, entry),
        example=None if problem is None else _example(store, identity, entry, problem, text),
    )
    return Material(made, found, store, problem, text)


def _held_out(found: Standing, entry: Entry) -> dict[str, Any] | None:
    """Return the figures on test items: of the winner beside the start, or of the start alone."""
    tested = found.result["test"] if found.result else None
    if not tested or not found.result:
        return None
    if entry.text == found.result["best"]["text"]:
        return {"score": tested["best"], **{k: tested[k] for k in ("start", "difference")}}
    return {"score": tested["start"]} if entry is found.start else None


def _example(
    store: Store,
    identity: Mapping[str, str],
    entry: Entry,
    problem: PromptProblem,
    text: str | None,
) -> Example:
    """Return the call for an input, in the form in which the run has sent its own calls."""
    sent = next(_sent(store, identity["scorer"], entry, problem), None)
    if text is None and sent:
        return sent
    traits = Traits(chat=sent is None or sent.call.prompt is None, completion=True)
    item = Item("", text) if text is not None else problem.items("train")[0]
    call = problem.call(entry.text, item, _standing_in(identity["scorer"], traits))
    kept = store.exchange(call.key(identity["scorer"]))
    return _made(problem, item, call, kept[1].text if kept else None)


def _sent(store: Store, scorer: str, entry: Entry, problem: PromptProblem) -> Iterator[Example]:
    """Yield the calls that the store has, test items first: they prove how it was asked."""
    splits: tuple[SplitName, ...] = ("test", "validation", "train")
    for split in splits:
        for item in problem.items(split):
            for chat in (True, False):
                model = _standing_in(scorer, Traits(chat=chat, completion=True))
                call = problem.call(entry.text, item, model)
                kept = store.exchange(call.key(scorer))
                if kept:
                    yield _made(problem, item, call, kept[1].text)


def _made(problem: PromptProblem, item: Item, call: Call, reply: str | None) -> Example:
    again = None if reply is None else problem.asking.second(call, reply, problem.metric)
    spoken = problem.asking.spoken(call, problem.metric)  # others cannot read likelihoods
    return Example(item.input, item.target, spoken, reply, again)


def _sendable(call: Call) -> dict[str, Any]:
    """Return what is sent of a call; how it came about is of no use elsewhere."""
    names = ("messages" if call.prompt is None else "prompt", "temperature", "max_tokens", "stop")
    return {name: call.plain()[name] for name in names}


def _standing_in(scorer: str, traits: Traits) -> ScriptedModel:
    """Return what stands for the scorer LLM where a call is made but not sent."""
    return ScriptedModel(lambda _: "", traits=traits, identity=scorer)
