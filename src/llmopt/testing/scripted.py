"""A small world without any language model: a task, and a model that plays both roles.

The scorer's skill grows with the number of *good words* in an instruction, so there is a
hill to climb; the optimizer writes instructions out of good and idle words. Everything is a
function of the call, so the same call always gets the same reply.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmopt.models.scripted import ScriptedModel
from llmopt.problems.prompting import PromptProblem
from llmopt.types import digest

if TYPE_CHECKING:
    from llmopt.types import Call

GOOD = ("carefully", "step", "check", "think", "precisely", "twice", "slowly", "aloud")
IDLE = ("please", "now", "kindly", "perhaps", "today", "friend", "simply", "again")


def problem(items: int = 40, sizes: tuple[int, int, int] = (12, 8, 20)) -> PromptProblem:
    """Return a yes/no task of `items` questions with a poor starting instruction."""
    rows = [
        {"input": f"Question number {number}?", "target": "yes" if number % 2 else "no"}
        for number in range(items)
    ]
    return PromptProblem.from_rows(
        rows, sizes=sizes, instructions=["Answer.", "Answer now."], task="Answer with yes or no."
    )


def model() -> ScriptedModel:
    """Return a model that answers both roles."""
    return ScriptedModel(answer, identity="scripted/world")


def answer(call: Call) -> str:
    """Answer a call of either role; a pure function of the call."""
    if call.role == "optimizer":
        return proposal(call)
    instruction, _, question = call.text.partition("\n")
    number = int("".join(c for c in question if c.isdigit()) or 0)
    right, wrong = ("yes", "no") if number % 2 else ("no", "yes")
    skill = 0.3 + 0.1 * sum(word in instruction.lower() for word in GOOD)
    luck = int(digest(f"{instruction} {number}")[:6], 16) / 0xFFFFFF
    return right if luck < skill else wrong


def proposal(call: Call) -> str:
    """Write an instruction of four words; the words follow from the call and its sample."""
    seed = digest(f"{call.text} {call.sample}")
    words = [(GOOD + IDLE)[int(seed[i], 16)] for i in range(4)]
    text = "Answer " + " ".join(words) + "."
    return text if call.prompt is not None else f"Here it is: <INS>{text}</INS> [{text}]"
