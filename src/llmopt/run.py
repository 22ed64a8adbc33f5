"""Where it all meets: ask, evaluate, tell, resume, stop.

A run is its journal. Each step that was told is a record; opening a run replays them, and a
step that was cut off is asked again, with its replies coming from the store. So a run that
was killed and resumed ends exactly where the unbroken one ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from llmopt.algorithm import Asked
from llmopt.errors import BudgetError, ConfigError, StoreError
from llmopt.journal import Step, steps
from llmopt.models.layers.traffic import Traffic
from llmopt.progress import Progress, silent
from llmopt.scoring import Scoring
from llmopt.trajectory import Entry, Trajectory, rank
from llmopt.types import Candidate, Evaluation, Outcome
from llmopt.verdict import BUDGET, Result, decide, final_calls

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from llmopt.algorithm import Algorithm
    from llmopt.model import Model
    from llmopt.problem import Problem, SplitName
    from llmopt.store.protocol import Store
    from llmopt.types import Item, Rejected, Usage

_log = logging.getLogger(__name__)
_log.addHandler(logging.NullHandler())  # who wants the messages configures logging


@dataclass(frozen=True)
class Stop:
    """When a search ends.

    Attributes:
        steps: Steps at most, not counting the starting solutions.
        patience: End after this many steps without a better score; 0: never.
        target: End when the best score on train reaches this; None: never. In the problem's
            inner direction, higher is better.
    """

    steps: int = 10
    patience: int = 0
    target: float | None = None

    def __post_init__(self) -> None:
        if self.steps < 0:
            raise ConfigError(f"steps are 0 or more, but got {self.steps}")
        if self.patience < 0:
            raise ConfigError(f"patience is 0 (never) or more, but got {self.patience}")


class Run:
    """One search with its configuration, journal, replies and result.

    Args:
        problem: What is optimized.
        algorithm: How.
        optimizer: The optimizer LLM with its rings.
        scorer: The scorer LLM with its rings; None where the problem needs none.
        store: Where journal and replies are.
        name: Name of the run, which :func:`register` put into the store; what was told is replayed.
        seed: Seed of every random choice.
        stop: When the search ends.
        slots: Evaluations in flight at most.
        tolerance: Share of a batch that may stay unmeasured.
        finalists: How many of the best on train are measured on validation.
        traffic: The rings of both models, with their budget.
        listen: Told of every change of progress.

    Raises:
        StoreError: The store holds no such run, or cannot be read.
    """

    def __init__(
        self,
        problem: Problem,
        algorithm: Algorithm,
        optimizer: Model,
        scorer: Model | None,
        *,
        store: Store,
        name: str,
        seed: int = 0,
        stop: Stop | None = None,
        slots: int = 64,
        tolerance: float = 0.02,
        finalists: int = 10,
        traffic: Traffic | None = None,
        listen: Callable[[Progress], None] = silent,
    ) -> None:
        self.problem, self.algorithm, self.optimizer = problem, algorithm, optimizer
        self.store, self.name, self.seed = store, name, seed
        self.stop = stop or Stop()
        self.finalists = finalists
        self.trajectory = Trajectory()
        self.rejected: Counter[str] = Counter()
        self.traffic = traffic or Traffic()
        self.progress = Progress(name, steps=self.stop.steps, warnings=self.traffic.warnings)
        self._listen: Callable[[Progress], None] = silent
        self._scoring = Scoring(problem, scorer, slots, tolerance, self._observed)
        self._began = time.monotonic()
        self._gained = 0  # the last step with a new best
        self._evaluations = 0  # outcomes of all steps after the starts
        for step in steps(store, name, self.traffic.remember):
            self._took(self.trajectory.tell(step.entries), step.entries, step.rejected)
        self._listen = listen

    # -- one step, down once and up once -------------------------------------------------

    async def ask(self) -> Asked:
        """Ask for the next candidates; the first time, these are the starting solutions.

        Raises:
            ModelError: A call failed for good; the others of the step are stored.
            BudgetError: A spending limit is reached.
        """
        step = self.trajectory.steps
        if step == 0:
            return Asked(tuple(Candidate(text) for text in self.problem.starts))
        self._say(phase="asking", step=step, done=0, planned=0)
        return await self.algorithm.ask(
            self.problem, self.trajectory, self.optimizer, self.seed, self.stop.steps
        )

    async def evaluate(self, candidates: Sequence[Candidate]) -> tuple[Evaluation, ...]:
        """Measure candidates on train, as the algorithm's `rate` decides.

        Raises:
            ModelError: As :meth:`ask`.
            BudgetError: As :meth:`ask`.
        """
        items = self.problem.items("train")
        step = self.trajectory.steps
        # Told with the first batch, when it is known how many evaluations there are.
        self._set(
            phase="scoring" if step else "starts",
            step=step,
            done=0,
            planned=0,
            ahead=self._ahead(),
        )
        return await self.algorithm.rate(candidates, items, self.trajectory, self._measure)

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
        for given in evaluations:
            if not isinstance(given, Evaluation) and not math.isfinite(given):
                raise ValueError(f"a score is a finite number, but got {given}")
        full = [
            e if isinstance(e, Evaluation) else Evaluation((Outcome("told", float(e)),), 1)
            for e in evaluations
        ]
        entries = [Entry(c, e) for c, e in zip(asked.candidates, full, strict=True)]
        told = self.trajectory.tell(entries)
        best = told.best(1)
        number = self.trajectory.steps
        step = Step(number, tuple(entries), asked.rejected, asked.calls)
        self.store.append(self.name, "step", step.packed(best[0].score if best else None))
        self._took(told, entries, asked.rejected)

    async def step(self) -> None:
        """Do one step: ask, evaluate, tell."""
        self.traffic.begin_step()
        try:
            asked = await self.ask()
            self.tell(asked, await self.evaluate(asked.candidates))
        finally:
            self.traffic.end_step()

    # -- the whole run --------------------------------------------------------------------

    def why_stop(self) -> str:
        """Return why the search is over, or an empty text while it is not."""
        done, best = self.trajectory.steps - 1, self.trajectory.best(1)
        if done < 0:
            return ""
        if self.stop.target is not None and best and best[0].score >= self.stop.target:
            return "target reached"
        if self.stop.patience and done - self._gained >= self.stop.patience:
            return f"no better score in {self.stop.patience} steps"
        return "steps done" if done >= self.stop.steps else ""

    async def optimize(self) -> Result:
        """Search until the run stops, choose the winner, test it, and say what was found.

        A budget that ends the search keeps back what choosing and testing cost, so that what
        was found so far is still reported; ``stopped`` then says so. Whatever ends the run
        early leaves it so that it can be resumed.

        Raises:
            BudgetError: A spending limit is reached before anything could be found.
            ModelError: A call failed for good.
            StepFailedError: Too many items of a step stayed unmeasured.
            StoreError: Nothing can be stored.
        """
        status = "failed"
        self.store.append(self.name, "status", {"status": "running"})
        try:
            async with self._watched():
                stopped = await self._search()
                result = await self._decided(stopped)
            self.store.append(self.name, "result", result.to_dict())
            status = "budget" if result.out_of_budget else "done"
        except BudgetError:
            status = "budget"
            raise
        except (asyncio.CancelledError, KeyboardInterrupt):
            status = "interrupted"
            raise
        finally:
            self.store.add_seconds(self.name, time.monotonic() - self._began)
            self._began = time.monotonic()
            self.store.append(self.name, "status", {"status": status})
        self._say(phase="done")
        return result

    async def _search(self) -> str:
        """Do steps until the run stops, and return why it did."""
        try:
            while not self.why_stop():
                if self.trajectory.steps:
                    self.traffic.keep_back(final_calls(self.problem, self.finalists))
                await self.step()
        except BudgetError as error:
            if not self.trajectory.steps:
                raise
            return f"{BUDGET}{error}"
        finally:
            self.traffic.keep_back(0)
        return self.why_stop()

    async def _decided(self, stopped: str) -> Result:
        def announce(split: SplitName, jobs: int) -> None:
            after = 2 * len(self.problem.items("test")) if split == "validation" else 0
            self._say(phase=split, done=0, planned=jobs, ahead=after)

        choice = await decide(
            self.problem, self.trajectory, self._scoring.measure, announce, self.finalists
        )
        return Result(
            run=self.name,
            algorithm=self.algorithm.name,
            best=choice.best.candidate,
            start=choice.start.candidate,
            lines=choice.lines,
            test=choice.test,
            verdict=choice.verdict,
            notes=choice.notes,
            stopped=stopped,
            steps=self.trajectory.steps - 1,
            candidates=len(self.trajectory),
            rejected=dict(self.rejected.most_common()),
            usage=self._usage(),
            seconds=self.store.seconds(self.name) + time.monotonic() - self._began,
            stretch=self.traffic.stretch,
        )

    # -- journal and progress ----------------------------------------------------------------

    def _took(
        self, told: Trajectory, entries: Sequence[Entry], rejected: Sequence[Rejected]
    ) -> None:
        before, best = self.trajectory.best(1), told.best(1)
        if best and (not before or rank(best[0]) > rank(before[0])):
            self._gained = told.steps - 1
        if self.trajectory.steps:
            self._evaluations += sum(len(entry.evaluation.outcomes) for entry in entries)
        self.trajectory = told
        self.rejected.update(r.reason for r in rejected)
        if best:
            score = best[0].score if self.problem.description.higher_is_better else -best[0].score
            self.progress.curve.append(score)
            self._say(
                step=told.steps - 1,
                best=score,
                best_text=best[0].text,
                candidates=len(told),
            )

    async def _measure(self, jobs: Sequence[tuple[Candidate, Item]]) -> Sequence[Outcome]:
        """Measure what a rate asks for, which may be in several batches."""
        self._say(planned=self.progress.planned + len(jobs))
        return await self._scoring.measure(jobs)

    def _ahead(self) -> int | None:
        """Guess the evaluations after this step: as many a step as so far."""
        step, final = self.trajectory.steps, final_calls(self.problem, self.finalists)
        left = max(0, self.stop.steps - step)
        if not left:
            return final
        if step < 2:  # noqa: PLR2004 - before the first step is told, nothing is known
            return None
        return round(left * self._evaluations / (step - 1)) + final

    def _observed(self, outcome: Outcome) -> None:
        del outcome
        self.progress.done += 1
        self._look()

    def _set(self, **changes: Any) -> None:
        for key, value in changes.items():
            setattr(self.progress, key, value)

    def _say(self, **changes: Any) -> None:
        self._set(**changes)
        self.progress.spent = self.traffic.usage()
        self._look()

    def _look(self) -> None:
        """Tell the progress, with what the rings do now."""
        progress, traffic = self.progress, self.traffic
        progress.hits, progress.retries = traffic.hits, traffic.retries
        progress.busy, progress.slots = traffic.busy, traffic.slots
        self._listen(progress)

    def _usage(self) -> dict[str, Usage]:
        """Return what this run has paid, by role; also what another one has stored first."""
        doubled = self.traffic.doubled()
        return {
            str(role): used + doubled[role] for role, used in self.store.spent(self.name).items()
        }

    @contextlib.asynccontextmanager
    async def _watched(self) -> AsyncIterator[None]:
        """Watch for a stall meanwhile."""
        watching = asyncio.ensure_future(self.traffic.watch(self._stalled))
        try:
            yield
        finally:
            watching.cancel()

    def _stalled(self, words: str) -> None:
        if words and not self.progress.stall:
            _log.warning("%s: %s", self.name, words)
        self.progress.stall = words
        self._look()


def register(
    store: Store,
    name: str,
    problem: Problem,
    algorithm: Algorithm,
    *,
    optimizer: Model,
    scorer: Model | None,
    seed: int,
    source: dict[str, Any] | None,
) -> None:
    """Write the first record of a new run's journal, or check that a known run is this one.

    Args:
        store: Where the run is kept.
        name: Its name.
        problem: What is optimized.
        algorithm: How.
        optimizer: The optimizer LLM, with or without rings.
        scorer: The scorer LLM, if the problem needs one.
        seed: Seed of every random choice.
        source: What ``llmopt resume`` needs to build the same run again.

    Raises:
        ConfigError: The optimizer LLM cannot be asked the way the algorithm asks.
        StoreError: The store holds a run of this name with another configuration.
    """
    algorithm.propose.check(optimizer)
    identity = {
        **{f"problem {key}": value for key, value in problem.fingerprint.items()},
        "algorithm": repr(algorithm),
        "optimizer": optimizer.identity,
        "scorer": scorer.identity if scorer else "",
        "seed": str(seed),
    }
    if all(info.name != name for info in store.runs()):
        store.create(name, {"identity": identity, "source": source or {}})
        return
    known = store.config(name)["identity"]
    changed = sorted(k for k in known.keys() | identity.keys() if known.get(k) != identity.get(k))
    if changed:
        raise StoreError(
            f"the run {name!r} is continued only with its own configuration, but "
            f"{', '.join(changed)} changed; choose another name for a new run"
        )
