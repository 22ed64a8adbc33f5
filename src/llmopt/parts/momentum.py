"""Which past solutions are shown beside the current one: GPO's momentum.

The past is who was *chosen*: the solutions that the search went on from, step by step (GPO,
section 2), or all that was tried. Each way of choosing also chooses among past critiques.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, Protocol, Self, get_args

from llmopt.errors import ConfigError
from llmopt.parts.similarity import Embedded, named_similarity
from llmopt.trajectory import rank

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from llmopt.model import Model
    from llmopt.parts.similarity import Similarity
    from llmopt.trajectory import Entry, Trajectory

Among = Literal["chosen", "all"]
Turn = Literal["ascending", "descending"]


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
        among: Whether those are looked through that the search went on from (``chosen``), or
            ``all`` that were tried and measured.
    """

    k: int = 3
    order: Turn = "ascending"
    among: Among = "chosen"

    def __post_init__(self) -> None:
        if self.k < 1:
            raise ConfigError(f"the number of solutions shown is 1 or more, but got {self.k}")
        if self.order not in get_args(Turn):
            raise ConfigError(f"an order is ascending or descending, but got {self.order!r}")
        if self.among not in get_args(Among):
            raise ConfigError(f"past solutions are chosen or all, but got {self.among!r}")

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
        now = current[0]
        found = trajectory if self.among == "all" else (entry for _, entry in trajectory.led())
        past = list({e.candidate.id: e for e in found if e.evaluation.score is not None}.values())
        past = [entry for entry in past if entry.candidate.id != now.candidate.id]
        # Places, because no partial score outranks a full one.
        places = sorted(range(len(past)), key=lambda at: rank(past[at]))
        worth = {at: float(place) for place, at in enumerate(places)}
        picked = await self.pick(
            self.k - 1, [e.text for e in past], [worth[at] for at in range(len(past))], now.text
        )
        group = [past[at] for at in picked]
        return ((*group, now) if self.order == "ascending" else (now, *group),)


@dataclass(frozen=True)
class Recency(_Retrieval):
    """The current solution, and those before it."""

    async def _ranked(self, texts: Sequence[str], worth: Sequence[float], about: str) -> list[int]:
        del worth, about
        return list(range(len(texts)))


@dataclass(frozen=True)
class Importance(_Retrieval):
    """The current solution, and the past ones that were worth most; of equals the newer."""

    async def _ranked(self, texts: Sequence[str], worth: Sequence[float], about: str) -> list[int]:
        del about
        return sorted(range(len(texts)), key=lambda at: worth[at])


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
