"""A bandit over wordings: it learns from the trajectory alone, and finds the better arm."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from llmopt.algorithms.expo.exponential_weights import (
    REQUEST,
    BanditHistory,
    BanditRound,
    ExponentialWeights,
)
from llmopt.core.trajectory import Entry, Trajectory
from llmopt.core.values import Candidate, Evaluation, Outcome
from llmopt.errors import ConfigError, TemplateError, UnknownNameError
from llmopt.models.providers.scripted import ScriptedModel
from llmopt.parts.propose import Generate
from llmopt.testing import scripted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llmopt.core.part import StepContext
    from llmopt.core.values import Call

TASK = scripted.problem().description.task
FIRST = REQUEST.format(noun="instruction")


def entry(text: str, score: float | None, step: int = 0, *parents: str) -> Entry:
    ids = tuple(Candidate(parent).id for parent in parents)
    return Entry(Candidate(text, step, ids), Evaluation((Outcome("i", score),), 1))


def reworder(call: Call) -> str:
    """Reword with a number, or propose a text with the number of the draw."""
    number = call.sample % 1_000_000
    if "Paraphrase this" in call.text:
        return f"<INS>Wording {number} of an instruction.</INS>"
    return f"<INS>Proposal {number}.</INS>"


def context(
    past: Trajectory,
    model: ScriptedModel,
    seed: int = 0,
    shown: int = 3,
    embedder: ScriptedModel | None = None,
) -> StepContext:
    parents = tuple(reversed(past.best(shown)))
    return scripted.context(
        past, model=model, embedder=embedder, shown=parents, steps=50, seed=seed, group=0
    )


def part(**options: Any) -> ExponentialWeights:
    return ExponentialWeights(Generate(1, "chat", "expo"), **options)


def played(
    propose: ExponentialWeights,
    good: str,
    steps: int,
    seed: int = 0,
    embedder: ScriptedModel | None = None,
) -> list[bool]:
    """Play rounds in which those bring more whose meta-prompt holds a text; say which did."""
    past = Trajectory().tell([entry("start", 0.0), entry("other", 1.0)])
    found = []
    for step in range(1, steps + 1):
        sent: list[str] = []

        def answer(call: Call, sent: list[str] = sent) -> str:
            if "Paraphrase this" not in call.text:
                sent.append(call.text)
            return reworder(call)

        asyncio.run(propose(context(past, ScriptedModel(answer), seed, embedder=embedder)))
        found.append(good in sent[0])
        past = past.tell([entry(f"c{step}", 0.9 if found[-1] else 0.1, step)])
    return found


@pytest.mark.parametrize("good", [TASK, FIRST])
def test_the_wording_that_brings_more_is_drawn_more(good: str) -> None:
    runs = [played(part(wordings=2), good, 40, seed) for seed in range(3)]
    late = [any_good for run in runs for any_good in run[20:]]
    assert sum(late) / len(late) > 0.8


def test_before_the_first_reward_every_arm_is_as_likely() -> None:
    drawn = Counter(played(part(wordings=2), TASK, 1, seed)[0] for seed in range(60))
    assert 15 <= drawn[True] <= 45


def test_the_same_trajectory_gives_the_same_draw_and_wordings_are_asked_for_in_the_same_words() -> (
    None
):
    past = Trajectory().tell([entry("start", 0.2)]).tell([entry("a", 0.5, 1)]).tell([])
    calls: list[list[str]] = []
    found = []
    for grown in (past, past, past.tell([])):
        asked: list[Call] = []

        def answer(call: Call, asked: list[Call] = asked) -> str:
            asked.append(call)
            return reworder(call)

        found.append(asyncio.run(part()(context(grown, ScriptedModel(answer)))))
        calls.append([call.key("m") for call in asked])
    assert found[0] == found[1]
    assert calls[0] == calls[1]
    assert calls[0][:6] == calls[2][:6], "three other wordings of each, stored since the first step"
    assert calls[0][6:] != calls[2][6:]


def test_the_calls_for_wordings_are_named_once() -> None:
    past = Trajectory().tell([entry("start", 0.2)])
    propose = ExponentialWeights(Generate(3, "chat", "expo"), wordings=3)
    first, *others = asyncio.run(propose(context(past, ScriptedModel(reworder))))
    assert len(first.further) == 4
    assert not any(proposed.further for proposed in others)


@pytest.mark.parametrize(
    "reply",
    ["", "no marks", "<INS></INS>", "<INS><TEXT>x</INS>", "<INS>" + "long " * 200, f"<INS>{TASK}"],
)
def test_what_is_no_other_wording_is_no_arm(reply: str) -> None:
    sent: list[str] = []

    def answer(call: Call) -> str:
        if "Paraphrase this" in call.text:
            return reply
        sent.append(call.text)
        return ""

    past = Trajectory().tell([entry("start", 0.2)])
    asyncio.run(part()(context(past, ScriptedModel(answer))))
    assert f"Task: {TASK} " in sent[0] or f"Task: {TASK}\n" in sent[0]
    assert "long long" not in sent[0]


def test_a_request_that_names_nothing_wanted_is_no_arm() -> None:
    """A small model may carry a request out instead of saying it in other words."""
    sent: list[str] = []

    def answer(call: Call) -> str:
        if "Paraphrase this" in call.text:
            return "<INS>Compose a brief essay about the weather.</INS>"
        sent.append(call.text)
        return ""

    past = Trajectory().tell([entry("start", 0.2)])
    for seed in range(8):
        asyncio.run(part()(context(past, ScriptedModel(answer), seed)))
    assert all(text.count(FIRST) == 1 for text in sent)


def test_one_wording_asks_for_no_others() -> None:
    calls: list[Call] = []

    def answer(call: Call) -> str:
        calls.append(call)
        return ""

    past = Trajectory().tell([entry("start", 0.2)])
    asyncio.run(part(wordings=1)(context(past, ScriptedModel(answer))))
    assert len(calls) == 1
    assert FIRST in calls[0].text


def told(past: Trajectory, step: int) -> tuple[BanditRound | None, ...]:
    return tuple(past.running("rounds", BanditHistory).until(step))


# -- rewards --------------------------------------------------------------------------------


def test_a_reward_is_the_mean_of_what_a_step_brought() -> None:
    past = Trajectory().tell([entry("s", 0.2), entry("lost", None)])
    past = past.tell([entry("a", 0.4, 1, "s"), entry("b", 0.8, 1, "s")])
    past = past.tell([]).tell([entry("c", None, 3, "a", "b")]).tell([entry("d", 0.1, 4)])
    assert told(past, 5) == (
        BanditRound((0.4 + 0.8) / 2, 0.2, 0.8, "s"),
        BanditRound(0.2, 0.2, 0.8),
        None,
        BanditRound(0.1, 0.1, 0.8),
    )
    assert told(past, 3) == told(past, 5)[:2]


def test_without_any_score_there_is_no_reward() -> None:
    assert told(Trajectory().tell([entry("s", None)]).tell([]), 2) == (None,)


def test_rewards_are_seen_between_the_lowest_and_the_highest_so_far() -> None:
    low_high = BanditRound(0.0, -10.0, 10.0)
    assert low_high.scaled(np.array([-10.0, 0.0, 10.0])).tolist() == [0.0, 0.5, 1.0]
    assert BanditRound(1.0, 1.0, 1.0).scaled(np.array([1.0])).tolist() == [0.5]


# -- sequences ------------------------------------------------------------------------------


def grown() -> Trajectory:
    past = Trajectory().tell([entry("s", 0.1)])
    return past.tell([entry(f"c{n}", n / 10, 1, "s") for n in range(2, 9)])


def test_a_drawn_list_holds_the_best_last_and_is_what_the_texts_are_made_of() -> None:
    past, lists = grown(), set()
    for seed in range(20):
        (found,) = asyncio.run(
            part(wordings=1, sequences=4)(context(past, ScriptedModel(reworder), seed))
        )
        assert found.parents is not None
        scores = [e.score for e in found.parents]
        assert scores == sorted(scores)
        assert len(scores) == 3
        assert found.parents[-1].text == "c8"
        lists.add(found.parents)
    assert len(lists) > 5


def test_without_lists_to_choose_from_the_selected_is_shown() -> None:
    past = grown()
    for options, shown in (({"sequences": 1}, 3), ({"sequences": 5}, 20), ({"sequences": 5}, 1)):
        given = context(past, ScriptedModel(reworder), 3, shown)
        (found,) = asyncio.run(part(wordings=1, **options)(given))
        assert found.parents == given.shown


def test_lists_like_those_that_brought_more_are_drawn_more() -> None:
    """Whenever `alpha` was shown, more came of it."""
    past = Trajectory().tell([entry("start zero", 0.0), entry("best of all", 1.0)])
    past = past.tell([entry("alpha alpha alpha", 0.5, 1), entry("omega omega omega", 0.5, 1)])
    for step in range(2, 40):
        seen = "alpha alpha alpha" if step % 2 else "omega omega omega"
        score = 0.95 if step % 2 else 0.05
        past = past.tell([entry(f"c{step}", score, step, seen, "best of all")])
    drawn = Counter()  # type: Counter[str]
    for seed in range(60):
        given = context(past, ScriptedModel(reworder), seed, 2)
        alpha, omega = (
            past.entry(Candidate(t).id) for t in ("alpha " * 2 + "alpha", "omega " * 2 + "omega")
        )
        given = replace(given, shown=(alpha if seed % 2 else omega, past.best(1)[0]))
        (found,) = asyncio.run(part(wordings=1, sequences=30)(given))
        assert found.parents is not None
        drawn[found.parents[0].text.split()[0]] += 1
    assert drawn["alpha"] > drawn["omega"]


# -- options --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {"wordings": 0},
        {"sequences": 0},
        {"rate": 0},
        {"rate": float("inf")},
        {"ridge": -1},
        {"similarity": "letters"},
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises((ConfigError, UnknownNameError)):
        part(**options)


def test_a_template_for_wordings_of_the_users_own_is_used_and_checked() -> None:
    with pytest.raises(TemplateError, match="uses only"):
        part(rewording="{{ wording }}")
    sent: list[str] = []

    def answer(call: Call) -> str:
        sent.append(call.text)
        return ""

    own = part(rewording="Say {{ entries[0].text }} in other words.")
    asyncio.run(own(context(Trajectory().tell([entry("s", 0.2)]), ScriptedModel(answer))))
    assert f"Say {TASK} in other words." in sent


@dataclass(frozen=True)
class Equal:
    """Everything is like everything: no kernel can be inverted."""

    async def __call__(self, text: str, others: Sequence[str]) -> Sequence[float]:
        del text
        return [-1.0 for _ in others]


def test_a_similarity_of_the_users_own_may_be_anything() -> None:
    assert len(played(part(wordings=2, similarity=Equal()), TASK, 5)) == 5


def test_an_embedding_model_is_named_and_handed_in() -> None:
    named = part(similarity="openai/some-embedding")
    assert named.embedder() == "openai/some-embedding"
    assert part().embedder() == ""
    model = ScriptedModel(lambda call: f"[{len(call.text)}.0, 1.0]")
    assert played(named, TASK, 2, embedder=model)
    with pytest.raises(ConfigError, match="needs that model"):
        played(named, TASK, 2)
