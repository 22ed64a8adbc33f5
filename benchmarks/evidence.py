"""How often is the verdict wrong, through the whole pipeline? By simulation.

    python benchmarks/evidence.py --runs 300

A row is a world and a way in which runs are led. Each of its runs is a whole search with choosing,
testing and controls by ``llmopt.optimize``, with a scripted optimizer LLM, on a problem of known
truth (``llmopt.testing.evidence``). In most rows there is nothing to find, so every "better" is an
error. Brackets are 95 % intervals. ``--only`` takes rows by their first words.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from llmopt.algorithms.opro import opro
from llmopt.models.middleware.budget import Limits
from llmopt.testing.evidence import WORLDS, ErrorRates, Trial, World, error_rates

if TYPE_CHECKING:
    from llmopt.core.algorithm import Algorithm

NOTHING = World()
STAGES, RACE = opro(stages=(4, 16)), opro(share=0.5)
PLAIN = {"controls": ("empty", "think")}  # the third control takes as long as the search
ASKED = World(calls=True, sizes=(30, 30, 100))
SHORT = {"finalists": 5, "budget": Limits(calls=1100)}  # ends most searches in their third step
COLUMNS = {
    '"better", wrongly': "better than the start, wrongly",
    "in any look": "better than the start, wrongly, in any look",
    '"worse", wrongly': "worse than the start, wrongly",
    "any wrong word": "any word of a comparison is wrong",
    "interval holds": "interval: winner minus start",
}
POWER = {
    '"better than the start"': "better than the start",
    '"better than best of N"': "better than best of N, no scores",
    '"worse than best of N"': "worse than best of N, no scores",
    "interval holds": "interval: winner minus start",
}


@dataclass(frozen=True)
class Setting:
    """A row.

    Attributes:
        name: What is special about it.
        world: What is true.
        algorithm: The method.
        trial: How runs are led.
        options: Of each run.
        share: Of the runs asked for, because one takes longer.
    """

    name: str
    world: World = NOTHING
    algorithm: Algorithm = field(default_factory=opro)
    trial: Trial = field(default_factory=Trial)
    options: dict[str, Any] = field(default_factory=dict)
    share: float = 1.0


NULL = (
    Setting("stages of 4 and 16 items", NOTHING, STAGES, options=PLAIN),
    Setting("race, share 0.5", NOTHING, RACE, options=PLAIN),
    Setting("everything measured, best of N too", share=0.5),
    Setting("lost answers, 2 %, race", World(lost=0.02), RACE, options=PLAIN, share=0.5),
    Setting("passages of five, race", World(passages=5), RACE, options=PLAIN, share=0.5),
    Setting("graded in quarters, stages", World(grades=4), STAGES, options=PLAIN, share=0.5),
    Setting("drawn at a temperature, race", World(noise=0.5), RACE, options=PLAIN, share=0.5),
    Setting("broken off twice, stages", NOTHING, STAGES, Trial(breaks=2), PLAIN, 0.5),
    Setting("budget stop, race", ASKED, RACE, options=SHORT, share=0.5),
    Setting("three looks, race", NOTHING, RACE, Trial(steps=2, looks=3), PLAIN, 0.3),
    Setting("eight searches, stages", NOTHING, STAGES, Trial(searches=8), PLAIN, 0.15),
    Setting(
        "all at once, race",
        replace(ASKED, lost=0.02, passages=5, grades=4),
        RACE,
        Trial(steps=2, looks=2, breaks=1),
        SHORT,
        0.5,
    ),
)
"""Where there is nothing to find."""

GAINS = (
    Setting("every idea 10 points better", WORLDS["gain"], RACE, share=0.5),
    Setting("the same, no controls", WORLDS["gain"], RACE, options={"controls": ()}, share=0.5),
    Setting("ideas differ, scores ignored", WORLDS["ignores"], RACE, share=0.5),
    Setting("ideas differ, scores followed", WORLDS["follows"], RACE, share=0.5),
)
"""Where there is something to find."""


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=300)
    parser.add_argument("--only", nargs="*", default=[], help="rows, by their first words")
    parser.add_argument("--seed", type=int, default=0)
    own = parser.parse_args()
    found: dict[str, ErrorRates] = {}
    for title, settings, columns in (
        ("nothing to find, %", NULL, COLUMNS),
        ("something to find, %", GAINS, POWER),
    ):
        print(f"| {title} | runs | " + " | ".join(columns) + " |")
        print("|---|---|" + "---|" * len(columns))
        for setting in settings:
            if not own.only or setting.name.startswith(tuple(own.only)):
                made = found[setting.name] = rates(setting, own.runs, own.seed)
                cells = " | ".join(cell(made, figure) for figure in columns.values())
                print(f"| {setting.name} | {made.runs} | {cells} |", flush=True)
        print()
    print_sentences(found)


def rates(setting: Setting, runs: int, seed: int) -> ErrorRates:
    """Do the runs of a row, and say how long one took."""
    begun, many = time.process_time(), max(1, round(runs * setting.share))
    print(f"{setting.name} …", end=" ", file=sys.stderr, flush=True)
    made = error_rates(
        setting.algorithm,
        setting.world,
        runs=many,
        seed=seed,
        trial=setting.trial,
        **setting.options,
    )
    each = (time.process_time() - begun) / many
    print(f"{many} runs, {each:.2f} s of processor time each", file=sys.stderr, flush=True)
    return made


def cell(made: ErrorRates, name: str) -> str:
    """Return a share with its interval; bold where it is surely beyond its bar."""
    figure = next((one for one in made.figures if one.name == name), None)
    if figure is None:
        return ""
    share = f"{100 * figure.share:.1f}"
    mark = "**" if figure.beyond == "surely" else ""
    ends = figure.interval
    return f"{mark}{share}{mark} [{100 * ends.low:.1f}, {100 * ends.high:.1f}]"


def print_sentences(found: dict[str, ErrorRates]) -> None:
    """Print how often each sentence was true where it was said, and what is beyond its bar."""
    begin = "said and true: "
    print("| sentence, and where | said in | true, % |")
    print("|---|---|---|")
    for name, made in found.items():
        for figure in made.figures:
            if figure.name.startswith(begin):
                said, runs = figure.name.removeprefix(begin), f"{figure.of} of {made.runs}"
                print(f"| {said}: {name} | {runs} | {cell(made, figure.name)} |")
    print()
    for name, made in found.items():
        for figure in made.beyond:
            print(f"beyond its bar, {name}: {figure}")


if __name__ == "__main__":
    main()
