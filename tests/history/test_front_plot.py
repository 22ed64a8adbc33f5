"""The front on a page: a drawing without a script, and a table, both escaped."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from synthetic import HOSTILE, hostile

from llmopt.core.presentation import ACCURACY
from llmopt.evidence.front import Front, FrontMember
from llmopt.evidence.scores import Score
from llmopt.statistics import Interval
from llmopt.web.pages.front_plot import drawn
from llmopt.web.pages.run_page import page


def front(*points: tuple[str, float, int]) -> Front:
    members = [
        FrontMember(str(n), text, 1, Score(s, Interval(s - 0.1, s + 0.1), 20, 20), tokens)
        for n, (text, s, tokens) in enumerate(points)
    ]
    return Front.of(members, "0", "validation", ACCURACY)


def with_front(found: Front | None) -> str:
    record: dict[str, Any] = hostile("a text") | {"front": found.to_dict() if found else None}
    return page(record)


def test_the_page_draws_the_front_and_links_to_it() -> None:
    html = with_front(front(("Long and good.", 0.9, 50), ("Short.", 0.8, 20), ("Bad.", 0.1, 60)))
    assert '<a href="#front">Front</a>' in html
    assert html.count('<circle class="point') >= 3
    assert "(not on the front)" in html
    assert "only the winner was tested" in html


def test_without_a_choice_there_is_no_section() -> None:
    for found in (None, front(("Alone.", 0.9, 50))):
        assert 'id="front"' not in with_front(found)


def test_no_text_of_a_model_becomes_more_on_the_front() -> None:
    html = with_front(front((HOSTILE, 0.9, 50), ("Short.", 0.8, 20)))
    assert "<script>alert" not in html
    assert html.count("<svg") == html.count("</svg>")


def test_better_is_higher_and_ticks_are_round() -> None:
    found = front(("Long.", 0.9, 50), ("Short.", 0.6, 20))
    for shown, sign in ((ACCURACY, 1), (replace(ACCURACY, higher_is_better=False), -1)):
        svg = str(drawn(found, shown))
        places = dict(re.findall(r'cx="([\d.]+)" cy="([\d.]+)"', svg))
        left, right = (float(places[x]) for x in sorted(places, key=float))
        assert sign * (left - right) > 0, "the score of the longer one is higher"
    assert "60.0\u00a0%" in str(drawn(found, ACCURACY))
    assert ">20</text>" in str(drawn(found, ACCURACY))
    assert "nan" not in str(drawn(front(("Same.", 0.5, 0), ("Same!", 0.5, 0)), ACCURACY))
