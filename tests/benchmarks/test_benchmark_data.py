"""The data of the benchmarks are what their page says."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from itertools import combinations
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks" / "tasks"
CLASSES = ("billing", "technical", "shipping", "account", "feedback")
SAME = 0.6  # share of the shorter text's words from which on two texts are nearly the same


def rows(name: str) -> list[dict[str, str]]:
    with (FOLDER / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def words(text: str) -> list[str]:
    return re.findall(r"\w[\w'-]*", text.lower())


def alike(texts: list[str]) -> list[tuple[str, str]]:
    held = [(text, set(words(text))) for text in texts]
    return [
        (one, other)
        for (one, first), (other, second) in combinations(held, 2)
        if len(first & second) >= SAME * min(len(first), len(second))
    ]


@pytest.mark.parametrize(
    ("name", "each"),
    [
        ("movies.csv", dict.fromkeys(("positive", "negative"), 160)),
        ("tickets.csv", dict.fromkeys(CLASSES, 30)),
    ],
)
def test_the_classes_are_balanced(name: str, each: dict[str, int]) -> None:
    assert Counter(row["label"] for row in rows(name)) == each


@pytest.mark.parametrize(
    ("name", "fewest", "most"),
    [("movies.csv", 5, 18), ("tickets.csv", 10, 24), ("orders.csv", 4, 15)],
)
def test_texts_are_as_long_as_their_page_says(name: str, fewest: int, most: int) -> None:
    lengths = [len(words(row["text"])) for row in rows(name)]
    assert (min(lengths), max(lengths)) == (fewest, most)


@pytest.mark.parametrize("name", ["movies.csv", "tickets.csv", "orders.csv"])
def test_no_two_texts_are_nearly_the_same(name: str) -> None:
    assert alike([row["text"] for row in rows(name)]) == []


def test_sentences_on_films_are_in_lower_case() -> None:
    assert [row["text"] for row in rows("movies.csv") if row["text"] != row["text"].lower()] == []


@pytest.mark.parametrize(
    ("name", "named"), [("movies.csv", ("positive", "negative")), ("tickets.csv", CLASSES)]
)
def test_no_text_holds_the_name_of_a_class(name: str, named: tuple[str, ...]) -> None:
    assert [row["text"] for row in rows(name) if set(named) & set(words(row["text"]))] == []


def test_an_order_has_a_noun_a_number_and_perhaps_a_city_of_its_text() -> None:
    for row in rows("orders.csv"):
        target = json.loads(row["target"])
        assert list(target) == ["item", "quantity", "city"], row
        item, quantity, city = target.values()
        assert item == item.lower() == item.strip(), row
        assert item.removesuffix("knife") in row["text"].lower(), row  # its plural is "knives"
        assert type(quantity) is int, row
        assert quantity > 0, row
        assert city is None or re.search(rf"\b{city}\b", row["text"]), row
        assert "\n" not in row["target"], row


def test_a_quarter_of_the_orders_name_no_city() -> None:
    cities = [json.loads(row["target"])["city"] for row in rows("orders.csv")]
    assert (len(cities), cities.count(None)) == (120, 30)
