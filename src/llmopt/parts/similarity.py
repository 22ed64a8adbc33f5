"""Similarity of two texts: by words, by letters, or by a model's embeddings."""

from __future__ import annotations

import json
import math
import re
from array import array
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, get_args

import numpy as np

from llmopt.core.part import all_of
from llmopt.core.values import Call
from llmopt.errors import ConfigError, LostReplyError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from llmopt.core.model import Model

Unit = Literal["words", "characters"]

_GRAM = 3  # letters of a run


class Similarity(Protocol):
    """How alike a text is to others.

    A user's own is best a frozen dataclass: its fields are a part of the run's identity.
    """

    async def __call__(self, text: str, others: Sequence[str]) -> Sequence[float]:
        """Return one number for each of `others`; higher is more alike."""
        ...


@dataclass(frozen=True)
class Lexical:
    """The cosine of how often things occur in both texts, in 0..1; capitals do not matter.

    Attributes:
        unit: Whether ``words`` are counted, or runs of three ``characters``, which also sees
            that "answer" and "answers" are alike.
    """

    unit: Unit = "words"

    def __post_init__(self) -> None:
        if self.unit not in get_args(Unit):
            raise ConfigError(f"what is compared is words or characters, but got {self.unit!r}")

    async def __call__(self, text: str, others: Sequence[str]) -> Sequence[float]:
        """Return the cosines."""
        one = self.counts(text)
        return [_cosine(one, self.counts(other)) for other in others]

    def counts(self, text: str) -> Counter[str]:
        """Return how often each thing occurs in a text."""
        low = text.lower()
        if self.unit == "words":
            return Counter(re.findall(r"\w+", low))
        flat = f" {' '.join(low.split())} "
        return Counter(flat[at : at + _GRAM] for at in range(max(1, len(flat) - _GRAM + 1)))


class Index:
    """Texts that are compared with one text after another, without being read again.

    Args:
        lexical: How they are compared.
    """

    def __init__(self, lexical: Lexical) -> None:
        self._lexical = lexical
        self._squares = array("d")
        self._found: dict[str, tuple[array[int], array[float]]] = {}  # where, and how often

    def __len__(self) -> int:
        return len(self._squares)

    def add(self, text: str) -> None:
        """Add a text."""
        counts = self._lexical.counts(text)
        for thing, count in counts.items():
            places, times = self._found.setdefault(thing, (array("q"), array("d")))
            places.append(len(self))
            times.append(count)
        self._squares.append(sum(count * count for count in counts.values()))

    def alike(self, text: str) -> NDArray[np.float64]:
        """Return what :class:`Lexical` says of the text and each of those added, in order."""
        one = self._lexical.counts(text)
        product = np.zeros(len(self))
        for thing in one.keys() & self._found.keys():
            places, times = self._found[thing]
            product[np.frombuffer(places, np.int64)] += one[thing] * np.frombuffer(times)
        size = np.sqrt(sum(w * w for w in one.values()) * np.array(self._squares))
        nothing = 0.0 if one else (np.array(self._squares) == 0).astype(np.float64)
        return np.where(size > 0, product / np.maximum(size, 1), nothing)

    def ranked(self, text: str) -> list[int]:
        """Return the places of all texts, the most alike last; of equals the newer."""
        found: list[int] = np.argsort(self.alike(text), kind="stable").tolist()
        return found


@dataclass(frozen=True)
class Embedded:
    """The cosine of the vectors that an embedding model gives two texts, in -1..1 (GPO, G2).

    Attributes:
        model: The embedding model with its middleware: to a raw text it replies with a vector, as
            JSON. Replies are stored, so every text is embedded once.
    """

    model: Model

    async def __call__(self, text: str, others: Sequence[str]) -> Sequence[float]:
        """Ask for the vectors that are not stored, and return the cosines.

        Raises:
            ModelError: The embedding model cannot answer.
        """
        texts = list(dict.fromkeys((text, *others)))
        calls = [Call(role="embedder", prompt=t, max_tokens=1) for t in texts]
        replies = await all_of(self.model.complete(call) for call in calls)
        vectors = {
            t: {str(n): x for n, x in enumerate(json.loads(reply.text))}
            for t, reply in zip(texts, replies, strict=True)
        }
        if len({len(vector) for vector in vectors.values()}) > 1:
            raise LostReplyError(
                f"the vectors of {self.model.identity} are of one length, but got several; "
                "has the model behind this name changed?"
            )
        return [_cosine(vectors[text], vectors[other]) for other in others]


def named_similarity(name: str) -> Lexical | None:
    """Return the similarity of a name, or None where it names an embedding model."""
    for unit in get_args(Unit):
        if name == unit:
            return Lexical(unit)
    if "/" in name or ":" in name:
        return None
    raise ConfigError(
        "a similarity is words, characters, or an embedding model such as openai/… or "
        f"sentence-transformers/…, but got {name!r}"
    )


def embedder_of(similarity: str | Similarity) -> str:
    """Return the name of the embedding model that a similarity needs, or nothing.

    Raises:
        ConfigError: It is a name of something else.
    """
    named = similarity if isinstance(similarity, str) else ""
    return named if named and named_similarity(named) is None else ""


def similarity_of(similarity: str | Similarity, embedder: Model | None) -> Similarity:
    """Return a similarity by its name, or as it is where it is one.

    Args:
        similarity: As an option gives it.
        embedder: The embedding model, where that is what the name names.

    Raises:
        ConfigError: The embedding model was not handed in.
    """
    if not isinstance(similarity, str):
        return similarity
    lexical = named_similarity(similarity)
    if lexical is None and embedder is None:
        raise ConfigError(
            "similarity by an embedding model needs that model, but got the name "
            f"{similarity!r} alone; start the run with llmopt.prepare or llmopt.optimize, or "
            "give Algorithm.ask an embedder"
        )
    return lexical or Embedded(embedder)  # type: ignore[arg-type] # None is refused above


def _cosine(one: Counter[str] | dict[str, float], other: Counter[str] | dict[str, float]) -> float:
    product = sum(weight * other[key] for key, weight in one.items() if key in other)
    size = math.sqrt(sum(w * w for w in one.values()) * sum(w * w for w in other.values()))
    return product / size if size else float(not one and not other)
