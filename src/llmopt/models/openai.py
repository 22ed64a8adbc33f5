"""Any OpenAI-compatible endpoint over HTTP: chats, raw completions, embeddings.

Written directly on aiohttp, with one session and one pool of kept connections, because the
client's own time per call is what limits a run with hundreds of calls in flight.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit, urlunsplit
from urllib.request import getproxies, proxy_bypass

from llmopt.errors import (
    ConfigError,
    EndpointError,
    LostReplyError,
    ModelError,
    RefusedError,
    TransientError,
)
from llmopt.model import Traits, attempt_seconds
from llmopt.models.faults import Redactor, fault_of_status
from llmopt.models.likelihood import likelihood_fields, read_likelihoods
from llmopt.models.presets import OPENAI
from llmopt.models.wire import read_reply, read_usage, read_vectors, request_of
from llmopt.types import Usage, canonical, digest

if TYPE_CHECKING:
    from collections.abc import Sequence

    import aiohttp
    from yarl import URL

    from llmopt.models.presets import Preset
    from llmopt.types import Call, Reply

_CONNECT_SECONDS = 30.0
_KEEP_SECONDS = 60.0
_OK = 200
_BAD_GATEWAY = 502
_MOST_TEXTS = 64  # in one request for embeddings; hosts allow 100 or more
_PATHS = ("/chat/completions", "/completions", "/embeddings")
_CHOOSING = ("api-version", "deployment", "deployment-id", "deployment_id", "model", "version")
_SECRET_NAME = re.compile(r"key|token|secret|sig|auth|pass|cred", re.IGNORECASE)
_SHORTEST_SECRET = 4  # shorter values of a URL's query are words, not secrets


class OpenAIModel:
    """A model behind an OpenAI-compatible endpoint.

    Args:
        model: The provider's name of the model.
        base_url: Where the API begins; default: the preset's. A query (``?api-version=…``) is
            sent along; both it and a user name stay out of messages.
        key: The key. Default: the environment variable `key_variable`.
        key_variable: Name of the variable that holds the key; default: the preset's. A key is
            necessary where a variable was named here, and at the preset's own endpoint if that
            answers nobody without one.
        traits: What the model can do; the pool has a connection for
            every call in flight, however many they are.
        timeout: Seconds after which an attempt without a whole answer is given up; default:
            half of the deadline in `traits`, so that a call which got stuck has a second one.
        preset: The host and its quirks.

    Attributes:
        model: The provider's name of the model.
        dialect: How it wants to be asked.

    Raises:
        ConfigError: The URL is missing or none, or the key is missing or cannot be a header.
    """

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None = None,
        key: str | None = None,
        key_variable: str | None = None,
        traits: Traits | None = None,
        timeout: float | None = None,
        preset: Preset = OPENAI,
    ) -> None:
        self.model = model
        self.dialect = preset.dialect(model)
        self._timeout = timeout or attempt_seconds(traits or Traits())
        url = base_url or _usual_url(preset)
        self._base = checked_url(url)
        self._where = urlunsplit(self._base._replace(query=""))
        self.traits = replace(
            traits or Traits(), endpoint=self._where, likelihood=self.dialect.logprobs
        )
        self.identity = f"{preset.name}/{model}@{self._where}{_variant(self._base.query)}"
        usual = urlsplit(preset.base_url).hostname
        needed = preset.needs_key and usual in (None, self._base.hostname)
        bearer = _key(
            key,
            key_variable or preset.key_variable,
            self._where,
            needed=needed or key_variable is not None,
        )
        user = _user(url)
        self._authorization = f"Bearer {bearer}" if bearer else user and f"Basic {user}"
        self._redact = Redactor(_secrets(url, bearer))
        self._held: _Connection | None = None
        self._reached = False
        self._answered = False

    def __repr__(self) -> str:
        return f"OpenAIModel({self.model!r}, base_url={self._where!r})"

    async def complete(self, call: Call) -> Reply:
        """See `llmopt.model.Model.complete`."""
        if call.answers:
            data = await self.answer(call, **likelihood_fields(call))
            return read_likelihoods(data, call, self._where)
        return read_reply(await self.answer(call), call)

    async def answer(self, call: Call, **fields: Any) -> dict[str, Any]:
        """Return the decoded answer to a call whose request has some more fields.

        Raises:
            ModelError: As for `complete`.
        """
        body = {"model": self.model, **request_of(call, self.dialect), **fields}
        path = "/chat/completions" if call.prompt is None else "/completions"
        return await self._asked(path, body, "choices")

    async def embed(self, texts: Sequence[str]) -> tuple[list[list[float]], Usage | None]:
        """Return a vector for each text, in their order; equal texts are asked for each time.

        Beside them stands what the provider counted, or None where it did not.

        Raises:
            ModelError: As for `complete`.
        """
        vectors: list[list[float]] = []
        counted: list[Usage | None] = []
        for start in range(0, len(texts), _MOST_TEXTS):
            some = list(texts[start : start + _MOST_TEXTS])
            data = await self._asked("/embeddings", {"model": self.model, "input": some}, "data")
            vectors += read_vectors(data, len(some))
            counted.append(read_usage(data.get("usage")))
        known = [usage for usage in counted if usage is not None]
        return vectors, sum(known, Usage()) if known and len(known) == len(counted) else None

    async def close(self) -> None:
        """Close the kept connections."""
        held, self._held = self._held, None
        if held is not None:
            await held.session.close()

    async def _asked(self, path: str, body: dict[str, Any], wanted: str) -> dict[str, Any]:
        """Send one request; return its decoded answer, which has the field `wanted` or no error."""
        status, kind, headers, content = await self._post(path, json.dumps(body).encode())
        data = _decoded(content)
        if status != _OK:
            said = data if isinstance(data, dict | list) else content.decode(errors="replace")
            fault = fault_of_status(self._where, status, said, headers, self._redact)
            if isinstance(fault, RefusedError) and not self._answered:
                fault = EndpointError(str(fault))
            raise fault
        if not isinstance(data, dict) or (kind and "json" not in kind):
            raise LostReplyError(
                f"the answer of {self._where} is JSON, but got {len(content)} bytes of "
                f"{self._redact(kind) or 'no declared type'}"
            )
        if "error" in data and not data.get(wanted):
            # Some gateways report a failure behind them under a status of 200.
            raise fault_of_status(self._where, _status_inside(data), data, headers, self._redact)
        self._answered = True
        return data

    async def _post(self, path: str, body: bytes) -> tuple[int, str, dict[str, str], bytes]:
        """Send one request; return status, content type, headers (of failures) and content."""
        import aiohttp

        held = self._connection()
        fault: ModelError
        try:
            async with held.session.post(
                held.urls[path], data=body, proxy=held.proxy, allow_redirects=False
            ) as response:
                content = await response.read()
                self._reached = True
                headers = {} if response.status == _OK else dict(response.headers)
                kind = response.headers.get("Content-Type", "")
                return response.status, kind, headers, content
        except (aiohttp.ClientSSLError, aiohttp.InvalidURL) as error:
            fault = EndpointError(
                f"{self._where} is an endpoint with a trusted certificate, but got: "
                f"{self._told(error)}; check the base URL"
            )
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            fault = self._unreachable(error)
        except TimeoutError:
            fault = LostReplyError(
                f"{self._where} gave no whole answer in {self._timeout:g} s, half of the deadline "
                "of a call; a larger deadline lets a slow model answer"
            )
        except (aiohttp.ClientError, OSError) as error:
            fault = LostReplyError(f"the connection to {self._where} broke: {self._told(error)}")
        # Raised out here so that no cause hangs on it: aiohttp's errors can hold the headers.
        raise fault

    def _unreachable(self, error: aiohttp.ClientError) -> ModelError:
        """Return why there is no connection: one that never was is worth no second attempt."""
        reason = getattr(getattr(error, "os_error", None), "strerror", None)
        message = f"{self._where} cannot be reached: {reason or self._told(error)}"
        if self._reached:
            return TransientError(message)
        return EndpointError(f"{message}; check the base URL, and that the server runs")

    def _told(self, error: Exception) -> str:
        """Return what the HTTP library says about `error`, fit for a message."""
        return self._redact(str(error)) or type(error).__name__

    def _connection(self) -> _Connection:
        """Return the held connection, opened in the running loop on first use."""
        loop = asyncio.get_running_loop()
        if self._held is None or self._held.loop is not loop:
            self._held = self._opened(loop)
        return self._held

    def _opened(self, loop: asyncio.AbstractEventLoop) -> _Connection:
        """Open a session whose pool has room for all: the gate bounds what is in flight."""
        import aiohttp
        from yarl import URL

        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if self._authorization:
            headers["Authorization"] = self._authorization
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0, keepalive_timeout=_KEEP_SECONDS, ttl_dns_cache=300
            ),
            timeout=aiohttp.ClientTimeout(total=self._timeout, sock_connect=_CONNECT_SECONDS),
            headers=headers,
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        urls = {
            path: URL(urlunsplit(self._base._replace(path=self._base.path + path)), encoded=True)
            for path in _PATHS
        }
        # Looked up once: aiohttp's own look-up reads the environment and a file at every call.
        host = self._base.hostname or ""
        proxy = None if proxy_bypass(host) else getproxies().get(self._base.scheme)
        return _Connection(loop, session, urls, proxy)


@dataclass(frozen=True, slots=True)
class _Connection:
    """What a model keeps open, and the event loop it belongs to."""

    loop: asyncio.AbstractEventLoop
    session: aiohttp.ClientSession
    urls: dict[str, URL]
    proxy: str | None


def _decoded(content: bytes) -> Any:
    """Return what the JSON in `content` says, or None where it is none or cut off."""
    try:
        return json.loads(content)
    except ValueError:
        return None


def _status_inside(data: dict[str, Any]) -> int:
    """Return the status that a failure reported under status 200 carries, 502 without one."""
    error = data["error"]
    code = error.get("code") if isinstance(error, dict) else None
    return code if isinstance(code, int) else _BAD_GATEWAY


def _usual_url(preset: Preset) -> str:
    """Return the base URL of a preset that nobody overrode."""
    url = os.environ.get(preset.url_variable, "") if preset.url_variable else ""
    if url or preset.base_url:
        return url or preset.base_url
    raise ConfigError(
        f"{preset.what} is used with a base URL of your own, but got none; give base_url "
        "(on the command line: --base-url)"
    )


def checked_url(url: str) -> SplitResult:
    """Return the parts of a base URL, without user name and closing slash.

    Raises:
        ConfigError: It is none.
    """
    try:
        parts = urlsplit(url.strip())
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host or parts.scheme not in ("http", "https"):
        # The value is not repeated as a whole: it may hold a password.
        shown = url.strip().rpartition("@")[2].partition("?")[0]
        raise ConfigError(
            f"a base URL is http(s)://host[:port]/path, but got {shown!r}; "
            "for the provider's own endpoint leave it out"
        )
    name = f"[{host}]" if ":" in host else host
    netloc = f"{name}:{port}" if port else name
    return parts._replace(netloc=netloc, path=parts.path.rstrip("/"), fragment="")


def _variant(query: str) -> str:
    """Return a mark of what a query chooses at an endpoint; no mark where it chooses nothing.

    A digest, because any value of a query may be a secret.
    """
    chosen = [(name, value) for name, value in parse_qsl(query) if name.lower() in _CHOOSING]
    return f"?{digest(canonical(sorted(chosen)))[:8]}" if chosen else ""


def check_storable(url: str) -> None:
    """Check that a base URL may stand in a configuration, which is stored and shown.

    Raises:
        ConfigError: It holds a user name, a password, or a key in its query; the message does not
            repeat it.
    """
    parts = urlsplit(url.strip())
    if "@" in parts.netloc or any(_SECRET_NAME.search(name) for name, _ in parse_qsl(parts.query)):
        raise ConfigError(
            f"a base URL in a configuration holds no password and no key, but got one for "
            f"{parts.hostname}; configurations are stored: name the whole URL in the environment "
            "(OPENAI_BASE_URL), or the key alone (key_variable)"
        )


def _user(url: str) -> str:
    """Return the user name and password of a URL as HTTP's Basic scheme writes them, or ""."""
    parts = urlsplit(url.strip())
    pair = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}"
    return "" if pair == ":" else base64.b64encode(pair.encode()).decode()


def _secrets(url: str, key: str) -> tuple[str, ...]:
    """Return all texts of a configuration that no message may show, longest first."""
    parts = urlsplit(url.strip())
    values = [value for _, value in parse_qsl(parts.query)]
    values += [key, unquote(parts.password or ""), parts.password or "", _user(url)]
    found = {value for value in values if len(value) >= _SHORTEST_SECRET}
    return tuple(sorted(found, key=len, reverse=True))


def _key(key: str | None, variable: str, where: str, *, needed: bool) -> str:
    """Return the key to send, or "" where the endpoint needs none."""
    found = (key if key is not None else os.environ.get(variable, "")).strip()
    if not found and needed:
        raise ConfigError(
            f"{where} is used with the key in the environment variable {variable}, but it is not "
            f"set; run: export {variable}=…, or name another variable or another base URL"
        )
    if not (found.isascii() and found.isprintable()):
        raise ConfigError(
            f"the key in {variable} is one line of plain characters, but got others; copy it again"
        )
    return found
