"""Worlds of which the truth is known: items with difficulties, instructions with abilities.

An instruction gets an item right where a normal number falls below the instruction's *ability*.
That number is made of the item's difficulty, of what the item is for instructions of one style, and
of luck, so that an instruction of ability ``a`` has a true accuracy of exactly ``Phi(a)`` over the
items that there could be (a probit model with two styles). The text of an instruction holds its
ability and its style: nothing else has to be remembered, so a run may be resumed.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import asdict, dataclass
from functools import cached_property
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from llmopt.core.model import text_call
from llmopt.core.problem import Description, Exemplar, Refusal
from llmopt.core.text import leaked_marker
from llmopt.core.values import Item, Outcome, canonical, digest
from llmopt.errors import ConfigError, RefusedError
from llmopt.models.providers.scripted import ScriptedModel

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.random import RandomState
    from numpy.typing import NDArray

    from llmopt.core.model import Model
    from llmopt.core.problem import SplitName
    from llmopt.core.values import Call

    Floats = NDArray[np.float64]

_SPLITS: tuple[SplitName, ...] = ("train", "validation", "test")
_NORMAL = NormalDist()
_WITHIN = 0.6  # of what a passage's items have in common, in each part of the number
_NODES = np.linspace(-6, 6, 241)  # of an integral over a normal number

PLAN = re.compile(r"Plan ([-+]\d+\.\d{4}) ([AB]) [0-9a-f]{8}\.")
"""An instruction of a simulated world: its ability, its style, and what tells it from others."""

SCORE = re.compile(r"(?<![\d.+-])(\d+\.\d{2})(?![\d.])")
"""A score as a simulated world shows it in a meta-prompt."""


@dataclass(frozen=True)
class World:
    """What is true in a simulated world; by default there is nothing to find.

    Attributes:
        start: True accuracy of the starting instruction, above 0 and below 1.
        gain: How much better a new idea is on average, as a difference of true accuracies.
        spread: Standard deviation of the abilities of new ideas, on the normal scale; at an
            accuracy of one half, 0.25 are 10 points.
        step: Standard deviation of what builds on another instruction, around its ability.
        heeds: Share of the proposals that build on one of the best that the optimizer LLM is
            shown; 0: it ignores scores. A prompt that shows fewer than two scores has none to heed.
        among: Of how many of the best shown one is drawn.
        plain: True accuracy of the plain controls; None: that of the start.
        alike: Correlation of two instructions of different styles on an item.
        style: The same for two of one style; at least `alike`, at most 1.
        sizes: Items of train, validation and test.
        passages: Items that belong to one passage: they have one input, stay in one split, and
            have most of their difficulty, and of their luck, in common. 1: each is its own.
        grades: Steps of a score: 1 for right or wrong, 4 for quarters.
        noise: Share of the luck that is drawn again whenever an answer is measured, as with a
            scorer LLM at a temperature above 0.
        lost: Share of the answers that stay unmeasured, by chance.
        calls: Whether each answer takes a call to a (scripted) scorer LLM, which budgets count.

    Raises:
        ConfigError: A value is out of its range.
    """

    start: float = 0.5
    gain: float = 0.0
    spread: float = 0.0
    step: float = 0.0
    heeds: float = 0.0
    among: int = 8
    plain: float | None = None
    alike: float = 0.5
    style: float = 0.7
    sizes: tuple[int, int, int] = (50, 50, 100)
    passages: int = 1
    grades: int = 1
    noise: float = 0.0
    lost: float = 0.0
    calls: bool = False

    def __post_init__(self) -> None:
        for name in ("start", "idea"):
            share = getattr(self, name)
            if not 0 < share < 1:
                raise ConfigError(f"a true accuracy is above 0 and below 1, but got {share:g}")
        if not 0 <= self.alike <= self.style <= 1:
            raise ConfigError(
                "instructions of one style are at least as alike as others, from 0 to 1, but got "
                f"style = {self.style:g} and alike = {self.alike:g}"
            )
        for name in ("heeds", "noise", "lost"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"{name} is a share from 0 to 1, but got {getattr(self, name)}")
        for name in ("among", "passages", "grades"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is 1 or more, but got {getattr(self, name)}")

    @property
    def idea(self) -> float:
        """True accuracy of a new idea of middling ability."""
        return self.start + self.gain

    def problem(self, seed: int) -> SimulatedProblem:
        """Return the problem of one draw of this world's items."""
        return SimulatedProblem(self, seed)

    def accuracy(self, text: str) -> float:
        """Return the true accuracy of an instruction: its mean over all items there could be."""
        return _NORMAL.cdf(self.ability(text))

    def ability(self, text: str) -> float:
        """Return the ability of an instruction; what is no plan has that of the plain controls."""
        found = PLAN.fullmatch(text)
        plain = self.start if self.plain is None else self.plain
        return float(found[1]) if found else ability_of(plain)

    def differ(self, first: str, second: str) -> float:
        """Return the mean square difference of two instructions' scores on an item.

        For right and wrong answers it is the share of items on which they differ.
        """
        if first == second:
            return 0.0
        shared = self.style if _style(first) == _style(second) else self.alike
        a, b = (self.ability(text) for text in (first, second))
        return self._square(a) + self._square(b) - 2 * _both(a, b, shared)

    def _square(self, ability: float) -> float:
        """Return the mean square score of an instruction, whose grades are alike as its style."""
        several = _both(ability, ability, self.style)
        return several + (_NORMAL.cdf(ability) - several) / self.grades


def _both(first: float, second: float, alike: float) -> float:
    """Return how often two abilities get an item right together, at a correlation."""
    weights = np.exp(-(_NODES**2) / 2)
    own = math.sqrt(max(1e-9, 1 - alike))
    right = [
        np.array([_NORMAL.cdf(x) for x in (ability - math.sqrt(alike) * _NODES) / own])
        for ability in (first, second)
    ]
    return float(weights @ (right[0] * right[1]) / weights.sum())


class SimulatedProblem:
    """One draw of a world, as a problem to optimize; it remembers what was measured on train.

    Args:
        world: What is true.
        seed: Of the items, and of all luck.

    Attributes:
        tried: Every instruction that was measured on a train item, in order of appearance.
        scorer: A scripted scorer LLM where the world's answers take calls; otherwise None.
        allowed: Answers that may still be measured, after which measuring is refused as if the run
            were broken off; None: any number.
    """

    def __init__(self, world: World, seed: int) -> None:
        self.world, self.seed = world, seed
        self.tried: dict[str, None] = {}
        self.allowed: int | None = None
        self.scorer: object = ScriptedModel(self._answer, identity="scripted/simulated")
        if not world.calls:
            self.scorer = None
        self._vectors: dict[tuple[str, int], list[float]] = {}
        self._gone: dict[str, list[bool]] = {}
        self._drawn: Counter[tuple[str, int]] = Counter()

    @property
    def description(self) -> Description:
        """How the problem presents itself."""
        return Description("Answer simulated questions.", labels=("right", "wrong"))

    @property
    def fingerprint(self) -> dict[str, str]:
        """What affects scores: the world's settings and the seed."""
        return {"simulated world": canonical(asdict(self.world)), "seed": str(self.seed)}

    @cached_property
    def starts(self) -> tuple[str, ...]:
        """The one starting instruction."""
        return (plan(ability_of(self.world.start), "A", digest(f"start {self.seed}")),)

    def controls(self) -> Mapping[str, str]:
        """Return the plain controls."""
        return {"empty": "", "think": "Let's think step by step."}

    def items(self, split: SplitName) -> tuple[Item, ...]:
        """Return the items of a split."""
        return self._items[split]

    @cached_property
    def _items(self) -> dict[SplitName, tuple[Item, ...]]:
        made = {}
        for split, size in zip(_SPLITS, self.world.sizes, strict=True):
            passages = (number // self.world.passages for number in range(size))
            made[split] = tuple(
                Item(f"{split}-{number}", f"Simulated {split} question {passage}?", "right")
                for number, passage in enumerate(passages)
            )
        return made

    @cached_property
    def _places(self) -> dict[str, int]:
        every = (item.id for split in _SPLITS for item in self.items(split))
        return {name: at for at, name in enumerate(every)}

    def parse(self, text: str) -> str | Refusal:
        """Return the first plan in a text."""
        if marker := leaked_marker(text):
            return Refusal(f"leaked marker {marker}")
        found = PLAN.search(text)
        return found[0] if found else Refusal("no plan")

    def exemplar(self, item: Item, placeholder: str) -> Exemplar:
        """Return a train item as it is shown."""
        return Exemplar(item.input, f"{placeholder} {item.input}", item.target)

    def show(self, score: float, buckets: int) -> str:
        """Return a score as a reader of a simulated world finds it."""
        return f"{score * buckets:.2f}"

    def scale(self, buckets: int) -> str:
        """Return the number of steps."""
        return str(buckets)

    def aim(self, best: float, buckets: int) -> str:
        """Return a better score."""
        return self.show(best + (1 - best) / 2, buckets)

    async def measure(self, text: str, item: Item, scorer: Model | None) -> Outcome:
        """Measure an instruction on one item."""
        if self.allowed is not None:
            if not self.allowed:
                raise RefusedError("broken off in a simulated world")
            self.allowed -= 1
        at = self._places[item.id]
        if item.id.startswith("train"):
            self.tried.setdefault(text)
        if scorer is None or not self.world.calls:
            score = self._score(text, at)
        else:
            asked = f"{text}\n{at}"
            call = text_call("scorer", asked, raw=False, temperature=0.0, max_tokens=8, sample=0)
            score = float((await scorer.complete(call)).text)
        if self.world.lost and self._lost(text)[at]:
            return Outcome(item.id, None, reason="lost in the simulated world")
        return Outcome(item.id, score, "right" if score >= 0.5 else "wrong")  # noqa: PLR2004

    def _answer(self, call: Call) -> str:
        text, _, at = call.text.rpartition("\n")
        return repr(self._score(text, int(at)))

    def _score(self, text: str, at: int) -> float:
        """Return the next draw of an instruction's score on an item; without noise, the one."""
        draw = self._drawn[text, at] if self.world.noise else 0
        self._drawn[text, at] += 1
        if (text, draw) not in self._vectors:
            self._vectors[text, draw] = self._scores(text, draw)
        return self._vectors[text, draw][at]

    def _lost(self, text: str) -> list[bool]:
        """Return which answers to an instruction stay unmeasured."""
        if text not in self._gone:
            chance = self._random("lost", text).random_sample(sum(self.world.sizes))
            self._gone[text] = (chance < self.world.lost).tolist()
        return self._gone[text]

    def _scores(self, text: str, draw: int) -> list[float]:
        """Return the scores on all items in one draw."""
        world = self.world
        hard = math.sqrt(world.alike) * self._hard["both"]
        kind = math.sqrt(world.style - world.alike) * self._hard[_style(text)]
        right = np.zeros(len(hard))
        for grade in range(world.grades):
            stays = self._passages(self._random("luck", text, grade))
            luck = math.sqrt(1 - world.noise) * stays
            if world.noise:
                fresh = self._random("draw", text, grade, draw).normal(size=len(hard))
                luck += math.sqrt(world.noise) * fresh
            right += hard + kind + math.sqrt(1 - world.style) * luck < world.ability(text)
        scores: list[float] = (right / world.grades).tolist()
        return scores

    @cached_property
    def _hard(self) -> dict[str, Floats]:
        """What items are for all instructions, and for those of one style."""
        return {name: self._passages(self._random("hard", name)) for name in ("both", "A", "B")}

    def _passages(self, random: RandomState) -> Floats:
        """Return a normal number for each item; those of a passage have most of it in common."""
        own = random.normal(size=sum(self.world.sizes))
        if self.world.passages == 1:
            return own
        of = np.concatenate(
            [
                at * 10**6 + np.arange(n) // self.world.passages
                for at, n in enumerate(self.world.sizes)
            ]
        )
        shared = random.normal(size=len(own))[np.unique(of, return_inverse=True)[1]]
        return math.sqrt(_WITHIN) * shared + math.sqrt(1 - _WITHIN) * own

    def _random(self, *parts: object) -> RandomState:
        return random_of(self.seed, *parts)


def ability_of(accuracy: float) -> float:
    """Return the ability that has a true accuracy."""
    return _NORMAL.inv_cdf(accuracy)


def plan(ability: float, style: str, mark: str) -> str:
    """Return the text of an instruction.

    Args:
        ability: On the normal scale.
        style: ``A`` or ``B``.
        mark: Hexadecimal digits, of which the first eight tell it from others.
    """
    return f"Plan {ability:+.4f} {style} {mark[:8]}."


def random_of(*parts: object) -> RandomState:
    """Return a generator that follows from some parts."""
    return np.random.RandomState(int(digest(" ".join(map(str, parts)))[:8], 16))


def _style(text: str) -> str:
    found = PLAN.fullmatch(text)
    return found[2] if found else "A"
