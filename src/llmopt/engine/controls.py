"""Controls: what a search must beat to have helped.

Plain controls are solutions that nobody had to search for; a problem says which it has, and the
verdict measures them beside the winner. The control *best of N* is a second search with the
algorithm ``sampling``: the same models, starts and measuring and as many evaluations, but no
scores and no trajectory. It is a run of its own in the same store, paid by the run it belongs to,
so that it is resumed like any other.
"""

from __future__ import annotations

import contextlib
import itertools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, get_args

from llmopt.algorithms.sampling import SAMPLING, sampling
from llmopt.core.problem import HasControls
from llmopt.core.store import LONGEST_NAME
from llmopt.core.values import Evaluation
from llmopt.engine.apart import asks_alike, taken_apart
from llmopt.engine.control_size import (
    ControlSize,
    affordable,
    final_calls_of,
    note_spent,
    plan,
    planned,
)
from llmopt.engine.identity import register
from llmopt.engine.options import Control
from llmopt.engine.run import Run
from llmopt.engine.stop import Stop
from llmopt.errors import BudgetError, ConfigError, StoreError, nearest
from llmopt.evidence.differences import sentence
from llmopt.evidence.finalists import left_out
from llmopt.evidence.gain import compared_texts
from llmopt.evidence.verdict import without
from llmopt.models.middleware.budget import Limits
from llmopt.parts.propose import Generate
from llmopt.parts.reflect import Exemplars

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from llmopt.core.algorithm import Algorithm
    from llmopt.core.part import Measure, Rate, StepContext
    from llmopt.core.problem import Problem
    from llmopt.core.trajectory import Trajectory
    from llmopt.core.values import Candidate, Item
    from llmopt.engine.progress import Progress
    from llmopt.evidence.result import Result
    from llmopt.evidence.verdict import Selection

_LABELS = {"empty": "empty instruction", "think": "think step by step"}
_PATIENCE = 2  # times the steps of the search, after which too little new is proposed
_SHORT = 0.9  # share of the search's evaluations below which the control is said to be smaller


def plain_controls(problem: Problem, names: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Return label and text of the plain controls that are wanted and that the problem has.

    One that is the starting solution itself is left out: it is compared with anyway.

    Raises:
        ConfigError: No problem has a control of that name.
    """
    own = problem.controls() if isinstance(problem, HasControls) else {}
    known = sorted({*get_args(Control), *own})
    for name in names:
        if name not in known:
            raise ConfigError(
                f"a control is one of {', '.join(known)}, but got {name!r}{nearest(name, known)}"
            )
    return tuple(
        (_LABELS.get(name, name), own[name])
        for name in dict.fromkeys(names)
        if name in own and own[name] != problem.starts[0]
    )


def control_of(algorithm: Algorithm) -> Algorithm | None:
    """Return ``sampling`` as it is comparable with a method.

    None for that method itself, and for one that asks no LLM.

    It measures as the method does. Where the method asks in the same words, it draws as many
    solutions in a step, as warm and as long. Where several take turns, it is that of the first one
    that has a control.
    """
    if algorithm.turns:
        return next(filter(None, map(control_of, algorithm.alone)), None)
    if algorithm.name == SAMPLING or not algorithm.needs_model:
        return None
    made = replace(sampling(), rate=algorithm.rate)
    asked, said = algorithm.propose, algorithm.reflect
    if isinstance(asked, Generate) and asks_alike(algorithm):
        made = replace(made, propose=replace(asked, scores=0, order="random"))
    if isinstance(said, Exemplars):
        made = replace(made, reflect=Exemplars(said.n))
    return made


@dataclass(frozen=True)
class EvaluationCap:
    """Measures as another rate does, and no more than a finished search has measured.

    What does not fit stays unmeasured. The starting solutions are measured in any case.

    Attributes:
        rate: Decides which candidates are measured on which items.
        evaluations: What the finished search has measured after its starts, in all.
        candidates: How many candidates that was.
    """

    stored_name: ClassVar[str] = "Within"

    rate: Rate
    evaluations: int
    candidates: int

    async def __call__(
        self,
        ctx: StepContext,
        candidates: Sequence[Candidate],
        items: Sequence[Item],
        measure: Measure,
    ) -> tuple[Evaluation, ...]:
        """Return the evaluations of the first candidates, and empty ones of the others."""
        left = self.left(ctx.trajectory) if ctx.trajectory.steps else len(candidates)
        fit = min(left, len(candidates))
        found: tuple[Evaluation, ...] = ()
        if fit:
            found = await self.rate(ctx, candidates[:fit], items, measure)
        return (*found, *[Evaluation((), len(items))] * (len(candidates) - fit))

    def left(self, trajectory: Trajectory) -> int:
        """Return how many more candidates may be measured, at what one has cost the search."""
        spent, _ = measured(trajectory)
        return max(0, round((self.evaluations - spent) * self.candidates / self.evaluations))

    def over(self, trajectory: Trajectory) -> str:
        """Return why the control's search is over, or an empty text while it is not."""
        return "" if self.left(trajectory) else "as many evaluations as the search"


def measured(trajectory: Trajectory) -> tuple[int, int]:
    """Return the evaluations after the starts, and how many candidates they are of."""
    sizes = [len(e.evaluation.outcomes) for e in trajectory if e.candidate.step]
    return sum(sizes), sum(size > 0 for size in sizes)


@dataclass(frozen=True)
class Sampled:
    """Adds the control best of N to the result of a run.

    Attributes:
        algorithm: The control's algorithm, of :func:`control_of`.
    """

    algorithm: Algorithm

    async def __call__(self, run: Run, result: Result) -> Result:
        """Do the control's search, test its winner, and compare it with the search's.

        It is as large as the search, or as what is left of the budget pays for, which a note
        says. Where that is next to nothing, a note says that it is missing.

        Raises:
            ModelError: A call failed for good; the run can be resumed.
            StoreError: Nothing can be stored.
        """
        search = ControlSize(*measured(run.trajectory))
        size = _size(run, search) if search.evaluations else None
        if not search.evaluations and result.out_of_budget:
            why = "the budget ended before it; resume the run with a larger one"
        elif not search.evaluations:
            why = "the search measured nothing new, so there is nothing to hold it to"
        elif size is None:
            why = "the budget leaves too little for it; resume the run with a larger one"
        else:
            account = run.session.traffic.account
            before = account.spent
            within = EvaluationCap(self.algorithm.rate, size.evaluations, size.candidates)
            with self._opened(run, within) as control:
                try:
                    await control.optimize()
                except BudgetError as error:
                    why = str(error)
                else:
                    why = "the budget ended before it proposed anything; resume with a larger one"
                    if measured(control.trajectory)[0]:
                        return _joined(run, result, control, within)
                finally:
                    if account.limits != Limits():
                        note_spent(run.store, run.name, account.spent - before)
        return replace(result, notes=(*result.notes, without(["best of N, no scores"], why)))

    @contextlib.contextmanager
    def _opened(self, run: Run, within: EvaluationCap) -> Iterator[Run]:
        """Open the control's run, which is claimed meanwhile; one without a step is removed.

        It ends when as much was measured as in the search that it is held to, or when what is
        left of a budget only just chooses and tests its winner.
        """
        algorithm = replace(self.algorithm, rate=within)
        name = self._registered(run, algorithm)
        with contextlib.ExitStack() as stack:
            stack.callback(run.store.discard, name)
            stack.enter_context(run.store.claim(name))
            yield Run(
                run.problem,
                algorithm,
                replace(run.session, name=name, listen=_not_done(run.session.listen)),
                stop=Stop(_PATIENCE * (run.trajectory.steps - 1)),
                finalists=run.finalists,
                evidence=replace(run.evidence, controls=()),
                over=within.over,
                finals=final_calls_of(
                    run.problem,
                    run.session.scorer,
                    min(run.finalists, within.candidates),
                    run.samples,
                ),
            )

    def _registered(self, run: Run, algorithm: Algorithm) -> str:
        """Return the name of the control's run: the first that is free, or is this control's.

        A search that went on further has a control of its own, because the last step of one is
        cut to fit. Its calls are the same, so only what is new costs anything.
        """
        for number in itertools.count(1):
            suffix = "-control" if number == 1 else f"-control-{number}"
            name = run.name[: LONGEST_NAME - len(suffix)] + suffix
            taken = run.store.has(name)
            try:
                register(
                    run.store,
                    name,
                    run.problem,
                    algorithm,
                    optimizer=run.session.optimizer,
                    scorer=run.session.scorer,
                    seed=run.session.seed,
                    source=None,
                    control=True,
                )
            except StoreError:
                if not taken:
                    raise
            else:
                break
        return name


def _size(run: Run, search: ControlSize) -> ControlSize | None:
    """Return how large the control of a search is; None: the budget leaves too little for one.

    One that was planned before is kept, so that an interrupted control ends as one that was not:
    what it has spent since then is what it was planned to spend.
    """
    session = run.session
    size = affordable(
        search,
        run.problem,
        session.scorer,
        session.traffic.account,
        finalists=run.finalists,
        refused=run.rejected.total(),
        samples=run.samples,
    )
    if size == search:
        return size
    known = planned(run.store, run.name, search)
    if known and (size is None or size.candidates <= known.candidates):
        return known
    if size:
        plan(run.store, run.name, search, size)
    return size


def _joined(run: Run, result: Result, control: Run, within: EvaluationCap) -> Result:
    """Return the result with the control's winner beside the others."""
    choice, other = run.choice, control.choice
    if choice is None or other is None:
        raise ValueError("both searches have decided when they are compared")
    spent, candidates = measured(control.trajectory)
    most, _ = measured(run.trajectory)
    label = f"best of {candidates}, no scores"
    line = replace(other.lines[1], label=label)
    others = choice.others
    if other.winner is not None:
        others = (*others, (label, other.winner))
    both = replace(choice, lines=(*choice.lines, line), others=others)
    notes = (
        *result.notes,
        *left_out("train", [(label, other.best.evaluation)]),
        *left_out("test", [(label, other.winner)]),
    )
    if spent < _SHORT * most:
        budget = control.ended_by_budget or within.candidates < measured(run.trajectory)[1]
        why = (
            "the budget paid for no more, and a larger one makes it as large"
            if budget
            else "without scores the optimizer LLM proposed too little that is new"
        )
        less = (
            f'The control "{label}" is smaller than the search, {spent:,} evaluations against '
            f"{most:,}: {why}."
        )
        notes = (*notes, less)
    return replace(
        result,
        lines=both.lines,
        comparisons=both.comparisons,
        verdict=_verdict(both, label),
        notes=notes,
        gain=taken_apart(run.algorithm, run.trajectory, choice, (control.trajectory, other.winner)),
    )


def _verdict(both: Selection, label: str) -> str:
    """Return the verdict; a control that is tested has its own sentence, about its winner alone."""
    alone = [v for v in both.comparisons if v.against == label and v.word != "not tested"]
    found = [versus for versus in both.comparisons if versus not in alone]
    said = [
        sentence(
            found,
            both.shown,
            tested=both.test is not None,
            unbeaten=both.unbeaten,
            level=both.level,
        )
        if both.conclusion is None
        else both.verdict
    ]
    said += [
        compared_texts(label, versus.difference.mean, versus.word, both.shown) for versus in alone
    ]
    return " ".join(said)


def _not_done(listen: Callable[[Progress], None]) -> Callable[[Progress], None]:
    """Return a listener that does not take the end of the control for the end of the run."""

    def told(progress: Progress) -> None:
        if progress.phase != "done":
            listen(progress)

    return told
