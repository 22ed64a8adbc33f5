"""The JSON of OpenAI-compatible endpoints: a call as a request, a reply as an answer.

Shared by every model that speaks it: the HTTP client and llama.cpp's in-process server.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, TypeGuard

from llmopt.core.text import one_line
from llmopt.core.values import Reply
from llmopt.errors import LostReplyError, WithheldError
from llmopt.models.providers.reported_usage import counted
from llmopt.models.secrets import fit_for_messages, without_secrets

if TYPE_CHECKING:
    from llmopt.core.values import Call

_MOST_STOPS = 4  # the API's limit; further stop texts are applied by `read_reply`
_SEEDS = 1 << 31  # seeds are below this everywhere
_WORDS = 200  # characters of a refusal that a message repeats
_SHOWN = 40  # characters of a provider's word for the end of an answer
# Why an answer ended, as the API and the hosts behind gateways say it. Any other word stands for
# a failure: hosts invent new ones for those ("abort", "insufficient_system_resource").
_STOPPED = (
    "stop",
    "stop_sequence",
    "stop_token",
    "end_turn",
    "end",
    "eos",
    "eos_token",
    "complete",
    "completed",
    "done",
    "normal",
)
_CUT = ("length", "max_tokens", "max_length", "max_output_tokens", "model_length", "token_limit")
_TOOLS = ("tool_calls", "tool_call", "tool_use", "function_call")
_WITHHELD = (
    "content_filter",
    "content_filtered",
    "refusal",
    "safety",
    "blocklist",
    "prohibited_content",
    "recitation",
    "spii",
    "sensitive",
)
_LARGEST = 1e100  # of a number of a vector: its square is finite, too
_DEPTH = 3  # of parts of a message's content within parts
_HEX = 16  # digits of a call's key that make a seed
_OPENED, _CLOSED = "<think>", "</think>"


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a family of models, or their host, wants its parameters.

    Attributes:
        length: Name of the field for the upper bound of generated tokens.
        temperature: Whether a temperature may be sent.
        stop: Whether stop texts may be sent; where not, the reply is cut at them here.
        system: The role under which a system message is sent.
        seed: Name of the field for the seed of a draw; empty where none is sent.
        many: Whether several answers may be asked for at once (``n``).
        logprobs: Whether the probabilities of tokens may be asked for.
    """

    length: str = "max_tokens"
    temperature: bool = True
    stop: bool = True
    system: Literal["system", "developer"] = "system"
    seed: str = ""
    many: bool = True
    logprobs: bool = True


PLAIN = Dialect()
"""Every parameter as the API has always had it."""

REASONING = Dialect(
    "max_completion_tokens", temperature=False, stop=False, system="developer", logprobs=False
)
"""What OpenAI's reasoning models take, also under another name."""

# The first pattern that matches the model's name without its owner ("openai/o3" is "o3").
_DIALECTS: tuple[tuple[re.Pattern[str], Dialect], ...] = (
    (re.compile(r"gpt-5[\w.]*-chat"), Dialect("max_completion_tokens")),
    (re.compile(r"(o1|o3|o4|gpt-5)"), REASONING),
    # From version 4.7 on, Claude answers any temperature but its own with an error.
    (
        re.compile(r"claude-(?:mythos|[a-z]+-(?:4[.-][7-9]|[5-9])(?!\d))"),
        Dialect(temperature=False, logprobs=False),
    ),
    (re.compile(r"claude-"), Dialect(logprobs=False)),
    # Grok's reasoning models answer stop texts with an error.
    (
        re.compile(r"grok-(?!.*non-reasoning)(?:3-mini|[4-9]|code)"),
        Dialect(stop=False, logprobs=False),
    ),
)


def dialect_of(model: str) -> Dialect:
    """Return how `model` (for example ``o3-mini`` or ``openai/gpt-5``) wants to be asked."""
    name = model.rpartition("/")[2]
    return next((dialect for pattern, dialect in _DIALECTS if pattern.match(name)), PLAIN)


def request_of(call: Call, dialect: Dialect) -> dict[str, Any]:
    """Return the request of `call`, without the model's name.

    `Call.sample` is not sent. Where there are seeds, a draw has one that is made of the call,
    its number included; a greedy call has none.
    """
    body: dict[str, Any] = {dialect.length: call.max_tokens}
    if call.prompt is None:
        roles = {"system": dialect.system}
        body["messages"] = [
            {"role": roles.get(m.role, m.role), "content": m.content} for m in call.messages
        ]
    else:
        body["prompt"] = call.prompt
    if dialect.temperature:
        body["temperature"] = call.temperature
    if dialect.seed and call.temperature > 0:
        body[dialect.seed] = int(call.key("")[:_HEX], 16) % _SEEDS
    if call.stop and dialect.stop:
        body["stop"] = list(call.stop[:_MOST_STOPS])
    return body


def read_reply(data: dict[str, Any], call: Call) -> Reply:
    """Return the reply in a decoded answer.

    Reasoning text goes to `Reply.reasoning`, the text ends before the first stop text, and
    tokens are estimated where the answer has no usage that can be believed. An empty text is an
    answer where the model stopped by itself, or where its thoughts took all tokens it had.

    Raises:
        LostReplyError: The answer says that it failed, has no choice, or one of an unknown
            shape, or is empty without having ended by itself.
        WithheldError: A filter kept it back, or the model refused to answer.
    """
    choice, finish = _ended(data)
    text, reasoning = _text_and_reasoning(choice, chat=call.prompt is None)
    usage = counted(data, call, text + reasoning)
    if not text and finish != "stop":
        thought = reasoning or usage.output_tokens >= call.max_tokens
        if finish != "length" or not thought:
            raise LostReplyError(
                "an answer without text ends by itself, but got none that ended with "
                f"{finish or 'no reason'!r}"
            )
    cut = min((at for stop in call.stop if stop and (at := text.find(stop)) >= 0), default=-1)
    if cut >= 0:
        text, finish = text[:cut], "stop"
    return Reply(text=text, usage=usage, finish=finish or "stop", reasoning=reasoning)


def read_without_secrets(data: dict[str, Any], call: Call) -> Reply:
    """Return the reply as :func:`read_reply` does, without the secrets in use in this process.

    A server that repeats a key in an answer would have it stored, and told to another model.

    Raises:
        LostReplyError, WithheldError: As there.
    """
    try:
        reply = read_reply(data, call)
    except LostReplyError as error:
        error.args = (fit_for_messages(str(error)),)
        raise
    text, reasoning = without_secrets(reply.text), without_secrets(reply.reasoning)
    if (text, reasoning) == (reply.text, reply.reasoning):
        return reply
    return replace(reply, text=text, reasoning=reasoning)


def choice_of(data: dict[str, Any]) -> dict[str, Any]:
    """Return the first choice of a decoded answer that did not fail.

    Raises:
        LostReplyError: There is none, or the answer or the choice says that it failed.
        WithheldError: A filter kept it back.
    """
    return _ended(data)[0]


def _ended(data: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """Return the first choice and why it ended; see :func:`choice_of` and :func:`_finish`."""
    choices = data.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    if not isinstance(choice, dict):
        raise LostReplyError("the answer has at least one choice, but got none")
    if data.get("error") or choice.get("error"):
        raise LostReplyError("the answer ends by itself, but the provider broke it off")
    return choice, _finish(choice)


def _finish(choice: dict[str, Any]) -> str:
    """Return why a choice ended in one of the API's words, or "" where it does not say."""
    if "finish_reason" not in choice:
        return ""
    said = choice["finish_reason"]
    word = said.strip().lower() if isinstance(said, str) else ""
    if word in _WITHHELD:
        raise WithheldError(f"the answer was kept back by the provider ({word})")
    if word in _STOPPED:
        return "stop"
    if word in _CUT:
        return "length"
    if word in _TOOLS:
        return word
    shown = one_line(said, _SHOWN) if isinstance(said, str) else type(said).__name__
    raise LostReplyError(
        f"an answer ends with stop or length, but the provider broke it off with {shown!r}"
    )


def read_vectors(data: dict[str, Any], count: int) -> list[list[float]]:
    """Return the `count` embeddings in a decoded answer, in the order of the texts.

    Raises:
        LostReplyError: There are more or fewer, or some is no list of numbers.
    """
    rows = data.get("data")
    if not isinstance(rows, list) or len(rows) != count:
        found = len(rows) if isinstance(rows, list) else "none"
        raise LostReplyError(f"the answer has {count} embeddings, but got {found}")
    vectors: dict[int, list[float]] = {}
    for place, row in enumerate(rows):
        vector = row.get("embedding") if isinstance(row, dict) else None
        index = row.get("index", place) if isinstance(row, dict) else None
        if not _is_vector(vector) or type(index) is not int:
            raise LostReplyError("an embedding is a list of numbers, but got something else")
        vectors[index] = [float(number) for number in vector]
    if vectors.keys() != set(range(count)):
        raise LostReplyError("every text has its own embedding, but two have the same number")
    return [vectors[index] for index in range(count)]


def _is_vector(value: Any) -> TypeGuard[list[float]]:
    return isinstance(value, list) and bool(value) and all(map(_is_number, value))


def _is_number(value: Any) -> bool:
    """Return whether a value is a number that a distance can be computed of."""
    return type(value) in (int, float) and -_LARGEST < value < _LARGEST


def _text_and_reasoning(choice: dict[str, Any], *, chat: bool) -> tuple[str, str]:
    """Return a choice's answer and what was thought before it."""
    if not chat:
        text = choice.get("text")
        if not isinstance(text, str):
            raise LostReplyError("a completion has a text, but got none")
        return text, ""
    message = choice.get("message")
    if not isinstance(message, dict):
        raise LostReplyError("a chat answer has a message, but got none")
    content = message.get("content")
    text = _joined(content)
    refusal = message.get("refusal")
    if refusal and not text:
        said = refusal if isinstance(refusal, str) else "no words"
        raise WithheldError(f"the model refused to answer: {one_line(said, _WORDS)}")
    reasoning = (
        _joined(message.get("reasoning_content"))
        or _joined(message.get("reasoning"))
        or _joined(content, "thinking")
    )
    if not (text or reasoning or _is_empty(content) or message.get("tool_calls")):
        raise LostReplyError(
            f"the content of a chat answer is a text, but got {type(content).__name__}"
        )
    thought, text = _parted(text)
    return text, "\n\n".join(part for part in (reasoning, thought) if part)


def _parted(text: str) -> tuple[str, str]:
    """Return the thought that a text begins with, and the rest, in time linear in its length.

    Where a server's template opens the thought, the text has only the tag that closes it.
    """
    if _CLOSED not in text and _OPENED not in text:
        return "", text
    start = text.lstrip()
    opened = start.startswith(_OPENED)
    thought, closed, rest = start.removeprefix(_OPENED).partition(_CLOSED)
    if closed and _OPENED not in thought:
        return thought.strip(), rest.lstrip()
    if opened:  # cut off while thinking
        return start.removeprefix(_OPENED).strip(), ""
    return "", text


def _is_empty(content: Any) -> bool:
    """Return whether a content says that nothing was written: "", or parts with such texts."""
    if isinstance(content, list):
        return bool(content) and all(
            isinstance(part, dict) and part.get("text") == "" for part in content
        )
    return isinstance(content, str) and not content


def _joined(content: Any, kind: str = "text", depth: int = _DEPTH) -> str:
    """Return one kind of a message's content as one text.

    Content is a text, absent, a part or a list of parts; those of the kind ``thinking`` hold a
    list of parts themselves.
    """
    if isinstance(content, str):
        return content if kind == "text" else ""
    if isinstance(content, dict):
        content = [content]
    if isinstance(content, list) and depth:
        return "".join(
            _joined(part.get(kind), depth=depth - 1)
            if isinstance(part, dict)
            else _joined(part, kind, 0)
            for part in content
        )
    return ""
