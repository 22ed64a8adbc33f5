"""Asks the optimizer LLM for new solutions."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Literal, get_args

from llmopt.core.metaprompt import (
    MetaPrompt,
    Refine,
    Sections,
    Shown,
)
from llmopt.core.model import Family
from llmopt.core.part import CallBound, Proposed, all_of
from llmopt.core.problem import Editable, Refusal, parts_of
from llmopt.core.solution import completed
from llmopt.core.text import word_distance
from llmopt.errors import ConfigError
from llmopt.parts.reply_length import USUAL, reply_tokens
from llmopt.parts.schedule import Constant
from llmopt.parts.variety import Request, Vary, check_vary, requests

if TYPE_CHECKING:
    from llmopt.core.metaprompt import Order, Tag
    from llmopt.core.model import Model
    from llmopt.core.part import StepContext
    from llmopt.core.trajectory import Entry
    from llmopt.parts.schedule import Schedule
    from llmopt.parts.word_limit import StepSize

AnyFamily = Family | Literal["auto"]
"""A meta-prompt family, or the one that suits the optimizer LLM."""

Wording = Literal["ours", "paper-like"]
"""Whose words a meta-prompt for chat models has: ours, made to work with small models as well, or
ours on the parts and the order that the paper shows."""

_HOTTEST = 2  # what providers take


@dataclass(frozen=True)
class Generate:
    """Draw several new solutions from one meta-prompt (OPRO, sections 2, 3 and 5).

    Attributes:
        samples: Solutions asked for per group of parents, each in its own call but with
            ``vary="together"``.
        family: The meta-prompt family; "auto" takes the one that suits the optimizer LLM.
        wording: See :class:`MetaPrompt`.
        template: A template of the user's own; empty for the family's.
        tag: See :class:`MetaPrompt`.
        strict: See :class:`MetaPrompt`.
        scores: Steps of the shown score range: 100 or 20 in the paper; 0 hides the scores.
        fraction: Whether scores that are shares are shown as such, with 3 decimals at most.
        order: The order that the selection gives, so that the text can say it where it holds.
        trajectory_first: Whether the trajectory stands before the exemplars.
        temperature: Of the optimizer LLM, by step; 0 to 2.
        max_tokens: Of one draw; the default grows with long starting solutions.
        refine: Whether the current solution is shown, to be altered (``edit``) or to write
            another one (``generate``); empty: it is not shown by itself. What is proposed then has
            it as its last parent.
        step_size: How many words of the current solution may change; goes with `refine`.
        last: See :class:`MetaPrompt`.
        vary: How the draws of a step are made to differ, see
            :func:`~llmopt.parts.variety.requests`.
    """

    samples: int = 8
    family: AnyFamily = "auto"
    wording: str = "opro"
    template: str = ""
    tag: Tag = "INS"
    strict: bool = True
    scores: int = 100
    order: Order = "ascending"
    trajectory_first: bool = True
    temperature: Schedule = field(default_factory=lambda: Constant(1.0))
    max_tokens: int = USUAL
    refine: Refine | Literal[""] = ""
    step_size: StepSize | None = None
    last: bool = False
    vary: Vary = "none"
    fraction: bool = False

    def __post_init__(self) -> None:
        check_vary(self.vary)
        if self.refine not in ("", *get_args(Refine)):
            raise ConfigError(f"a refinement is generate or edit, but got {self.refine!r}")
        if self.step_size and not self.refine:
            raise ConfigError(
                "a step size is a limit on the words of the current solution, which is shown with "
                "refine = 'generate' or 'edit', but got none; set it"
            )
        if self.samples < 1:
            raise ConfigError(f"solutions per step are 1 or more, but got {self.samples}")
        if self.scores < 0:
            raise ConfigError(f"score buckets are 0 (hidden) or more, but got {self.scores}")
        if self.max_tokens < 1:
            raise ConfigError(f"max_tokens is 1 or more, but got {self.max_tokens}")
        for heat in (self.temperature(1, 1), self.temperature(2, 1)):  # where schedules begin, end
            if not 0 <= heat <= _HOTTEST:
                raise ConfigError(f"a temperature is 0 to {_HOTTEST}, but got {heat}; 1 is usual")
        chat = self.metaprompt("chat")  # an unknown family or a broken template is refused here
        if self.vary in ("angles", "together") and not (chat.raw or chat.varies):
            raise ConfigError(
                f"a meta-prompt with vary = {self.vary!r} says so, by {{{{ several }}}} and "
                "{{ angles }}, but got words that do not, such as paper-like ones; take "
                "vary = 'exemplars' or 'none'"
            )

    def metaprompt(self, preferred: Family, layout: str = "") -> MetaPrompt:
        """Return the meta-prompt for a model that prefers a family, and for a kind of problem."""
        family = preferred if self.family == "auto" else self.family
        return MetaPrompt(
            family, self.wording, self.template, self.tag, self.strict, self.last, layout
        )

    def check(self, model: Model) -> None:
        """Refuse a family that the optimizer LLM cannot answer."""
        if self.metaprompt(model.traits.family).raw and not model.traits.completion:
            raise ConfigError(
                "the meta-prompt family 'continuation' needs a model with raw completions, but "
                f"got {model.identity}; choose the family 'chat'"
            )
        if not self.metaprompt(model.traits.family).raw and not model.traits.chat:
            raise ConfigError(
                f"the meta-prompt family {self.family!r} needs a chat model, but got "
                f"{model.identity}; choose the family 'continuation'"
            )

    def most(self) -> CallBound:
        """Return the calls that are made because a first reply changed too much."""
        again = self.step_size is not None and self.step_size.above == "again"
        return CallBound(optimizer=self.samples if again else 0)

    def divided(self) -> tuple[Generate, int]:
        """Return a single draw; solutions that one reply holds stay together."""
        if self.vary == "together":
            return self, 1
        return replace(self, samples=1), self.samples

    async def __call__(self, ctx: StepContext) -> tuple[Proposed, ...]:
        """Ask for `samples` solutions."""
        said = ctx.problem.description
        metaprompt = self.metaprompt(ctx.model.traits.family, said.layout).apart_from(said.marks)
        sections = self.sections(ctx, metaprompt)
        vary = "none" if metaprompt.raw and self.vary != "exemplars" else self.vary
        found = await all_of(
            self._drawn(ctx, metaprompt, _varied(sections, request, ctx, metaprompt), request)
            for request in requests(vary, ctx, self.samples)
        )
        return tuple(proposed for drawn in found for proposed in drawn)

    async def _drawn(
        self, ctx: StepContext, metaprompt: MetaPrompt, sections: Sections, request: Request
    ) -> tuple[Proposed, ...]:
        """Ask once, and where a single solution changes too much, do what the step size says."""
        text = metaprompt.lay_out(sections)
        found = await self._asked(ctx, metaprompt, text, ctx.sample(request.draw), request)
        if not self.step_size or self.step_size.above == "record":
            return found
        if self.step_size.above == "again" and request.several == 1:
            excess = _excess(ctx, found[0], sections.limit)
            if excess:
                first = found[0]
                text = metaprompt.lay_out(replace(sections, excess=excess))
                sample = ctx.sample(self.samples + request.draw)  # no number of a first draw
                found = await self._asked(ctx, metaprompt, text, sample, request)
                found = (replace(found[0], further=(first.call,)),)
        return tuple(_within(ctx, proposed, sections.limit) for proposed in found)

    async def _asked(
        self, ctx: StepContext, metaprompt: MetaPrompt, text: str, sample: int, request: Request
    ) -> tuple[Proposed, ...]:
        call = metaprompt.call(
            text,
            temperature=self.temperature(ctx.step, ctx.steps),
            max_tokens=reply_tokens(self.max_tokens, ctx.problem.description, request.several),
            sample=sample,
        )
        reply = await ctx.model.complete(call)
        parents = None
        if self.refine and ctx.base:
            parents = (*(entry for entry in ctx.shown if entry != ctx.base), ctx.base)
        key = call.key(ctx.model.identity)
        cut = reply.finish == "length"
        if cut and self._loses(ctx, metaprompt, reply.text):
            refusal = Refusal(f"cut off at {call.max_tokens} tokens")
            return (Proposed(refusal, reply.text, key, parents),)
        return tuple(
            Proposed(self._whole(ctx, solution), reply.text, key, parents)
            for solution in metaprompt.read_all(reply.text, cut=cut, several=request.several)
        )

    def _whole(self, ctx: StepContext, solution: str | Refusal) -> str | Refusal:
        """Return an edit of the current solution as a whole one.

        That is an edit of some of its parts, whose other parts stay as they are; or blocks that
        are searched in it and replaced, for a problem that takes such.
        """
        if self.refine != "edit" or ctx.base is None or isinstance(solution, Refusal):
            return solution
        if isinstance(ctx.problem, Editable):
            return ctx.problem.edited(solution, ctx.base.text)
        names = [part.name for part in parts_of(ctx.problem)]
        return completed(solution, ctx.base.text, names)

    @staticmethod
    def _loses(ctx: StepContext, metaprompt: MetaPrompt, reply: str) -> bool:
        """Return whether a reply that was cut off holds half of a long solution, and no whole."""
        return ctx.problem.description.tokens > 0 and metaprompt.closing not in reply

    def _held(self, scores: list[float]) -> Order:
        """Return the order if the scores keep it; a selection may order by something else."""
        sign = {"ascending": 1, "descending": -1, "random": 0}[self.order]
        kept = all(sign * low <= sign * high for low, high in pairwise(scores))
        return self.order if kept else "random"

    def sections(self, ctx: StepContext, metaprompt: MetaPrompt) -> Sections:
        """Return what the meta-prompt says; scores are the estimates that it is ordered by."""
        problem = ctx.problem
        buckets = self.scores or 100
        summary = ctx.feedback.summary
        entries = ctx.shown if summary is None else (summary,)
        worth = ctx.trajectory.estimate
        best = max(map(worth, entries), default=0.0)

        scale, aim = problem.scale(buckets), problem.aim(best, buckets)
        shares = self.fraction and scale == str(buckets)
        if shares:
            scale, aim = "1", f"{float(aim) / buckets:.3g}"

        def shown(entry: Entry) -> Shown:
            exact = f"{round(worth(entry), 3):g}"
            score = exact if shares else problem.show(worth(entry), buckets)
            return Shown(entry.text, score, entry.evaluation.partial)

        now = ctx.base if self.refine else None
        return Sections(
            description=ctx.description or problem.description,
            entries=tuple(shown(entry) for entry in entries),
            order=self._held([worth(entry) for entry in entries]),
            scored=self.scores > 0 and bool(entries),
            scale=scale,
            aim=aim,
            exemplars=tuple(
                problem.exemplar(item, metaprompt.placeholder) for item in ctx.feedback.exemplars
            ),
            failing=ctx.feedback.failing,
            trajectory_first=self.trajectory_first,
            current=shown(now) if now else None,
            feedback=ctx.feedback.text,
            limit=self.step_size(ctx.step, ctx.steps) if self.step_size and now else None,
            refine=self.refine or "generate",
        )


def _varied(
    sections: Sections, request: Request, ctx: StepContext, metaprompt: MetaPrompt
) -> Sections:
    """Return the sections as one request says them."""
    varied = replace(sections, several=request.several, angles=request.angles)
    if request.exemplars is None:
        return varied
    shown = (ctx.problem.exemplar(item, metaprompt.placeholder) for item in request.exemplars)
    return replace(varied, exemplars=tuple(shown))


def _within(ctx: StepContext, proposed: Proposed, limit: int | None) -> Proposed:
    """Return a proposal, refused where it changes too many words of the current solution."""
    excess = _excess(ctx, proposed, limit)
    if not excess:
        return proposed
    return replace(proposed, text=Refusal(f"changes {excess} words, more than {limit}"))


def _excess(ctx: StepContext, proposed: Proposed, limit: int | None) -> int:
    """Return how many words of the current solution change, where that is too many; else 0."""
    text = proposed.text
    parsed = text if isinstance(text, Refusal) else ctx.problem.parse(text)
    if limit is None or ctx.base is None or isinstance(parsed, Refusal):
        return 0
    changed = word_distance(ctx.base.text, parsed)
    return changed if changed > limit else 0


def worded(method: str, wording: str) -> str:
    """Return the folder of a method's templates; what "paper-like" does not have is ours.

    Raises:
        ConfigError: There is no such wording.
    """
    if wording not in get_args(Wording):
        raise ConfigError(f"a wording is {' or '.join(get_args(Wording))}, but got {wording!r}")
    return method if wording == "ours" else f"{method}-paper-like"
