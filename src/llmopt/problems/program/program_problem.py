"""The user's own program: its texts are the solution, its outputs on the user's data the score."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from llmopt.core.encoding import written
from llmopt.core.model import Traits
from llmopt.core.problem import Description, Exemplar, Refusal
from llmopt.core.trace import ProgramTrace, TraceStep
from llmopt.core.values import Item, Outcome, canonical
from llmopt.errors import ConfigError
from llmopt.problems.data.columns import load
from llmopt.problems.data.objects import Rows, from_rows
from llmopt.problems.data.split_identity import identity_of
from llmopt.problems.data.splits import Splits, split
from llmopt.problems.metrics.best_scored import best_scored
from llmopt.problems.metrics.rules import owned
from llmopt.problems.metrics.shown_shares import ShownShares
from llmopt.problems.program.held_part import part_in
from llmopt.problems.program.part_texts import PartTexts, demands
from llmopt.problems.program.program_row import ProgramRow
from llmopt.problems.program.program_run import (
    Rehearsal,
    check_program,
    measured_output,
    program_run,
    rehearsed,
)
from llmopt.problems.prompt.choices import scored_splits
from llmopt.problems.prompt.proposal_filter import Filters
from llmopt.problems.prompt.scorer_call import Asking

if TYPE_CHECKING:
    from collections.abc import Callable

    from llmopt.core.model import Model
    from llmopt.core.problem import SplitName
    from llmopt.core.solution import SolutionPart
    from llmopt.problems.metrics.contract import Metric
    from llmopt.problems.program.program_run import Program, ProgramRun
    from llmopt.problems.prompt.constraints import Invariants

    Texts = Mapping[str, str]


@dataclass(frozen=True)
class ProgramProblem(ShownShares):
    """Find the texts with which the user's program answers best.

    The program is ``run(texts, row, call) -> output``, a function or a coroutine function:

    - ``texts``: the text of each part by its name,
    - ``row``: the columns of the row (:class:`~llmopt.problems.program.program_row.ProgramRow`),
      without the expected answer,
    - ``call(prompt, name=…, temperature=…, max_tokens=…)``: asks the scorer LLM; see
      :class:`~llmopt.problems.program.program_call.ProgramCall`. Each reply is stored, so a
      resumed run pays for none twice. A program may use a client of its own instead: then its
      calls are neither counted nor stored, and `scorer` is None.

    What it returns is scored by the metric. If it raises something, the row stays unmeasured, with
    that reason. Equal texts and rows should give equal outputs.

    Use :meth:`from_file`, :meth:`from_rows` or :meth:`from_splits`; they check the data.

    Attributes:
        program: The program.
        splits: Train, validation and test items.
        starting: The starting texts by part; the first are the ones to beat.
        task: What the program is for, in a sentence or two; shown to the optimizer LLM.
        metric: What an output is worth, 0..1.
        asking: How the scorer LLM is asked where a call does not say it.
        filters: Which proposals are refused, part by part.
        invariants: What is demanded of each part, by its name.
        balanced: Whether scores are balanced accuracy.
        scorer: The scorer LLM, by name or as an object; None: the program uses its own client.
        judge: The judge LLM in the same way, for the metric ``judge`` alone.
        calls: Most calls that one run of the program makes; 0: they are counted in a rehearsal
            on the first training row, with invented replies.
        timeout: Seconds that the program may take for a row; None: any time.
        column: The name of the input column, by which a row has it, too.
        hidden: Names of fields that the metric may see, but not the program.
    """

    program: Program
    splits: Splits
    starting: tuple[Texts, ...]
    task: str
    metric: Metric
    asking: Asking = field(default_factory=Asking)
    filters: Filters = field(default_factory=Filters)
    invariants: Mapping[str, Invariants] = field(default_factory=dict)
    balanced: bool = False
    scorer: object = None
    judge: object = None
    calls: int = 0
    timeout: float | None = None
    column: str = ""
    hidden: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        object.__setattr__(self, "metric", owned(self.metric))
        check_program(self.program, 3, "a program is a function of (texts, row, call)")
        if self.calls < 0:
            raise ConfigError(f"calls are 1 or more, or 0 to count them, but got {self.calls}")
        if self.timeout is not None and not 0 < self.timeout < math.inf:
            raise ConfigError(
                f"a timeout is more than 0 seconds, but got {self.timeout}; leave it out for none"
            )
        if self.asking.again or self.asking.answer != "text":
            raise ConfigError(
                "a program makes its own calls, so scorer.again and scorer.answer do not go with "
                "it; leave them out"
            )

    def __repr__(self) -> str:
        """Return a short summary, without the rows."""
        return (
            f"{type(self).__name__}({self.name}, {self.splits!r}, metric={self.metric.name!r}, "
            f"parts={', '.join(self.texts.names)})"
        )

    @classmethod
    def from_file(
        cls,
        program: Callable[..., Any],
        path: str | Path,
        *,
        input: str | Sequence[str] = "input",  # noqa: A002 - the user's word for the column
        target: str = "target",
        id: str = "",  # noqa: A002 - as above
        weight: str = "",
        group: str = "",
        fields: Sequence[str] = (),
        metric_fields: Sequence[str] = (),
        encoding: str = "",
        sizes: tuple[int | float, int | float, int | float] = (0.25, 0.25, 0.5),
        split_seed: int = 0,
        vault: float = 0,
        **options: object,
    ) -> Self:
        """Read a CSV, TSV, JSONL, JSON, Excel or Parquet file and split it.

        Args:
            program: The program; see the class.
            path: The file.
            input: Column of the inputs, as for `PromptProblem.from_file`; so are all columns.
            target: Column of the expected answers, which the program does not see.
            id: Column of names of rows.
            weight: Column of weights.
            group: Column of what rows share that are not independent.
            fields: Further columns that the program and the metric get.
            metric_fields: Further columns that the metric alone gets.
            encoding: Of a text file that is not UTF-8.
            sizes: Train, validation and test as shares or as counts.
            split_seed: Seed of the split.
            vault: Rows that no search touches.
            options: See :meth:`from_splits`.

        Raises:
            DataError: The file, a column, a row or a size cannot be used.
            ConfigError: An option cannot be used.
        """
        columns = ProgramColumns(input, target, tuple(fields), tuple(metric_fields))
        items = load(
            Path(path),
            input=input,
            target=target,
            encoding=encoding,
            id=id,
            weight=weight,
            group=group,
            fields=columns.all,
        )
        splits = split(items, sizes=sizes, seed=split_seed, vault=vault)
        return cls.from_splits(program, splits, **columns.options, **options)  # type: ignore[arg-type]

    @classmethod
    def from_rows(
        cls,
        program: Callable[..., Any],
        rows: Rows,
        *,
        input: str | Sequence[str] = "input",  # noqa: A002 - the user's word for the key
        target: str = "target",
        id: str = "",  # noqa: A002 - as above
        weight: str = "",
        group: str = "",
        fields: Sequence[str] = (),
        metric_fields: Sequence[str] = (),
        sizes: tuple[int | float, int | float, int | float] = (0.25, 0.25, 0.5),
        split_seed: int = 0,
        vault: float = 0,
        **options: object,
    ) -> Self:
        """Take Python data, see :func:`~llmopt.problems.data.objects.from_rows`.

        For the rest as from_file.
        """
        columns = ProgramColumns(input, target, tuple(fields), tuple(metric_fields))
        items = from_rows(
            rows,
            input=input,
            target=target,
            id=id,
            weight=weight,
            group=group,
            fields=columns.all,
        )
        splits = split(items, sizes=sizes, seed=split_seed, vault=vault)
        return cls.from_splits(program, splits, **columns.options, **options)  # type: ignore[arg-type]

    @classmethod
    def from_splits(
        cls,
        program: Callable[..., Any],
        splits: Splits,
        *,
        parts: Texts | Sequence[Texts],
        task: str = "",
        metric: str | Metric | Callable[[str, Item], Any] = "auto",
        choices: Sequence[str] = (),
        balanced: bool = False,
        asking: Asking | None = None,
        filters: Filters | None = None,
        invariants: Invariants | Mapping[str, Invariants] | None = None,
        scorer: object = None,
        judge: object = None,
        calls: int = 0,
        timeout: float | None = None,
        column: str = "",
        hidden: Sequence[str] = (),
    ) -> Self:
        """Build a problem from items that are already split.

        Args:
            program: The program; see the class.
            splits: Train, validation and test; no input may be in two of them.
            parts: The starting text of each part by its name; or several such mappings, of
                which the first is the one to beat.
            task: What the program is for; derived from the answers where it is empty.
            metric: As for :class:`~llmopt.problems.prompt.prompt_problem.PromptProblem`; it gets
                the program's output as text.
            choices: The closed set of answers; empty: the targets that occur.
            balanced: Score balanced accuracy.
            asking: See the class, as for all that follow.
            filters: See the class.
            invariants: The same for all parts, or by name.
            scorer: See the class.
            judge: See the class.
            calls: See the class.
            timeout: See the class.
            column: See the class.
            hidden: See the class.

        Raises:
            DataError: A split shares an input with another, a target can never be right, or
                all targets are equal.
            ConfigError: An option cannot be used.
        """
        splits, chosen = scored_splits(splits, metric, choices, judge=judge, balanced=balanced)
        starting = tuple(map(dict, [parts] if isinstance(parts, Mapping) else parts))
        names = tuple(starting[0]) if starting else ()
        problem = cls(
            program=program,
            splits=splits,
            starting=starting,
            task=task or chosen.task,
            metric=chosen,
            asking=asking or Asking(),
            filters=filters or Filters(),
            invariants=demands(invariants, names),
            balanced=balanced,
            scorer=scorer,
            judge=judge,
            calls=calls,
            timeout=timeout,
            column=column,
            hidden=frozenset(hidden),
        )
        problem.texts.check()
        return problem

    @cached_property
    def texts(self) -> PartTexts:
        """The parts with the rules for their texts."""
        return PartTexts(
            self.starting,
            (self.task,),
            self.splits.train,
            self.metric.labels,
            self.filters,
            self.invariants,
        )

    @property
    def name(self) -> str:
        """What the program is called."""
        named = getattr(self.program, "__qualname__", None)
        return named or (
            written(self.program)
            if hasattr(self.program, "__dataclass_fields__")
            else type(self.program).__name__
        )

    @property
    def description(self) -> Description:
        """How the problem presents itself to an optimizer LLM."""
        texts = self.texts
        several = len(texts.names) > 1
        together = " A program uses these prompts together." if several else ""
        return Description(
            task=self.task + together,
            noun=texts.noun,
            measure=self.metric.measure,
            labels=self.metric.labels,
            constraints=texts.constraints,
            longest=texts.longest,
            unit="share",
            tokens=texts.edit_tokens,
            marks=frozenset().union(*(rules.own.marks for rules in texts.rules.values())),
        )

    def describe(self, part: str) -> Description:
        """Return the description of one part, for a method that rewrites it alone."""
        rules = self.texts.rules[part]
        return replace(
            self.description,
            task=f'{self.task} The prompt is the part "{part}" of a program of several prompts.',
            noun="prompt",
            constraints=tuple(rules.in_words),
            longest=rules.longest,
            tokens=rules.edit_tokens,
        )

    @property
    def fingerprint(self) -> dict[str, str]:
        """Everything that decides scores, by name; the program's code is not looked into."""
        judge = self.metric.judge
        return {
            **identity_of(self.splits),
            "program": self.name,
            "starts": canonical([dict(one) for one in self.starting]),
            "task": self.task,
            "metric": written(self.metric),
            "asking": written(self.asking),
            "filters": written(self.filters),
            "invariants": written(dict(self.invariants)),
            **({"column": self.column} if self.column else {}),
            **({"hidden": canonical(sorted(self.hidden))} if self.hidden else {}),
            **({"judge": judge.identity} if judge else {}),
        }

    @property
    def starts(self) -> tuple[str, ...]:
        """The starting solutions as canonical texts."""
        return self.texts.canonical

    def parts(self) -> tuple[SolutionPart, ...]:
        """Return the parts in their declared order."""
        return self.texts.parts

    def items(self, split: SplitName) -> tuple[Item, ...]:
        """Return the items of a split."""
        found: tuple[Item, ...] = getattr(self.splits, split)
        return found

    def vault(self) -> tuple[Item, ...]:
        """Return the items that no search touches."""
        return self.splits.vault

    def parse(self, text: str) -> str | Refusal:
        """Polish a proposed solution part by part, or refuse it."""
        return self.texts.parse(text)

    def remedy(self, reason: str) -> str:
        """Return what to change so that nothing is refused for a reason, naming the key."""
        return self.texts.remedy(reason)

    def dropped(self, text: str) -> tuple[str, ...]:
        """Return what the first starting texts have that a canonical text has dropped."""
        return self.texts.dropped(text)

    def exemplar(self, item: Item, placeholder: str) -> Exemplar:
        """Return a training item; where prompts have the texts, the program decides."""
        return Exemplar(item.input, f"{placeholder}\n\n{item.input}", item.target)

    def recorded(self) -> dict[str, Any]:
        """Return the parts, and whether the program's calls can be counted."""
        return {
            "kind": "program",
            "program": self.name,
            "parts": [[part.name, part.kind] for part in self.parts()],
            "metric": self.metric.title,
            "counted": self.scorer is not None,
        }

    def judged_by(self) -> object:
        """Return the judge LLM, by name or as a model; None: no judge."""
        return self.judge

    def bound(self, judge: Model) -> Self:
        """Return the problem with the judge LLM that its metric asks."""
        return replace(self, metric=self.metric.bound(judge))

    def calls_each(self) -> int:
        """Return the calls of one run, declared or counted in the rehearsal, and the judge's."""
        own = self.calls or (len(self.rehearsal.calls) if self.scorer is not None else 0)
        return max(1, own) + self.metric.calls

    @cached_property
    def rehearsal(self) -> Rehearsal:
        """A run on the first training row in which every call gets an invented reply."""
        texts = self.texts.split(self.starts[0])
        row = self.row(self.splits.train[0])
        return rehearsed(self.program, texts, row, self.asking, Traits())

    def row(self, item: Item) -> ProgramRow:
        """Return a row as the program gets it."""
        return ProgramRow(item, self.column, self.hidden)

    async def measure(self, text: str, item: Item, scorer: Model | None) -> Outcome:
        """Run the program on an item and score its output.

        Raises:
            ModelError: The scorer LLM, or a judge LLM, could not answer.
            MeasureError: The program gave no output, or the metric no score.
            ConfigError: The program or the metric asks a model, and none was given.
        """
        self.metric.ready()
        found = await self._run(text, item, scorer)
        output = measured_output(found, self.name, item.id)
        scored = await best_scored(self.metric, output, item)
        return scored.outcome(item, found.cut_at)

    async def trace(self, text: str, item: Item, scorer: Model | None) -> ProgramTrace:
        """Return the calls of a run with their replies, and its output.

        The program runs again, and its calls get their stored replies. One with a client of its
        own does not: that would be paid again, so its trace is empty.
        """
        if self.scorer is None:
            return ProgramTrace()
        found = await self._run(text, item, scorer)
        texts = self.texts.split(text)
        steps = (
            TraceStep(
                step.name,
                part_in(step.name, step.call.text, texts),
                step.call.text,
                step.reply.text if step.reply else "",
            )
            for step in found.steps
        )
        return ProgramTrace(tuple(steps), found.output, found.error)

    async def _run(self, text: str, item: Item, scorer: Model | None) -> ProgramRun:
        texts = self.texts.split(text)
        return await program_run(
            self.program,
            texts,
            self.row(item),
            scorer=scorer,
            asking=self.asking,
            timeout=self.timeout,
        )


@dataclass(frozen=True)
class ProgramColumns:
    """Columns of the data on which a program's rows depend."""

    input: str | Sequence[str]
    target: str
    fields: tuple[str, ...]
    metric_fields: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.target in self.fields:
            raise ConfigError(
                f"a program does not see the expected answer, but fields has {self.target!r}; "
                "leave it out: the metric has it as item.target"
            )
        both = set(self.fields) & set(self.metric_fields)
        if both:
            raise ConfigError(
                f"a column is for the program, too, or for the metric alone, but {min(both)!r} is "
                "in fields and in metric_fields; remove it from one"
            )

    @property
    def all(self) -> tuple[str, ...]:
        """All further columns."""
        return (*self.fields, *self.metric_fields)

    @property
    def options(self) -> dict[str, Any]:
        """What a problem takes of them."""
        one = self.input if isinstance(self.input, str) else ""
        return {"column": one, "hidden": self.metric_fields}
