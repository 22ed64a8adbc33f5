"""How many tokens a call took: what a provider counted, as far as it can be believed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from llmopt.core.values import Usage

if TYPE_CHECKING:
    from llmopt.core.values import Call

_ASCII = 4  # ASCII characters per token: a rule of thumb for English
# Bytes of UTF-8 per token in all other writing: 1.5 tokens for a Chinese character, which most
# tokenizers do not exceed.
_OTHER = 2
_READ = ("cached_tokens", "prompt_cache_hit_tokens", "cache_read_input_tokens")
_WRITTEN = ("cache_write_tokens", "cache_creation_input_tokens")
_CACHED = frozenset((*_READ, *_WRITTEN))
MOST_TOKENS = 1_000_000_000
"""Tokens of one call above which a count is taken for a fault: no context is so long."""


def tokens_of(text: str) -> int:
    """Return a guess of the tokens of a text; 0 for an empty one only."""
    size = len(text.encode("utf-8", "surrogatepass"))
    plain = size if text.isascii() else len(text.encode("ascii", "ignore"))
    return -(-plain // _ASCII) + -(-(size - plain) // _OTHER)


def estimate(call: Call, text: str) -> Usage:
    """Return a guess of the tokens of `call` and the generated `text`, marked as one."""
    asked = "".join(m.content for m in call.messages) + (call.prompt or "")
    return Usage(1, tokens_of(asked), tokens_of(text), estimated=True)


def read_usage(data: Any) -> Usage | None:
    """Return the provider's count of tokens, or None where it gave none that can be believed.

    A count is a whole number from 0 to `MOST_TOKENS`; true and false do not count. What it says of
    its prompt cache counts where both parts together are no more than the prompt: else no token
    was read from it, so that nothing is taken for cheaper than it was.
    """
    if not isinstance(data, dict):
        return None
    asked, made = _count(data.get("prompt_tokens")), data.get("completion_tokens")
    # Raw completions that generate nothing may leave the second one out or null.
    generated = 0 if made is None else _count(made)
    if asked is None or generated is None:
        return None
    total = _count(data.get("total_tokens"))
    if total is not None:
        # Some hosts bill tokens of reasoning that only their total counts.
        generated = max(generated, total - asked)
    read, wrote = _cache_of(data)
    wrote = min(wrote, asked)
    return Usage(1, asked, generated, False, read if read + wrote <= asked else 0, wrote)


def _cache_of(data: dict[str, Any]) -> tuple[int, int]:
    """Return the tokens of a prompt that were read from a cache, and written to one.

    OpenAI's interface has them among the details of the prompt, DeepSeek and gateways to
    Anthropic next to its count.
    """
    details = data.get("prompt_tokens_details")
    known = {**data, **details} if isinstance(details, dict) else data
    if known.keys().isdisjoint(_CACHED):
        return 0, 0
    return _first(known, _READ), _first(known, _WRITTEN)


def _first(data: dict[str, Any], names: tuple[str, ...]) -> int:
    return next((n for name in names if (n := _count(data.get(name)))), 0)


def counted(data: dict[str, Any], call: Call, text: str) -> Usage:
    """Return the usage in the decoded answer to a call that generated `text`.

    What is not counted is estimated, and so is 0 for a text that is not empty: some hosts write
    0 where they do not count.
    """
    usage = read_usage(data.get("usage"))
    if usage is not None and usage.input_tokens and (usage.output_tokens or not text):
        return usage
    guess = estimate(call, text)
    if usage is None:
        return guess
    asked = usage.input_tokens or guess.input_tokens
    made = usage.output_tokens or guess.output_tokens
    same = (asked, made) == (usage.input_tokens, usage.output_tokens)
    return usage if same else replace(usage, input_tokens=asked, output_tokens=made, estimated=True)


def believable(usage: Usage, call: Call, text: str) -> Usage:
    """Return the usage of a reply with estimates in place of counts that are none.

    Any model may have given it, one of the user's too, and budgets and the store rely on it.
    """
    counts = (usage.calls, usage.input_tokens, usage.output_tokens)
    cache = (usage.cached_tokens, usage.cache_write_tokens)
    every = (*counts, *cache)
    if set(map(type, every)) == {int} and min(every) >= 0 and max(every) <= MOST_TOKENS:
        return usage if sum(cache) <= usage.input_tokens else replace(usage, cached_tokens=0)
    guess = estimate(call, text)
    calls, asked, made = (_count(count) for count in counts)
    return replace(
        guess,
        calls=1 if calls is None else calls,
        input_tokens=guess.input_tokens if asked is None else asked,
        output_tokens=guess.output_tokens if made is None else made,
    )


def _count(value: Any) -> int | None:
    """Return a count, or None where it is no whole number or an impossible one."""
    if type(value) is float and value.is_integer():
        value = int(value)
    return value if type(value) is int and 0 <= value <= MOST_TOKENS else None
