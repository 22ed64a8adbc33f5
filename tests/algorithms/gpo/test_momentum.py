"""Which past solutions stand beside the current one, and in which order."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmopt.algorithms.gpo.momentum import Importance, Recency, Relevance
from llmopt.core.part import Group
from llmopt.core.trajectory import Entry, Trajectory
from llmopt.core.values import Candidate, Evaluation, Outcome
from llmopt.errors import ConfigError, UnknownNameError
from llmopt.models.providers.scripted import ScriptedModel
from llmopt.parts.select import Lineages
from llmopt.parts.similarity import Lexical
from llmopt.testing import scripted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llmopt.core.model import Model
    from llmopt.core.part import Select
    from llmopt.parts.similarity import Unit

WORDS = ["start", "starts", "now", "it", "", "!"]
CONTEXT = scripted.context()
STORY = [("start", 0.2), ("start now", 0.9), ("sing aloud", 0.5), ("start it now", 0.4)]


def trajectory() -> Trajectory:
    """Who was current in each step, each out of the one before, with a loser beside it."""
    told, last = Trajectory(), tuple[str, ...]()
    for step, (text, score) in enumerate(STORY):
        tried = [entry(text, score, step, last)]
        if step:
            tried.append(entry(f"start loser {step}", 0.1, step, last))
        told = told.tell(tried)
        last = (tried[0].candidate.id,)
    return told


def entry(text: str, score: float, step: int, parents: tuple[str, ...]) -> Entry:
    return Entry(Candidate(text, step, parents), Evaluation((Outcome("i", score),), 1))


def shown(select: Select, embedder: Model | None = None) -> list[str]:
    past = trajectory()
    current = past.entry(Candidate("start it now").id)
    ctx = scripted.context(past, survivors=(current,), embedder=embedder)
    (group,) = asyncio.run(select(ctx))
    assert group.base == current
    return [e.text for e in group.shown]


def test_by_importance_the_current_prompt_may_have_to_rank() -> None:
    """The published code shows the best k of all that were current, this one included."""
    assert shown(Importance(3)) == ["sing aloud", "start now", "start it now"]
    assert shown(Importance(2, current="ranked")) == ["sing aloud", "start now"]
    assert shown(Importance(3, current="ranked")) == ["start it now", "sing aloud", "start now"]
    assert shown(Importance(3, "descending", current="ranked"))[0] == "start now"
    with pytest.raises(UnknownNameError, match="current_shown"):
        Importance(current="no")  # type: ignore[arg-type]  # what a user may write


def test_g3_the_most_alike_stand_last() -> None:
    """The current one, which is like nothing more than itself, at the very end."""
    assert shown(Relevance(3)) == ["start", "start now", "start it now"]


def test_g3_the_published_code_s_order_is_an_option() -> None:
    assert shown(Relevance(3, "descending")) == ["start it now", "start now", "start"]


def test_recency_shows_the_last_ones() -> None:
    assert shown(Recency(3)) == ["start now", "sing aloud", "start it now"]
    assert shown(Recency(2, "descending")) == ["start it now", "sing aloud"]


def test_importance_shows_the_best_ones() -> None:
    assert shown(Importance(3)) == ["sing aloud", "start now", "start it now"]


def test_without_momentum_the_current_one_stands_alone() -> None:
    assert shown(Lineages(1)) == ["start it now"]
    assert shown(Relevance(1)) == ["start it now"]


def test_who_was_never_gone_on_from_is_not_remembered() -> None:
    assert not any("loser" in text for text in shown(Recency(99)))


def test_a_partial_score_never_outranks_a_full_one() -> None:
    part = Entry(Candidate("lucky", 4), Evaluation((Outcome("i", 1.0),), 9))
    out_of_it = entry("next", 0.1, 5, (part.candidate.id,))
    past = trajectory().tell([part]).tell([out_of_it])
    (group,) = asyncio.run(Importance(2)(scripted.context(past, survivors=(out_of_it,))))
    assert [e.text for e in group.shown] == ["start now", "next"]


@given(
    st.lists(
        st.tuples(st.sampled_from(WORDS), st.sampled_from(WORDS), st.floats(0, 1)), max_size=6
    ),
    st.integers(1, 4),
    st.sampled_from(["words", "characters"]),
)
def test_who_is_shown_is_found_as_by_looking_at_all(
    told: list[tuple[str, str, float]], k: int, unit: Unit
) -> None:
    """Step by step, each out of the last; and again from the end, where nothing is kept."""
    texts = list(dict.fromkeys(f"{one} {other}" for one, other, _ in told))
    past, last = Trajectory(), tuple[str, ...]()
    made: list[Entry] = []
    for step, text in enumerate(texts):
        made.append(entry(text, told[step][2], step, last))
        past, last = past.tell(made[-1:]), (made[-1].candidate.id,)
        chosen, now = made[:-1], made[-1]
        alike = asyncio.run(Lexical(unit)(now.text, [e.text for e in chosen]))
        likeness = dict(zip((e.text for e in chosen), alike, strict=True))
        for select, wanted in (
            (Recency(k), chosen),
            (Importance(k), sorted(chosen, key=lambda e: e.score)),
            (Relevance(k, similarity=unit), sorted(chosen, key=lambda e: likeness[e.text])),
        ):
            for trajectory in (past, Trajectory().tell(past)):
                ctx = replace(CONTEXT, trajectory=trajectory, survivors=(now,))
                (group,) = asyncio.run(select(ctx))
                assert list(group.shown) == [*wanted, now][-k:]


@dataclass(frozen=True)
class Short:
    """The shorter, the more alike."""

    async def __call__(self, text: str, others: Sequence[str]) -> Sequence[float]:
        assert text == "start it now"
        return [-len(other) for other in others]


def test_g2_a_user_s_own_similarity_is_used() -> None:
    assert shown(Relevance(2, similarity=Short())) == ["start", "start it now"]


def test_an_embedding_model_is_handed_in() -> None:
    select = Relevance(2, similarity="openai/some-model")
    assert select.embedder() == "openai/some-model"
    with pytest.raises(ConfigError, match="needs that model"):
        shown(select)
    model = ScriptedModel(lambda call: f"[1.0, {call.text.count('aloud')}.0]")
    assert shown(select, model) == ["start now", "start it now"]
    assert Relevance().embedder() == ""


def test_with_nothing_measured_nothing_is_shown() -> None:
    for select in (Lineages(1), Recency(), Relevance()):
        assert asyncio.run(select(scripted.context())) == (Group(),)


def test_impossible_options_are_refused() -> None:
    with pytest.raises(ConfigError, match="1 or more"):
        Recency(0)
    with pytest.raises(ConfigError, match="ascending or descending"):
        Importance(order="random")  # type: ignore[arg-type] # what a configuration could say
    with pytest.raises(ConfigError, match="a similarity is"):
        Relevance(similarity="relavance")
