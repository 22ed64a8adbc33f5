"""BIG-Bench Hard: 27 tasks, each a file of inputs and targets."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from llmopt.problems.data.columns import text_of
from llmopt.problems.data.files import read_json
from llmopt.problems.tasks.task import File, TaskInfo

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

_SET_ASIDE = 10  # rows that GPO keeps for examples in prompts
_SHARE = 5  # one of so many rows is in GPO's train, and one in its evaluation part

_DEDUCTION = (
    "Work out from clues how {} objects are ordered, and choose the statement that is true."
)
_SHUFFLED = "Follow how {} people swap things or places, and choose what one of them ends up with."

TABLE: Mapping[str, tuple[str, str]] = {
    "boolean_expressions": (
        "boolean",
        (
            "Say whether an expression made of True, False, and, or, not and brackets is true or "
            "false."
        ),
    ),
    "causal_judgement": (
        "boolean",
        (
            "Read a short story and answer yes or no as most people would: did something cause an "
            "event, or was it done on purpose?"
        ),
    ),
    "date_understanding": (
        "options",
        "Work out a date from a few sentences about it, and choose it among lettered options.",
    ),
    "disambiguation_qa": (
        "options",
        "Choose whom or what a pronoun in a sentence stands for, or that it is ambiguous.",
    ),
    "dyck_languages": (
        "brackets",
        (
            "Complete a sequence of brackets of several kinds so that every open one is closed in "
            "the right order."
        ),
    ),
    "formal_fallacies": (
        "boolean",
        (
            "Say whether the conclusion of an argument follows from its stated premises: valid or "
            "invalid."
        ),
    ),
    "geometric_shapes": (
        "options",
        "Recognise the shape that an SVG path draws, and choose its name among lettered options.",
    ),
    "hyperbaton": (
        "options",
        (
            "Choose the phrase in which several adjectives stand in the order that is usual in "
            "English."
        ),
    ),
    "logical_deduction_five_objects": ("options", _DEDUCTION.format("five")),
    "logical_deduction_seven_objects": ("options", _DEDUCTION.format("seven")),
    "logical_deduction_three_objects": ("options", _DEDUCTION.format("three")),
    "movie_recommendation": (
        "options",
        "Choose the film that goes best with a list of films somebody likes.",
    ),
    "multistep_arithmetic_two": (
        "number",
        "Compute the value of an arithmetic expression with brackets and several operations.",
    ),
    "navigate": (
        "boolean",
        "Follow walking directions and say whether they lead back to where they began: yes or no.",
    ),
    "object_counting": (
        "number",
        "Count how many of the things in a list are of the kind that is asked for.",
    ),
    "penguins_in_a_table": (
        "options",
        (
            "Answer a question about a table of penguins, which may change or be followed by "
            "another table, by choosing a lettered option."
        ),
    ),
    "reasoning_about_colored_objects": (
        "options",
        "Answer a question about the colours and places of objects by choosing a lettered option.",
    ),
    "ruin_names": (
        "options",
        "Choose the small change to the name of an artist or a film that makes it funny.",
    ),
    "salient_translation_error_detection": (
        "options",
        "Choose what kind of error the English translation of a German sentence has.",
    ),
    "snarks": (
        "options",
        "Choose which of two nearly equal sentences is meant sarcastically.",
    ),
    "sports_understanding": (
        "boolean",
        "Say whether a made-up sentence about an athlete is plausible: yes or no.",
    ),
    "temporal_sequences": (
        "options",
        (
            "Work out from what a person was seen doing when they were free to go somewhere, and "
            "choose that span of time."
        ),
    ),
    "tracking_shuffled_objects_five_objects": ("options", _SHUFFLED.format("five")),
    "tracking_shuffled_objects_seven_objects": ("options", _SHUFFLED.format("seven")),
    "tracking_shuffled_objects_three_objects": ("options", _SHUFFLED.format("three")),
    "web_of_lies": (
        "boolean",
        (
            "Work out from what people say about each other whether the last one tells the truth: "
            "yes or no."
        ),
    ),
    "word_sorting": ("list", "Put a list of words into alphabetical order."),
}
"""Every task with its metric (OPRO, section 13) and what it is."""


def _read(path: Path) -> Iterator[tuple[str, str]]:
    for record in read_json(path):
        yield text_of(record, "input"), text_of(record, "target")


def _write(rows: Iterable[Mapping[str, Any]]) -> str:
    kept = [{"input": row["input"], "target": row["target"]} for row in rows]
    return json.dumps({"examples": kept}, indent=1)


def _gpo(n: int) -> tuple[int, int, int]:
    """Return 20 %, 20 % and the rest of what is left beside the examples (GPO, section 3)."""
    part = (n - _SET_ASIDE) // _SHARE
    return part, part, n - _SET_ASIDE - 2 * part


ENTRIES = tuple(
    TaskInfo(
        name=f"bbh/{name}",
        what=what,
        metric=metric,
        home="the project BIG-Bench-Hard of suzgunmirac",
        files=(File("test", f"bbh/{name}.json", "lukaemon/bbh", name, "test"),),
        read=_read,
        write=_write,
        instruction="",
        opro=0.2,
        gpo=_gpo,
    )
    for name, (metric, what) in TABLE.items()
)
