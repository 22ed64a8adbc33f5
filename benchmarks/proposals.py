"""Are proposals usable? Per method, family, optimizer LLM and task, in the first and a later step.

    python benchmarks/proposals.py --data-dir DATA --optimizer local/qwen2.5-coder-1.5b

A search of four steps of eight draws is run for each cell on 20 training rows, with a small scorer
LLM. A proposal is *usable* by rules that need no judgement: a text can be read from the reply and
the problem takes it; it is no near-copy of a row or of an answer; and on the 20 rows it gets at
least half of the start's score. A text that was proposed before is as usable as it was then, but
adds no variety. *Variety* is the share of usable proposals of all steps that differ in at least
30 % of their words from every usable one before them and from the start. Unusable ones are printed
with the reason.

``--record FILE`` appends every reply with what became of it, as JSON Lines: tests read such replies
again without a model (``tests/benchmarks/recordings``).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from problems import problem

import llmopt
from llmopt.algorithms import algorithm_named, signature_of
from llmopt.core.problem import Refusal
from llmopt.core.text import folded, word_distance
from llmopt.models.registry import model_named

if TYPE_CHECKING:
    from llmopt.core.algorithm import Algorithm
    from llmopt.core.model import Model
    from llmopt.core.part import Propose, Proposed, StepContext
    from llmopt.engine.run import Run
    from llmopt.problems.prompt.prompt_problem import PromptProblem

METHODS = (
    *("opro", "sampling", "ape", "gpo", "sgdm", "protegi", "pe2"),
    *("evoprompt-ga", "evoprompt-de", "expo", "drpo"),
)
# Methods differ in how many calls a step takes; these options bring them near to eight proposals.
SIZES: dict[str, dict[str, Any]] = {
    "ape": {"parents": 4, "samples": 4},
    "protegi": {
        "beam": 2,
        "groups": 1,
        "errors": 3,
        "reasons": 2,
        "edits": 1,
        "paraphrases": 1,
        "selection": "everything",
    },
    "pe2": {"parents": 2, "batches": 2, "question_tokens": 200},
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

    async def __call__(self, ctx: StepContext) -> tuple[Proposed, ...]:
        """Return what the part proposes."""
        found = await self.part(ctx)
        while len(self.steps) <= ctx.step:
            self.steps.append([])
        self.steps[ctx.step] += found
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
    entry = run.trajectory.entry(llmopt.core.values.Candidate(found).id)
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
                    start = run.trajectory.entry(llmopt.core.values.Candidate(asked.starts[0]).id)
                    score = start.evaluation.score or 0.0
                    continue
                proposals = heard.steps[step] if step < len(heard.steps) else []
                found[step] = [judged(one, run, asked, score) for one in proposals]
                for proposed, one in zip(proposals, found[step], strict=True):
                    text = one.text if one.reason == "" else None
                    records.append({"step": step, "reply": proposed.reply, "text": text})
                    if not one.reason:
                        far += apart(one.text, usable)
                        usable.append(one.text)
    return Cell(found, far / max(1, len(usable) - len(asked.starts)), records)


def share(judgements: list[Judged]) -> str:
    """Return how many are usable."""
    return f"{sum(not one.reason for one in judgements):3}/{len(judgements):<3}"


def printed(name: str, cell: Cell, last: int) -> None:
    """Print a cell: the shares, then what is not usable."""
    first, later = (share(cell.steps.get(step, [])) for step in (1, last))
    print(f"{name} first {first} last {later} variety {100 * cell.variety:4.0f} %")
    for step, judgements in cell.steps.items():
        for one in judgements:
            if one.reason:
                print(f"    step {step}: {one.reason}: {one.text[:160]!r}", flush=True)


def recorded(path: Path, cell: Cell, about: dict[str, str]) -> None:
    """Append the replies of a cell to a file."""
    with path.open("a", encoding="utf-8") as file:
        for record in cell.records:
            file.write(json.dumps(about | record, ensure_ascii=False) + "\n")


def main() -> None:
    """Print a row per cell, the unusable proposals, and the sums per method."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-dir", type=Path, help="for tasks of the papers")
    parser.add_argument("--optimizer", default="local/qwen2.5-coder-1.5b")
    parser.add_argument("--family", default="", help="default: what suits the optimizer LLM")
    parser.add_argument("--methods", nargs="+", default=list(METHODS))
    parser.add_argument("--tasks", nargs="+", default=list(TASKS))
    parser.add_argument("--scorer", default="local/smollm2-135m")
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--rows", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--record", type=Path)
    parser.add_argument("-o", dest="options", action="append", default=[], help="KEY=JSON")
    arguments = parser.parse_args()
    named = dict(option.split("=", 1) for option in arguments.options)
    options = {key: json.loads(value) for key, value in named.items()}
    scorer = model_named(arguments.scorer)
    same = arguments.optimizer == arguments.scorer
    optimizer = scorer if same else model_named(arguments.optimizer)
    family = arguments.family or optimizer.traits.family
    sums: dict[str, tuple[list[Judged], list[Judged]]] = {}
    for task in arguments.tasks:
        rows = (arguments.rows, 4, 4)
        asked = problem(task, data_dir=arguments.data_dir, scorer=scorer, rows=rows)
        for name in arguments.methods:
            algorithm = method(name, family, options)
            cell = asyncio.run(
                measured(asked, algorithm, optimizer, arguments.steps, arguments.seed)
            )
            printed(f"{arguments.optimizer} {family} {task:11} {name:13}", cell, arguments.steps)
            first, last = sums.setdefault(name, ([], []))
            first += cell.steps.get(1, [])
            last += cell.steps.get(arguments.steps, [])
            if arguments.record:
                about = {"optimizer": arguments.optimizer, "family": family, "task": task}
                recorded(arguments.record, cell, about | {"method": name})
    print("\nAll tasks together")
    for name, (first, last) in sums.items():
        print(f"{arguments.optimizer} {family} {name:13} first {share(first)} last {share(last)}")


if __name__ == "__main__":
    main()
