"""The values that are passed around: frozen, comparable, serializable as JSON.

Every type here can be turned into plain JSON with :func:`to_json` and back with its
``from_json``; a round trip gives an equal value.
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, Self

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Role = Literal["optimizer", "scorer", "judge", "embedder"]

# Chat templates add turn markers, and some a system prompt with a date of their own.
_TEMPLATE_TOKENS = 256
_TURN_TOKENS = 32

_PACKED = 43  # characters of a packed key: 32 bytes in base64, without the padding
_PLAIN = (0.001, 1000.0)  # numbers that are written without an exponent
_LOST = 0.1  # share of the answers that may be lost where a score counts as full


_encode = json.JSONEncoder(
    ensure_ascii=False,
    check_circular=False,  # what is stored is a tree, and the check takes a tenth of the time
    sort_keys=True,
    separators=(",", ":"),
).encode


def to_json(value: Any) -> bytes:
    """Return a type of this module as JSON in UTF-8, lone surrogates kept as they are."""
    # Imported late, because that takes longer than the rest of this module; it is several times
    # as fast as the standard library, but refuses lone surrogates.
    import pydantic_core

    data = value.plain() if isinstance(value, Call | Reply) else asdict(value)
    try:
        return pydantic_core.to_json(data)
    except pydantic_core.PydanticSerializationError:
        return _encode(data).encode("utf-8", "surrogatepass")


def canonical(data: Any) -> str:
    """Return the one JSON text of plain data that hashes and comparisons are made of."""
    return _encode(data)


def _is_usual(number: float, *counts: int) -> bool:
    """Return whether every JSON encoder writes these numbers alike: none by a power of ten."""
    plain = type(number) is float and (not number or _PLAIN[0] <= number <= _PLAIN[1])
    return plain and all(type(count) is int for count in counts)


def digest(text: str) -> str:
    """Return the SHA-256 of `text` as UTF-8, in 64 hex digits (lone surrogates are kept)."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def packed_keys(keys: Iterable[str]) -> str:
    """Return keys of stored replies (:meth:`Call.key`) as one text, 43 characters each.

    A run has one for every outcome, of which there may be 400,000 in the journal and in memory;
    in hexadecimal digits each would take half as much again.
    """
    return "".join(
        [base64.urlsafe_b64encode(bytes.fromhex(key))[:_PACKED].decode() for key in keys]
    )


@dataclass(frozen=True, slots=True)
class Item:
    """One thing a candidate is measured on: for prompts, a row of the user's data.

    Attributes:
        id: Stable name of the item, unique within the problem.
        input: The input of the scorer LLM.
        target: The expected answer.
        weight: Share in the mean; 1 unless classes are balanced, or the data give weights.
            Greater than 0.
        accepted: Further answers that are as right as the target.
        fields: Further columns of its row as name and text; a prompt layout and a metric of the
            user's own may use them.
        group: What it shares with other items that are not independent of it, such as a passage,
            a user or a document; empty: nothing. Those of one group stay in one split, and count
            as one where intervals and tests count what is independent.
    """

    id: str
    input: str = ""
    target: str = ""
    weight: float = 1.0
    accepted: tuple[str, ...] = ()
    fields: tuple[tuple[str, str], ...] = ()
    group: str = ""


@dataclass(frozen=True)
class Candidate:
    """One proposed solution as canonical text.

    Attributes:
        text: The canonical text; equal texts are equal solutions.
        step: The step that proposed it; 0 for the starting solutions.
        parents: Ids of the candidates its meta-prompt showed; the edited one, or the
            best, last.
    """

    text: str
    step: int = 0
    parents: tuple[str, ...] = ()

    @cached_property
    def id(self) -> str:
        """The first 16 hex digits of the text's SHA-256: named by its content."""
        return digest(self.text)[:16]


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of one candidate on one item.

    Attributes:
        item: Id of the item.
        score: Higher is better; None where the item stayed unmeasured.
        answer: What was read from the reply, or None where nothing could be read.
        weight: The item's weight.
        reason: Why the item stayed unmeasured; empty when it was measured.
        calls: The keys of the stored replies it was made of, as :func:`packed_keys` gives them;
            empty where no model was called, or no replies are kept. Whoever measures fills it in,
            so a problem leaves it out.
        cut_at: Number of tokens at which the reply was cut off; 0: it ended by itself.
        feedback: What a metric, a judge or a function said of the answer; may be empty.
        aims: Named sub-scores that it gave in addition, finite, higher is better; may be empty.
    """

    item: str
    score: float | None
    answer: str | None = None
    weight: float = 1.0
    reason: str = ""
    calls: str = ""
    cut_at: int = 0
    feedback: str = ""
    aims: tuple[tuple[str, float], ...] = ()

    def made_of(self, calls: str) -> Outcome:
        """Return it with the keys of its replies; by hand, because this is done for every one."""
        return Outcome(
            self.item,
            self.score,
            self.answer,
            self.weight,
            self.reason,
            calls,
            self.cut_at,
            self.feedback,
            self.aims,
        )

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of the stored replies it was made of, in the order of the calls."""
        starts = range(0, len(self.calls), _PACKED)
        parts = (self.calls[at : at + _PACKED] for at in starts)
        return tuple(base64.urlsafe_b64decode(f"{part}=").hex() for part in parts)


@dataclass(frozen=True)
class Evaluation:
    """The results of a candidate, item by item.

    Attributes:
        outcomes: One per item that was tried, in the order of the items.
        planned: How many items a full evaluation has; fewer measured ones make it partial.
        expected: The score on all planned items as a model of all answers expects it, where a
            `rate` measured items that were chosen for what they tell; None: there is no such
            estimate.
    """

    outcomes: tuple[Outcome, ...]
    planned: int
    expected: float | None = None

    @cached_property
    def measured(self) -> int:
        """How many items have a score."""
        return sum(o.score is not None for o in self.outcomes)

    @property
    def partial(self) -> bool:
        """Whether some planned item has no score; such a score is marked where it is shown."""
        return self.measured < self.planned

    @property
    def whole(self) -> bool:
        """Whether claims take it for full: all items were tried, and at most a tenth was lost.

        A call is lost by accident, and says little of the solution. One that was dropped from a
        step, by stages or a race, was not tried on every item, because it was worse.
        """
        tried = len(self.outcomes) >= self.planned
        lost = self.planned - self.measured
        return tried and self.measured > 0 and lost <= _LOST * self.planned

    @property
    def comparable(self) -> bool:
        """Whether its score ranks among full ones: it is whole, or an estimate for all items."""
        return self.whole or (self.expected is not None and self.measured > 0)

    @cached_property
    def score(self) -> float | None:
        """The weighted mean over measured items (higher is better), or None without any.

        Where there is an estimate for all items, `expected`, it is that.
        """
        if self.expected is not None and self.measured:
            return self.expected
        pairs = [(o.score, o.weight) for o in self.outcomes if o.score is not None]
        total = sum(weight for _, weight in pairs)
        return sum(score * weight for score, weight in pairs) / total if pairs else None

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Rebuild from what :func:`to_json` wrote, already decoded."""
        outcomes = tuple(
            Outcome(**{**o, "aims": tuple((name, value) for name, value in o.get("aims", ()))})
            for o in data["outcomes"]
        )
        return cls(outcomes, data["planned"], data.get("expected"))


@dataclass(frozen=True, slots=True)
class Rejected:
    """A text the optimizer LLM gave that did not become a candidate.

    Attributes:
        text: What it gave.
        reason: Why not: one of a few short phrases, so that they can be counted.
        step: The step in which it was given.
    """

    text: str
    reason: str
    step: int


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a chat."""

    role: Literal["system", "user", "assistant"]
    content: str


def in_words(turns: Sequence[Message]) -> str:
    """Return a chat as a person reads it: its one text, or the turns under their roles."""
    if len(turns) == 1:
        return turns[0].content
    return "\n\n".join(f"[{m.role}]\n{m.content}" for m in turns)


@dataclass(frozen=True)
class Call:
    """One request to a language model, as data: exactly what decides the reply.

    Either `messages` (a chat) or `prompt` (a raw completion) is given.

    Attributes:
        role: Which role of a model asks; it does not change the reply.
        messages: The turns of a chat.
        prompt: The text that a raw completion continues.
        temperature: 0 for greedy decoding, otherwise at most 2 for most providers.
        max_tokens: Upper bound of generated tokens.
        stop: Texts that end the generation; they are not part of the reply.
        sample: Number of the draw; equal calls with different numbers are different draws.
        answers: Texts whose likelihood as the reply is wanted instead of a generated text, two or
            more. Only models whose traits say so take such a call; `max_tokens` is 1 then.
    """

    role: Role
    messages: tuple[Message, ...] = ()
    prompt: str | None = None
    temperature: float = 0.0
    max_tokens: int = 512
    stop: tuple[str, ...] = ()
    sample: int = 0
    answers: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if bool(self.messages) == (self.prompt is not None):
            raise ValueError("a call is either a chat (messages) or a completion (prompt)")

    @cached_property
    def most_tokens(self) -> tuple[int, int]:
        """The most tokens that it can have as input, and as output.

        One per UTF-8 byte of its texts (no tokenizer makes more) with room for a chat template,
        and `max_tokens`.
        """
        texts = [m.content for m in self.messages] if self.prompt is None else [self.prompt]
        size = sum(len(text.encode("utf-8", "surrogatepass")) for text in texts)
        return size + _TURN_TOKENS * len(texts) + _TEMPLATE_TOKENS, self.max_tokens

    @cached_property
    def text(self) -> str:
        """The call as a person reads it: the prompt, or the turns under their roles."""
        if self.prompt is not None:
            return self.prompt
        return in_words(self.messages)

    def key(self, model: str) -> str:
        """Return the name under which the reply of `model` to this call is stored."""
        # Written out, because this is done for every call and asdict takes most of its time; in
        # the order of the names, so that the fast encoder writes what `canonical` would.
        content: dict[str, Any] = {
            "max_tokens": self.max_tokens,
            "messages": [[message.role, message.content] for message in self.messages],
            "model": model,
            "prompt": self.prompt,
            "sample": self.sample,
            "schema": 1,
            "stop": self.stop,
            "temperature": self.temperature,
        }
        if self.answers:  # not otherwise: replies that are stored keep their names
            content = {"answers": self.answers, **content}
        if _is_usual(self.temperature, self.max_tokens, self.sample):
            import pydantic_core

            try:
                return hashlib.sha256(pydantic_core.to_json(content)).hexdigest()
            except pydantic_core.PydanticSerializationError:
                pass  # a lone surrogate
        return digest(canonical(content))

    def plain(self) -> dict[str, Any]:
        """Return what :func:`to_json` writes; by hand, as in :meth:`key`."""
        made: dict[str, Any] = {
            "role": self.role,
            "messages": [{"role": m.role, "content": m.content} for m in self.messages],
            "prompt": self.prompt,
            "temperature": self.temperature,
            "max_tokens": self.max_tokens,
            "stop": self.stop,
            "sample": self.sample,
        }
        return {**made, "answers": self.answers} if self.answers else made

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Rebuild from what :func:`to_json` wrote, already decoded.

        Raises:
            TypeError, KeyError: Something is missing or of another type.
        """
        messages = tuple(Message(**m) for m in data["messages"])
        lists = {"stop": tuple(data["stop"]), "answers": tuple(data.get("answers", ()))}
        call = cls(**{**data, "messages": messages, **lists})
        _check_are(str, call.role, *call.stop, *call.answers, call.prompt or "")
        _check_are(str, *(text for m in messages for text in (m.role, m.content)))
        return call


@dataclass(frozen=True, slots=True)
class Usage:
    """What was used: calls made and tokens, as the provider counted them.

    Attributes:
        calls: Calls that were answered.
        input_tokens: Tokens of prompts, those of the provider's cache included.
        output_tokens: Tokens generated.
        estimated: Whether any count is our estimate because the provider gave none.
        cached_tokens: The part of `input_tokens` that the provider read from its prompt cache.
        cache_write_tokens: The part that it wrote there, where it counts that.
    """

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    estimated: bool = False
    cached_tokens: int = 0
    cache_write_tokens: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.calls + other.calls,
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.estimated or other.estimated,
            self.cached_tokens + other.cached_tokens,
            self.cache_write_tokens + other.cache_write_tokens,
        )

    @property
    def cached(self) -> bool:
        """Whether the provider has said that it used its prompt cache."""
        return bool(self.cached_tokens or self.cache_write_tokens)

    def since(self, before: Usage) -> Usage:
        """Return what has come on top of an earlier reading of the same counters."""
        return Usage(
            self.calls - before.calls,
            self.input_tokens - before.input_tokens,
            self.output_tokens - before.output_tokens,
            self.estimated,
            self.cached_tokens - before.cached_tokens,
            self.cache_write_tokens - before.cache_write_tokens,
        )

    @property
    def tokens(self) -> int:
        """Input and output together."""
        return self.input_tokens + self.output_tokens


@dataclass(frozen=True, slots=True)
class Reply:
    """What a language model answered.

    Attributes:
        text: The answer, without reasoning text.
        usage: Tokens of this call (``calls`` is 1).
        finish: Why generation ended: ``stop``, ``length``, or the provider's own word.
        reasoning: Reasoning text that the provider gave apart from the answer.
        likelihoods: Natural logarithms of the probabilities of `Call.answers`, in their order,
            up to a number that they share; empty where none were asked for. The text is the
            likeliest answer then.
        stored: Whether it was paid for earlier and comes from a store.
        seconds: From sending the call to the complete answer, as the provider's module measured
            it; 0: not measured.
    """

    text: str
    usage: Usage = field(default_factory=lambda: Usage(calls=1))
    finish: str = "stop"
    reasoning: str = ""
    likelihoods: tuple[float, ...] = ()
    stored: bool = field(default=False, compare=False, repr=False)
    seconds: float = field(default=0.0, compare=False, repr=False)

    def after(self, seconds: float) -> Reply:
        """Return it with its time; by hand, because this is done for every one."""
        return Reply(
            self.text,
            self.usage,
            self.finish,
            self.reasoning,
            self.likelihoods,
            self.stored,
            seconds,
        )

    def plain(self) -> dict[str, Any]:
        """Return what :func:`to_json` writes; by hand, because asdict takes long."""
        usage = self.usage
        used: dict[str, Any] = {
            "calls": usage.calls,
            "input_tokens": usage.input_tokens,
            "output_tokens": usage.output_tokens,
            "estimated": usage.estimated,
        }
        if usage.cached:
            used["cached_tokens"] = usage.cached_tokens
            used["cache_write_tokens"] = usage.cache_write_tokens
        made: dict[str, Any] = {
            "text": self.text,
            "usage": used,
            "finish": self.finish,
            "reasoning": self.reasoning,
        }
        if self.seconds:
            made["seconds"] = self.seconds
        return {**made, "likelihoods": self.likelihoods} if self.likelihoods else made

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Rebuild from what :func:`to_json` wrote, already decoded.

        Raises:
            TypeError, KeyError: Something is missing or of another type.
        """
        likelihoods = tuple(data.get("likelihoods", ()))
        usage = Usage(**data["usage"])
        reply = cls(**{**data, "usage": usage, "likelihoods": likelihoods})
        _check_are(str, reply.text, reply.finish, reply.reasoning)
        _check_are(int, usage.calls, usage.input_tokens, usage.output_tokens)
        _check_are(int, usage.cached_tokens, usage.cache_write_tokens)
        _check_are((int, float), reply.seconds, *likelihoods)
        return reply


def _check_are(kind: type | tuple[type, ...], *values: object) -> None:
    """Refuse stored values of another type than was written.

    Raises:
        TypeError: One is of another type.
    """
    for value in values:
        if not isinstance(value, kind):
            raise TypeError(f"a stored value has its type, but got {type(value).__name__}")
