"""Behaviour steps and traces as text, as an ABO-style method writes and reads them.

Ours, a reconstruction after docs/papers/abo.md. *Steps* are one imperative line
each, numbered in an instruction. A *trace* carries them out: one block for each step, begun by its
marker ``Step 1:``, ``Step 2:`` …, and at last one line ``Answer:``. Everything here is a pure
function of texts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

from llmopt.core.metaprompt import compiled, shipped
from llmopt.core.problem import Refusal
from llmopt.core.text import without_emphasis
from llmopt.errors import TemplateError, UnknownNameError

Lines = tuple[str, ...]

FOLDER = "abo"
"""The folder of the wordings."""

WORDINGS: dict[str, tuple[str, ...]] = {
    "target": ("task", "steps", "demonstration"),
    "write": ("task", "labels", "constraints", "exemplars", "most"),
    "diagnose": ("task", "steps", "question", "answer", "trace"),
    "findings": ("number", "votes", "voters", "findings"),
    "rewrite": ("task", "labels", "constraints", "steps", "number", "feedback"),
    "demonstrate": ("task", "steps", "question"),
}
"""What each wording may use.

`steps` are texts; `exemplars` have ``.question`` and ``.output``; `demonstration` has
``.question`` and ``.trace``, or is empty; `findings` have ``.question``, ``.answer``, ``.trace``
and ``.expected``, which is empty where no language model was asked; `number` is the voted step,
0 for a missing one; `feedback` is the text of `findings`, laid out.
"""

_DRESS = r"^[ \t>#*_]*"  # Markdown before a marker
_MARK = re.compile(_DRESS + r"step[ \t]+(\d{1,4})[*_]*:", re.IGNORECASE | re.MULTILINE)
_ANSWER = re.compile(_DRESS + r"answer[*_]*:", re.IGNORECASE | re.MULTILINE)
_ANY_MARK = re.compile(r"\b(?:step\s+\d+|answer)\s*:", re.IGNORECASE)
_NUMBERED = re.compile(r"(\d{1,4})\. (\S.*)")
_BULLET = re.compile(r"^(?:\d{1,4}[.)]|[-*•])\s+")
_STEPS = re.compile(r"<STEPS>(.*?)</STEPS>", re.DOTALL | re.IGNORECASE)
_STEP = re.compile(r"<STEP>\s*(\d{1,4})\s*</STEP>", re.IGNORECASE)
_EXPECTED = re.compile(r"<EXPECTED>(.*?)</EXPECTED>", re.DOTALL | re.IGNORECASE)


@dataclass(frozen=True)
class Wording:
    """The words of one request, or of the instruction itself.

    Attributes:
        name: Which one: a name of :data:`WORDINGS`.
        text: A template (Jinja) of the user's own; empty for the one that ships.

    Raises:
        UnknownNameError: There is no such wording.
        TemplateError: The template cannot be parsed, or uses another variable.
    """

    name: str
    text: str = ""

    def __post_init__(self) -> None:
        if self.name not in WORDINGS:
            raise UnknownNameError("an ABO-style wording", self.name, WORDINGS)
        self.fill(**_EXAMPLE)  # what a template gets wrong shows before anything is paid

    def fill(self, **values: object) -> str:
        """Return the text with its variables filled in; what is not given is empty.

        Raises:
            TemplateError: The template fails on these values.
        """
        import jinja2

        known = WORDINGS[self.name]
        what = f"the ABO-style wording {self.name!r}"
        template = compiled(self.text or shipped(FOLDER, self.name), frozenset(known), what)
        try:
            return template.render({key: values.get(key, "") for key in known}).strip()
        except jinja2.TemplateError as error:
            raise TemplateError(f"{what} cannot be filled in: {error}") from error


@dataclass(frozen=True)
class Demonstration:
    """A worked example: a question, and a trace that carries out every step on it."""

    question: str
    trace: str


@dataclass(frozen=True)
class Deviation:
    """A failure as the rewriter sees it.

    Attributes:
        question: The input.
        answer: The expected answer.
        trace: What the scorer LLM wrote.
        expected: What the step should have produced; empty where its marker was missing.
    """

    question: str
    answer: str
    trace: str
    expected: str = ""


_EXAMPLE: dict[str, object] = {
    "task": "a task",
    "labels": ("yes", "no"),
    "constraints": ("it is short",),
    "steps": ("Do this.", "Do that."),
    "demonstration": Demonstration("a question", "Step 1: this\nStep 2: that\nAnswer: yes"),
    "exemplars": (),
    "most": 8,
    "question": "a question",
    "answer": "yes",
    "trace": "Step 1: this\nAnswer: no",
    "number": 1,
    "votes": 1,
    "voters": 1,
    "findings": (Deviation("a question", "yes", "Step 1: this\nAnswer: no", "that"),),
    "feedback": "Step 1 went wrong.",
}


@dataclass(frozen=True)
class Trace:
    """What was written to carry out steps.

    Attributes:
        text: From the first marker on.
        steps: How many steps there are to carry out, 1 or more.
    """

    text: str
    steps: int

    @classmethod
    def after_cue(cls, output: str, steps: int) -> Trace:
        """Return the trace of an output that continues the cue ``Step 1:``, or repeats it."""
        said = output.strip()
        if any(int(mark[1]) == 1 for mark in _MARK.finditer(said)):
            return cls(said, steps)
        between = "\n" if _MARK.match(said) else " "
        return cls(f"Step 1:{between}{said}".strip(), steps)

    @classmethod
    def within(cls, reply: str, steps: int) -> Trace:
        """Return the trace in a reply, without what is said before it."""
        begin = next((m.start() for m in _MARK.finditer(reply) if int(m[1]) == 1), 0)
        return cls(reply[begin:].strip(), steps)

    @cached_property
    def _marks(self) -> list[tuple[int, int]]:
        return [(int(mark[1]), mark.start()) for mark in _MARK.finditer(self.text)]

    @property
    def gap(self) -> int | None:
        """The first step that is missing or out of order; None if there is none.

        Without a line ``Answer:`` it is the last step, as far as the others are in order.
        """
        places: dict[int, int] = {}
        for number, place in self._marks:
            places.setdefault(number, place)
        before = -1
        for number in range(1, self.steps + 1):
            if places.get(number, -1) <= before:
                return number
            before = places[number]
        return None if _ANSWER.search(self.text) else self.steps

    @property
    def complete(self) -> bool:
        """Whether every marker occurs once and in order, and one line ``Answer:`` ends it all."""
        answers = [found.start() for found in _ANSWER.finditer(self.text)]
        numbers = [number for number, _ in self._marks]
        if numbers != list(range(1, self.steps + 1)) or len(answers) != 1:
            return False
        last = self.text[answers[0] :].strip()
        return answers[0] > self._marks[-1][1] and "\n" not in last and not _ANSWER.fullmatch(last)


def steps_of(text: str) -> Lines:
    """Return the steps of an instruction: its first lines that are numbered 1, 2, …, in a row."""
    found: list[str] = []
    for line in text.split("\n"):
        match = _NUMBERED.fullmatch(line)
        if match and int(match[1]) == len(found) + 1:
            found.append(match[2])
        elif found:
            break
    return tuple(found)


def read_steps(reply: str) -> Lines | Refusal | None:
    """Return the steps between ``<STEPS>`` and ``</STEPS>``, or why they are none.

    None stands for missing tags alone: a reason to ask once more.
    """
    match = _STEPS.search(reply)
    return read_lines(match[1]) if match else None


def read_lines(text: str) -> Lines | Refusal:
    """Return steps that stand one to a line; numbers and bullets before them are no part."""
    found = tuple(_plain(line) for line in text.strip().splitlines())
    if not found or not all(found):
        return Refusal("an empty step")
    if any(_ANY_MARK.search(step) for step in found):
        return Refusal("a marker inside a step")
    return found


def _plain(line: str) -> str:
    return _BULLET.sub("", " ".join(without_emphasis(line).split()))


def read_diagnosis(reply: str, steps: int) -> tuple[int, str] | None:
    """Return the step that a diagnosis names, 0 to `steps`, and what it should have produced.

    None where it names none, or one that there is not.
    """
    match = _STEP.search(reply)
    if not match or int(match[1]) > steps:
        return None
    expected = _EXPECTED.search(reply)
    return int(match[1]), " ".join(expected[1].split()) if expected else ""


def voted(ballots: list[int]) -> int | None:
    """Return the most frequent ballot; of equals the smallest that is not 0; None of none."""
    if not ballots:
        return None
    return min(set(ballots), key=lambda step: (-ballots.count(step), step == 0, step))


def touched(old: Lines, new: Lines) -> set[int]:
    """Return the steps of `old` of which one may have been rewritten to give `new`.

    A rewriting puts one or two lines in the place of a step, or before the last step, which
    stands as 0. More than one may fit: a step that is kept and followed by a new one looks like
    its neighbour's rewriting.
    """
    more = len(new) - len(old)
    found = set()
    if more in (1, 2) and new[: len(old) - 1] == old[:-1] and new[-1] == old[-1]:
        found.add(0)
    if more in (0, 1) and new != old:
        for step in range(1, len(old) + 1):
            if new[: step - 1] == old[: step - 1] and new[step + more :] == old[step:]:
                found.add(step)
    return found


def changed(steps: Lines, step: int, lines: Lines) -> Lines:
    """Return steps with lines in place of one of them, or, for 0, before the last one."""
    at = step or len(steps)
    return steps[: at - 1] + lines + (steps[at:] if step else steps[at - 1 :])
