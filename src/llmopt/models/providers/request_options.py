"""What a user adds to every request of a model: fields, headers, and how it is asked."""

from __future__ import annotations

import math
import os
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

from llmopt.core.values import canonical, digest
from llmopt.errors import ConfigError
from llmopt.models.providers.openai_wire import PLAIN, REASONING
from llmopt.models.secrets import shown_variable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from llmopt.models.providers.openai_wire import Dialect

DialectName = Literal["auto", "plain", "reasoning"]

_ENV = "env"
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")  # of a header, as HTTP has it
# What the calls, their limits and the keys of stored replies rest on has keys of its own.
_OWN_FIELDS = {
    "model": "model",
    "messages": "",
    "prompt": "",
    "input": "",
    "n": "",
    "stream": "stream",
    "temperature": "temperature",
    "max_tokens": "max_tokens",
    "max_completion_tokens": "max_tokens",
    "stop": "stop",
}
_OWN_HEADERS = ("content-type", "content-length", "accept-encoding", "host", "transfer-encoding")
_SECRET_HEADER = re.compile(
    r"(?:^|[-_])(?:key|apikey|token|secret|signature|authorization|auth|password|cookie)$",
    re.IGNORECASE,
)
_SECRET_FIELD = re.compile(
    r"api_?key|secret|password|authorization|access_?token|(?:^|_)token$", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class RequestOptions:
    """What goes with every request of a model at an OpenAI-compatible endpoint.

    A value of `extra`, at any depth, or of `headers` that is ``{"env": "NAME"}`` is read from the
    environment variable when the model is built: secrets are named, never written.

    Attributes:
        extra: Further fields of the body.
        headers: Further HTTP headers, texts.
        stream: Whether answers are asked for as streams, where a server gives no others.
        dialect: Which parameters are sent: ``auto`` by the model's name, ``plain`` all of them,
            ``reasoning`` as reasoning models want them, whatever the name.
        top_p: Share of the probability that tokens are drawn from, above 0 and at most 1; None:
            not sent.
        reasoning_effort: The field of this name; empty: not sent.
        response_format: The field of this name, or its ``type`` as a text; empty: not sent.

    Raises:
        ConfigError: A field or a header has a key of its own, or is a secret.
    """

    extra: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, Any] = field(default_factory=dict)
    stream: bool = False
    dialect: DialectName = "auto"
    top_p: float | None = None
    reasoning_effort: str = ""
    response_format: str | Mapping[str, Any] = ""

    def __post_init__(self) -> None:
        if self.dialect not in get_args(DialectName):
            raise ConfigError(
                f"dialect is one of {', '.join(get_args(DialectName))}, but got {self.dialect!r}"
            )
        if self.top_p is not None and not 0 < self.top_p <= 1:
            raise ConfigError(f"top_p is above 0 and at most 1, but got {self.top_p!r}")
        for name, value in self.extra.items():
            _check_field(name, value)
        for name, value in self.headers.items():
            _check_header(name, value)

    def __hash__(self) -> int:
        return hash(canonical(self._plain()))

    @property
    def variant(self) -> str:
        """A mark of what decides replies here, for the identity of a model; empty without any.

        How an answer is sent, and what the environment holds, decide none.
        """
        plain = self._plain()
        del plain["stream"]
        plain["headers"] = {
            name.lower(): value for name, value in self.headers.items() if isinstance(value, str)
        }
        chosen = {name: value for name, value in plain.items() if value not in ("", {}, None)}
        if chosen.get("dialect") == "auto":
            del chosen["dialect"]
        return f"+{digest(canonical(chosen))[:8]}" if chosen else ""

    def secrets(self) -> tuple[str, ...]:
        """Return what the environment holds for these options, to be kept out of messages."""
        return tuple(_named([*self.extra.values(), *self.headers.values()]))

    def body(self) -> dict[str, Any]:
        """Return the fields to send.

        Raises:
            ConfigError: A variable is not set.
        """
        made: dict[str, Any] = {}
        if self.stream:
            made |= {"stream": True, "stream_options": {"include_usage": True}}
        if self.top_p is not None:
            made["top_p"] = self.top_p
        if self.reasoning_effort:
            made["reasoning_effort"] = self.reasoning_effort
        if self.response_format:
            plain = isinstance(self.response_format, str)
            made["response_format"] = (
                {"type": self.response_format} if plain else _filled(self.response_format, "")
            )
        return made | {key: _filled(value, f"extra.{key}") for key, value in self.extra.items()}

    def sent_headers(self) -> dict[str, str]:
        """Return the headers to send.

        Raises:
            ConfigError: A variable is not set, or holds what is no header.
        """
        made: dict[str, str] = {}
        for name, value in self.headers.items():
            made[name] = text = _filled(value, f"headers.{name}")
            if not (text.isascii() and text.isprintable()):
                raise ConfigError(f"headers.{name} is one line of plain characters, but got others")
        return made

    def spoken(self, dialect: Dialect) -> Dialect:
        """Return how a model is asked that would be asked in `dialect` by its name."""
        if self.dialect == "auto":
            return dialect
        base = REASONING if self.dialect == "reasoning" else PLAIN
        return replace(base, seed=dialect.seed, many=dialect.many)

    def _plain(self) -> dict[str, Any]:
        return {
            "extra": dict(self.extra),
            "headers": dict(self.headers),
            "stream": self.stream,
            "dialect": self.dialect,
            "top_p": self.top_p,
            "reasoning_effort": self.reasoning_effort,
            "response_format": self.response_format,
        }


def _is_named(value: Any) -> bool:
    """Return whether a value is to be read from the environment."""
    return isinstance(value, dict) and value.keys() == {_ENV} and isinstance(value[_ENV], str)


def _is_json(value: Any) -> bool:
    """Return whether JSON has such a value; of numbers, the finite ones."""
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_json(one) for key, one in value.items())
    if isinstance(value, list):
        return all(map(_is_json, value))
    if isinstance(value, float):
        return math.isfinite(value)
    return value is None or isinstance(value, str | int)


def _check_field(name: str, value: Any) -> None:
    """Refuse a field that has a key of its own, and a secret."""
    if name in _OWN_FIELDS:
        own = _OWN_FIELDS[name]
        raise ConfigError(
            f"extra holds fields that have no key of their own, but got {name!r}; "
            + (f"use the key {own}" if own else "leave it out")
        )
    if not _is_json(value):
        raise ConfigError(
            f"a field of extra is what JSON has (a text, a finite number, true or false, a list, a "
            f"table), but got another value for {name!r}; leave it out"
        )
    if isinstance(value, str) and _SECRET_FIELD.search(name):
        raise _written(f"extra.{name}")
    if isinstance(value, dict) and not _is_named(value):
        for inner, one in value.items():
            if isinstance(one, str | dict) and inner not in _OWN_FIELDS:
                _check_field(inner, one)


def _check_header(name: str, value: Any) -> None:
    """Refuse what is no header, one that HTTP or the client sets, and a secret."""
    if not _NAME.fullmatch(name) or not (isinstance(value, str) or _is_named(value)):
        raise ConfigError(
            f'headers are names with texts or with {{ env = "NAME" }}, but got {name!r}'
        )
    if name.lower() in _OWN_HEADERS:
        raise ConfigError(f"headers.{name} is set by llmopt itself; leave it out")
    if isinstance(value, str) and _SECRET_HEADER.search(name):
        raise _written(f"headers.{name}")


def _written(key: str) -> ConfigError:
    return ConfigError(
        f"{key} looks like a secret, and configurations are stored; name the environment "
        f'variable that holds it: {key} = {{ env = "NAME" }}'
    )


def _filled(value: Any, where: str) -> Any:
    """Return a value with what the environment holds in place of the names of variables."""
    if _is_named(value):
        found = os.environ.get(value[_ENV], "").strip()
        if not found:
            raise ConfigError(
                f"{where} is read from the environment variable {shown_variable(value[_ENV])}, but "
                f"it is not set; run: export {shown_variable(value[_ENV])}=…"
            )
        return found
    if isinstance(value, dict):
        return {key: _filled(one, f"{where}.{key}") for key, one in value.items()}
    return [_filled(one, where) for one in value] if isinstance(value, list) else value


def _named(value: Any) -> list[str]:
    """Return the values of all variables that are named in a value."""
    if _is_named(value):
        found = os.environ.get(value[_ENV], "").strip()
        return [found] if found else []
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for one in inner for text in _named(one)]
