"""Asks a judge LLM about answers that people have judged: the engine of ``llmopt judge-check``.

It is kept like an evaluation: done again, it goes on where it stopped and pays nothing twice.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from llmopt.core.values import (
    Candidate,
    Outcome,
    canonical,
    digest,
)
from llmopt.engine.display import NO_DISPLAY
from llmopt.engine.evaluate import has_result, name_of, register_evaluation
from llmopt.engine.journal import EVALUATION
from llmopt.engine.monitor import Monitor
from llmopt.engine.opening import opened
from llmopt.engine.options import SessionOptions
from llmopt.engine.progress import Progress
from llmopt.engine.roles import Models
from llmopt.engine.scoring import Scoring
from llmopt.errors import StepFailedError
from llmopt.problems.metrics.judge_agreement import Agreement, agreement

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from llmopt.core.model import Model
    from llmopt.core.values import Item, Role, Usage
    from llmopt.engine.display import Display
    from llmopt.engine.session import Session
    from llmopt.models.middleware.budget import Price
    from llmopt.models.middleware.concurrency import Rates
    from llmopt.models.registry import NamedModel
    from llmopt.problems.metrics.judge import Judge
    from llmopt.problems.metrics.judge_agreement import Labelled


@dataclass(frozen=True)
class Checked:
    """What was found out about a judge.

    Attributes:
        run: Name under which it is stored.
        judge: Identity of the judge LLM.
        mode: How it judges.
        rows: Labelled answers.
        found: The figures.
        usage: What was paid for, also when it was begun earlier.
        seconds: Wall time, likewise.
    """

    run: str
    judge: str
    mode: str
    rows: int
    found: Agreement
    usage: Usage
    seconds: float

    @property
    def verdict(self) -> str:
        """The main figure in a sentence."""
        share = self.found.agreement
        low, high = share.interval.low, share.interval.high
        return (
            f"The judge agrees with people on {100 * share.share:.1f} % of {share.n} answers "
            f"(95 % interval {100 * low:.1f} to {100 * high:.1f} %)."
        )

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data for JSON."""
        return {**asdict(self), "verdict": self.verdict}


async def checked(
    judge: Judge,
    model: NamedModel | Model,
    rows: Sequence[Labelled],
    *,
    store: str | Path | None = None,
    prices: Mapping[Role, Price] | None = None,
    rates: Mapping[Role, Rates] | None = None,
    progress: bool = True,
    source: Sequence[str] = (),
    display: Display = NO_DISPLAY,
) -> Checked:
    """Let a judge LLM judge labelled answers, and compare.

    Args:
        judge: How it judges.
        model: The judge LLM.
        rows: The labelled answers, at least one.
        store: A file, a ``sqlite:///`` URL, or None for the user's own.
        prices: US dollars per million tokens by role.
        rates: Caps per minute by role.
        progress: Whether to show progress.
        source: The words of the command that repeats it, which the journal keeps.
        display: Where progress is shown.

    Raises:
        InputError: Something given cannot be used; nothing was paid.
        ModelError: The judge LLM will refuse every further call.
        StepFailedError: No row has a verdict that can be read.
    """
    options = SessionOptions(
        prices=prices or {}, rates=rates or {}, progress=progress, store=store, tolerance=1.0
    )
    models = Models(options, judge=model, proposing=False, display=display)
    assert models.judge is not None  # noqa: S101 - it was just named
    content = [[row.item.input, row.item.target, row.output, row.label] for row in rows]
    identity = {
        "judge": repr(judge),
        "model": models.judge.identity,
        "rows": digest(canonical(content)),
    }
    async with opened(
        options,
        models,
        name=name_of("judge-check", identity),
        register=partial(register_evaluation, identity=identity, source=source),
        found=has_result,
        display=display,
    ) as session:
        assert session.judge is not None  # noqa: S101 - as above
        session.remember()
        return await _done(_Asking(judge.bound(session.judge)), rows, session)


@dataclass(frozen=True)
class _Asking:
    """Measures labelled answers: the text is the answer; what was found is kept by row."""

    judge: Judge
    found: dict[str, tuple[float, ...]] = field(default_factory=dict)

    async def measure(self, text: str, item: Item, scorer: Model | None) -> Outcome:
        """Judge an answer; see :meth:`llmopt.core.problem.Problem.measure`."""
        del scorer
        scores = await self.judge.scores(text, item)
        self.found[item.id] = scores
        return Outcome(item.id, sum(scores) / len(scores))


async def _done(asking: _Asking, rows: Sequence[Labelled], session: Session) -> Checked:
    """Ask, compare, and journal what was found and how it ended."""
    state = Progress(session.name, phase="judging")
    watch = Monitor(state, session.traffic, session.listen)
    scoring = Scoring(asking, None, session.slots, session.tolerance, watch.observed)
    with session.under_way():
        async with watch.stalls():
            watch.planned(len(rows))
            outcomes = await scoring.measure([(Candidate(r.output), r.item) for r in rows])
        watch.say(phase="done")
        found = agreement(
            asking.judge,
            rows,
            [
                asking.found[outcome.item] if outcome.score is not None else outcome.reason
                for outcome in outcomes
            ],
        )
        if found is None:
            raise StepFailedError(
                f"a judge gives verdicts that can be read, but got none on {len(rows)} answers; "
                f"the first: {outcomes[0].reason}"
            )
        result = Checked(
            run=session.name,
            judge=asking.judge.ready().identity,
            mode=asking.judge.mode,
            rows=len(rows),
            found=found,
            usage=session.paid()["judge"],
            seconds=session.seconds,
        )
        session.store.append(session.name, EVALUATION, result.to_dict())
    return result
