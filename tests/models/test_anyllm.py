"""Native providers: against a double of the library, and against the library where it is."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
import traceback
from dataclasses import dataclass, field
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from loopback import KEY, echo_body, loopback

from llmopt.core.values import (
    Call,
    Message,
    Reply,
    Usage,
)
from llmopt.errors import (
    ConfigError,
    InputError,
    LostReplyError,
    MissingExtraError,
    RateLimitError,
    RefusedError,
    TransientError,
    UnknownNameError,
)
from llmopt.models.providers.any_llm import AnyLLMModel
from llmopt.models.registry import model_named
from llmopt.testing.models import MODEL_TRUTHS, chat

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from llmopt.core.model import Model

INSTALLED = importlib.util.find_spec("any_llm") is not None


class AnyLLMError(Exception):
    """As the library's: a message, and what the provider's package told about the failure."""

    def __init__(self, message: str = "said", **told: Any) -> None:
        super().__init__(message)
        self.status_code = told.get("status_code")
        self.code = told.get("code")
        self.error_type = None
        self.retry_after = told.get("retry_after")


NAMES = (
    "AuthenticationError",
    "ContentFilterError",
    "ContextLengthExceededError",
    "InsufficientFundsError",
    "InvalidRequestError",
    "MissingApiKeyError",
    "ModelNotFoundError",
    "ProviderError",
    "RateLimitError",
    "UnsupportedParameterError",
)
ERRORS = {name: type(name, (AnyLLMError,), {}) for name in NAMES}


@dataclass
class Library:
    """What the double does and what it was asked."""

    made: list[dict[str, Any]] = field(default_factory=list)
    asked: list[dict[str, Any]] = field(default_factory=list)
    closed: int = 0
    fault: Exception | None = None
    at_creation: list[Exception] = field(default_factory=list)
    message: dict[str, Any] = field(default_factory=dict)
    delay: float = 0.0

    def create(self, provider: str, **options: Any) -> Any:
        self.made.append({"provider": provider, **options})
        if self.at_creation:
            raise self.at_creation.pop(0)
        return SimpleNamespace(acompletion=self.acompletion, client=self)

    async def acompletion(self, **fields: Any) -> Any:
        self.asked.append(fields)
        await asyncio.sleep(self.delay)
        if self.fault:
            raise self.fault
        body = echo_body(fields["messages"][-1]["content"], chat=True)
        body["choices"][0]["message"].update(self.message)
        for stop in fields.get("stop", ()):
            said = body["choices"][0]["message"]["content"]
            body["choices"][0]["message"]["content"] = said.split(stop)[0]
        return SimpleNamespace(model_dump=lambda: body)

    async def close(self) -> None:
        self.closed += 1


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Library:
    made = Library()
    module, errors = ModuleType("any_llm"), ModuleType("any_llm.exceptions")
    vars(errors).update(ERRORS, AnyLLMError=AnyLLMError)
    vars(module)["AnyLLM"] = SimpleNamespace(
        create=made.create,
        get_supported_providers=lambda: ["bedrock", "cohere"],
        get_provider_class=lambda _name: SimpleNamespace(ENV_API_KEY_NAME="COHERE_KEY/CO_KEY"),
    )
    monkeypatch.setitem(sys.modules, "any_llm", module)
    monkeypatch.setitem(sys.modules, "any_llm.exceptions", errors)
    return made


@pytest.mark.parametrize("truth", MODEL_TRUTHS)
async def test_is_a_model(truth: Callable[[Model], Awaitable[None]], library: Library) -> None:
    """Every truth about models holds, with one client that asks for each call once."""
    await truth(model_named("anyllm/cohere/command"))
    assert len(library.made) == 1
    assert library.made[0]["max_retries"] == 0


async def test_a_chat_with_reasoning_and_usage(library: Library) -> None:
    """The call's parameters go out, and text, reasoning and counted tokens come back."""
    library.message = {"reasoning": "hm"}
    model = AnyLLMModel("cohere", "command")
    call = Call("scorer", (Message("system", "s"), Message("user", "hi")), None, 0.5, 7, ("#",))
    assert await model.complete(call) == Reply("HI", Usage(1, 2, 3), "stop", "hm")
    assert library.asked == [
        {
            "model": "command",
            "messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "hi"}],
            "temperature": 0.5,
            "max_tokens": 7,
            "stop": ["#"],
        }
    ]


async def test_a_raw_completion_is_refused(library: Library) -> None:
    """The library has none, and says so before anything is sent."""
    with pytest.raises(RefusedError, match="takes chats, but got a raw completion"):
        await AnyLLMModel("cohere", "command").complete(Call("scorer", prompt="p"))
    assert library.asked == []


async def test_a_closed_model_opens_again(library: Library) -> None:
    """Closing closes the provider's own client; the next call makes another."""
    model = AnyLLMModel("cohere", "command")
    for n in (1, 2):
        await model.complete(chat("a"))
        await model.close()
        await model.close()
        assert (len(library.made), library.closed) == (n, n)


@pytest.mark.parametrize(
    ("name", "told", "kind", "seconds"),
    [
        ("AuthenticationError", {"status_code": 401}, RefusedError, None),
        ("InsufficientFundsError", {"status_code": 429}, RefusedError, None),
        ("InvalidRequestError", {}, RefusedError, None),
        ("ProviderError", {"status_code": 403}, RefusedError, None),
        ("RateLimitError", {"status_code": 429, "retry_after": "3"}, RateLimitError, 3.0),
        ("RateLimitError", {}, RateLimitError, None),
        ("ProviderError", {"status_code": 503, "retry_after": "2"}, TransientError, 2.0),
        ("ProviderError", {"status_code": 200}, LostReplyError, None),
        ("ProviderError", {}, LostReplyError, None),
    ],
)
async def test_its_errors_are_ours(
    name: str, told: dict[str, Any], kind: type, seconds: float | None, library: Library
) -> None:
    """What may pass is asked again, by us; what will not is said at once."""
    library.fault = ERRORS[name]("no luck", **told)
    with pytest.raises((RefusedError, TransientError), match="no luck") as caught:
        await AnyLLMModel("cohere", "command").complete(chat("a"))
    assert type(caught.value) is kind
    assert getattr(caught.value, "retry_after", None) == seconds


async def test_the_key_is_never_shown(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    """A provider that echoes a key finds no echo, whichever variable held it."""
    monkeypatch.setenv("CO_KEY", "geheim-in-CO_KEY")
    monkeypatch.setenv("MY_KEY", "geheim-in-MY_KEY")
    for variable in ("CO_KEY", "MY_KEY"):
        library.fault = ERRORS["ProviderError"](f"bad key geheim-in-{variable}", status_code=500)
        model = AnyLLMModel("cohere", "command", key_variable="MY_KEY")
        with pytest.raises(TransientError) as caught:
            await model.complete(chat("a"))
        shown = "".join(traceback.format_exception(caught.value))
        assert "geheim" not in shown + repr(model) + model.identity
    assert library.made[-1]["api_key"] == "geheim-in-MY_KEY"


async def test_a_stalled_provider_is_given_up(library: Library) -> None:
    """It costs the time-out and no more."""
    library.delay = 60.0
    with pytest.raises(LostReplyError, match=r"no whole answer in 0\.01 s"):
        await AnyLLMModel("cohere", "command", timeout=0.01).complete(chat("a"))


def test_what_is_missing_is_said_at_once(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    """Provider, package, key and model are looked at before the first call."""
    with pytest.raises(UnknownNameError, match="did you mean 'cohere'"):
        AnyLLMModel("coher", "command")
    with pytest.raises(InputError, match="anyllm/<provider>/<model>"):
        model_named("anyllm/cohere")
    library.at_creation = [ImportError("No module named 'cohere'")]
    with pytest.raises(InputError, match=r"pip install 'any-llm-sdk\[cohere\]'"):
        AnyLLMModel("cohere", "command")
    library.at_creation = [ERRORS["MissingApiKeyError"]("set CO_KEY")]
    with pytest.raises(ConfigError, match="set CO_KEY"):
        AnyLLMModel("cohere", "command")
    monkeypatch.delenv("MY_KEY", raising=False)
    with pytest.raises(ConfigError, match="export MY_KEY"):
        AnyLLMModel("cohere", "command", key_variable="MY_KEY")


def test_a_provider_without_a_number_of_retries(library: Library) -> None:
    """Where its package cannot be told to ask once, it is used as it is."""
    library.at_creation = [ERRORS["UnsupportedParameterError"]("max_retries")]
    model = AnyLLMModel("bedrock", "titan", base_url="https://ann:geheim@host/v1?code=abcd")
    assert model.identity == "anyllm/bedrock/titan@https://host/v1"
    assert "max_retries" not in library.made[-1]


@pytest.mark.skipif(INSTALLED, reason="needs to be without anyllm")
def test_without_the_library() -> None:
    """The message names the extra."""
    with pytest.raises(MissingExtraError, match=r"llms-as-optimizers\[anyllm\]"):
        model_named("anyllm/cohere/command")


@pytest.mark.skipif(not INSTALLED, reason="needs the extra anyllm: make test-extras")
async def test_the_library_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real library speaks to a real server, and its failures are ours."""
    monkeypatch.setenv("MY_KEY", KEY)
    async with loopback() as server:
        model = AnyLLMModel("openai", "tiny", base_url=server.url, key_variable="MY_KEY")
        assert (await model.complete(chat("hi"))).text == "HI"
        for fault, kind in (("429 soon", RateLimitError), ("500", TransientError)):
            before = len(server.log)
            server.plan = lambda _text, _before, fault=fault: fault  # type: ignore[misc]
            with pytest.raises(kind):
                await model.complete(chat("a"))
            assert len(server.log) == before + 1
        server.reply = (401, {"Content-Type": "application/json"}, f'{{"error": "no {KEY}"}}')
        with pytest.raises(RefusedError) as caught:
            await model.complete(chat("a"))
        assert KEY not in "".join(traceback.format_exception(caught.value))
        await model.close()
