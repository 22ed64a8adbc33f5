"""Values survive JSON, and keys separate what must be separate."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmopt.core.values import (
    Call,
    Candidate,
    Evaluation,
    Message,
    Outcome,
    Reply,
    Usage,
    packed_keys,
    to_json,
)

outcomes = st.builds(
    Outcome,
    item=st.text(max_size=5),
    score=st.none() | st.floats(0, 1),
    answer=st.none() | st.text(max_size=5),
    weight=st.floats(0.1, 5),
    feedback=st.text(max_size=5),
    aims=st.lists(st.tuples(st.text(max_size=5), st.floats(0, 1)), max_size=2).map(tuple),
)


@given(st.lists(outcomes, max_size=6), st.integers(0, 9))
def test_an_evaluation_survives_json(found: list[Outcome], planned: int) -> None:
    evaluation = Evaluation(tuple(found), planned)
    assert Evaluation.from_json(json.loads(to_json(evaluation))) == evaluation


@given(st.text(), st.lists(st.text(max_size=3), max_size=2), st.integers(0, 2**40))
def test_a_call_survives_json(prompt: str, stop: list[str], sample: int) -> None:
    call = Call("scorer", prompt=prompt, stop=tuple(stop), sample=sample)
    assert Call.from_json(json.loads(to_json(call))) == call


def test_a_reply_survives_json() -> None:
    reply = Reply("hello", Usage(1, 2, 3, estimated=True), "length", "because")
    assert Reply.from_json(json.loads(to_json(reply))) == reply


any_text = st.text(st.characters(codec=None))  # lone surrogates are among them


@given(
    text=any_text,
    stop=st.lists(any_text, max_size=2).map(tuple),
    temperature=st.floats(allow_nan=False) | st.integers(0, 2) | st.sampled_from((0.7, 1.0, 1e-5)),
    answers=st.lists(any_text, max_size=2).map(tuple),
)
def test_a_key_is_the_hash_of_one_json_text(
    text: str, stop: tuple[str, ...], temperature: float, answers: tuple[str, ...]
) -> None:
    """Stored replies keep their names, whatever writes the text that is hashed."""
    call = Call(
        "scorer", (Message("user", text),), temperature=temperature, stop=stop, answers=answers
    )
    content = {
        "schema": 1,
        "model": text,
        "messages": [["user", text]],
        "prompt": None,
        "temperature": temperature,
        "max_tokens": 512,
        "stop": stop,
        "sample": 0,
        **({"answers": answers} if answers else {}),
    }
    said = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    assert call.key(text) == hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()


def test_the_role_does_not_change_a_key_but_everything_else_does() -> None:
    call = Call("scorer", messages=(Message("user", "hi"),))
    assert call.key("m") == replace(call, role="optimizer").key("m")
    others = [
        replace(call, messages=(Message("system", "hi"),)),
        Call("scorer", prompt="hi"),
        replace(call, temperature=0.5),
        replace(call, max_tokens=7),
        replace(call, stop=("x",)),
        replace(call, sample=1),
    ]
    keys = {call.key("m"), call.key("other"), *(other.key("m") for other in others)}
    assert len(keys) == 2 + len(others)


def test_a_curly_apostrophe_hashes() -> None:
    """O3: instructions are hashed as UTF-8."""
    assert Candidate("It\u2019s fine").id != Candidate("It's fine").id


def test_a_mean_is_weighted_and_leaves_out_the_unmeasured() -> None:
    evaluation = Evaluation(
        (Outcome("a", 1.0, weight=3.0), Outcome("b", 0.0), Outcome("c", None, reason="lost")), 3
    )
    assert evaluation.score == 0.75
    assert evaluation.partial
    assert Evaluation((), 0).score is None


@given(st.lists(st.binary(min_size=32, max_size=32)))
def test_packed_keys_give_the_keys_again(raw: list[bytes]) -> None:
    keys = tuple(one.hex() for one in raw)
    assert Outcome("i", 1.0, calls=packed_keys(keys)).keys == keys
    assert len(packed_keys(keys)) == 43 * len(keys)


def test_candidates_of_different_texts_have_different_names() -> None:
    """Also where they differ far behind, as long prompts do."""
    long = "Think step by step. " * 100
    assert Candidate(f"{long}a").id != Candidate(f"{long}b").id


def test_a_call_is_either_a_chat_or_a_completion() -> None:
    for options in ({}, {"messages": (Message("user", "a"),), "prompt": "b"}):
        with pytest.raises(ValueError, match="either a chat"):
            Call("scorer", **options)  # type: ignore[arg-type] # of mixed types


def test_a_sum_of_usage_is_estimated_where_a_part_of_it_is() -> None:
    counted, guessed = Usage(1, 2, 3), Usage(1, 2, 3, estimated=True)
    assert counted + counted == Usage(2, 4, 6)
    assert counted + guessed == guessed + counted == Usage(2, 4, 6, estimated=True)
