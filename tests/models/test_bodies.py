"""Bodies of requests and answers are the JSON that the standard library would write and read."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from llmopt.models.providers.bodies import decoded, encoded

texts = st.text(st.characters(codec=None), max_size=9)  # lone surrogates are among them
values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=9,
)


@given(st.dictionaries(texts, values, max_size=4))
def test_a_request_says_what_was_asked(body: dict[str, Any]) -> None:
    assert json.loads(encoded(body)) == body


@given(values, st.booleans())
def test_an_answer_is_read_as_the_standard_library_reads_it(value: Any, plain: bool) -> None:
    said = json.dumps(value, ensure_ascii=plain)
    assert decoded(said.encode("utf-8", "surrogatepass")) == value


def test_a_mark_of_the_byte_order_and_another_encoding_are_read() -> None:
    assert decoded(b'\xef\xbb\xbf{"a": 1}') == {"a": 1}
    assert decoded('{"a": 1}'.encode("utf-16")) == {"a": 1}


def test_what_is_nested_too_deeply_is_no_answer() -> None:
    assert decoded(b"[" * 200_000 + b"]" * 200_000) is None
