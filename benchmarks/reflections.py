"""Do reflections follow the errors they are shown? The repeated-reflection test.

    python benchmarks/reflections.py                                     a scripted model
    python benchmarks/reflections.py --model local/qwen2.5-coder-1.5b --scorer local/smollm2-135m

"Are Large Language Models Good Prompt Optimizers?" (arXiv 2402.02101) reports that an optimizer LLM
gives nearly the same feedback whatever errors it sees. Its numbers are known from second hand, and
its words are not known; the measure below is ours.

The start of a task is measured on training rows. Its errors are divided into pairs of groups, so
that no two groups share a row. Each group is reflected on several times, in the words of ProTeGi,
each time with another draw. Two reflections differ where their similarity is below ``--threshold``.
That is the cosine of how often words, or runs of three characters, occur in both
(``--similarity``). For each pair of groups it counts how many pairs of reflections differ

- with the same errors: both on one group;
- with the errors exchanged: one on each of the two groups.

What errors have to do with reflections is the second share less the first. Intervals are 95 %
bootstrap intervals over the pairs of groups, which share no row; where the shares of all pairs are
0, or all are 1, Wilson's. The scripted model repeats an error in a known share of the calls
(``--reads``): its figures test the benchmark and say nothing of a real model.
"""

from __future__ import annotations

import argparse
import asyncio
from dataclasses import dataclass
from itertools import combinations, product
from typing import TYPE_CHECKING

import numpy as np
from problems import PROBLEMS, problem

from llmopt.algorithms.protegi.gradients import Wrong
from llmopt.core.metaprompt import filled, mark_for, marked_call
from llmopt.core.part import all_of
from llmopt.core.values import digest
from llmopt.models.providers.scripted import ScriptedModel
from llmopt.models.registry import model_named
from llmopt.parts.similarity import Lexical
from llmopt.statistics import Interval, bootstrap_mean, wilson

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from llmopt.core.model import Model
    from llmopt.core.values import Call
    from llmopt.problems.prompt.prompt_problem import PromptProblem

_FLAW = "The instruction does not say what matters and leaves too much open."
_PLACEHOLDER = "<INS>"
_INPUT = "\nInput: "


def draws(call: Call, name: str) -> np.random.RandomState:
    """Return the generator of a call: the same for the same call."""
    return np.random.RandomState(int(digest(f"{name} {call.text} {call.sample}")[:8], 16))


def scripted_model(reads: float = 1.0, wavers: float = 0.0) -> ScriptedModel:
    """Return a model whose answer to the test is known.

    As a scorer LLM it says "positive". As an optimizer LLM it names one flaw.

    Args:
        reads: In how many reflections it repeats the first error that it sees, and not the flaw
            that it names otherwise, 0..1.
        wavers: In how many reflections it writes words that come up nowhere else, 0..1.
    """

    def answer(call: Call) -> str:
        if _INPUT not in call.text:
            return "positive"
        rng = draws(call, "reflection")
        if rng.uniform() < wavers:
            return f"<INS>{' '.join(f'w{n}' for n in rng.randint(10**6, size=12))}</INS>"
        seen = call.text.partition(_INPUT)[2].partition("\n")[0]
        return f"<INS>{seen if rng.uniform() < reads else _FLAW}</INS>"

    return ScriptedModel(answer)


@dataclass(frozen=True)
class Change:
    """How often reflections differ, one share of each pair of groups, 0..1.

    Attributes:
        same: With the same errors.
        exchanged: With the errors of the other group.
        alike: Mean similarity of two reflections on the same errors, and on exchanged ones.
    """

    same: tuple[float, ...]
    exchanged: tuple[float, ...]
    alike: tuple[float, float]

    def rows(self) -> Iterable[tuple[str, Sequence[float]]]:
        """Return the lines of a report, each with a share for each pair of groups."""
        yield "the same errors", self.same
        yield "errors exchanged", self.exchanged
        pairs = zip(self.exchanged, self.same, strict=True)
        yield "difference", tuple(other - one for other, one in pairs)


async def errors_of(asked: PromptProblem, scorer: Model) -> list[Wrong]:
    """Return the training rows that the start gets wrong, as the template shows them."""
    items = asked.items("train")
    outcomes = await all_of(asked.measure(asked.instructions[0], i, scorer) for i in items)
    shown = [asked.exemplar(item, _PLACEHOLDER) for item in items]
    return [
        Wrong(one.question, outcome.answer or "(none)", item.target, one.input)
        for item, outcome, one in zip(items, outcomes, shown, strict=True)
        if outcome.score is not None and outcome.score < 1
    ]


def paired(
    errors: Sequence[Wrong], size: int, most: int, seed: int
) -> list[tuple[list[Wrong], ...]]:
    """Return pairs of groups that share no error.

    Args:
        errors: All errors.
        size: Errors of a group, 1 or more.
        most: Pairs at most, 1 or more.
        seed: Of the order in which they are drawn.

    Raises:
        ValueError: There are too few errors for two pairs, so that no interval can be had.
    """
    count = min(most, len(errors) // (2 * size))
    if count < 2:  # noqa: PLR2004 - an interval over one pair says nothing
        raise ValueError(
            f"two pairs of groups need {4 * size} errors, but the start has {len(errors)}; take "
            "fewer --errors, more --rows or a weaker --scorer"
        )
    order = np.random.RandomState(seed).permutation(len(errors)).tolist()
    groups = [[errors[i] for i in order[at : at + size]] for at in range(0, 2 * size * count, size)]
    return list(zip(groups[::2], groups[1::2], strict=True))


async def reflections(
    asked: PromptProblem, model: Model, group: Sequence[Wrong], times: int
) -> list[str]:
    """Return what the model says of a group, each time with another draw."""
    description = asked.description
    mark = mark_for(description)
    text = filled(
        "protegi",
        "critique",
        task=description.task,
        noun=description.noun,
        where=description.where,
        current=asked.instructions[0],
        wrongs=group,
        reasons=1,
        placeholder=_PLACEHOLDER,
        opening=mark.opening,
        closing=mark.closing,
    )
    replies = await all_of(
        model.complete(
            marked_call(model.traits, text, temperature=1.0, max_tokens=256, sample=draw, mark=mark)
        )
        for draw in range(times)
    )
    said = (reply.text.rpartition(mark.opening)[2].partition(mark.closing)[0] for reply in replies)
    return [one.strip() for one in said]


async def change(
    told: Sequence[tuple[Sequence[str], Sequence[str]]], similarity: Lexical, threshold: float
) -> Change:
    """Count how many pairs of reflections differ.

    Args:
        told: Of each pair of groups, two or more reflections on the one and on the other.
        similarity: How alike two reflections are.
        threshold: Below it they differ, 0..1.
    """
    same, exchanged = [], []
    for one, other in told:
        within = [*combinations(one, 2), *combinations(other, 2)]
        same.append([(await similarity(a, [b]))[0] for a, b in within])
        exchanged.append([(await similarity(a, [b]))[0] for a, b in product(one, other)])

    def differ(found: list[list[float]]) -> tuple[float, ...]:
        return tuple(float(np.mean(np.array(each) < threshold)) for each in found)

    return Change(
        differ(same), differ(exchanged), (float(np.mean(same)), float(np.mean(exchanged)))
    )


async def tested(
    asked: PromptProblem, model: Model, scorer: Model, own: argparse.Namespace
) -> Change:
    """Do the whole test on one problem."""
    pairs = paired(await errors_of(asked, scorer), own.errors, own.pairs, own.seed)
    told = [
        (
            await reflections(asked, model, one, own.times),
            await reflections(asked, model, other, own.times),
        )
        for one, other in pairs
    ]
    if own.show:
        for at, (one, other) in enumerate(told):
            print(*(f"{at} A: {text}" for text in one), sep="\n")
            print(*(f"{at} B: {text}" for text in other), sep="\n")
    return await change(told, Lexical(own.similarity), own.threshold)


def options(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Return what the command line says."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--model", default="", help="the optimizer LLM; default: a scripted one")
    parser.add_argument("--scorer", default="", help="the scorer LLM; default: the same model")
    parser.add_argument("--task", default="reviews", choices=sorted(PROBLEMS))
    parser.add_argument("--data-dir", help="the folder with the official files of papers' tasks")
    parser.add_argument("--rows", type=int, default=100, help="training rows that are answered")
    parser.add_argument("--errors", type=int, default=2, help="errors of a group")
    parser.add_argument("--pairs", type=int, default=12, help="pairs of groups at most")
    parser.add_argument("--times", type=int, default=5, help="reflections on each group")
    parser.add_argument("--similarity", default="words", choices=("words", "characters"))
    parser.add_argument("--threshold", type=float, default=0.7, help="below it, they differ")
    parser.add_argument("--reads", type=float, default=0.5, help="of the scripted model")
    parser.add_argument("--seed", type=int, default=0, help="which errors make a group")
    parser.add_argument("--show", action="store_true", help="print every reflection")
    return parser.parse_args(words)


def interval_of(shares: Sequence[float]) -> Interval:
    """Return the 95 % interval of a mean share; a bootstrap has nothing to draw from all equal."""
    if set(shares) <= {0.0} or set(shares) <= {1.0}:
        return wilson(round(sum(shares)), len(shares))
    return bootstrap_mean(shares)


def report(found: Change) -> list[str]:
    """Return the lines of the table."""
    lines = [f"{'':18} {'differ':>7}  95 % interval over {len(found.same)} pairs of groups"]
    for name, shares in found.rows():
        interval = interval_of(shares)
        lines.append(f"{name:18} {np.mean(shares):7.1%}  {interval.low:.1%} to {interval.high:.1%}")
    lines.append(f"mean similarity: {found.alike[0]:.2f} the same, {found.alike[1]:.2f} exchanged")
    return lines


async def main(words: Sequence[str] | None = None) -> None:
    """Print the table of one task."""
    own = options(words)
    model = model_named(own.model) if own.model else scripted_model(own.reads)
    scorer = model_named(own.scorer) if own.scorer else model
    asked = problem(own.task, data_dir=own.data_dir, scorer=scorer, rows=(own.rows, 2, 2))
    found = await tested(asked, model, scorer, own)
    print(f"{own.task}, {own.model or 'a scripted model'}: {own.times} reflections on each group")
    print(*report(found), sep="\n")


if __name__ == "__main__":
    asyncio.run(main())
