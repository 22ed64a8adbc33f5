"""Writes the first behaviour steps, and rewrites one of them.

Ours, a reconstruction after docs/papers/abo.md, with no claim to be the published
method.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from llmopt.algorithms.abo.demonstrate import Demonstrate, call_of
from llmopt.algorithms.abo.diagnose import ATTEMPTS, SHOWN, steps_now
from llmopt.algorithms.abo.rounds import Shares, Tried
from llmopt.algorithms.abo.traces import (
    Demonstration,
    Lines,
    Wording,
    changed,
    read_lines,
    read_steps,
    steps_of,
)
from llmopt.core.part import CallBound, Proposed, all_of
from llmopt.core.problem import Refusal
from llmopt.errors import ConfigError

if TYPE_CHECKING:
    from llmopt.core.model import Model
    from llmopt.core.part import StepContext
    from llmopt.core.problem import Problem
    from llmopt.core.trajectory import Entry

_LINES = 2  # lines that a step may become
_HOTTEST = 2  # what providers take


@dataclass(frozen=True)
class Behave:
    """Write the first steps; after that, rewrite the step that the diagnosis names.

    Attributes:
        shares: How the training items are divided; exemplars are the first work items.
        samples: Rewritings asked for in a step, 1 or more.
        max_steps: Steps of an instruction at most, 1 or more.
        exemplars: Items shown when the first steps are written.
        initial: First steps of the user's own; none: they are written.
        demonstrate: How demonstrations are made; None: instructions have none, and a sentence
            tells the scorer LLM to obey the steps instead.
        target: The words of the instruction.
        writing: The words that ask for the first steps.
        rewriting: The words that ask for a step's rewriting.
        temperature: Of writing and rewriting, 0 to 2.
        max_tokens: Of one of these replies, 1 or more.
    """

    shares: Shares = field(default_factory=Shares)
    samples: int = 4
    max_steps: int = 8
    exemplars: int = 3
    initial: Lines = ()
    demonstrate: Demonstrate | None = field(default_factory=Demonstrate)
    target: Wording = field(default_factory=lambda: Wording("target"))
    writing: Wording = field(default_factory=lambda: Wording("write"))
    rewriting: Wording = field(default_factory=lambda: Wording("rewrite"))
    temperature: float = 1.0
    max_tokens: int = 1024

    def __post_init__(self) -> None:
        for what, number in (
            ("rewritings per step", self.samples),
            ("max_steps", self.max_steps),
            ("max_tokens", self.max_tokens),
        ):
            if number < 1:
                raise ConfigError(f"{what} are 1 or more, but got {number}")
        if self.exemplars < 0:
            raise ConfigError(f"the number of exemplars is 0 or more, but got {self.exemplars}")
        if not 0 <= self.temperature <= _HOTTEST:
            raise ConfigError(f"a temperature is 0 to {_HOTTEST}, but got {self.temperature}")
        if self.initial:
            read = read_lines("\n".join(self.initial))
            fault = read.reason if isinstance(read, Refusal) else self._too_many(read)
            if fault:
                raise ConfigError(
                    "initial steps are commands on a line each, without markers, at most "
                    f"{self.max_steps}, but got {fault} in {list(self.initial)}"
                )

    def check(self, model: Model) -> None:
        """Refuse an optimizer LLM that takes no chats."""
        if not model.traits.chat:
            raise ConfigError(
                "the optimizer LLM of behaviour steps is a chat model that writes and follows "
                f"procedures, but got {model.identity}, which takes raw completions only; name "
                "another one, or choose the algorithm 'opro'"
            )

    def fits(self, problem: Problem) -> None:
        """Refuse a problem that would refuse every instruction, or whose items have no answers."""
        self.shares.check(problem.items("train"))
        shared = self.shares(problem.items("train"))
        if not all(item.input and item.target for item in (*shared.pool, *shared.work)):
            raise ConfigError(
                "behaviour steps are for questions with known answers, but got training items "
                "without; choose another algorithm"
            )
        steps = tuple(f"Carry out part {n} and write its result." for n in "ab")
        example = max(shared.pool, key=lambda item: len(item.input))
        trace = f"Step 1: so\nStep 2: so\nAnswer: {example.target}"
        text = self._text(problem, steps, self._demonstration(example.input, trace))
        parsed = problem.parse(text)
        if isinstance(parsed, Refusal):
            raise ConfigError(
                "a problem for behaviour steps takes instructions of many lines"
                f"{', with a training example as the demonstration' if self.demonstrate else ''}, "
                f"but this one would refuse them: {parsed.reason}; set problem.max_length = 8000"
                f"{', problem.copied_words = 0' if self.demonstrate else ''} and leave "
                "problem.digits true"
            )
        if steps_of(parsed) != steps:
            raise ConfigError(
                "steps are the only lines of an instruction that are numbered from 1, but got "
                f"{steps_of(parsed)} instead of {steps}; change problem.task, or the wording "
                "'target'"
            )

    def most(self) -> CallBound:
        """Return the most calls of a step."""
        asked = ATTEMPTS * self.samples
        shown = self.samples * self.demonstrate.retries if self.demonstrate else 0
        return CallBound(optimizer=asked + shown, repeated=SHOWN * asked, proposed=self.samples)

    async def __call__(self, ctx: StepContext) -> tuple[Proposed, ...]:
        """Return one state with the first steps, or one for each rewriting."""
        steps = steps_now(ctx)
        if not steps:
            drafts = [await self._written(ctx)]
        else:
            lines = [f.line for f in ctx.feedback.findings if f.line is not None]
            if not lines:
                reason = ctx.feedback.reason or "no step was named"
                return (Proposed(Refusal(reason), "", "", _made_of(ctx)),)
            number = lines[0]
            drafts = await all_of(
                self._rewritten(ctx, steps, number, draw) for draw in range(self.samples)
            )
        tried = ctx.trajectory.running("behaviour steps", Tried).steps
        seen: set[Lines] = set()
        for at, draft in enumerate(drafts):
            if not isinstance(draft.steps, Refusal):
                known = draft.steps in tried or draft.steps in seen
                drafts[at] = draft.checked(
                    "steps already tried" if known else self._too_many(draft.steps)
                )
                seen.add(draft.steps)
        return tuple(await all_of(self._finished(ctx, draft) for draft in drafts))

    async def _written(self, ctx: StepContext) -> _Draft:
        """Return the first steps, the user's own or new ones."""
        if self.initial:
            read = read_lines("\n".join(self.initial))
            return _Draft(read, "\n".join(self.initial), ())
        items = self.shares(ctx.problem.items("train")).work[: self.exemplars]
        said = ctx.problem.description
        text = self.writing.fill(
            task=said.task,
            labels=said.labels,
            constraints=said.constraints,
            exemplars=tuple(ctx.problem.exemplar(item, "") for item in items),
            most=self.max_steps,
        )
        return await self._asked(ctx, text, 0)

    async def _rewritten(self, ctx: StepContext, steps: Lines, number: int, draw: int) -> _Draft:
        """Return the steps with one of them rewritten."""
        said = ctx.problem.description
        text = self.rewriting.fill(
            task=said.task,
            labels=said.labels,
            constraints=said.constraints,
            steps=steps,
            number=number,
            feedback=ctx.feedback.text,
        )
        found = await self._asked(ctx, text, draw)
        if isinstance(found.steps, Refusal):
            return found
        if len(found.steps) > _LINES:
            return found.checked(f"more than {_LINES} lines for a step")
        return _Draft(changed(steps, number, found.steps), found.reply, found.calls)

    async def _asked(self, ctx: StepContext, text: str, draw: int) -> _Draft:
        """Ask for lines; a reply without tags is asked for once more."""
        keys: list[str] = []
        for attempt in range(ATTEMPTS):
            number = ATTEMPTS * draw + attempt
            sample = ctx.sample(number) if self.temperature else number
            call = call_of(text, self.temperature, self.max_tokens, sample)
            reply = await ctx.model.complete(call)
            keys.append(call.key(ctx.model.identity))
            read = read_steps(reply.text)
            if read is not None:
                return _Draft(read, reply.text, tuple(keys))
        return _Draft(Refusal("no steps between tags in the reply"), reply.text, tuple(keys))

    async def _finished(self, ctx: StepContext, draft: _Draft) -> Proposed:
        """Return a draft as an instruction, with a demonstration where there shall be one."""
        calls = draft.calls
        found: str | Refusal
        if isinstance(draft.steps, Refusal):
            found = draft.steps
        else:
            found = self._text(ctx.problem, draft.steps, None)
            parsed = ctx.problem.parse(found)
            if isinstance(parsed, Refusal):
                found = parsed
            elif steps_of(parsed) != draft.steps:
                found = Refusal("steps that cannot be read back")
            elif self.demonstrate:
                made, more = await self.demonstrate(ctx, draft.steps)
                calls += more
                if made is None:
                    found = Refusal("no demonstration could be verified")
                else:
                    found = self._text(ctx.problem, draft.steps, made)
        first, *further = calls or ("",)
        return Proposed(found, draft.reply, first, _made_of(ctx), tuple(further))

    def _text(self, problem: Problem, steps: Lines, made: Demonstration | None) -> str:
        task = problem.description.task
        return self.target.fill(task=task, steps=steps, demonstration=made)

    def _demonstration(self, question: str, trace: str) -> Demonstration | None:
        return Demonstration(question, trace) if self.demonstrate else None

    def _too_many(self, steps: Lines) -> str:
        return f"more than {self.max_steps} steps" if len(steps) > self.max_steps else ""


def _made_of(ctx: StepContext) -> tuple[Entry, ...]:
    return (ctx.base,) if ctx.base else ()


@dataclass(frozen=True)
class _Draft:
    """Steps that were proposed, or why there are none.

    Attributes:
        steps: All of them, or the lines that were asked for.
        reply: The reply that they stood in.
        calls: Keys of the calls that it took.
    """

    steps: Lines | Refusal
    reply: str
    calls: tuple[str, ...]

    def checked(self, fault: str) -> _Draft:
        """Return the draft, refused if there is a fault."""
        return _Draft(Refusal(fault), self.reply, self.calls) if fault else self
