"""Demonstrations in the scorer's prompt: training rows with answers, between instruction and input.

How they are written follows from the prompt's layout, so that a demonstration looks like the
question that comes after it: see :class:`FewShotLayout`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, get_args

from llmopt.core.demonstrations import ShotAnswers, ShotRules, shots_in, shots_text
from llmopt.core.problem import Refusal
from llmopt.core.solution import SolutionPart, join_parts, split_parts
from llmopt.core.values import Item, Message
from llmopt.errors import ConfigError, DataError, UnknownNameError
from llmopt.problems.prompt.layout import TURN, Layout, without_instruction

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from llmopt.core.demonstrations import Shot
    from llmopt.problems.data.splits import Splits

INSTRUCTION = "instruction"
DEMONSTRATIONS = "demonstrations"
PARTS = (SolutionPart(INSTRUCTION), SolutionPart(DEMONSTRATIONS, "demonstrations"))
"""The parts of an instruction that has demonstrations."""

_SLOT = "{demonstrations}"
_FRAMED = re.compile(r"^Q: \{instruction\}\n\Z", re.MULTILINE)
_ENDS_IN_SLOT = re.compile(r"\{[\w.\- ]+\}\Z")


@dataclass(frozen=True)
class FewShot:
    """Which demonstrations an instruction may have.

    Attributes:
        most: The largest number; 0: none, and a solution is the instruction alone.
        tokens: How many tokens they may have together, estimated as a quarter of the UTF-8 bytes
            of the inputs and answers; 0: any number.
        answers: ``labels``: the expected answers of the rows; ``reasoning``: what the scorer LLM
            itself answered to them, where that was right; ``both``: either.

    Raises:
        ConfigError: A number is below 0, or `answers` is something else.
    """

    most: int = 0
    tokens: int = 2000
    answers: ShotAnswers = "both"

    def __post_init__(self) -> None:
        for name, value in (("demonstrations", self.most), ("demonstration_tokens", self.tokens)):
            if value < 0:
                raise ConfigError(f"problem.{name} is 0 or more, but got {value}")
        if self.answers not in get_args(ShotAnswers):
            raise UnknownNameError(
                "problem.demonstration_answers", self.answers, get_args(ShotAnswers)
            )

    def rules(self, rows: tuple[Item, ...], marks: frozenset[str]) -> ShotRules | None:
        """Return the rules for solutions whose demonstrations are among these rows, if any."""
        return ShotRules(rows, self.most, self.tokens, self.answers, marks) if self.most else None

    @classmethod
    def of(cls, given: int | FewShot) -> FewShot:
        """Return the rules, or those for a number."""
        return cls(given) if isinstance(given, int) else given

    def checked(self, answer: str, layout: Layout) -> FewShot:
        """Return the rules as they are for a problem.

        Args:
            answer: Whether answers are read as ``text`` or from their ``likelihood``.
            layout: The prompt layout.

        Raises:
            ConfigError: The layout has no place for demonstrations, or there would have to be
                reasoning where answers are read from their likelihood.
        """
        if not self.most:
            return self
        FewShotLayout(layout)
        if answer != "likelihood" or self.answers == "labels":
            return self
        if self.answers == "reasoning":
            raise ConfigError(
                "demonstrations show the model's own reasoning where it writes its answers, but "
                'got scorer.answer = "likelihood"; set problem.demonstration_answers = "labels"'
            )
        return replace(self, answers="labels")


def joined(instruction: str, shots: Sequence[Shot] = ()) -> str:
    """Return the canonical text of an instruction with demonstrations."""
    return join_parts({INSTRUCTION: instruction, DEMONSTRATIONS: shots_text(shots)})


def apart(text: str) -> tuple[str, str]:
    """Return the instruction and the demonstrations of a text; one without headings has none."""
    try:
        parts = split_parts(text, (INSTRUCTION, DEMONSTRATIONS))
    except DataError:
        return text, ""
    return parts[INSTRUCTION], parts[DEMONSTRATIONS]


def answered(examples: str, rows: Mapping[str, Item]) -> list[tuple[Item, str]]:
    """Return the rows of demonstrations with the answers shown, leaving unknown rows out.

    Args:
        examples: The text of the demonstrations.
        rows: Rows by their ids.
    """
    shots = shots_in(examples)
    known = () if isinstance(shots, Refusal) else shots
    found = ((rows.get(shot.id), shot.answer) for shot in known)
    return [(row, answer or row.target) for row, answer in found if row]


def fixed_shots(splits: Splits, shown: Layout, count: int) -> tuple[Splits, Layout]:
    """Take the first training rows out of the splits, and write them into a prompt layout.

    No other training row that would give an answer of theirs away stays, either.

    Raises:
        ConfigError: There are not more training rows than demonstrations, or one of them holds a
            slot of the layout.
    """
    shots, rest = splits.train[:count], splits.train[count:]
    rest = tuple(row for row in rest if not any(_alike(row, shot) for shot in shots))
    if not rest:
        raise ConfigError(
            "fixed demonstrations are fewer than the training rows, but got "
            f"{count} of {len(splits.train)}; lower problem.fixed_demonstrations"
        )
    filled = FewShotLayout(shown).filled([(shot, shot.target) for shot in shots])
    return replace(splits, train=rest), filled


def _alike(row: Item, item: Item) -> bool:
    same_group = bool(item.group) and row.group == item.group
    return row.id == item.id or row.input == item.input or same_group


@dataclass(frozen=True)
class FewShotPrompt:
    """Reads solutions that have demonstrations, and fills a prompt with them.

    Attributes:
        layout: The prompt layout, see :class:`FewShotLayout`.
        rules: Which demonstrations there may be.
    """

    layout: Layout
    rules: ShotRules

    def parsed(self, text: str, instruction: Callable[[str], str | Refusal]) -> str | Refusal:
        """Return the canonical form of a solution, or why it is refused.

        Args:
            text: A proposed text; one without headings is an instruction without demonstrations.
            instruction: Parses the instruction.
        """
        said, examples = apart(text)
        polished, shots = instruction(said), shots_in(examples)
        if isinstance(polished, Refusal):
            return polished
        if isinstance(shots, Refusal):
            return shots
        reason = self.rules.fault(shots)
        return Refusal(reason) if reason else joined(polished, shots)

    def asked(self, text: str, item: Item) -> tuple[Message, ...]:
        """Return the prompt that asks for the answer to an item with a solution.

        The item itself is no demonstration, nor is what would give its answer away: rows with the
        same input, and rows of its group. They are left out of the prompt for this item.
        """
        instruction, examples = apart(text)
        shown = [
            (row, answer)
            for row, answer in answered(examples, self.rules.by_id)
            if not _alike(row, item)
        ]
        return self._laid_out.turns(instruction, item, shown)

    @cached_property
    def _laid_out(self) -> FewShotLayout:
        return FewShotLayout(self.layout)


@dataclass(frozen=True)
class FewShotLayout:
    """A prompt layout that may show demonstrations.

    Without any, the prompt is that of the layout. Otherwise

    - a layout of turns whose question turn is the user's alone (without the instruction) gets a
      turn of the user and one of the assistant for each demonstration, before the question;
    - any other gets a block of text, in place of ``{demonstrations}``, or else before the
      question. A demonstration is the question as the layout writes it, without the instruction,
      with its answer behind. Where the layout writes nothing behind the input, ``Q:`` and ``A:``
      mark the inputs of the demonstrations and of the question.

    Attributes:
        layout: The layout, which may hold ``{demonstrations}`` once.

    Raises:
        ConfigError: The slot occurs more than once.
    """

    layout: Layout

    def __post_init__(self) -> None:
        count = self.layout.text.count(_SLOT)
        if count > 1:
            raise ConfigError(
                f"a prompt layout holds {_SLOT} at most once, but got it {count} times"
            )

    def turns(
        self, instruction: str, item: Item, shots: Sequence[tuple[Item, str]]
    ) -> tuple[Message, ...]:
        """Return the prompt as a chat.

        Args:
            instruction: The instruction.
            item: What is asked about.
            shots: The rows that are shown, with their answers.
        """
        if not shots:
            return self._plain.turns(instruction, item.input, item.fields)
        if self._as_turns:
            *before, question = self._plain.turns(instruction, item.input, item.fields)
            return (*before, *self._turns_of(shots), question)
        layout, _ = self._block
        return layout.turns(instruction, item.input, item.fields, self._text_of(shots))

    def filled(self, shots: Sequence[tuple[Item, str]]) -> Layout:
        """Return the layout with demonstrations written into it.

        Raises:
            ConfigError: A demonstration holds a slot, or a line that begins a turn, so that the
                layout would be read otherwise.
        """
        if not shots:
            return self._plain
        text = self.layout.text
        if self._as_turns:
            begin = [turn.start() for turn in TURN.finditer(text)][-1]
            turns = [f"[{turn.role}]\n{turn.content}\n\n" for turn in self._turns_of(shots)]
            text = "".join((text[:begin], *turns, text[begin:]))
        else:
            text = self._block[0].text.replace(_SLOT, self._text_of(shots))
        fields = tuple((column, "c") for column in self.layout.used)
        refusal = ConfigError(
            "a prompt with demonstrations written into it has no slots but its own, but one of "
            "these demonstrations holds {instruction}, {input} or a line such as [user]; take "
            "another solution with --rank, or another problem.split_seed"
        )
        try:
            made = replace(self.layout, text=text)
        except ConfigError as error:
            raise refusal from error
        if made.turns("i", "q", fields) != self.turns("i", Item("", "q", fields=fields), shots):
            raise refusal
        return made

    def _turns_of(self, shots: Sequence[tuple[Item, str]]) -> list[Message]:
        """Return two turns for each demonstration."""
        found: list[Message] = []
        for row, answer in shots:
            asked = self._plain.turns("", row.input, row.fields)[-1]
            found += [asked, Message("assistant", answer)]
        return found

    def _text_of(self, shots: Sequence[tuple[Item, str]]) -> str:
        """Return the demonstrations as one text."""
        examples = []
        for row, answer in shots:
            (asked,) = self._block[1].turns("", row.input, row.fields)
            glue = "" if asked.content[-1:].isspace() else " "
            examples.append(f"{asked.content}{glue}{answer}")
        return "\n\n".join(examples)

    @cached_property
    def _plain(self) -> Layout:
        """The layout without a slot for demonstrations."""
        text = self.layout.text
        for around in (f"{_SLOT}\n\n", f"{_SLOT}\n", f"\n\n{_SLOT}", f"\n{_SLOT}", _SLOT):
            text = text.replace(around, "")
        return replace(self.layout, text=text)

    @property
    def _as_turns(self) -> bool:
        """Whether demonstrations are turns of their own."""
        last, text = self.layout.slotted[-1][1], self.layout.text
        own = "{instruction}" not in last and any(slot in last for slot in self._inputs)
        return self.layout.chat and own and _SLOT not in text

    @property
    def _inputs(self) -> list[str]:
        """The slots for what an item asks."""
        return ["{input}", *(f"{{{column}}}" for column in self.layout.used)]

    @cached_property
    def _block(self) -> tuple[Layout, Layout]:
        """The layout with the slot, and the layout of one demonstration."""
        text = self.layout.text
        begin, end = self._question
        before, question, after = text[:begin], text[begin:end], text[end:]
        bare = without_instruction(question).strip("\n")
        if _ENDS_IN_SLOT.search(bare):
            bare, question = (f"Q: {part.strip()}\n\nA:" for part in (bare, question))
        if _SLOT not in text:
            lead = before.rstrip()
            before = f"{lead}\n\n{_SLOT}\n\n" if lead else f"{_SLOT}\n\n"
        one = bare if "{instruction}" in bare else f"{{instruction}}\n{bare}"
        columns = self.layout.columns
        return replace(self.layout, text=before + question + after), Layout(one, columns=columns)

    @property
    def _question(self) -> tuple[int, int]:
        """Where the question begins and ends: from the line of the input to the end of its turn."""
        text = self.layout.text
        turns = [turn.start() for turn in TURN.finditer(text)] if self.layout.chat else []
        slots = [text.find(slot, turns[-1] if turns else 0) for slot in self._inputs]
        slots = [at for at in slots if at >= 0] or [
            text.find(slot) for slot in self._inputs if slot in text
        ]
        at = min(slots)
        begin = text.rfind("\n", 0, at) + 1
        if framed := _FRAMED.search(text[:begin]):
            begin = framed.start()
        shown = text.find(_SLOT)
        if begin <= shown < at:
            begin = shown + len(_SLOT)
            begin += len(text[begin:at]) - len(text[begin:at].lstrip())
        return begin, next((turn for turn in turns if turn > at), len(text))
