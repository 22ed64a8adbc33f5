"""The problems that benchmarks compare methods on, each with a weak start and a good instruction.

``problem(name, data_dir=…, scorer=…)`` builds one. The data of ``reviews`` come with the package,
those of ``movies``, ``tickets`` and ``orders`` stand in ``benchmarks/tasks``, and those of the
papers' tasks are read from a folder with the official files.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmopt.core.text import folded
from llmopt.errors import UnknownNameError
from llmopt.problems.metrics.rules import Function
from llmopt.problems.prompt.prompt_problem import PromptProblem
from llmopt.problems.prompt.proposal_filter import Filters
from llmopt.problems.prompt.scorer_call import Asking
from llmopt.recipes import FOLDER

if TYPE_CHECKING:
    from collections.abc import Mapping

    from llmopt.core.values import Item
    from llmopt.problems.metrics.contract import Metric

TASKS = Path(__file__).parent / "tasks"
"""The folder of the benchmarks' own data."""

_WORD = Asking(max_tokens=8, stop=(".", ",", "\n"))
_OPTION = Asking(max_tokens=8)  # no stop texts: "(A)" may follow a line end or a full stop


def json_fields(output: str, item: Item) -> float:
    """Return the share of the target's keys that an output gives rightly, 0..1.

    What counts is the first JSON object in the output, whatever stands around it. A text is right
    but for case and white space; a number is right as a number alone, not as a text of digits, and
    null as null alone. Keys that the target does not have are passed over.

    Args:
        output: What the model wrote.
        item: Its target is a JSON object with at least one key.
    """
    wanted: dict[str, object] = json.loads(item.target)
    found = _first_object(output)
    right = [key for key, value in wanted.items() if key in found and _same(found[key], value)]
    return len(right) / len(wanted)


def _first_object(output: str) -> dict[str, Any]:
    """Return the first JSON object that is whole, or an empty one."""
    for brace in re.finditer(r"\{", output):
        with suppress(ValueError, RecursionError):
            found: dict[str, Any] = json.JSONDecoder().raw_decode(output, brace.start())[0]
            return found
    return {}


def _same(found: object, wanted: object) -> bool:
    if isinstance(found, str) and isinstance(wanted, str):
        return folded(found) == folded(wanted)
    return type(found) is type(wanted) and found == wanted  # true is not 1, and 2.0 is not 2


@dataclass(frozen=True)
class Task:
    """What a problem is made of.

    Attributes:
        source: A file with a column ``text``, or the name of a paper's task.
        what: What the task is, as a user would tell the optimizer LLM.
        start: An instruction as somebody might write first; the one to beat.
        hand: An instruction that somebody took pains over, to compare with.
        metric: What an answer is worth.
        asking: How the scorer LLM is asked.
        rows: How many rows train, validation and test have, unless told otherwise.
        target: The column with the answers, where the source is a file.
        prompt: A layout of its own; else the instruction stands on the line before the input.
        balanced: Whether scores are balanced accuracy.
        longest: Characters of an instruction.
    """

    source: Path | str
    what: str
    start: str
    hand: str
    metric: str | Metric
    asking: Asking
    rows: tuple[int, int, int]
    target: str = "label"
    prompt: str = ""
    balanced: bool = True
    longest: int = 400


PROBLEMS: Mapping[str, Task] = {
    "reviews": Task(
        source=FOLDER / "reviews.csv",
        what=(
            "Sentiment classification of customer reviews: decide whether a review is positive or "
            "negative."
        ),
        start="Is this review positive or negative?",
        hand=(
            "Classify the sentiment of the following customer review. Answer with one word, "
            '"positive" or "negative".'
        ),
        metric="choice",
        asking=_WORD,
        rows=(100, 100, 200),
        longest=200,
    ),
    "movies": Task(
        source=TASKS / "movies.csv",
        what=(
            "Sentiment classification of sentences from movie reviews: decide whether a sentence "
            "is positive or negative about the movie."
        ),
        start="Is this review positive or negative?",
        hand=(
            "Classify the sentiment of the following movie review. Answer with one word, "
            '"positive" or "negative".'
        ),
        metric="choice",
        asking=_WORD,
        rows=(80, 80, 160),
        longest=200,
        prompt="{instruction}\n\n{input}",
    ),
    "tickets": Task(
        source=TASKS / "tickets.csv",
        what=(
            "Sorting of messages from customers of a software and hardware shop: put each message "
            "into one of the categories billing, technical, shipping, account and feedback."
        ),
        start="What is this message about?",
        hand=(
            "Put the following message from a customer into one category: billing (payments, "
            "invoices, prices), technical (something does not work), shipping (orders, deliveries, "
            "returns), account (signing in, users, personal data) or feedback (praise, complaints, "
            "wishes that ask for no help). Answer with the name of the category alone."
        ),
        metric="choice",
        asking=Asking(max_tokens=12, stop=("\n",)),
        rows=(40, 35, 75),
    ),
    "hyperbaton": Task(
        source="bbh/hyperbaton",
        what=(
            "Order of adjectives: choose which of two phrases has its adjectives in the order that "
            "is usual in English."
        ),
        start="Which one sounds right?",
        hand=(
            "In English, adjectives stand in the order opinion, size, age, shape, colour, origin, "
            "material, purpose. Which option keeps this order? Answer with its letter alone, (A) "
            "or (B)."
        ),
        metric="options",
        asking=_OPTION,
        rows=(60, 60, 130),
    ),
    "navigate": Task(
        source="bbh/navigate",
        what=(
            "Walking directions: follow the steps and say whether they lead back to the starting "
            "point, yes or no."
        ),
        start="Do you end up where you started?",
        hand=(
            "Follow the steps one by one, keeping track of where you are and which way you face. "
            "Do you return to the starting point? Answer with one word, Yes or No."
        ),
        metric="boolean",
        asking=_OPTION,
        rows=(60, 60, 130),
    ),
    "gsm8k": Task(
        source="gsm8k",
        what=(
            "Grade-school maths problems told in words: work out the one number that is asked for."
        ),
        start="Work out the answer.",
        hand=(
            "Solve the following problem step by step and write down every calculation. End with "
            '"The answer is" and the number alone.'
        ),
        metric="number",
        asking=Asking(max_tokens=256),
        rows=(100, 100, 300),
        balanced=False,
    ),
    "orders": Task(
        source=TASKS / "orders.csv",
        what=(
            "Reading orders out of short messages: give each as a JSON object with the keys "
            '"item" (what is ordered, in the singular), "quantity" (an integer) and "city" (where '
            "it goes, or null)."
        ),
        start="What is ordered in this message?",
        hand=(
            "Extract the order from the following message. Answer with one line of JSON and no "
            'other text. It has exactly three keys: "item" (the thing ordered, in lower case and '
            'in the singular), "quantity" (an integer in digits) and "city" (the city it goes to, '
            "or null where no city is named)."
        ),
        metric=Function("json_fields", json_fields),
        asking=Asking(max_tokens=60),
        rows=(30, 30, 60),
        target="target",
        balanced=False,
    ),
}
"""Every problem by its name."""

HAND: Mapping[str, str] = {name: task.hand for name, task in PROBLEMS.items()}
"""The instruction of each problem that was written by hand, to compare with."""


def problem(
    name: str,
    *,
    data_dir: str | Path | None,
    scorer: object,
    rows: tuple[int, int, int] | None = None,
    split_seed: int = 0,
    start: str | None = None,
) -> PromptProblem:
    """Build a problem.

    Args:
        name: One of :data:`PROBLEMS`.
        data_dir: The folder with the official files of the papers' tasks; not used by others.
        scorer: The scorer LLM by name, or as a model.
        rows: How many rows train, validation and test have; None: as the table says.
        split_seed: Seed of the split.
        start: The starting instruction; None: as the table says.

    Raises:
        UnknownNameError: There is no such problem.
        DataError: A file is missing or malformed, or has too few rows.
        ConfigError: `rows` cannot be used.
    """
    if name not in PROBLEMS:
        raise UnknownNameError("a problem of the benchmarks", name, list(PROBLEMS))
    task = PROBLEMS[name]
    options: dict[str, Any] = {
        "sizes": rows or task.rows,
        "split_seed": split_seed,
        "task": task.what,
        "instructions": (task.start if start is None else start,),
        "metric": task.metric,
        "position": "Q_begin",
        "prompt": task.prompt,
        "balanced": task.balanced,
        "asking": task.asking,
        "filters": Filters(max_length=task.longest),
        "scorer": scorer,
    }
    if isinstance(task.source, Path):
        return PromptProblem.from_file(task.source, input="text", target=task.target, **options)
    return PromptProblem.from_task(task.source, data_dir=data_dir, **options)
