"""Learns how to ask: an adversarial bandit over wordings of the meta-prompt (EXPO).

Each step is a round. An arm is a task description with a request, each of them the problem's or
ours, or another wording of it; what a step brings is the arm's reward. Rewards change as a
search goes on, so every round's estimates are summed up and an arm is drawn with exponential
weights, as in EXP3. The estimates are those of a kernel ridge regression, which for a cosine
is ridge regression on the embeddings of the texts; the paper has a small network there.

Nothing is remembered: the other wordings are asked for with the same calls in every step, so
their replies are stored ones, and earlier rounds are drawn again from the trajectory.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from llmopt.core.metaprompt import MetaPrompt, Sections, Shown
from llmopt.core.part import all_of, generator
from llmopt.core.problem import Description, Refusal
from llmopt.core.text import leaked_marker, mark_names, one_line
from llmopt.core.values import digest
from llmopt.errors import ConfigError
from llmopt.parts.propose import Generate
from llmopt.parts.similarity import embedder_of, similarity_of
from llmopt.parts.zeros import check_zeros, sparing

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from llmopt.core.metaprompt import Zeros
    from llmopt.core.model import Model
    from llmopt.core.part import Proposed, StepContext
    from llmopt.core.trajectory import Entry, Trajectory
    from llmopt.parts.similarity import Similarity

    Array = NDArray[np.floating]

REQUEST = "Write one new {noun} that differs from everything above and gets a better score."
"""The first arm's request: the meta-instruction."""

_WINDOW = 32  # rounds whose sequences are compared: each costs a comparison with every other
_LONGEST = 3  # times as long as the text may another wording be, and a sentence more
_SENTENCE = 100  # characters


@dataclass(frozen=True)
class ExponentialWeights:
    """Ask with the wording, and with the past solutions, that a bandit draws.

    Attributes:
        generate: How the meta-prompt is laid out and asked with.
        wordings: Wordings of the task description, and as many of the request, the first of
            each included; every pair of them is an arm. 1 or more; 1 leaves the words alone.
        sequences: Lists of past solutions that are drawn from, the selected one included
            (EXPO-ES); 1 or more; 1 shows what was selected.
        rate: Factor of the learning rate ``sqrt(8 ln(arms) / round)``; above 0.
        ridge: Weight of the penalty in the regression; above 0.
        similarity: ``words`` or ``characters``, the name of an embedding model, or a similarity
            of the user's own. It is taken for a kernel, as a cosine is one.
        rewording: A template of the user's own for asking for another wording.
        zeros: See :class:`~llmopt.parts.select.Best`; of the lists that are drawn from.
    """

    generate: Generate = field(default_factory=lambda: Generate(wording="expo"))
    wordings: int = 4
    sequences: int = 1
    rate: float = 1.0
    ridge: float = 1.0
    similarity: str | Similarity = "characters"
    rewording: str = ""
    zeros: Zeros = "few"

    def __post_init__(self) -> None:
        for what, count in (("wordings", self.wordings), ("sequences", self.sequences)):
            if count < 1:
                raise ConfigError(f"{what} are 1 or more, the first included, but got {count}")
        for what, number in (("learning rate", self.rate), ("ridge penalty", self.ridge)):
            if not 0 < number < math.inf:
                raise ConfigError(f"a {what} is above 0, but got {number}; 1 is usual")
        embedder_of(self.similarity)  # another name is refused here
        check_zeros(self.zeros)
        self._rewording("chat")  # a broken template is refused here

    def check(self, model: Model) -> None:
        """Refuse a family that the optimizer LLM cannot answer."""
        self.generate.check(model)

    def embedder(self) -> str:
        """Return the name of the embedding model that is compared by, or nothing."""
        return embedder_of(self.similarity)

    async def __call__(self, ctx: StepContext) -> tuple[Proposed, ...]:
        """Draw a wording and a list of past solutions, and ask with them."""
        description = ctx.problem.description
        request = REQUEST.format(noun=description.noun)
        (tasks, one), (requests, other) = await all_of(
            self._wordings(ctx, text, noun)
            for text, noun in ((description.task, "task description"), (request, "request"))
        )
        # A text that does not name what is wanted is no request for it, whatever it says.
        named = [text for text in requests if description.noun in text.lower()]
        requests = tuple(named) or requests[:1]
        number = await self._arm(ctx, tasks, requests)
        said = replace(
            description,
            task=tasks[number // len(requests)],
            request=requests[number % len(requests)],
        )
        parents = await self._shown(ctx)
        found = await self.generate(replace(ctx, description=said, shown=parents))
        # The other wordings are the whole step's; its first proposal carries their calls.
        return tuple(
            replace(p, parents=parents, further=(*p.further, *(() if n else (*one, *other))))
            for n, p in enumerate(found)
        )

    async def _wordings(
        self, ctx: StepContext, text: str, noun: str
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return a text and its other wordings, and the keys of the calls for them."""
        said = ctx.problem.description
        metaprompt = self._rewording(ctx.model.traits.family).apart_from(said.marks)
        shown = metaprompt.lay_out(Sections(Description(said.task, noun=noun), (Shown(text, ""),)))
        first = metaprompt.call(shown, temperature=1.0, max_tokens=256, sample=0)
        calls = [
            # Without the step: it is the same question in every step.
            replace(first, sample=int(digest(f"{ctx.seed} {noun} {draw}")[:12], 16))
            for draw in range(1, self.wordings)
        ]
        replies = await all_of(ctx.model.complete(call) for call in calls)
        read = (metaprompt.read(r.text, cut=r.finish == "length") for r in replies)
        usable = (_usable(found, text) for found in read)
        return (
            tuple(dict.fromkeys((text, *filter(None, usable)))),
            tuple(call.key(ctx.model.identity) for call in calls),
        )

    def _rewording(self, preferred: str) -> MetaPrompt:
        family = self.generate.metaprompt("chat").family
        if self.generate.family == "auto":
            family = preferred  # type: ignore[assignment] # a model's own family
        return MetaPrompt(family, "expo-rewording", self.rewording)

    async def _arm(self, ctx: StepContext, tasks: Sequence[str], requests: Sequence[str]) -> int:
        """Draw the arm of this round; earlier rounds are drawn again to know theirs."""
        arms = len(tasks) * len(requests)
        if arms == 1:
            return 0
        alike = [await self._kernel(ctx, texts) for texts in (tasks, requests)]
        ones = [np.ones_like(kernel) for kernel in alike]
        # The embedding of a pair is both embeddings one after the other.
        kernel = (np.kron(alike[0], ones[1]) + np.kron(ones[0], alike[1])) / 2
        key = (repr(self), ctx.seed, tuple(tasks), tuple(requests))
        past = ctx.trajectory.running(key, lambda: _Pulled(arms))
        for number, told_round in past.untold(ctx.step):
            arm = self._drawn(past.total, ctx.seed, number, "wording")
            if told_round is not None:
                past.pulls[arm] += 1
                past.rewards[arm] += told_round.reward
                seen = np.flatnonzero(past.pulls)
                pulls = past.pulls[seen]
                means = told_round.scaled(past.rewards[seen] / pulls)
                weights, mean = self._fitted(kernel[np.ix_(seen, seen)], means, pulls)
                past.total += mean + kernel[:, seen] @ weights
        return self._drawn(past.total, ctx.seed, ctx.step, "wording")

    async def _shown(self, ctx: StepContext) -> tuple[Entry, ...]:
        """Draw the past solutions to show: those selected, or the best with random others."""
        told = ctx.trajectory.running("rounds", BanditHistory)
        size = len(ctx.shown)
        if self.sequences == 1 or size < 2 or len(told.scored) <= size:  # noqa: PLR2004 - one is best
            return ctx.shown
        rng = ctx.rng("sequences")
        best = ctx.trajectory.promising(1, readable=self.zeros == "few")[0]
        lists = [ctx.shown]
        for _ in range(self.sequences - 1):
            drawn = {best.candidate.id: best}
            while len(drawn) < size:
                one = told.scored[int(rng.randint(len(told.scored)))]
                drawn[one.candidate.id] = one
            lists.append(self._ascending(ctx.trajectory, drawn.values()))
        latest = (r for r in reversed(told.until(ctx.step)) if r is not None and r.shown)
        past = list(islice(latest, _WINDOW))[::-1]
        if not past:
            return lists[int(rng.choice(len(lists)))]
        texts = ["\n".join(entry.text for entry in shown) for shown in lists]
        kernel = await self._kernel(ctx, (*(r.shown for r in past), *texts))
        among, between = kernel[: len(past), : len(past)], kernel[len(past) :, : len(past)]
        total = np.zeros(len(lists))
        for seen, told_round in enumerate(past, 1):
            means = told_round.scaled(np.array([r.reward for r in past[:seen]]))
            weights, mean = self._fitted(among[:seen, :seen], means, np.ones(seen))
            total += mean + between[:, :seen] @ weights
        return lists[self._drawn(total, ctx.seed, ctx.step, "sequence")]

    def _ascending(self, trajectory: Trajectory, drawn: Iterable[Entry]) -> tuple[Entry, ...]:
        """Return past solutions from the worst to the best, few of them that came to nothing."""
        found = sorted(drawn, key=trajectory.estimate, reverse=True)
        if self.zeros == "few":
            found = sparing(trajectory, [e for e in found if not trajectory.unreadable(e)] or found)
        return tuple(reversed(found))

    def _drawn(self, total: Array, seed: int, number: int, purpose: str) -> int:
        """Draw with exponential weights of summed estimates, in the round of a number."""
        rate = self.rate * math.sqrt(8 * math.log(len(total)) / number)
        weights = np.exp(rate * (total - total.max()))
        return int(generator(seed, number, purpose).choice(len(total), p=weights / weights.sum()))

    def _fitted(self, kernel: Array, means: Array, pulls: Array) -> tuple[Array, float]:
        """Return the dual weights of a kernel ridge regression around the mean, and the mean."""
        mean = float(np.average(means, weights=pulls))
        penalized = kernel + np.diag(self.ridge / pulls)
        # Least squares, because a user's own similarity may be no kernel.
        weights: Array = np.linalg.lstsq(penalized, means - mean, rcond=None)[0]
        return weights, mean

    async def _kernel(self, ctx: StepContext, texts: Sequence[str]) -> Array:
        similarity = similarity_of(self.similarity, ctx.embedder)
        rows = await all_of(similarity(text, texts[: n + 1]) for n, text in enumerate(texts))
        kernel = np.zeros((len(texts), len(texts)))
        for number, row in enumerate(rows):
            kernel[number, : number + 1] = kernel[: number + 1, number] = row
        return kernel


@dataclass(frozen=True)
class BanditRound:
    """What a step brought.

    Attributes:
        reward: The mean score of its candidates; the lowest score so far if none was new.
        low: The lowest score up to it.
        high: The highest score up to it.
        shown: The texts of the past solutions that its candidates were made of.
    """

    reward: float
    low: float
    high: float
    shown: str = ""

    def scaled(self, rewards: Array) -> Array:
        """Return rewards of this round and earlier ones, in 0..1 as seen from this round."""
        if self.high <= self.low:
            return np.full(len(rewards), 0.5)
        scaled: Array = np.clip((rewards - self.low) / (self.high - self.low), 0, 1)
        return scaled


class BanditHistory:
    """What each step brought, entry by entry.

    Attributes:
        scored: All entries that have a score.
        cuts: How often rounds were taken back, because a step was told that had brought nothing.
    """

    def __init__(self) -> None:
        self.scored: list[Entry] = []
        self.cuts = 0
        self._rounds: list[BanditRound | None] = []
        self._low, self._high = math.inf, -math.inf
        self._step = 0
        self._scores: list[float] = []

    def add(self, entry: Entry, trajectory: Trajectory) -> None:
        """Add an entry to the round of its step."""
        step = entry.candidate.step
        if step != self._step:
            if len(self._rounds) >= step:
                self.cuts += 1
                del self._rounds[step - 1 :]
            self.until(step)
            self._rounds.append(None)
            self._step, self._scores = step, []
            parents = entry.candidate.parents
            self._shown = "\n".join(trajectory.entry(parent).text for parent in parents)
        if entry.evaluation.score is None:
            return
        self.scored.append(entry)
        self._scores.append(entry.score)
        self._low, self._high = min(self._low, entry.score), max(self._high, entry.score)
        if step:
            reward = sum(self._scores) / len(self._scores)
            self._rounds[step - 1] = BanditRound(reward, self._low, self._high, self._shown)

    def until(self, step: int) -> list[BanditRound | None]:
        """Return what each step before `step` brought; None where nothing could be measured."""
        nothing = (
            BanditRound(self._low, self._low, self._high) if math.isfinite(self._low) else None
        )
        self._rounds += [nothing] * (step - 1 - len(self._rounds))
        return self._rounds[: step - 1]


class _Pulled(BanditHistory):
    """What the bandit over wordings has learnt.

    Attributes:
        total: The summed estimates of each arm.
        pulls: How often each was drawn.
        rewards: What it brought, summed up.
    """

    def __init__(self, arms: int) -> None:
        super().__init__()
        self._arms, self._known = arms, (0, 0)
        self._forget()

    def _forget(self) -> None:
        self.total, self.pulls, self.rewards = (np.zeros(self._arms) for _ in range(3))
        self._known = (0, self.cuts)

    def untold(self, step: int) -> list[tuple[int, BanditRound | None]]:
        """Return the rounds before `step` that were not learnt from, with their numbers."""
        done, cuts = self._known
        if cuts != self.cuts or done > step - 1:
            self._forget()
            done = 0
        self._known = (step - 1, self.cuts)
        return list(enumerate(self.until(step)[done:], done + 1))


def _usable(found: str | Refusal, text: str) -> str:
    """Return another wording on one line, or nothing where it cannot be one."""
    longest = _LONGEST * len(text) + _SENTENCE
    if isinstance(found, Refusal) or leaked_marker(found, mark_names(text)) or len(found) > longest:
        return ""
    return one_line(found, longest)
