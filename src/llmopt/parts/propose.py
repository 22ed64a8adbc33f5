"""How new solutions are asked for."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from llmopt.algorithm import Proposed, all_of
from llmopt.errors import ConfigError
from llmopt.metaprompt import MetaPrompt, Sections, Shown
from llmopt.parts.schedule import Constant

if TYPE_CHECKING:
    from llmopt.algorithm import Brief
    from llmopt.metaprompt import Order, Tag
    from llmopt.model import Family, Model
    from llmopt.parts.schedule import Schedule


@dataclass(frozen=True)
class Generate:
    """Draw several new solutions from one meta-prompt (OPRO, sections 2, 3 and 5).

    Attributes:
        samples: Draws per group of parents, each its own call.
        family: The meta-prompt family; "auto" takes the one that suits the optimizer LLM.
        wording: See :class:`MetaPrompt`.
        template: A template of the user's own; empty for the family's.
        tag: See :class:`MetaPrompt`.
        strict: See :class:`MetaPrompt`.
        scores: Steps of the shown score range: 100 or 20 in the paper; 0 hides the scores.
        order: The order that the selection gives, so that the text can say it.
        trajectory_first: Whether the trajectory stands before the exemplars.
        temperature: Of the optimizer LLM, by step.
        max_tokens: Of one draw.
    """

    samples: int = 8
    family: Family | Literal["auto"] = "auto"
    wording: str = "opro"
    template: str = ""
    tag: Tag = "INS"
    strict: bool = True
    scores: int = 100
    order: Order = "ascending"
    trajectory_first: bool = True
    temperature: Schedule = field(default_factory=lambda: Constant(1.0))
    max_tokens: int = 512

    def __post_init__(self) -> None:
        if self.samples < 1:
            raise ConfigError(f"solutions per step are 1 or more, but got {self.samples}")
        if self.scores < 0:
            raise ConfigError(f"score buckets are 0 (hidden) or more, but got {self.scores}")
        if self.max_tokens < 1:
            raise ConfigError(f"max_tokens is 1 or more, but got {self.max_tokens}")
        self.metaprompt("chat")  # an unknown family or a broken template is refused here

    def metaprompt(self, preferred: Family) -> MetaPrompt:
        """Return the meta-prompt for a model that prefers a family."""
        family = preferred if self.family == "auto" else self.family
        return MetaPrompt(family, self.wording, self.template, self.tag, self.strict)

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

    async def __call__(self, brief: Brief) -> tuple[Proposed, ...]:
        """Ask `samples` times with the same meta-prompt."""
        metaprompt = self.metaprompt(brief.model.traits.family)
        text = metaprompt.lay_out(self.sections(brief, metaprompt))
        first = metaprompt.call(
            text,
            temperature=self.temperature(brief.step, brief.steps),
            max_tokens=self.max_tokens,
            sample=0,
        )
        calls = [replace(first, sample=brief.sample(draw)) for draw in range(self.samples)]
        replies = await all_of(brief.model.complete(call) for call in calls)
        return tuple(
            Proposed(
                metaprompt.read(reply.text, cut=reply.finish == "length"),
                reply.text,
                call.key(brief.model.identity),
            )
            for call, reply in zip(calls, replies, strict=True)
        )

    def sections(self, brief: Brief, metaprompt: MetaPrompt) -> Sections:
        """Return what the meta-prompt says, with scores rounded by the problem."""
        problem = brief.problem
        buckets = self.scores or 100
        best = max((entry.score for entry in brief.parents), default=0.0)
        return Sections(
            description=problem.description,
            entries=tuple(
                Shown(e.text, problem.show(e.score, buckets), e.evaluation.partial)
                for e in brief.parents
            ),
            order=self.order,
            scored=self.scores > 0 and bool(brief.parents),
            scale=problem.scale(buckets),
            aim=problem.aim(best, buckets),
            exemplars=tuple(
                problem.exemplar(item, metaprompt.opening) for item in brief.feedback.exemplars
            ),
            failing=brief.feedback.failing,
            trajectory_first=self.trajectory_first,
        )
