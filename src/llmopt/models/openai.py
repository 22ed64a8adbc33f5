"""Any OpenAI-compatible endpoint over HTTP: chats and raw completions.

Written directly on aiohttp, with one session and one pool of kept connections, because the
client's own time per call is what limits a run with hundreds of calls in flight.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit, urlunsplit
from urllib.request import getproxies, proxy_bypass

from llmopt.errors import ConfigError, LostReplyError, ModelError, RefusedError, TransientError
from llmopt.model import Traits
from llmopt.models.faults import Redactor, fault_of_status
from llmopt.models.wire import dialect_of, read_reply, request_of

if TYPE_CHECKING:
    import aiohttp
    from yarl import URL

    from llmopt.types import Call, Reply

DEFAULT_URL = "https://api.openai.com/v1"
DEFAULT_KEY = "OPENAI_API_KEY"
_CONNECT_SECONDS = 30.0
_KEEP_SECONDS = 60.0
_OK = 200
_BAD_GATEWAY = 502
_SHORTEST_SECRET = 4  # shorter values of a URL's query are words, not secrets


class OpenAIModel:
    """A model behind an OpenAI-compatible endpoint.

    Args:
        model: The provider's name of the model.
        base_url: Where the API begins; default ``OPENAI_BASE_URL``, then OpenAI's own. A query
            (``?api-version=…``) is sent along; both it and a user name stay out of messages.
        key: The key. Default: the environment variable `key_variable`.
        key_variable: Name of the variable that holds the key; default ``OPENAI_API_KEY``. Only
            OpenAI's own endpoint, or a variable that was named here, makes a key necessary.
        traits: What the model can do; `Traits.slots` is also the size of the connection pool.
        timeout: Seconds after which an attempt without a whole answer is given up.

    Raises:
        ConfigError: The URL is none, or the key is missing or cannot be a header.
    """

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None = None,
        key: str | None = None,
        key_variable: str | None = None,
        traits: Traits | None = None,
        timeout: float = 60.0,
    ) -> None:
        self.model = model
        self.traits = traits or Traits()
        self._timeout = timeout
        self._dialect = dialect_of(model)
        url = base_url or os.environ.get("OPENAI_BASE_URL") or DEFAULT_URL
        self._base = _checked(url)
        self._where = urlunsplit(self._base._replace(query=""))
        self.identity = f"openai/{model}@{self._where}"
        bearer = _key(key, key_variable, self._where)
        user = _user(url)
        self._authorization = f"Bearer {bearer}" if bearer else user and f"Basic {user}"
        self._redact = Redactor(_secrets(url, bearer))
        self._held: _Connection | None = None
        self._reached = False

    def __repr__(self) -> str:
        return f"OpenAIModel({self.model!r}, base_url={self._where!r})"

    async def complete(self, call: Call) -> Reply:
        """See `llmopt.model.Model.complete`."""
        body = {"model": self.model, **request_of(call, self._dialect)}
        path = "/chat/completions" if call.prompt is None else "/completions"
        status, kind, headers, content = await self._post(path, json.dumps(body).encode())
        data = _decoded(content)
        if status != _OK:
            said = data if isinstance(data, dict | list) else content.decode(errors="replace")
            raise fault_of_status(self._where, status, said, headers, self._redact)
        if not isinstance(data, dict) or (kind and "json" not in kind):
            raise LostReplyError(
                f"the answer of {self._where} is JSON, but got {len(content)} bytes of "
                f"{self._redact(kind) or 'no declared type'}"
            )
        if "error" in data and not data.get("choices"):
            # Some gateways report a failure behind them under a status of 200.
            raise fault_of_status(self._where, _status_inside(data), data, headers, self._redact)
        return read_reply(data, call)

    async def close(self) -> None:
        """Close the kept connections."""
        held, self._held = self._held, None
        if held is not None:
            await held.session.close()

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
            fault = RefusedError(
                f"{self._where} is an endpoint with a trusted certificate, but got: "
                f"{self._told(error)}; check the base URL"
            )
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            fault = self._unreachable(error)
        except TimeoutError:
            fault = LostReplyError(f"{self._where} gave no whole answer in {self._timeout:g} s")
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
        return RefusedError(f"{message}; check the base URL, and that the server runs")

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
        """Open a session whose pool has room for as many calls as the model takes at once."""
        import aiohttp
        from yarl import URL

        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if self._authorization:
            headers["Authorization"] = self._authorization
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=self.traits.slots, keepalive_timeout=_KEEP_SECONDS, ttl_dns_cache=300
            ),
            timeout=aiohttp.ClientTimeout(total=self._timeout, sock_connect=_CONNECT_SECONDS),
            headers=headers,
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        urls = {
            path: URL(urlunsplit(self._base._replace(path=self._base.path + path)), encoded=True)
            for path in ("/chat/completions", "/completions")
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


def _checked(url: str) -> SplitResult:
    """Return the parts of a base URL, without user name and closing slash."""
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
            "for OpenAI's own endpoint leave it out"
        )
    name = f"[{host}]" if ":" in host else host
    netloc = f"{name}:{port}" if port else name
    return parts._replace(netloc=netloc, path=parts.path.rstrip("/"), fragment="")


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


def _key(key: str | None, variable: str | None, where: str) -> str:
    """Return the key to send, or "" where the endpoint needs none."""
    name = variable or DEFAULT_KEY
    found = (key if key is not None else os.environ.get(name, "")).strip()
    if not found and (variable or where.startswith("https://api.openai.com")):
        raise ConfigError(
            f"{where} is used with the key in the environment variable {name}, but it is not "
            f"set; run: export {name}=…, or name another variable or another base URL"
        )
    if not (found.isascii() and found.isprintable()):
        raise ConfigError(
            f"the key in {name} is one line of plain characters, but got others; copy it again"
        )
    return found
