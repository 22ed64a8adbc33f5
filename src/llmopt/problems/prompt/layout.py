"""Where an instruction stands in the scorer's prompt (OPRO, section 4)."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, Literal, get_args

from llmopt.core.values import Message, in_words
from llmopt.errors import ConfigError, UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llmopt.core.values import Item

Position = Literal["before_Q", "Q_begin", "Q_end", "A_begin", "steps", "system"]

_LAYOUTS: dict[tuple[str, bool], str] = {
    ("before_Q", True): "{instruction}\nQ: {input}\n\nA:",
    ("Q_begin", True): "Q: {instruction}\n{input}\n\nA:",
    ("Q_end", True): "Q: {input}\n{instruction}\n\nA:",
    ("A_begin", True): "Q: {input}\n\nA: {instruction}",
    ("Q_begin", False): "{instruction}\n{input}",
    ("Q_end", False): "{input}\n{instruction}",
    # Ours: the cue after which an answer carries out numbered steps (docs/papers/abo.md).
    ("steps", False): "{instruction}\n\nQuestion: {input}\n\nStep 1:",
    ("system", False): "[system]\n{instruction}\n\n[user]\n{input}",
    ("system", True): "[system]\n{instruction}\n\n[user]\nQ: {input}\n\nA:",
}

_WHERE: dict[str, str] = {
    "before_Q": "before the question",
    "Q_begin": "at the beginning of the question",
    "Q_end": "at the end of the question",
    "A_begin": "at the beginning of the answer",
    "steps": "before the question",
    "system": "in the system message, before the question",
}

_ANY_SLOT = re.compile(r"(?<!\{)\{([\w.\- ]+)\}(?!\})")

TURN = re.compile(r"^\[(system|user|assistant)\][ \t]*(?:\n|\Z)", re.MULTILINE)
"""A line that begins a turn of a chat."""


@dataclass(frozen=True)
class Layout:
    """A prompt with two slots, ``{instruction}`` and ``{input}``, each standing once.

    In place of ``{input}`` there may be slots for columns of the data, such as ``{context}`` and
    ``{question}``. A text whose first line is ``[system]``, ``[user]`` or ``[assistant]`` is a
    chat: each such line begins a turn. Without them, all of it is one turn of the user.

    Attributes:
        text: The prompt with its slots; every other brace is literal text.
        where: In words, where the instruction stands; told to the optimizer LLM.
        columns: The columns of the data that slots may name.

    Raises:
        ConfigError: A slot is missing or stands twice, or the turns are no chat.
    """

    text: str
    where: str = ""
    columns: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for slot in ("instruction", "input"):
            count = self.text.count(f"{{{slot}}}")
            replaced = slot == "input" and not count and self.used
            if count != 1 and not replaced:
                raise ConfigError(
                    f"a prompt layout holds {{{slot}}} exactly once, but got it {count} times"
                )
        roles = [role for role, _ in self.slotted]
        if "system" in roles[1:] or roles[-1] != "user":
            raise ConfigError(
                "a prompt layout of turns has one [system] at most, which is the first, and ends "
                f"with [user], but got {', '.join(f'[{role}]' for role in roles)}; mend the order"
            )

    @property
    def chat(self) -> bool:
        """Whether it has turns of its own, and is not one turn of the user."""
        return TURN.match(self.text) is not None

    @property
    def instructs(self) -> bool:
        """Whether the instruction stands in a system message."""
        return any(role == "system" and "{instruction}" in text for role, text in self.slotted)

    @cached_property
    def used(self) -> tuple[str, ...]:
        """The columns that slots of the text name."""
        return tuple(c for c in self.columns if f"{{{c}}}" in self.text)

    @cached_property
    def slotted(self) -> tuple[tuple[Any, str], ...]:
        """The turns as role and text with slots."""
        if not self.chat:
            return (("user", self.text),)
        _, *parts = TURN.split(self.text)
        return tuple(
            (role, text.strip("\n")) for role, text in zip(parts[::2], parts[1::2], strict=True)
        )

    def turns(
        self,
        instruction: str,
        question: str,
        fields: Sequence[tuple[str, str]] = (),
        examples: str | None = None,
    ) -> tuple[Message, ...]:
        """Return the prompt as a chat; an empty instruction goes together with its separator.

        A system message that is then empty goes, too. What stands in slots never begins a turn.

        Args:
            instruction: What stands in its slot.
            question: The input of an item.
            fields: Further columns of its row.
            examples: What fills the slot ``{demonstrations}``; None: that is literal text.
        """
        known = dict(fields)
        values = {**{c: known.get(c, "") for c in self.used}, "input": question}
        values["instruction"] = instruction
        if examples is not None:
            values["demonstrations"] = examples
        names = tuple(values)
        filled = []
        for role, text in self.slotted:
            pieces = _pieces(text if instruction else without_instruction(text), names)
            content = "".join(
                [values[piece] if at % 2 else piece for at, piece in enumerate(pieces)]
            )
            if content or role != "system":
                filled.append(Message(role, content))
        return tuple(filled)

    def fill(self, instruction: str, question: str, fields: Sequence[tuple[str, str]] = ()) -> str:
        """Return the prompt as a person reads it; see :meth:`turns`."""
        return in_words(self.turns(instruction, question, fields))


@lru_cache(maxsize=256)
def _pieces(text: str, names: tuple[str, ...]) -> list[str]:
    """Return what is between the slots of a text and the names of these slots, in turns."""
    return re.split(rf"\{{({'|'.join(map(re.escape, names))})\}}", text)


def without_instruction(text: str) -> str:
    """Return a text with slots without that of the instruction and its separator."""
    text = text.removeprefix("{instruction}\n\n")
    # One pass, the separators in the order in which the layouts above use them.
    for around in ("{instruction}\n", "\n{instruction}", " {instruction}"):
        if around in text:
            return text.replace(around, "")
    return text


def named_slots(text: str) -> tuple[str, ...]:
    """Return what stands in single braces in a layout, beside the two slots of every layout."""
    found = _ANY_SLOT.findall(text)
    return tuple(dict.fromkeys(name for name in found if name not in ("instruction", "input")))


def own_layout(text: str, items: Sequence[Item]) -> Layout:
    """Return a layout of the user's own, whose slots may name columns that the items have.

    Raises:
        ConfigError: See :class:`Layout`.
    """
    columns = tuple(name for name, _ in items[0].fields) if items else ()
    made = Layout(text, columns=columns)
    return replace(made, where=_WHERE["system"]) if made.instructs else made


def layout(position: Position, *, qa_frame: bool | None = None) -> Layout:
    """Return the layout of a position.

    Args:
        position: ``before_Q``, ``Q_begin``, ``Q_end`` or ``A_begin``; ``steps``, before a
            question that ends with the cue ``Step 1:``; or ``system``, in a system message before
            the question as the user's.
        qa_frame: Whether the markers ``Q:`` and ``A:`` stand around. None: as the position
            needs; before_Q and A_begin cannot do without (O2).

    Raises:
        UnknownNameError: No such position.
        ConfigError: The position needs the frame and it was switched off, or has none.
    """
    if position not in get_args(Position):
        raise UnknownNameError("an instruction position", position, get_args(Position))
    if position == "steps" and qa_frame:
        raise ConfigError(
            "the position 'steps' has no Q:/A: frame, but got qa_frame = true; leave it out"
        )
    needs = (position, False) not in _LAYOUTS
    if needs and qa_frame is False:
        raise ConfigError(
            f"the position {position!r} needs the Q:/A: frame, but got qa_frame = false; "
            "leave it out or choose Q_begin or Q_end"
        )
    return Layout(_LAYOUTS[position, needs or bool(qa_frame)], _WHERE[position])
