"""A model on this machine: llama.cpp's own server engine, in this process.

llama.cpp's threads wait busily, so two engines on few cores slow each other down many times
over: there is one engine per process and file, shared by every model object that names it.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

from llmopt.core.model import Family, Traits
from llmopt.errors import (
    BadCallError,
    InputError,
    MissingExtraError,
    RefusedError,
    TransientError,
)
from llmopt.models.providers.draws import Draws
from llmopt.models.providers.http_errors import Redactor
from llmopt.models.providers.likelihood import Likelihoods
from llmopt.models.providers.openai_wire import Dialect, read_reply, request_of
from llmopt.models.weights.fetch import fingerprint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from llmopt.core.values import Call, Reply

G = TypeVar("G")
T = TypeVar("T")

_SILENT = -1  # llama.cpp's verbosity below its errors
_SERVER = 500
_SEEDS = 1 << 31
_HEX = 16
_SPINS = "GOMP_SPINCOUNT"  # of GNU's OpenMP library, which the engine's wheels for Linux load
_NONE: Mapping[str, Any] = MappingProxyType({})
_clean = Redactor()


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """How llama.cpp runs; measured choices, in one place.

    Attributes:
        poll: How busily its threads wait, from 0 (asleep) to 100, in builds without OpenMP.
        spins: How often they look before they sleep, in builds with OpenMP. Its own 300,000 are
            milliseconds at each of hundreds of places in a token: on a busy machine, threads
            then wait for one that cannot run because they wait.
        batch: Most tokens of prompts that are read at once.
        unified: Whether the slots share one memory for what was read.
        spare_cache_mib: Memory for prompts of slots that were given to others; 0 for none.
        similarity: Share of a prompt that must agree with a slot's for the slot to be reused.
        reuse: Whether what was read of a prompt is kept for the next one. It saves time, and
            its rounding can change a reply; without it, one slot always answers the same.
    """

    poll: int = 50
    spins: int = 10_000
    batch: int = 2048
    unified: bool = True
    spare_cache_mib: int = 0
    similarity: float = 0.1
    reuse: bool = True


class LocalModel:
    """A GGUF file run by llama.cpp in this process.

    It is loaded on first use, in a thread. Calls are answered side by side in as many slots as
    there are; greedy calls are greedy, sampled ones are seeded by the call. Calls that differ in
    their sample number alone are one request (:class:`~llmopt.models.providers.draws.Draws`),
    seeded by the first of them. So a reply is a function of the calls in flight, as far as
    llama.cpp's batching allows; what makes a run repeatable is the stored reply.

    Args:
        path: The GGUF file.
        name: What it is called in `identity`; the file's content is a part of it too.
        threads: Default: the cores that this process may use.
        slots: Calls answered side by side.
        context: Tokens of all slots together.
        family: The meta-prompt family that suits the model as optimizer LLM.
        chat: Whether it takes chats; a base model only continues texts.
        stop: Texts that end a raw completion, beside those of the call.
        settings: How llama.cpp runs.

    Raises:
        InputError: The file cannot be read.
    """

    def __init__(
        self,
        path: str | Path,
        name: str,
        *,
        threads: int | None = None,
        slots: int = 8,
        context: int = 8192,
        family: Family = "continuation",
        chat: bool = True,
        stop: tuple[str, ...] = (),
        settings: EngineSettings | None = None,
    ) -> None:
        self._path = Path(path)
        self._shape = _Shape(threads or free_cores(), slots, context, settings or EngineSettings())
        self.identity = f"local/{name}@{fingerprint(self._path)}"
        self.traits = Traits(
            chat=chat,
            completion=True,
            family=family,
            slots=slots,
            deadline=None,
            likelihood=True,
        )
        self._stop = stop
        self._likelihoods = Likelihoods()
        self._engine: Any = None
        self._most = slots  # draws of one request
        self._loading = threading.Lock()
        self._threads: ThreadPoolExecutor | None = None
        self._draws = Draws(slots, self._drawn)

    def __repr__(self) -> str:
        return f"LocalModel({str(self._path)!r}, {self.identity!r})"

    async def complete(self, call: Call) -> Reply:
        """See `llmopt.core.model.Model.complete`.

        Raises:
            MissingExtraError: xllamacpp is not installed.
            InputError: llama.cpp cannot load the file.
        """
        sent = time.monotonic()
        reply = await self._completed(call)
        return replace(reply, seconds=round(time.monotonic() - sent, 3))

    async def _completed(self, call: Call) -> Reply:
        if call.answers:
            return await self._in_thread(self._weigh, call)
        if call.temperature > 0:
            return read_reply(await self._draws.answer(call), call)
        return read_reply(await self._in_thread(self._ask, call), call)

    async def _drawn(self, calls: Sequence[Call]) -> list[dict[str, Any]]:
        """Return one decoded answer per call; they differ in their sample number alone."""
        return await self._in_thread(self._draw, calls)

    async def _in_thread(self, work: Callable[[G], T], given: G) -> T:
        """Do some work in a thread of the model's own."""
        if self._threads is None:
            self._threads = ThreadPoolExecutor(self.traits.slots, "local-model")
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, given)

    async def close(self) -> None:
        """Wait for calls on their way and release the engine when nobody else uses it."""
        threads, self._threads = self._threads, None
        if threads is not None:
            await asyncio.to_thread(threads.shutdown, cancel_futures=True)
        if self._engine is not None:
            self._engine = None
            await asyncio.to_thread(_released, self._path)

    def _weigh(self, call: Call) -> Reply:
        """Return how likely the answers of `call` are, found out in the current thread."""
        return self._likelihoods.reply(call, lambda fields: self._ask(call, fields))

    def _draw(self, calls: Sequence[Call]) -> list[dict[str, Any]]:
        """Answer calls that differ in their sample number alone, in the current thread."""
        self._running()
        most, found = self._most, []  # the engine may have fewer slots than this model asks for
        for part in (calls[at : at + most] for at in range(0, len(calls), most)):
            call, draws = part[0], len(part)
            # Such a request tells the usage of one draw; the tokens it lists are counted instead.
            many = {"n": draws, "logprobs": True if call.prompt is None else 1}
            found += _each(self._ask(call, many if draws > 1 else _NONE), draws)
        return found

    def _running(self) -> Any:
        """Return the engine, started or shared on first use."""
        with self._loading:
            if self._engine is None:
                self._engine, self._most = _acquired(self._path, self._shape)
            return self._engine

    def _ask(self, call: Call, fields: Mapping[str, Any] = _NONE) -> dict[str, Any]:
        """Answer `call` in the current thread, with more `fields`; return the decoded answer."""
        engine = self._running()
        body = request_of(call, Dialect())
        body["cache_prompt"] = self._shape.settings.reuse
        body["seed"] = int(call.key(self.identity)[:_HEX], _HEX) % _SEEDS
        if self._stop and call.prompt is not None:
            body["stop"] = [*call.stop, *self._stop]
        body |= fields
        handle = engine.handle_completions if call.prompt is not None else None
        try:
            data = (handle or engine.handle_chat_completions)(body)
        except (RuntimeError, ValueError) as error:  # what llama.cpp throws at bad requests
            raise RefusedError(
                f"a call is one that {self.identity} can answer, but llama.cpp said: "
                f"{_clean(str(error))}; check the call's texts and parameters"
            ) from error
        return _checked(data, self.identity)


@dataclass(frozen=True, slots=True)
class _Shape:
    """Everything that an engine is made of, beside its file."""

    threads: int
    slots: int
    context: int
    settings: EngineSettings


@dataclass(slots=True)
class _Engine:
    """A running engine and how many models use it."""

    server: Any
    slots: int
    users: int = 0


# One per process and file: see the module's docstring. The first to use a file shapes it.
_engines: dict[Path, _Engine] = {}
_engines_lock = threading.Lock()


def free_cores(groups: Path = Path("/sys/fs/cgroup")) -> int:
    """Return the cores that this process may use: 1 or more, by affinity and by quota.

    Args:
        groups: Where the control groups' files are (version 2, or version 1 below ``cpu``).
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    quota, period = _quota(groups)
    allowed = int(quota / period) if quota > 0 and period > 0 else cores or 1
    return max(1, min(cores or 1, allowed))


def _quota(groups: Path) -> tuple[float, float]:
    """Return microseconds of processor time per period and the period; 0 is no quota."""
    try:
        words = (groups / "cpu.max").read_text("ascii").split()
    except OSError:  # not version 2, or no control groups at all
        try:
            words = [
                (groups / "cpu" / name).read_text("ascii").strip()
                for name in ("cpu.cfs_quota_us", "cpu.cfs_period_us")
            ]
        except OSError:
            return 0.0, 0.0
    try:
        return float(words[0]), float(words[1])
    except (IndexError, ValueError):  # "max": no quota
        return 0.0, 0.0


def _checked(data: Any, identity: str) -> dict[str, Any]:
    """Return the answer, or raise what its error stands for."""
    error = data.get("error", data if "choices" not in data else None)
    if error is None:
        answer: dict[str, Any] = data
        return answer
    code = error.get("code") if isinstance(error, dict) else None
    said = error.get("message", error) if isinstance(error, dict) else error
    message = f"{identity} answers every call, but llama.cpp said: {_clean(str(said))}"
    if isinstance(code, int) and code < _SERVER:
        raise BadCallError(f"{message}; shorten the prompt or give the model a larger context")
    raise TransientError(message)


def _each(data: dict[str, Any], draws: int) -> list[dict[str, Any]]:
    """Return the answer to a request for several draws as an answer to each."""
    if draws == 1:
        return [data]
    choices = sorted(data["choices"], key=lambda choice: choice["index"])
    if len(choices) != draws:
        raise TransientError(f"llama.cpp gives {draws} draws, but got {len(choices)}")
    read = data["usage"]["prompt_tokens"]
    return [
        {
            "choices": [choice],
            "usage": {
                "prompt_tokens": read,
                "completion_tokens": len((choice.get("logprobs") or {}).get("content") or ()),
            },
        }
        for choice in choices
    ]


def _acquired(path: Path, shape: _Shape) -> tuple[Any, int]:
    """Return the engine of a file, started if it does not run yet, and its slots."""
    with _engines_lock:
        key = path.resolve()
        engine = _engines.get(key)
        if engine is None:
            engine = _engines[key] = _Engine(_started(path, shape), shape.slots)
        engine.users += 1
        return engine.server, engine.slots


def _released(path: Path) -> None:
    """Stop the engine of a file if the caller was the last to use it."""
    with _engines_lock:
        key = path.resolve()
        _engines[key].users -= 1
        if not _engines[key].users:
            del _engines[key]


@contextmanager
def _waits(spins: int) -> Iterator[None]:
    """Let threads of the OpenMP library that is loaded meanwhile sleep after so many looks.

    It reads the environment as it is loaded, once in a process; what the user has set stays.
    """
    if any(name in os.environ for name in (_SPINS, "OMP_WAIT_POLICY")):
        yield
        return
    os.environ[_SPINS] = str(spins)
    try:
        yield
    finally:
        del os.environ[_SPINS]


def _started(path: Path, shape: _Shape) -> Any:
    """Load a file into a new engine."""
    try:
        with _waits(shape.settings.spins):
            import xllamacpp
    except ModuleNotFoundError as error:
        raise MissingExtraError("a local model", "local") from error
    except ImportError as error:
        raise InputError(
            f"the engine for local models cannot be loaded: {error}; a library of the system is "
            "missing (on Debian: apt-get install libgomp1)"
        ) from error
    settings = shape.settings
    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.n_ctx = shape.context
    params.n_parallel = shape.slots
    for cpu in (params.cpuparams, params.cpuparams_batch):
        cpu.n_threads = shape.threads
        cpu.poll = settings.poll
    params.n_batch = settings.batch
    params.kv_unified = settings.unified
    params.cache_ram_mib = settings.spare_cache_mib
    params.slot_prompt_similarity = settings.similarity
    params.verbosity = _SILENT
    params.warmup = False
    params.use_jinja = True
    # The engine also listens on a free port of the loopback; nobody is to use it.
    params.api_keys = [secrets.token_hex()]
    params.ui = False
    params.endpoint_slots = False
    params.n_threads_http = 1
    try:
        return xllamacpp.Server(params)
    except (RuntimeError, ValueError) as error:
        raise InputError(
            f"a local model is a GGUF file that llama.cpp can load, but got {path} "
            f"({_clean(str(error))}); check the file, or name another model"
        ) from error
