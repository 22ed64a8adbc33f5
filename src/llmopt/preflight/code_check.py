"""What ``llmopt check`` says of a program as the solution: tests, sandbox, aim, what is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from llmopt.core.formatting import counted, duration
from llmopt.core.problem import SplitName
from llmopt.problems.code.conclusions import start_up_matters
from llmopt.problems.code.instruction_counts import uncountable
from llmopt.problems.code.timing import FINAL, WORTH

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmopt.preflight.findings import Findings
    from llmopt.problems.code.code_problem import CodeProblem

_AIMS = {
    "time": (
        f"time: processor time, in pairs with the original; {WORTH:g} times as fast is called "
        "faster, if the whole interval is above 1"
    ),
    "memory": f"memory: the most that it takes, {WORTH:g} times less at least",
    "score": "score: that of its output, as a ratio to the original's",
}
_RIGHTS = "none: programs run with all your rights"


def examined_code(problem: CodeProblem, findings: Findings) -> None:
    """Say what a search for a better program is based on."""
    splits = {split: len(problem.items(split)) for split in get_args(SplitName)}
    dealt = ", ".join(f"{count} {split}" for split, count in splits.items())
    unanswered = {t.name for t in problem.tests if t.expected is None and t.kind != "check"}
    asked = len(unanswered & problem.anchors.keys())
    said = [f"{counted(sum(splits.values()), 'test')}: {dealt}"]
    if asked:
        said.append(f"what the program says is expected in {asked}")
    if problem.inputs:
        most = counted(problem.calls_first(), "call")
        said.append(f"the optimizer LLM writes up to {problem.inputs} more, in {most} at most")
    findings.passed("tests", "; ".join(said))
    level = problem.bench.runner.level
    findings.passed("sandbox", _RIGHTS if level == "none" else level)
    findings.passed("aim", _AIMS[problem.goal])
    if problem.goal == "time":
        why = uncountable()
        findings.passed("instructions", f"not counted: {why}" if why else "counted as well as time")
    findings.cautions += _missing(problem, splits)


def _missing(problem: CodeProblem, splits: dict[SplitName, int]) -> Iterator[str]:
    """Say what would make the verdict surer, with what to do."""
    for name, why in problem.dropped.items():
        yield f"The test {name} is left out: {why}."
    if not splits["test"]:
        yield "No test is held out, so nothing will show that the winner is better; add tests."
    elif not splits["validation"]:
        yield "No test is left for the choice, so the winner is chosen on those of the search."
    if problem.goal != "time":
        return
    held = [problem.anchors[item.id].cpu for item in problem.items("test")]
    share = problem.bench.start_up / max(held, default=1.0)
    if start_up_matters(share):
        yield (
            f"Python's own start takes {min(share, 1):.0%} of the program's time on the longest "
            "held-out test; larger inputs would show more of a speed-up."
        )
    slow = 2 * FINAL.pairs[-1] * sum(held)
    if slow > FINAL.seconds:
        yield f"The verdict runs the program on held-out tests for up to {duration(slow)}."
