"""What models said about single items, out of the store: measuring once more, for nothing.

The journal keeps what was read from an answer, not the answer. With the problem at hand, its own
:meth:`~llmopt.problem.Problem.measure` is gone through again, and every call finds its reply.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from llmopt.errors import RefusedError
from llmopt.model import Traits
from llmopt.problem import judged

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from llmopt.problem import Problem
    from llmopt.store.protocol import Store
    from llmopt.types import Call, Item, Reply


class StoredModel:
    """Answers from the store alone, and remembers what it said.

    Args:
        store: Where replies are kept.
        identity: Whose replies.
        traits: What the model can do, which decides the form of its calls.
    """

    def __init__(self, store: Store, identity: str, traits: Traits) -> None:
        self._store, self.identity, self.traits = store, identity, traits
        self.said: list[str] = []

    async def complete(self, call: Call) -> Reply:
        """Return the stored reply.

        Raises:
            RefusedError: There is none.
        """
        kept = self._store.exchange(call.key(self.identity))
        if kept is None:
            raise RefusedError(f"a call of {self.identity} is one that the store holds")
        self.said.append(kept[1].text)
        return kept[1]

    async def close(self) -> None:
        """Do nothing: there is nothing to release."""


def outputs(
    store: Store, problem: Problem, identity: Mapping[str, str], asked: Sequence[tuple[str, Item]]
) -> list[str | None]:
    """Return what the scorer LLM said to each text and item; None where the store has no reply.

    A second answer follows the first one after a blank line.

    Args:
        store: Where the run is kept.
        problem: What was optimized, as it was.
        identity: Of the run, from its configuration.
        asked: Text and item.
    """
    # Whether the scorer LLM was asked as a chat is not in the journal; one of the two finds it.
    for chat in (True, False):
        traits = Traits(chat=chat, completion=True, likelihood=True)
        judge = StoredModel(store, identity.get("problem judge", ""), traits)
        scorer = StoredModel(store, identity["scorer"], traits)
        bound = judged(problem, judge) if judge.identity else problem
        with ThreadPoolExecutor(1) as apart:  # there may be an event loop in this thread
            found = apart.submit(asyncio.run, _said(bound, scorer, asked)).result()
        if any(text is not None for text in found):
            return found
    return [None] * len(asked)


async def _said(
    problem: Problem, scorer: StoredModel, asked: Sequence[tuple[str, Item]]
) -> list[str | None]:
    found: list[str | None] = []
    for text, item in asked:
        scorer.said.clear()
        try:
            await problem.measure(text, item, scorer)
        except RefusedError:
            found.append(None)
        else:
            found.append("\n\n".join(scorer.said))
    return found
