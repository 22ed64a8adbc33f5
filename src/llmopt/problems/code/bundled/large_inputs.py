"""Large inputs of the bundled slow programs: drawn from a seed, about a fifth of a second each."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

_LETTERS = "abcdefghij"


def _word(rng: Random, size: int) -> str:
    return "".join(rng.choices(_LETTERS, k=size))


def _numbers(rng: Random, count: int, most: int) -> str:
    return " ".join(str(rng.randrange(most)) for _ in range(count))


def _join(rng: Random) -> str:
    n, m = 900, 5000
    customers = [f"{rng.randrange(n)} {_word(rng, 6)}" for _ in range(n)]
    orders = [f"{rng.randrange(n)} {rng.randrange(500)}" for _ in range(m)]
    return "\n".join([f"{n} {m}", *customers, *orders]) + "\n"


def _patterns(rng: Random) -> str:
    words = [_word(rng, 5) for _ in range(600)]
    lines = [rng.choice(words) + rng.choice(["", "", "x"]) for _ in range(14)]
    return "\n".join([str(len(words)), *words, *lines])


def _sums(rng: Random) -> str:
    n, m = 3000, 1800
    ranges = [sorted(rng.choices(range(n + 1), k=2)) for _ in range(m)]
    lines = [f"{first} {last}" for first, last in ranges]
    return "\n".join([f"{n} {m}", _numbers(rng, n, 1000), *lines]) + "\n"


def _tree(rng: Random) -> str:
    rows = ["0 -1", *(f"{node} {rng.randrange(node)}" for node in range(1, 1400))]
    rng.shuffle(rows)
    return "\n".join(rows)


def _matrices(rng: Random) -> str:
    n = 85
    return "\n".join([str(n), *(_numbers(rng, n, 50) for _ in range(2 * n))]) + "\n"


def _grid(rng: Random) -> str:
    rows = ["".join(rng.choices(".#", (8, 1), k=48)) for _ in range(48)]
    return "\n".join(["." + rows[0][1:], *rows[1:-1], rows[-1][:-1] + "."])


def _graph(rng: Random) -> str:
    n, m = 700, 2800
    edges = [f"{rng.randrange(n)} {rng.randrange(n)} {rng.randrange(1, 100)}" for _ in range(m)]
    return "\n".join([f"{n} {m}", *edges]) + "\n"


def _dates(rng: Random) -> str:
    def date() -> str:
        return f"{rng.randrange(1900, 2000)}-{rng.randrange(1, 13):02}-{rng.randrange(1, 29):02}"

    return "\n".join(" ".join(sorted((date(), date()))) for _ in range(16))


def _cells(rng: Random) -> str:
    cells = {(rng.randrange(24), rng.randrange(24)) for _ in range(220)}
    return "\n".join(["3", *(f"{x} {y}" for x, y in sorted(cells))]) + "\n"


def _things(rng: Random) -> str:
    things = [f"{rng.randrange(8, 30)} {rng.randrange(5, 60)}" for _ in range(19)]
    return "\n".join(["220", *things]) + "\n"


def _intervals(rng: Random) -> str:
    starts = [rng.randrange(1_000_000) for _ in range(1700)]
    return "\n".join(f"{low} {low + rng.randrange(1, 80)}" for low in starts)


LARGE: dict[str, Callable[[Random], str]] = {
    "quadratic-join": _join,
    "regex-compilation": _patterns,
    "recursion-without-memory": lambda rng: str(21 + rng.randrange(4)),
    "string-building": lambda rng: "".join(rng.choices("abcXYZ 12", k=110_000 + rng.randrange(9))),
    "needless-sorting": lambda rng: _numbers(rng, 1700, 100_000),
    "naive-dp": lambda rng: _numbers(rng, 1400, 5000),
    "range-sums": _sums,
    "one-lookup-per-row": _tree,
    "pairs-with-a-sum": lambda rng: f"1000\n{_numbers(rng, 2200, 1000)}\n",
    "primes-by-division": lambda rng: str(5000 + rng.randrange(500)),
    "anagram-groups": lambda rng: " ".join(_word(rng, 6) for _ in range(600)),
    "word-counts": lambda rng: " ".join(_word(rng, 2) for _ in range(2500)),
    "matrix-product": _matrices,
    "grid-search": _grid,
    "shortest-paths": _graph,
    "day-by-day": _dates,
    "life-in-a-list": _cells,
    "distinct-substrings": lambda rng: f"4\n{_word(rng, 4000)}\n",
    "knapsack-by-force": _things,
    "interval-merging": _intervals,
}
"""Of each program, what draws an input."""
