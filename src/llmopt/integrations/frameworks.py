"""The instruction in the forms that other libraries load: DSPy, LangChain, a chat request.

All are plain JSON, so none of the libraries is needed to write them. The formats are those of
DSPy 3, langchain-core 1 and OpenAI's HTTP interface.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llmopt.core.values import digest
from llmopt.errors import ConfigError
from llmopt.integrations.documents import document
from llmopt.problems.prompt.layout import Layout

if TYPE_CHECKING:
    from llmopt.integrations.exported import Material

_INPUT = "{input}"


def dspy_state(found: Material) -> str:
    """Return the state of ``dspy.Predict("input -> answer")`` with this instruction.

    DSPy lays the prompt out in its own way, so a score is not carried over.
    """
    fields = [
        {"prefix": "Input:", "description": "${input}"},
        {"prefix": "Answer:", "description": "${answer}"},
    ]
    return document(
        {
            "traces": [],
            "train": [],
            "demos": [],
            "signature": {"instructions": found.export.instruction, "fields": fields},
            "lm": None,
            "metadata": {"dependency_versions": {}},
        }
    )


def langchain_prompt(found: Material) -> str:
    """Return a prompt with the variable ``input``, in the form of ``langchain_core.load``.

    It is a ChatPromptTemplate of one human message, or a PromptTemplate where the scorer LLM
    continued raw text.
    """
    before, after = (part.replace("{", "{{").replace("}", "}}") for part in parted(found))
    text = f"{before}{_INPUT}{after}"
    plain = _constructor(
        "prompt.PromptTemplate",
        {"input_variables": ["input"], "template": text, "template_format": "f-string"},
    )
    if raw(found):
        return document(plain)
    message = _constructor("chat.HumanMessagePromptTemplate", {"prompt": plain})
    return document(
        _constructor(
            "chat.ChatPromptTemplate", {"input_variables": ["input"], "messages": [message]}
        )
    )


def _constructor(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    path = ["langchain", "prompts", *name.split(".")]
    return {"lc": 1, "type": "constructor", "id": path, "kwargs": arguments}


def chat_request(found: Material) -> str:
    """Return what is sent to a chat endpoint beside the model's name.

    ``{input}`` stands in the last message where the input goes, unless an input was given. A
    request to a completion endpoint, where the scorer LLM continued raw text, has ``prompt``.

    Raises:
        ConfigError: The instruction itself holds ``{input}``, so that its place is not plain.
    """
    if found.text is None and _INPUT in found.export.instruction:
        raise ConfigError(
            f"an instruction for a request has no {_INPUT} of its own, but this one has, and the "
            "input's place could not be told from it; give the input with --input"
        )
    text = prompt(found, _INPUT if found.text is None else found.text)
    data: dict[str, Any] = (
        {"prompt": text} if raw(found) else {"messages": [{"role": "user", "content": text}]}
    )
    return document({**data, **sampling(found)})


def sampling(found: Material) -> dict[str, Any]:
    """Return temperature, max_tokens and stop of the scorer's calls, as far as they are known."""
    example = found.export.example
    if example is None:
        return {}
    call = example.call
    stop = {"stop": list(call.stop)} if call.stop else {}
    return {"temperature": call.temperature, "max_tokens": call.max_tokens, **stop}


def raw(found: Material) -> bool:
    """Return whether the scorer LLM continued raw text; where it is not known, it did not."""
    example = found.export.example
    return example is not None and example.call.prompt is not None


def parted(found: Material) -> tuple[str, str]:
    """Return the scorer's prompt before and after the input."""
    mark = digest(found.export.instruction + (found.export.layout or ""))  # so it is in neither
    before, _, after = prompt(found, mark).partition(mark)
    return before, after


def prompt(found: Material, text: str) -> str:
    """Return the scorer's prompt for an input.

    Raises:
        ConfigError: Solutions are not instructions.
    """
    if found.export.layout is None:
        raise ConfigError(
            f"a prompt is written for runs of instructions, but {found.export.run!r} searched for "
            "something else; take the format text"
        )
    return Layout(found.export.layout).fill(found.export.instruction, text)
