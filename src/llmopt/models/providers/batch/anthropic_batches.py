"""The batch interface of Anthropic: requests of its own messages API, and a file of results.

Limits are those of its documentation: 100,000 calls and 256 MB. A batch carries no mark by
which it is found, so one of which it is not known whether it was accepted is recognized by the
time at which it was made and by its number of calls.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

from llmopt.errors import LostReplyError, TransientError
from llmopt.models.providers.batch.batch_api import BatchState, json_object
from llmopt.models.providers.batch.openai_batches import MOST_RESULTS, result_lines

if TYPE_CHECKING:
    from collections.abc import Mapping

    from llmopt.core.values import Call, Reply
    from llmopt.models.providers.openai import OpenAIModel

VERSION = {"anthropic-version": "2023-06-01"}
"""The header that the API wants with every request."""

KEY_HEADER = "x-api-key"
"""The header that it takes the key in."""

_PATH = "/messages/batches"
_CACHE = ("cache_read_input_tokens", "cache_creation_input_tokens")
_WITHIN = 600.0  # seconds after it was sent, in which a batch was made that is ours
_STATUS = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "overloaded_error": 529,
}
_BAD_GATEWAY = 502


class AnthropicBatches:
    """See :class:`~llmopt.models.providers.batch.batch_api.BatchAPI`.

    Args:
        model: Reaches the endpoint, with the key in `KEY_HEADER` and the header `VERSION`.
    """

    most_calls = 100_000
    most_bytes = 240 << 20

    def __init__(self, model: OpenAIModel) -> None:
        self._model = model

    def group(self, call: Call) -> str:
        """See the protocol."""
        del call
        return ""

    def request(self, call: Call) -> dict[str, Any]:
        """See the protocol."""
        system = "\n\n".join(m.content for m in call.messages if m.role == "system")
        turns = [m for m in call.messages if m.role != "system"]
        made: dict[str, Any] = {
            **self._model.request(call),
            "max_tokens": call.max_tokens,
            "messages": [{"role": m.role, "content": m.content} for m in turns],
        }
        if system:
            made["system"] = system
        if stop := made.pop("stop", None):
            # Stop texts of white space alone are refused; replies are cut at them here.
            made["stop_sequences"] = [text for text in stop if text.strip()]
        return made

    async def send(self, requests: Mapping[str, dict[str, Any]], mark: str) -> str:
        """See the protocol."""
        del mark  # there is no place for it
        rows = [{"custom_id": key, "params": body} for key, body in requests.items()]
        content = json.dumps({"requests": rows}).encode()
        name = json_object(await self._model.exchange("POST", _PATH, content)).get("id")
        if not isinstance(name, str) or not name:
            raise LostReplyError("a batch that was made has an id, but got none")
        return name

    async def find(self, mark: str, total: int, since: float) -> str:
        """See the protocol."""
        del mark
        page = json_object(await self._model.exchange("GET", f"{_PATH}?limit=1000"))
        for one in page.get("data") or ():
            made = _seconds(one.get("created_at"))
            counts = one.get("request_counts") or {}
            if sum(counts.values()) == total and -1 <= made - since <= _WITHIN:
                return str(one["id"])
        return ""

    async def state(self, name: str) -> BatchState:
        """See the protocol."""
        found = json_object(await self._model.exchange("GET", f"{_PATH}/{name}"))
        counts = found.get("request_counts")
        counts = counts if isinstance(counts, dict) else {}
        total = sum(int(count or 0) for count in counts.values())
        done = total - int(counts.get("processing") or 0)
        return BatchState(found.get("processing_status") == "ended", done, total)

    async def results(self, name: str) -> Mapping[str, Any]:
        """See the protocol."""
        path = f"{_PATH}/{name}/results"
        content = await self._model.exchange("GET", path, most=MOST_RESULTS)
        return {line["custom_id"]: line.get("result") for line in result_lines(content)}

    def read(self, result: Any, call: Call) -> Reply:
        """See the protocol."""
        kind = result.get("type") if isinstance(result, dict) else None
        if kind == "succeeded" and isinstance(result.get("message"), dict):
            return self._model.read(as_answer(result["message"]), call)
        if kind != "errored":
            raise TransientError(f"a call of a batch was not answered ({kind})")
        body = result.get("error")
        inner = body.get("error") if isinstance(body, dict) else None
        said = inner if isinstance(inner, dict) else {}
        raise self._model.fault_of(_STATUS.get(str(said.get("type")), _BAD_GATEWAY), body)

    async def close(self) -> None:
        """See the protocol."""
        await self._model.close()


def as_answer(message: dict[str, Any]) -> dict[str, Any]:
    """Return a message as the answer to a chat that it amounts to."""
    usage = message.get("usage")
    usage = usage if isinstance(usage, dict) else {}
    cache = {key: usage.get(key) or 0 for key in _CACHE}
    asked = usage.get("input_tokens")  # without what was read from the cache, or written to it
    if isinstance(asked, int) and all(isinstance(count, int) for count in cache.values()):
        asked += sum(cache.values())
    parts = message.get("content")
    return {
        "choices": [
            {"message": {"content": parts or ""}, "finish_reason": message.get("stop_reason")}
        ],
        "usage": {
            "prompt_tokens": asked,
            "completion_tokens": usage.get("output_tokens"),
            **cache,
        },
    }


def _seconds(when: Any) -> float:
    """Return a time as seconds since 1970; of no time, 0."""
    try:
        return datetime.fromisoformat(str(when)).timestamp()
    except ValueError:
        return 0.0
