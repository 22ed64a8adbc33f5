"""What a model can do, found out with the smallest calls: chat, raw text, n, logprobs, usage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from llmopt.core.values import Call, Message
from llmopt.errors import ModelError
from llmopt.models.providers.openai import OpenAIModel

if TYPE_CHECKING:
    from llmopt.core.model import Model
    from llmopt.core.values import Reply

# Reasoning counts as generated, so that a chat needs room; others end by themselves.
_CHAT = Call("scorer", (Message("user", "Say yes."),), max_tokens=256)
_RAW = Call("scorer", prompt="1, 2, 3,", max_tokens=4)
_SHOWN = 40  # characters of a reply
_MORE = ("n", "logprobs", "usage")
_ONE_REPLY = "not asked, because models of this kind give one plain reply to a call"


@dataclass(frozen=True, slots=True)
class Probe:
    """Whether something works.

    Attributes:
        what: ``chat``, ``raw completion``, ``n``, ``logprobs`` or ``usage``.
        works: Whether it does.
        said: What was answered, or why it does not work.
    """

    what: str
    works: bool
    said: str


async def probe(model: Model) -> tuple[Probe, ...]:
    """Ask a model for one thing after the other, each once: four calls at most.

    Raises:
        InputError: The model cannot be used at all.
    """
    chat, said_to_chat = await _asked(model, _CHAT)
    raw, said_to_raw = None, "this model takes chats only"
    # An endpoint is asked even where nobody said that it takes raw text.
    if model.traits.completion or isinstance(model, OpenAIModel):
        raw, said_to_raw = await _asked(model, _RAW)
    reply = chat or raw
    findings = [
        Probe("chat", chat is not None, said_to_chat),
        Probe("raw completion", raw is not None, said_to_raw),
    ]
    if reply is None:
        nothing = "not asked, because nothing else works"
        return (*findings, *(Probe(what, works=False, said=nothing) for what in _MORE))
    many = await _many(model, _CHAT if chat else _RAW)
    logprobs = await _logprobs(model, _CHAT if chat else _RAW)
    return (*findings, many, logprobs, _usage(reply))


async def _asked(model: Model, call: Call) -> tuple[Reply | None, str]:
    """Return a reply and how it begins, or None and why there is none."""
    try:
        reply = await model.complete(call)
    except ModelError as error:
        return None, str(error)
    text = " ".join(reply.text.split())
    return reply, repr(text[:_SHOWN]) if text else f"nothing, and ended with {reply.finish!r}"


async def _choice(model: OpenAIModel, call: Call, **fields: Any) -> tuple[list[Any], str]:
    """Return the choices of an answer to a request with more fields, or none and why."""
    try:
        data = await model.answer(call, **fields)
    except ModelError as error:
        return [], str(error)
    choices = data.get("choices")
    return (choices, "") if isinstance(choices, list) else ([], "the answer has no choices")


async def _many(model: Model, call: Call) -> Probe:
    """Return whether two answers come for one request."""
    if not isinstance(model, OpenAIModel):
        return Probe("n", works=False, said=_ONE_REPLY)
    if not model.dialect.many:
        said = "not asked, because this provider gives one answer to a request"
        return Probe("n", works=False, said=said)
    choices, said = await _choice(model, call, n=2)
    works = len(choices) == 2  # noqa: PLR2004 - the number asked for in the line above
    return Probe("n", works, said or f"asked for 2 answers, got {len(choices)}")


async def _logprobs(model: Model, call: Call) -> Probe:
    """Return whether probabilities of tokens come with an answer."""
    if not isinstance(model, OpenAIModel):
        return Probe("logprobs", works=False, said=_ONE_REPLY)
    fields: dict[str, Any] = {"logprobs": True} if call.prompt is None else {"logprobs": 1}
    choices, said = await _choice(model, call, **fields)
    works = bool(choices and isinstance(choices[0], dict) and choices[0].get("logprobs"))
    there = "the answer has them" if works else "the answer has none"
    return Probe("logprobs", works, said or there)


def _usage(reply: Reply) -> Probe:
    """Return whether the provider counts tokens."""
    usage = reply.usage
    if usage.estimated:
        said = "the answer counts no tokens, so that they are estimated"
        return Probe("usage", works=False, said=said)
    said = f"{usage.input_tokens} tokens in, {usage.output_tokens} out"
    return Probe("usage", works=True, said=said)
