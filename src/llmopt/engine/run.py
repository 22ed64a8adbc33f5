"""A run: ask, evaluate, tell, resume, stop.

A run is its journal. Each step that was told is a record; opening a run replays them, and a
step that was cut off is asked again, with its replies coming from the store. So a run that
was killed and resumed ends exactly where the unbroken one ends.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from llmopt.core.algorithm import Asked
from llmopt.core.part import StepContext
from llmopt.core.problem import calls_each, presented
from llmopt.core.trajectory import Entry, Trajectory, rank
from llmopt.core.values import Candidate, Evaluation, Outcome
from llmopt.engine.apart import taken_apart
from llmopt.engine.fronts import front_of
from llmopt.engine.journal import (
    PROBLEM,
    SPENT,
    TESTED,
    USED,
    VALIDATION,
    HeldOut,
    ProblemRecord,
    Step,
    Validation,
    steps,
)
from llmopt.engine.least import check_budget
from llmopt.engine.look_journal import looked
from llmopt.engine.monitor import Monitor
from llmopt.engine.overfitting import Curve
from llmopt.engine.progress import Progress, silent
from llmopt.engine.repeated_answers import HeldOutDraws, NumberedDraws, answers_each
from llmopt.engine.scoring import Scoring
from llmopt.engine.stop import Stop
from llmopt.engine.turns_taken import TurnsTaken
from llmopt.errors import BudgetError, StepFailedError
from llmopt.evidence.draws_in_words import on_draws
from llmopt.evidence.method_shares import on_methods
from llmopt.evidence.refusals import dropped_by, on_dropped, on_refusals
from llmopt.evidence.result import BUDGET, Result
from llmopt.evidence.verdict import Evidence, decide, final_calls

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from llmopt.core.algorithm import Algorithm
    from llmopt.core.problem import Problem, SplitName
    from llmopt.core.store import Store
    from llmopt.core.values import Item
    from llmopt.engine.session import Session
    from llmopt.evidence.headroom import Headroom
    from llmopt.evidence.looks import PriorLooks
    from llmopt.evidence.verdict import Selection
    from llmopt.models.middleware.aside import ControlShare
    from llmopt.statistics import DrawNoise

_USUAL = 8  # calls to the optimizer LLM in a step, where a method does not say


def never(trajectory: Trajectory) -> str:
    """Say that a search is not over."""
    del trajectory
    return ""


class Run:
    """One search with its configuration, journal, replies and result.

    Args:
        problem: What is optimized.
        algorithm: How.
        session: Its place in the store, its models and what they may spend; what was told
            there is replayed.
        stop: When the search ends.
        finalists: How many of the best on train are measured on validation.
        validate_every: Steps from point to point of the overfitting curve; 0: there is none.
        evidence: What the verdict says beside the comparison with the start.
        further: Adds to a result that is already journaled, still as a part of the run.
        before: Measures how much the search may gain, before it begins; see
            :class:`~llmopt.engine.headroom_first.HeadroomFirst`.
        over: Says of the trajectory why the search is over; empty: it is not, for all that.
        aside: What a budget keeps for a control during the search; None: nothing.
        finals: Calls that are kept back to choose and test, of a search that is a part of another
            run; None: the most that they can be.
        block: Steps of which a point of the overfitting curve is the best.

    Raises:
        StoreError: The store holds no such run, or cannot be read.
    """

    def __init__(
        self,
        problem: Problem,
        algorithm: Algorithm,
        session: Session,
        *,
        stop: Stop | None = None,
        finalists: int = 10,
        validate_every: int = 0,
        evidence: Evidence | None = None,
        further: Callable[[Run, Result], Awaitable[Result]] | None = None,
        before: Callable[[Run], Awaitable[Headroom | None]] | None = None,
        over: Callable[[Trajectory], str] = never,
        aside: ControlShare | None = None,
        finals: int | None = None,
        block: int = 1,
    ) -> None:
        self.problem, self.algorithm, self.session = problem, algorithm, session
        self.stop = stop or Stop()
        self.finalists = finalists
        self.trajectory = Trajectory()
        self.rejected: Counter[str] = Counter()
        self.curve = Curve(validate_every, block)
        self.block = block
        self.evidence = evidence or Evidence()
        self.choice: Selection | None = None  # of the last decision
        self.over = over
        self._further, self._finals = further, finals
        self._before = before
        self._aside = aside
        traffic = session.traffic
        self._shown = presented(problem)
        progress = Progress(
            self.name, presentation=self._shown, steps=self.stop.steps, warnings=traffic.warnings
        )
        self._watch = Monitor(progress, traffic, silent)
        self.samples = answers_each(problem, session.scorer, self.evidence.samples)
        self._scoring = Scoring(
            NumberedDraws(problem),
            session.scorer,
            session.slots,
            session.tolerance,
            self._watch.observed,
        )
        self._gained = 0  # the last step with a new best
        self._evaluations = 0  # outcomes of all steps after the starts
        self._ended: BudgetError | None = None  # what ended the search
        self._largest = 0  # outcomes of the largest of these steps
        self._turns = TurnsTaken()
        for step in steps(self.store, self.name, traffic.remember, self._validated):
            self._took(self.trajectory.tell(step.entries, step.by), step)
        self._watch.listen = session.listen

    @property
    def name(self) -> str:
        """Name of the run."""
        return self.session.name

    @property
    def store(self) -> Store:
        """Where journal and replies are."""
        return self.session.store

    @property
    def ended_by_budget(self) -> bool:
        """Whether a spending limit ended the search."""
        return self._ended is not None

    @property
    def progress(self) -> Progress:
        """What the run is doing right now."""
        return self._watch.progress

    # -- one step, down once and up once -------------------------------------------------

    async def ask(self) -> Asked:
        """Ask for the next candidates; the first time, these are the starting solutions.

        Raises:
            ModelError: A call failed for good; the others of the step are stored.
            BudgetError: A spending limit is reached.
        """
        step = self.trajectory.steps
        self._expect_step(step)
        if step == 0:
            return Asked(tuple(Candidate(text) for text in self.problem.starts))
        self._watch.say(phase="asking", step=step, done=0, planned=0)
        return await self.algorithm.ask(
            self.problem,
            self.trajectory,
            self.session.optimizer,
            self.session.seed,
            self.stop.steps,
            scorer=self._scoring.scorer,
            embedder=self.session.embedder,
        )

    async def evaluate(self, candidates: Sequence[Candidate]) -> tuple[Evaluation, ...]:
        """Measure candidates on train, as the algorithm's `rate` decides.

        Raises:
            ModelError: As :meth:`ask`.
            BudgetError: As :meth:`ask`.
        """
        items = self.problem.items("train")
        step = self.trajectory.steps
        self._scoring.begin()
        # Told with the first batch, when it is known how many evaluations there are.
        self._watch.note(
            phase="scoring" if step else "starts",
            step=step,
            done=0,
            planned=0,
            ahead=self._ahead(step),
        )
        ctx = StepContext(
            problem=self.problem,
            trajectory=self.trajectory,
            model=self.session.optimizer,
            step=step,
            steps=self.stop.steps,
            seed=self.session.seed,
            scorer=self._scoring.scorer,
            embedder=self.session.embedder,
        )
        return await self.algorithm.rate(ctx, candidates, items, self._measure)

    def tell(self, asked: Asked, evaluations: Sequence[Evaluation | float]) -> None:
        """Journal a step and extend the trajectory.

        Args:
            asked: What :meth:`ask` gave.
            evaluations: One per candidate; a plain number is a score (higher is better) for
                people who evaluate elsewhere.

        Raises:
            ValueError: There are not as many evaluations as candidates, or a number is not
                finite; nothing is journaled.
            StoreError: The step cannot be stored.
        """
        full = [
            e if isinstance(e, Evaluation) else Evaluation((Outcome("told", float(e)),), 1)
            for e in evaluations
        ]
        for outcome in (outcome for evaluation in full for outcome in evaluation.outcomes):
            if outcome.score is not None and not math.isfinite(outcome.score):
                raise ValueError(f"a score is a finite number, but got {outcome.score}")
        # Where several requests were open, steps are numbered as they come in.
        number = self.trajectory.steps
        entries = tuple(
            Entry(replace(c, step=number) if asked.request else c, e)
            for c, e in zip(asked.candidates, full, strict=True)
        )
        rejected = tuple(replace(r, step=number) for r in asked.rejected)
        told = self.trajectory.tell(entries, asked.by)
        best = told.best(1)
        step = Step(number, entries, rejected, asked.calls, asked.request, asked.by)
        first = [(PROBLEM, ProblemRecord.of(self.problem).packed())] if step.number == 0 else []
        records = step.records(best[0] if best else None)
        self.store.append_all(self.name, [*first, *records, (SPENT, self._spending())])
        self._took(told, step)
        self._watch.told(step)

    def _spending(self) -> dict[str, Any]:
        """Return what the run has spent so far, as a record of kind `SPENT` holds it."""
        usage = {
            role: [getattr(used, name) for name in (USED if used.cached else USED[:3])]
            for role, used in self.session.traffic.usage().items()
            if used.calls
        }
        account = self.session.traffic.account
        caps = {of: cap for of, cap in asdict(account.limits).items() if cap is not None}
        return {
            "seconds": round(account.spent.seconds, 3),
            "usage": usage,
            "plan": {"steps": self.stop.steps, "caps": caps},
        }

    async def validate(self) -> None:
        """Measure the last step's best on validation and journal it, where the curve wants it.

        Nothing that is asked or measured on train depends on it.

        Raises:
            ModelError: As :meth:`ask`.
            BudgetError: As :meth:`ask`.
        """
        entry = self.curve.due()
        if entry is None:
            return
        items, step = self.problem.items("validation"), self.trajectory.steps - 1
        self._check_begins(len(items), step)
        self._scoring.begin()
        self.session.traffic.begin_step()
        try:
            outcomes = await self._scoring.measure([(entry.candidate, item) for item in items])
        finally:
            self.session.traffic.end_step()
        found = Validation(step, entry.candidate.id, Evaluation(tuple(outcomes), len(items)))
        self.store.append(self.name, VALIDATION, found.packed())
        self._validated(found)

    def _check_begins(self, items: int, step: int) -> None:
        self._watch.say(phase="checking", step=step, done=0, planned=items, ahead=self._ahead(step))

    async def step(self) -> None:
        """Do one step: ask, evaluate, tell."""
        self.session.traffic.begin_step()
        try:
            asked = await self.ask()
            found = await self.evaluate(asked.candidates)
            if not self.trajectory.steps:
                self._check_starts(found)
            self.tell(asked, found)
        finally:
            self.session.traffic.end_step()
        self.session.note_time()

    def _check_starts(self, found: Sequence[Evaluation]) -> None:
        """Refuse to go on where no starting solution could be measured: others hardly can be.

        Raises:
            StepFailedError: None could; nothing is journaled.
        """
        outcomes = [outcome for evaluation in found for outcome in evaluation.outcomes]
        if outcomes and all(outcome.score is None for outcome in outcomes):
            reason = next((o.reason for o in outcomes if o.reason), "no reason known")
            what = "solution" if len(found) == 1 else f"{len(found)} solutions"
            raise StepFailedError(
                f"a search begins at what can be measured, but no item of the starting {what} "
                f"could be: {reason}; mend that, and start again"
            )

    # -- the whole run --------------------------------------------------------------------

    def why_stop(self) -> str:
        """Return why the search is over, or an empty text while it is not."""
        if self.trajectory.steps and (why := self.over(self.trajectory)):
            return why
        done, best = self.trajectory.steps - 1, self.trajectory.best(1)
        return self.stop.why(
            done=done,
            best=best[0].score if best and best[0].evaluation.whole else None,
            idle=done - self._gained,
            stale=self.curve.stale,
        )

    async def optimize(self) -> Result:
        """Search until the run stops, choose the winner, test it, and say what was found.

        A budget that ends the search keeps back what choosing and testing cost, so that what
        was found so far is still reported; ``stopped`` then says so. Whatever ends the run
        early leaves it so that it can be resumed.

        Raises:
            BudgetError: A spending limit is reached before anything could be found, or the search
                is not worth its cost.
            ModelError: A call failed for good.
            StepFailedError: Too many items of a step stayed unmeasured.
            StoreError: Nothing can be stored.
        """
        # One that has a result may have spent everything on its control since then.
        begun = any(record.kind == "result" for record in self.store.records(self.name))
        if self._finals is None and not begun:
            check_budget(self.problem, self.session, self.finalists, self.samples)
        with self.session.under_way() as ending:
            async with self._watch.stalls():
                headroom = await self._before(self) if self._before else None
                stopped = await self._search()
                result = await self._decided(stopped)
            if headroom is not None:
                said = f"Before the search: {headroom.sentence(self._shown)}"
                notes = (*result.notes, said)
                result = replace(result, headroom=headroom.to_dict(), notes=notes)
            if self._further is not None:
                self.store.append(self.name, "result", result.to_dict())
                result = self._closed(await self._further(self, result))
            self.store.append(self.name, "result", result.to_dict())
            ending.status = "budget" if result.out_of_budget else "done"
        self._watch.say(phase="done")
        return result

    async def _search(self) -> str:
        """Do steps until the run stops, and return why it did."""
        try:
            return await self._steps()
        except BudgetError as error:
            if not self.trajectory.steps:
                raise
            self._ended = error
            return f"{BUDGET}{error}"
        finally:
            self.session.traffic.keep_back(0)

    async def _steps(self) -> str:
        """Do one step after the other until the run stops, and return why it did."""
        while True:
            if self.trajectory.steps:
                self.session.traffic.keep_back(self._kept, self._aside)
                await self.validate()
            if why := self.why_stop():
                return why
            await self.step()

    @property
    def _kept(self) -> int:
        """Calls that are kept back to choose and test the winner."""
        if self._finals is not None:
            return self._finals
        return final_calls(self.problem, self.finalists, self.samples) * self._each

    async def _decided(self, stopped: str) -> Result:
        def announce(split: SplitName, jobs: int) -> None:
            self._scoring.begin()
            tested = 2 * self.samples * len(self.problem.items("test"))
            after = tested if split == "validation" else 0
            jobs *= self.samples if split == "test" else 1
            self.session.traffic.expect((jobs + after) * self._each)
            self._watch.say(phase=split, done=0, planned=jobs, ahead=after)

        testing = HeldOutDraws(self._scoring.measure, self.samples)
        choice = await decide(
            self.problem,
            self.trajectory,
            self._scoring.measure,
            announce,
            self.finalists,
            evidence=replace(self.evidence, samples=self.samples),
            testing=testing,
        )
        looks = self._looked(choice)
        choice = replace(choice, looks=looks or choice.looks)
        noise = testing.noise(self.problem.items("test"), choice.start, choice.best)
        self.choice = choice
        self._test_told(choice)
        return self._closed(self._result(choice, stopped, looks, noise))

    def _result(
        self, choice: Selection, stopped: str, looks: PriorLooks | None, noise: DrawNoise | None
    ) -> Result:
        dropped = dropped_by(self.problem, choice.best.text)
        starts = len(self.problem.starts)
        methods = self._turns.shares(
            self.algorithm, self.trajectory, self.stop.steps, choice.best.candidate
        )
        return Result(
            run=self.name,
            algorithm=self.algorithm.name,
            best=choice.best.candidate,
            start=choice.start.candidate,
            lines=choice.lines,
            test=choice.test,
            verdict=choice.verdict,
            notes=(
                *choice.notes,
                *on_refusals(self.problem, self.rejected, len(self.trajectory) - starts),
                *on_dropped(dropped),
                *self.curve.notes(self._shown),
                *choice.looks.notes(self.evidence.level),
                *on_draws(noise, self.evidence.samples, self.samples, self._shown),
                *on_methods(methods),
            ),
            stopped=stopped,
            steps=self.trajectory.steps - 1,
            candidates=len(self.trajectory),
            rejected=dict(self.rejected.most_common()),
            usage={},
            seconds=0.0,
            stretch=self.session.traffic.stretch,
            curve=self.curve.points(self._shown, level=self.evidence.level, groups=choice.groups),
            comparisons=choice.comparisons,
            level=choice.level,
            finalists=choice.finalists,
            optimism=choice.optimism,
            optimism_interval=choice.optimism_interval,
            losses=choice.losses,
            presentation=self._shown,
            dropped=dropped,
            looks=looks,
            samples=self.samples,
            noise=noise,
            gain=taken_apart(self.algorithm, self.trajectory, choice),
            methods=methods,
            conclusion=choice.conclusion.data if choice.conclusion else None,
            front=front_of(
                self.problem,
                self.trajectory,
                choice,
                validated=self.curve.evaluations,
                store=self.store,
                price=self.session.price_list().get("scorer"),
            ),
        )

    def _closed(self, result: Result) -> Result:
        """Return the result with what was used up to now; also what others have stored first."""
        stopped = result.stopped
        if self._ended is not None:  # what came after the search was paid as well
            stopped = f"{BUDGET}{self.session.traffic.account.said(self._ended)}"
        paid = self.session.paid().items()
        # Few runs have a judge LLM or an embedding model; the two other roles are always there.
        always = ("optimizer", "scorer")
        return replace(
            result,
            stopped=stopped,
            usage={str(role): u for role, u in paid if role in always or u.calls},
            seconds=self.session.seconds,
            stretch=self.session.traffic.stretch,
            usd=self.session.usd(),
        )

    # -- journal and progress ----------------------------------------------------------------

    def _took(self, after: Trajectory, step: Step) -> None:
        before, best = self.trajectory.best(1), after.best(1)
        if best and (not before or rank(best[0]) > rank(before[0])):
            self._gained = after.steps - 1
        if self.trajectory.steps:
            measured = sum(len(entry.evaluation.outcomes) for entry in step.entries)
            self._evaluations += measured
            self._largest = max(self._largest, measured)
        self.trajectory = after
        self._turns.told(step)
        self.rejected.update(r.reason for r in step.rejected)
        self.curve.told(step.number, step.entries)
        if best:
            self._watch.stepped(after, best[0], self._shown.facing(best[0].score))

    def _looked(self, choice: Selection) -> PriorLooks | None:
        """Journal the look at the test items; None where no winner is compared, or by a control."""
        texts = (choice.start.text, choice.best.text)
        if not choice.answers or self._finals is not None or texts[0] == texts[1]:
            return None
        return looked(self.store, self.name, self.problem.items("test"), texts, self.samples)

    def _test_told(self, choice: Selection) -> None:
        """Journal the held-out answers behind a choice, so that runs can be compared."""
        if choice.answers:
            items = self.problem.items("test")
            found = HeldOut(items, choice.best.candidate.id, choice.answers)
            self.store.append(self.name, TESTED, found.packed())

    def _validated(self, found: Validation) -> None:
        self.curve.took(found)
        if self.curve.last is not None:
            items = (found.evaluation.measured, found.evaluation.planned)
            self._watch.say(validation=self._shown.facing(self.curve.last), validation_items=items)

    async def _measure(self, jobs: Sequence[tuple[Candidate, Item]]) -> Sequence[Outcome]:
        """Measure what a rate asks for, which may be in several batches."""
        self._watch.planned(len(jobs))
        self.session.traffic.expect(len(jobs) * self._each)
        return await self._scoring.measure(jobs)

    @property
    def _each(self) -> int:
        """How many calls one evaluation takes; none where no model is asked for it."""
        asks = self.session.scorer is not None or self.session.judge is not None
        return calls_each(self.problem) if asks else 0

    def _expect_step(self, step: int) -> None:
        """Guess the calls of the next step, so that a budget that ends in it names enough."""
        each, rows = self._each, len(self.problem.items("train"))
        if step > 1:
            asked = max(_USUAL, getattr(self.algorithm.propose, "samples", 0))
            self.session.traffic.expect(self._largest * each + asked)
        elif step == 1:
            draws = getattr(self.algorithm.propose, "samples", _USUAL)
            self.session.traffic.expect(draws * (1 + rows * each))
        else:
            self.session.traffic.expect(len(self.problem.starts) * rows * each)

    def _ahead(self, begun: int) -> int | None:
        """Guess the evaluations after those of a step: as many a step as so far."""
        left, told = max(0, self.stop.steps - begun), self.trajectory.steps - 1
        final = final_calls(self.problem, self.finalists, self.samples)
        first = begun if begun > told else begun + 1  # the last told step is being validated
        final += self.curve.left(first, begun + left) * len(self.problem.items("validation"))
        if not left:
            return final
        return None if told < 1 else round(left * self._evaluations / told) + final
