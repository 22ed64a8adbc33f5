"""How alike texts are."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmopt.errors import ConfigError, LostReplyError
from llmopt.models.providers.scripted import ScriptedModel
from llmopt.parts.similarity import Embedded, Index, Lexical, named_similarity

if TYPE_CHECKING:
    from llmopt.core.values import Call
    from llmopt.parts.similarity import Similarity, Unit


def alike(similarity: Similarity, text: str, *others: str) -> list[float]:
    return list(asyncio.run(similarity(text, others)))


@given(st.sampled_from(["words", "characters"]), st.text(max_size=40), st.text(max_size=40))
def test_a_likeness_is_a_share_and_the_same_both_ways(unit: Unit, one: str, other: str) -> None:
    (there,), (back,) = alike(Lexical(unit), one, other), alike(Lexical(unit), other, one)
    assert there == pytest.approx(back)
    assert -1e-9 <= there <= 1 + 1e-9


@given(st.sampled_from(["words", "characters"]), st.text(max_size=40))
def test_a_text_is_most_like_itself(unit: Unit, text: str) -> None:
    assert alike(Lexical(unit), text, text) == [pytest.approx(1)]


@given(
    st.sampled_from(["words", "characters"]),
    st.text("aAb! ", max_size=12),
    st.lists(st.text("aAb! ", max_size=12)),
)
def test_an_index_says_the_same_as_one_by_one(unit: Unit, text: str, others: list[str]) -> None:
    index = Index(Lexical(unit))
    for other in others:
        index.add(other)
    assert index.alike(text).tolist() == alike(Lexical(unit), text, *others)


def test_common_words_make_texts_alike() -> None:
    near, far = alike(Lexical(), "Check each step.", "check every STEP", "Think aloud!")
    assert near > 0.6
    assert far == 0


def test_characters_see_a_common_stem() -> None:
    words = alike(Lexical("words"), "answering", "answered")
    characters = alike(Lexical("characters"), "answering", "answered")
    assert words == [0]
    assert characters[0] > 0.5


def test_vectors_are_compared_by_their_direction() -> None:
    vectors = {"a": [1.0, 0.0], "b": [2.0, 0.0], "c": [0.0, 3.0], "d": [-1.0, 0.0]}
    model = ScriptedModel(lambda call: json.dumps(vectors[call.text]))
    assert alike(Embedded(model), "a", "b", "c", "d", "a") == [1, 0, -1, 1]
    assert model.calls == 4


def test_vectors_of_two_lengths_are_no_likeness() -> None:
    def answer(call: Call) -> str:
        return json.dumps([1.0] * len(call.text))

    with pytest.raises(LostReplyError, match="of one length"):
        alike(Embedded(ScriptedModel(answer)), "a", "bb")


def test_names_are_known_or_name_an_embedding_model() -> None:
    """G15: spelt correctly."""
    assert named_similarity("words") == Lexical("words")
    assert named_similarity("openai/text-embedding-3-small") is None
    with pytest.raises(ConfigError, match="words, characters, or an embedding model"):
        named_similarity("wrods")
    with pytest.raises(ConfigError, match="words or characters"):
        Lexical("lines")  # type: ignore[arg-type] # what a user could write
