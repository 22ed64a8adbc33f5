"""Models by name: a preset's, ``local/…``, ``anyllm/<provider>/…``, ``scripted/<function>``."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmopt.core.imports import imported
from llmopt.core.model import DEADLINE, Traits
from llmopt.errors import (
    ConfigError,
    InputError,
    MissingExtraError,
    UnknownNameError,
    install_command,
)
from llmopt.models.providers.openai import OpenAIModel
from llmopt.models.providers.presets import PRESETS
from llmopt.models.providers.request_options import RequestOptions

if TYPE_CHECKING:
    from collections.abc import Callable

    from llmopt.core.model import Model
    from llmopt.core.values import Call
    from llmopt.models.providers.batch.batch_model import BatchModel
    from llmopt.models.providers.presets import Preset
    from llmopt.models.weights.download import Progress


@dataclass(frozen=True)
class NamedModel:
    """A model that is not built yet: its name and where it is reached.

    Attributes:
        name: One of the patterns of :func:`known_models`.
        base_url: See :func:`model_named`.
        key_variable: See :func:`model_named`.
        completion: See :func:`model_named`.
        deadline: See :func:`model_named`.
        request: See :func:`model_named`.
        batch: Whether it is asked in batches, at half of the price, within a day.
    """

    name: str
    base_url: str | None = None
    key_variable: str | None = None
    completion: bool = False
    deadline: float = DEADLINE
    request: RequestOptions | None = None
    batch: bool = False

    def built(self, progress: Progress | None = None, batches: Path | None = None) -> Model:
        """Return the model; see :func:`model_named`.

        Args:
            progress: See there.
            batches: The folder where sent batches are recorded, if it is to be asked in batches
                where `batch` says so; None: it is asked call by call, as for a trial.

        Raises:
            InputError: As there; or it cannot be asked in batches.
        """
        if self.batch:
            self._check_batch()
        if self.batch and batches:
            return self._in_batches(batches)
        return model_named(
            self.name,
            base_url=self.base_url,
            api_key_variable=self.key_variable,
            completion=self.completion,
            deadline=self.deadline,
            request=self.request,
            progress=progress,
        )

    def unkeyed(self) -> Model | None:
        """Return the model as it is known without its key: with a price, and not to be asked.

        None where its provider is not reached at an OpenAI-compatible endpoint.
        """
        provider, _, rest = self.name.partition("/")
        preset = PRESETS.get(provider)
        if preset is None:
            return None
        return OpenAIModel(
            rest,
            base_url=self.base_url,
            key="",
            traits=Traits(completion=self.completion or preset.completion),
            preset=replace(preset, needs_key=False),
            request=self.request,
        )

    def _check_batch(self) -> None:
        provider, stream = self.name.partition("/")[0], self.request and self.request.stream
        if provider not in PRESETS or stream:
            got = "stream = true" if stream else repr(self.name)
            raise ConfigError(
                "batch = true is for OpenAI-compatible endpoints with /batches, and Anthropic's, "
                f"without streams, but got {got}; leave it out"
            )

    def _in_batches(self, folder: Path) -> BatchModel:
        from llmopt.models.providers.batch.anthropic_batches import (
            KEY_HEADER,
            VERSION,
            AnthropicBatches,
        )
        from llmopt.models.providers.batch.batch_model import BatchModel
        from llmopt.models.providers.batch.openai_batches import OpenAIBatches
        from llmopt.models.providers.batch.sent_batches import SentBatches

        provider, _, rest = self.name.partition("/")
        preset, request = PRESETS[provider], self.request or RequestOptions()
        native = provider == "anthropic" and not self.base_url
        if native:
            request = replace(request, headers={**VERSION, **request.headers})
        direct = OpenAIModel(
            rest,
            base_url=self.base_url,
            key_variable=self.key_variable,
            traits=Traits(completion=self.completion or preset.completion),
            preset=preset,
            request=request,
            key_header=KEY_HEADER if native else "",
        )
        # Replies are the same as those to single calls, and are stored under the same identity.
        identity = direct.identity if not native else self._plain_identity()
        return BatchModel(
            AnthropicBatches(direct) if native else OpenAIBatches(direct),
            SentBatches(folder, identity),
            identity=identity,
            traits=direct.traits,
            behind=direct,
        )

    def _plain_identity(self) -> str:
        """Return the identity of the model that is asked call by call."""
        return replace(self, batch=False).built().identity


@dataclass(frozen=True, slots=True)
class KnownModel:
    """What a model's name can be, and whether it can be used here.

    Attributes:
        name: The name, or a pattern of names.
        what: What it stands for.
        ready: Whether nothing is missing, as far as that is seen without asking anybody.
        state: Why, in a few words; never a key.
        size: Bytes of the weights of a known local model.
        licence: The licence of those weights.
        terms: What is said before they are fetched; empty: nothing.
    """

    name: str
    what: str
    ready: bool
    state: str
    size: int | None = None
    licence: str = ""
    terms: str = ""


_MEGABYTE = 1_000_000
_SLOTS = 8  # of a GGUF file that nothing else is known of
_OTHERS = ("anyllm", "local", "replay", "scripted")  # what may stand before the / beside a preset


def known_models() -> tuple[KnownModel, ...]:
    """Return what a model's name can be; presets stand in the order of their table."""
    from llmopt.models.weights.hugging_face import PREFIX
    from llmopt.models.weights.known import KNOWN

    engine = find_spec("xllamacpp") is not None
    library = find_spec("huggingface_hub") is not None
    native = find_spec("any_llm") is not None
    return (
        *(_known_local(name, engine=engine) for name in KNOWN),
        KnownModel(
            "local/<path>.gguf",
            "any GGUF file on this machine, run by llama.cpp",
            engine,
            _installed("local", there=engine),
        ),
        KnownModel(
            f"local/{PREFIX}<owner>/<repo>/<file>.gguf",
            "a GGUF file of the Hugging Face hub, fetched once and run by llama.cpp",
            engine and library,
            _installed("hub" if engine else "local", there=engine and library),
        ),
        *(_known_preset(preset) for preset in PRESETS.values()),
        KnownModel(
            "anyllm/<provider>/<model>",
            "any provider of any-llm-sdk, natively; chats only",
            native,
            _installed("anyllm", there=native),
        ),
        KnownModel(
            "replay/<path>",
            "the recording of a run, which answers without any model",
            ready=True,
            state="needs no key",
        ),
        KnownModel(
            "scripted/<package.module:function>",
            "a Python function from Call to str, for tests",
            ready=True,
            state="needs no key",
        ),
    )


def _known_local(name: str, *, engine: bool) -> KnownModel:
    """Return the row of a local model whose weights are known."""
    from llmopt.models.weights.fetch import cached_path
    from llmopt.models.weights.known import KNOWN

    row = KNOWN[name]
    size = f"{row.size / _MEGABYTE:.0f} MB"
    here = cached_path(name) is not None
    state = f"weights are here ({size})" if here else f"weights ({size}) come with the first use"
    what = f"{row.title}, {size}, {row.licence}. Good for {row.good_for}"
    return KnownModel(
        f"local/{name}",
        f"{what}. {row.terms}" if row.terms else what,
        engine,
        state if engine else _installed("local", there=engine),
        size=row.size,
        licence=row.licence,
        terms=row.terms,
    )


def _known_preset(preset: Preset) -> KnownModel:
    """Return the row of a preset; OpenAI's is for other endpoints too."""
    there = bool(os.environ.get(preset.key_variable, "").strip())
    where = os.environ.get(preset.url_variable, "") if preset.url_variable else ""
    state = f"{preset.key_variable} is {'set' if there else 'not set'}"
    if not preset.needs_key:
        state = f"needs no key; {state}"
    if where:
        # Not the address itself: it may hold a password.
        state += f"; {preset.url_variable} names another endpoint"
    what = f"{preset.what} at {preset.base_url or 'a base URL of your own'}"
    if preset.name == "openai":
        what = f"any OpenAI-compatible endpoint, by base URL and key; {what}"
    return KnownModel(f"{preset.name}/<model>", what, there or not preset.needs_key, state)


def _installed(extra: str, *, there: bool) -> str:
    """Return whether an extra is installed, in words."""
    if there:
        return f"the extra {extra!r} is installed"
    return f"the extra {extra!r} is missing; run: {install_command(extra)}"


def model_named(
    name: str,
    *,
    base_url: str | None = None,
    api_key_variable: str | None = None,
    completion: bool = False,
    deadline: float = DEADLINE,
    slots: int | None = None,
    request: RequestOptions | None = None,
    progress: Progress | None = None,
) -> Model:
    """Return the model of a name, without middleware.

    The weights of a known local model are obtained here, so that what is missing is said
    before anything is paid; loading them waits for the first call.

    Args:
        name: One of the patterns of `known_models`.
        base_url: For a preset or ``anyllm/``: where the API begins; default: its usual one.
        api_key_variable: For a preset or ``anyllm/``: the variable with the key; default: its
            usual one.
        completion: Whether the endpoint of a preset takes raw completions; the presets of
            those that always do say so themselves.
        deadline: Seconds that one call may take, all attempts together, more than 0; an attempt
            without a whole answer is given up after half of them. A model in this process has
            none.
        slots: Calls answered at once; default: what suits the model.
        request: For a preset: what goes with every request. A recording and a function are
            not asked over HTTP and answer as without; other models refuse it.
        progress: Told how far obtaining the weights of a local model is.

    Raises:
        UnknownNameError: No provider, local model or function of this name.
        InputError: The name is known, but something it needs is missing.
    """
    provider, _, rest = name.partition("/")
    preset = PRESETS.get(provider)
    if not rest:
        raise UnknownNameError("a model's name", name, [known.name for known in known_models()])
    if preset is None and provider not in _OTHERS:
        known = (*PRESETS, *_OTHERS)
        raise UnknownNameError("the part before the / in a model's name", provider, known)
    if provider in ("local", "anyllm") and request not in (None, RequestOptions()):
        raise InputError(
            "extra, headers, stream, dialect, top_p, reasoning_effort and response_format are "
            f"sent to OpenAI-compatible endpoints, but got some for {name!r}; leave them out"
        )
    if provider == "local":
        return _local(rest, slots, progress)
    if provider == "replay":
        from llmopt.models.providers.replay import ReplayModel

        return ReplayModel(rest)
    raw = provider == "scripted" or (preset is not None and (completion or preset.completion))
    traits = Traits(completion=raw, deadline=deadline)
    if slots is not None:
        traits = replace(traits, slots=slots)
    if provider == "scripted":
        from llmopt.models.providers.scripted import ScriptedModel

        return ScriptedModel(_function(rest), traits=traits, identity=name)
    if preset is None:
        return _native(rest, base_url, api_key_variable, traits)
    return OpenAIModel(
        rest,
        base_url=base_url,
        key_variable=api_key_variable,
        traits=traits,
        preset=preset,
        request=request,
    )


def _native(rest: str, base_url: str | None, variable: str | None, traits: Traits) -> Model:
    """Return a model through any-llm-sdk by ``<provider>/<model>``."""
    from llmopt.models.providers.any_llm import AnyLLMModel

    provider, _, model = rest.partition("/")
    if not model:
        raise InputError(
            f"a model through any-llm-sdk is anyllm/<provider>/<model>, but got 'anyllm/{rest}'; "
            "name both"
        )
    return AnyLLMModel(provider, model, base_url=base_url, key_variable=variable, traits=traits)


def _local(rest: str, slots: int | None, progress: Progress | None) -> Model:
    """Return a local model by known name or by path; the engine must be there before weights."""
    if find_spec("xllamacpp") is None:
        raise MissingExtraError("a local model", "local")
    from llmopt.models.providers.local import LocalModel
    from llmopt.models.weights.fetch import obtain, obtain_from_hub
    from llmopt.models.weights.hugging_face import PREFIX
    from llmopt.models.weights.known import known_weights

    if rest.startswith(PREFIX) or rest.endswith(".gguf"):
        hub = rest.startswith(PREFIX)
        path = obtain_from_hub(rest, progress) if hub else Path(rest).expanduser()
        return LocalModel(path, rest if hub else path.stem, slots=slots or _SLOTS, **_manner(path))
    row = known_weights(rest)
    return LocalModel(
        obtain(rest, progress),
        rest,
        slots=slots or row.slots,
        context=row.context,
        family=row.family,
        chat=row.chat,
        stop=row.stop,
    )


def _manner(path: Path) -> dict[str, Any]:
    """Return how the model of any GGUF file is asked.

    llama.cpp would put a chat with a base model into a template that it was never trained on, so
    a file without a template takes raw completions only.
    """
    from llmopt.models.weights.gguf import has_chat_template

    chat = has_chat_template(path)
    return {"chat": chat, "family": "chat" if chat else "continuation"}


def traits_of(model: NamedModel) -> Traits:
    """Return what a model can do, without its key and without fetching it.

    Raises:
        InputError: It needs something else that is missing.
    """
    provider = model.name.partition("/")[0]
    if (known := traits_unfetched(model.name)) is not None:
        return known
    preset = PRESETS.get(provider)
    if preset is not None:
        return Traits(completion=model.completion or preset.completion)
    return model.built().traits


def traits_unfetched(name: str) -> Traits | None:
    """Return what a local model can do that may have to be fetched; of any other model, None.

    Of a file of the hub that is not here yet, it is what most can do.

    Raises:
        InputError: A name of the hub does not have its form.
    """
    provider, _, rest = name.partition("/")
    if provider != "local":
        return None
    from llmopt.models.weights.fetch import cached_path
    from llmopt.models.weights.hugging_face import PREFIX
    from llmopt.models.weights.known import KNOWN

    if rest.startswith(PREFIX):
        if cached_path(rest):
            return None
        return Traits(completion=True, slots=_SLOTS, deadline=None, likelihood=True)
    row = KNOWN.get(rest)
    if row is None:
        return None
    return Traits(
        chat=row.chat,
        completion=True,
        family=row.family,
        slots=row.slots,
        deadline=None,
        likelihood=True,
    )


def _function(path: str) -> Callable[[Call], str]:
    """Return the function at ``package.module:function``."""
    found = imported(path, "a scripted model")
    if not callable(found):
        raise InputError(
            f"a scripted model is a function from Call to str, but {path!r} is "
            f"{type(found).__name__}; name a function"
        )
    function: Callable[[Call], str] = found
    return function
