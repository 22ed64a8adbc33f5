"""The batch interface of OpenAI and of hosts that have the same: a file of requests, and one back.

The requests of a batch are the lines of a file; so are its answers, and what failed is in a second
file. Limits are those of OpenAI's documentation: 50,000 calls and 200 MB.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from llmopt.errors import LostReplyError, TransientError
from llmopt.models.providers.batch.batch_api import BatchState, json_object
from llmopt.models.providers.openai import path_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from llmopt.core.values import Call, Reply
    from llmopt.errors import ModelError
    from llmopt.models.providers.openai import OpenAIModel

MOST_RESULTS = 1 << 30
"""Bytes of a file of answers."""

_ENDED = ("completed", "failed", "expired", "cancelled")
_MARK = "llmopt"  # name of the metadata that a batch is found by
_PAGES = 20  # of a list of batches that are looked through
_OK = 200
_BAD_GATEWAY = 502
_LINE = b"\n"


class OpenAIBatches:
    """See :class:`~llmopt.models.providers.batch.batch_api.BatchAPI`.

    Args:
        model: Asks call by call; requests and answers in a batch are the same.
    """

    most_calls = 50_000
    most_bytes = 190 << 20

    def __init__(self, model: OpenAIModel) -> None:
        self._model = model

    def group(self, call: Call) -> str:
        """See the protocol."""
        return path_of(call)

    def request(self, call: Call) -> dict[str, Any]:
        """See the protocol."""
        # The path as it is documented, whatever the base URL is.
        return {"method": "POST", "url": f"/v1{path_of(call)}", "body": self._model.request(call)}

    async def send(self, requests: Mapping[str, dict[str, Any]], mark: str) -> str:
        """See the protocol."""
        lines = ({"custom_id": key, **request} for key, request in requests.items())
        content = _LINE.join(json.dumps(line).encode() for line in lines)
        boundary = uuid4().hex
        kind = f"multipart/form-data; boundary={boundary}"
        form = _form(boundary, content)
        file = _named(await self._model.exchange("POST", "/files", form, kind=kind))
        body = {
            "input_file_id": file,
            "endpoint": next(iter(requests.values()))["url"],
            "completion_window": "24h",
            "metadata": {_MARK: mark},
        }
        return _named(await self._model.exchange("POST", "/batches", json.dumps(body).encode()))

    async def find(self, mark: str, total: int, since: float) -> str:
        """See the protocol."""
        del total, since  # the mark is enough
        after = ""
        for _ in range(_PAGES):
            page = json_object(await self._model.exchange("GET", f"/batches?limit=100{after}"))
            batches = [one for one in page.get("data") or () if isinstance(one, dict)]
            for one in batches:
                if (one.get("metadata") or {}).get(_MARK) == mark:
                    return str(one["id"])
            if not page.get("has_more") or not batches:
                break
            after = f"&after={batches[-1].get('id')}"
        return ""

    async def state(self, name: str) -> BatchState:
        """See the protocol."""
        found = await self._found(name)
        counts = found.get("request_counts")
        counts = counts if isinstance(counts, dict) else {}
        done = int(counts.get("completed") or 0) + int(counts.get("failed") or 0)
        status = found.get("status")
        fault = self._refusal(found) if status == "failed" else None
        return BatchState(status in _ENDED, done, int(counts.get("total") or 0), fault)

    async def results(self, name: str) -> Mapping[str, Any]:
        """See the protocol."""
        batch = await self._found(name)
        found: dict[str, Any] = {}
        # Answers last: where both files speak of a call, an answer is what was paid for.
        for file in ("error_file_id", "output_file_id"):
            if batch.get(file):
                path = f"/files/{batch[file]}/content"
                content = await self._model.exchange("GET", path, most=MOST_RESULTS)
                found.update({line["custom_id"]: line for line in result_lines(content)})
        return found

    def read(self, result: Any, call: Call) -> Reply:
        """See the protocol."""
        response = result.get("response")
        if not isinstance(response, dict):
            raise TransientError(f"a call of a batch was not answered ({_code(result)})")
        status, body = response.get("status_code", _OK), response.get("body")
        status = status if type(status) is int else _BAD_GATEWAY
        if status != _OK or not isinstance(body, dict) or body.get("error"):
            raise self._model.fault_of(_BAD_GATEWAY if status == _OK else status, body)
        return self._model.read(body, call)

    async def close(self) -> None:
        """See the protocol."""
        await self._model.close()

    async def _found(self, name: str) -> dict[str, Any]:
        return json_object(await self._model.exchange("GET", f"/batches/{name}"))

    def _refusal(self, batch: dict[str, Any]) -> ModelError:
        """Return why a batch as a whole was refused.

        A limit on what waits in batches passes; anything else would be refused again.
        """
        errors = batch.get("errors")
        first = errors.get("data") if isinstance(errors, dict) else None
        said = first[0] if isinstance(first, list) and first else {}
        limited = "limit" in str(said.get("code") if isinstance(said, dict) else "")
        return self._model.fault_of(429 if limited else 400, said)


def result_lines(content: bytes) -> Iterator[dict[str, Any]]:
    """Yield the results in a file of them, by line; other lines are ignored."""
    for text in content.split(_LINE):
        try:
            line = json.loads(text)
        except (ValueError, RecursionError):
            continue
        if isinstance(line, dict) and isinstance(line.get("custom_id"), str):
            yield line


def _form(boundary: str, content: bytes) -> bytes:
    """Return a form with the purpose and the file of a batch."""
    mark = f"--{boundary}\r\nContent-Disposition: form-data; name="
    return b"".join(
        (
            f'{mark}"purpose"\r\n\r\nbatch\r\n'.encode(),
            f'{mark}"file"; filename="calls.jsonl"\r\n'.encode(),
            b"Content-Type: application/jsonl\r\n\r\n",
            content,
            f"\r\n--{boundary}--\r\n".encode(),
        )
    )


def _named(content: bytes) -> str:
    """Return the name of what a provider made."""
    name = json_object(content).get("id")
    if not isinstance(name, str) or not name:
        raise LostReplyError("a file or a batch that was made has an id, but got none")
    return name


def _code(result: dict[str, Any]) -> str:
    error = result.get("error")
    return str(error.get("code")) if isinstance(error, dict) else "no reason given"
