"""The one function that decides how a text is put to a model."""

from __future__ import annotations

import pytest

from llmopt.core.metaprompt import Mark, marked_call
from llmopt.core.model import Family, Traits, text_call
from llmopt.core.values import Call, Message


def test_a_text_is_continued_or_the_one_turn_of_a_chat() -> None:
    raw = text_call("judge", "Is it?", raw=True, temperature=0.5, stop=("x",), sample=3)
    assert raw == Call("judge", prompt="Is it?", temperature=0.5, stop=("x",), sample=3)
    chat = text_call("scorer", "Is it?", raw=False, max_tokens=7)
    assert chat == Call("scorer", (Message("user", "Is it?"),), max_tokens=7)


@pytest.mark.parametrize(
    ("chat", "completion", "family", "continues"),
    [
        (True, False, "chat", False),
        (True, True, "chat", False),
        (True, True, "continuation", True),
        (True, False, "continuation", False),
        (False, True, "chat", True),
    ],
)
def test_a_mark_is_opened_where_the_model_continues_texts(
    *, chat: bool, completion: bool, family: Family, continues: bool
) -> None:
    traits = Traits(chat=chat, completion=completion, family=family)
    call = marked_call(traits, "Why?", max_tokens=9, sample=2, mark=Mark())
    assert (call.prompt, call.stop) == (
        ("Why?\n\n<TEXT>", ("</TEXT>",)) if continues else (None, ())
    )
    assert (call.max_tokens, call.sample, call.temperature) == (9, 2, 0.0)
