"""A small scripted task without a language model, and a model that plays both roles.

The scorer's skill grows with the number of *good words* in an instruction, so there is a
hill to climb; the optimizer writes instructions out of good and idle words. Everything is a
function of the call, so the same call always gets the same reply.

:func:`stepwise` is the same task for methods that write behaviour steps; where a call asks for
steps, a diagnosis or their carrying out, the same model does it.

:func:`few_shot` is the same task with demonstrations, each of which makes the scorer a bit better.
:func:`program` is the same task, answered by a program with two texts.

:func:`context` is what a part is given there, for tests of a part of your own.

:func:`listing` is about programs, which do not run: for methods that compare programs.

:func:`numbers` is a valley over whole numbers, for methods that draw points; where a call asks for
whole numbers, the same model writes some. :func:`order` is for methods that go to neighbours.
"""

from __future__ import annotations

import ast
import re
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

from llmopt.core.part import StepContext
from llmopt.core.trajectory import Trajectory
from llmopt.core.values import digest
from llmopt.models.providers.scripted import ScriptedModel
from llmopt.problems.function import FunctionProblem
from llmopt.problems.program.program_problem import ProgramProblem
from llmopt.problems.prompt.few_shot import FewShot
from llmopt.problems.prompt.prompt_problem import PromptProblem
from llmopt.problems.prompt.proposal_filter import Filters

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np

    from llmopt.core.problem import Description
    from llmopt.core.values import Call
    from llmopt.problems.program.program_call import ProgramCall
    from llmopt.problems.program.program_row import ProgramRow

GOOD = ("carefully", "step", "check", "think", "precisely", "twice", "slowly", "aloud")
IDLE = ("please", "now", "kindly", "perhaps", "today", "friend", "simply", "again")


def problem(items: int = 40, sizes: tuple[int, int, int] = (12, 8, 20)) -> PromptProblem:
    """Return a yes/no task of `items` questions with a poor starting instruction."""
    return _questions(items, sizes)


@cache
def _questions(items: int, sizes: tuple[int, int, int]) -> PromptProblem:
    rows = [
        {"input": f"Question number {number}?", "target": "yes" if number % 2 else "no"}
        for number in range(items)
    ]
    return PromptProblem.from_rows(
        rows, sizes=sizes, instructions=["Answer.", "Answer now."], task="Answer with yes or no."
    )


def few_shot(
    most: int = 4, items: int = 40, sizes: tuple[int, int, int] = (12, 8, 20)
) -> PromptProblem:
    """Return the task of :func:`problem`, whose instructions may have demonstrations.

    Args:
        most: How many there may be, 1 or more.
        items: As for :func:`problem`.
        sizes: As for :func:`problem`.
    """
    return replace(problem(items, sizes), few_shot=FewShot(most))


def stepwise(items: int = 60, sizes: tuple[int, int, int] = (24, 8, 20)) -> PromptProblem:
    """Return the task of :func:`problem`, asked with the cue ``Step 1:``."""
    return PromptProblem.from_splits(
        problem(items, sizes).splits,
        instructions=["Answer.", "Answer now."],
        task="Answer with yes or no.",
        position="steps",
        filters=Filters(max_length=4000, copied_words=0),
    )


def program(items: int = 40, sizes: tuple[int, int, int] = (12, 8, 20)) -> ProgramProblem:
    """Return the task of :func:`problem`, answered by a program with the parts plan and answer.

    It asks with either, and a third time where the two replies differ.
    """
    return ProgramProblem.from_splits(
        planned,
        problem(items, sizes).splits,
        parts=[
            {"plan": "Plan.", "answer": "Answer."},
            {"plan": "Plan now.", "answer": "Answer now."},
        ],
        task="Answer with yes or no.",
        scorer=model(),
    )


async def planned(texts: dict[str, str], row: ProgramRow, call: ProgramCall) -> str:
    """Answer a row with both texts; where they differ, with both in one prompt."""
    plan, reply = [
        str(await call(f"{texts[name]}\n{row['input']}", name=name)) for name in ("plan", "answer")
    ]
    if plan == reply:
        return reply
    return str(await call(f"{texts['plan']} {texts['answer']}\n{row['input']}"))


def model() -> ScriptedModel:
    """Return a model that answers both roles."""
    return ScriptedModel(answer, identity="scripted/world")


def context(trajectory: Trajectory | None = None, **known: Any) -> StepContext:
    """Return what a part is given in the next step of this world.

    Args:
        trajectory: Everything tried so far; None: nothing.
        known: Other fields of :class:`~llmopt.core.part.StepContext`, by name.
    """
    told = Trajectory() if trajectory is None else trajectory
    fields: dict[str, Any] = {"step": told.steps, "steps": 4, "seed": 0, **known}
    fields["problem"] = known.get("problem") or problem()
    fields["model"] = known.get("model") or model()
    return StepContext(trajectory=told, **fields)


WAYS = (
    "total += number",
    "total = total + number",
    "total = sum([total, number])",
    "total -= -number",
    "total = number + total",
    "total = max(total, total + number)",
)
"""Lines of the programs of :func:`listing`; later ones are better."""


def _total(ways: Sequence[int]) -> str:
    """Return a program with some of the lines."""
    lines = "".join(f"        {WAYS[way]}\n" for way in ways)
    return (
        f"def total(numbers):\n    total = 0\n    for number in numbers:\n{lines}    return total\n"
    )


class Listing(FunctionProblem):
    """A function problem whose solutions are programs."""

    @property
    def description(self) -> Description:
        """The description of a function, for programs."""
        return replace(super().description, noun="program", layout="code")


def listing() -> FunctionProblem:
    """Return a problem of programs: the better their lines, the higher the value."""

    def program(text: str) -> str:
        ast.parse(text)
        if "def total(" not in text:
            raise ValueError("no function total")
        return text.strip() + "\n"

    def worth(text: str) -> float:
        return float(sum(text.count(line) * at for at, line in enumerate(WAYS)))

    return Listing(worth, "Write the function total well.", [_total([0, 0, 1])], parser=program)


class Valley(FunctionProblem):
    """A function problem over whole numbers that says how to draw and to write points."""

    def spacing(self) -> float:
        """Return 1: whole numbers."""
        return 1.0

    def optimum(self) -> float:
        """Return 0: the bottom."""
        return 0.0

    def bounds(self) -> tuple[tuple[float, float], ...]:
        """Return -30 to 30 for each dimension."""
        return ((-30.0, 30.0),) * len(self.decode(self.starts[0]))

    def encode(self, point: Sequence[float]) -> str:
        """Return the rounded coordinates with commas between them."""
        return ", ".join(str(round(x)) for x in point)

    def decode(self, text: str) -> tuple[float, ...]:
        """Return the coordinates."""
        return tuple(float(part) for part in text.split(","))

    def draw(self, rng: np.random.RandomState) -> str:
        """Return a point of the grid within the bounds."""
        return self.encode([float(x) for x in rng.randint(-30, 31, len(self.bounds()))])


def numbers(dimensions: int = 2) -> Valley:
    """Return the search for the bottom of a valley, at 7, -3, 7, -3, …, from two poor starts.

    Args:
        dimensions: 1 or more.
    """

    def parsed(text: str) -> str:
        parts = text.split(",")
        if len(parts) != dimensions:
            raise ValueError(f"not {dimensions} numbers")
        return ", ".join(str(int(part)) for part in parts)

    def depth(text: str) -> float:
        return float(
            sum((int(x) - (-3 if i % 2 else 7)) ** 2 for i, x in enumerate(text.split(",")))
        )

    return Valley(
        depth,
        describe=f"Find the {dimensions} whole numbers from -30 to 30 of least value.",
        seeds=[", ".join(["-20"] * dimensions), ", ".join(["25"] * dimensions)],
        minimize=True,
        parser=parsed,
    )


class Order(FunctionProblem):
    """A function problem over the orders of some letters; neighbours exchange two side by side."""

    def optimum(self) -> float:
        """Return 0: nothing is out of its order."""
        return 0.0

    def draw(self, rng: np.random.RandomState) -> str:
        """Return the letters in any order."""
        letters = sorted(self.starts[0])
        return "".join(letters[i] for i in rng.permutation(len(letters)))

    def neighbours(self, text: str) -> Iterator[str]:
        """Yield the text with each two letters that stand side by side exchanged."""
        for i in range(len(text) - 1):
            yield text[:i] + text[i + 1] + text[i] + text[i + 2 :]


def order() -> Order:
    """Return the search for the order of the alphabet, for methods that go to neighbours."""

    def inversions(text: str) -> float:
        return float(sum(a > b for i, a in enumerate(text) for b in text[i:]))

    def parsed(text: str) -> str:
        if sorted(text) != sorted("abcdefg"):
            raise ValueError("not these letters")
        return text

    return Order(
        inversions,
        describe="Sort the letters.",
        seeds=["gfedcba", "gfecdba"],
        minimize=True,
        parser=parsed,
    )


def answer(call: Call) -> str:
    """Answer a call of either role; a pure function of the call."""
    if call.role == "optimizer":
        return proposal(call)
    if call.text.endswith("Step 1:"):
        return carried_out(call.text.removesuffix("Step 1:"), "")
    instruction, _, asked = call.text.partition("\n")
    *before, question = asked.split("Q: ")
    number = int("".join(c for c in question if c.isdigit()) or 0)
    right, wrong = ("yes", "no") if number % 2 else ("no", "yes")
    skill = 0.3 + 0.1 * sum(word in instruction.lower() for word in GOOD)
    skill += 0.05 * max(0, len(before) - 1)  # demonstrations help
    luck = int(digest(f"{instruction} {number}")[:6], 16) / 0xFFFFFF
    return right if luck < skill else wrong


def proposal(call: Call) -> str:
    """Write an instruction of four words, or whole numbers; they follow from the call."""
    seed = digest(f"{call.text} {call.sample}")
    if "<STEPS>" in call.text:
        lines = [f"Look {(GOOD + IDLE)[int(letter, 16)]} at it." for letter in seed[:2]]
        return "\n".join(["Here:", "<STEPS>", *lines[: 1 + int(seed[2], 16) % 2], "</STEPS>"])
    if "<STEP>" in call.text:
        most = max(map(int, re.findall(r"^(\d+)\. ", call.text, re.MULTILINE)))
        return f"<STEP>{int(seed[:4], 16) % (most + 1)}</STEP>\n<EXPECTED>{seed[4:8]}</EXPECTED>"
    if '"Step 1:"' in call.text:
        return carried_out(call.text, seed)
    if "def total(" in call.text:
        program = _total([int(letter, 16) % len(WAYS) for letter in seed[:3]])
        return (
            program if call.prompt is not None else f"Here it is: <INS>{program}</INS> [{program}]"
        )
    asked = re.search(r"(\d+) whole numbers? from (-?\d+) to (\d+)", call.text)
    if asked:
        size, low, high = (int(part) for part in asked.groups())
        points = [low + int(digest(f"{seed} {i}")[:8], 16) % (high - low + 1) for i in range(size)]
        text = ", ".join(str(point) for point in points)
        return text if call.prompt is not None else f"<INS>{text}</INS> [{text}]"
    words = [(GOOD + IDLE)[int(seed[i], 16)] for i in range(4)]
    text = "Answer " + " ".join(words) + "."
    if parts := list(dict.fromkeys(re.findall(r"=== ([a-z]+) ===", call.text))):
        text = "\n\n".join(
            f"=== {part} ===\nAnswer {' '.join((*words[at:], *words[:at]))}."
            for at, part in enumerate(parts)
        )
    return text if call.prompt is not None else f"Here it is: <INS>{text}</INS> [{text}]"


def carried_out(prompt: str, seed: str) -> str:
    """Carry numbered steps out on the last question of a prompt; good words make it go well."""
    steps = re.findall(r"^\d+\. (.*)$", prompt, re.MULTILINE)
    question = prompt.rpartition("Question:")[2]
    number = int("".join(c for c in question if c.isdigit()) or 0)
    right, wrong = ("yes", "no") if number % 2 else ("no", "yes")
    skill = 0.3 + 0.15 * sum(any(word in step for word in GOOD) for step in steps)
    luck = int(digest(f"{steps} {number} {seed}")[:6], 16) / 0xFFFFFF
    left_out = 1 + int(digest(f"{steps} {number}")[:4], 16) % 3  # a weak one forgets this step
    lines = [
        f"Step {n}: done"
        for n in range(1, 1 + len(steps))
        if n != left_out or luck < skill + (1 - skill) / 2
    ]
    return "\n".join([*lines, f"Answer: {right if luck < skill else wrong}"])
