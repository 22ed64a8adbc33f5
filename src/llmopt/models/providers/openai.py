"""Any OpenAI-compatible endpoint over HTTP: chats, raw completions, embeddings.

Written directly on aiohttp, with one session and one pool of kept connections, because the
client's own time per call is what limits a run with hundreds of calls in flight.
"""

from __future__ import annotations

import asyncio
import base64
import os
import re
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit, urlunsplit
from urllib.request import getproxies, proxy_bypass

from llmopt.core.model import Traits, attempt_seconds
from llmopt.core.values import Usage, canonical, digest
from llmopt.errors import (
    BadCallError,
    ConfigError,
    EndpointError,
    LostReplyError,
    MissingKeyError,
    ModelError,
    RefusedError,
    TransientError,
)
from llmopt.models.providers.bodies import ENCODINGS, MOST_BYTES, body_of, decoded, encoded
from llmopt.models.providers.http_errors import Redactor, fault_of_status, is_bad_call, words_of
from llmopt.models.providers.likelihood import likelihood_fields, read_likelihoods
from llmopt.models.providers.openai_wire import read_vectors, read_without_secrets, request_of
from llmopt.models.providers.presets import OPENAI
from llmopt.models.providers.remedies import remedy_of
from llmopt.models.providers.reported_usage import read_usage
from llmopt.models.providers.request_options import RequestOptions
from llmopt.models.secrets import (
    fit_for_messages,
    is_variable,
    know,
    know_proxies,
    looks_secret,
    shown_variable,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    import aiohttp
    from yarl import URL

    from llmopt.core.values import Call, Reply, Role
    from llmopt.models.providers.presets import Preset

_CONNECT_SECONDS = 30.0
_KEEP_SECONDS = 60.0
_LARGE_SECONDS = 900.0  # for a file of hundreds of megabytes
_OK = range(200, 300)
_FAILURES = range(400, 600)
_DIGITS = 3  # of a status
_READ = 10_000  # bytes of a failure that is no JSON
_BAD_GATEWAY = 502
_NOWHERE = (301, 302, 307, 308, 404, 405)  # nothing answers chats at this path
_NOWHERE_WORDS = ("unexpected endpoint", "unknown endpoint", "no route", "invalid url")
_VERSION = "/v1"
_VERSIONED = re.compile(r"/v\d+[a-z]*\d*(?:/|$)")
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
            sent along; both it and a user name stay out of messages. The path of a chat at its
            end is left out, and where nothing answers, ``/v1`` is tried behind it.
        key: The key. Default: the environment variable `key_variable`.
        key_variable: Name of the variable that holds the key; default: the preset's. A key is
            necessary where a variable was named here, and at the preset's own endpoint if that
            answers nobody without one.
        traits: What the model can do; the pool has a connection for
            every call in flight, however many they are.
        timeout: Seconds after which an attempt without a whole answer is given up; default:
            half of the deadline in `traits`, so that a call which got stuck has a second one.
        preset: The host and its quirks.
        request: What goes with every request beside the call.
        key_header: The header that the key is sent in; default: as a bearer's.

    Attributes:
        model: The provider's name of the model.
        dialect: How it wants to be asked.
        notes: Sentences on what was done otherwise than the configuration says.

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
        request: RequestOptions | None = None,
        key_header: str = "",
    ) -> None:
        request = request or RequestOptions()
        self.model = model
        self.dialect = request.spoken(preset.dialect(model))
        self.notes: list[str] = []
        self._timeout = timeout or attempt_seconds(traits or Traits())
        url = base_url or _usual_url(preset)
        self._base, ending = _without_ending(checked_url(url))
        self._where = urlunsplit(self._base._replace(query=""))
        self.traits = replace(
            traits or Traits(), endpoint=self._where, likelihood=self.dialect.logprobs
        )
        if ending:
            self.notes.append(f"the base URL {self._where} is taken without {ending} at its end")
        variant = _variant(self._base.query) + request.variant
        self.identity = f"{preset.name}/{model}@{self._where}{variant}"
        self._more, self._headers = request.body(), request.sent_headers()
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
        if bearer and key_header:
            self._authorization = ""
            self._headers.setdefault(key_header, bearer)
        self._redact = Redactor(_secrets(url, bearer, *request.secrets()))
        know(bearer, *request.secrets(), *_secrets(url, secret=True))
        self._held: _Connection | None = None
        self._reached = False
        self._answered = False

    def __repr__(self) -> str:
        return f"OpenAIModel({self.model!r}, base_url={self._where!r})"

    async def complete(self, call: Call) -> Reply:
        """See `llmopt.core.model.Model.complete`."""
        sent = time.monotonic()
        data = await self._asked(path_of(call), self.request(call), call.role)
        seconds = round(time.monotonic() - sent, 3)
        return self.read(data, call).after(seconds)

    def request(self, call: Call, **fields: Any) -> dict[str, Any]:
        """Return the body of the request of a call, with some more fields."""
        if call.answers:
            fields = {**likelihood_fields(call), **fields}
        return {"model": self.model, **request_of(call, self.dialect), **fields, **self._more}

    def read(self, data: dict[str, Any], call: Call) -> Reply:
        """Return the reply in the decoded answer to a call.

        Raises:
            ModelError: As for `complete`.
        """
        if call.answers:
            return read_likelihoods(data, call, self._where)
        return read_without_secrets(data, call)

    async def answer(self, call: Call, **fields: Any) -> dict[str, Any]:
        """Return the decoded answer to a call whose request has some more fields.

        Raises:
            ModelError: As for `complete`.
        """
        return await self._asked(path_of(call), self.request(call, **fields), call.role)

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
            data = await self._asked("/embeddings", {"model": self.model, "input": some})
            vectors += read_vectors(data, len(some))
            counted.append(read_usage(data.get("usage")))
        known = [usage for usage in counted if usage is not None]
        return vectors, sum(known, Usage()) if known and len(known) == len(counted) else None

    async def exchange(
        self,
        method: str,
        path: str,
        content: bytes = b"",
        *,
        kind: str = "application/json",
        most: int = MOST_BYTES,
    ) -> bytes:
        """Use another part of the API than calls do; return the body of the answer.

        Args:
            method: The HTTP method.
            path: Behind the base URL.
            content: The body.
            kind: Its content type.
            most: Bytes that the answer may have.

        Raises:
            ModelError: As for `complete`.
        """
        sent = _Request(method, path, content, kind, _LARGE_SECONDS)
        status, headers, answer = await self._exchanged(self._base, sent, most)
        if status not in _OK:
            raise self._fault(status, _Answer(status, "", headers, answer), None)
        return answer

    def fault_of(self, status: int, body: Any) -> ModelError:
        """Return the error that a status and a decoded body within another answer mean."""
        return fault_of_status(self._where, status, body, {}, self._redact)

    async def close(self) -> None:
        """Close the kept connections."""
        held, self._held = self._held, None
        if held is not None:
            await held.session.close()

    async def _asked(
        self, path: str, body: dict[str, Any], role: Role | None = None
    ) -> dict[str, Any]:
        """Send one request; return its decoded answer, which says of no failure."""
        base, content = self._base, encoded(body)
        answer = await self._post(base, path, content)
        unsettled = not self._answered or self._base != base
        if unsettled and answer.nowhere and not _VERSIONED.search(base.path):
            answer = await self._looked_further(answer, base, path, content)
        data, error = answer.data, answer.error
        if answer.status not in _OK or error:
            # Some gateways report a failure behind them under a status of 200.
            status = answer.status if answer.status not in _OK else _status_inside(error)
            raise self._fault(status, answer, role)
        if not isinstance(data, dict):
            raise LostReplyError(
                f"the answer of {self._where} is JSON, but got {answer.size} bytes of "
                f"{self._redact(answer.kind) or 'no declared type'}"
            )
        self._answered = True
        return data

    async def _looked_further(
        self, answer: _Answer, base: SplitResult, path: str, content: bytes
    ) -> _Answer:
        """Ask at the usual path below a base URL where nothing answers, before anything did.

        That is no second attempt of a call, because nobody has got it yet.
        """
        there = base._replace(path=base.path + _VERSION)
        other = await self._post(there, path, content)
        if other.nowhere:
            return answer
        if self._base == base:
            self._base = there
            self.notes.append(
                f"{self._where} answers below {_VERSION} only; write the base URL with it"
            )
        return other

    def _fault(self, status: int, answer: _Answer, role: Role | None) -> ModelError:
        """Return the error that an answer stands for, with the key that helps where one does."""
        said = answer.data if isinstance(answer.data, dict | list) else answer.text
        fault = fault_of_status(self._where, status, said, answer.headers, self._redact)
        if not isinstance(fault, RefusedError) or isinstance(fault, BadCallError):
            return fault
        # Its words are redacted first: a remedy repeats some of them.
        remedy = remedy_of(status, self._redact(words_of(said)[0]), role) if role else ""
        message = f"{fault}; {remedy}" if remedy else str(fault)
        if not self._answered:
            return EndpointError(message)
        return (BadCallError if is_bad_call(status) else RefusedError)(message)

    async def _post(self, base: SplitResult, path: str, body: bytes) -> _Answer:
        """Send a call; return what came back."""
        status, headers, content = await self._exchanged(base, _Request("POST", path, body))
        kind = headers.get("Content-Type", "")
        return _Answer(status, kind, {} if status in _OK else headers, content)

    async def _exchanged(
        self, base: SplitResult, sent: _Request, most: int = MOST_BYTES
    ) -> tuple[int, dict[str, str], bytes]:
        """Send one request; return status, headers and body of the answer."""
        import aiohttp

        held = self._connection()
        fault: ModelError
        try:
            async with held.session.request(
                sent.method,
                held.url(base, sent.path),
                data=sent.content,
                proxy=held.proxy,
                allow_redirects=False,
                **sent.options(),
            ) as response:
                content = await body_of(response, most)
                self._reached = True
                return response.status, dict(response.headers), content
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

        headers = {
            "Content-Type": "application/json",
            "Accept": "text/event-stream" if self._more.get("stream") else "application/json",
            "Accept-Encoding": ENCODINGS,
        }
        if self._authorization:
            headers["Authorization"] = self._authorization
        own = {name.lower() for name in self._headers}
        headers = {name: text for name, text in headers.items() if name.lower() not in own}
        headers |= self._headers
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0, keepalive_timeout=_KEEP_SECONDS, ttl_dns_cache=300
            ),
            timeout=aiohttp.ClientTimeout(total=self._timeout, sock_connect=_CONNECT_SECONDS),
            headers=headers,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,  # it would unpack without a limit
        )
        # Looked up once: aiohttp's own look-up reads the environment and a file at every call.
        host = self._base.hostname or ""
        know_proxies()
        proxy = None if proxy_bypass(host) else getproxies().get(self._base.scheme)
        return _Connection(loop, session, proxy)


@dataclass(frozen=True, slots=True)
class _Connection:
    """What a model keeps open, and the event loop it belongs to."""

    loop: asyncio.AbstractEventLoop
    session: aiohttp.ClientSession
    proxy: str | None
    urls: dict[tuple[str, str], URL] = field(default_factory=dict)

    def url(self, base: SplitResult, path: str) -> URL:
        """Return the address of a path, made once: that takes longer than the rest of a call."""
        found = self.urls.get((base.path, path))
        if found is None:
            from yarl import URL

            found = URL(urlunsplit(base._replace(path=base.path + path)), encoded=True)
            self.urls[base.path, path] = found
        return found


@dataclass(frozen=True, slots=True)
class _Request:
    """One HTTP request; `kind` and `seconds` only where they are not those of a call."""

    method: str
    path: str
    content: bytes
    kind: str = ""
    seconds: float = 0.0

    def options(self) -> dict[str, Any]:
        """Return what differs from what the session has for calls."""
        if not self.seconds:
            return {}
        import aiohttp

        return {
            "headers": {"Content-Type": self.kind, "Accept": "*/*"},
            "timeout": aiohttp.ClientTimeout(total=self.seconds, sock_connect=_CONNECT_SECONDS),
        }


class _Answer:
    """What came back for a request.

    Attributes:
        status: The HTTP status.
        kind: The content type that was declared.
        headers: Those of a failure.
        size: Bytes of the body.
        data: What the body says, or None where it cannot be read.
        text: The body as text, where it cannot.
    """

    __slots__ = ("data", "headers", "kind", "size", "status", "text")

    def __init__(self, status: int, kind: str, headers: dict[str, str], content: bytes) -> None:
        self.status, self.kind, self.headers = status, kind, headers
        self.size = len(content)
        self.data = decoded(content)
        self.text = content[:_READ].decode(errors="replace") if self.data is None else ""

    @property
    def error(self) -> Any:
        """What the answer says of a failure; nothing where it says of none."""
        return self.data.get("error") if isinstance(self.data, dict) else None

    @property
    def nowhere(self) -> bool:
        """Whether it looks like the answer of a server that has nothing at this path."""
        if self.status in _NOWHERE:
            return True
        if self.status not in _OK:
            return False
        words = self.error if isinstance(self.error, str) else ""
        return not isinstance(self.data, dict) or any(w in words.lower() for w in _NOWHERE_WORDS)


def path_of(call: Call) -> str:
    """Return where a call is sent, behind the base URL."""
    return "/chat/completions" if call.prompt is None else "/completions"


def _status_inside(error: Any) -> int:
    """Return the status that a failure reported under status 200 carries, 502 without one."""
    code = error.get("code") if isinstance(error, dict) else None
    if isinstance(code, str) and code.isascii() and code.isdigit() and len(code) == _DIGITS:
        code = int(code)
    return code if type(code) is int and code in _FAILURES else _BAD_GATEWAY


def _without_ending(base: SplitResult) -> tuple[SplitResult, str]:
    """Return a base URL without the path of a request at its end, and that path or ""."""
    ending = next((path for path in _PATHS if base.path.endswith(path)), "")
    return base._replace(path=base.path.removesuffix(ending)), ending


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
        named = "another text" if looks_secret(shown) else repr(shown)
        raise ConfigError(
            f"a base URL is http(s)://host[:port]/path, but got {named}; "
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


def check_variable(name: str) -> None:
    """Check that a variable of the environment is named, and not its value written.

    Raises:
        ConfigError: It is no name; the message does not repeat it, as it may be a key.
    """
    if name and not is_variable(name):
        raise ConfigError(
            "a key is named by the environment variable that holds it, of letters, digits and _, "
            "but got another text; write the key into a variable, and its name here"
        )


def check_storable(url: str) -> None:
    """Check that a base URL may stand in a configuration, which is stored and shown.

    Raises:
        ConfigError: It holds a user name, a password, or a key in its query; the message does not
            repeat it.
    """
    parts = urlsplit(url.strip())
    if (
        "@" in parts.netloc
        or any(_SECRET_NAME.search(name) for name, _ in parse_qsl(parts.query))
        or fit_for_messages(url) != url
    ):
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


def _secrets(url: str, *keys: str, secret: bool = False) -> tuple[str, ...]:
    """Return all texts of a configuration that no message may show, longest first.

    Args:
        url: The base URL.
        keys: Others.
        secret: Whether values of the query are left out whose names are not those of secrets.
    """
    parts = urlsplit(url.strip())
    query = parse_qsl(parts.query)
    values = [value for name, value in query if not secret or _SECRET_NAME.search(name)]
    values += [*keys, unquote(parts.password or ""), parts.password or "", _user(url)]
    found = {value for value in values if len(value) >= _SHORTEST_SECRET}
    return tuple(sorted(found, key=len, reverse=True))


def _key(key: str | None, variable: str, where: str, *, needed: bool) -> str:
    """Return the key to send, or "" where the endpoint needs none."""
    check_variable(variable)
    found = (key if key is not None else os.environ.get(variable, "")).strip()
    shown = shown_variable(variable)
    if not found and needed:
        raise MissingKeyError(
            f"{where} is used with the key in the environment variable {shown}, but it is not "
            f"set; run: export {shown}=…, or name another variable or another base URL"
        )
    if not (found.isascii() and found.isprintable()):
        raise ConfigError(
            f"the key in {shown} is one line of plain characters, but got others; copy it again"
        )
    return found
