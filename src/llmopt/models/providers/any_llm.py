"""Providers that are not OpenAI-compatible, through any-llm-sdk: chats only.

The library is imported late and one client is held. It speaks to each provider through that
provider's own package, which costs several times the CPU of `llmopt.models.providers.openai`; where
a provider has an OpenAI-compatible endpoint, that is the better way.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import time
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING, Any
from urllib.parse import urlunsplit

from llmopt.core.model import Traits, attempt_seconds
from llmopt.errors import (
    ConfigError,
    InputError,
    LostReplyError,
    MissingExtraError,
    MissingKeyError,
    ModelError,
    RateLimitError,
    RefusedError,
    UnknownNameError,
    WithheldError,
)
from llmopt.models.providers.http_errors import Redactor, fault_of_status
from llmopt.models.providers.openai import check_variable, checked_url
from llmopt.models.providers.openai_wire import dialect_of, read_without_secrets, request_of
from llmopt.models.secrets import know, know_proxies, shown_variable

if TYPE_CHECKING:
    from types import ModuleType

    from llmopt.core.values import Call, Reply

_FIRST_FAILURE = 400  # HTTP's; a status below belongs to an answer that could not be read
# The library's errors that no second attempt turns into an answer, whatever status they carry.
_HOPELESS = (
    "AuthenticationError",
    "ContextLengthExceededError",
    "InsufficientFundsError",
    "InvalidRequestError",
    "MissingApiKeyError",
    "ModelNotFoundError",
    "UnsupportedParameterError",
)


class AnyLLMModel:
    """A model behind any provider that any-llm-sdk knows.

    Args:
        provider: The library's name of the provider, for example ``bedrock``.
        model: The provider's name of the model.
        base_url: Where the provider's API begins; default: what the library uses.
        key_variable: Variable that holds the key; default: the one the library looks at.
        traits: What the model can do; raw completions are never among it.
        timeout: Seconds after which an attempt without a whole answer is given up; default:
            half of the deadline in `traits`, so that a call which got stuck has a second one.

    Raises:
        MissingExtraError: The library is not installed.
        UnknownNameError: It knows no such provider.
        InputError: The key, or the package of the provider, is missing.
    """

    def __init__(
        self,
        provider: str,
        model: str,
        *,
        base_url: str | None = None,
        key_variable: str | None = None,
        traits: Traits | None = None,
        timeout: float | None = None,
    ) -> None:
        self._library = _imported("any_llm")
        self._errors = _imported("any_llm.exceptions")
        self._provider = provider
        self.model = model
        self._dialect = dialect_of(model)
        self._timeout = timeout or attempt_seconds(traits or Traits())
        self._base_url = base_url
        self._key_variable = key_variable
        where = urlunsplit(checked_url(base_url)._replace(query="")) if base_url else ""
        self.identity = f"anyllm/{provider}/{model}" + (f"@{where}" if where else "")
        self.traits = replace(traits or Traits(), endpoint=where or f"anyllm/{provider}")
        self._redact = Redactor()
        self._client: Any = self._made()

    def __repr__(self) -> str:
        return f"AnyLLMModel({self._provider!r}, {self.model!r})"

    async def complete(self, call: Call) -> Reply:
        """See `llmopt.core.model.Model.complete`."""
        if call.prompt is not None:
            raise RefusedError(
                f"{self.identity} takes chats, but got a raw completion; "
                "use an OpenAI-compatible endpoint that has them"
            )
        if self._client is None:
            self._client = self._made()
        fault: ModelError
        sent = time.monotonic()
        try:
            async with asyncio.timeout(self._timeout):
                answer = await self._client.acompletion(
                    model=self.model, **request_of(call, self._dialect)
                )
            seconds = round(time.monotonic() - sent, 3)
            return replace(read_without_secrets(answer.model_dump(), call), seconds=seconds)
        except TimeoutError:
            fault = LostReplyError(
                f"{self.identity} gave no whole answer in {self._timeout:g} s, half of the "
                "deadline of a call; a larger deadline lets a slow model answer"
            )
        except self._errors.AnyLLMError as error:
            fault = self._fault(error)
        # Raised out here so that no cause hangs on it: the libraries' errors can hold headers.
        raise fault

    async def close(self) -> None:
        """Close the held client, where the provider's package lets it be closed."""
        held, self._client = self._client, None
        close = getattr(getattr(held, "client", None), "close", None)
        done = close() if close else None
        if inspect.isawaitable(done):
            await done

    def _made(self) -> Any:
        """Return the library's client of the provider, which asks for each call once."""
        known = self._library.AnyLLM.get_supported_providers()
        if self._provider not in known:
            raise UnknownNameError("a provider of any-llm-sdk", self._provider, known)
        options: dict[str, Any] = {"api_base": self._base_url, "unified_exceptions": True}
        try:
            cls = self._library.AnyLLM.get_provider_class(self._provider)
            secrets = self._secrets(str(cls.ENV_API_KEY_NAME))
            self._redact = Redactor(secrets)
            know(*secrets)
            know_proxies()
            if self._key_variable:
                options["api_key"] = self._key(self._key_variable)
            try:
                return self._library.AnyLLM.create(self._provider, max_retries=0, **options)
            except self._errors.UnsupportedParameterError:
                # This provider's package has no such setting.
                return self._library.AnyLLM.create(self._provider, **options)
        except ImportError as error:
            raise InputError(
                f"the provider {self._provider} is used through its own package, but got: "
                f"{self._redact(str(error))}; run: pip install 'any-llm-sdk[{self._provider}]'"
            ) from error
        except self._errors.AnyLLMError as error:
            said = self._redact(str(error))
        raise ConfigError(f"{self.identity} is a usable model, but any-llm-sdk said: {said}")

    def _key(self, variable: str) -> str:
        """Return the key in a variable that was named."""
        check_variable(variable)
        found = os.environ.get(variable, "").strip()
        if not found:
            shown = shown_variable(variable)
            raise MissingKeyError(
                f"{self.identity} is used with the key in the environment variable {shown}, "
                f"but it is not set; run: export {shown}=…"
            )
        return found

    def _secrets(self, variables: str) -> tuple[str, ...]:
        """Return what no message may show: the keys in ``ONE_VARIABLE/ANOTHER`` and the named."""
        names = (*variables.split("/"), self._key_variable or "")
        return tuple(value for name in names if (value := os.environ.get(name, "").strip()))

    def _fault(self, error: Any) -> ModelError:
        """Return the error of the house that one of the library stands for."""
        said = self._redact(str(error)) or type(error).__name__
        message = f"{self.identity} answers every call, but any-llm-sdk said: {said}"
        if isinstance(error, tuple(getattr(self._errors, name) for name in _HOPELESS)):
            return RefusedError(f"{message}; check the key, the model's name and the account")
        if isinstance(error, self._errors.ContentFilterError):
            return WithheldError(message)
        status = error.status_code
        if isinstance(status, int) and status >= _FIRST_FAILURE:
            body = {"error": {"message": str(error), "code": error.code, "type": error.error_type}}
            wait = getattr(error, "retry_after", None)
            headers = {"Retry-After": str(wait)} if wait is not None else {}
            return fault_of_status(self.identity, status, body, headers, self._redact)
        if isinstance(error, self._errors.RateLimitError):
            return RateLimitError(message)
        return LostReplyError(message)


def _imported(name: str) -> ModuleType:
    """Return a module of the library."""
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        raise MissingExtraError("a provider through any-llm-sdk", "anyllm") from error
