"""What a run will take, before anything is paid: calls, tokens, money and time, by role.

A run is rehearsed twice. In the *low* rehearsal nothing new is ever proposed, texts are as short
as they can be, and the search ends as early as its rules allow. In the *high* one every proposal
is new and as long as is allowed, nobody falls behind, and every step is done. The figures are
sums over what would be sent; nothing here makes a call.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from llmopt.core.problem import calls_each
from llmopt.engine.control_size import share_of
from llmopt.engine.overfitting import check_validation
from llmopt.evidence.verdict import final_calls
from llmopt.models.middleware.aside import ControlShare, ShareOf
from llmopt.models.middleware.budget import MEASURING
from llmopt.preflight.dry_run import rehearse
from llmopt.preflight.workload import Phase, Work, Workload

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from llmopt.core.algorithm import Algorithm
    from llmopt.core.model import Model
    from llmopt.core.values import Role
    from llmopt.models.middleware.budget import Limits, Price
    from llmopt.problems.prompt.prompt_problem import PromptProblem

_MINUTE = 60.0  # seconds
_BYTES = 4  # of a token, as a rule
_OVERHEAD = 40  # tokens that a chat template adds to a call at most, as a rule


@dataclass(frozen=True)
class ModelFacts:
    """What is known of a role's model.

    Attributes:
        price: Its price, or None.
        slots: Calls in flight at most.
        alone: Whether it runs in this process, where calls side by side share the processor.
        seconds: What one short call took, or None.
        generated: Tokens that this call generated.
        calls_a_minute: The cap on calls, or None.
        tokens_a_minute: The cap on tokens, in and out together, or None.
        sparse: Tokens per byte of a text at least; English is about 0.23.
        dense: Tokens per byte of a text at most.
    """

    price: Price | None = None
    slots: int = 64
    alone: bool = False
    seconds: float | None = None
    generated: int = 1
    calls_a_minute: int | None = None
    tokens_a_minute: int | None = None
    sparse: float = 1 / 5
    dense: float = 1 / 3

    def probed(self, seconds: float, size: int, tokens: int | None, generated: int) -> ModelFacts:
        """Return the same with what one call showed.

        Args:
            seconds: How long it took.
            size: UTF-8 bytes of what was sent.
            tokens: Tokens of what was sent as the provider counted them, or None.
            generated: Tokens generated.
        """
        seen = self.dense if tokens is None else tokens / max(1, size)
        return replace(
            self,
            seconds=seconds,
            generated=max(1, generated),
            sparse=min(self.sparse, seen),
            dense=max(self.dense, seen),
        )


@dataclass(frozen=True, slots=True)
class Cost:
    """What work takes; None is unknown."""

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    usd: float | None = 0.0
    seconds: float | None = 0.0

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            self.calls + other.calls,
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            None if self.usd is None or other.usd is None else self.usd + other.usd,
            None if self.seconds is None or other.seconds is None else self.seconds + other.seconds,
        )

    @property
    def tokens(self) -> int:
        """Input and output together."""
        return self.input_tokens + self.output_tokens


@dataclass(frozen=True)
class Estimate:
    """What a run takes at least and at most, without failed calls that are made again.

    Attributes:
        low: The low rehearsal.
        high: The high rehearsal.
        known: What is known of the models.
        finals: Calls that a budget keeps back for the end.
        share: What a budget keeps for a control in addition; None: nothing.
    """

    low: Workload
    high: Workload
    known: Mapping[Role, ModelFacts]
    finals: int
    share: ControlShare | None = None

    def least(self, role: Role) -> Cost:
        """Return what a role takes at least: every answer is one token."""
        return _total(self.low, role, self.known[role], full=False)

    def most(self, role: Role) -> Cost:
        """Return what a role takes at most: every answer is as long as it may be."""
        return _total(self.high, role, self.known[role], full=True)

    def steps_within(self, limits: Limits) -> tuple[int, int]:
        """Return how many steps a budget buys when everything proposed is new.

        Returns:
            The number if every answer is as long as it may be, and if every answer is one
            token. -1: not even the starting solutions can be measured and compared.
        """
        return self._bought(limits, full=True), self._bought(limits, full=False)

    def _bought(self, limits: Limits, *, full: bool) -> int:
        spent = measuring = Cost()
        for done, phase in enumerate((self.high.starts, *self.high.steps), -1):
            for role, known in self.known.items():
                cost = cost_of(phase.of(role), known, full=full)
                spent += cost
                measuring += cost if role in MEASURING else Cost()
            # A call is made only if the most it can cost fits, so a little stays unused.
            slack = sum((self._one(phase, r) for r in self.known), Cost()) if full else Cost()
            last = self.low.final
            kept = self.finals if done >= 0 else last.scorer.calls + last.judge.calls
            back = _kept(kept, spent, measuring)
            if self.share is not None and done >= 0:
                back += _for_control(self.share, spent, measuring, back, limits)
            if not _fits(spent, slack, back, limits):
                return done
        return len(self.high.steps)

    def _one(self, phase: Phase, role: Role) -> Cost:
        """Return what a budget sets aside for one call of a phase, beyond what it takes."""
        work = phase.of(role)
        if not work.calls:
            return Cost()
        sent = work.size + _BYTES * work.returned
        asked, most = 288 + sent // work.calls, work.most // work.calls
        price = self.known[role].price
        return Cost(0, asked, most, price.of(asked, most) if price else None, 0.0)


async def estimate(
    problem: PromptProblem,
    algorithm: Algorithm,
    optimizer: Model,
    scorer: Model,
    *,
    steps: int,
    patience: int = 0,
    target: float | None = None,
    validate_every: int = 0,
    validation_patience: int = 0,
    seed: int = 0,
    finalists: int = 10,
    plain: Sequence[str] = (),
    control: Algorithm | None = None,
    samples: int = 1,
    known: Mapping[Role, ModelFacts],
) -> Estimate:
    """Rehearse a run and return what it takes at least and at most.

    Args:
        problem: What is optimized.
        algorithm: How.
        optimizer: The optimizer LLM; only its name and traits are looked at.
        scorer: The scorer LLM; only its traits are looked at.
        steps: Steps at most.
        patience: See :class:`llmopt.engine.stop.Stop`.
        target: See :class:`llmopt.engine.stop.Stop`.
        validate_every: See :class:`llmopt.engine.options.Options`.
        validation_patience: See :class:`llmopt.engine.stop.Stop`.
        seed: Seed of the run.
        finalists: How many are measured on validation.
        plain: The plain controls, as texts.
        control: The algorithm of the control best of N; None: there is none.
        samples: Answers to each test item.
        known: What is known of the models, for every role that is played.

    Raises:
        TemplateError: A meta-prompt cannot be laid out.
        ConfigError: The overfitting curve cannot be drawn.
    """
    check_validation(problem, every=validate_every, patience=validation_patience)
    shortest = min(steps, patience or steps, validate_every * validation_patience or steps)
    if target is not None:
        shortest = 0
    low, high = [
        await rehearse(
            problem,
            algorithm,
            optimizer,
            scorer,
            done=done,
            steps=steps,
            seed=seed,
            finalists=finalists,
            validate_every=validate_every,
            plain=plain,
            samples=samples,
            new=new,
        )
        for done, new in ((shortest, False), (steps, True))
    ]
    if control is not None and steps:
        # At least, the search finds nothing new, and there is nothing to hold the control to.
        search, second = [
            await rehearse(
                problem,
                method,
                optimizer,
                scorer,
                done=steps,
                steps=steps,
                seed=seed,
                finalists=finalists,
                plain=plain,
                samples=samples,
                new=True,
            )
            for method in (algorithm, control)  # the first without the curve
        ]
        high = replace(high, controls=_held_to(search, second))
    finals = final_calls(problem, finalists, samples) * calls_each(problem)
    share = share_of(problem, scorer, finalists, len(plain), samples) if control else None
    return Estimate(low, high, known, finals, share)


def _held_to(search: Workload, control: Workload) -> Phase:
    """Return what all controls take: one measures as much as the search, in twice its steps."""
    asked = sum((phase.optimizer for phase in control.steps), Work())
    phases = (search.controls, *search.steps, control.final)
    return Phase(
        optimizer=asked + asked,
        scorer=sum((phase.scorer for phase in phases), Work()),
        judge=sum((phase.judge for phase in phases), Work()),
    )


def cost_of(work: Work, known: ModelFacts, *, full: bool) -> Cost:
    """Return what work takes.

    Args:
        work: Calls.
        known: What is known of the model.
        full: Whether answers are as long as they may be, or one token each.
    """
    if full:
        asked = math.ceil(work.size * known.dense) + work.returned + _OVERHEAD * work.calls
        made = work.most
    else:
        asked, made = math.floor(work.size * known.sparse), work.calls
    usd = known.price.of(asked, made) if known.price else None
    seconds = _seconds(work, known, full=full)
    if seconds is not None and known.calls_a_minute:
        seconds = max(seconds, _MINUTE * work.calls / known.calls_a_minute)
    if seconds is not None and known.tokens_a_minute:
        seconds = max(seconds, _MINUTE * (asked + made) / known.tokens_a_minute)
    return Cost(work.calls, asked, made, usd, seconds)


def _seconds(work: Work, known: ModelFacts, *, full: bool) -> float | None:
    """Return the time of calls made at once; a longer answer takes longer in proportion."""
    if not work.calls:
        return 0.0
    if known.seconds is None:
        return None
    if not full:
        return known.seconds * max(1.0, work.calls / known.slots)
    rounds = work.calls if known.alone else math.ceil(work.calls / known.slots)
    return known.seconds * rounds * max(1.0, work.most / work.calls / known.generated)


def _total(plan: Workload, role: Role, known: ModelFacts, *, full: bool) -> Cost:
    phases = (plan.starts, *plan.steps, plan.final, plan.controls)
    return sum((cost_of(phase.of(role), known, full=full) for phase in phases), Cost())


def _kept(calls: int, spent: Cost, measuring: Cost) -> Cost:
    """Return what a budget keeps back for so many calls; see `Account.keep_back`."""
    share = calls / measuring.calls if measuring.calls else 0.0
    time = calls / spent.calls if spent.calls else 0.0
    return Cost(
        calls,
        math.ceil(measuring.tokens * share),
        0,
        None if measuring.usd is None else measuring.usd * share,
        None if spent.seconds is None else spent.seconds * time,
    )


def _for_control(
    share: ControlShare, spent: Cost, measuring: Cost, kept: Cost, limits: Limits
) -> Cost:
    """Return what a budget keeps for a control; nothing where its share pays for none."""
    parts = [_kept(n, spent, measuring) for n in (share.starts, share.finals, share.least)]
    found: dict[str, float] = {}
    for unit in ("calls", "tokens", "usd", "seconds"):
        cap = getattr(limits, unit)
        used, *amounts = (getattr(cost, unit) for cost in (spent, *parts, kept))
        if cap is None:
            continue
        if used is None or None in amounts:  # not known, so nobody says how many steps it buys
            return Cost()
        starts, finals, least, back = amounts
        one = ShareOf(starts, finals, least, back, 0.0)
        if not one.pays(cap):
            return Cost()
        found[unit] = one.of(cap, used)
    return Cost(
        math.ceil(found.get("calls", 0)),
        math.ceil(found.get("tokens", 0)),
        0,
        found.get("usd", 0.0),
        found.get("seconds", 0.0),
    )


def _fits(spent: Cost, slack: Cost, kept: Cost, limits: Limits) -> bool:
    """Return whether a budget allows this, with what it keeps back."""
    whole = spent + kept
    amounts = (
        (limits.calls, whole.calls),
        (limits.tokens, whole.tokens + slack.tokens),
        (limits.usd, None if whole.usd is None else whole.usd + (slack.usd or 0.0)),
        (limits.seconds, whole.seconds),
    )
    return all(cap is None or amount is None or amount <= cap for cap, amount in amounts)
