"""What to measure next: every way of it, on recorded score tables and in simulated searches.

    python benchmarks/selection.py --capo FOLDER --answers FOLDER --searches 100

*Recorded tables* (``--capo``): ``block_scores.json.gz`` is a list of ``{"run": …, "scores":
[[…], …]}`` with a row per prompt and a column per block of rows, and ``trajectories.csv.gz`` has
each prompt's score on development rows and on other, held-out rows. Prompts that were measured on
every block, and whose held-out score is known by their score on all of them, are a table's
candidates. *Recorded answers* (``--answers``): a folder of ``*.csv``, each a table with a line per
candidate and a column per item, scores from 0 to 1; a random half of the columns is held out.

Each rule sees a table's columns in random orders, pays for what it looks at, and chooses one. What
counts is the held-out score of the chosen one above that of the mean candidate, as a share of what
measuring everything gets. Intervals are over tables (bootstrap, 95 %).

*Simulated searches* run the shipped parts: a start and 10 steps of 8, a choice on as many
validation items as there are train items. Proposals pay no heed to scores and are far apart
("wide"), or close to each other ("close"); or 70 % go on from one of the 8 that are shown
("follow"). Items are easy or hard in two ways, one for each style of solution. Differences are
those of the winners' true accuracy in points, with 95 % intervals over searches; calls are in per
cent of measuring everything, validation included.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import gzip
import json
import math
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from llmopt.core.trajectory import Entry, Trajectory
from llmopt.core.values import Candidate, Item, Outcome
from llmopt.parts.ability import AbilityRace
from llmopt.parts.bandits import UCB, SuccessiveRejects
from llmopt.parts.racing import Racing, stages
from llmopt.parts.rate import Everything, Halving
from llmopt.statistics import fit_rasch
from llmopt.testing import scripted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.random import RandomState
    from numpy.typing import NDArray

    from llmopt.core.part import Rate

    Floats = NDArray[np.float64]
    Rule = Callable[[Floats, RandomState], tuple[int, int]]

LEAST = 16  # candidates of a table
ORDERS = 10  # of the columns of a table
NORMAL = NormalDist()

# -- rules on a table -------------------------------------------------------------------------


def everything(table: Floats, random: RandomState) -> tuple[int, int]:
    """Measure all on everything."""
    del random
    return int(table.mean(axis=1).argmax()), table.size


def looks(columns: int) -> tuple[int, ...]:
    """Return after how many columns a halving looks: a tenth, a fifth, two fifths, four fifths."""
    return tuple(max(1, round(columns * share)) for share in (0.1, 0.2, 0.4, 0.8))


def halving(table: Floats, random: RandomState) -> tuple[int, int]:
    """Sequential halving on common rows."""
    del random
    left, spent, seen = np.arange(len(table)), 0, 0
    for size in looks(table.shape[1]):
        spent, seen = spent + len(left) * (size - seen), size
        order = np.argsort(-table[left, :seen].mean(axis=1), kind="stable")
        left = np.sort(left[order[: math.ceil(len(left) / 2)]])
    return int(left[table[left, :seen].mean(axis=1).argmax()]), spent


def staged(table: Floats, random: RandomState) -> tuple[int, int]:
    """Stages: a tenth, then the better half on three tenths, the better half of these on all."""
    del random
    left, spent, seen, columns = np.arange(len(table)), 0, 0, table.shape[1]
    for size in (max(1, round(0.1 * columns)), round(0.3 * columns), columns):
        spent, seen = spent + len(left) * (size - seen), size
        if size < columns:
            order = np.argsort(-table[left, :seen].mean(axis=1), kind="stable")
            left = np.sort(left[order[: math.ceil(len(left) / 2)]])
    return int(left[table[left].mean(axis=1).argmax()]), spent


def raced(share: float) -> Rule:
    """Return the shipped race on a table, whose looks are at least one column apart."""
    rule = Racing(share=share)

    def race(table: Floats, random: RandomState) -> tuple[int, int]:
        del random
        left, spent, seen, columns = list(range(len(table))), 0, 0, table.shape[1]
        sizes = stages(columns) if columns > 11 else (1, 2, 4, 7, columns)  # noqa: PLR2004 - few
        nobody = np.empty((0, columns))
        for size in sizes:
            spent, seen = spent + len(left) * (size - seen), size
            if size < columns:
                known = (table[left, :size], nobody[:, :size], np.ones(columns))
                left = [left[i] for i in rule.survivors(*known, len(table), spent)]
        return max(left, key=lambda i: table[i].mean()), spent

    return race


def paired(table: Floats, random: RandomState) -> tuple[int, int]:
    """At most half go on, and nobody whose paired difference to the best is surely below 0."""
    del random
    left, spent, seen = np.arange(len(table)), 0, 0
    for size in looks(table.shape[1]):
        spent, seen = spent + len(left) * (size - seen), size
        means = table[left, :seen].mean(axis=1)
        lead = table[left[means.argmax()], :seen] - table[left, :seen]
        error = lead.std(axis=1, ddof=1) / math.sqrt(seen) if seen > 1 else np.full(len(left), 9.0)
        stay = lead.mean(axis=1) <= 1.3 * error
        order = np.argsort(-means, kind="stable")[: math.ceil(len(left) / 2)]
        left = np.sort([left[i] for i in order if stay[i]])
    return int(left[table[left, :seen].mean(axis=1).argmax()]), spent


def ucb(table: Floats, random: RandomState) -> tuple[int, int]:
    """Upper confidence bounds: a column for all, then one more for the highest bound each time."""
    del random
    rows, columns = table.shape
    pulls, budget = np.ones(rows, dtype=int), math.floor(0.25 * table.size)
    spent, sums = rows, table[:, 0].copy()
    spread = max(0.02, float(table[:, 0].std()) / 3)
    while spent < budget and np.any(pulls < columns):
        bound = sums / pulls + spread * np.sqrt(2 * math.log(spent) / pulls)
        arm = int(np.where(pulls < columns, bound, -np.inf).argmax())
        sums[arm] += table[arm, pulls[arm]]
        pulls[arm], spent = pulls[arm] + 1, spent + 1
    most = np.where(pulls >= np.sort(pulls)[-3], sums / pulls, -np.inf)
    return int(most.argmax()), spent


def rejects(table: Floats, random: RandomState) -> tuple[int, int]:
    """Successive rejects within a quarter of the calls: one leaves after each phase."""
    del random
    rows, columns = table.shape
    budget = math.floor(0.25 * table.size)
    harmonic = 0.5 + sum(1 / i for i in range(2, rows + 1))
    left, spent, seen = np.arange(rows), 0, 0
    for phase in range(1, rows):
        size = math.ceil((budget - rows) / harmonic / (rows + 1 - phase))
        size = max(seen, min(columns, max(1, size)))
        spent, seen = spent + len(left) * (size - seen), size
        means = table[left, :seen].mean(axis=1)
        left = np.delete(left, len(left) - 1 - int(means[::-1].argmin()))
    return int(left[0]), spent


def top_two(table: Floats, random: RandomState) -> tuple[int, int]:
    """Top-two Thompson sampling on normal posteriors whose column effects are taken out."""
    rows, columns = table.shape
    pulls, budget = np.ones(rows, dtype=int), math.floor(0.25 * table.size)
    usual = table[:, :1] - table[:, :1].mean(axis=0)
    between = max(1e-4, float(usual.var()))
    noise, sums, spent = between / 2, usual[:, 0].copy(), rows
    while spent < budget and np.any(pulls < columns):
        share = between / (between + noise / pulls)
        mean, spread = share * sums / pulls, np.sqrt(between * (1 - share))
        best = int((mean + spread * random.normal(size=rows)).argmax())
        if random.random_sample() < 0.5:  # noqa: PLR2004 - the challenger, every other time
            drawn = mean + spread * random.normal(size=rows)
            drawn[best] = -np.inf
            best = int(drawn.argmax())
        if pulls[best] >= columns:
            best = int(np.where(pulls < columns, mean, -np.inf).argmax())
        at = pulls[best]
        measured = pulls > at
        level = (
            table[measured, at].mean() - (sums / pulls)[measured].mean()
            if any(measured)
            else (table[best, at] - sums[best] / pulls[best])
        )
        sums[best] += table[best, at] - level
        pulls[best], spent = at + 1, spent + 1
    share = between / (between + noise / pulls)
    return int((share * sums / pulls).argmax()), spent


def able(chance: float, most: float, k: int = 1) -> Rule:
    """Return a race by abilities on a table: at most a share of those left goes on."""
    rule = AbilityRace(chance=chance, k=k)

    def race(table: Floats, random: RandomState) -> tuple[int, int]:
        del random
        known = np.full(table.shape, np.nan)
        left, spent, tried = list(range(len(table))), 0, np.zeros(table.shape[1], dtype=bool)
        model = fit_rasch(known)
        for size in looks(table.shape[1]):
            level = float(np.sort(model.ability)[-k:][0])
            order = np.argsort(np.where(tried, 1.0, -model.information(level)), kind="stable")
            block = order[: size - int(tried.sum())]
            tried[block] = True
            known[np.ix_(left, block)] = table[np.ix_(left, block)]
            spent += len(left) * len(block)
            model = fit_rasch(known)
            ranked = sorted(left, key=lambda i: -model.ability[i])
            wanted = set(ranked[: max(1, math.ceil(most * len(left)))])
            left = [i for i in rule.staying(model, left, 0) if i in wanted]
            if len(left) == 1:
                break
        return max(left, key=lambda i: model.ability[i]), spent

    return race


RULES: dict[str, Rule] = {
    "everything": everything,
    "stages (1/10, 3/10)": staged,
    "race, share .5": raced(0.5),
    "race, share .3": raced(0.3),
    "UCB, a quarter": ucb,
    "successive rejects": rejects,
    "top-two Thompson": top_two,
    "halving, common rows": halving,
    "halving, paired test": paired,
    "ability, chance .1": able(0.1, 1.0),
    "ability, halved": able(0.001, 0.5),
    "ability, halved, chance .05": able(0.05, 0.5),
}

# -- recorded tables --------------------------------------------------------------------------


@dataclass(frozen=True)
class Recorded:
    """A table: its name, the scores that rules may look at, and what they are judged by."""

    name: str
    scores: Floats
    held: Floats


def block_tables(folder: Path) -> Iterator[Recorded]:
    """Yield the recorded block tables with held-out scores."""
    held: dict[str, dict[float, list[float]]] = defaultdict(lambda: defaultdict(list))
    with gzip.open(folder / "trajectories.csv.gz", "rt") as file:
        for row in csv.DictReader(file):
            if row["test_score"] and row["dev_score"]:
                known = held[row["run"]][round(float(row["dev_score"]), 3)]
                known.append(float(row["test_score"]))
    with gzip.open(folder / "block_scores.json.gz", "rt") as file:
        tables = json.load(file)
    for table in tables:
        known = held[table["run"]]
        full = [row for row in table["scores"] if len(row) > 1 and None not in row]
        found = [(row, round(sum(row) / len(row), 3)) for row in full]
        rows = [(row, float(np.mean(known[mean]))) for row, mean in found if mean in known]
        if len(rows) >= LEAST:
            scores, tested = zip(*rows, strict=True)
            yield Recorded(table["run"], np.array(scores), np.array(tested))


def answer_tables(folder: Path) -> Iterator[Recorded]:
    """Yield tables of single answers, of whose columns a half is held out."""
    for path in sorted(folder.glob("*.csv")):
        scores = np.genfromtxt(path, delimiter=",", ndmin=2)
        columns = np.random.RandomState(len(scores)).permutation(scores.shape[1])
        seen, held = np.array_split(columns, 2)
        yield Recorded(path.stem, scores[:, seen], scores[:, held].mean(axis=1))


@dataclass(frozen=True)
class Gain:
    """What a rule gets of a table's candidates above their mean, and its share of the calls."""

    gain: float
    calls: float


def replayed(rule: Rule, table: Recorded, size: int | None) -> Gain:
    """Return the mean over random orders of columns, and of candidates where `size` are drawn."""
    gains, calls = [], []
    for seed in range(ORDERS):
        random = np.random.RandomState(seed)
        rows = random.permutation(len(table.scores))[:size]
        scores = table.scores[rows][:, random.permutation(table.scores.shape[1])]
        chosen, spent = rule(scores, random)
        gains.append(table.held[rows][chosen] - table.held[rows].mean())
        calls.append(spent / scores.size)
    return Gain(float(np.mean(gains)), float(np.mean(calls)))


def print_tables(title: str, tables: Sequence[Recorded], size: int | None) -> None:
    """Print what each rule keeps of the gain of measuring everything."""
    print(f"\n{title}: {len(tables)} tables")
    print(f"{'':28} {'calls %':>7} {'gain kept %':>11} {'95 % interval':>15} {'points':>15}")
    resampled = np.random.RandomState(0).randint(0, len(tables), (2000, len(tables)))
    full = np.array([replayed(everything, table, size).gain for table in tables])
    for name, rule in RULES.items():
        found = [replayed(rule, table, size) for table in tables]
        gains = np.array([one.gain for one in found])
        kept = 100 * gains.sum() / full.sum()
        shares = 100 * gains[resampled].sum(axis=1) / full[resampled].sum(axis=1)
        low, high = np.percentile(shares, [2.5, 97.5])
        calls = 100 * np.mean([one.calls for one in found])
        points = interval(100 * (gains - full))
        between = f"{low:.1f} to {high:.1f}"
        print(f"{name:28} {calls:7.1f} {kept:11.1f} {between:>15} {points:>15}", flush=True)


# -- simulated searches -----------------------------------------------------------------------

ALIKE, STYLES = 0.85, 0.3  # correlation within a style, and of the two styles' difficulties
STEPS, EACH, SHOWN, HEEDS = 10, 8, 8, 0.7
TRAIN_COUNTS = 0.25  # in a choice on train and validation, as shipped
WORLDS = ("wide", "close", "follow")


class World:
    """Solutions with true accuracies, and their answers to train and validation items."""

    def __init__(self, name: str, items: int, seed: int) -> None:
        self.name, self.size = name, items
        self._random = np.random.RandomState(seed)
        first, second = self._random.normal(size=(2, 2 * items))
        self._hard = (first, STYLES * first + math.sqrt(1 - STYLES**2) * second)
        self.ability: list[float] = []
        self._style: list[int] = []
        self.right: list[Floats] = []
        self._add(NORMAL.inv_cdf(0.5), 0)
        self.calls = 0

    def propose(self, shown: Sequence[int]) -> None:
        """Add a solution."""
        chance, pick, style = self._random.random_sample(3)
        change, parent = self._random.normal(), shown[int(pick * len(shown))]
        if self.name == "follow" and chance < HEEDS:
            self._add(self.ability[parent] + 0.15 * change, self._style[parent])
            return
        accuracy = 0.55 + (0.04 if self.name == "close" else 0.1) * change
        if self.name == "wide" and chance < 0.2:  # noqa: PLR2004 - share of what is no use
            accuracy = 0.3 * abs(change) / 3
        self._add(NORMAL.inv_cdf(min(0.97, max(0.02, accuracy))), int(style < 0.5))  # noqa: PLR2004

    def _add(self, ability: float, style: int) -> None:
        luck = self._random.normal(size=2 * self.size)
        latent = math.sqrt(ALIKE) * self._hard[style] + math.sqrt(1 - ALIKE) * luck
        self.ability.append(ability)
        self._style.append(style)
        self.right.append((latent < ability).astype(float))

    async def measure(self, jobs: Sequence[tuple[Candidate, Item]]) -> list[Outcome]:
        """Return answers to train items."""
        self.calls += len(jobs)
        return [Outcome(i.id, float(self.right[int(c.text)][int(i.id)]), "a") for c, i in jobs]


def searched(world: World, rate: Rate) -> Trajectory:
    """Search 10 steps of 8."""
    items = [Item(str(n)) for n in range(world.size)]
    trajectory, told = Trajectory(), 0
    for step in range(STEPS + 1):
        if step:
            shown = [int(entry.text) for entry in trajectory.promising(SHOWN)]
            for _ in range(EACH):
                world.propose(shown)
        made = [Candidate(str(n), step) for n in range(told, len(world.right))]
        told = len(world.right)
        found = asyncio.run(rate(scripted.context(trajectory), made, items, world.measure))
        trajectory = trajectory.tell(map(Entry, made, found))
    return trajectory


def answers_of(trajectory: Trajectory, size: int) -> Floats:
    """Return what was measured on train, a row per solution, NaN elsewhere."""
    known = np.full((len(trajectory), size), np.nan)
    for entry in trajectory:
        for outcome in entry.evaluation.outcomes:
            known[int(entry.text), int(outcome.item)] = outcome.score
    return known


def chosen(world: World, trajectory: Trajectory, finals: Sequence[float], most: int) -> int:
    """Choose among finalists, who halve after each share of the validation items but the last."""
    best = [int(e.text) for e in trajectory.best(most) if e.evaluation.comparable]
    left = list(dict.fromkeys([*best, 0]))
    train = answers_of(trajectory, world.size)
    held = np.full_like(train, np.nan)
    seen = 0
    for share in finals:
        size = round(share * world.size)
        world.calls += len(left) * (size - seen)
        for row in left:
            held[row, :size] = world.right[row][world.size : world.size + size]
        seen = size
        score = pooled(train[left], held[left])
        keep = 1 if share == finals[-1] else max(2, math.ceil(len(left) / 2))
        left = [left[i] for i in np.sort(np.argsort(-score, kind="stable")[:keep])]
    return left[0]


def pooled(train: Floats, held: Floats) -> Floats:
    """Return the mean of each row above the mean of all on its items; train counts a quarter."""
    both = np.hstack([train, held])
    seen = ~np.isnan(both)
    counts = np.maximum(1, seen.sum(axis=0))
    usual = np.where(seen, both, 0.0).sum(axis=0) / counts
    weights = np.repeat([TRAIN_COUNTS, 1.0], [train.shape[1], held.shape[1]]) * seen
    mean: Floats = (np.where(seen, both - usual, 0.0) * weights).sum(axis=1) / weights.sum(axis=1)
    return mean


@dataclass(frozen=True)
class Way:
    """What is measured on train, and of how many finalists on which shares of validation."""

    rate: Rate
    finalists: int = 10
    finals: tuple[float, ...] = (1.0,)


HALVED = (0.25, 0.5, 0.75, 1.0)
WAYS: dict[str, Way] = {
    "everything": Way(Everything()),
    "everything, finals halved": Way(Everything(), 20, HALVED),
    "stages (8, 24)": Way(Halving((8, 24))),
    "race, share .5": Way(Racing(share=0.5)),
    "race, share .3": Way(Racing(share=0.3)),
    "UCB, k 1": Way(UCB(1, 160)),
    "successive rejects, k 1": Way(SuccessiveRejects(1, 160)),
    "ability": Way(AbilityRace()),
    "ability, finals halved": Way(AbilityRace(), 20, HALVED),
    "ability, cap 1/3, halved": Way(AbilityRace(chance=0.2, cap=1 / 3), 20, HALVED),
}


def print_searches(items: int, searches: int, only: str) -> None:
    """Print calls and the winner's true accuracy of each way, beside measuring everything."""
    print(f"\n{items} train and {items} validation items, {searches} searches")
    for name in WORLDS:
        usual: Floats | None = None
        for label, way in WAYS.items():
            if usual is not None and only not in label:
                continue
            found = np.array([outcome(name, items, seed, way) for seed in range(searches)])
            usual = found if usual is None else usual
            calls = 100 * found[:, 1].sum() / usual[:, 1].sum()
            gain = interval(found[:, 0] - usual[:, 0])
            print(
                f"{name:8} {label:28} {calls:6.1f} % {found[:, 0].mean():7.2f} {gain}", flush=True
            )


def outcome(name: str, items: int, seed: int, way: Way) -> tuple[float, int]:
    """Return the winner's true accuracy in per cent, and the calls."""
    world = World(name, items, seed)
    trajectory = searched(world, way.rate)
    winner = chosen(world, trajectory, way.finals, way.finalists)
    return 100 * NORMAL.cdf(world.ability[winner]), world.calls


def interval(differences: Floats) -> str:
    """Return a mean with its 95 % interval."""
    half = 1.96 * differences.std(ddof=1) / math.sqrt(len(differences))
    return f"{differences.mean():+6.2f} ± {half:.2f}"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--capo", type=Path, help="folder of recorded block tables")
    parser.add_argument("--answers", type=Path, help="folder of recorded answers")
    parser.add_argument("--searches", type=int, default=100, help="simulated; 0: none")
    parser.add_argument("--items", type=int, nargs="*", default=[100, 300])
    parser.add_argument("--only", default="", help="ways of the searches with this in their name")
    own = parser.parse_args()
    if own.capo:
        tables = list(block_tables(own.capo))
        print_tables("block tables, all candidates", tables, None)
        print_tables(f"block tables, {LEAST} candidates drawn", tables, LEAST)
    if own.answers:
        print_tables("recorded answers", list(answer_tables(own.answers)), None)
    for items in own.items if own.searches else ():
        print_searches(items, own.searches, own.only)


if __name__ == "__main__":
    main()
