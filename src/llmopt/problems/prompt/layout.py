"""Where an instruction stands in the scorer's prompt (OPRO, section 4)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from llmopt.errors import ConfigError, UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Sequence

Position = Literal["before_Q", "Q_begin", "Q_end", "A_begin", "steps"]

_LAYOUTS: dict[tuple[str, bool], str] = {
    ("before_Q", True): "{instruction}\nQ: {input}\n\nA:",
    ("Q_begin", True): "Q: {instruction}\n{input}\n\nA:",
    ("Q_end", True): "Q: {input}\n{instruction}\n\nA:",
    ("A_begin", True): "Q: {input}\n\nA: {instruction}",
    ("Q_begin", False): "{instruction}\n{input}",
    ("Q_end", False): "{input}\n{instruction}",
    # Ours: the cue after which an answer carries out numbered steps (docs/papers/abo.md).
    ("steps", False): "{instruction}\n\nQuestion: {input}\n\nStep 1:",
}

_WHERE: dict[str, str] = {
    "before_Q": "before the question",
    "Q_begin": "at the beginning of the question",
    "Q_end": "at the end of the question",
    "A_begin": "at the beginning of the answer",
    "steps": "before the question",
}

_ANY_SLOT = re.compile(r"(?<!\{)\{([\w.\- ]+)\}(?!\})")


@dataclass(frozen=True)
class Layout:
    """A prompt with two slots, ``{instruction}`` and ``{input}``, each standing once.

    In place of ``{input}`` there may be slots for columns of the data, such as ``{context}`` and
    ``{question}``.

    Attributes:
        text: The prompt with its slots; every other brace is literal text.
        where: In words, where the instruction stands; told to the optimizer LLM.
        columns: The columns of the data that slots may name.

    Raises:
        ConfigError: A slot is missing or stands twice.
    """

    text: str
    where: str = ""
    columns: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for slot in ("instruction", "input"):
            count = self.text.count(f"{{{slot}}}")
            replaced = slot == "input" and not count and self._used
            if count != 1 and not replaced:
                raise ConfigError(
                    f"a prompt layout holds {{{slot}}} exactly once, but got it {count} times"
                )

    @property
    def _used(self) -> tuple[str, ...]:
        """The columns that slots of the text name."""
        return tuple(c for c in self.columns if f"{{{c}}}" in self.text)

    def fill(self, instruction: str, question: str, fields: Sequence[tuple[str, str]] = ()) -> str:
        """Return the prompt; an empty instruction goes together with its separator.

        Args:
            instruction: What stands in its slot.
            question: The input of an item.
            fields: Further columns of its row.
        """
        text = self.text
        if not instruction:
            # One pass, the separators in the order in which the layouts above use them.
            text = text.removeprefix("{instruction}\n\n")
            for around in ("{instruction}\n", "\n{instruction}", " {instruction}"):
                if around in text:
                    text = text.replace(around, "")
                    break
        known = dict(fields)
        values = {**{c: known.get(c, "") for c in self._used}, "input": question}
        values["instruction"] = instruction
        slots = "|".join(map(re.escape, values))
        return re.sub(rf"\{{({slots})\}}", lambda slot: values[slot.group(1)], text)


def named_slots(text: str) -> tuple[str, ...]:
    """Return what stands in single braces in a layout, beside the two slots of every layout."""
    found = _ANY_SLOT.findall(text)
    return tuple(dict.fromkeys(name for name in found if name not in ("instruction", "input")))


def layout(position: Position, *, qa_frame: bool | None = None) -> Layout:
    """Return the layout of a position.

    Args:
        position: ``before_Q``, ``Q_begin``, ``Q_end`` or ``A_begin``; or ``steps``, before a
            question that ends with the cue ``Step 1:``.
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
