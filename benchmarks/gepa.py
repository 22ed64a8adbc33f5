"""GEPA with both gates, and the published package, in a scripted world of hidden rules.

    python benchmarks/gepa.py --seeds 30 --package /path/to/an/environment/bin/python

A row is answered right where the text states the rule that the row needs; some rows need none. A
share of the answers, fixed for each pair of a text and a row, is the other way round (noise), so
that two equally good texts differ by luck. The optimizer LLM reads the rows of its request that
were answered wrong and writes one more sentence: the rule of one of these rows, or, in half of the
cases, a sentence that is of no use; now and then it also loses a rule that was there. Both models
are functions of what they are asked, and the same for our method and for the package.

For each world and way to use 150 rows there are, in order: what the best candidate is truly worth
after so many row evaluations; the share of children that were accepted although they are no better
(false accepts) and although they are better (power), where children are compared by the rules that
they state; and false accepts again, where both were measured on 500 fresh rows and the child had no
higher score there. The last column is how many evaluations are needed for the final worth of the
package, as a share of those the package had. Rows that are asked again count once for our method,
which stores replies; for the package all are counted, as its budget does.

Without --package, an environment is made and the package installed into it with pip.

    python benchmarks/gepa.py --parts --seeds 30

compares ways to rewrite solutions of two parts, and merges, in worlds where each rule helps in one
part alone and the steps of a row say which part is at fault. It needs no package.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import tempfile
import venv
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from hidden_parts import STARTS, TwoParts, TwoPartTexts, two_parts
from hidden_rules import START, World, cases

from llmopt.algorithms.gepa import gepa
from llmopt.core.part import StepContext
from llmopt.core.problem import Description, Exemplar
from llmopt.core.trajectory import Entry, Trajectory
from llmopt.core.values import Candidate, Item, Outcome, canonical
from llmopt.models.providers.scripted import ScriptedModel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llmopt.core.algorithm import Algorithm
    from llmopt.core.model import Model
    from llmopt.core.problem import SplitName
    from llmopt.core.values import Call

FRESH = range(1_000_000, 1_000_500)
PACKAGE = "gepa==0.1.4"
ROWS, STEPS = 150, 400
_EQUAL = 1e-9
LOOKS = (250, 500, 750, 1000, 1250, 1500, 2000, 2500)

WORLDS: dict[str, dict[str, Any]] = {
    "5 rules, 5 % noise": {"rules": 5},
    "5 rules, no noise": {"rules": 5, "noise": 0.0},
    "5 rules, 10 % noise": {"rules": 5, "noise": 0.1},
    "8 rules, 5 % noise": {"rules": 8},
}
OURS = {
    "ours": gepa(),
    "ours, all fronts": gepa(selection="pareto"),
    "ours, rows apart": gepa(tracked=2 / 3),
    "ours, strict gate": gepa(tracked=2 / 3, gate="strict", selection="pareto"),
}


PUBLISHED: dict[str, Any] = {"tracked": 2 / 3, "gate": "strict", "selection": "pareto"}
BY_PART = {
    "together": gepa(components="together"),
    "round-robin": gepa(),
    "all": gepa(components="all"),
    "round-robin, 5 merges": gepa(merges=5),
    "all, 5 merges": gepa(components="all", merges=5),
    "published gate": gepa(**PUBLISHED),
    "published, 5 merges": gepa(**PUBLISHED, merges=5),
}


@dataclass(frozen=True)
class Rules:
    """The world as a problem: every row is asked once, and counted.

    Attributes:
        world: The world.
        rows: Its training rows.
        asked: Every pair of a text and a row that was evaluated, with its answer.
    """

    world: World
    rows: Sequence[int]
    asked: dict[tuple[str, int], bool] = field(default_factory=dict, repr=False)
    starts: tuple[str, ...] = (START,)
    scorer: None = None

    @property
    def description(self) -> Description:
        """Say what the texts are for."""
        return Description("Answer questions.", where="before the question", unit="share")

    @property
    def fingerprint(self) -> dict[str, str]:
        """Name the world."""
        return {"world": canonical(asdict(self.world)), "rows": canonical(list(self.rows))}

    def items(self, split: SplitName) -> tuple[Item, ...]:
        """Return the rows, all of them for training."""
        train = tuple(Item(str(row), f"case-{row}", "right") for row in self.rows)
        return train if split == "train" else ()

    def parse(self, text: str) -> str:
        """Return a text as it is."""
        return text

    def exemplar(self, item: Item, placeholder: str) -> Exemplar:
        """Return a row."""
        return Exemplar(item.input, placeholder, item.target)

    def show(self, score: float, buckets: int) -> str:
        """Return a score as a share of the buckets."""
        return f"{score * buckets:.0f}"

    def scale(self, buckets: int) -> str:
        """Return the highest score."""
        return str(buckets)

    def aim(self, best: float, buckets: int) -> str:
        """Return the best score, as shown."""
        return self.show(best, buckets)

    async def measure(self, text: str, item: Item, scorer: Model | None) -> Outcome:
        """Answer a row."""
        del scorer
        key = (text, int(item.id))
        if key not in self.asked:
            self.asked[key] = self.world.right(*key)
        return Outcome(item.id, float(self.asked[key]), "right" if self.asked[key] else "wrong")


@dataclass
class Search:
    """What a search came to.

    Attributes:
        curve: Evaluations made so far, and what the best candidate is worth.
        children: Of each child, its parent's text, its own, and whether it was accepted.
    """

    curve: list[tuple[int, float]] = field(default_factory=list)
    children: list[tuple[str, str, bool]] = field(default_factory=list)

    def worth(self, evaluations: int) -> float:
        """Return what the best candidate is worth after so many evaluations."""
        return ([w for n, w in self.curve if n <= evaluations] or [self.curve[0][1]])[-1]


@dataclass(frozen=True)
class RulesInParts(TwoPartTexts, Rules):
    """The world with two parts as a problem."""

    world: TwoParts
    starts: tuple[str, ...] = (STARTS,)


def problem_of(world: World) -> Rules:
    """Return the problem of a world."""
    if isinstance(world, TwoParts):
        return RulesInParts(world=world, rows=range(ROWS))
    return Rules(world, range(ROWS))


async def search(world: World, algorithm: Algorithm, budget: int) -> Search:
    """Run our method."""
    problem, found, told = problem_of(world), Search(), Trajectory()

    def write(call: Call) -> str:
        text = call.text.partition("<INS>")[2].partition("</INS>")[0]
        if isinstance(world, TwoParts):
            return f"<INS>{world.written(text, call.text, call.sample)}</INS>"
        blocks = call.text.split("Input: ")[1:]
        wrong = [cases(block)[0] for block in blocks if "Answer given: wrong" in block]
        return f"<INS>{world.rewrite(text, wrong, call.sample)}</INS>"

    async def measure(jobs: Sequence[tuple[Candidate, Item]]) -> list[Outcome]:
        return [await problem.measure(one.text, item, None) for one, item in jobs]

    model, seed = ScriptedModel(write), world.seed
    while len(problem.asked) < budget and told.steps < STEPS:
        candidates = tuple(Candidate(text) for text in problem.starts)
        if told.steps:
            asked = await algorithm.ask(problem, told, model, seed, STEPS)
            candidates = asked.candidates
        ctx = StepContext(
            problem=problem, trajectory=told, model=model, step=told.steps, steps=STEPS, seed=seed
        )
        measured = await algorithm.rate(ctx, candidates, problem.items("train"), measure)
        told = told.tell(Entry(*pair) for pair in zip(candidates, measured, strict=True))
        for child, evaluation in zip(candidates, measured, strict=True):
            if child.parents:
                accepted = len(evaluation.outcomes) >= evaluation.planned
                parent = told.entry(child.parents[-1]).text
                found.children.append((parent, child.text, accepted))
        found.curve.append((len(problem.asked), world.worth(told.best(1)[0].text)))
    return found


def package(python: str, world: World, train: int, budget: int) -> Search:
    """Run the published package."""
    given = {
        "world": asdict(world),
        "train": list(range(train)),
        "validation": list(range(train, ROWS)),
        "budget": budget,
        "options": {},
    }
    driver = Path(__file__).with_name("gepa_package.py")
    done = subprocess.run(  # noqa: S603 - the benchmark's own program
        [python, "-I", str(driver)],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        check=True,
    )
    told = json.loads(done.stdout[done.stdout.index("{") :])
    found, best = Search(), -1.0
    kept = set(told["texts"])
    found.children = [(old, new, new in kept) for old, new in told["proposals"]]
    for text, score, evaluations in zip(told["texts"], told["scores"], told["found"], strict=True):
        if score > best:  # the first of equals, as the package chooses
            best = score
            found.curve.append((evaluations, world.worth(text)))
    return found


def gates(searches: Sequence[tuple[World, Search]]) -> str:
    """Return the shares of accepted children: of those no better, better, measured as no better."""
    counts: Counter[tuple[str, bool]] = Counter()
    for world, found in searches:
        for parent, child, accepted in found.children:
            gain = world.worth(child) - world.worth(parent)
            counts["better" if gain > _EQUAL else "no better", accepted] += 1
            fresh = sum(world.right(child, row) - world.right(parent, row) for row in FRESH)
            counts["measured" if fresh <= 0 else "other", accepted] += 1

    def share(kind: str) -> str:
        yes, every = counts[kind, True], counts[kind, True] + counts[kind, False]
        return f"{yes:5}/{every:<5} {100 * yes / max(1, every):4.1f} %"

    return "  ".join(map(share, ("no better", "better", "measured")))


def report(name: str, searches: Sequence[tuple[World, Search]], goal: float, budget: int) -> None:
    """Print a row of the table."""
    means = [np.mean([found.worth(look) for _, found in searches]) for look in LOOKS]
    steps = sorted({n for _, found in searches for n, _ in found.curve})
    reached = (n for n in steps if np.mean([f.worth(n) for _, f in searches]) >= goal - 1e-9)
    needed = next(reached, None)
    share = f"{100 * needed / budget:4.0f} %" if needed else "never"
    row = " ".join(f"{mean:5.3f}" for mean in means)
    print(f"  {name:21} {row}  {gates(searches)}  {share}", flush=True)


def by_part(seeds: int, budget: int) -> None:
    """Print the table of worlds with two parts; the goal is what the first way comes to."""
    for name, worlds in two_parts(seeds).items():
        heading(name)
        goal = 0.0
        for label, algorithm in BY_PART.items():
            done = [(w, asyncio.run(search(w, algorithm, budget))) for w in worlds]
            goal = goal or float(np.mean([found.worth(budget) for _, found in done]))
            report(label, done, goal, budget)


def heading(name: str) -> None:
    """Print the first lines of a table."""
    looks = " ".join(f"{look:5}" for look in LOOKS)
    print(f"{name}\n  {'':21} {looks}  {'no better':>17} {'better':>18} {'measured':>18}")


def environment(folder: Path) -> str:
    """Make an environment with the package, and return its Python."""
    venv.create(folder, with_pip=True)
    python = str(folder / "bin" / "python")
    subprocess.run([python, "-m", "pip", "install", "-q", PACKAGE], check=True)  # noqa: S603
    return python


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--budget", type=int, default=2500, help="row evaluations of a search")
    parser.add_argument("--package", default="", help="Python of an environment with the package")
    parser.add_argument("--worlds", nargs="*", choices=list(WORLDS), default=list(WORLDS))
    parser.add_argument("--parts", action="store_true", help="worlds with two parts instead")
    own = parser.parse_args()
    if own.parts:
        by_part(own.seeds, own.budget)
        return
    with tempfile.TemporaryDirectory() as folder:
        python = own.package or environment(Path(folder))
        for name in own.worlds:
            worlds = [World(seed, **WORLDS[name]) for seed in range(own.seeds)]
            heading(name)
            theirs = {
                f"package, {train}/{ROWS - train}": [
                    (world, package(python, world, train, own.budget)) for world in worlds
                ]
                for train in (ROWS // 3, ROWS // 2)
            }
            first = next(iter(theirs.values()))
            goal = float(np.mean([found.worth(own.budget) for _, found in first]))
            for label, searches in theirs.items():
                report(label, searches, goal, own.budget)
            for label, algorithm in OURS.items():
                done = [(w, asyncio.run(search(w, algorithm, own.budget))) for w in worlds]
                report(label, done, goal, own.budget)


if __name__ == "__main__":
    main()
