"""The instruction in the forms that other libraries load: DSPy, LangChain, a chat request.

All are plain JSON, so none of the libraries is needed to write them. The formats are those of
DSPy 3, langchain-core 1 and OpenAI's HTTP interface.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from llmopt.core.values import Message, digest
from llmopt.errors import ConfigError
from llmopt.history.readable_solution import SolutionReader
from llmopt.integrations.documents import document
from llmopt.integrations.exported import layout_kept
from llmopt.problems.prompt.scorer_call import as_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from llmopt.integrations.exported import Material
    from llmopt.problems.prompt.layout import Layout

_INPUT = "{input}"


def dspy_state(found: Material) -> str:
    """Return the state of ``dspy.Predict("input -> answer")`` with this instruction.

    Demonstrations are its demos. A program with several texts is the state of a module whose
    predictors are called as the parts are. DSPy lays the prompt out in its own way, so a score is
    not carried over.
    """
    fields = [
        {"prefix": "Input:", "description": "${input}"},
        {"prefix": "Answer:", "description": "${answer}"},
    ]
    made = found.export
    metadata: dict[str, Any] = {"metadata": {"dependency_versions": {}}}
    if made.layout is None and len(made.parts) > 1:
        states = {name: _predictor(text, [], []) for name, text in made.parts.items()}
        return document({**states, **metadata})
    demos = [{"input": one.input, "answer": one.answer} for one in made.demonstrations]
    return document({**_predictor(made.instruction, fields, demos), **metadata})


def _predictor(text: str, fields: list[dict[str, str]], demos: list[dict[str, str]]) -> Any:
    """Return the state of a predictor; fields that are left out are the module's own."""
    return {
        "traces": [],
        "train": [],
        "demos": demos,
        "signature": {"instructions": text, "fields": fields},
        "lm": None,
    }


def langchain_prompt(found: Material) -> str:
    """Return a prompt with the variable ``input``, in the form of ``langchain_core.load``.

    It is a ChatPromptTemplate with a message for each turn, or a PromptTemplate where the scorer
    LLM continued raw text. A prompt layout with columns of the data has a variable for each.
    Solutions of several parts are a mapping of part names to such prompts, whose texts have no
    variables: see :func:`part_turns`.

    Raises:
        ConfigError: A part is no prompt.
    """
    if _of_parts(found):
        return document({name: _chat(turns) for name, turns in _part_turns(found).items()})
    turns = slotted(found)
    plain = [_langchain_text(parts) for _, parts in turns]
    if raw(found):
        return document(_langchain_text(joined(turns)))
    messages = [
        _constructor(f"chat.{_LANGCHAIN[role]}MessagePromptTemplate", {"prompt": text})
        for (role, _), text in zip(turns, plain, strict=True)
    ]
    names = sorted({name for text in plain for name in text["kwargs"]["input_variables"]})
    return document(
        _constructor("chat.ChatPromptTemplate", {"input_variables": names, "messages": messages})
    )


def _chat(turns: Sequence[Message]) -> dict[str, Any]:
    """Return turns without variables as a chat of LangChain's."""
    messages = [
        _constructor(
            f"chat.{_LANGCHAIN[turn.role]}MessagePromptTemplate",
            {"prompt": _langchain_text([TemplatePart(turn.content)])},
        )
        for turn in turns
    ]
    return _constructor("chat.ChatPromptTemplate", {"input_variables": [], "messages": messages})


def _of_parts(found: Material) -> bool:
    """Return whether a solution is several texts that are not laid out in one prompt."""
    return found.export.layout is None and len(found.export.parts) > 1


def _part_turns(found: Material) -> dict[str, tuple[Message, ...]]:
    return part_turns(SolutionReader.of(found.standing.journal), found.export.instruction)


def part_turns(reader: SolutionReader, solution: str) -> dict[str, tuple[Message, ...]]:
    """Return the turns of each part of a solution, by its name.

    A text is a message of the system, as it is: what the program puts into it is not put in. A
    demonstration is a turn of the user and one of the assistant.

    Raises:
        ConfigError: A part is code, which no message holds.
    """
    for part in reader.parts:
        if part.kind == "code":
            raise ConfigError(
                f"a message holds an instruction or demonstrations, but the part {part.name!r} is "
                "code; take the format json, or this part with --part"
            )
    return {
        part.name: (Message("system", part.text),)
        if part.pairs is None
        else tuple(
            turn
            for pair in part.pairs
            for turn in (
                Message("user", pair.input),
                Message("assistant", pair.reasoning or pair.answer),
            )
        )
        for part in reader.read(solution)
    }


_LANGCHAIN = {"system": "System", "user": "Human", "assistant": "AI"}


def _langchain_text(parts: Sequence[TemplatePart]) -> dict[str, Any]:
    """Return a text with variables as LangChain's template."""
    text = "".join(
        f"{{{variable(part.slot)}}}" if part.slot else _doubled(part.text) for part in parts
    )
    names = sorted({variable(part.slot) for part in parts if part.slot})
    return _constructor(
        "prompt.PromptTemplate",
        {"input_variables": names, "template": text, "template_format": "f-string"},
    )


def _doubled(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


def _constructor(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    path = ["langchain", "prompts", *name.split(".")]
    return {"lc": 1, "type": "constructor", "id": path, "kwargs": arguments}


def chat_request(found: Material) -> str:
    """Return what is sent to a chat endpoint beside the model's name.

    ``{input}`` stands in the last message where the input goes, unless an input was given. A
    request to a completion endpoint, where the scorer LLM continued raw text, has ``prompt``.
    Solutions of several parts are a mapping of part names to the messages that a call begins with.

    Raises:
        ConfigError: The instruction itself holds ``{input}``, so that its place is not plain; a
            part is no message; or an input was given for several parts.
    """
    if _of_parts(found):
        if found.text is not None:
            raise ConfigError(
                "an input goes into one prompt, but this solution has the parts "
                f"{', '.join(found.export.parts)}, and only the program knows where it goes in "
                "them; leave --input out"
            )
        parts = _part_turns(found).items()
        return document({name: {"messages": _messages(turns)} for name, turns in parts})
    if found.text is None and _INPUT in found.export.instruction:
        raise ConfigError(
            f"an instruction for a request has no {_INPUT} of its own, but this one has, and the "
            "input's place could not be told from it; give the input with --input"
        )
    turns = _laid_out(found, _INPUT if found.text is None else found.text)
    data: dict[str, Any] = (
        {"prompt": as_text(turns)} if raw(found) else {"messages": _messages(turns)}
    )
    return document({**data, **sampling(found)})


def _messages(turns: Sequence[Message]) -> list[dict[str, str]]:
    return [{"role": turn.role, "content": turn.content} for turn in turns]


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


@dataclass(frozen=True)
class TemplatePart:
    """A part of a turn: a text, or the slot of a variable.

    Attributes:
        text: The text; empty for a slot.
        slot: ``input``, or a column of the data; empty for a text.
    """

    text: str
    slot: str = ""


def slotted(found: Material) -> list[tuple[str, list[TemplatePart]]]:
    """Return the turns of the scorer's prompt as role and parts; only inputs are left open."""
    own = found.export.instruction + (found.export.layout or "")
    slots = ("input", *_layout(found).used)
    marks = {digest(f"{own}{slot}"): slot for slot in slots}  # so they are not in the texts
    where = {slot: mark for mark, slot in marks.items()}
    return [
        (turn.role, _parts(turn.content, marks))
        for turn in _laid_out(found, where["input"], tuple(where.items()))
    ]


def joined(turns: Sequence[tuple[str, Sequence[TemplatePart]]]) -> list[TemplatePart]:
    """Return the parts of all turns as a raw completion has them."""
    found: list[TemplatePart] = []
    for _, parts in turns:
        found += [TemplatePart("\n\n")] * bool(found) + list(parts)
    return found


def variable(column: str) -> str:
    """Return what a column is called as a variable of a template."""
    made = re.sub(r"\W", "_", column)
    return f"_{made}" if made[:1].isdigit() else made


def _parts(text: str, marks: Mapping[str, str]) -> list[TemplatePart]:
    pieces = re.split(f"({'|'.join(marks)})", text)
    parts = (
        TemplatePart("", marks[piece]) if piece in marks else TemplatePart(piece)
        for piece in pieces
    )
    return [part for part in parts if part.text or part.slot]


def _layout(found: Material) -> Layout:
    """Return the scorer's prompt.

    Raises:
        ConfigError: Solutions are not instructions.
    """
    if found.export.layout is None:
        raise ConfigError(
            f"a prompt is written for runs of instructions, but {found.export.run!r} searched for "
            "something else; take the format text"
        )
    return layout_kept(found.standing, found.export.layout)


def _laid_out(
    found: Material, text: str, fields: Sequence[tuple[str, str]] = ()
) -> tuple[Message, ...]:
    """Return the turns of the scorer's prompt for an input.

    Without fields, columns of the data stand as they are named in the layout.
    """
    layout = _layout(found)
    known = {column: f"{{{column}}}" for column in layout.used} | dict(fields)
    return layout.turns(found.export.instruction, text, tuple(known.items()))
