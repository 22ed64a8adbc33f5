"""A language model as a metric: it rates an answer, or compares it with the reference answer.

What is judged is data. It stands between markers with a code made of the texts' own hash, and
only a verdict that carries the same code is read: no output can know the code of its own call,
so it can neither close its markers nor state a verdict. What a judge is persuaded of is another
matter; ``llmopt judge-check`` measures how far it agrees with people.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from itertools import count
from typing import TYPE_CHECKING, Literal, Self, get_args

from llmopt.core.metaprompt import compiled, filled, shipped
from llmopt.core.model import text_call
from llmopt.core.text import one_line
from llmopt.core.values import Item, canonical, digest
from llmopt.errors import ConfigError, DataError, MeasureError, TemplateError, UnknownNameError
from llmopt.problems.answers.cleaning import normalize
from llmopt.problems.metrics.contract import (
    Assertion,
    Metric,
    Scored,
    kept,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llmopt.core.model import Model
    from llmopt.core.values import Call, Reply

JudgeMode = Literal["absolute", "dynamic", "pairwise"]
Criteria = Literal["answer", "query"]
"""When a judge chooses criteria: with the answer in view, or once for the query, without it."""

VARIABLES: dict[JudgeMode, tuple[str, ...]] = {
    "absolute": ("question", "answer", "reference", "low", "high", "code", "verdict"),
    "dynamic": ("question", "answer", "reference", "low", "high", "code", "verdict", "criteria"),
    "pairwise": ("question", "first", "second", "code", "verdict"),
}
"""What a rubric may use; `reference` is empty where an item has none, `criteria` until chosen."""

_ATTEMPTS = 2  # how often one verdict is asked for before its item is left unmeasured
_DRAWS = 20  # and in all, however often a run is resumed
_WARM = 0.7  # temperature of draws after these: a greedy one would say the same again
_CODE = 12  # hex digits of a code
_LONGEST = 4_000  # characters of chosen criteria that are shown
_SHOWN = 80  # characters of a reply that a message repeats
_ASPECTS = (2, 5)  # how many criteria a judge chooses for one answer (DRPO)
_ALLOWED: dict[JudgeMode, str] = {
    "absolute": "a number from {} to {}",
    "dynamic": "2 to 5 numbers from {} to {}",
    "pairwise": "A, B or tie",
}
_PREFERRED = {"a": 1.0, "tie": 0.5, "b": 0.0}  # what the answer shown first gets


@dataclass(frozen=True)
class Question:
    """What the judge LLM is asked once.

    Attributes:
        text: The rubric, filled in.
        code: What markers and verdict carry; it stands in none of the judged texts.
        swapped: Whether the judged output stands second, after the reference answer.
    """

    text: str
    code: str
    swapped: bool = False


@dataclass(frozen=True)
class Judge(Metric):
    """How right an output is in the eyes of a judge LLM.

    In the mode "absolute" the judge gives a whole number of the scale, which becomes 0 to 1 in
    even steps. In the mode "dynamic" (DRPO) it chooses 2 to 5 criteria for this question and gives
    a number for each; the mean counts. In "pairwise" it compares the output with the target in both
    orders; the score is the mean of the two, where a win is 1, a tie 0.5 and a loss 0.

    Attributes:
        mode: "absolute", "dynamic" or "pairwise".
        template: The rubric (Jinja) with the variables of :data:`VARIABLES`; empty: the one
            that ships.
        scale: Lowest and highest rating, whole numbers from 0; not for "pairwise".
        max_tokens: Of one reply, which gives a reason before its verdict; at least 1.
        criteria: In the mode "dynamic": whether they are chosen for each "answer", with it in view,
            or once for each "query", from it alone, by a call of its own (published code of DRPO).
        model: The judge LLM; whoever runs a problem hands it in (:meth:`bound`).

    Raises:
        UnknownNameError: There is no such mode.
        ConfigError: The scale, the number of tokens or the choice of criteria breaks its rule.
        TemplateError: The rubric cannot be filled in, or does not show what is judged.
    """

    mode: JudgeMode = "absolute"
    template: str = ""
    scale: tuple[int, int] = (1, 5)
    max_tokens: int = 512
    model: Model | None = field(default=None, repr=False, compare=False)
    criteria: Criteria = "answer"

    name = "judge"
    help = "a language model rates the output, or compares it with the target"
    by_target = False

    def __post_init__(self) -> None:
        if self.mode not in get_args(JudgeMode):
            raise UnknownNameError("a judge's mode", self.mode, get_args(JudgeMode))
        low, high = self.scale
        if not 0 <= low < high:
            raise ConfigError(
                "a judge's scale is two whole numbers from 0, the lowest rating and the highest, "
                f"but got {list(self.scale)}"
            )
        if self.max_tokens < 1:
            raise ConfigError(f"a judge's tokens are 1 or more, but got {self.max_tokens}")
        if self.criteria not in get_args(Criteria):
            raise UnknownNameError("judge.criteria", self.criteria, get_args(Criteria))
        if self.criteria == "query" and self.mode != "dynamic":
            raise ConfigError(
                f"criteria are chosen for a query in the mode 'dynamic', but got {self.mode!r}; "
                "leave judge.criteria out"
            )
        # The text and not its name is what decides verdicts, so it belongs into the repr.
        rubric = "dynamic-query" if self.criteria == "query" else self.mode
        object.__setattr__(self, "template", self.template or shipped("judge", rubric))
        shown = self.questions("an output", Item("1", "an input", "a target"))[0]
        needed = ["an output", "a target"] if self.mode == "pairwise" else ["an output"]
        needed = [*(f"\n{text}\n" for text in needed), _verdict(shown.code)]
        if not all(text in shown.text for text in needed):
            names = "first }}, {{ second" if self.mode == "pairwise" else "answer"
            raise TemplateError(
                f"a rubric of the mode {self.mode} holds {{{{ {names} }}}} and {{{{ verdict }}}}, "
                "but got one without; the first is what is judged, and without the last no "
                "verdict can be read"
            )

    @property
    def calls(self) -> int:
        """How many replies a score is made of."""
        return 2 if self.mode == "pairwise" or self.criteria == "query" else 1

    @property
    def judge(self) -> Model | None:
        """The judge LLM that was handed in."""
        return self.model

    @property
    def measure(self) -> str:
        """What the score is, in the words of a meta-prompt."""
        against = "share of comparisons that a judge decided for it against the reference answers"
        return against if self.mode == "pairwise" else "mean rating by a judge"

    @property
    def scale_in_words(self) -> str:
        """What the judge says of an answer, in a phrase."""
        low, high = self.scale
        rates = f"a rating from {low} to {high}"
        return "a comparison, both ways" if self.mode == "pairwise" else rates

    def bound(self, model: Model) -> Self:
        """Return the same judge with the model that judges."""
        return replace(self, model=model)

    def check(self, item: Item) -> None:
        """Check that there is something to compare with.

        Raises:
            DataError: The mode is "pairwise" and the item has no target.
        """
        if self.mode == "pairwise" and not item.target.strip():
            raise DataError(
                f"a target is the answer that a pairwise judge compares with, but row {item.id}"
                " has none; fill it, or let the judge rate absolutely"
            )

    def expected(self, item: Item) -> tuple[Item, ...]:
        """Return the item with all accepted answers as its target: the judge is asked once."""
        return (replace(item, target=", or ".join((item.target, *item.accepted)), accepted=()),)

    def promptfoo(self) -> Assertion:
        """Let promptfoo's own judge LLM compare with the target."""
        told = "The answer says what this reference answer says: {{target}}"
        return Assertion("llm-rubric", told)

    async def __call__(self, output: str, item: Item) -> Scored:
        """Score `output` as an answer to `item`.

        Raises:
            ConfigError: No judge LLM was handed in.
            ModelError: It could not answer.
            MeasureError: Its verdict cannot be read, asked twice, because an unread verdict is no
                score. Asked for again, it is drawn anew.
        """
        heard = await self._all_heard(output, item)
        scores = [score for _, score in heard]
        return Scored(sum(scores) / len(scores), kept(normalize(output)), heard[-1][0])

    async def scores(self, output: str, item: Item) -> tuple[float, ...]:
        """Return what `output` gets, 0 to 1, in each order in which it is shown.

        Raises:
            ConfigError: As for a call.
            ModelError: As for a call.
        """
        return tuple(score for _, score in await self._all_heard(output, item))

    async def _all_heard(self, output: str, item: Item) -> list[tuple[str, float]]:
        """Return what the judge said before its verdict and what that gives, in each order."""
        model = self.ready()
        chosen = await self._chosen(item, model)
        found = []
        # One after the other: after an unreadable verdict the second would be paid in vain.
        for question in self.questions(output, item, chosen):
            said, score = await self._heard(question, model)
            found.append((_without_verdict(said, question), score))
        return found

    async def _chosen(self, item: Item, model: Model) -> str:
        """Return the criteria of a query, if they are chosen for it: stored, so chosen once."""
        if self.criteria != "query":
            return ""
        return (await model.complete(self.choosing(item, model))).text.strip()[:_LONGEST]

    def choosing(self, item: Item, model: Model) -> Call:
        """Return the call that chooses the criteria of a query."""
        code = _code((item.input,))
        question = _marked("question", item.input, code)
        return text_call(
            "judge",
            filled("judge", "criteria", question=question, code=code),
            raw=not model.traits.chat,
            temperature=0.0,
            max_tokens=self.max_tokens,
            sample=0,
        )

    def ready(self) -> Model:
        """Return the judge LLM.

        Raises:
            ConfigError: There is none.
        """
        if self.model is None:
            raise ConfigError(
                "the metric 'judge' asks a judge LLM, but got none; name one with judge=…"
            )
        return self.model

    def questions(self, output: str, item: Item, criteria: str = "") -> tuple[Question, ...]:
        """Return what is asked: once, or once in each order.

        Args:
            output: What is judged.
            item: What it answers.
            criteria: Those that were chosen for the query, if they were.
        """
        if self.mode != "pairwise":
            texts = {"question": item.input, "answer": output, "reference": item.target}
            return (self._question({**texts, "criteria": criteria} if criteria else texts),)
        first = {"question": item.input, "first": output, "second": item.target}
        second = {"question": item.input, "first": item.target, "second": output}
        return self._question(first), replace(self._question(second), swapped=True)

    def call(self, question: Question, model: Model, sample: int = 0) -> Call:
        """Return the call for a question; one of another sample is another draw."""
        return text_call(
            "judge",
            question.text,
            raw=not model.traits.chat,
            temperature=0.0 if sample < _ATTEMPTS else _WARM,
            max_tokens=self.max_tokens,
            sample=sample,
        )

    def asked(self, output: str, item: Item, model: Model) -> tuple[Call, ...]:
        """Return the calls that score `output`; see :meth:`Metric.asked`."""
        calls = tuple(self.call(question, model) for question in self.questions(output, item))
        return (*calls, self.choosing(item, model)) if self.criteria == "query" else calls

    def heard(self, output: str, item: Item, reply: Reply) -> float | None:
        """Return what the reply to the first of these calls gives; see :meth:`Metric.heard`."""
        return self.read(self.questions(output, item)[0], reply)

    def read(self, question: Question, reply: Reply) -> float | None:
        """Return what a reply gives the judged output, 0 to 1, or None where it is unreadable.

        Readable is a reply that came to its end and in which every line ``Verdict <code>: …``
        holds the same allowed value; there is at least one.
        """
        if reply.finish == "length":
            return None  # "1" may be the beginning of "10"
        form = re.compile(rf"{re.escape(_verdict(question.code))}\s*(.*?)\.?", re.IGNORECASE)
        lines = (re.sub(r"[*_`#>]+", "", line).strip() for line in reply.text.splitlines())
        found = {self._value(match[1]) for line in lines if (match := form.fullmatch(line))}
        if len(found) != 1:
            return None
        value = found.pop()
        return 1 - value if question.swapped and value is not None else value

    def _value(self, said: str) -> float | None:
        """Return what a verdict's words give the answer shown first, or None."""
        low, high = self.scale
        if self.mode == "pairwise":
            match = re.fullmatch(r"\[*(?:answer )?(a|b|tie)\]*", said.strip().lower())
            return _PREFERRED[match[1]] if match else None
        # A number of more digits than the scale's is out of it, however long it is.
        form = rf"\[*([0-9]{{1,{len(str(high))}}})\]*(?:\s*/\s*{high})?"
        least, most = _ASPECTS if self.mode == "dynamic" else (1, 1)
        parts = said.split(",") if self.mode == "dynamic" else [said]
        matches = [re.fullmatch(form, part.strip()) for part in parts]
        ratings = [int(match[1]) if match else -1 for match in matches]
        if not least <= len(ratings) <= most or not all(low <= r <= high for r in ratings):
            return None
        return (sum(ratings) / len(ratings) - low) / (high - low)

    async def remarks(self, output: str, item: Item) -> str:
        """Return what the judge says of `output` before its verdict, the last order's.

        Raises:
            ConfigError: As for a call.
            ModelError: As for a call.
        """
        said, _ = (await self._all_heard(output, item))[-1]
        return said

    async def _heard(self, question: Question, model: Model) -> tuple[str, float]:
        """Return the first reply with a verdict that can be read, and its score.

        Replies that are stored and unreadable were paid for earlier; as many are asked for anew.
        """
        fresh = sample = 0
        while fresh < _ATTEMPTS and sample < _DRAWS:
            reply = await model.complete(self.call(question, model, sample))
            score = self.read(question, reply)
            if score is not None:
                return reply.text, score
            fresh += not reply.stored
            sample += 1
        allowed = _ALLOWED[self.mode]
        end = " (cut off)" if reply.finish == "length" else ""
        raise MeasureError(
            f"a verdict is the line '{_verdict(question.code)}' and {allowed.format(*self.scale)},"
            f" but {model.identity} ended {sample} times without, at last with "
            f"{one_line(reply.text[-_SHOWN:], _SHOWN)!r}{end}; take another judge, or give it more "
            "tokens"
        )

    def _question(self, texts: dict[str, str]) -> Question:
        """Lay out the rubric with every text between markers of its own."""
        import jinja2

        code = _code(tuple(texts.values()))
        names = {"first": "answer A", "second": "answer B", "reference": "reference answer"}
        shown: dict[str, str | int] = {
            key: _marked(names.get(key, key), text, code)
            if text.strip() or key != "reference"
            else ""
            for key, text in texts.items()
        }
        if self.mode != "pairwise":
            shown["low"], shown["high"] = self.scale
        if self.mode == "dynamic":
            shown.setdefault("criteria", "")
        known = frozenset(VARIABLES[self.mode])
        try:
            text = compiled(self.template, known, "a judge's rubric").render(
                **shown, code=code, verdict=_verdict(code)
            )
        except jinja2.TemplateError as error:
            raise TemplateError(f"a judge's rubric cannot be filled in: {error}") from error
        return Question(text.strip(), code)


def _without_verdict(said: str, question: Question) -> str:
    """Return what a judge said before its verdict."""
    return "\n".join(line for line in said.splitlines() if question.code not in line).strip()


def _code(texts: Sequence[str]) -> str:
    """Return a code that stands in none of the texts and that none of them can have foreseen."""
    codes = (digest(canonical([*texts, number]))[:_CODE] for number in count())
    return next(code for code in codes if not any(code in text.lower() for text in texts))


def _marked(name: str, text: str, code: str) -> str:
    return f"[begin {name} {code}]\n{text}\n[end {name} {code}]"


def _verdict(code: str) -> str:
    """Return how the line begins that states a verdict."""
    return f"Verdict {code}:"
