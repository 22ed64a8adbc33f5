"""How the scorer LLM is asked: once, or a second time for the final answer alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from llmopt.problems.answers.reading import before_next_question
from llmopt.problems.metrics import Boolean, Brackets, Choice, Number, Options, Words
from llmopt.types import Call, Message

if TYPE_CHECKING:
    from llmopt.model import Model
    from llmopt.problems.metrics import Metric

Mode = Literal["auto", "chat", "completion"]

AGAIN_TOKENS = 50
"""Longest answer of the second round, in tokens (OPRO, section 4)."""

_NUMBER_TOKENS = 1024  # the answer comes after the reasoning
_TOKENS = 256
_NAMED = 200  # characters of choices that a cue lists at most

_FORMS: dict[type, str] = {
    Boolean: "a single word",
    Brackets: "the closing brackets alone",
    Number: "a single number",
    Options: "the letter of one option",
    Words: "the words alone, separated by blanks",
}
"""In which form the second round asks for an answer (GPO, section 7)."""


@dataclass(frozen=True)
class Asking:
    """How the scorer LLM is asked.

    Attributes:
        mode: As a chat of one user turn, as a raw completion, or as the model can.
        temperature: 0 is greedy, as in the paper.
        max_tokens: Of one answer; 0 takes 1,024 for numbers (the answer comes after the
            reasoning) and 256 otherwise.
        stop: Texts that end an answer.
        again: Whether the model is asked a second time, for the final answer alone: it sees the
            first prompt, its first answer up to a following question, and a short cue. What is
            scored is the second answer, of at most 50 tokens (OPRO, section 4). This doubles the
            calls; it is the same for every model (GPO, G17).
    """

    mode: Mode = "auto"
    temperature: float = 0.0
    max_tokens: int = 0
    stop: tuple[str, ...] = ()
    again: bool = False

    def first(self, prompt: str, scorer: Model, metric: Metric) -> Call:
        """Return the call that asks with a prompt."""
        chat = scorer.traits.chat if self.mode == "auto" else self.mode == "chat"
        return Call(
            role="scorer",
            messages=(Message("user", prompt),) if chat else (),
            prompt=None if chat else prompt,
            temperature=self.temperature,
            max_tokens=self.max_tokens
            or (_NUMBER_TOKENS if isinstance(metric, Number) else _TOKENS),
            stop=self.stop,
        )

    def second(self, first: Call, answer: str, metric: Metric) -> Call | None:
        """Return the call that asks for the final answer alone, or None where it is not wanted.

        A chat gets its answer as a turn of the assistant and the cue as one of the user; where
        the answer is blank, which providers refuse as a turn, the cue follows the prompt. A raw
        completion continues the prompt, a blank, the answer and the cue.

        Args:
            first: The first call.
            answer: What was answered.
            metric: Decides in which form the answer is asked for.
        """
        if not self.again:
            return None
        form = _form(metric)
        said = before_next_question(answer).strip()
        if first.prompt is not None:
            cue = f"Final answer ({form}):" if form else "Final answer:"
            asked = f"{first.prompt.rstrip()} {said}".rstrip()
            return replace(first, prompt=f"{asked}\n{cue}", max_tokens=AGAIN_TOKENS)
        cue = f"Now give only your final answer{f': {form}' if form else ''}."
        if said:
            turns = (*first.messages, Message("assistant", said), Message("user", cue))
        else:
            turns = (Message("user", f"{first.messages[0].content}\n\n{cue}"),)
        return replace(first, messages=turns, max_tokens=AGAIN_TOKENS)


def _form(metric: Metric) -> str:
    """Return in which form an answer is asked for; empty: any."""
    if isinstance(metric, Choice):
        named = ", ".join(metric.choices)
        return f"one of {named}" if len(named) <= _NAMED else "one of the possible answers"
    return _FORMS.get(type(metric), "")
