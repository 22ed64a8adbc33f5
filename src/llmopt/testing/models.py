"""What is true of every model and of every middleware, as functions that a test calls.

Each truth raises `AssertionError` with what was found; apply all of `MODEL_TRUTHS` to a model
of your own, and all of `MIDDLEWARE_TRUTHS` to a function that wraps a model in yours::

    @pytest.mark.parametrize("truth", MIDDLEWARE_TRUTHS)
    async def test_my_ring(truth):
        await truth(lambda inner: MyRing(inner, 3))
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from llmopt.core.model import Model, Traits
from llmopt.core.values import Call, Message, Reply
from llmopt.errors import BudgetError, InputError, LlmoptError, RefusedError, TransientError
from llmopt.models.providers.scripted import ScriptedModel

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Middleware = Callable[[Model], Model]

_MANY = 50


def chat(text: str, *, sample: int = 0, max_tokens: int = 16, stop: tuple[str, ...] = ()) -> Call:
    """Return a chat of one turn, as the scorer asks it."""
    messages = (Message("user", text),)
    return Call("scorer", messages, max_tokens=max_tokens, stop=stop, sample=sample)


class GatedModel:
    """A model whose replies wait until `gate` is set, and that knows how many are waiting."""

    def __init__(self) -> None:
        self.identity = "gated"
        self.traits = Traits()
        self.gate = asyncio.Event()
        self.waiting = 0
        self.calls = 0

    async def complete(self, call: Call) -> Reply:
        """Wait for the gate, then echo."""
        self.calls += 1
        self.waiting += 1
        try:
            await self.gate.wait()
        finally:
            self.waiting -= 1
        return Reply(call.text)

    async def close(self) -> None:
        """Do nothing."""


async def model_tells_who_it_is(model: Model) -> None:
    """A model is a `Model`, and its identity and traits do not change when it is used."""
    _check(_is_model(model), "is not a Model")
    before = model.identity, model.traits
    _check(bool(before[0].strip()), "has an empty identity")
    await model.complete(chat("Hello"))
    _check((model.identity, model.traits) == before, "changed identity or traits")


async def model_counts_its_usage(model: Model) -> None:
    """A reply is one call, and counts no more generated tokens than were allowed."""
    reply = await model.complete(chat("Count from one to one hundred.", max_tokens=5))
    usage = reply.usage
    _check(usage.calls == 1, f"counted {usage.calls} calls for one")
    _check(min(usage.input_tokens, usage.output_tokens) >= 0, "counted less than nothing")
    _check(usage.estimated or usage.output_tokens <= 5, f"generated {usage.output_tokens} tokens")  # noqa: PLR2004 - the number asked for above


async def model_ends_before_a_stop_text(model: Model) -> None:
    """The text that ends a generation is not part of the reply."""
    reply = await model.complete(chat("Say: one, two, three.", max_tokens=32, stop=("e", "o")))
    _check(not {"e", "o"} & set(reply.text), f"said {reply.text!r} past a stop text")


async def model_continues_raw_text(model: Model) -> None:
    """A model whose traits say so takes raw completions."""
    if model.traits.completion:
        reply = await model.complete(Call("optimizer", prompt="one, two,", max_tokens=8))
        _check(isinstance(reply.text, str), "gave no text for a raw completion")


async def model_answers_many_at_once(model: Model) -> None:
    """As many calls as it has slots are answered side by side, each with its own reply."""
    slots = min(model.traits.slots, _MANY)
    calls = [chat(f"Repeat: {n}", max_tokens=4) for n in range(slots)]
    replies = await asyncio.gather(*map(model.complete, calls))
    _check(len(replies) == slots, "lost a reply")


async def middleware_changes_no_reply(middleware: Middleware) -> None:
    """What a middleware returns is what the inner model said, usage and reasoning included."""
    wanted = Reply("said", finish="length", reasoning="thought")

    class Fixed(ScriptedModel):
        async def complete(self, call: Call) -> Reply:
            await super().complete(call)
            return wanted

    model = middleware(Fixed(lambda call: call.text))
    _check(await model.complete(chat("a")) == wanted, "changed a reply")


async def middleware_resembles_its_inner_model(middleware: Middleware) -> None:
    """Identity and traits are the inner model's, and closing reaches it."""
    closed: list[str] = []

    class Closing(ScriptedModel):
        async def close(self) -> None:
            closed.append("inner")

    traits = Traits(completion=True, family="brackets", slots=3)
    model = middleware(Closing(lambda call: call.text, traits=traits, identity="who/it@is"))
    _check(_is_model(model), "is not a Model")
    _check(model.identity == "who/it@is", f"is called {model.identity}")
    _check(model.traits == traits, f"has the traits {model.traits}")
    await model.complete(chat("a"))
    await model.close()
    _check(closed == ["inner"], "did not close the inner model once")


async def middleware_passes_errors_through(middleware: Middleware) -> None:
    """An error of the tree comes out as its own kind, and the next call is answered."""
    for fault in (RefusedError("no"), BudgetError("no"), InputError("no"), TransientError("no")):
        faults: list[LlmoptError] = [fault]

        def answer(call: Call, faults: list[LlmoptError] = faults) -> str:
            if call.text == "bad":
                raise faults[0]
            return call.text

        model = middleware(ScriptedModel(answer))
        try:
            await model.complete(chat("bad"))
        except LlmoptError as error:
            _check(type(error) is type(fault), f"made {error!r} of {fault!r}")
        else:
            _check(False, f"swallowed {fault!r}")
        _check((await model.complete(chat("good"))).text == "good", "did not recover")


async def middleware_is_safe_under_many_calls(middleware: Middleware) -> None:
    """Fifty calls at once, some of them equal, each get the reply to their own text."""
    model = middleware(ScriptedModel(lambda call: call.text.upper(), latency=0.001))
    texts = [f"call {n % (_MANY - 10)}" for n in range(_MANY)]
    replies = await asyncio.gather(*(model.complete(chat(text)) for text in texts))
    _check([r.text for r in replies] == [t.upper() for t in texts], "mixed replies up")


async def middleware_leaves_no_call_hanging(middleware: Middleware) -> None:
    """Cancelled calls end, inside as well, and others go on."""
    inner = GatedModel()
    model = middleware(inner)
    tasks = [asyncio.ensure_future(model.complete(chat(f"{n}"))) for n in range(_MANY)]
    await _turns()
    for task in tasks[::2]:
        task.cancel()
    await _turns()
    _check(all(task.done() for task in tasks[::2]), "kept a cancelled call")
    inner.gate.set()
    replies = await asyncio.gather(*tasks[1::2])
    _check([r.text for r in replies] == [f"{n}" for n in range(1, _MANY, 2)], "lost a call")
    inner.gate.clear()
    late = [asyncio.ensure_future(model.complete(chat(f"late {n}"))) for n in range(_MANY)]
    await _turns()
    for task in late:
        task.cancel()
    for task in late:
        with contextlib.suppress(asyncio.CancelledError):
            await task
    await _turns()
    _check(inner.waiting == 0, f"left {inner.waiting} calls hanging")


MODEL_TRUTHS: tuple[Callable[[Model], Awaitable[None]], ...] = (
    model_tells_who_it_is,
    model_counts_its_usage,
    model_ends_before_a_stop_text,
    model_continues_raw_text,
    model_answers_many_at_once,
)

MIDDLEWARE_TRUTHS: tuple[Callable[[Callable[[Model], Model]], Awaitable[None]], ...] = (
    middleware_changes_no_reply,
    middleware_resembles_its_inner_model,
    middleware_passes_errors_through,
    middleware_is_safe_under_many_calls,
    middleware_leaves_no_call_hanging,
)


async def _turns() -> None:
    """Let everything run that can run without time passing."""
    for _ in range(20):
        await asyncio.sleep(0)


def _is_model(found: object) -> bool:
    """Whether something has the members of a :class:`~llmopt.core.model.Model`."""
    methods = all(callable(getattr(found, name, None)) for name in ("complete", "close"))
    identity, traits = getattr(found, "identity", None), getattr(found, "traits", None)
    return methods and isinstance(identity, str) and isinstance(traits, Traits)


def _check(holds: bool, found: str) -> None:
    """Fail with what was found."""
    if not holds:
        raise AssertionError(f"the model {found}")
