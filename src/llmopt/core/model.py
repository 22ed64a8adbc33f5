"""The protocol of language models, and small values around it.

A model is anything with :meth:`Model.complete`. Middleware (``models/middleware``) wraps a model in
a model, so a cache, retries, limits and counters are added by wrapping, never by patching.
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

from llmopt.core.values import Call, Message

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractAsyncContextManager

    from llmopt.core.values import Reply, Role

Family = Literal["chat", "brackets", "continuation"]

DEADLINE = 120.0
"""Seconds that one call may take, all attempts together, where nobody says otherwise."""


@dataclass(frozen=True, slots=True)
class Traits:
    """What a model can do and how it likes to be asked.

    Attributes:
        chat: Whether it takes chats.
        completion: Whether it takes raw completions.
        family: The meta-prompt family that suits it as optimizer LLM (papers: OPRO, section 5).
        slots: How many calls it answers at once with profit; the default concurrency.
        deadline: Seconds that one call may take, retries included; None for a model in this
            process, which is never asked twice in vain.
        endpoint: Where it is reached; models of one endpoint share its slots and rates. Empty:
            the model shares with nobody.
        likelihood: Whether it tells how likely given answers are (`Call.answers`).
        kept: Whether a call that was sent is kept by the provider until it is answered, so that a
            later process gets its answer without sending it again.
    """

    chat: bool = True
    completion: bool = False
    family: Family = "chat"
    slots: int = 64
    deadline: float | None = DEADLINE
    endpoint: str = ""
    likelihood: bool = False
    kept: bool = False

    @property
    def continues(self) -> bool:
        """Whether an optimizer LLM is better given a text to continue than a chat."""
        return self.completion and (self.family == "continuation" or not self.chat)


def text_call(
    role: Role,
    text: str,
    *,
    raw: bool,
    temperature: float = 0.0,
    max_tokens: int = 512,
    stop: tuple[str, ...] = (),
    sample: int = 0,
) -> Call:
    """Return the call that gives a model one text: to continue it, or as the one turn of a chat.

    Args:
        role: Which role asks.
        text: The text.
        raw: Whether it is a raw completion.
        temperature: See :class:`~llmopt.core.values.Call`, as for all that follow.
        max_tokens: Upper bound of generated tokens.
        stop: Texts that end the generation.
        sample: Number of the draw.
    """
    return Call(
        role=role,
        messages=() if raw else (Message("user", text),),
        prompt=text if raw else None,
        temperature=temperature,
        max_tokens=max_tokens,
        stop=stop,
        sample=sample,
    )


def attempt_seconds(traits: Traits) -> float:
    """Return after how many seconds one attempt of a call is given up: half of its deadline."""
    return (traits.deadline or DEADLINE) / 2


class Model(Protocol):
    """A language model, or a middleware around one.

    Attributes:
        identity: Everything beside the call that decides a reply (provider, model, base URL);
            part of every stored reply's key. It holds no secret.
        traits: What the model can do.
    """

    @property
    def identity(self) -> str:
        """See the class."""
        ...

    @property
    def traits(self) -> Traits:
        """See the class."""
        ...

    async def complete(self, call: Call) -> Reply:
        """Answer one call.

        Raises:
            TransientError: The same call may succeed later.
            RefusedError: The same call will never succeed.
            BudgetError: A spending limit forbids the call; nothing was sent.
        """
        ...

    async def close(self) -> None:
        """Release connections and memory; the model is not used afterwards."""
        ...


class Replies(Protocol):
    """Where replies are stored: the part of a store that the cache needs."""

    async def get(self, key: str) -> Reply | None:
        """Return the stored reply, or None."""
        ...

    async def put(self, key: str, model: str, call: Call, reply: Reply) -> bool:
        """Store a reply; when this returns, it survives the death of the process.

        Returns:
            Whether the store now counts it as paid by this run; another may have been first.
        """
        ...


Amounts = tuple[int, int, float]
"""Calls, tokens and US dollars."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """What a process has got of a budget that it shares.

    Attributes:
        amounts: What it may spend from now on; None: nothing, because the rest is drawn by all.
        settled: What was spent in all and does not come back.
        waits: Whether what others have drawn may come back, so that it is worth to ask again.
    """

    amounts: Amounts | None
    settled: tuple[float, ...]
    waits: bool


class Bank(Protocol):
    """A budget that all processes of a store spend together."""

    async def draw(
        self, least: Amounts, most: Amounts, caps: tuple[float | None, ...], *, quiet: bool
    ) -> Drawn:
        """Draw `most` where there is plenty, `least` near a cap, or nothing.

        Args:
            least: What the next call may take.
            most: What is drawn ahead.
            caps: Of calls, tokens and US dollars; None is no cap.
            quiet: Whether nothing of this process is in flight, so that all that it has drawn and
                not spent is lost.
        """
        ...

    def give_back(self, amounts: Amounts, *, quiet: bool) -> None:
        """Give back what was drawn and not used; nobody waits for it."""
        ...

    def on_wanted(self, heard: Callable[[], None]) -> None:
        """Call `heard`, in any thread, when another process has no room left."""
        ...


class Pace(Protocol):
    """Caps per minute that all processes of a store keep together."""

    @property
    def counts_tokens(self) -> bool:
        """Whether tokens are capped."""
        ...

    async def enter(self, tokens: int) -> float:
        """Wait for the turn of a call of at most `tokens`; return its mark."""
        ...

    def leave(self, unused: int, mark: float) -> None:
        """Give back the tokens that a call has turned out not to need."""
        ...

    def slow(self) -> None:
        """Tell all others that the endpoint was asked too much."""
        ...

    def on_slow(self, heard: Callable[[], None]) -> None:
        """Call `heard`, in any thread, when another process says so."""
        ...


@runtime_checkable
class OnceReplies(Replies, Protocol):
    """Replies that several buy together, each of them once."""

    def once(self, key: str) -> AbstractAsyncContextManager[Reply | None]:
        """Let a call be made by one at a time.

        Entered, it waits while another one makes the call. It returns the reply that is stored by
        then; or None: the call is to be made here, and its reply stored, while the context lasts.
        """
        ...


@runtime_checkable
class SharedReplies(OnceReplies, Protocol):
    """Replies that several processes buy together, within one budget and one rate."""

    def bank(self, prices: Mapping[Role, tuple[float, float]]) -> Bank:
        """Return the budget of the run that pays, at prices per million tokens in and out."""
        ...

    def pace(self, endpoint: str, requests: float | None, tokens: float | None) -> Pace:
        """Return the caps per minute of an endpoint; None is no cap."""
        ...


class Counters(Protocol):
    """Whole numbers, 0 at first, which outlive the process, killed or not."""

    def read(self) -> list[int]:
        """Return all of them."""
        ...

    async def add(self, first: int, *amounts: int) -> None:
        """Add to as many of them, from number `first` on; when this returns, a kill keeps it."""
        ...

    def clear(self) -> None:
        """Set all of them to 0."""
        ...


_noted: ContextVar[list[str] | None] = ContextVar("noted", default=None)
_noting: ContextVar[bool] = ContextVar("noting", default=False)


class noted_keys:  # noqa: N801 - used as `with noted_keys():`, a class as it is entered so often
    """Collect the keys of all replies that are stored or found stored meanwhile.

    They are those of this task and of the tasks that it starts, whichever model is called, in the
    order in which the calls began. A call that failed has no reply, so its key is not among them.
    """

    __slots__ = ("_token",)

    def __enter__(self) -> list[str]:
        keys: list[str] = []
        self._token = _noted.set(keys)
        return keys

    def __exit__(self, *_: object) -> None:
        _noted.reset(self._token)


class noting:  # noqa: N801 - as above
    """Note the key of a call for :class:`noted_keys`, unless the call fails.

    A cache inside of a cache, as in a sweep, notes nothing: it is the same call.
    """

    __slots__ = ("_key", "_keys", "_token")

    def __init__(self, key: str) -> None:
        self._key = key

    def __enter__(self) -> None:
        self._keys = None if _noting.get() else _noted.get()
        if self._keys is not None:
            self._keys.append(self._key)
            self._token = _noting.set(True)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._keys is not None:
            if kind is not None:
                self._keys.remove(self._key)
            _noting.reset(self._token)
