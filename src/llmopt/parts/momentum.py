"""Which past solutions are shown beside the current one: GPO's momentum.

The past is who was *chosen*: the solutions that the search went on from, step by step (GPO,
section 2). Each way of choosing also chooses among past critiques.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import insort
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING, Literal, Protocol, Self, get_args

from llmopt.errors import ConfigError, UnknownNameError
from llmopt.parts.similarity import Embedded, Index, Lexical, named_similarity
from llmopt.parts.zeros import check_zeros, sparing

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy as np

    from llmopt.metaprompt import Zeros
    from llmopt.model import Model
    from llmopt.part import Select
    from llmopt.parts.similarity import Similarity
    from llmopt.trajectory import Entry, Trajectory

Turn = Literal["ascending", "descending"]
Past = Literal["recency", "relevance", "importance", "summary"]
Momentum = Past | Literal["none"]


class Memory(Protocol):
    """Chooses among past texts."""

    @property
    def k(self) -> int:
        """How many are shown, the current one included."""
        ...

    async def pick(
        self, n: int, texts: Sequence[str], worth: Sequence[float], about: str
    ) -> list[int]:
        """Return the positions of at most `n` texts, in the order in which they are shown.

        Args:
            n: How many, 0 or more.
            texts: In the order of their time.
            worth: What each was worth; higher is better.
            about: The current text.
        """
        ...


@dataclass(frozen=True)
class Only:
    """The current solution and nothing else: no momentum."""

    async def __call__(
        self, trajectory: Trajectory, current: tuple[Entry, ...], rng: np.random.RandomState
    ) -> tuple[tuple[Entry, ...], ...]:
        """Return one group."""
        del trajectory, rng
        return (current[:1],)


@dataclass(frozen=True)
class _Retrieval(ABC):
    """The current solution, and past ones beside it.

    Attributes:
        k: How many are shown, the current one included; 1 or more.
        order: What comes nearest to being newest, best or most alike stands last and the current
            one after it (``ascending``), or all the other way round (``descending``).
        zeros: Whether of those that came to nothing ``few`` are shown, or ``all`` (paper).
    """

    k: int = 3
    order: Turn = "ascending"
    zeros: Zeros = "few"

    def __post_init__(self) -> None:
        if self.k < 1:
            raise ConfigError(f"the number of solutions shown is 1 or more, but got {self.k}")
        if self.order not in get_args(Turn):
            raise ConfigError(f"an order is ascending or descending, but got {self.order!r}")
        check_zeros(self.zeros)

    @abstractmethod
    async def _ranked(self, texts: Sequence[str], worth: Sequence[float], about: str) -> list[int]:
        """Return the positions of all texts, those to be shown first at the end."""

    async def pick(
        self, n: int, texts: Sequence[str], worth: Sequence[float], about: str
    ) -> list[int]:
        """See :class:`Memory`."""
        if n < 1 or not texts:
            return []
        found = (await self._ranked(texts, worth, about))[-n:]
        return found if self.order == "ascending" else found[::-1]

    async def __call__(
        self, trajectory: Trajectory, current: tuple[Entry, ...], rng: np.random.RandomState
    ) -> tuple[tuple[Entry, ...], ...]:
        """Return one group; an empty one only if there is no current solution."""
        del rng
        if not current:
            return ((),)
        past = trajectory.running("chosen", Chosen)
        few = self.zeros == "few"
        others = (
            entry
            for entry in await self._nearest(past, current[0], trajectory)
            if entry.candidate.id != current[0].candidate.id
            and not (few and trajectory.unreadable(entry))
        )
        group = (current[0], *islice(others, self.k - 1))  # nearest first
        if few:
            group = tuple(sparing(trajectory, group))
        return (group[::-1] if self.order == "ascending" else group,)

    @abstractmethod
    async def _nearest(self, past: Chosen, now: Entry, trajectory: Trajectory) -> Iterable[Entry]:
        """Return past solutions, those first that are to be shown first of all."""


class Chosen:
    """Who the search went on from, each once, in the order of time.

    Attributes:
        entries: Those that have a score.
        ranked: Estimates with their places in `entries`, the worst first; of equals the older.
    """

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.ranked: list[tuple[float, int]] = []
        self._known: set[str] = set()

    def add(self, entry: Entry, trajectory: Trajectory) -> None:
        """Add the one that an entry was made out of: its last parent."""
        lead = entry.candidate.parents[-1] if entry.candidate.parents else None
        if lead is None or lead in self._known:
            return
        self._known.add(lead)
        chosen = trajectory.entry(lead)
        if chosen.evaluation.score is not None:
            insort(self.ranked, (trajectory.estimate(chosen), len(self.entries)))
            self.entries.append(chosen)


class _Compared(Chosen):
    """The same, ready to be compared with a text."""

    def __init__(self, lexical: Lexical) -> None:
        super().__init__()
        self.index = Index(lexical)

    def add(self, entry: Entry, trajectory: Trajectory) -> None:
        super().add(entry, trajectory)
        for chosen in self.entries[len(self.index) :]:
            self.index.add(chosen.text)


@dataclass(frozen=True)
class Recency(_Retrieval):
    """The current solution, and those before it."""

    async def _ranked(self, texts: Sequence[str], worth: Sequence[float], about: str) -> list[int]:
        del worth, about
        return list(range(len(texts)))

    async def _nearest(self, past: Chosen, now: Entry, trajectory: Trajectory) -> Iterable[Entry]:
        del now, trajectory
        return reversed(past.entries)


@dataclass(frozen=True)
class Importance(_Retrieval):
    """The current solution, and the past ones that were worth most; of equals the newer."""

    async def _ranked(self, texts: Sequence[str], worth: Sequence[float], about: str) -> list[int]:
        del about
        return sorted(range(len(texts)), key=lambda at: worth[at])

    async def _nearest(self, past: Chosen, now: Entry, trajectory: Trajectory) -> Iterable[Entry]:
        del now, trajectory
        return (past.entries[at] for _, at in reversed(past.ranked))


@dataclass(frozen=True)
class Relevance(_Retrieval):
    """The current solution, and the past ones that are most like it; of equals the newer.

    Attributes:
        similarity: ``words`` or ``characters`` (see
            :class:`~llmopt.parts.similarity.Lexical`), the name of an embedding model (see
            :func:`~llmopt.models.embeddings.embedder_named`), or a similarity of the user's own.
        model: The embedding model of that name, once it is handed in.
    """

    similarity: str | Similarity = "words"
    model: Model | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.similarity, str):
            named_similarity(self.similarity)  # another name is refused here

    @property
    def embedder(self) -> str:
        """The name of the embedding model that has to be handed in, or nothing."""
        named = self.similarity
        return named if isinstance(named, str) and named_similarity(named) is None else ""

    def bound(self, model: Model) -> Self:
        """Return the same part with its embedding model."""
        return replace(self, model=model) if self.embedder else self

    async def _ranked(self, texts: Sequence[str], worth: Sequence[float], about: str) -> list[int]:
        del worth
        alike = await self._similarity()(about, texts)
        return sorted(range(len(texts)), key=lambda at: alike[at])

    async def _nearest(self, past: Chosen, now: Entry, trajectory: Trajectory) -> Iterable[Entry]:
        similarity = self._similarity()
        if isinstance(similarity, Lexical):
            past = trajectory.running(("chosen", similarity), lambda: _Compared(similarity))
            ranked = past.index.ranked(now.text)
        else:
            ranked = await self._ranked([entry.text for entry in past.entries], (), now.text)
        return (past.entries[at] for at in reversed(ranked))

    def _similarity(self) -> Similarity:
        if not isinstance(self.similarity, str):
            return self.similarity
        lexical = named_similarity(self.similarity)
        if lexical is not None:
            return lexical
        if self.model is None:
            raise ConfigError(
                f"similarity by an embedding model needs that model, but got the name "
                f"{self.similarity!r} alone; start the run with llmopt.prepare or llmopt.optimize, "
                "or call Algorithm.bound"
            )
        return Embedded(self.model)


@dataclass(frozen=True)
class Retrieval:
    """The ways of choosing among past solutions, by their names and all with the same options.

    Attributes:
        k: See :class:`Recency`.
        order: Likewise.
        similarity: See :class:`Relevance`.
        zeros: See :class:`Recency`.
    """

    k: int = 3
    order: Turn = "ascending"
    similarity: str | Similarity = "words"
    zeros: Zeros = "few"

    def named(self, name: str) -> Recency | Relevance | Importance | None:
        """Return the way of a name; None where it names something else."""
        if name == "recency":
            return Recency(self.k, self.order, self.zeros)
        if name == "relevance":
            return Relevance(self.k, self.order, self.zeros, self.similarity)
        return Importance(self.k, self.order, self.zeros) if name == "importance" else None

    def select(self, momentum: str) -> Select:
        """Return the part that shows past solutions; a summary is a reflection's own.

        Raises:
            UnknownNameError: It is no :data:`Momentum`.
        """
        known = ("none", *get_args(Past))
        if momentum not in known:
            raise UnknownNameError("momentum", momentum, known)
        return self.named(momentum) or Only()
