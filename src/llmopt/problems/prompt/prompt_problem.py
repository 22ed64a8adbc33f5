"""Prompt optimization: instructions for a scorer LLM on the user's own data."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from llmopt.core.encoding import written
from llmopt.core.problem import Description, Exemplar, Refusal
from llmopt.core.text import one_line
from llmopt.core.values import Call, Item, Outcome, canonical
from llmopt.errors import ConfigError
from llmopt.problems.data.columns import RowColumns
from llmopt.problems.data.objects import Rows, from_rows
from llmopt.problems.data.split_files import split_file
from llmopt.problems.data.split_identity import identity_of
from llmopt.problems.data.splits import Splits, split
from llmopt.problems.metrics.best_scored import best_scored
from llmopt.problems.metrics.rules import owned
from llmopt.problems.metrics.shown_shares import ShownShares
from llmopt.problems.prompt.choices import scored_splits
from llmopt.problems.prompt.constraints import Invariants, Leaks
from llmopt.problems.prompt.dropped import dropped_from
from llmopt.problems.prompt.few_shot import (
    PARTS,
    FewShot,
    FewShotPrompt,
    apart,
    fixed_shots,
    joined,
)
from llmopt.problems.prompt.instructions import instruction_of
from llmopt.problems.prompt.layout import Layout, layout, named_slots, own_layout
from llmopt.problems.prompt.own_marks import OwnMarks
from llmopt.problems.prompt.proposal_filter import Filters, edit_tokens, remedy_for
from llmopt.problems.prompt.scorer_call import Asking

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from llmopt.core.demonstrations import ShotRules
    from llmopt.core.model import Model
    from llmopt.core.problem import SplitName
    from llmopt.core.solution import SolutionPart
    from llmopt.problems.metrics.contract import Metric
    from llmopt.problems.prompt.layout import Position
    from llmopt.problems.tasks import Paper
    from llmopt.problems.tasks.lettered import Closing


@dataclass(frozen=True)
class PromptProblem(ShownShares):
    """Find the instruction with which a scorer LLM answers best.

    Use :meth:`from_file`, :meth:`from_rows` or :meth:`from_splits`; they check the data.

    Attributes:
        splits: Train, validation and test items.
        instructions: The starting instructions; the first is the one to beat.
        task: What the task is, in a sentence or two; shown to the optimizer LLM.
        metric: What an answer is worth, 0..1.
        prompt: Where the instruction stands.
        asking: How the scorer LLM is asked.
        filters: Which proposals are refused.
        invariants: What is demanded of every instruction, the starting ones included.
        balanced: Whether scores are balanced accuracy: each class has the same weight.
        few_shot: Which demonstrations an instruction may have; where it may have some, a solution
            has two parts.
        scorer: The scorer LLM, by name or as an object; whoever runs the problem builds it.
        judge: The judge LLM in the same way, for the metric ``judge`` alone.
    """

    splits: Splits
    instructions: tuple[str, ...]
    task: str
    metric: Metric
    prompt: Layout
    asking: Asking = field(default_factory=Asking)
    filters: Filters = field(default_factory=Filters)
    invariants: Invariants = field(default_factory=Invariants)
    balanced: bool = False
    scorer: object = None
    judge: object = None
    few_shot: FewShot = field(default_factory=FewShot)

    def __post_init__(self) -> None:
        object.__setattr__(self, "metric", owned(self.metric))  # a mere callable is one as well
        checked = self.few_shot.checked(self.asking.answer, self.prompt)
        object.__setattr__(self, "few_shot", checked)

    def __repr__(self) -> str:
        """Return a short summary, without the rows."""
        more = f" and {len(self.instructions) - 1} more" if len(self.instructions) > 1 else ""
        return (
            f"PromptProblem({self.splits!r}, metric={self.metric.name!r}, "
            f"start={one_line(self.instructions[0], 60)!r}{more})"
        )

    @classmethod
    def from_file(
        cls,
        path: str | Path,
        *,
        input: str | Sequence[str] = "input",  # noqa: A002 - the user's word for the column
        target: str = "target",
        id: str = "",  # noqa: A002 - likewise
        weight: str = "",
        group: str = "",
        fields: Sequence[str] = (),
        encoding: str = "",
        sizes: tuple[int | float, int | float, int | float] = (0.25, 0.25, 0.5),
        split_seed: int = 0,
        vault: float = 0,
        **options: object,
    ) -> Self:
        """Read a CSV, TSV, JSONL, JSON, Excel or Parquet file and split it.

        Args:
            path: The file.
            input: Column or columns of the inputs; a column one level down is ``inputs.question``.
            target: Column of the expected answers; lists of accepted answers are allowed.
            id: Column of names of rows; empty: made from the content.
            weight: Column of weights; empty: all rows count the same.
            group: Column of what rows share that are not independent, such as a passage or a user:
                they stay in one part, and count as one in intervals and tests; empty: none.
            fields: Further columns that the metric gets with the item; what the prompt layout
                names is taken anyhow.
            encoding: Of a text file that is not UTF-8, such as ``cp1252``.
            sizes: Train, validation and test as shares (together at most 1) or as counts.
            split_seed: Seed of the split.
            vault: Rows that no search touches, as a share or as a count; see
                :func:`~llmopt.problems.data.splits.put_aside`.
            options: See :meth:`from_splits`.

        Raises:
            DataError: The file, a column, a row or a size cannot be used.
            ConfigError: An option cannot be used.
        """
        optional = named_slots(str(options.get("prompt", "")))
        chosen = RowColumns(input, target, id, weight, group, fields, optional)
        splits = split_file(
            Path(path), chosen, encoding=encoding, sizes=sizes, seed=split_seed, vault=vault
        )
        return cls.from_splits(splits, **options)  # type: ignore[arg-type]

    @classmethod
    def from_rows(
        cls,
        rows: Rows,
        *,
        input: str | Sequence[str] = "input",  # noqa: A002 - the user's word for the key
        target: str = "target",
        id: str = "",  # noqa: A002 - likewise
        weight: str = "",
        group: str = "",
        fields: Sequence[str] = (),
        sizes: tuple[int | float, int | float, int | float] = (0.25, 0.25, 0.5),
        split_seed: int = 0,
        vault: float = 0,
        **options: object,
    ) -> Self:
        """Take Python data, see :func:`~llmopt.problems.data.objects.from_rows`.

        For the rest as from_file.
        """
        optional = named_slots(str(options.get("prompt", "")))
        items = from_rows(
            rows,
            input=input,
            target=target,
            id=id,
            weight=weight,
            group=group,
            fields=fields,
            optional=optional,
        )
        splits = split(items, sizes=sizes, seed=split_seed, vault=vault)
        return cls.from_splits(splits, **options)  # type: ignore[arg-type]

    @classmethod
    def from_task(
        cls,
        name: str,
        *,
        data_dir: str | Path | None = None,
        split: Paper = "",
        sizes: tuple[int | float, int | float, int | float] = (0.25, 0.25, 0.5),
        split_seed: int = 0,
        vault: float = 0,
        closing: Closing = "choose",
        **options: object,
    ) -> Self:
        """Take one of the papers' tasks; see :func:`~llmopt.problems.tasks.load_task`.

        Args:
            name: Such as ``gsm8k`` or ``bbh/object_counting``.
            data_dir: The folder with the official files.
            split: Whose split: "opro", "gpo", or "" for `sizes`.
            sizes: As in :meth:`~llmopt.problems.tasks.Task.splits`.
            split_seed: Seed of the split; 0 is the papers'.
            vault: As in :meth:`~llmopt.problems.tasks.Task.splits`.
            closing: See :func:`~llmopt.problems.tasks.load_task`.
            options: See :meth:`from_splits`; what is not given is the task's own.

        Raises:
            DataError: A file is missing or malformed.
            ConfigError: The task, the split or an option cannot be used.
        """
        from llmopt.problems.tasks import load_task

        task = load_task(name, data_dir, closing)
        extra: Any = options.get("fixed_demonstrations", 0)
        splits = task.splits(split, sizes=sizes, seed=split_seed, vault=vault, extra=extra)
        return cls.from_splits(splits, **{**task.options(split), **options})

    @classmethod
    def from_splits(
        cls,
        splits: Splits,
        *,
        instructions: object = ("Let's solve the problem.",),
        task: str = "",
        metric: str | Metric | Callable[[str, Item], Any] = "auto",
        choices: Sequence[str] = (),
        position: Position = "Q_begin",
        qa_frame: bool | None = None,
        prompt: str = "",
        balanced: bool = False,
        asking: Asking | None = None,
        filters: Filters | None = None,
        invariants: Invariants | None = None,
        scorer: object = None,
        judge: object = None,
        demonstrations: int | FewShot = 0,
        fixed_demonstrations: int = 0,
    ) -> Self:
        """Build a problem from items that are already split.

        Args:
            splits: Train, validation and test; no input may stand in two of them. Candidates
                may be measured on the first train items only, so a sorted file wants
                :func:`~llmopt.problems.data.splits.mixed` first.
            instructions: Starting instructions; the first is the one to beat. An empty text
                is allowed. Each may be a DSPy signature or module as well.
            task: What the task is; derived from the answers where it is empty.
            metric: A name (exact, choice, number, boolean, contains, ``pattern:REGEX``,
                ``package.module:function``), a
                :class:`~llmopt.problems.metrics.contract.Metric`, a callable that gives a
                ``Scored``, or "auto" for what the targets suggest.
            choices: The closed set of answers; empty: the targets that occur.
            position: Where the instruction stands; not used with `prompt`.
            qa_frame: See :func:`~llmopt.problems.prompt.layout.layout`.
            prompt: A layout of the user's own with ``{instruction}`` and ``{input}``, or with
                columns of the data in place of the latter; lines ``[system]``, ``[user]`` and
                ``[assistant]`` begin turns. See :class:`~llmopt.problems.prompt.layout.Layout`.
            balanced: Score balanced accuracy.
            asking: How the scorer LLM is asked.
            filters: Which proposals are refused.
            invariants: What is demanded of every instruction.
            scorer: The scorer LLM by name, or as a model.
            judge: The judge LLM likewise; the metric "judge", or a
                :class:`~llmopt.problems.metrics.judge.Judge`, needs one.
            demonstrations: How many training rows with their answers an instruction may show the
                scorer LLM at most, or further rules for them; 0: none.
            fixed_demonstrations: How many training rows with their answers the scorer LLM is shown
                with every question; nothing is measured on them. 0: none.

        Raises:
            DataError: A split shares an input with another, a target can never be right, or
                all targets are equal.
            ConfigError: An option cannot be used.
        """
        every = (*splits.train, *splits.validation, *splits.test, *splits.vault)
        shown = own_layout(prompt, every) if prompt else layout(position, qa_frame=qa_frame)
        if fixed_demonstrations:
            splits, shown = fixed_shots(splits, shown, fixed_demonstrations)
        likelihood = asking is not None and asking.answer == "likelihood"
        splits, chosen = scored_splits(
            splits, metric, choices, judge=judge, balanced=balanced, likelihood=likelihood
        )
        several = instructions if isinstance(instructions, list | tuple) else (instructions,)
        starts = tuple(instruction_of(one) for one in several)
        if not starts:
            raise ConfigError("starting instructions are one or more, but got none")
        problem = cls(
            splits=splits,
            instructions=tuple(dict.fromkeys(text.strip() for text in starts)),
            task=task,
            metric=chosen,
            prompt=shown,
            asking=asking or Asking(),
            filters=filters or Filters(),
            invariants=invariants or Invariants(),
            balanced=balanced,
            scorer=scorer,
            judge=judge,
            few_shot=FewShot.of(demonstrations),
        )
        problem._check_starts()
        return problem if task else replace(problem, task=problem.guessed_task())

    def guessed_task(self) -> str:
        """Return a task line made from the metric where the user gave none."""
        return self.metric.task

    @property
    def description(self) -> Description:
        """How the problem presents itself to an optimizer LLM."""
        return Description(
            task=self.task,
            where=self.prompt.where,
            measure=self.metric.measure,
            labels=self.metric.labels,
            constraints=(*self.invariants.in_words, *self._to_keep()),
            longest=0 if self.invariants.max_words else self.limits.longest,
            unit="share",
            tokens=edit_tokens(self.instructions),
            marks=self.own.marks,
        )

    @property
    def fingerprint(self) -> dict[str, str]:
        """Everything that decides scores, by name; a judge LLM once it is handed in."""
        judge = self.metric.judge
        return {
            **identity_of(self.splits),
            "instructions": canonical(self.instructions),
            "task": self.task,
            "metric": written(self.metric),
            "prompt": self.prompt.text,
            "asking": written(self.asking),
            **({} if self.asking.answer == "text" else {"answer": self.asking.answer}),
            "filters": written(self.filters),
            "invariants": written(self.invariants),
            **({"judge": judge.identity} if judge else {}),
            **({"demonstrations": written(self.few_shot)} if self.few_shot.most else {}),
        }

    def parts(self) -> tuple[SolutionPart, ...]:
        """Return the instruction, and demonstrations where it may have some."""
        return PARTS if self.few_shot.most else PARTS[:1]

    def shot_rules(self) -> ShotRules | None:
        """Return which demonstrations an instruction may have; None: none at all."""
        return self._shots.rules if self._shots else None

    @cached_property
    def _shots(self) -> FewShotPrompt | None:
        rules = self.few_shot.rules(self.splits.train, self.own.marks)
        return FewShotPrompt(self.prompt, rules) if rules else None

    def _to_keep(self) -> Iterator[str]:
        """Yield, as clauses, what the starting instructions have that proposals may not lose."""
        for variable in self.own.kept if self.filters.variables == "keep" else ():
            if not any(variable in text for text in self.invariants.placeholders):
                yield f"it contains {variable} exactly as written here"

    def judged_by(self) -> object:
        """Return the judge LLM, by name or as a model; None where there is none."""
        return self.judge

    def calls_each(self) -> int:
        """Return one or two calls to the scorer LLM, and those to a judge LLM."""
        return 1 + self.asking.again + self.metric.calls

    def bound(self, judge: Model) -> Self:
        """Return the problem with the judge LLM that its metric asks."""
        return replace(self, metric=self.metric.bound(judge))

    def controls(self) -> dict[str, str]:
        """Return instructions that nobody had to search for: none, and a well-known general one."""
        said = {"empty": "", "think": "Let's think step by step."}
        return {name: self._whole(text) for name, text in said.items()}

    @property
    def starts(self) -> tuple[str, ...]:
        """The starting instructions as canonical texts."""
        return tuple(map(self._whole, self.instructions))

    def _whole(self, instruction: str) -> str:
        """Return the canonical text of an instruction without demonstrations."""
        return joined(instruction) if self.few_shot.most else instruction

    def items(self, split: SplitName) -> tuple[Item, ...]:
        """Return the items of a split."""
        found: tuple[Item, ...] = getattr(self.splits, split)
        return found

    def vault(self) -> tuple[Item, ...]:
        """Return the items that no search touches."""
        return self.splits.vault

    def parse(self, text: str) -> str | Refusal:
        """Polish a proposed instruction as the paper's code does, or refuse it.

        A starting instruction that is proposed again stays what it is (O4), whatever it holds.
        Where there may be demonstrations, a text without the headings of parts has none.
        """
        if self._shots:
            return self._shots.parsed(text, self._instruction)
        return self._instruction(text)

    def _instruction(self, text: str) -> str | Refusal:
        """Parse an instruction."""
        if text.strip() and text.strip() in self.instructions:
            return text.strip()
        polished = self.limits.polished(text, self.own, self.invariants.placeholders)
        if isinstance(polished, Refusal):
            return polished
        reason = (
            self.invariants.broken(polished, self.metric.labels)
            or (self.own.fault(polished) if self.filters.variables == "keep" else "")
            or self.leaks.found(polished)
        )
        return Refusal(reason) if reason else polished

    def remedy(self, reason: str) -> str:
        """Return what to change so that nothing is refused for a reason, naming the key."""
        return remedy_for(reason)

    def dropped(self, text: str) -> tuple[str, ...]:
        """Return which parts of the first starting instruction a text has dropped."""
        said = apart(text)[0] if self.few_shot.most else text
        return dropped_from(self.instructions[0], said)

    @cached_property
    def limits(self) -> Filters:
        """The filters, with a limit on the length that follows the starting instructions."""
        return self.filters.following(self.instructions)

    @cached_property
    def own(self) -> OwnMarks:
        """What belongs to the user's own texts, and so may stand in an instruction."""
        demanded = (*self.invariants.required, *self.invariants.placeholders)
        return OwnMarks(
            self.instructions,
            (self.task, *demanded),
            self.splits.train,
            self.metric.labels,
            self.prompt.text,
        )

    @cached_property
    def leaks(self) -> Leaks:
        """Finds training data in an instruction."""
        return Leaks(self.splits.train, self.filters.copied_words)

    def _check_starts(self) -> None:
        """Refuse starting instructions that break what is demanded of all of them."""
        for start in self.instructions:
            broken = self.invariants.broken(start, self.metric.labels)
            if broken:
                raise ConfigError(
                    "a starting instruction keeps every demand on instructions, but got "
                    f"{one_line(start, 60)!r}, which is refused: {broken}; change it or the demand"
                )

    def exemplar(self, item: Item, placeholder: str) -> Exemplar:
        """Return a training item with a placeholder where the instruction goes."""
        return Exemplar(
            item.input, self.prompt.fill(placeholder, item.input, item.fields), item.target
        )

    def recorded(self) -> dict[str, Any]:
        """Return how answers are asked for and sampled as text, and how they are judged."""
        spoken = self.asking.spoken(Call("scorer", prompt=""), self.metric)
        assertion = self.metric.promptfoo()
        return {
            "kind": "prompt",
            "again": self.asking.again,
            "answer": self.asking.answer,
            "max_tokens": spoken.max_tokens,
            "stop": list(spoken.stop),
            "metric": self.metric.title,
            "assertion": None if assertion is None else asdict(assertion),
            **({"demonstrations": self.few_shot.most} if self.few_shot.most else {}),
        }

    def call(self, text: str, item: Item, scorer: Model) -> Call:
        """Return the scorer call for a solution and an item."""
        shots, plain = self._shots, self.prompt.turns
        turns = shots.asked(text, item) if shots else plain(text, item.input, item.fields)
        return self.asking.first(turns, scorer, self.metric, item)

    def again(self, first: Call, answer: str, item: Item | None = None) -> Call | None:
        """Return the call that asks for the final answer, or None where one call is enough."""
        return self.asking.second(first, answer, self.metric, item)

    async def remarks(self, output: str, item: Item) -> str:
        """Return what a judge LLM said of an output, which costs nothing once it was measured."""
        return await self.metric.remarks(output, item)

    def check_scorer(self, scorer: Model) -> None:
        """Refuse a scorer LLM that cannot be asked as is wanted; see `Asking.check`."""
        self.asking.check(scorer)

    async def measure(self, text: str, item: Item, scorer: Model | None) -> Outcome:
        """Ask the scorer LLM and judge its answer.

        Where the answer is read from its likelihood, the score is the probability of the expected
        answer among all possible ones.

        Raises:
            ModelError: The scorer LLM, or a judge LLM, could not answer.
            ConfigError: No scorer LLM was given, or one that cannot be asked as is wanted, or
                no judge LLM where one is asked.
        """
        if scorer is None:
            raise ConfigError(
                "prompts are measured by a scorer LLM, but got none; name one with scorer=…"
            )
        self.metric.ready()
        self.check_scorer(scorer)
        call = self.call(text, item, scorer)
        reply = await scorer.complete(call)
        if call.answers:
            read = self.metric.closed(item).scored(reply)
            return Outcome(item.id, read.score, read.answer, item.weight)
        cut_at = call.max_tokens if reply.finish == "length" else 0
        again = self.again(call, reply.text, item)
        if again:
            reply = await scorer.complete(again)
        scored = await best_scored(self.metric, reply.text, item)
        return scored.outcome(item, cut_at)
