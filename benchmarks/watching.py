"""How often `llmopt watch` raises a false alarm in a year, and how soon it finds a drop.

    python benchmarks/watching.py

Each simulated watch compares a prompt with what it got on 300 rows (or on new rows, with their
mean). Each row has a chance of a right answer of its own: a share `fixed` of the rows is always or
never answered right, the others have one chance, such that the mean is the base rate. So the higher
`fixed` is, the more the two answers to a row agree, by which the correlation in the table is meant.
A drop breaks 5 % of all answers, wherever they come from: a right answer becomes a wrong one.

What is simulated is what the command computes: its margins, its starts, its tests; they are summed
by days, and all watches of a setting go together.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from llmopt.evidence.watch_report import START_EVERY
from llmopt.statistics.always_valid import log_bets, log_capital, log_price

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

Z = 2.3263478740408408  # above which a share 0.01 of the normal distribution lies
DROP, LEAST = 0.05, 0.05
SOON = 300  # rows within which the drop should be found
AFTER = 150  # days that are watched after a drop


@dataclass(frozen=True)
class Setting:
    """One kind of watch.

    Attributes:
        base: Mean score.
        fixed: Share of rows that are always or never answered right.
        days: How many.
        rows: Of each day.
        drop: How much the mean falls.
        late: The day on which it falls.
        reference: Rows of the reference.
        new: Whether all rows are new ones.
    """

    base: float
    fixed: float
    days: int = 365
    rows: int = 20
    drop: float = 0.0
    late: int = 0
    reference: int = 300
    new: bool = False


def chances(setting: Setting, shape: tuple[int, ...], random: np.random.RandomState) -> Floats:
    """Return the chances of right answers of rows that are drawn."""
    fixed = random.random_sample(shape) < setting.fixed
    right = (random.random_sample(shape) < setting.base).astype(float)
    return np.where(fixed, right, setting.base)


def series(
    setting: Setting, watches: int, random: np.random.RandomState
) -> tuple[Floats, Floats, float]:
    """Return changes and margins by watches, days and rows, and how two answers correlate."""
    days, rows, n = setting.days, setting.rows, setting.reference
    chance = chances(setting, (watches, n), random)
    before = (random.random_sample((watches, n)) < chance).astype(float)
    kept = np.ones(days)
    kept[setting.late :] = 1 - setting.drop / setting.base
    if setting.new:
        now = random.random_sample((watches, days, rows)) < setting.base * kept[:, None]
        usual = before.mean(axis=1)
        variance = before.var(axis=1) + usual * (1 - usual) / n
        margin = Z * np.sqrt(variance / n)
        margins = np.broadcast_to(margin[:, None, None], now.shape)
        return now - usual[:, None, None], margins, 0.0
    changes, margins = np.zeros((watches, days, rows)), np.zeros((watches, days, rows))
    order = random.random_sample((watches, n)).argsort(axis=1)
    firsts = n // rows  # days until every row has a second answer
    squares, seen = np.zeros(watches), 0
    for day in range(days):
        if day < firsts:
            at = order[:, day * rows : (day + 1) * rows]
        else:
            at = random.random_sample((watches, n)).argpartition(rows, axis=1)[:, :rows]
            margins[:, day] = (Z * np.sqrt((squares + 1) / (seen + 1) / 2 / n))[:, None]
        right = np.take_along_axis(chance, at, axis=1) * kept[day]
        now = random.random_sample((watches, rows)) < right
        changes[:, day] = now - np.take_along_axis(before, at, axis=1)
        if day < firsts:
            squares, seen = squares + (changes[:, day] ** 2).sum(axis=1), seen + rows
    spread = setting.base * (1 - setting.base)
    alike = float((chance.var(axis=1)).mean() / spread)
    return changes, margins, alike


def alarms(changes: Floats, margins: Floats, rows: int) -> NDArray[np.intp]:
    """Return the day of the first alarm of each watch, counted from 1; 0 without one."""
    watches, days, _ = changes.shape
    pairs = list(zip(changes, margins, strict=True))
    bets = np.stack([log_bets(c, m).sum(axis=1) for c, m in pairs]).cumsum(axis=1)
    small = np.stack([log_bets(-c, m, LEAST).sum(axis=1) for c, m in pairs]).cumsum(axis=1)
    first = np.zeros(watches, dtype=np.intp)
    apart = -(-START_EVERY // rows)
    for number, start in enumerate(range(0, days, apart)):
        fall, less = (
            log_capital(some[:, start:] - (some[:, start - 1 : start] if start else 0))
            for some in (bets, small)
        )
        alarm = (fall >= log_price(number)) & (less < log_price(number))
        day = np.where(alarm.any(axis=1), start + 1 + alarm.argmax(axis=1), 0)
        first = np.where((first == 0) | ((day > 0) & (day < first)), day, first)
    return first


def simulated(setting: Setting, watches: int, seed: int) -> tuple[NDArray[np.intp], float]:
    """Return the days of first alarms, and the correlation of two answers to a row."""
    random = np.random.RandomState(seed)
    found, alike = [], 0.0
    for _ in range(0, watches, 50):
        changes, margins, alike = series(setting, 50, random)
        found.append(alarms(changes, margins, setting.rows))
    return np.concatenate(found), alike


def main() -> None:
    """Print a table a question."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--watches", type=int, default=200, help="simulated, of each setting")
    watches = parser.parse_args().watches
    print("base  agree  false alarms   5-point drop from the first day: found within   late drop")
    print("             in a year      300 rows   half   90 % (rows)                   90 % (rows)")
    for base in (0.6, 0.7, 0.8, 0.9):
        for fixed in (0.0, 0.5, 0.8, 0.95, 1.0):
            print(line(Setting(base, fixed), watches))
    for base in (0.6, 0.8, 0.9):
        print(line(Setting(base, 0.0, new=True), watches), " new rows, reference of 300")
    print(line(Setting(0.8, 0.0, new=True, reference=3000), watches), " new rows, of 3,000")


def line(setting: Setting, watches: int) -> str:
    """Return a line of the table."""
    quiet, alike = simulated(setting, watches, 1)
    dropped, _ = simulated(replace(setting, drop=DROP, days=AFTER), watches, 2)
    late, _ = simulated(replace(setting, drop=DROP, days=2 * AFTER, late=AFTER), watches, 3)
    early = late[(late > 0) & (late <= AFTER)]
    soon = np.mean((dropped > 0) & (dropped * setting.rows <= SOON))
    after = late[(late == 0) | (late > AFTER)]
    return (
        f"{setting.base:.1f}   {alike:.2f}   {100 * np.mean(quiet > 0):5.1f} %        "
        f"{100 * soon:5.1f} %   {rows_until(dropped, 0.5, 0, setting.rows)}  "
        f"{rows_until(dropped, 0.9, 0, setting.rows)}"
        f"                        {rows_until(after, 0.9, AFTER, setting.rows)}"
        f"{f' ({len(early)} early)' if len(early) else ''}"
    )


def rows_until(days: NDArray[np.intp], share: float, late: int, rows: int) -> str:
    """Return after how many rows a share of watches has its alarm."""
    taken = np.sort(np.where(days > 0, (days - late) * rows, np.iinfo(np.intp).max))
    found = taken[int(np.ceil(share * len(taken))) - 1]
    return f"{found:6,}" if found < np.iinfo(np.intp).max else "   >3k"


if __name__ == "__main__":
    main()
