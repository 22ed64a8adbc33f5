"""The bundled reviews are what their card says."""

from __future__ import annotations

import csv
import re
from collections import Counter
from itertools import combinations

from rapidfuzz import fuzz, process

from llmopt.recipes import FOLDER


def rows() -> list[dict[str, str]]:
    with (FOLDER / "reviews.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_classes_are_balanced() -> None:
    assert Counter(row["label"] for row in rows()) == {"positive": 200, "negative": 200}


def test_reviews_are_short_and_never_name_their_label() -> None:
    for row in rows():
        words = re.findall(r"[\w'’-]+", row["text"])  # noqa: RUF001 - curly apostrophes too
        assert 6 <= len(words) <= 24, row["text"]
        assert not {"positive", "negative"} & {word.lower() for word in words}, row["text"]


def test_no_two_reviews_are_nearly_the_same() -> None:
    texts = [row["text"] for row in rows()]
    assert len(set(texts)) == len(texts)
    alike = process.cdist(texts, texts, scorer=fuzz.token_set_ratio, score_cutoff=75)
    assert not [(texts[i], texts[j]) for i, j in combinations(range(len(texts)), 2) if alike[i, j]]
