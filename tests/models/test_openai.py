"""The OpenAI-compatible client against a real server on loopback."""

from __future__ import annotations

import contextlib
import json
import traceback
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loopback import KEY, Loopback, echo_body, loopback

from llmopt.config.tables import ModelTable
from llmopt.core.model import Traits
from llmopt.core.values import (
    Call,
    Message,
    Reply,
    Usage,
)
from llmopt.errors import (
    ConfigError,
    LostReplyError,
    ModelError,
    RateLimitError,
    RefusedError,
    TransientError,
    WithheldError,
)
from llmopt.models.middleware.stack import (
    Account,
    Limits,
    Retry,
    wrap,
)
from llmopt.models.providers.http_errors import Redactor, retry_after
from llmopt.models.providers.openai import OpenAIModel
from llmopt.models.providers.openai_wire import (
    Dialect,
    dialect_of,
    read_reply,
    read_vectors,
    request_of,
)
from llmopt.store import open_store
from llmopt.testing.models import MODEL_TRUTHS, chat

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from llmopt.core.model import Model


@pytest.fixture
async def server() -> AsyncIterator[Loopback]:
    async with loopback() as running:
        yield running


@pytest.fixture
async def model(server: Loopback) -> AsyncIterator[OpenAIModel]:
    found = OpenAIModel(
        "tiny", base_url=server.url, key=KEY, traits=Traits(completion=True), timeout=5.0
    )
    yield found
    await found.close()


@pytest.mark.parametrize("truth", MODEL_TRUTHS)
async def test_is_a_model(truth: Callable[[Model], Awaitable[None]], model: OpenAIModel) -> None:
    """Every truth about models holds for the client."""
    await truth(model)


async def test_a_chat_and_its_usage(server: Loopback, model: OpenAIModel) -> None:
    """A chat is sent with its parameters, and the provider's usage is the truth."""
    call = Call("scorer", (Message("system", "s"), Message("user", "hi")), None, 0.5, 7, ("#",), 3)
    reply = await model.complete(call)
    assert reply == Reply("HI", Usage(1, 2, 3), "stop")
    path, body, headers = server.log[0]
    assert path == "/v1/chat/completions"
    assert body == {
        "model": "tiny",
        "messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "hi"}],
        "temperature": 0.5,
        "max_tokens": 7,
        "stop": ["#"],
    }
    assert headers["Authorization"] == f"Bearer {KEY}"


async def test_a_raw_completion(server: Loopback, model: OpenAIModel) -> None:
    """A raw completion goes to its own path with the bare prompt."""
    reply = await model.complete(Call("optimizer", prompt="go on", max_tokens=9))
    assert reply.text == "GO ON"
    assert server.log[0][0] == "/v1/completions"
    assert server.log[0][1]["prompt"] == "go on"


async def test_embeddings(server: Loopback, model: OpenAIModel) -> None:
    """Each text has its vector, in the order of the texts, however many there are."""
    texts = ["x" * n for n in range(1, 101)]
    vectors, usage = await model.embed(texts)
    assert vectors == [[float(n), 1.0] for n in range(1, 101)]
    assert usage == Usage(2, 2, 0)  # each answer says that it counted one token
    assert [path for path, _, _ in server.log] == ["/v1/embeddings"] * 2
    assert server.log[0][1] == {"model": "tiny", "input": texts[:64]}
    assert await model.embed([]) == ([], None)


@pytest.mark.parametrize(
    "rows",
    [
        None,
        [],
        [{"embedding": [1, 2]}],
        [{"embedding": [1]}, {"embedding": "AACAPw=="}],
        [{"embedding": [1]}, {"embedding": []}],
        [{"embedding": [1]}, {"embedding": [10**400]}],
        [{"embedding": [1]}, {"embedding": [1e200]}],
        [{"embedding": [1]}, {"embedding": [float("nan")]}],
        [{"embedding": [1]}, {"embedding": [float("inf")]}],
        [{"embedding": [1], "index": 1}, {"embedding": [2], "index": 1}],
        [{"embedding": [1], "index": 0}, {"embedding": [2], "index": 7}],
        [{"embedding": [1]}, None],
    ],
)
async def test_embeddings_of_another_shape_are_lost(
    rows: object, server: Loopback, model: OpenAIModel
) -> None:
    """An answer that is no vector for each text may be right the next time."""
    server.reply = (200, {"Content-Type": "application/json"}, json.dumps({"data": rows}))
    with pytest.raises(LostReplyError, match="embedding"):
        await model.embed(["a", "b"])


async def test_embeddings_fail_as_chats_do(server: Loopback, model: OpenAIModel) -> None:
    """The same statuses are the same errors, also those under a status of 200."""
    said = json.dumps({"error": {"message": "no such model", "code": 404}})
    for status in (404, 200):
        server.reply = (status, {"Content-Type": "application/json"}, said)
        with pytest.raises(RefusedError, match="status 404 and said: no such model"):
            await model.embed(["a"])


async def test_connections_are_kept(server: Loopback, model: OpenAIModel) -> None:
    """Calls one after the other use one connection."""
    for n in range(5):
        await model.complete(chat(f"{n}"))
    assert len(server.connections) == 1


@pytest.mark.parametrize(
    ("fault", "kind", "seconds"),
    [
        ("429", RateLimitError, None),
        ("429 soon", RateLimitError, 0.01),
        ("500", TransientError, None),
        ("503", TransientError, None),
        ("drop", LostReplyError, None),
        ("cut json", LostReplyError, None),
        ("cut body", LostReplyError, None),
        ("html", LostReplyError, None),
        ("no choices", LostReplyError, None),
    ],
)
async def test_what_may_pass_is_transient(
    fault: str, kind: type, seconds: float | None, server: Loopback, model: OpenAIModel
) -> None:
    """Faults that may pass are transient, say how long to wait, and the next call works."""
    server.plan = lambda _text, before: fault if before == 0 else ""
    with pytest.raises(TransientError) as caught:
        await model.complete(chat("a"))
    assert type(caught.value) is kind
    assert caught.value.retry_after == seconds
    assert (await model.complete(chat("a"))).text == "A"


WITHHELD = {
    "filtered answer": (200, "finish_reason", "content_filter", r"kept back.*content_filter"),
    "refusal": (200, "refusal", "I cannot help with that.", r"refused to answer: I cannot help"),
    "filtered prompt": (400, "code", "content_filter", r"status 400.*management policy"),
}


def withheld(kind: str) -> tuple[int, dict[str, str], str]:
    """What a server says that keeps an answer back."""
    status, key, value, _ = WITHHELD[kind]
    message = {"role": "assistant", "content": None, "refusal": value if key == "refusal" else None}
    ended = value if key == "finish_reason" else "stop"
    body: dict[str, Any] = {"choices": [{"message": message, "finish_reason": ended}]}
    if key == "code":
        body = {"error": {"message": "our management policy", "code": value}}
    return status, {"Content-Type": "application/json"}, json.dumps(body)


@pytest.mark.parametrize("kind", WITHHELD)
async def test_what_is_kept_back_is_no_answer(
    kind: str, server: Loopback, model: OpenAIModel, tmp_path: Path
) -> None:
    """It is neither stored nor asked for again at once, and may have been billed."""
    server.reply = withheld(kind)
    store, account = open_store(tmp_path / "runs.sqlite"), Account(Limits(calls=9))
    store.create("withheld", {})
    asked = wrap(model, replies=store.replies("withheld"), account=account)
    with pytest.raises(WithheldError, match=WITHHELD[kind][3]):
        await asked.complete(chat("a"))
    assert len(server.log) == 1
    assert account.spent.calls == 1
    server.reply = None
    assert (await asked.complete(chat("a"))).text == "A"
    store.close()


async def test_a_stalled_socket_is_given_up(server: Loopback) -> None:
    """A server that never answers costs the time-out and no more."""
    server.plan = lambda _text, _before: "stall"
    model = OpenAIModel("tiny", base_url=server.url, timeout=0.05)
    with pytest.raises(LostReplyError, match=r"no whole answer in 0\.05 s"):
        await model.complete(chat("a"))
    await model.close()


async def test_nobody_listens() -> None:
    """An endpoint that was never reached is named, and is not worth a second attempt."""
    async with loopback() as gone:
        url = gone.url
    model = OpenAIModel("tiny", base_url=url)
    with pytest.raises(RefusedError, match=r"127\.0\.0\.1.* cannot be reached.*check the base"):
        await model.complete(chat("a"))
    await model.close()


async def test_nobody_listens_any_more() -> None:
    """An endpoint that was reached before may come back."""
    async with loopback() as server:
        model = OpenAIModel("tiny", base_url=server.url)
        await model.complete(chat("a"))
    with pytest.raises(TransientError, match=r"127\.0\.0\.1"):
        await model.complete(chat("b"))
    with pytest.raises(TransientError, match=r"127\.0\.0\.1.* cannot be reached"):
        await model.complete(chat("c"))
    await model.close()


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 422, 301])
async def test_what_will_not_pass_is_refused(
    status: int, server: Loopback, model: OpenAIModel
) -> None:
    """The provider's own words come through on one line, with what to do."""
    said = json.dumps({"error": {"message": "not\nlike\x1b[31m this"}})
    server.reply = (status, {"Content-Type": "application/json"}, said)
    with pytest.raises(RefusedError) as caught:
        await model.complete(chat("a"))
    assert f"status {status} and said: not like [31m this; check" in str(caught.value)


async def test_a_redirection_is_not_followed(server: Loopback, model: OpenAIModel) -> None:
    """The key goes to the endpoint that was named and to no other."""
    server.reply = (307, {"Location": f"{server.url}/completions"}, "")
    with pytest.raises(RefusedError, match=r"status 307.*check the base URL"):
        await model.complete(chat("a"))
    assert len(server.log) == 1


class Eager(Random):
    """Draws the smallest number every time: no pause is longer than the provider asks for."""

    def random(self) -> float:
        return 0.0


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503, 504, 529])
async def test_a_status_that_may_pass_is_asked_again(
    status: int, server: Loopback, model: OpenAIModel
) -> None:
    """With the same request, all of its parameters included, until it is answered."""
    server.plan = lambda _text, before: f"{status}" if before < 2 else ""
    call = Call("scorer", (Message("user", "hi"),), temperature=0.5, max_tokens=7, stop=("#",))
    retry = Retry(model, Eager())
    assert (await retry.complete(call)).text == "HI"
    assert server.served == [f"{status}"] * 2
    (path, body, _), *others = server.log
    assert [(p, b) for p, b, _ in others] == [(path, body)] * 2
    assert body.items() >= {"temperature": 0.5, "max_tokens": 7, "stop": ["#"]}.items()


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 422])
async def test_a_status_that_will_not_pass_is_asked_once(
    status: int, server: Loopback, model: OpenAIModel
) -> None:
    server.plan = lambda _text, _before: f"{status}"
    with pytest.raises(RefusedError, match=rf"status {status}\b.*said: as planned"):
        await Retry(model, Eager()).complete(chat("a"))
    assert len(server.log) == 1


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (429, {"message": "quota", "type": "insufficient_quota", "code": None}),
        (429, {"message": "quota", "type": "t", "code": "insufficient_quota"}),
        (429, {"message": "none", "code": "credit_balance_exhausted"}),
        (429, {"message": "month", "code": "organization_spend_limit_exceeded"}),
        (429, {"message": "month", "code": "project_spend_limit_exceeded"}),
        (429, {"message": "tier", "code": "organization_usage_limit_exceeded"}),
        (400, {"message": "hard limit", "code": "billing_hard_limit_reached"}),
        (402, {"message": "Insufficient credits. Add more", "code": 402}),
        (402, {"message": "This request requires more credits", "code": 402}),
        (402, {"message": "Insufficient Balance", "type": "unknown_error"}),
        (402, {"message": "no card", "type": "billing_error"}),
        (400, {"message": "Your credit balance is too low.", "type": "invalid_request_error"}),
        (400, {"message": "You have reached your specified API usage limits."}),
        (
            429,
            {
                "message": "cap",
                "type": "rate_limit_error",
                "details": {"error_code": "enforced_spend_limit_reached"},
            },
        ),
        (429, "Your team 1 has either used all available credits or reached its limit."),
        (403, "Your team 1 has either used all available credits or reached its limit."),
        (403, "You have run out of credits."),
        (403, "Your newly created team doesn't have any credits yet."),
        (
            412,
            {
                "message": "Account a is suspended, possibly due to reaching the monthly spending "
                "limit",
                "code": "PRECONDITION_FAILED",
            },
        ),
        (402, {"message": "Your prepayment credits are depleted.", "status": "RESOURCE_EXHAUSTED"}),
        (429, {"message": "Your prepayment credits are depleted.", "status": "RESOURCE_EXHAUSTED"}),
        (429, {"message": "suspended due to insufficient balance", "type": "t"}),
        (429, {"message": "pay", "type": "exceeded_current_quota_error"}),
        (429, {"message": "over", "type": "budget_exceeded", "code": "429"}),
        (400, {"message": "Budget has been exceeded! Current cost: 1.1, Max budget: 1.0"}),
    ],
)
async def test_an_empty_account_is_refused(
    status: int, said: object, server: Loopback, model: OpenAIModel
) -> None:
    """However a host says that the account pays for nothing more, the call is made once."""
    server.reply = (status, {}, json.dumps({"error": said}))
    with pytest.raises(
        RefusedError, match=rf"no quota left .*\(status {status}\) and said: .*; add"
    ):
        await Retry(model, Eager()).complete(chat("a"))
    assert len(server.log) == 1


@pytest.mark.parametrize(
    ("status", "headers", "said"),
    [
        # The words of OpenAI for an empty account, at Gemini those of a limit per minute or day.
        (
            429,
            {},
            {
                "code": 429,
                "message": "You exceeded your current quota, please check your plan and billing "
                "details. Quota exceeded for metric: requests per day",
                "status": "RESOURCE_EXHAUSTED",
            },
        ),
        (429, {}, {"code": 429, "message": "Rate limit exceeded: free-models-per-day"}),
        # OpenRouter, where calls in flight fill what the balance allows at once.
        (402, {"Retry-After": "0"}, {"code": 402, "message": "in-flight budget"}),
        (500, {}, {"message": "the upstream said: insufficient balance"}),
    ],
)
async def test_a_limit_that_ends_by_itself_is_no_empty_account(
    status: int, headers: dict[str, str], said: object, server: Loopback, model: OpenAIModel
) -> None:
    server.reply = (status, headers, json.dumps({"error": said}))
    with pytest.raises(TransientError, match="3 failed attempts"):
        await Retry(model, Eager(), attempts=3).complete(chat("a"))
    assert len(server.log) == 3


@pytest.mark.parametrize(("code", "kind"), [(429, RateLimitError), (400, RefusedError)])
async def test_a_failure_under_status_200(
    code: int, kind: type, server: Loopback, model: OpenAIModel
) -> None:
    """A gateway's error in the body counts as the status that it names."""
    said = json.dumps({"error": {"message": "behind", "code": code}})
    server.reply = (200, {"Content-Type": "application/json"}, said)
    with pytest.raises(kind):
        await model.complete(chat("a"))


@pytest.mark.parametrize("status", [200, 400, 401, 429, 500])
@pytest.mark.parametrize("kind", ["application/json", "text/plain"])
async def test_the_key_is_never_shown(
    status: int, kind: str, server: Loopback, model: OpenAIModel
) -> None:
    """A server that echoes the key finds no echo in any error or its chain."""
    said = json.dumps({"error": f"bad key {KEY} in Authorization: Bearer {KEY} " + "x" * 280 + KEY})
    server.reply = (status, {"Content-Type": f"{kind}; a={KEY}"}, said)
    with pytest.raises(ModelError) as caught:
        await model.complete(chat("a"))
    shown = "".join(traceback.format_exception(caught.value))
    assert KEY not in shown + repr(caught.value) + repr(model) + model.identity
    assert KEY[:-4] not in shown.split("\n")[-2]
    assert caught.value.__context__ is None


async def test_two_event_loops_in_turn(server: Loopback) -> None:
    """A closed model opens again, in whatever loop is running."""
    model = OpenAIModel("tiny", base_url=server.url)
    for _ in range(2):
        assert (await model.complete(chat("a"))).text == "A"
        await model.close()


def test_identity_tells_what_the_query_chooses() -> None:
    """Two deployments at one address are two models; a key in the query makes no difference."""

    def identity(query: str) -> str:
        return OpenAIModel("m", base_url=f"https://h/v1{query}").identity

    plain, *others = [
        identity(f"?api-version={version}&deployment={name}&code=geheim")
        for version in ("1", "2")
        for name in ("a", "b")
    ]
    assert len({plain, *others, identity("")}) == 5
    assert plain == identity("?deployment=a&api-version=1")
    assert identity("?code=geheim") == identity("") == "openai/m@https://h/v1"


def test_identity_holds_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """User name, password and query of a base URL stay out of identity and repr."""
    monkeypatch.setenv("OPENAI_BASE_URL", "https://ann:geheim@Host.example:8443/v1/?code=abcdef")
    model = OpenAIModel("a/b")
    assert model.identity == "openai/a/b@https://host.example:8443/v1"
    assert model.traits.endpoint == "https://host.example:8443/v1"
    assert "geheim" not in repr(model)
    assert model._redact("geheim abcdef") == "[secret] [secret]"


@pytest.mark.parametrize("url", ["host/v1", "ftp://host", "http://", "http://a:geheim@h:xx/v1"])
def test_a_url_that_is_none(url: str) -> None:
    """A base URL that cannot be one is refused without showing a password."""
    with pytest.raises(ConfigError, match="a base URL is") as caught:
        OpenAIModel("m", base_url=url)
    assert "geheim" not in str(caught.value)


def test_a_missing_key_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenAI's own endpoint needs a key, and so does a variable that was named."""
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "MY_KEY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ConfigError, match="export OPENAI_API_KEY"):
        OpenAIModel("m")
    with pytest.raises(ConfigError, match="export MY_KEY"):
        OpenAIModel("m", base_url="http://127.0.0.1:1/v1", key_variable="MY_KEY")
    OpenAIModel("m", base_url="http://127.0.0.1:1/v1")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-two\nlines")
    with pytest.raises(ConfigError) as caught:
        OpenAIModel("m")
    assert "two" not in str(caught.value)


@pytest.mark.parametrize("name", ["o1", "o3-mini", "openai/o4-mini", "gpt-5", "x/gpt-5.1-mini"])
def test_reasoning_models_are_asked_their_way(name: str) -> None:
    """They take another name for the length, and neither temperature nor stop texts."""
    body = request_of(chat("a", stop=("x",)), dialect_of(name))
    assert set(body) == {"messages", "max_completion_tokens"}


def test_reasoning_models_hear_a_developer() -> None:
    """What others call a system message is a developer's to them."""
    call = Call("scorer", (Message("system", "s"), Message("user", "u")))
    for name, role in (("openai/o3", "developer"), ("gpt-4o", "system")):
        messages = request_of(call, dialect_of(name))["messages"]
        assert [m["role"] for m in messages] == [role, "user"]


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        ("claude-3-7-sonnet-20250219", True),
        ("claude-opus-4-20250514", True),
        ("claude-sonnet-4-5-20250929", True),
        ("anthropic/claude-haiku-4.5", True),
        ("claude-sonnet-4-6", True),
        ("claude-opus-4-7", False),
        ("anthropic/claude-opus-4.8", False),
        ("claude-sonnet-5", False),
        ("claude-sonnet-5-5-20260901", False),
        ("claude-fable-5", False),
        ("claude-mythos-preview", False),
    ],
)
def test_newer_claude_models_get_no_temperature(name: str, *, sent: bool) -> None:
    """From version 4.7 on they refuse one."""
    assert ("temperature" in request_of(chat("a"), dialect_of(name))) is sent


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        ("grok-4", False),
        ("grok-4-fast-non-reasoning", True),
        ("grok-3", True),
        ("grok-3-mini", False),
    ],
)
def test_grok_that_reasons_gets_no_stop_texts(name: str, *, sent: bool) -> None:
    """They refuse them; the reply is cut here."""
    assert ("stop" in request_of(chat("a", stop=("x",)), dialect_of(name))) is sent


def test_a_draw_has_its_own_seed_and_a_greedy_call_none() -> None:
    """Where seeds exist, equal draws have equal seeds, and others have others."""
    seeded = Dialect(seed="random_seed")
    calls = [Call("optimizer", prompt="p", temperature=1.0, sample=n) for n in (0, 1, 1)]
    first, second, same = (request_of(call, seeded)["random_seed"] for call in calls)
    assert first != second == same
    assert 0 <= first < 2**31
    assert "random_seed" not in request_of(chat("a"), seeded)
    assert "seed" not in request_of(calls[0], Dialect())


@pytest.mark.parametrize("name", ["gpt-4o", "olmo-3", "my-o3", "llama/o2"])
def test_other_models_are_asked_plainly(name: str) -> None:
    """Names that only look similar change nothing."""
    assert dialect_of(name) == Dialect()


def test_missing_usage_is_estimated() -> None:
    """Where a provider counts nothing, four characters are a token, and it is marked."""
    reply = read_reply(echo_body("x" * 10, chat=True, usage=False), chat("y" * 9))
    assert reply.usage == Usage(1, 3, 3, estimated=True)


@pytest.mark.parametrize(
    ("counts", "generated"),
    [
        ({"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}, 2),
        ({"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 40}, 35),
        ({"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 0}, 2),
    ],
)
def test_tokens_that_only_the_total_counts_are_counted(
    counts: dict[str, int], generated: int
) -> None:
    """Some hosts leave reasoning out of the generated tokens and bill it all the same."""
    reply = read_reply({**echo_body("x", chat=True), "usage": counts}, chat("q"))
    assert reply.usage == Usage(1, 5, generated)


@pytest.mark.parametrize(
    ("message", "text", "reasoning"),
    [
        ({"content": "hm\n</think>\n\nyes"}, "yes", "hm"),
        ({"content": "a <think> b </think> c"}, "a <think> b </think> c", ""),
        (
            {
                "content": [
                    {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
                    {"type": "text", "text": "yes"},
                ]
            },
            "yes",
            "hm",
        ),
        ({"content": "<think>hm\n</think>\n\nyes"}, "yes", "hm"),
        ({"content": "<think>hm"}, "", "hm"),
        ({"content": "yes", "reasoning_content": "hm"}, "yes", "hm"),
        ({"content": "yes", "reasoning": "hm"}, "yes", "hm"),
        ({"content": None, "reasoning_content": "hm"}, "", "hm"),
        ({"content": ""}, "", ""),
        ({"content": [{"type": "text", "text": "ye"}, {"text": "s"}]}, "yes", ""),
        ({"content": "a <think> b"}, "a <think> b", ""),
    ],
)
def test_reasoning_is_kept_apart(message: dict[str, object], text: str, reasoning: str) -> None:
    """Reasoning text goes to its own place wherever a provider puts it."""
    choice = {"message": message, "finish_reason": "stop"}
    reply = read_reply({"choices": [choice]}, chat("q"))
    assert (reply.text, reply.reasoning) == (text, reasoning)


def test_stop_texts_hold_even_where_they_are_not_sent() -> None:
    """The reply ends before the first stop text."""
    reply = read_reply(echo_body("one. two; three", chat=True), chat("q", stop=(";", ".")))
    assert (reply.text, reply.finish) == ("ONE", "stop")


@given(
    st.recursive(
        st.none() | st.integers() | st.text(),
        lambda x: (
            st.lists(x)
            | st.dictionaries(
                st.sampled_from(
                    ["choices", "message", "content", "text", "thinking", "error", "usage", "data"]
                ),
                x,
            )
        ),
    )
)
def test_no_answer_breaks_the_reader(data: object) -> None:
    """Whatever a server says is a reply or a transient error, never a crash."""
    for call in (chat("a"), Call("scorer", prompt="a")):
        try:
            read_reply({"choices": data, "usage": data}, call)
        except TransientError:
            continue
    with contextlib.suppress(TransientError):
        read_vectors({"data": data}, 1)


def test_two_embeddings_of_one_number_are_none_of_another() -> None:
    rows = [{"embedding": [1.0], "index": 0}, {"embedding": [2.0], "index": 0}]
    with pytest.raises(LostReplyError, match="two have the same number"):
        read_vectors({"data": rows}, 2)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "7"}, 7.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "1500", "Retry-After": "9"}, 1.5),
        ({"Retry-After": "-3"}, None),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "Fri, 31 Dec 1999 23:59:59 GMT"}, None),
        ({"Retry-After": f"Fri, 31 Dec {'9' * 20} 23:59:59 GMT"}, None),
        ({"Retry-After": f"Fri, {'9' * 20} Dec 1999 23:59:59 GMT"}, None),
        ({"Retry-After": "9" * 5000}, None),
        (
            {
                "Retry-After": "Fri, 31 Dec 1999 23:59:59 GMT",
                "Date": "Fri, 31 Dec 1999 23:59:49 GMT",
            },
            10.0,
        ),
    ],
)
def test_when_to_come_back(headers: dict[str, str], seconds: float | None) -> None:
    """Seconds and dates are understood, a date by the provider's own clock."""
    assert retry_after(headers) == seconds


@given(st.text(), st.from_regex(r"[a-z0-9]{12,40}", fullmatch=True), st.text())
def test_a_secret_never_survives(before: str, secret: str, after: str) -> None:
    """Whatever surrounds a secret, it is not shown, and what is shown is one short line."""
    shown = Redactor((secret,))(before + secret + after)
    assert secret not in shown
    assert len(shown) <= 300
    assert len(shown.splitlines()) <= 1


@pytest.mark.parametrize(
    "key", ["sk-ant-api03-abcdef12", "gsk_abcdefgh1234", "xai-abcdefgh1234", "fw_abcdefgh1234"]
)
def test_what_looks_like_a_key_is_not_shown(key: str) -> None:
    """Also a key that is not ours, in whatever form its provider gives it."""
    assert Redactor()(f"the key {key} is not known") == "the key [secret] is not known"


async def test_an_attempt_has_half_of_the_deadline_of_its_call(server: Loopback) -> None:
    """So a connection that got stuck is not the end of the call; a configuration sets it."""
    server.plan = lambda _text, _before: "stall"
    table = ModelTable(model="openai/tiny", base_url=server.url, deadline=0.1)
    model = table.named().built()
    assert model.traits.deadline == 0.1
    with pytest.raises(LostReplyError, match=r"in 0\.05 s, half of the deadline.*larger deadline"):
        await model.complete(chat("a"))
    await model.close()
