"""Batches: collected, sent once, found again after a kill, at half of the price."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import stat
import subprocess
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from batch_server import BatchServer, batch_server, said_to

import llmopt
from llmopt.core.model import Traits, text_call
from llmopt.core.values import Message
from llmopt.errors import BadCallError, ConfigError, RefusedError, TransientError
from llmopt.models.middleware.budget import Price
from llmopt.models.prices import in_batches
from llmopt.models.providers.batch.anthropic_batches import KEY_HEADER, VERSION, AnthropicBatches
from llmopt.models.providers.batch.batch_model import BatchModel
from llmopt.models.providers.batch.openai_batches import OpenAIBatches
from llmopt.models.providers.batch.sent_batches import SentBatches
from llmopt.models.providers.openai import OpenAIModel
from llmopt.models.providers.presets import PRESETS
from llmopt.models.providers.request_options import RequestOptions
from llmopt.models.registry import NamedModel
from llmopt.store import open_store
from llmopt.testing import scripted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from llmopt.core.values import Call, Reply

KEY = "sk-batches-71c09a"
INTERFACES = ("openai", "anthropic")


@pytest.fixture
def server() -> Iterator[BatchServer]:
    with batch_server() as made:
        yield made


def batched(
    server: BatchServer,
    folder: Path,
    interface: str = "openai",
    kind: type[OpenAIBatches] = OpenAIBatches,
) -> BatchModel:
    """Return a model in batches that waits for nobody long."""
    native = interface == "anthropic"
    direct = OpenAIModel(
        "some-model",
        base_url=server.url,
        key=KEY,
        traits=Traits(),
        preset=PRESETS[interface],
        request=RequestOptions(headers=VERSION if native else {}),
        key_header=KEY_HEADER if native else "",
    )
    return BatchModel(
        AnthropicBatches(direct) if native else kind(direct),
        SentBatches(folder, direct.identity),
        identity=direct.identity,
        traits=direct.traits,
        behind=direct,
        quiet=0.05,
        first_pause=0.01,
    )


def calls(many: int, first: int = 0) -> list[Call]:
    return [
        text_call("scorer", f"Question number {n}?", raw=False) for n in range(first, first + many)
    ]


def answers(model: BatchModel, asked: list[Call]) -> list[Reply | BaseException]:
    async def ask() -> list[Reply | BaseException]:
        try:
            made = (model.complete(call) for call in asked)
            return await asyncio.gather(*made, return_exceptions=True)
        finally:
            await model.close()

    return asyncio.run(ask())


def _sent(server: BatchServer) -> None:
    """Wait until a batch was sent."""
    while not server.batches:
        time.sleep(0.01)


def texts(found: list[Reply | BaseException]) -> list[str]:
    assert not [one for one in found if isinstance(one, BaseException)], found
    return [one.text for one in found if not isinstance(one, BaseException)]


# -- what is sent, and what comes back ---------------------------------------------------------


@pytest.mark.parametrize("interface", INTERFACES)
def test_calls_at_one_time_are_one_batch(
    server: BatchServer, tmp_path: Path, interface: str
) -> None:
    """Each gets its own answer, in whatever order they come back."""
    asked = calls(50)
    found = texts(answers(batched(server, tmp_path, interface), asked))
    assert server.sizes == [50]
    one_by_one = [
        said_to({"messages": [{"content": call.text}]})["choices"][0]["message"]["content"]
        for call in asked
    ]
    assert found == one_by_one
    assert len(set(found)) > 1
    assert server.direct == 0


def test_the_key_goes_in_the_header_that_the_provider_wants(
    server: BatchServer, tmp_path: Path
) -> None:
    answers(batched(server, tmp_path, "openai"), calls(1))
    assert {headers.get("Authorization") for headers in server.headers} == {f"Bearer {KEY}"}
    server.headers.clear()
    answers(batched(server, tmp_path, "anthropic"), calls(1))
    assert {headers.get("x-api-key") for headers in server.headers} == {KEY}
    assert {headers.get("anthropic-version") for headers in server.headers} == {"2023-06-01"}
    assert not [headers for headers in server.headers if "Authorization" in headers]


def test_anthropic_gets_its_own_form(server: BatchServer, tmp_path: Path) -> None:
    """System texts beside the turns, stop texts by their own name, and none of white space."""
    (call,) = calls(1)
    call = replace(
        call, messages=(Message("system", "Be brief."), *call.messages), stop=("\n", "END")
    )
    answers(batched(server, tmp_path, "anthropic"), [call])
    (batch,) = server.batches.values()
    (line,) = batch["lines"]
    assert line["params"] == {
        "model": "some-model",
        "max_tokens": 512,
        "messages": [{"role": "user", "content": "Question number 0?"}],
        "system": "Be brief.",
        "stop_sequences": ["END"],
        "temperature": 0.0,
    }


def test_equal_calls_at_one_time_are_one(server: BatchServer, tmp_path: Path) -> None:
    (call,) = calls(1)
    first, second = texts(answers(batched(server, tmp_path), [call, call]))
    assert first == second
    assert server.sizes == [1]


def test_a_batch_keeps_the_limits_of_the_provider(server: BatchServer, tmp_path: Path) -> None:
    class Small(OpenAIBatches):
        most_calls = 20

    class Narrow(OpenAIBatches):
        most_bytes = 2_000

    few = batched(server, tmp_path / "few", kind=Small)
    assert len(texts(answers(few, calls(50)))) == 50
    assert sorted(server.sizes) == [10, 20, 20]

    server.batches.clear()
    short = batched(server, tmp_path / "short", kind=Narrow)
    assert len(texts(answers(short, calls(50)))) == 50
    assert sum(server.sizes) == 50
    for batch in server.batches.values():
        assert len(json.dumps(batch["lines"])) < 2_000


def test_chats_and_raw_completions_are_two_batches(server: BatchServer, tmp_path: Path) -> None:
    api = OpenAIBatches(batched(server, tmp_path).behind)
    asked = [*calls(2), text_call("optimizer", "Go on", raw=True)]
    assert {api.group(call) for call in asked} == {"/chat/completions", "/completions"}


# -- faults ------------------------------------------------------------------------------------


def test_a_call_that_failed_is_sent_again_and_the_others_are_not(
    server: BatchServer, tmp_path: Path
) -> None:
    busy = {"status_code": 503, "body": {"error": {"message": "overloaded"}}}
    too_long = {
        "status_code": 400,
        "body": {"error": {"message": "too long", "code": "context_length_exceeded"}},
    }
    server.failing = {1: busy, 2: too_long}
    model = batched(server, tmp_path)

    async def ask() -> list[Any]:
        found = await asyncio.gather(*map(model.complete, calls(5)), return_exceptions=True)
        again = [n for n, one in enumerate(found) if isinstance(one, TransientError)]
        more = await asyncio.gather(*(model.complete(calls(5)[n]) for n in again))
        await model.close()
        return [*found, *more]

    found = asyncio.run(ask())
    assert sum(isinstance(one, TransientError) for one in found) == 1
    assert sum(isinstance(one, BadCallError) for one in found) == 1
    assert server.sizes == [5, 1]


@pytest.mark.parametrize(
    ("result", "kind"),
    [
        ({"type": "expired"}, TransientError),
        ({"type": "canceled"}, TransientError),
        ({"type": "errored", "error": {"error": {"type": "overloaded_error"}}}, TransientError),
        ({"type": "errored", "error": {"error": {"type": "api_error"}}}, TransientError),
        (
            {"type": "errored", "error": {"error": {"type": "invalid_request_error"}}},
            RefusedError,
        ),
        ({"type": "succeeded", "message": {"content": [], "stop_reason": None}}, TransientError),
        ("nonsense", TransientError),
    ],
)
def test_a_failed_result_is_never_an_answer(
    server: BatchServer, tmp_path: Path, result: Any, kind: type[Exception]
) -> None:
    server.failing = {0: result}
    (found,) = answers(batched(server, tmp_path, "anthropic"), calls(1))
    assert isinstance(found, kind)


@pytest.mark.parametrize("end", ["expired", "failed", "cancelled"])
def test_a_batch_that_ended_without_answers_is_sent_again(
    server: BatchServer, tmp_path: Path, end: str
) -> None:
    """Also by a process that finds it in the record, after one look."""
    server.ends = [end, "completed"]
    if end == "cancelled":
        server.failing = {n: {"status_code": 500, "body": None} for n in range(3)}
    first = answers(batched(server, tmp_path), calls(3))
    assert all(isinstance(one, TransientError) for one in first)

    async def ask() -> list[Reply]:
        model = batched(server, tmp_path)
        found = []
        for call in calls(3):
            try:
                found.append(await model.complete(call))
            except TransientError:
                found.append(await model.complete(call))
        await model.close()
        return found

    assert len(asyncio.run(ask())) == 3


def test_a_look_that_fails_is_taken_again(server: BatchServer, tmp_path: Path) -> None:
    server.looks = 3
    server.faults = {"/batch_0": [500, 429, 503], "/content": []}
    assert len(texts(answers(batched(server, tmp_path), calls(3)))) == 3
    assert server.sizes == [3]


@pytest.mark.parametrize("interface", INTERFACES)
def test_a_batch_of_unknown_fate_is_looked_for_before_it_is_sent_again(
    server: BatchServer, tmp_path: Path, interface: str
) -> None:
    """The answer to its sending was lost: it is found in the provider's list."""
    server.lose = ["/batches"]

    async def ask() -> list[Reply]:
        model = batched(server, tmp_path, interface)
        lost = await asyncio.gather(*map(model.complete, calls(4)), return_exceptions=True)
        assert all(isinstance(one, TransientError) for one in lost)
        found = await asyncio.gather(*map(model.complete, calls(4)))
        await model.close()
        return found

    assert len(asyncio.run(ask())) == 4
    assert server.sizes == [4]


def test_a_batch_that_was_never_accepted_is_sent_again(server: BatchServer, tmp_path: Path) -> None:
    server.faults = {"/batches": [500]}

    async def ask() -> list[Reply]:
        model = batched(server, tmp_path)
        lost = await asyncio.gather(*map(model.complete, calls(4)), return_exceptions=True)
        assert all(isinstance(one, TransientError) for one in lost)
        found = await asyncio.gather(*map(model.complete, calls(4)))
        await model.close()
        return found

    assert len(asyncio.run(ask())) == 4
    assert server.sizes == [4]


def test_a_refusal_ends_the_wait(server: BatchServer, tmp_path: Path) -> None:
    server.faults = {"/files": [401]}
    found = answers(batched(server, tmp_path), calls(3))
    assert all(isinstance(one, RefusedError) for one in found)
    assert KEY not in str(found)


# -- another process ---------------------------------------------------------------------------


@pytest.mark.parametrize("interface", INTERFACES)
def test_another_process_waits_for_a_batch_that_was_sent(
    server: BatchServer, tmp_path: Path, interface: str
) -> None:
    """What it asks beyond it goes into a further one; nothing is sent twice."""
    server.looks = 1_000_000

    async def killed() -> None:
        model = batched(server, tmp_path, interface)
        asked = [asyncio.ensure_future(model.complete(call)) for call in calls(6)]
        await asyncio.to_thread(_sent, server)
        await asyncio.sleep(0.1)
        for one in asked:
            one.cancel()
        await model.close()

    asyncio.run(killed())
    for batch in server.batches.values():
        batch["looks"] = 1
    server.looks = 1
    found = texts(answers(batched(server, tmp_path, interface), calls(8)))
    assert len(found) == 8
    assert server.sizes == [6, 2]
    assert len(set(server.answered)) == len(server.answered) == 8


def test_calls_that_nobody_waits_for_any_more_are_not_sent(
    server: BatchServer, tmp_path: Path
) -> None:
    async def stopped() -> None:
        model = batched(server, tmp_path)
        asked = [asyncio.ensure_future(model.complete(call)) for call in calls(6)]
        await asyncio.sleep(0.01)
        for one in asked:
            one.cancel()
        await asyncio.sleep(0.2)
        await model.close()

    asyncio.run(stopped())
    assert server.batches == {}


def test_the_record_is_private_and_survives_a_line_that_was_cut_off(tmp_path: Path) -> None:
    record = SentBatches(tmp_path / "batches", "a/model")
    keys = ["ab" * 32, "cd" * 32]
    batch = record.intend(keys)
    record.accepted(batch, "batch_1")
    (path,) = (tmp_path / "batches").iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    whole = path.read_bytes()
    path.write_bytes(whole + b'\n{"mark": "half a li')
    record.refused(record.intend(["ef" * 32]))
    (found,) = record.read()
    assert (found.name, found.keys) == ("batch_1", batch.keys)
    assert found.mark == batch.mark


# -- runs --------------------------------------------------------------------------------------


def test_batches_are_refused_where_there_are_none(tmp_path: Path) -> None:
    streaming = RequestOptions(stream=True)
    for named in (
        NamedModel("local/smollm2-135m", batch=True),
        NamedModel("openai/gpt-x", request=streaming, batch=True),
    ):
        with pytest.raises(ConfigError, match="batch = true is for"):
            named.built(batches=tmp_path)


def test_batches_cost_half() -> None:
    assert in_batches(Price(2.0, 8.0)) == Price(1.0, 4.0)
    assert in_batches(None) is None


CONFIG = """
[problem]
data = "questions.csv"
task = "Answer with yes or no."
instructions = ["Answer.", "Answer now."]
sizes = [12, 8, 20]

[scorer]
model = "openai/some-model"
base_url = "{url}"
batch = true

[optimizer]
model = "scripted/llmopt.testing.scripted:answer"

[algorithm]
samples = 4

[run]
steps = 2

[budget]
calls = 400
"""


def started(folder: Path, *words: str) -> subprocess.Popen[str]:
    path = os.pathsep.join(filter(None, sys.path))
    home = {"LLMOPT_HOME": str(folder / "home"), "OPENAI_API_KEY": KEY, "PYTHONPATH": path}
    return subprocess.Popen(
        [sys.executable, "-m", "llmopt", *words],
        cwd=folder,
        env={**os.environ, **home},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def project(folder: Path, server: BatchServer) -> None:
    rows = [f"Question number {n}?,{'yes' if n % 2 else 'no'}" for n in range(40)]
    (folder / "questions.csv").write_text("\n".join(["input,target", *rows, ""]))
    (folder / "run.toml").write_text(CONFIG.format(url=server.url))


def paid_in(folder: Path) -> int:
    store = open_store(folder / "home" / "llmopt.sqlite", new=False)
    try:
        return store.spent("tried")["scorer"].calls
    finally:
        store.close()


@pytest.mark.parametrize("stop", [signal.SIGKILL, signal.SIGINT])
def test_a_run_that_was_stopped_finds_its_batch(
    server: BatchServer, tmp_path: Path, stop: signal.Signals
) -> None:
    """Nothing is sent twice, the account is exact, and the result is that of an unbroken run."""
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    results = []
    for folder in (whole, broken):
        folder.mkdir()
        project(folder, server)
    first = started(whole, "run", "run.toml", "--name", "tried", "--json", "-q")
    results.append(json.loads(first.communicate(timeout=120)[0]))
    assert server.direct == 0
    sent, paid = list(server.sizes), paid_in(whole)
    assert max(sent) > 20  # a step is few batches
    assert paid == sum(sent) == len(server.answered)

    server.batches.clear()
    server.answered.clear()
    server.looks = 1_000_000
    process = started(broken, "run", "run.toml", "--name", "tried", "-q")
    _sent(server)
    time.sleep(0.5)
    process.send_signal(stop)
    process.communicate(timeout=30)
    server.looks = 1
    for batch in server.batches.values():
        batch["looks"] = 1
    again = started(broken, "resume", "tried", "--json", "-q")
    results.append(json.loads(again.communicate(timeout=120)[0]))
    assert server.sizes == sent
    assert paid_in(broken) == paid
    assert results[0]["best"] == results[1]["best"]
    assert results[0]["test"] == results[1]["test"]


def test_check_asks_one_call_by_itself(server: BatchServer, tmp_path: Path) -> None:
    """A trial call does not wait for a day; that times do not hold is said."""
    project(tmp_path, server)
    said, err = started(tmp_path, "check", "run.toml").communicate(timeout=120)
    assert "which may take a day" in said + err
    assert server.direct == 1
    assert server.batches == {}


def test_python_takes_a_model_in_batches(server: BatchServer) -> None:
    named = NamedModel("ollama/some-model", base_url=server.url, batch=True)
    found = llmopt.evaluate(scripted.problem(), ["Answer.", "Think."], scorer=named, progress=False)
    assert found.items == 20
    assert sum(server.sizes) == 40
