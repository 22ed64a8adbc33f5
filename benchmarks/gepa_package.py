"""Runs the published GEPA package in the world of `hidden_rules.py`; started by `gepa.py`.

Run with ``python -I`` in an environment that has the package. Reads one JSON object from the
standard input: the fields of the world, the rows for `train` and `validation`, `budget` in row
evaluations, and `options` of ``gepa.optimize``. Writes one JSON object: the candidates with their
discovery counts, every proposal, and the evaluations made.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parent))

from hidden_rules import START, World, cases  # found by the line above

import gepa  # isort: skip  # the package, which a script of this name must not hide


class Silent:
    """A logger that writes nothing."""

    def log(self, message: str) -> None:
        """Write nothing."""


class Adapter:
    """The world as the package sees it: evaluations, and records of what went wrong.

    Attributes:
        evaluated: Rows evaluated, each time.
        different: Pairs of a text and a row evaluated.
    """

    propose_new_texts = None

    def __init__(self, world: World) -> None:
        self._world = world
        self.evaluated = 0
        self.different: set[tuple[str, int]] = set()

    def evaluate(
        self, batch: list[int], candidate: dict[str, str], capture_traces: bool = False
    ) -> Any:
        """Evaluate a candidate on rows."""
        text = candidate["instruction"]
        self.evaluated += len(batch)
        self.different.update((text, row) for row in batch)
        scores = [float(self._world.right(text, row)) for row in batch]
        traces = list(zip(batch, scores, strict=True)) if capture_traces else None
        return gepa.EvaluationBatch(outputs=scores, scores=scores, trajectories=traces)

    def make_reflective_dataset(
        self, candidate: dict[str, str], eval_batch: Any, components_to_update: list[str]
    ) -> dict[str, list[dict[str, Any]]]:
        """Return a record for each row."""
        del candidate
        records = [
            {
                "Inputs": f"question {row}",
                "Generated Outputs": "an answer",
                "Feedback": "right" if score else f"wrong: case-{row}",
            }
            for row, score in eval_batch.trajectories
        ]
        return dict.fromkeys(components_to_update, records)


def main() -> None:
    """Run the package once."""
    given = json.load(sys.stdin)
    world = World(**given["world"])
    adapter = Adapter(world)
    proposals: list[tuple[str, str]] = []

    def reflect(prompt: Any) -> str:
        current = prompt.split("```")[1].strip("\n")
        made = world.rewrite(current, cases(prompt), len(proposals))
        proposals.append((current, made))
        return f"```\n{made}\n```"

    result = gepa.optimize(
        seed_candidate={"instruction": START},
        trainset=given["train"],
        valset=given["validation"],
        adapter=adapter,
        reflection_lm=reflect,
        max_metric_calls=given["budget"],
        seed=world.seed,
        logger=Silent(),
        **given["options"],
    )
    json.dump(
        {
            "texts": [candidate["instruction"] for candidate in result.candidates],
            "scores": result.val_aggregate_scores,
            "found": result.discovery_eval_counts,
            "proposals": proposals,
            "evaluated": adapter.evaluated,
            "different": len(adapter.different),
            "counted": result.total_metric_calls,
        },
        sys.stdout,
    )


if __name__ == "__main__":
    main()
