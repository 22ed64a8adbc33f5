"""The page is one file that loads nothing, says it all, and lets no text of a model become more."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
import tomllib
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from synthetic import HOSTILE, document, hostile, large

from llmopt.core.toml_text import toml_document
from llmopt.web.pages.payload import chunks
from llmopt.web.pages.run_page import (
    SCRIPTS,
    Served,
    asset,
    page,
    spelled,
)


class Parsed(HTMLParser):
    """The tags, attributes and texts of a page."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.texts: list[str] = []
        self.blocks: list[tuple[str, str]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append("esc" if ("class", "esc") in attrs else tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        if self.tags[-1:] in (["style"], ["script"]) and data.strip():
            self.blocks.append((self.tags[-1], data))
        self.texts.append(data)


def unpacked(text: str) -> Any:
    return json.loads(gzip.decompress(base64.b64decode(text)))


@pytest.fixture(scope="module")
def big() -> dict[str, Any]:
    """The document of a search of 200 steps with 8 candidates each on 261 items."""
    return large()


def test_a_page_of_the_largest_search_stays_below_2_mb(big: dict[str, Any]) -> None:
    made = page(big)
    assert len(made.encode("utf-8")) < 2_000_000
    data, cut = chunks(big)
    assert cut is None
    core = unpacked(data["core"])
    assert len(core["candidates"]) == 1601
    assert sum(len(bits) for bits in unpacked(data["outcomes"])) == 1601 * 261


def test_every_meta_prompt_and_reply_comes_back_as_it_was(big: dict[str, Any]) -> None:
    asked = unpacked(chunks(big)[0]["asked"])
    for step, calls in zip(big["steps"], asked["steps"], strict=True):
        for call, (prompt, reply, *_) in zip(step["calls"], calls, strict=True):
            lines = asked["prompts"][prompt]["lines"]
            text = "\n".join(asked["lines"][line] for line in lines)
            assert text == big["prompts"][call["prompt"]]["text"]
            assert reply == call["reply"]


def test_what_does_not_fit_is_cut_and_the_page_says_so() -> None:
    """Reasoning texts may be longer than everything else together."""
    one = hostile("plain")
    one["steps"][1]["calls"] = [
        one["steps"][1]["calls"][0]
        | {
            "reasoning": "".join(
                hashlib.sha256(f"{n} {i}".encode()).hexdigest() for i in range(400)
            )
        }
        for n in range(200)
    ]
    made = page(one)
    assert len(made.encode("utf-8")) < 2_000_000
    assert "what is longer than 5,000 characters" in made
    assert "--step N prints all of it" in made


def test_the_policy_allows_the_page_s_own_style_and_script_and_nothing_else() -> None:
    parsed = Parsed(page(hostile()))
    policy = next(value for _, name, value in parsed.attributes if "default-src" in value)
    assert policy.startswith("default-src 'none'; ")
    for kind in ("style", "script"):
        allowed = re.search(rf"{kind}-src '(sha256-[^']+)';", policy)
        assert allowed
        (text,) = [
            body for tag, body in parsed.blocks if tag == kind and not body.startswith("H4sI")
        ]
        made = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert allowed[1] == f"sha256-{made}"
    assert "unsafe" not in policy
    assert "connect-src" not in policy
    assert "connect-src 'self'" in page(hostile(), Served("<p>bar</p>", "", ""))


def test_a_page_names_nothing_to_load() -> None:
    parsed = Parsed(page(hostile("plain")))
    for _tag, name, value in parsed.attributes:
        assert name not in ("src", "srcset", "action", "style", "data"), name
        assert not name.startswith("on"), name
        assert name != "href" or value.startswith("#")
    assert "link" not in parsed.tags
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(", all_scripts()
    )
    assert set(re.findall(r"https?://[^\"'`\s]*", all_scripts() + asset("page.css"))) == {
        "http://www.w3.org/2000/svg"
    }


def all_scripts() -> str:
    return "".join(asset(name) for name in SCRIPTS)


def test_hostile_texts_make_the_same_page_as_harmless_ones() -> None:
    """The same elements with the same attributes; only spelled-out characters add their marks."""
    harmless, attacked = Parsed(page(hostile("plain"))), Parsed(page(hostile()))
    first = next(n for n, tag in enumerate(attacked.tags) if tag == "body")

    def structure(parsed: Parsed) -> list[str]:
        return [tag for tag in parsed.tags[first:] if tag != "esc"]

    assert structure(attacked) == structure(harmless)
    text = "".join(attacked.texts)
    assert "<img src=x onerror=\"window.hacked='img'\">" in text
    assert "</script><script>" in text
    for spelled_out in ("\\u001b[31mred\\u0007", "\\u202eright", "\\u200f\\u061c", "half \\ud800"):
        assert spelled_out in text
    for raw in "\x1b\x07\x00\u202e\u200f\u061c\ud800":
        assert raw not in text


@given(st.text())
def test_spelled_texts_are_safe_and_keep_what_can_be_seen(text: str) -> None:
    made = str(spelled(text) if spelled(text) is not text else "")
    assert "<img" not in made.replace('<span class="esc">', "").replace("</span>", "")
    shown = "".join(Parsed(f"<p>{made}</p>").texts) if made else text
    assert not re.search("[\x00-\x08\x0b-\x1f\u202e\u200f\ud800-\udfff]", shown)


def test_without_its_script_a_page_says_the_verdict_the_scores_and_the_solution() -> None:
    one = hostile("plain")
    said = " ".join("".join(Parsed(page(one)).texts).split())
    assert "The winner is better." in said
    assert "start plain" in said
    assert "best plain" in said
    assert "50.0 %" in said
    assert "40.0 % to 60.0 %, n = 261" in said
    assert "+10.0" in said
    assert "switched off here" in said


def test_equal_documents_give_equal_pages() -> None:
    assert page(hostile()) == page(hostile())


def test_costs_are_sums_of_known_prices_and_nothing_is_guessed() -> None:
    one = hostile("plain")
    use = {"calls": 10, "input_tokens": 2_000_000, "output_tokens": 500_000, "estimated": True}
    one["usage"] = {"optimizer": use, "scorer": use}
    said = " ".join("".join(Parsed(page(one)).texts).split())
    assert said.count("not known") == 3
    one["prices"] = {
        "scorer": {"input": 1.0, "output": 4.0, "by": "configuration"},
        "optimizer": {"input": 0.5, "output": 0.0, "by": "list"},
    }
    said = " ".join("".join(Parsed(page(one)).texts).split())
    assert "4.0000" in said
    assert "5.0000" in said
    assert "not known" not in said
    assert "by list prices" in said


PLAIN = st.text(st.characters(exclude_categories=["Cs"]))
VALUES = st.recursive(
    PLAIN
    | st.integers(-(2**53), 2**53)
    | st.booleans()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(PLAIN, inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(PLAIN, st.dictionaries(PLAIN, VALUES, max_size=4), max_size=3))
def test_a_configuration_reads_back_equal(config: dict[str, Any]) -> None:
    assert tomllib.loads(toml_document(config)) == config


def test_a_start_that_stays_the_best_is_shown_once() -> None:
    one = hostile("plain")
    start = one["steps"][0]["candidates"][0]
    same = document(one["steps"], one["prompts"], start=start, best=start, rows=[])
    said = "".join(Parsed(page(same)).texts)
    assert "Start, and still the best" in said
    assert "Before: the start" not in said


def test_the_hostile_text_is_what_it_is_meant_to_be() -> None:
    with pytest.raises(UnicodeEncodeError):
        HOSTILE.encode("utf-8")


def test_a_page_says_how_comparisons_are_corrected_and_how_certain_the_optimism_is() -> None:
    """As a result says it; one of an older version corrected the start, too."""
    one = hostile("plain")
    older = " ".join("".join(Parsed(page(one)).texts).split())
    assert "p-values are corrected for all 2 comparisons (Holm), intervals are not" in older
    assert "before correction" in older
    assert "It scored 5.0 points more on train than on test." in older
    start, control = one["comparisons"]
    found = [start | {"family": 1}, control | {"family": 1, "word": "not tested"}]
    newer = one | {"comparisons": found, "optimism_interval": {"low": -0.02, "high": 0.12}}
    said = " ".join("".join(Parsed(page(newer)).texts).split())
    assert "the start is tested first and shows no difference, so the control is not" in said
    assert "before correction" not in said
    assert "◇ not tested" in said
    assert "(95 % interval -2.0 to +12.0), which may be chance." in said
