"""How the scorer LLM is asked: once, or a second time for the final answer alone."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, get_args

from llmopt.core.values import Call, Message
from llmopt.errors import ConfigError, UnknownNameError
from llmopt.problems.answers.cleaning import before_next_question

if TYPE_CHECKING:
    from llmopt.core.model import Model
    from llmopt.core.values import Item
    from llmopt.problems.metrics.contract import Closed, Metric

Mode = Literal["auto", "chat", "completion"]
Answer = Literal["text", "likelihood"]

AGAIN_TOKENS = 50
"""Longest answer of the second round, in tokens (OPRO, section 4)."""


@dataclass(frozen=True)
class Asking:
    """How the scorer LLM is asked.

    Attributes:
        mode: As a chat (of one user turn unless the layout has others), as a raw completion, or as
            the model can. A raw completion gets the texts of the turns, blank lines between them.
        temperature: 0 is greedy, as in the paper.
        max_tokens: Of one answer; 0 takes what suits the metric: 1,024 for numbers (the answer
            comes after the reasoning) and 256 otherwise.
        stop: Texts that end an answer.
        again: Whether the model is asked a second time, for the final answer alone: it sees the
            first prompt, its first answer up to a following question, and a short cue. What is
            scored is the second answer (OPRO, section 4). This doubles the calls; it is the same
            for every model (GPO, G17).
        answer: Whether the answer is read from the text that the model generates, or from how
            likely it finds each of a closed set of answers. That takes one token, and a score is
            the probability of the expected answer among them instead of 0 or 1; `temperature`
            is 0 then, and `max_tokens` and `stop` do not matter.
        again_tokens: Of the second answer, 1 or more. 50 are OPRO's; the published code of GPO has
            100, which word sorting needs.
        again_answers: Whether the second question names the possible answers, where they are a
            closed set ("only yes or no", as the published code of GPO), and not their form alone.

    Raises:
        ConfigError: These do not go together.
    """

    mode: Mode = "auto"
    temperature: float = 0.0
    max_tokens: int = 0
    stop: tuple[str, ...] = ()
    again: bool = False
    # Not in the repr, which runs are compared by: those that began before it was there go on.
    answer: Answer = field(default="text", repr=False)
    again_tokens: int = AGAIN_TOKENS
    again_answers: bool = False

    def __post_init__(self) -> None:
        if self.again_tokens < 1:
            raise ConfigError(f"scorer.again_tokens is 1 or more, but got {self.again_tokens}")
        if self.answer not in get_args(Answer):
            raise UnknownNameError("scorer.answer", self.answer, get_args(Answer))
        if self.answer == "likelihood" and (self.again or self.temperature):
            got = "scorer.again" if self.again else f"scorer.temperature = {self.temperature:g}"
            raise ConfigError(
                f"an answer that is read from its likelihood is asked for once, at temperature 0, "
                f'but got {got}; leave it out, or set scorer.answer = "text"'
            )

    def check(self, scorer: Model) -> None:
        """Refuse a scorer LLM that cannot be asked like this.

        Raises:
            ConfigError: It does not tell how likely answers are.
        """
        if self.answer == "likelihood" and not scorer.traits.likelihood:
            raise ConfigError(
                f'scorer.answer = "likelihood" needs a model that tells how likely an answer is: '
                "one in this process, or an OpenAI-compatible endpoint with logprobs, but got "
                f'{scorer.identity}; set scorer.answer = "text", or take another model'
            )

    def first(self, turns: tuple[Message, ...], scorer: Model, metric: Metric, item: Item) -> Call:
        """Return the call that asks with the turns of a prompt for the answer to an item."""
        chat = scorer.traits.chat if self.mode == "auto" else self.mode == "chat"
        text = self.answer == "text"
        return Call(
            "scorer",
            messages=turns if chat else (),
            prompt=None if chat else as_text(turns),
            temperature=self.temperature,
            max_tokens=(self.max_tokens or metric.tokens) if text else 1,
            stop=self.stop if text else (),
            answers=() if text else metric.closed(item).texts,
        )

    def spoken(self, call: Call, metric: Metric) -> Call:
        """Return a call as it asks for a text, whether it asks for one or for likelihoods."""
        most = self.max_tokens or metric.tokens
        return replace(call, max_tokens=most, stop=self.stop, answers=())

    def second(
        self, first: Call, answer: str, metric: Metric, item: Item | None = None
    ) -> Call | None:
        """Return the call that asks for the final answer alone, or None where it is not wanted.

        A chat gets its answer as a turn of the assistant and the cue as one of the user; where
        the answer is blank, which providers refuse as a turn, the cue follows the prompt. A raw
        completion continues the prompt, a blank, the answer and the cue.

        Args:
            first: The first call.
            answer: What was answered.
            metric: Decides in which form the answer is asked for.
            item: Whose answers are named, with `again_answers`.
        """
        if not self.again:
            return None
        form = metric.form
        if self.again_answers and item and metric.closed_set:
            form = _named(metric.closed(item))
        said = before_next_question(answer).strip()
        if first.prompt is not None:
            cue = f"Final answer ({form}):" if form else "Final answer:"
            asked = f"{first.prompt.rstrip()} {said}".rstrip()
            return replace(first, prompt=f"{asked}\n{cue}", max_tokens=self.again_tokens)
        cue = f"Now give only your final answer{f': {form}' if form else ''}."
        if said:
            turns = (*first.messages, Message("assistant", said), Message("user", cue))
        else:
            *before, last = first.messages
            turns = (*before, Message(last.role, f"{last.content}\n\n{cue}"))
        return replace(first, messages=turns, max_tokens=self.again_tokens)


def _named(known: Closed) -> str:
    """Return the possible answers in words; of an option its letter."""
    *others, last = (
        f"({text})" if answer.startswith(f"({text})") else text
        for text, answer in zip(known.texts, known.answers, strict=True)
    )
    return f"only {', '.join(others)} or {last}" if others else f"only {last}"


def as_text(turns: tuple[Message, ...]) -> str:
    """Return what a raw completion is given of a chat: the texts, blank lines between them."""
    return "\n\n".join(turn.content for turn in turns)
