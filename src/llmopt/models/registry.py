"""Models by name: ``openai/<model>``, ``local/<name or file>``, ``scripted/<function>``."""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmopt.errors import InputError, MissingExtraError, UnknownNameError
from llmopt.model import Traits
from llmopt.models.local import LocalModel
from llmopt.models.openai import OpenAIModel
from llmopt.models.scripted import ScriptedModel
from llmopt.models.weights import KNOWN, known_weights, obtain

if TYPE_CHECKING:
    from collections.abc import Callable

    from llmopt.model import Model
    from llmopt.models.weights import Progress
    from llmopt.types import Call


@dataclass(frozen=True)
class NamedModel:
    """A model that is not built yet: its name and where it is reached.

    Attributes:
        name: One of the patterns of :func:`known_models`.
        base_url: See :func:`model_named`.
        key_variable: See :func:`model_named`.
        completion: See :func:`model_named`.
    """

    name: str
    base_url: str | None = None
    key_variable: str | None = None
    completion: bool = False

    def built(self, progress: Progress | None = None) -> Model:
        """Return the model; see :func:`model_named`."""
        return model_named(
            self.name,
            base_url=self.base_url,
            api_key_variable=self.key_variable,
            completion=self.completion,
            progress=progress,
        )


_PROVIDERS = ("local", "openai", "scripted")


def known_models() -> tuple[tuple[str, str], ...]:
    """Return what a model's name can be: pairs of a pattern and what it stands for."""
    return (
        *(
            (f"local/{name}", f"{row.package} on this machine, no key")
            for name, row in KNOWN.items()
        ),
        ("local/<path>.gguf", "any GGUF file on this machine, run by llama.cpp"),
        ("openai/<model>", "any OpenAI-compatible endpoint, by base URL and key"),
        ("scripted/<package.module:function>", "a Python function from Call to str, for tests"),
    )


def model_named(
    name: str,
    *,
    base_url: str | None = None,
    api_key_variable: str | None = None,
    completion: bool = False,
    slots: int | None = None,
    progress: Progress | None = None,
) -> Model:
    """Return the model of a name, without rings.

    The weights of a known local model are obtained here, so that what is missing is said
    before anything is paid; loading them waits for the first call.

    Args:
        name: One of the patterns of `known_models`.
        base_url: For ``openai/``: where the API begins; default ``OPENAI_BASE_URL``.
        api_key_variable: For ``openai/``: the variable with the key; default
            ``OPENAI_API_KEY``.
        completion: For ``openai/``: whether the endpoint takes raw completions.
        slots: Calls answered at once; default: what suits the model.
        progress: Told how far obtaining the weights of a local model is.

    Raises:
        UnknownNameError: No provider, local model or function of this name.
        InputError: The name is known, but something it needs is missing.
    """
    provider, _, rest = name.partition("/")
    if provider not in _PROVIDERS or not rest:
        known = [pattern for pattern, _ in known_models()]
        raise UnknownNameError("a model's name", name, known)
    if provider == "local":
        return _local(rest, slots, progress)
    traits = Traits(completion=completion or provider == "scripted")
    if slots is not None:
        traits = replace(traits, slots=slots)
    if provider == "scripted":
        return ScriptedModel(_function(rest), traits=traits, identity=name)
    return OpenAIModel(rest, base_url=base_url, key_variable=api_key_variable, traits=traits)


def _local(rest: str, slots: int | None, progress: Progress | None) -> Model:
    """Return a local model by known name or by path; the engine must be there before weights."""
    if find_spec("xllamacpp") is None:
        raise MissingExtraError("a local model", "local")
    more: dict[str, Any] = {} if slots is None else {"slots": slots}
    if rest.endswith(".gguf"):
        path = Path(rest).expanduser()
        return LocalModel(path, path.stem, family="chat", **more)
    row = known_weights(rest)
    return LocalModel(obtain(rest, progress), rest, family=row.family, **more)


def _function(path: str) -> Callable[[Call], str]:
    """Return the function at ``package.module:function``."""
    module_name, _, function_name = path.partition(":")
    try:
        found = getattr(import_module(module_name), function_name)
    except (ImportError, AttributeError, ValueError) as error:
        raise InputError(
            f"a scripted model is scripted/package.module:function, but got {path!r} ({error}); "
            "check that Python can import it from here"
        ) from error
    if not callable(found):
        raise InputError(
            f"a scripted model is a function from Call to str, but {path!r} is "
            f"{type(found).__name__}; name a function"
        )
    function: Callable[[Call], str] = found
    return function
