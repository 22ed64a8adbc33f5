"""The bodies of answers: read up to a size, and decoded whatever form a server gives them.

What an answer says decides how it is read, not the type that its server declares: gateways send
JSON as plain text, as an event stream of one event, or as the stream that nobody asked for.
"""

from __future__ import annotations

import json
import re
import zlib
from typing import TYPE_CHECKING, Any

from llmopt.errors import LostReplyError

if TYPE_CHECKING:
    import aiohttp

MOST_BYTES = 16 << 20
"""Of a body, also after it was decompressed: more than any answer has, vectors included."""

ENCODINGS = "gzip, deflate"
"""What :func:`body_of` can decompress, as the header ``Accept-Encoding``."""

_EITHER = 32 + zlib.MAX_WBITS  # zlib finds out itself whether gzip or zlib wrote it
_LINE = re.compile(r"\r\n|\n|\r")  # not every Unicode line end: JSON holds some of them
_FIELD = re.compile(r"(data|event|id|retry)?:[ ]?(.*)", re.DOTALL)
_DONE = "[DONE]"


def encoded(body: dict[str, Any]) -> bytes:
    """Return the body of a request as JSON."""
    import pydantic_core

    try:
        return pydantic_core.to_json(body, inf_nan_mode="constants")
    except ValueError:  # a lone surrogate; or what no JSON can hold, which is raised then
        return json.dumps(body).encode()


async def body_of(response: aiohttp.ClientResponse, most: int = MOST_BYTES) -> bytes:
    """Return the whole body of an answer, decompressed.

    Args:
        response: The answer.
        most: Bytes that it may have.

    Raises:
        LostReplyError: It is larger than that, or compressed in another or a broken way.
    """
    encoding = response.headers.get("Content-Encoding", "").strip().lower()
    packed = encoding not in ("", "identity")
    if packed and encoding not in ("gzip", "x-gzip", "deflate"):
        raise LostReplyError(f"an answer is plain or packed with {ENCODINGS}, but got another form")
    unpacker = zlib.decompressobj(_EITHER) if packed else None
    parts: list[bytes] = []
    left = most
    async for chunk in response.content.iter_any():
        try:
            # One byte more than may come, so that no more than that is ever unpacked.
            part = chunk if unpacker is None else unpacker.decompress(chunk, left + 1)
        except zlib.error:
            raise LostReplyError("an answer can be unpacked, but got a broken one") from None
        left -= len(part)
        if left < 0:
            raise LostReplyError(f"an answer has at most {most >> 20} MiB, but got a larger one")
        parts.append(part)
    if unpacker is not None and not unpacker.eof:
        raise LostReplyError("an answer is whole, but got one that was cut off")
    return b"".join(parts)


def decoded(content: bytes) -> Any:
    """Return what a body says as plain data, a stream as the one answer that it amounts to.

    None where it is neither JSON nor a stream of JSON, cut off, or nested too deeply.
    """
    import pydantic_core

    try:
        return pydantic_core.from_json(content, cache_strings="keys")
    except ValueError:  # it refuses more than the standard library, which is slower
        pass
    try:
        return json.loads(content)
    except RecursionError:
        return None
    except ValueError:
        pass
    try:
        text = content.decode("utf-8-sig").lstrip()
        if text.startswith("{"):
            return _before_the_end(text)
        events = _events(text)
        return _one_of(events) if events else None
    except (ValueError, RecursionError):
        return None


def _before_the_end(text: str) -> Any:
    """Return the JSON that a text begins with, where only the end of a stream follows."""
    found, end = json.JSONDecoder().raw_decode(text)
    rest = [line for line in _LINE.split(text[end:]) if line.strip()]
    return None if _events("\n".join(rest)) or not all(map(_FIELD.match, rest)) else found


def _events(text: str) -> list[dict[str, Any]]:
    """Return the data of a stream's events up to its end; what is no event is passed over.

    Raises:
        ValueError: The data of an event are no JSON.
    """
    found: list[dict[str, Any]] = []
    name = ""
    held: list[str] = []
    for line in (*_LINE.split(text), ""):
        field = _FIELD.match(line)
        if field and field[1] == "event":
            name = field[2].strip()
        elif field and field[1] == "data":
            if field[2].strip() == _DONE:
                break
            # Some servers put no empty line behind an event, so a line that is JSON is one.
            data = None if held else _json(field[2])
            if data is None:
                held.append(field[2])
            else:
                found.append(_named(name, data))
        if not line:
            if held:
                found.append(_named(name, json.loads("\n".join(held))))
            name, held = "", []
    return [data for data in found if data]


def _json(line: str) -> Any:
    """Return a line as JSON, or None where it is none by itself."""
    try:
        return json.loads(line)
    except ValueError:
        return None


def _named(name: str, data: Any) -> dict[str, Any]:
    """Return the data of an event, those of a failure as answers give one."""
    if not isinstance(data, dict):
        return {}
    return {"error": data} if name == "error" and not data.get("error") else data


def _one_of(events: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the answer that the events of a stream amount to."""
    failed = next((event for event in events if event.get("error")), None)
    if failed is not None:
        return failed
    whole = next((event for event in reversed(events) if _is_answer(event)), None)
    return whole or _joined(events)


def _is_answer(event: dict[str, Any]) -> bool:
    """Return whether an event is a whole answer to a chat, or vectors."""
    choice = _choice(event)
    return isinstance(event.get("data"), list) or isinstance(choice.get("message"), dict)


def _choice(event: dict[str, Any]) -> dict[str, Any]:
    """Return the piece of the first choice that an event brings, or an empty one."""
    choices = event.get("choices")
    found = [
        choice
        for choice in (choices if isinstance(choices, list) else ())
        if isinstance(choice, dict) and choice.get("index", 0) in (0, None)
    ]
    return found[0] if found else {}


def _joined(events: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the answer whose pieces the events are; without an end it has no finish reason."""
    message: dict[str, list[Any]] = {}
    choice: dict[str, list[Any]] = {}
    logprobs: dict[str, list[Any]] = {}
    last: dict[str, Any] = {"finish_reason": None}
    usage: Any = None
    for event in events:
        usage = event.get("usage") or usage
        piece = _choice(event)
        _collect(message, piece.get("delta"))
        _collect(choice, {"text": piece.get("text")})
        _collect(logprobs, piece.get("logprobs"))
        last |= {key: piece[key] for key in ("finish_reason", "error") if piece.get(key)}
    made = {**_whole(choice), **last}
    if message:
        made["message"] = _whole(message)
    if logprobs:
        made["logprobs"] = _whole(logprobs)
    return {"choices": [made], "usage": usage}


def _collect(pieces: dict[str, list[Any]], more: Any) -> None:
    """Put the pieces that an event brings behind those that are there."""
    for key, value in more.items() if isinstance(more, dict) else ():
        if value is not None:
            pieces.setdefault(key, []).append(value)


def _whole(pieces: dict[str, list[Any]]) -> dict[str, Any]:
    """Return texts and lists in one piece each, and the last of all other values."""
    made: dict[str, Any] = {}
    for key, values in pieces.items():
        if all(isinstance(value, str) for value in values):
            made[key] = "".join(values)
        elif all(isinstance(value, list) for value in values):
            made[key] = [one for value in values for one in value]
        else:
            made[key] = values[-1]
    return made
