"""What grows with a run, and what must not: resuming, memory, asking, importing.

    python benchmarks/scale.py [resume | ask | imports]

``resume`` lets a run make 400,000 calls (steps of 8 solutions on 64 items, with the store on
disk and a scripted model) and stops it in the middle of a step; then it resumes the run in a new
process and tells the seconds from the start of that process to its first new call. It also tells
the peak memory of both processes over the same two with few calls. ``ask`` compares a whole ask
(selection, exemplars, laid-out meta-prompt, parsing) with 100 and with 100,000 candidates in the
trajectory, for every method on a problem that it is for, and every rule of choosing exemplars. The
first ask with a trajectory is not counted, for what it finds out about the past is kept.
``imports`` takes the time of whole processes, the interpreter's own start included. Without a word
all three are measured.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from math import factorial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, get_args
from zlib import crc32

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from llmopt.core.algorithm import Algorithm
    from llmopt.core.model import Model
    from llmopt.core.problem import Problem
    from llmopt.core.trajectory import Trajectory
    from llmopt.core.values import Call
    from llmopt.problems.prompt.prompt_problem import PromptProblem

SOLUTIONS = 8  # asked for in a step
FEW = 2_000  # calls of the run that memory is compared with


def problem(items: int) -> PromptProblem:
    """Return a yes/no task with so many training items, and two to test on."""
    from llmopt.problems.prompt.prompt_problem import PromptProblem

    rows = [
        {"input": f"Question number {n}: {'is it so? ' * 30}", "target": ("yes", "no")[n % 2]}
        for n in range(items + 2)
    ]
    return PromptProblem.from_rows(
        rows, sizes=(items, 0, 2), instructions=["Answer."], task="Answer with yes or no."
    )


def said(call: Call) -> str:
    """Answer a call of either role: a new instruction, or yes or no."""
    if call.role == "optimizer":
        return f"<INS>Think about number {call.sample} before you answer yes or no.</INS>"
    return ("yes", "no")[crc32(call.text.encode()) % 2]


# -- resume and memory: a run in a process of its own --------------------------------------


def go_on(store: str, items: int, calls: int, began: float) -> None:
    """Do a run until it has made `calls` calls; print what it took as JSON."""
    from llmopt.api import optimize
    from llmopt.errors import RefusedError
    from llmopt.models.providers.scripted import ScriptedModel

    made = 0
    first = 0.0

    def answer(call: Call) -> str:
        nonlocal made, first
        made += 1
        first = first or time.time() - began
        if made > calls:
            raise RefusedError("enough for this benchmark")
        return said(call)

    model = ScriptedModel(answer, identity="scripted/benchmark")
    try:
        optimize(
            replace(problem(items), scorer=model),
            name="run",
            store=store,
            steps=10**6,
            concurrency=64,
            progress=False,
        )
    except RefusedError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({"first": first, "seconds": time.time() - began, "peak": peak}))


def session(store: Path, items: int, calls: int) -> dict[str, float]:
    """Do :func:`go_on` in a new process."""
    words = ["run", str(store), str(items), str(calls), str(time.time())]
    command = [sys.executable, __file__, *words]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)  # noqa: S603 - this script
    found: dict[str, float] = json.loads(done.stdout)
    return found


def measure_resume(calls: int, items: int, folder: str | None) -> None:
    """Print seconds to the first new call and memory, for few and for many stored replies."""
    print(f"resume: steps of {SOLUTIONS} solutions on {items:,} items")
    print("   stored  made in s  first new call s  peak MB  resumed MB")
    peaks = []
    for count in (FEW, calls):
        with tempfile.TemporaryDirectory(dir=folder) as name:
            store = Path(name) / "run.sqlite"
            whole = session(store, items, count)
            resumed = session(store, items, 0)
        peaks.append((whole["peak"], resumed["peak"]))
        print(
            f"{count:9,} {whole['seconds']:10.1f} {resumed['first']:17.2f} {whole['peak']:8.0f} "
            f"{resumed['peak']:11.0f}",
            flush=True,
        )
    more = max(many - few for few, many in zip(*peaks, strict=True))
    print(f"first new call: {resumed['first']:.2f} s (target: 10 s at most)")
    print(f"memory over the floor: {more:.0f} MB (target: 200 MB at most)\n")


# -- ask ------------------------------------------------------------------------------------


def methods() -> Iterator[tuple[str, Algorithm]]:
    """Yield every method, and OPRO with every order and every rule of choosing exemplars."""
    from llmopt.algorithms import ALGORITHMS, algorithm_named
    from llmopt.algorithms.opro import opro
    from llmopt.core.metaprompt import Order
    from llmopt.parts.reflect import Choose

    for name in ALGORITHMS:
        # With scores by luck, it would otherwise keep the same state for ever.
        yield name, algorithm_named(name, {"accept": "always"} if name == "abo" else {})
    for order in get_args(Order):
        yield f"opro, order {order}", opro(order=order, threshold=0.5)
    for rule in get_args(Choose):
        yield f"opro, exemplars {rule}", opro(exemplars_by=rule)


def tasks() -> dict[str, tuple[Problem, Callable[[int], str]]]:
    """Return what methods are tried on, with a function from a number to a text to have tried."""
    from llmopt.testing import scripted

    letters = "abcdefg"

    def order(number: int) -> str:
        left, found = list(letters), ""
        for size in range(len(left), 0, -1):
            number, place = divmod(number, size)
            found += left.pop(place)
        return found

    return {
        "instructions": (problem(24), lambda n: f"Think of {n} and answer." if n else "Answer."),
        "steps": (scripted.stepwise(), lambda n: f"Carry out:\n1. Look {n} times.\n2. Answer."),
        "numbers": (
            scripted.numbers(3),
            lambda n: f"{n % 61 - 30}, {n // 61 % 61 - 30}, {n // 3721 - 30}",
        ),
        "orders": (scripted.order(), order),
    }


def tried(task: Problem, text: Callable[[int], str], size: int) -> Trajectory:
    """Return a trajectory of `size` candidates in steps of eight, each out of the step before.

    Every 16th step begins anew, as a local search does at its end.
    """
    from llmopt.core.trajectory import Entry, Trajectory
    from llmopt.core.values import Candidate, Evaluation, Outcome

    items = task.items("train")
    right = [Outcome(item.id, 1.0, item.target) for item in items]
    wrong = [Outcome(item.id, 0.0) for item in items]
    last = Entry(Candidate(text(0)), Evaluation(tuple(wrong), len(items)))
    trajectory = Trajectory().tell([last])
    for start in range(1, size, SOLUTIONS):
        entries = []
        for number in range(start, min(start + SOLUTIONS, size)):
            luck = crc32(str(number).encode())
            outcomes = tuple((wrong, right)[luck >> i & 1][i] for i in range(len(items)))
            parents = (last.candidate.id,) if trajectory.steps % 16 else ()
            candidate = Candidate(text(number), trajectory.steps, parents)
            entries.append(Entry(candidate, Evaluation(outcomes, len(items))))
        trajectory, last = trajectory.tell(entries), max(entries, key=lambda entry: entry.score)
    return trajectory


def fits(method: Algorithm, task: Problem, model: Model) -> bool:
    """Return whether a method is for a problem."""
    from llmopt.errors import ConfigError

    try:
        method.check(task, model)
    except ConfigError:
        return False
    return True


def measure_ask(few: int, many: int, rounds: int) -> None:
    """Print the median processor time of an ask with few and with many candidates tried."""
    from llmopt.models.providers.scripted import ScriptedModel

    model = ScriptedModel(said, identity="scripted/benchmark")
    known = tasks()
    past: dict[str, list[Trajectory]] = {}
    print(f"{'ask':44} {few:>9,} {many:>9,} candidates, ms")
    worst = 0.0
    for name, method in methods():
        kind = next(kind for kind, (task, _) in known.items() if fits(method, task, model))
        task, text = known[kind]
        if kind not in past:
            most = factorial(7) // 2 if kind == "orders" else many  # half of them are left to find
            past[kind] = [tried(task, text, min(size, most)) for size in (few, many)]
        times: list[list[float]] = [[], []]
        for _ in range(rounds + 1):
            for found, trajectory in zip(times, past[kind], strict=True):
                began = time.process_time()
                asyncio.run(
                    method.ask(task, trajectory, model, 0, trajectory.steps + 1, scorer=model)
                )
                found.append(1e3 * (time.process_time() - began))
        low, high = (median(found[1:]) for found in times)
        worst = max(worst, high / low)
        print(f"{name:44} {low:9.2f} {high:9.2f} {high / low:9.2f}", flush=True)
    print(f"the largest ratio: {worst:.2f} (target: 2 at most)\n")


# -- imports ----------------------------------------------------------------------------------


def measure_imports(rounds: int) -> None:
    """Print the median time of two small processes."""
    python = sys.executable
    rows: Sequence[tuple[str, list[str], float]] = (
        ("python -c pass", [python, "-c", "pass"], 0.0),
        ("import llmopt", [python, "-c", "import llmopt"], 0.10),
        ("llmopt --help", [str(Path(python).with_name("llmopt")), "--help"], 0.25),
    )
    for name, command, target in rows:
        times = []
        for _ in range(rounds):
            began = time.perf_counter()
            subprocess.run(command, stdout=subprocess.DEVNULL, check=True)  # noqa: S603 - ours
            times.append(time.perf_counter() - began)
        aim = f" (target: {target:.2f} s at most)" if target else ""
        print(f"{name:15} {median(times):.3f} s{aim}")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", nargs="?", choices=["resume", "ask", "imports"])
    parser.add_argument("--calls", type=int, default=400_000, help="stored replies")
    parser.add_argument("--items", type=int, default=64, help="training items")
    parser.add_argument("--candidates", type=int, default=100_000, help="in the trajectory")
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--folder", help="where the stores are made; a disk, not memory")
    chosen = parser.parse_args()
    if chosen.what in (None, "resume"):
        measure_resume(chosen.calls, chosen.items, chosen.folder)
    if chosen.what in (None, "ask"):
        measure_ask(100, chosen.candidates, chosen.rounds)
    if chosen.what in (None, "imports"):
        measure_imports(chosen.rounds)


if __name__ == "__main__":
    if sys.argv[1:2] == ["run"]:
        go_on(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), float(sys.argv[5]))
    else:
        main()
