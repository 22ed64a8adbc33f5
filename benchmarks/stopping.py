"""What ending a search early saves and loses, replayed over recorded runs.

    python benchmarks/stopping.py --capo FOLDER

``trajectories.csv.gz`` has a row per prompt and step with its scores on 300 development rows and on
held-out rows, and the tokens of each step. After each step, ``run.stop = "no more gain"`` sees the
development scores of what is new. What counts is the held-out score of the best prompt
by development score, at the end of the run and where the rule ends it, and the tokens up to there.
Single answers are not recorded, so the luck of a score is half of that of independent answers.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import math
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from llmopt.engine.no_more_gain import AHEAD, LEAST_GAIN
from llmopt.statistics import further_gain

ROWS, SHARED, LEAST_STEPS = 300, 0.5, 3


@dataclass(frozen=True)
class Replayed:
    """Of one run: the points lost, the tokens up to the end by the rule, and all of them."""

    lost: float
    used: float
    tokens: float


def recorded(folder: Path) -> list[dict[int, list[dict[str, str]]]]:
    """Return the rows of each run by their step."""
    runs: dict[str, dict[int, list[dict[str, str]]]] = defaultdict(lambda: defaultdict(list))
    with gzip.open(folder / "trajectories.csv.gz", "rt") as file:
        for row in csv.DictReader(file):
            if row["dev_score"]:
                runs[row["run"]][int(row["step"])].append(row)
    return [dict(sorted(steps.items())) for steps in runs.values() if len(steps) >= LEAST_STEPS]


def replayed(run: dict[int, list[dict[str, str]]], least: float) -> Replayed | None:
    """Return what a run loses and saves; None where the winner's held-out score is unknown."""
    seen: set[tuple[str, str, str]] = set()
    best, held = -1.0, math.nan
    found, tokens, steps = [], [], []
    for rows in run.values():
        new = []
        for row in rows:
            key = (row["dev_score"], row["test_score"], row["words"])
            if key not in seen:
                seen.add(key)
                new.append(float(row["dev_score"]))
                if new[-1] > best and row["test_score"]:
                    best, held = new[-1], float(row["test_score"])
        scores = np.array(new)
        share = np.clip(scores, 0.02, 0.98)
        steps.append((scores, SHARED * share * (1 - share) / ROWS))
        found.append(held)
        tokens.append(float(rows[0]["scorer_input_tokens"] or 0))
        tokens[-1] += float(rows[0]["optimizer_input_tokens"] or 0)
    if math.isnan(found[-1]):
        return None
    end = len(steps)
    for done in range(2, len(steps)):
        gain = further_gain(steps[:done], AHEAD)
        if gain is not None and gain < least:
            end = done
            break
    return Replayed(100 * (found[-1] - found[end - 1]), sum(tokens[:end]), sum(tokens))


def main() -> None:
    """Print what is saved and lost, for several least gains."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--capo", type=Path, required=True, help="folder of recorded runs")
    runs = recorded(parser.parse_args().capo)
    print(f"{'least gain':>10} {'runs':>5} {'tokens saved %':>14} {'points lost':>15}")
    for least in (LEAST_GAIN / 2, LEAST_GAIN, 2 * LEAST_GAIN):
        made = [one for run in runs if (one := replayed(run, least))]
        lost = np.array([one.lost for one in made])
        lost = lost[~np.isnan(lost)]
        half = 1.96 * lost.std(ddof=1) / math.sqrt(len(lost))
        saved = 100 * (1 - sum(one.used for one in made) / sum(one.tokens for one in made))
        print(f"{100 * least:10.2f} {len(made):5} {saved:14.1f} {lost.mean():+8.2f} ± {half:.2f}")


if __name__ == "__main__":
    main()
