"""Are proposals usable? Per method, family, optimizer LLM and task, in the first and a later step.

    python benchmarks/proposals.py --data-dir DATA --optimizers local/qwen2.5-coder-1.5b

A search of four steps of eight draws is run for each cell on 20 training rows, with a small scorer
LLM. A proposal is *usable* by rules that need no judgement: a text can be read from the reply and
the problem takes it; it is no near-copy of a row or of an answer; and on the 20 rows it gets at
least half of the start's score. A text that was proposed before is as usable as it was then, but
adds no variety. *Variety* is the share of usable proposals of all steps that differ in at least
30 % of their words from every usable one before them and from the start. Unusable ones are printed
with the reason.

``--record FILE`` appends every reply with what was read from it, as JSON Lines; with
``--optimizers`` and the rest as it was, tests read them again without a model.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from problems import problem

import llmopt
from llmopt.algorithms import algorithm_named, signature_of
from llmopt.model import Traits
from llmopt.models.registry import model_named
from llmopt.part import Proposed
from llmopt.problem import Refusal
from llmopt.text import folded, word_distance

if TYPE_CHECKING:
    from llmopt.algorithm import Algorithm
    from llmopt.model import Model
    from llmopt.part import Brief, Propose
    from llmopt.problems.prompting import PromptProblem
    from llmopt.search.run import Run

METHODS = (
    *("opro", "sampling", "ape", "gpo", "sgdm", "protegi", "pe2"),
    *("evoprompt-ga", "evoprompt-de", "expo", "drpo"),
)
# Methods differ in how many calls a step takes; these options bring them near to eight proposals.
SIZES: dict[str, dict[str, Any]] = {
    "ape": {"parents": 4, "samples": 4},
    "protegi": {
        **{"beam": 2, "groups": 1, "errors": 3, "reasons": 2, "edits": 2, "paraphrases": 1},
        **{"selection": "everything"},
    },
    "pe2": {"beam": 4},
    "evoprompt-ga": {"population": 8},
    "evoprompt-de": {"population": 8},
    "drpo": {"beam": 2, "samples": 4},
}
TASKS = ("reviews", "tickets", "hyperbaton", "navigate", "gsm8k", "orders")
_COPIED = 0.8  # share of a text's words that stand in one row
_FEW = 4  # words below which a text is no copy of a row
_APART = 0.3  # share of words in which texts differ


@dataclass
class Heard:
    """A `propose` part that keeps what another one proposes."""

    part: Propose
    steps: list[list[Proposed]] = field(default_factory=list)

    @property
    def samples(self) -> int:
        """The draws of the part itself."""
        return getattr(self.part, "samples", 1)

    def check(self, model: Model) -> None:
        """As the part itself."""
        self.part.check(model)

    async def __call__(self, brief: Brief) -> tuple[Proposed, ...]:
        """Return what the part proposes."""
        found = await self.part(brief)
        while len(self.steps) <= brief.step:
            self.steps.append([])
        self.steps[brief.step] += found
        return found


@dataclass(frozen=True)
class Judged:
    """One proposal: its text or reply, and why it is not usable; empty if it is."""

    text: str
    reason: str


def judged(proposed: Proposed, run: Run, asked: PromptProblem, start: float) -> Judged:
    """Return whether a proposal is usable, after its step was told."""
    found = proposed.text if isinstance(proposed.text, Refusal) else asked.parse(proposed.text)
    if isinstance(found, Refusal):
        return Judged(proposed.reply, found.reason)
    for item in asked.items("train"):
        words = folded(found).split()
        row = set(folded(item.input).split())
        shared = sum(word in row for word in words)
        if len(words) >= _FEW and shared >= _COPIED * len(words):
            return Judged(found, "a near-copy of a row")
        if folded(found).strip(".") == folded(item.target):
            return Judged(found, "an answer")
    entry = run.trajectory.entry(llmopt.types.Candidate(found).id)
    score = entry.evaluation.score or 0.0
    if score < start / 2:
        return Judged(found, f"scores {100 * score:.0f} where the start scores {100 * start:.0f}")
    return Judged(found, "")


def apart(text: str, others: list[str]) -> bool:
    """Return whether a text differs from all others in enough of its words."""
    words = folded(text)
    return all(
        word_distance(folded(other), words)
        >= _APART * max(len(other.split()), len(words.split()), 1)
        for other in others
    )


def method(name: str, family: str, options: dict[str, Any]) -> Algorithm:
    """Return a method of the family with the options that it has."""
    known = signature_of(name).parameters
    wanted = {**SIZES.get(name, {}), "family": family, **options}
    return algorithm_named(name, {key: value for key, value in wanted.items() if key in known})


@dataclass
class Cell:
    """What was found in one cell: per step the proposals, judged; and the replies."""

    steps: dict[int, list[Judged]]
    variety: float
    records: list[dict[str, Any]]


async def measured(
    asked: PromptProblem, algorithm: Algorithm, optimizer: Model, steps: int, seed: int
) -> Cell:
    """Search for some steps and judge what is proposed."""
    from dataclasses import replace

    heard = Heard(algorithm.propose)
    found: dict[int, list[Judged]] = {}
    records = []
    usable = list(asked.starts)
    far = 0
    with tempfile.TemporaryDirectory() as folder:
        async with llmopt.prepare(
            asked,
            algorithm=replace(algorithm, propose=heard),
            optimizer=optimizer,
            steps=steps,
            seed=seed,
            store=Path(folder) / "store.sqlite",
            controls=(),
        ) as run:
            while not run.why_stop():
                await run.step()
                step = run.trajectory.steps - 1
                if not step:
                    start = run.trajectory.entry(llmopt.types.Candidate(asked.starts[0]).id)
                    score = start.evaluation.score or 0.0
                    continue
                proposals = heard.steps[step] if step < len(heard.steps) else []
                found[step] = [judged(one, run, asked, score) for one in proposals]
                for proposed, one in zip(proposals, found[step], strict=True):
                    records.append({"step": step, "reply": proposed.reply, "reason": one.reason})
                    if not one.reason:
                        far += apart(one.text, usable)
                        usable.append(one.text)
    return Cell(found, far / max(1, len(usable) - len(asked.starts)), records)


def with_family(model: Model, family: str) -> str:
    """Return the family to ask with: the wanted one, or the model's own."""
    assert isinstance(model.traits, Traits)  # noqa: S101 - a model has traits
    return family or model.traits.family


def share(judgements: list[Judged]) -> str:
    """Return how many are usable."""
    return f"{sum(not one.reason for one in judgements):3}/{len(judgements):<3}"


def main() -> None:
    """Print a row per cell, the unusable proposals, and the sums per method."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--optimizers", nargs="+", default=["local/qwen2.5-coder-1.5b"])
    parser.add_argument("--families", nargs="+", default=[""], help="default: the model's own")
    parser.add_argument("--methods", nargs="+", default=list(METHODS))
    parser.add_argument("--tasks", nargs="+", default=list(TASKS))
    parser.add_argument("--scorer", default="local/smollm2-135m")
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--rows", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--record", type=Path)
    parser.add_argument("-o", dest="options", action="append", default=[], help="KEY=JSON")
    arguments = parser.parse_args()
    options = {
        key: json.loads(value) for key, value in (o.split("=", 1) for o in arguments.options)
    }
    scorer = model_named(arguments.scorer)
    sums: dict[tuple[str, str, str], dict[int, list[Judged]]] = {}
    for optimizer_name in arguments.optimizers:
        optimizer = scorer if optimizer_name == arguments.scorer else model_named(optimizer_name)
        for family in arguments.families:
            chosen = with_family(optimizer, family)
            for task in arguments.tasks:
                rows = (arguments.rows, 4, 4)
                asked = problem(task, data_dir=arguments.data_dir, scorer=scorer, rows=rows)
                for name in arguments.methods:
                    algorithm = method(name, chosen, options)
                    cell = asyncio.run(
                        measured(asked, algorithm, optimizer, arguments.steps, arguments.seed)
                    )
                    first, last = cell.steps.get(1, []), cell.steps.get(arguments.steps, [])
                    print(
                        f"{optimizer_name:26} {chosen:12} {task:11} {name:13} first {share(first)} "
                        f"last {share(last)} variety {100 * cell.variety:4.0f} %",
                        flush=True,
                    )
                    for step, judgements in cell.steps.items():
                        for one in judgements:
                            if one.reason:
                                print(f"    step {step}: {one.reason}: {one.text[:160]!r}")
                    row = sums.setdefault((optimizer_name, chosen, name), {1: [], 4: []})
                    row[1] += first
                    row[4] += last
                    if arguments.record:
                        with arguments.record.open("a", encoding="utf-8") as file:
                            for record in cell.records:
                                about = {"optimizer": optimizer_name, "family": chosen}
                                about |= {"task": task, "method": name}
                                file.write(json.dumps(about | record) + "\n")
    print("\nAll tasks together")
    for (optimizer_name, chosen, name), row in sums.items():
        print(
            f"{optimizer_name:26} {chosen:12} {name:13} first {share(row[1])} last {share(row[4])}"
        )


if __name__ == "__main__":
    main()
