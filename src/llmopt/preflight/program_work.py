"""Estimates what a run of a program takes, from the calls of one run of it on one row.

What later rows and longer texts make of that is not known, so the figures are those of that run,
times the number of runs; at most, each of its texts is as long as it may be.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmopt.evidence.verdict import final_calls
from llmopt.preflight.estimate import Estimate
from llmopt.preflight.workload import Phase, Work, Workload, bytes_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from llmopt.core.values import Call, Role
    from llmopt.preflight.estimate import ModelFacts
    from llmopt.problems.program.program_problem import ProgramProblem


def program_estimate(
    problem: ProgramProblem,
    calls: Sequence[Call],
    asked: Sequence[Call],
    *,
    proposals: int,
    steps: int,
    finalists: int,
    samples: int,
    known: Mapping[Role, ModelFacts],
) -> Estimate:
    """Return what a run takes at least and at most.

    Args:
        problem: The program; it has a scorer LLM.
        calls: What one run of it on one row asks the scorer LLM.
        asked: What a step asks the optimizer LLM.
        proposals: Solutions that a step proposes.
        steps: Steps.
        finalists: Solutions measured on validation.
        samples: Answers to each test item.
        known: What is known of the models, for every role that is played.
    """
    starts, train = len(problem.starts), len(problem.items("train"))
    least, most = _one(problem, calls, longest=False), _one(problem, calls, longest=True)
    writing = Work(
        len(asked),
        sum(bytes_of(call.text) for call in asked),
        sum(call.max_tokens for call in asked),
    )
    held = final_calls(problem, finalists, samples)
    once = len(problem.items("validation")) * starts + len(problem.items("test"))
    low = Workload(
        Phase(scorer=_times(least, starts * train)),
        tuple(Phase(optimizer=writing) for _ in range(steps)),
        Phase(scorer=_times(least, once)),
    )
    high = Workload(
        Phase(scorer=_times(most, starts * train)),
        tuple(
            Phase(optimizer=writing, scorer=_times(most, proposals * train), proposed=proposals)
            for _ in range(steps)
        ),
        Phase(scorer=_times(most, held)),
    )
    return Estimate(low, high, known, held * max(1, len(calls)))


def _one(problem: ProgramProblem, calls: Sequence[Call], *, longest: bool) -> Work:
    """Return the work of one run; at most, each text is as long as it may be.

    A call may also send again what the calls before it were answered.
    """
    texts = problem.texts.split(problem.starts[0])
    grown = max(
        max(0, rules.limits.max_length - len(texts[name]))
        for name, rules in problem.texts.rules.items()
    )
    work, said = Work(), 0
    for call in calls:
        size = bytes_of(call.text) + (grown if longest else 0)
        work += Work(1, size, call.max_tokens, said if longest else 0)
        said += call.max_tokens
    return work


def _times(work: Work, times: int) -> Work:
    return Work(work.calls * times, work.size * times, work.most * times, work.returned * times)
