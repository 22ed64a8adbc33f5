"""The page of an evaluation says what was found, and takes every text as a text."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from io import StringIO
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from rich.console import Console
from synthetic import HOSTILE, NASTY

import llmopt
from llmopt import open_store
from llmopt.cli import main
from llmopt.core.demonstrations import Shot, shots_text
from llmopt.core.solution import join_parts
from llmopt.history.document import record
from llmopt.terminal.evaluation_table import print_comparison
from llmopt.testing import scripted
from llmopt.web.pages.evaluation_page import evaluation_page
from llmopt.web.server.page_cache import Shelf

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with an evaluation of three instructions, and one of a single hostile one."""
    path = tmp_path_factory.mktemp("evaluated") / "runs.sqlite"
    problem = replace(scripted.problem(60, (12, 8, 40)), scorer=scripted.model())
    shared: dict[str, Any] = {"store": path, "progress": False}
    texts = ["Answer.", "Think carefully, step by step, and check twice.", "Answer kindly."]
    llmopt.evaluate(problem, texts, **shared)
    llmopt.evaluate(problem, [HOSTILE.replace("\ud800", ""), "Check."], **shared)
    return path


def name_of(store: Path, run: str) -> str:
    with closing(open_store(store)) as kept:
        hostile, three = (info.name for info in kept.runs())
    return three if run == "three" else hostile


def documented(store: Path, run: str) -> dict[str, Any]:
    with closing(open_store(store)) as kept:
        return record(kept, name_of(store, run))


def test_the_page_says_the_verdict_the_scores_and_where_they_differ(store: Path) -> None:
    one = documented(store, "three")
    html = evaluation_page(one)
    assert one["found"]["verdict"].split(" (")[0] in html
    assert html.count('<figure class="text">') == 3
    assert html.count('class="own-id"') == len(one["items"]) > 0
    for item in one["items"]:
        assert len(item["sides"]) == 3
        assert len({side["score"] for side in item["sides"]}) > 1
    assert "corrected by Holm" in html
    assert "<script" not in html


def test_hostile_instructions_stay_texts(store: Path) -> None:
    html = evaluation_page(documented(store, "hostile"))
    assert NASTY[0] not in html
    assert "&lt;img src=x" in html
    assert "\u202e" not in html
    assert "</script><script>" not in html


def test_demonstrations_are_pairs_on_the_page_and_in_the_terminal(tmp_path: Path) -> None:
    path = tmp_path / "runs.sqlite"
    problem = replace(scripted.few_shot(), scorer=scripted.model())
    row = problem.splits.train[0]
    shots = shots_text((Shot(row.id), Shot("gone", "yes")))
    names = [part.name for part in problem.parts()]
    shown = join_parts(dict(zip(names, ("Answer.", shots), strict=True)))
    found = llmopt.evaluate(problem, [*problem.starts, shown], store=path, progress=False)
    assert found.shown_rows == {row.id: {"input": row.input, "target": row.target}}
    with closing(open_store(path)) as kept:
        html = evaluation_page(record(kept, found.run))
    assert html.count('<ol class="shots">') == 1
    assert f"row {row.id}</small>" in html
    assert "(the row is not kept)" in html
    assert "{&#34;id" not in html
    said = CliRunner().invoke(main, ["show", found.run, "--store", str(path)]).stdout
    printed = StringIO()
    print_comparison(Console(file=printed, width=200), found)
    for text in (said, printed.getvalue()):
        assert f"1. [{row.id}] {row.input}" in text
        assert '{"id"' not in text


def test_the_server_shows_it_under_the_address_of_a_run(store: Path) -> None:
    with closing(open_store(store)) as kept:
        html = Shelf(kept).run(name_of(store, "three"))
    assert '<a href="/">All runs</a>' in html


def test_an_unfinished_one_says_so(store: Path) -> None:
    one = documented(store, "three") | {"found": None, "items": [], "finished": False}
    assert "Not finished" in evaluation_page(one)
