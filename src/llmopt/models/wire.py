"""The JSON of OpenAI-compatible endpoints: a call as a request, a reply as an answer.

Shared by every model that speaks it: the HTTP client and llama.cpp's in-process server.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeGuard

from llmopt.errors import LostReplyError, WithheldError
from llmopt.text import one_line
from llmopt.types import Reply, Usage

if TYPE_CHECKING:
    from llmopt.types import Call

_CHARACTERS_PER_TOKEN = 4  # a rule of thumb for English; used only where no usage is given
_MOST_STOPS = 4  # the API's limit; further stop texts are applied by `read_reply`
_SEEDS = 1 << 31  # seeds are below this everywhere
_WORDS = 200  # characters of a refusal that a message repeats
_WITHHELD = ("content_filter", "refusal", "safety", "blocklist", "prohibited_content")
_HEX = 16  # digits of a call's key that make a seed
# Where a server's template opens the thought, the answer has only the tag that closes it.
_THOUGHT = re.compile(r"\s*(?:<think>)?((?:(?!<think>).)*?)</think>\s*", re.DOTALL)
_THINKING = re.compile(r"\s*<think>(.*)", re.DOTALL)


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


# The first pattern that matches the model's name without its owner ("openai/o3" is "o3").
_DIALECTS: tuple[tuple[re.Pattern[str], Dialect], ...] = (
    (re.compile(r"gpt-5[\w.]*-chat"), Dialect("max_completion_tokens")),
    (
        re.compile(r"(o1|o3|o4|gpt-5)"),
        Dialect(
            "max_completion_tokens",
            temperature=False,
            stop=False,
            system="developer",
            logprobs=False,
        ),
    ),
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
    return next((dialect for pattern, dialect in _DIALECTS if pattern.match(name)), Dialect())


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
    tokens are estimated where the answer has no usage.

    Raises:
        LostReplyError: The answer has no choice, or one of an unknown shape.
        WithheldError: A filter kept it back, or the model refused to answer.
    """
    choices = data.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    if not isinstance(choice, dict):
        raise LostReplyError("the answer has at least one choice, but got none")
    finish = str(choice.get("finish_reason") or "stop")
    if finish == "error" or choice.get("error"):
        raise LostReplyError("the answer ends by itself, but the provider broke it off")
    if finish.lower() in _WITHHELD:
        raise WithheldError(f"the answer was kept back by the provider ({finish})")
    text, reasoning = _text_and_reasoning(choice, chat=call.prompt is None)
    cut = min((at for stop in call.stop if stop and (at := text.find(stop)) >= 0), default=-1)
    if cut >= 0:
        text, finish = text[:cut], "stop"
    usage = read_usage(data.get("usage")) or estimate(call, text + reasoning)
    return Reply(text=text, usage=usage, finish=finish, reasoning=reasoning)


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
    return isinstance(value, list) and bool(value) and all(type(v) in (int, float) for v in value)


def estimate(call: Call, text: str) -> Usage:
    """Return a guess of the tokens of `call` and the generated `text`, marked as one."""
    asked = sum(len(m.content) for m in call.messages) + len(call.prompt or "")
    return Usage(
        calls=1,
        input_tokens=-(-asked // _CHARACTERS_PER_TOKEN),
        output_tokens=-(-len(text) // _CHARACTERS_PER_TOKEN),
        estimated=True,
    )


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
    text = _joined(message.get("content"))
    refusal = message.get("refusal")
    if refusal and not text:
        raise WithheldError(f"the model refused to answer: {one_line(str(refusal), _WORDS)}")
    reasoning = (
        _joined(message.get("reasoning_content"))
        or _joined(message.get("reasoning"))
        or _joined(message.get("content"), "thinking")
    )
    if "think>" not in text:
        return text, reasoning
    thought = _THOUGHT.match(text) or _THINKING.match(text)  # the second: cut off while thinking
    if thought:
        reasoning = "\n\n".join(part for part in (reasoning, thought[1].strip()) if part)
        text = text[thought.end() :]
    return text, reasoning


def _joined(content: Any, kind: str = "text") -> str:
    """Return one kind of a message's content as one text.

    Content is a text, absent, or a list of parts; those of the kind ``thinking`` hold a list
    of parts themselves.
    """
    if isinstance(content, list):
        return "".join(_joined(part.get(kind)) for part in content if isinstance(part, dict))
    return content if isinstance(content, str) and kind == "text" else ""


def read_usage(data: Any) -> Usage | None:
    """Return the provider's count of tokens, or None where it gave none."""
    if not isinstance(data, dict):
        return None
    counts = data.get("prompt_tokens"), data.get("completion_tokens")
    # Raw completions that generate nothing may leave the second one out or null.
    asked, generated = counts[0], counts[1] if counts[1] is not None else 0
    if not isinstance(asked, int) or not isinstance(generated, int):
        return None
    total = data.get("total_tokens")
    if isinstance(total, int):
        # Some hosts bill tokens of reasoning that only their total counts.
        generated = max(generated, total - asked)
    return Usage(calls=1, input_tokens=asked, output_tokens=generated)
