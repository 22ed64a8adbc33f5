"""What SBLLM tells of the programs tried, and of pairs of slow and faster programs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from llmopt.algorithms.sbllm.pattern_base import SpeedPattern, fitting, patterns_of
from llmopt.algorithms.sbllm.representatives import distinct, is_right
from llmopt.core.metaprompt import filled
from llmopt.core.part import Feedback
from llmopt.errors import ConfigError
from llmopt.parts.failure_reports import clipped, failures

if TYPE_CHECKING:
    from llmopt.core.part import StepContext
    from llmopt.core.trajectory import Entry

PatternForm = Literal["programs", "changes"]

_BUCKETS = 100
_GAIN = 1.1  # how many times as good as the other one the faster program of a pair is
_TESTS = 2  # failed tests of a version that are reported
_PAIRS = 200  # latest programs of the run of which pairs are made


@dataclass(frozen=True)
class VersionsAndPatterns:
    """Tell of the versions shown, with verdicts and failed tests, and of patterns that fit them.

    Patterns are pairs of the user's, and pairs of the run's own: a right program, and a
    right one that was written with it in view and has 1.1 times its score. A pair whose faster
    program is among the versions is left out, for that program is shown anyway.

    Attributes:
        patterns: Pairs of the user's, see
            :func:`~llmopt.algorithms.sbllm.pattern_base.patterns_of`.
        count: How many patterns are shown at most: 0, 1 or 2.
        form: ``programs``: both programs of a pair; ``changes``: the lines that differ, as in the
            published code.
        own: Whether pairs of the run are patterns.
        stop: Whether nothing more is asked once a step has not changed the versions shown, and
            the best of them is right and better than the original.
        clip: Characters of a program of a pattern, and of what is said of a failed test.

    Raises:
        ConfigError: An option is out of its range, or a pattern is no pair.
    """

    patterns: str = ""
    count: int = 2
    form: PatternForm = "programs"
    own: bool = True
    stop: bool = False
    clip: int = 1500

    def __post_init__(self) -> None:
        if not 0 <= self.count <= 2:  # noqa: PLR2004 - a similar one and a different one
            raise ConfigError(f"patterns shown are 0, 1 or 2, but got {self.count}; 2 is usual")
        if self.form not in get_args(PatternForm):
            raise ConfigError(
                f"a form of patterns is {' or '.join(get_args(PatternForm))}, but got {self.form!r}"
            )
        if self.clip < 1:
            raise ConfigError(f"characters shown of a text are 1 or more, but got {self.clip}")
        patterns_of(self.patterns)

    async def __call__(self, ctx: StepContext) -> Feedback:
        """Return the versions and the patterns as text, or why nothing is asked."""
        still = self._still(ctx)
        best = next(iter(ctx.shown), None)
        worth = ctx.trajectory.estimate
        if self.stop and still and best and ctx.base and worth(best) > worth(ctx.base):
            return Feedback(reason="the representative programs did not change")
        versions = [self._version(ctx, entry) for entry in ctx.shown]
        chosen = () if still and self.stop else self._chosen(ctx)
        text = filled("sbllm", "material", versions=versions, patterns=[*map(self._told, chosen)])
        return Feedback(text=text)

    def _still(self, ctx: StepContext) -> bool:
        """Whether the last step changed nothing of what represents the programs."""
        if not ctx.shown:
            return False
        known = distinct(ctx, max(1, len(ctx.survivors)))
        last = ctx.trajectory.recent(1)[0].candidate.step
        return last < ctx.trajectory.steps - 1 or known.before == ctx.survivors

    def _version(self, ctx: StepContext, entry: Entry) -> dict[str, object]:
        worth = ctx.trajectory.estimate
        right = is_right(ctx.problem, entry)
        better = ctx.base is not None and worth(entry) > worth(ctx.base)
        return {
            "verdict": ("right and better" if better else "right, but not better")
            if right
            else "wrong",
            "text": entry.text,
            "score": ctx.problem.show(worth(entry), _BUCKETS) if right else "",
            "failures": () if right else failures(entry, _TESTS, self.clip),
        }

    def _chosen(self, ctx: StepContext) -> tuple[SpeedPattern, ...]:
        if ctx.base is None:
            return ()
        base = [*patterns_of(self.patterns), *(_own_pairs(ctx) if self.own else ())]
        tried = [entry.text for entry in ctx.shown]
        return fitting(ctx.base.text, tried, base, self.count)

    def _told(self, pattern: SpeedPattern) -> dict[str, str]:
        if self.form == "programs":
            slow, fast = (clipped(one, self.clip) for one in (pattern.slow, pattern.fast))
            return {"slow": slow, "fast": fast, "changes": ""}
        return {"slow": "", "fast": "", "changes": clipped(_lines(pattern), self.clip)}


def _own_pairs(ctx: StepContext) -> list[SpeedPattern]:
    """Return pairs among the latest programs of the run that are right."""
    worth, trajectory = ctx.trajectory.estimate, ctx.trajectory
    shown = {entry.candidate.id for entry in ctx.shown}
    found = []
    for entry in trajectory.recent(_PAIRS):
        scored = entry.evaluation.score is not None and entry.candidate.id not in shown
        if not (scored and is_right(ctx.problem, entry)):
            continue
        for parent in map(trajectory.entry, entry.candidate.parents):
            right = parent.evaluation.score is not None and is_right(ctx.problem, parent)
            if right and worth(entry) > 0 and worth(entry) >= _GAIN * worth(parent):
                found.append(SpeedPattern(parent.text, entry.text))
    return [pattern for pattern in found if pattern.usable]


def _lines(pattern: SpeedPattern) -> str:
    """Return the lines that a pattern takes out, after a minus, and puts in, after a plus."""
    from difflib import ndiff

    slow, fast = pattern.slow.splitlines(), pattern.fast.splitlines()
    return "\n".join(line for line in ndiff(slow, fast) if line[:2] in ("- ", "+ "))
