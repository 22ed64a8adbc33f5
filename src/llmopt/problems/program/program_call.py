"""The ``call`` of a user's program: one call to the scorer LLM through its middleware.

So that budget, store, resume, retries, limits and usage hold within the program, too. One object
serves one run of the program on one row.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from llmopt.core.values import Call, Message
from llmopt.errors import ConfigError, LlmoptError
from llmopt.problems.prompt.scorer_call import as_text

if TYPE_CHECKING:
    from llmopt.core.model import Model
    from llmopt.core.values import Reply
    from llmopt.problems.prompt.scorer_call import Asking

_TOKENS = 512  # of a reply, where neither the program nor the configuration says it
_DRAWS = 1 << 20  # from one equal call to the next: more than a held-out item has draws
_ROLES = ("system", "user", "assistant")


@dataclass
class CallStep:
    """A call of a program.

    Attributes:
        name: What the program calls it.
        call: The call.
        reply: Its reply, once it is there.
    """

    name: str
    call: Call
    reply: Reply | None = None


class ProgramCall:
    """Calls the scorer LLM; in a coroutine the result is awaited, elsewhere it is the text.

    A call that failed for good is never a score: its error ends the row even if the program
    catches it, and no further call of the row is made.

    Args:
        scorer: The scorer LLM with its middleware; None where no model is asked.
        asking: How it is asked where a call does not say it.
    """

    def __init__(self, scorer: Model | None, asking: Asking) -> None:
        self._scorer, self._asking = scorer, asking
        self._loop = asyncio.get_running_loop()
        # Threads that the program starts have no context; keys are noted in this one.
        self._context = contextvars.copy_context()
        self._equal: Counter[Call] = Counter()
        self._lock = threading.Lock()
        self._tasks: set[asyncio.Task[str]] = set()
        self._closed = False
        self.steps: list[CallStep] = []
        self.failure: LlmoptError | None = None

    def __call__(
        self,
        prompt: str | Sequence[Message | Mapping[str, str]],
        *,
        name: str = "",
        temperature: float | None = None,
        max_tokens: int | None = None,
        stop: Sequence[str] | None = None,
    ) -> Any:
        """Ask the scorer LLM.

        Args:
            prompt: A text, or the turns of a chat: ``{"role": "system", "content": "…"}``.
            name: What the step is called in traces, such as the name of a part.
            temperature: 0 to 2; None: `scorer.temperature`. Above 0, equal calls of one row are
                different draws.
            max_tokens: Of the reply, 1 or more; None: `scorer.max_tokens`, or 512.
            stop: Texts that end the reply; None: `scorer.stop`.

        Returns:
            The text of the reply; in a coroutine, an awaitable of it.

        Raises:
            LlmoptError: The scorer LLM could not answer, or a limit is reached; see the class.
            TypeError: The prompt is neither a text nor turns.
        """
        with self._lock:
            call = self._made(prompt, temperature, max_tokens, stop)
            step = CallStep(name, call)
            self.steps.append(step)
        try:
            running = asyncio.get_running_loop()
        except RuntimeError:
            running = None
        if running is self._loop:
            return self._begun(step)
        future: concurrent.futures.Future[str] = concurrent.futures.Future()
        self._loop.call_soon_threadsafe(self._begun_for, step, future)
        return future.result() if running is None else asyncio.wrap_future(future)

    async def finished(self) -> None:
        """Wait for calls that the program began and did not wait for.

        Raises:
            LlmoptError: A call failed.
        """
        while self._tasks:
            await asyncio.wait(self._tasks)
        if self.failure is not None:
            raise self.failure

    def close(self) -> None:
        """Refuse further calls and give up those in flight; for a program that is given up."""
        self._closed = True
        for task in self._tasks:
            task.cancel()

    @property
    def cut_at(self) -> int:
        """Most tokens at which a reply was cut off; 0: none was."""
        cut = (s.call.max_tokens for s in self.steps if s.reply and s.reply.finish == "length")
        return max(cut, default=0)

    def _begun(self, step: CallStep) -> asyncio.Task[str]:
        task = self._loop.create_task(self._asked(step), context=self._context.copy())
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[str]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # the program need not look at it: `failure` is kept

    def _begun_for(self, step: CallStep, future: concurrent.futures.Future[str]) -> None:
        """Begin a call for another thread."""
        if not future.set_running_or_notify_cancel():
            return

        def settle(task: asyncio.Task[str]) -> None:
            if task.cancelled():
                future.set_exception(RuntimeError("the program was given up"))
            elif error := task.exception():
                future.set_exception(error)
            else:
                future.set_result(task.result())

        if self._closed:
            future.set_exception(RuntimeError("the program was given up"))
        else:
            self._begun(step).add_done_callback(settle)

    async def _asked(self, step: CallStep) -> str:
        if self.failure is not None:
            raise self.failure
        try:
            if self._scorer is None:
                raise ConfigError(
                    "a program that uses call(…) needs a scorer LLM, but got none; name one with "
                    "[scorer] or scorer=…, or let the program use a client of its own"
                )
            step.reply = await self._scorer.complete(step.call)
        except LlmoptError as error:
            self.failure = self.failure or error
            raise
        return step.reply.text

    def _made(
        self,
        prompt: str | Sequence[Message | Mapping[str, str]],
        temperature: float | None,
        max_tokens: int | None,
        stop: Sequence[str] | None,
    ) -> Call:
        turns = turns_of(prompt)
        asking = self._asking
        traits = self._scorer.traits if self._scorer else None
        able = traits is None or traits.chat
        chat = able if asking.mode == "auto" else asking.mode == "chat"
        call = Call(
            "scorer",
            messages=turns if chat else (),
            prompt=None if chat else as_text(turns),
            temperature=asking.temperature if temperature is None else temperature,
            max_tokens=max_tokens or asking.max_tokens or _TOKENS,
            stop=asking.stop if stop is None else tuple(stop),
        )
        if not call.temperature:
            return call
        self._equal[call] += 1
        return replace(call, sample=_DRAWS * (self._equal[call] - 1))


def turns_of(prompt: str | Sequence[Message | Mapping[str, str]]) -> tuple[Message, ...]:
    """Return what a program gave as the turns of a chat.

    Raises:
        TypeError: It is neither a text nor turns, or there is no turn.
    """
    if isinstance(prompt, str):
        return (Message("user", prompt),)
    given = list(prompt) if isinstance(prompt, Sequence) else []
    if not given:
        raise TypeError(f"a prompt of call(…) is a text or a list of turns, but got {prompt!r}")
    return tuple(one if isinstance(one, Message) else _turn(one) for one in given)


def _turn(given: object) -> Message:
    if isinstance(given, Mapping) and set(given) == {"role", "content"}:
        role, content = given["role"], given["content"]
        if role in _ROLES and isinstance(content, str):
            return Message(role, content)
    raise TypeError(
        'a turn of call(…) is {"role": "system", "user" or "assistant", "content": a text}, but '
        f"got {given!r}"
    )
