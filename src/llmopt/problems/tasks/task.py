"""What a task is: facts that are known without its data, and its items in the papers' splits."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from llmopt.errors import ConfigError, DataError, UnknownNameError
from llmopt.problems.data.splits import (
    Splits,
    mixed,
    portions,
    put_aside,
    split,
    without_repeats,
)
from llmopt.problems.metrics.rules import METRICS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from llmopt.core.values import Item
    from llmopt.problems.prompt.layout import Position

Paper = Literal["opro", "gpo", ""]
"""Whose split it is; empty for sizes of the user's own."""

_LEAST = 2  # items in train and in test
_LETTER = re.compile(r"\([A-Z]\)")
_SECOND = "\n(B)"  # where the second option of a question begins


@dataclass(frozen=True, slots=True)
class File:
    """One official file, and where the Hugging Face hub has its rows.

    Attributes:
        part: The official part that it is; a set of one part is all ``test``.
        path: Below the data folder.
        repo: The data set on the hub.
        subset: Its configuration there; empty where it has one only.
        rows: Its split there, as the library ``datasets`` names it.
    """

    part: Literal["train", "test"]
    path: str
    repo: str
    subset: str
    rows: str


class Start(NamedTuple):
    """Where a paper's instruction stands, and which one it starts from."""

    position: Position
    instruction: str


@dataclass(frozen=True)
class TaskInfo:
    """What is known of a task without its data.

    Attributes:
        name: Such as ``bbh/object_counting``.
        what: The task in a sentence, as the optimizer LLM is told it.
        metric: What judges its answers, by its name in a configuration.
        home: Where the data are to be had: a project's name.
        files: Its official files, in order.
        read: A file -> input and target of each row, and further accepted answers.
        write: Rows as the hub has them -> the text of an official file.
        instruction: What OPRO starts from.
        opro: The share of the first part that OPRO trains on; None where the paper does not.
        gpo: Number of items -> sizes of GPO's train, evaluation and test; None without.
    """

    name: str
    what: str
    metric: str
    home: str
    files: tuple[File, ...]
    read: Callable[[Path], Iterator[tuple[str, ...]]]
    write: Callable[[Iterable[Mapping[str, Any]]], str]
    instruction: str = "Let's solve the problem."
    opro: float | None = None
    gpo: Callable[[int], tuple[int, int, int]] | None = None

    @property
    def kind(self) -> str:
        """What kind of answers it has."""
        return METRICS[self.metric].kind

    @property
    def papers(self) -> tuple[Paper, ...]:
        """The papers that have a split of this task; the first one's is the usual one."""
        known: tuple[tuple[Paper, object], ...] = (("opro", self.opro), ("gpo", self.gpo))
        return tuple(paper for paper, has in known if has is not None)

    def start(self, paper: Paper) -> Start:
        """Return where a paper's search begins.

        OPRO: Q_begin, as with its instruction-tuned scorer (sections 2 and 6; on GSM8K the
        published code's first instruction). GPO: Q_end (section 3). Sizes of the user's own go
        with OPRO's start.
        """
        if paper == "gpo":
            return Start("Q_end", "Let's think step by step.")
        return Start("Q_begin", self.instruction)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where items came from.

    Attributes:
        file: The official file's path below the data folder.
        sha256: Of the file, in hex.
        hub: ``<data set>@<revision>`` where the hub gave it, or empty.
    """

    file: str
    sha256: str
    hub: str = ""


@dataclass(frozen=True)
class Task:
    """A task with its items.

    An item's id is its file's name and the number of its row, from 0: ``object_counting-17``.
    Four rows of BIG-Bench Hard are no questions: in three the answer is none of the options,
    which were cut at their commas, and one has a single option. They keep their places in the
    published draws, and are left out of :attr:`items` and of every split.

    Attributes:
        entry: What is known without the data.
        train: Every row of the official training part; empty where the set has one part only.
        test: Every row of the official test part, or all rows.
        provenance: Where the items came from, file by file.
    """

    entry: TaskInfo
    train: tuple[Item, ...]
    test: tuple[Item, ...]
    provenance: tuple[Origin, ...]

    @property
    def name(self) -> str:
        """Such as ``bbh/object_counting``."""
        return self.entry.name

    @property
    def items(self) -> tuple[Item, ...]:
        """All items that can be answered, the training part first."""
        return self._answerable(self.train + self.test)

    def options(self, paper: Paper = "") -> dict[str, Any]:
        """Return what :meth:`PromptProblem.from_splits` takes beside the items."""
        start = self.entry.start(paper)
        return {
            "task": self.entry.what,
            "metric": self.entry.metric,
            "position": start.position,
            "instructions": (start.instruction,),
        }

    def splits(
        self,
        paper: Paper = "",
        *,
        sizes: tuple[int | float, int | float, int | float] = (0.25, 0.25, 0.5),
        seed: int = 0,
        vault: float = 0,
        extra: int = 0,
    ) -> Splits:
        """Return train, validation and test.

        ``opro``: the paper's share of the items by the published code's draw, for train (with
        seed 0 the very same rows); the official test part, or all other rows, for test; no
        validation (OPRO, section 2). ``gpo``: disjoint parts of that paper's sizes, drawn by
        us, for the published code ships its own rows (GPO, section 3). Otherwise `sizes`.

        Where there is an official training part, train and validation come from it and test
        from the test part, and shares are of the part that they are taken from. No held-out
        item has the input of a train item: the train rows stay, and such an item is left out of
        the held-out part. Train is shuffled, so that its first items stand for all.

        Args:
            paper: Whose split.
            sizes: Three shares (at least one float) or three counts; not used with a paper's.
            seed: Of the draw.
            vault: Put aside before, of the official test part or else of all items; see
                :func:`~llmopt.problems.data.splits.put_aside`.
            extra: Training rows beyond GPO's number, for demonstrations; others have them among
                their training rows.

        Raises:
            ConfigError: The paper has no split of this task, or one that has no vault, or sizes
                cannot be used.
            DataError: There are too few items.
        """
        if paper not in ("", "opro", "gpo"):
            raise UnknownNameError("a paper's split", paper, ("opro", "gpo"))
        if paper and paper not in self.entry.papers:
            raise ConfigError(
                f"the split {paper!r} is one that its paper has of the task, but got "
                f"{self.name!r}; choose problem.sizes and leave problem.split out"
            )
        if paper and vault:
            raise ConfigError(
                f"a paper's split has no vault, but got the split {paper!r} and vault = {vault:g}; "
                "choose problem.sizes instead of problem.split, or leave problem.vault out"
            )
        if paper == "opro":
            return self._opro(seed)
        if paper == "gpo" and self.entry.gpo:
            fitted, *held_out = self.entry.gpo(len(self.test))
            sizes = (fitted + extra, held_out[0], held_out[1])
        first, second = self._answerable(self.train), self._answerable(self.test)
        if not first:
            return split(second, sizes=sizes, seed=seed, vault=vault)
        aside, second = put_aside(second, vault)
        counts = _counts(sizes, len(first), len(second))
        train, validation = portions(first, counts[:2], seed=seed)
        (test,) = portions(second, counts[2:], seed=seed)
        return without_repeats(Splits(train, validation, test, aside))

    def _opro(self, seed: int) -> Splits:
        pool = self.train or self.test
        size = int((self.entry.opro or 0) * len(pool))
        drawn = set(np.random.RandomState(seed).choice(len(pool), size, replace=False).tolist())
        train = [item for row, item in enumerate(pool) if row in drawn]
        others = [item for row, item in enumerate(pool) if row not in drawn]
        if min(len(train), len(others)) < _LEAST:
            raise DataError(
                f"train and test have at least {_LEAST} rows each, but OPRO's split of the "
                f"{len(pool)} rows of {self.name!r} has {len(train)} and {len(others)}; "
                "complete the data, or choose problem.sizes and leave problem.split out"
            )
        test = self._answerable(self.test if self.train else others)
        return without_repeats(Splits(mixed(self._answerable(train), seed), (), test))

    def _answerable(self, items: Sequence[Item]) -> tuple[Item, ...]:
        lettered = self.entry.metric == "options"
        return tuple(
            i for i in items if not lettered or (_LETTER.fullmatch(i.target) and _SECOND in i.input)
        )


def _counts(sizes: tuple[int | float, ...], train: int, test: int) -> tuple[int, ...]:
    """Return how many items three parts get out of an official train and an official test part."""
    if any(not math.isfinite(size) or size < 0 for size in sizes):
        raise ConfigError(f"split sizes are 0 or more, but got {sizes}")
    pools = (train, train, test)
    if all(isinstance(size, int) for size in sizes):
        counts = tuple(int(size) for size in sizes)
    else:  # the decimals that the user wrote, not their binary neighbours
        counts = tuple(
            math.floor(Fraction(str(size)) * pool) for size, pool in zip(sizes, pools, strict=True)
        )
    if counts[0] + counts[1] > train or counts[2] > test:
        raise ConfigError(
            f"split sizes fit into the {train} rows of train (train and validation) and the "
            f"{test} rows of test, but got {sizes}; lower them"
        )
    if min(counts[0], counts[2]) < _LEAST:
        raise ConfigError(f"train and test have at least {_LEAST} rows, but got {sizes}")
    return counts
