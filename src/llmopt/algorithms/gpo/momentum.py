"""Past solutions shown with the current one: GPO's momentum.

The past is who was *chosen*: the solutions that the search went on from, step by step (GPO,
section 2). Each way of choosing also chooses among past critiques.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import insort
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Literal, Protocol, get_args

from llmopt.core.part import Group
from llmopt.errors import ConfigError, UnknownNameError
from llmopt.parts.select import Lineages
from llmopt.parts.similarity import Index, Lexical, embedder_of, similarity_of
from llmopt.parts.zeros import check_zeros, sparing

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from llmopt.core.metaprompt import Zeros
    from llmopt.core.part import Select, StepContext
    from llmopt.core.trajectory import Entry, Trajectory
    from llmopt.parts.similarity import Similarity

Turn = Literal["ascending", "descending"]
Past = Literal["recency", "relevance", "importance", "summary"]
Momentum = Past | Literal["none"]
CurrentShown = Literal["always", "ranked"]


class Memory(Protocol):
    """Chooses among past texts."""

    @property
    def k(self) -> int:
        """How many are shown, the current one included."""
        ...

    async def pick(
        self, ctx: StepContext, n: int, texts: Sequence[str], worth: Sequence[float], about: str
    ) -> list[int]:
        """Return the positions of at most `n` texts, in the order in which they are shown.

        Args:
            ctx: Of the step.
            n: How many, 0 or more.
            texts: In the order of their time.
            worth: What each was worth; higher is better.
            about: The current text.
        """
        ...


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
    async def _ranked(
        self, ctx: StepContext, texts: Sequence[str], worth: Sequence[float], about: str
    ) -> list[int]:
        """Return the positions of all texts, those to be shown first at the end."""

    async def pick(
        self, ctx: StepContext, n: int, texts: Sequence[str], worth: Sequence[float], about: str
    ) -> list[int]:
        """See :class:`Memory`."""
        if n < 1 or not texts:
            return []
        found = (await self._ranked(ctx, texts, worth, about))[-n:]
        return found if self.order == "ascending" else found[::-1]

    async def __call__(self, ctx: StepContext) -> tuple[Group, ...]:
        """Return one group; an empty one only if there is no current solution."""
        if not ctx.survivors:
            return (Group(),)
        now, trajectory = ctx.survivors[0], ctx.trajectory
        few = self.zeros == "few"
        others = (
            entry
            for entry in await self._nearest(ctx, trajectory.running("chosen", Chosen), now)
            if entry.candidate.id != now.candidate.id and not (few and trajectory.unreadable(entry))
        )
        shown = (now, *islice(others, self.k - 1))  # nearest first
        if few:
            shown = tuple(sparing(trajectory, shown))
        return (Group(now, shown[::-1] if self.order == "ascending" else shown),)

    @abstractmethod
    async def _nearest(self, ctx: StepContext, past: Chosen, now: Entry) -> Iterable[Entry]:
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

    async def _ranked(
        self, ctx: StepContext, texts: Sequence[str], worth: Sequence[float], about: str
    ) -> list[int]:
        del ctx, worth, about
        return list(range(len(texts)))

    async def _nearest(self, ctx: StepContext, past: Chosen, now: Entry) -> Iterable[Entry]:
        del ctx, now
        return reversed(past.entries)


@dataclass(frozen=True)
class Importance(_Retrieval):
    """The current solution, and the past ones that were worth most; of equals the newer.

    Attributes:
        current: Whether the current solution is shown ``always``, or among the best only if it is
            ``ranked`` so high (published code).
    """

    current: CurrentShown = "always"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.current not in get_args(CurrentShown):
            raise UnknownNameError("current_shown", self.current, get_args(CurrentShown))

    async def __call__(self, ctx: StepContext) -> tuple[Group, ...]:
        """Return one group, which may show the current solution or not."""
        if self.current == "always" or not ctx.survivors:
            return await super().__call__(ctx)
        now, trajectory = ctx.survivors[0], ctx.trajectory
        # The newest comes first, so that it precedes its equals.
        past = (e for e in trajectory.running("chosen", Chosen).entries[::-1] if e != now)
        chosen = [now, *past]
        if self.zeros == "few":
            chosen = [entry for entry in chosen if not trajectory.unreadable(entry)]
        best = sorted(chosen, key=lambda entry: -trajectory.estimate(entry))[: self.k]
        shown = tuple(sparing(trajectory, best)) if self.zeros == "few" else tuple(best)
        return (Group(now, shown[::-1] if self.order == "ascending" else shown),)

    async def _ranked(
        self, ctx: StepContext, texts: Sequence[str], worth: Sequence[float], about: str
    ) -> list[int]:
        del ctx, about
        return sorted(range(len(texts)), key=lambda at: worth[at])

    async def _nearest(self, ctx: StepContext, past: Chosen, now: Entry) -> Iterable[Entry]:
        del ctx, now
        return (past.entries[at] for _, at in reversed(past.ranked))


@dataclass(frozen=True)
class Relevance(_Retrieval):
    """The current solution, and the past ones that are most like it; of equals the newer.

    Attributes:
        similarity: ``words`` or ``characters`` (see
            :class:`~llmopt.parts.similarity.Lexical`), the name of an embedding model (see
            :func:`~llmopt.models.embeddings.embedder_named`), or a similarity of the user's own.
    """

    similarity: str | Similarity = "words"

    def __post_init__(self) -> None:
        super().__post_init__()
        embedder_of(self.similarity)  # another name is refused here

    def embedder(self) -> str:
        """Return the name of the embedding model that is compared by, or nothing."""
        return embedder_of(self.similarity)

    async def _ranked(
        self, ctx: StepContext, texts: Sequence[str], worth: Sequence[float], about: str
    ) -> list[int]:
        del worth
        alike = await similarity_of(self.similarity, ctx.embedder)(about, texts)
        return sorted(range(len(texts)), key=lambda at: alike[at])

    async def _nearest(self, ctx: StepContext, past: Chosen, now: Entry) -> Iterable[Entry]:
        similarity = similarity_of(self.similarity, ctx.embedder)
        if isinstance(similarity, Lexical):
            past = ctx.trajectory.running(("chosen", similarity), lambda: _Compared(similarity))
            ranked = past.index.ranked(now.text)
        else:
            ranked = await self._ranked(ctx, [entry.text for entry in past.entries], (), now.text)
        return (past.entries[at] for at in reversed(ranked))


@dataclass(frozen=True)
class Retrieval:
    """The ways of choosing among past solutions, by their names and all with the same options.

    Attributes:
        k: See :class:`Recency`.
        order: Likewise.
        similarity: See :class:`Relevance`.
        zeros: See :class:`Recency`.
        current: See :class:`Importance`.
    """

    k: int = 3
    order: Turn = "ascending"
    similarity: str | Similarity = "words"
    zeros: Zeros = "few"
    current: CurrentShown = "always"

    def named(self, name: str) -> Recency | Relevance | Importance | None:
        """Return the way of a name; None where it names something else."""
        if name == "recency":
            return Recency(self.k, self.order, self.zeros)
        if name == "relevance":
            return Relevance(self.k, self.order, self.zeros, self.similarity)
        if name == "importance":
            return Importance(self.k, self.order, self.zeros, self.current)
        return None

    def select(self, momentum: str) -> Select:
        """Return the part that shows past solutions; a summary is a reflection's own.

        Raises:
            UnknownNameError: It is no :data:`Momentum`.
        """
        known = ("none", *get_args(Past))
        if momentum not in known:
            raise UnknownNameError("momentum", momentum, known)
        return self.named(momentum) or Lineages(1)
