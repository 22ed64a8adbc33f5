"""A model that collects calls, sends them as batches, and waits for the answers.

A batch that was sent outlives this process: it is recorded before and after it is sent, and a
later process that asks for one of its calls waits for that batch instead of sending the call again.
"""

from __future__ import annotations

import asyncio
import json
import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from llmopt.core.formatting import counted
from llmopt.errors import LostReplyError, ModelError, RefusedError, TransientError
from llmopt.models.providers.batch.sent_batches import packed

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator, Mapping

    from llmopt.core.model import Traits
    from llmopt.core.values import Call, Reply
    from llmopt.models.providers.batch.batch_api import BatchAPI
    from llmopt.models.providers.batch.sent_batches import SentBatch, SentBatches

_log = logging.getLogger(__name__)
_log.addHandler(logging.NullHandler())  # who wants the messages configures logging

DEADLINE = 26 * 3600.0
"""Seconds that a call in a batch may take: providers promise 24 hours."""

SLOTS = 20_000
"""Calls that are collected at once; what a step measures is seldom more."""

_QUIET = 0.5  # seconds without a further call, after which those that wait are sent
_FIRST_PAUSE, _LONGEST_PAUSE, _SLOWER = 2.0, 60.0, 1.3  # seconds between two looks at a batch
_AROUND = 200  # bytes of a line around a request
_FAULTS = 20  # in a row, after which a look at a batch is given up


@dataclass
class _Waiting:
    """A call whose answer somebody waits for."""

    call: Call
    answer: asyncio.Future[Reply]
    callers: int = 0


class BatchModel:
    """A model behind a batch interface.

    Args:
        api: The interface.
        sent: The record of sent batches.
        identity: As of the model that is asked call by call: a batch decides no reply.
        traits: Those of the same model; its deadline and slots become those of batches.
        behind: That model, for its price and its name.
        quiet: Seconds without a further call, after which those that wait are sent.
        first_pause: Seconds until the first look at a batch; they grow to a minute.

    Attributes:
        notes: Sentences on what was sent, for progress.
        waited_for: Whether answers of some batch are, or were, waited for.
    """

    def __init__(
        self,
        api: BatchAPI,
        sent: SentBatches,
        *,
        identity: str,
        traits: Traits,
        behind: Any,
        quiet: float = _QUIET,
        first_pause: float = _FIRST_PAUSE,
    ) -> None:
        self.identity = identity
        self.traits = replace(
            traits,
            slots=SLOTS,
            deadline=DEADLINE,
            # Batches have limits of their own, so nothing is shared with calls one by one.
            endpoint=f"{traits.endpoint} in batches",
            kept=True,
        )
        self.behind = behind
        self.notes: list[str] = []
        self.waited_for = False
        self._api, self._sent = api, sent
        self._quiet, self._first_pause = quiet, first_pause
        self._waiting: dict[str, _Waiting] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._missed: dict[str, set[str]] = {}  # calls that a batch did not answer, by its mark
        self._collecting = False
        self._came = 0.0

    async def complete(self, call: Call) -> Reply:
        """See `llmopt.core.model.Model.complete`; it takes as long as the batch."""
        loop = asyncio.get_running_loop()
        key = call.key(self.identity)
        self._came = loop.time()
        one = self._waiting.get(key)
        if one is None:
            one = self._waiting[key] = _Waiting(call, loop.create_future())
            if not self._collecting:
                self._collecting = True
                self._start(self._collect())
        one.callers += 1
        try:
            return await asyncio.shield(one.answer)
        finally:
            one.callers -= 1

    async def close(self) -> None:
        """Stop waiting; the provider still answers the batches."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._api.close()

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _collect(self) -> None:
        """Wait until no further call comes, then send those that wait."""
        loop = asyncio.get_running_loop()
        while (rest := self._came + self._quiet - loop.time()) > 0:
            if len(self._waiting) >= self._api.most_calls:
                break
            await asyncio.sleep(rest)
        collected, self._waiting = self._waiting, {}
        self._collecting = False
        # A run that was stopped meanwhile wants nothing sent.
        waiting = {key: one for key, one in collected.items() if one.callers}
        try:
            for batch, some in self._recorded(waiting):
                self._start(self._followed(batch, some))
                waiting = {key: one for key, one in waiting.items() if key not in some}
        except OSError as error:
            _fail(waiting, _unrecorded(error))
            return
        groups: dict[str, dict[str, _Waiting]] = {}
        for key, one in waiting.items():
            groups.setdefault(self._api.group(one.call), {})[key] = one
        for group in groups.values():
            for some in self._split(group):
                self._start(self._begun(some))

    def _recorded(
        self, waiting: Mapping[str, _Waiting]
    ) -> list[tuple[SentBatch, dict[str, _Waiting]]]:
        """Return batches that were sent before, each with the calls that it may answer.

        Raises:
            OSError: The record cannot be read.
        """
        found = []
        left = {packed(key): key for key in waiting}
        for batch in reversed(self._sent.read()):
            done = self._missed.get(batch.mark, set())
            mine = [left[k] for k in batch.keys & left.keys() if left[k] not in done]
            if mine:
                found.append((batch, {key: waiting[key] for key in mine}))
                for key in mine:
                    del left[packed(key)]
        return found

    def _split(self, waiting: Mapping[str, _Waiting]) -> Iterator[dict[str, _Waiting]]:
        """Yield calls in as few batches as the provider's limits allow."""
        some: dict[str, _Waiting] = {}
        size = 0
        for key, one in waiting.items():
            length = len(json.dumps(self._api.request(one.call))) + _AROUND
            full = len(some) >= self._api.most_calls or size + length > self._api.most_bytes
            if some and full:
                yield some
                some, size = {}, 0
            some[key] = one
            size += length
        if some:
            yield some

    async def _begun(self, waiting: dict[str, _Waiting]) -> None:
        """Send a batch, note it, and wait for its answers."""
        requests = {key: self._api.request(one.call) for key, one in waiting.items()}
        try:
            batch = self._sent.intend(requests)
        except OSError as error:
            _fail(waiting, _unrecorded(error))
            return
        try:
            name = await self._api.send(requests, batch.mark)
        except LostReplyError as error:
            # It may be there: the next attempt looks for it, so nothing counts as paid yet.
            _fail(waiting, TransientError(str(error)))
            return
        except ModelError as error:
            self._sent.refused(batch)
            _fail(waiting, error)
            return
        self._sent.accepted(batch, name)
        many = counted(len(requests), "call")
        self.notes.append(
            f"{many} were sent as batch {name}, which may take a day; a run that is stopped and "
            "resumed finds it"
        )
        await self._followed(replace(batch, name=name), waiting)

    async def _followed(self, batch: SentBatch, waiting: dict[str, _Waiting]) -> None:
        """Wait for the answers of a batch and deliver them."""
        self.waited_for = True
        try:
            name = batch.name or await self._api.find(batch.mark, len(batch.keys), batch.sent)
            if not name:
                self._sent.refused(batch)
                raise TransientError("a batch was sent, but the provider does not have it")
            if not batch.name:
                self._sent.accepted(batch, name)
            fault = await self._ended(name)
            results = {} if fault else await self._api.results(name)
        except (ModelError, OSError) as error:
            fault = error if isinstance(error, ModelError) else _unrecorded(error)
            if not isinstance(fault, TransientError):
                self._missed.setdefault(batch.mark, set()).update(waiting)
            _fail(waiting, fault)
            return
        for key, one in waiting.items():
            self._answer(batch, key, one, results.get(key), fault)

    def _answer(
        self, batch: SentBatch, key: str, one: _Waiting, result: Any, fault: ModelError | None
    ) -> None:
        """Deliver one answer, or the reason why it is missing."""
        try:
            if fault:
                raise fault
            if result is None:
                raise TransientError(f"batch {batch.name} has no answer to this call")
            reply = self._api.read(result, one.call)
        except ModelError as error:
            self._missed.setdefault(batch.mark, set()).add(key)
            _set(one, error)
        else:
            if not one.answer.done():
                one.answer.set_result(reply)

    async def _ended(self, name: str) -> ModelError | None:
        """Wait until a batch has ended; return why it was refused as a whole, if it was.

        Raises:
            ModelError: The provider does not answer any more, or does not know the batch.
        """
        pause, faults = self._first_pause, 0
        while True:
            try:
                state = await self._api.state(name)
                faults = 0
            except TransientError as error:
                faults += 1
                if faults >= _FAULTS:
                    raise
                _log.info("a look at batch %s failed: %s", name, error)
            else:
                if state.ended:
                    return state.fault
                _log.info("batch %s: %d of %d calls are answered", name, state.done, state.total)
            await asyncio.sleep(pause)
            pause = min(_LONGEST_PAUSE, pause * _SLOWER)


def _fail(waiting: Mapping[str, _Waiting], error: ModelError) -> None:
    for one in waiting.values():
        _set(one, error)


def _set(one: _Waiting, error: ModelError) -> None:
    if not one.answer.done():
        one.answer.set_exception(error)
        one.answer.exception()  # where nobody waits any more, that is no fault


def _unrecorded(error: OSError) -> ModelError:
    return RefusedError(
        "a batch is recorded before it is sent, so that it is found again, but the record cannot "
        f"be written or read: {error.strerror or error}; make room, or set LLMOPT_HOME"
    )
