"""Prompt optimization: instructions for a scorer LLM on the user's own data."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

from llmopt.errors import ConfigError, DataError
from llmopt.problem import Description, Exemplar, Refusal
from llmopt.problems.datasets import from_rows, load
from llmopt.problems.layouts import Layout, layout
from llmopt.problems.metrics import (
    Choice,
    Metric,
    Number,
    check_targets,
    default_metric,
    metric_named,
)
from llmopt.problems.splits import Splits, balance, check_disjoint, split
from llmopt.text import leaked_marker
from llmopt.types import Call, Item, Message, Outcome, canonical, digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from llmopt.model import Model
    from llmopt.problem import SplitName
    from llmopt.problems.layouts import Position

Mode = Literal["auto", "chat", "completion"]


@dataclass(frozen=True)
class Asking:
    """How the scorer LLM is asked.

    Attributes:
        mode: As a chat of one user turn, as a raw completion, or as the model can.
        temperature: 0 is greedy, as in the paper.
        max_tokens: Of one answer; 0 takes 1,024 for numbers (the answer comes after the
            reasoning) and 256 otherwise.
        stop: Texts that end an answer.
    """

    mode: Mode = "auto"
    temperature: float = 0.0
    max_tokens: int = 0
    stop: tuple[str, ...] = ()


@dataclass(frozen=True)
class Filters:
    """Which proposed instructions are refused (OPRO, section 3, step 8).

    Attributes:
        max_length: Longest instruction in characters.
        digits: Whether digits are allowed (the published code forbids them on GSM8K only).
        last_full_stop: Whether a final full stop is added where there is no end mark.
    """

    max_length: int = 500
    digits: bool = True
    last_full_stop: bool = False


@dataclass(frozen=True)
class PromptProblem:
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
        balanced: Whether scores are balanced accuracy: each class has the same weight.
        scorer: The scorer LLM, by name or as an object; whoever runs the problem builds it.
    """

    splits: Splits
    instructions: tuple[str, ...]
    task: str
    metric: Metric
    prompt: Layout
    asking: Asking = Asking()
    filters: Filters = Filters()
    balanced: bool = False
    scorer: object = None

    @classmethod
    def from_file(
        cls,
        path: str | Path,
        *,
        input: str = "input",  # noqa: A002 - the user's word for the column
        target: str = "target",
        sizes: tuple[int | float, int | float, int | float] = (0.25, 0.25, 0.5),
        split_seed: int = 0,
        **options: object,
    ) -> Self:
        """Read a CSV, TSV, JSONL, JSON or Parquet file and split it.

        Args:
            path: The file.
            input: Column of the inputs.
            target: Column of the expected answers.
            sizes: Train, validation and test as shares (together at most 1) or as counts.
            split_seed: Seed of the split.
            options: See :meth:`from_splits`.

        Raises:
            DataError: The file, a column, a row or a size cannot be used.
            ConfigError: An option cannot be used.
        """
        items = load(Path(path), input=input, target=target)
        return cls.from_splits(split(items, sizes=sizes, seed=split_seed), **options)  # type: ignore[arg-type]

    @classmethod
    def from_rows(
        cls,
        rows: Iterable[Mapping[str, object]],
        *,
        input: str = "input",  # noqa: A002 - the user's word for the key
        target: str = "target",
        sizes: tuple[int | float, int | float, int | float] = (0.25, 0.25, 0.5),
        split_seed: int = 0,
        **options: object,
    ) -> Self:
        """Take a list of mappings; otherwise as :meth:`from_file`."""
        items = from_rows(rows, input=input, target=target)
        return cls.from_splits(split(items, sizes=sizes, seed=split_seed), **options)  # type: ignore[arg-type]

    @classmethod
    def from_splits(
        cls,
        splits: Splits,
        *,
        instructions: Sequence[str] | str = ("Let's solve the problem.",),
        task: str = "",
        metric: str | Metric = "auto",
        choices: Sequence[str] = (),
        position: Position = "Q_begin",
        qa_frame: bool | None = None,
        prompt: str = "",
        balanced: bool = False,
        asking: Asking | None = None,
        filters: Filters | None = None,
        scorer: object = None,
    ) -> Self:
        """Build a problem from items that are already split.

        Args:
            splits: Train, validation and test; no input may stand in two of them. Candidates
                may be measured on the first train items only, so a sorted file wants
                :func:`~llmopt.problems.splits.mixed` first.
            instructions: Starting instructions; the first is the one to beat. An empty text
                is allowed.
            task: What the task is; derived from the answers where it is empty.
            metric: A name (exact, choice, number, boolean, contains, ``pattern:REGEX``,
                ``package.module:function``), a metric, or "auto" for what the targets suggest.
            choices: The closed set of answers; empty: the targets that occur.
            position: Where the instruction stands; not used with `prompt`.
            qa_frame: See :func:`~llmopt.problems.layouts.layout`.
            prompt: A layout of the user's own with ``{instruction}`` and ``{input}``.
            balanced: Score balanced accuracy.
            asking: How the scorer LLM is asked.
            filters: Which proposals are refused.
            scorer: The scorer LLM by name, or as a model.

        Raises:
            DataError: A split shares an input with another, a target can never be right, or
                all targets are equal.
            ConfigError: An option cannot be used.
        """
        check_disjoint(splits)
        items = (*splits.train, *splits.validation, *splits.test)
        chosen = _metric(metric, choices, items)
        if balanced:
            splits = Splits(*(balance(s) for s in (splits.train, splits.validation, splits.test)))
        starts = (instructions,) if isinstance(instructions, str) else tuple(instructions)
        if not starts:
            raise ConfigError("starting instructions are one or more, but got none")
        problem = cls(
            splits=splits,
            instructions=tuple(dict.fromkeys(text.strip() for text in starts)),
            task=task,
            metric=chosen,
            prompt=Layout(prompt) if prompt else layout(position, qa_frame=qa_frame),
            asking=asking or Asking(),
            filters=filters or Filters(),
            balanced=balanced,
            scorer=scorer,
        )
        return problem if task else replace(problem, task=problem.guessed_task())

    def guessed_task(self) -> str:
        """Return a task line made from the metric where the user gave none."""
        if isinstance(self.metric, Choice):
            return "Give the right answer out of a fixed set of answers."
        if isinstance(self.metric, Number):
            return "Solve problems whose answer is a number."
        return "Give the right answer to each input."

    @property
    def description(self) -> Description:
        """How the problem presents itself to an optimizer LLM."""
        labels = self.metric.choices if isinstance(self.metric, Choice) else ()
        return Description(task=self.task, where=self.prompt.where, labels=tuple(labels))

    @property
    def fingerprint(self) -> dict[str, str]:
        """Everything that decides scores, by name."""
        return {
            "train": _data(self.splits.train),
            "validation": _data(self.splits.validation),
            "test": _data(self.splits.test),
            "instructions": canonical(self.instructions),
            "task": self.task,
            "metric": repr(self.metric),
            "prompt": self.prompt.text,
            "asking": repr(self.asking),
            "filters": repr(self.filters),
        }

    @property
    def starts(self) -> tuple[str, ...]:
        """The starting instructions as canonical texts."""
        return self.instructions

    def items(self, split: SplitName) -> tuple[Item, ...]:
        """Return the items of a split."""
        found: tuple[Item, ...] = getattr(self.splits, split)
        return found

    def parse(self, text: str) -> str | Refusal:
        """Polish a proposed instruction as the paper's code does, or refuse it.

        A starting instruction that is proposed again stays what it is (O4).
        """
        if text.strip() and text.strip() in self.instructions:
            return text.strip()
        marker = leaked_marker(text)
        if marker:
            return Refusal(f"leaked marker {marker}")
        polished = _polish(text)
        if not polished:
            return Refusal("empty")
        polished = polished[0].upper() + polished[1:]
        if self.filters.last_full_stop and polished[-1] not in ".!?:":
            polished += "."
        if len(polished) > self.filters.max_length:
            return Refusal(f"longer than {self.filters.max_length} characters")
        if not self.filters.digits and re.search(r"\d", polished):
            return Refusal("contains a digit")
        return polished

    def exemplar(self, item: Item, placeholder: str) -> Exemplar:
        """Return a training item with a placeholder where the instruction goes."""
        return Exemplar(item.input, self.prompt.fill(placeholder, item.input), item.target)

    def show(self, score: float, buckets: int) -> str:
        """Return a score on 0..buckets, rounded half to even as in the published code.

        The product is rounded to 9 decimals first, so that 0.29 is 29 and 0.285 of 100 is
        decided by its decimal value and not by its binary one.
        """
        return str(round(round(score * buckets, 9)))

    def scale(self, buckets: int) -> str:
        """Return the highest score shown."""
        return str(buckets)

    def aim(self, best: float, buckets: int) -> str:
        """Return the score that a continued list asks for: halfway from the best to the top."""
        return self.show(best + (1 - best) / 2, buckets)

    def call(self, text: str, item: Item, scorer: Model) -> Call:
        """Return the scorer call for an instruction and an item."""
        prompt = self.prompt.fill(text, item.input)
        asking = self.asking
        chat = scorer.traits.chat if asking.mode == "auto" else asking.mode == "chat"
        return Call(
            role="scorer",
            messages=(Message("user", prompt),) if chat else (),
            prompt=None if chat else prompt,
            temperature=asking.temperature,
            max_tokens=asking.max_tokens or (1024 if isinstance(self.metric, Number) else 256),
            stop=asking.stop,
        )

    async def measure(self, text: str, item: Item, scorer: Model | None) -> Outcome:
        """Ask the scorer LLM and judge its answer.

        Raises:
            ModelError: The scorer LLM could not answer.
            ConfigError: No scorer LLM was given.
        """
        if scorer is None:
            raise ConfigError(
                "prompts are measured by a scorer LLM, but got none; name one with scorer=…"
            )
        reply = await scorer.complete(self.call(text, item, scorer))
        scored = self.metric(reply.text, item)
        return Outcome(item.id, scored.score, scored.answer, item.weight)


def _metric(metric: str | Metric, choices: Sequence[str], items: Sequence[Item]) -> Metric:
    """Return the metric, checked against every target."""
    targets = [item.target for item in items]
    if not isinstance(metric, str):
        chosen = metric
    elif metric == "auto":
        chosen = Choice(tuple(choices)) if choices else default_metric(targets)
    else:
        known = tuple(choices) or tuple(sorted(set(targets)))
        chosen = metric_named(metric, known)
    check_targets(chosen, items)
    if len(set(targets)) < 2:  # noqa: PLR2004 - one class is no task
        raise DataError(
            f"targets are of at least two kinds, but all {len(targets)} are {targets[0]!r}; "
            "any instruction that makes the model say so would look perfect"
        )
    return chosen


def _polish(text: str) -> str:
    """Strip white space, a pair of quotes around everything, and ``**`` (OPRO, section 3)."""
    polished = text.replace("**", "").strip()
    while len(polished) > 1 and (polished[0], polished[-1]) in (('"', '"'), ("“", "”")):
        inner = polished[1:-1]
        if polished[0] in inner or polished[-1] in inner:
            break  # two quotations, not one around everything
        polished = inner.strip()
    return polished


def _data(items: Sequence[Item]) -> str:
    rows = [[item.id, item.input, item.target, item.weight] for item in items]
    return digest(canonical(rows))[:16]
