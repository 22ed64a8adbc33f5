"""What GEPA tells of rows: inputs, answers given, right answers, and remarks."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from llmopt.algorithms.gepa.components import ComponentChoice
from llmopt.algorithms.gepa.system_merge import PAIR
from llmopt.algorithms.gepa.tracked_rows import TrackedRows, full_marks
from llmopt.core.metaprompt import filled
from llmopt.core.part import CallBound, Feedback, Finding, all_of
from llmopt.core.problem import ExplainsScores, HasTraces
from llmopt.core.recording import Overheard
from llmopt.errors import BadCallError, ConfigError, MeasureError, TransientError

if TYPE_CHECKING:
    from llmopt.core.part import StepContext
    from llmopt.core.problem import Problem
    from llmopt.core.trace import TraceStep
    from llmopt.core.trajectory import Entry
    from llmopt.core.values import Item, Outcome

_UNMEASURED = (BadCallError, MeasureError, TransientError)
_FULL = 1.0
_BUCKETS = 100


@dataclass(frozen=True)
class RowReports:
    """Tell how the solution to be edited did on the rows of this step.

    Each report has the row's input, the answer, the right answer, and what a metric or a judge LLM
    said of it. Answers to rows that the solution was measured on come from the store. Of a part
    that is rewritten by itself, the reports have the steps that were made with its text.

    Attributes:
        rows: How the training rows are used.
        clip: Characters of an input, an answer or a remark that are shown at most, from its
            beginning and its end; 1 or more.
        components: Which parts are rewritten.
    """

    rows: TrackedRows = field(default_factory=TrackedRows)
    clip: int = 2000
    components: ComponentChoice = field(default_factory=ComponentChoice)

    def __post_init__(self) -> None:
        if self.clip < 1:
            raise ConfigError(f"characters shown of a text are 1 or more, but got {self.clip}")

    def fits(self, problem: Problem) -> None:
        """Refuse a problem without inputs: there is no row to reflect on."""
        if not any(item.input for item in problem.items("train")):
            raise ConfigError(
                "it learns from the answers to training rows, but got a problem whose items have "
                "no inputs; take opro or ape"
            )

    def most(self) -> CallBound:
        """Return the scorer calls of a step: rows apart that the parent is measured on."""
        apart = self.rows.rows if self.rows.tracked < 1 else 0
        return CallBound(scorer=apart, repeated=self.rows.rows)

    async def __call__(self, ctx: StepContext) -> Feedback:
        """Return the reports as text, one for each part, or why there is nothing to tell.

        A merge needs none.
        """
        if ctx.base is None:
            return Feedback(reason="nothing to edit")
        if len(ctx.shown) == PAIR:
            return Feedback()
        items = ctx.problem.items("train")
        shown = self.rows.shown(items, ctx.seed, ctx.step, ctx.base, full_marks(ctx.problem))
        base = ctx.base
        found = await all_of(self._report(ctx, base, item) for item in shown)
        reports = [report for report in found if report]
        if not reports or all(report["full"] for report in reports):
            return Feedback(reason="full marks on every row of the step")
        names = self.components.names(ctx)
        if not names:
            return Feedback(text=filled("gepa", "rows", reports=reports))
        reported = (
            filled("gepa", "rows", reports=[_of(name, one) for one in reports]) for name in names
        )
        return Feedback(findings=tuple(map(Finding, reported)))

    async def _report(self, ctx: StepContext, base: Entry, item: Item) -> dict[str, Any]:
        """Return what is reported of a row; nothing where it cannot be measured."""
        problem = ctx.problem
        known = {outcome.item: outcome for outcome in base.evaluation.outcomes}
        try:
            outcome, answer = await _answered(ctx, base.text, item, known.get(item.id))
            remarks = outcome.feedback
            if not remarks and answer and isinstance(problem, ExplainsScores):
                remarks = await problem.remarks(answer, item)
            steps = await _steps(ctx, base.text, item)
        except _UNMEASURED:
            return {}
        if outcome.score is None:
            return {}
        return {
            "full": outcome.score >= full_marks(problem),
            "question": self._clipped(problem.exemplar(item, "").question),
            "answer": self._clipped(answer or outcome.answer or ""),
            "truth": self._clipped(item.target),
            "score": problem.show(outcome.score, _BUCKETS),
            "graded": outcome.score not in (0.0, _FULL),
            "remarks": self._clipped(remarks),
            "steps": [
                replace(step, prompt=self._clipped(step.prompt), reply=self._clipped(step.reply))
                for step in steps
            ],
        }

    def _clipped(self, text: str) -> str:
        text = text.strip()
        if len(text) <= self.clip:
            return text
        half = self.clip // 2
        return f"{text[: self.clip - half]} [...] {text[len(text) - half :]}"


def _of(part: str, report: dict[str, Any]) -> dict[str, Any]:
    """Return a report with the steps of one part; all where none is known to be."""
    own = [step for step in report["steps"] if step.part == part]
    return {**report, "steps": own or report["steps"]}


async def _answered(
    ctx: StepContext, text: str, item: Item, known: Outcome | None
) -> tuple[Outcome, str]:
    """Return the outcome of a text on a row, and the whole reply where a scorer LLM gave one."""
    if known is not None and (ctx.scorer is None or isinstance(ctx.problem, HasTraces)):
        return known, ""
    overheard = Overheard(ctx.scorer) if ctx.scorer else None
    again = await ctx.problem.measure(text, item, overheard)
    return known or again, overheard.replies[-1] if overheard and overheard.replies else ""


async def _steps(ctx: StepContext, text: str, item: Item) -> tuple[TraceStep, ...]:
    """Return what a program did on a row, where the problem can tell."""
    if not isinstance(ctx.problem, HasTraces):
        return ()
    return (await ctx.problem.trace(text, item, ctx.scorer)).steps
