"""A real browser, and pages of real runs to look at in it."""

from __future__ import annotations

import shutil
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from looking import Looker
from playwright.sync_api import sync_playwright
from synthetic import NASTY, hostile, hostile_cells, large

import llmopt
from llmopt import open_store
from llmopt.core.demonstrations import Shot, shots_text
from llmopt.core.solution import join_parts
from llmopt.history.cells import Matrix
from llmopt.history.document import record
from llmopt.history.run_history import told
from llmopt.problems.numeric.regression import linear_regression
from llmopt.problems.tours.tour_problem import tsp
from llmopt.testing import scripted
from llmopt.web.pages.evaluation_page import evaluation_page
from llmopt.web.pages.matrix_cells import cell_chunks
from llmopt.web.pages.run_page import page

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from llmopt.problems.prompt.prompt_problem import PromptProblem

_NAMES = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="session")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the pages of runs of every kind."""
    folder = tmp_path_factory.mktemp("pages")
    store, model = folder / "runs.sqlite", scripted.model()
    words = replace(scripted.problem(120, (30, 30, 60)), scorer=model)
    problems: dict[str, Any] = {"words": words, "line": linear_regression(), "tour": tsp(8)}
    shared: dict[str, Any] = {"store": store, "progress": False}
    llmopt.optimize(words, name="words", optimizer=model, steps=6, validate_every=2, **shared)
    llmopt.optimize(problems["line"], name="line", algorithm="cma-es", steps=8, **shared)
    problems["shots"] = shots = replace(_nasty_rows(scripted.few_shot()), scorer=model)
    llmopt.optimize(shots, name="shots", algorithm="capo", optimizer=model, steps=3, **shared)
    llmopt.optimize(problems["tour"], name="tour", algorithm="two-opt", steps=4, **shared)
    documents = {"hostile": hostile(), "large": large(), "sweep": _swept()}
    with closing(open_store(store)) as kept:
        for name in problems:
            documents[name] = record(kept, name)
        cells = {
            "hostile": hostile_cells(),
            "words": cell_chunks(Matrix(kept, told(kept, "words")), documents["words"]),
        }
    for name, document in documents.items():
        (folder / f"{name}.html").write_text(page(document, cells=cells.get(name)), "utf-8")
    (folder / "evaluated.html").write_text(_evaluated(store, shots), "utf-8")
    return folder


def _evaluated(store: Path, problem: PromptProblem) -> str:
    """Return the page of an evaluation of solutions with and without demonstrations."""
    names = [part.name for part in problem.parts()]
    ids = [item.id for item in problem.splits.train[:2]]
    demonstrations = shots_text((Shot(ids[0]), Shot(ids[1], "Think. yes")))
    shown = join_parts(dict(zip(names, ("Think, and check.", demonstrations), strict=True)))
    found = llmopt.evaluate(problem, [*problem.starts, shown], store=store, progress=False)
    with closing(open_store(store)) as kept:
        return evaluation_page(record(kept, found.run))


def _nasty_rows(problem: PromptProblem) -> PromptProblem:
    """Return a problem whose training rows, which demonstrations show, are hostile."""
    train = tuple(
        replace(item, input=f"{NASTY[n % 4]} {item.input}")
        for n, item in enumerate(problem.splits.train)
    )
    return replace(problem, splits=replace(problem.splits, train=train))


def _swept() -> dict[str, Any]:
    """Return the document of a small sweep on numbers."""
    variants, seeds = ("random search", "CMA-ES"), ("0", "1")
    cell = {"task": "", "verdict": "", "stopped": "steps done", "steps": 5, "candidates": 9}
    line = dict.fromkeys(("steps", "steps_sd", "gap", "gap_sd", "level_gap", "level_gap_sd"), 0.5)
    return {
        "schema": 1,
        "kind": "sweep",
        "run": "swept",
        "created": "2026-01-01T00:00:00.000+00:00",
        "status": "done",
        "tags": [],
        "algorithm": "",
        "note": "",
        "config": {},
        "identity": {},
        "versions": {},
        "seconds": 1.0,
        "measure": {"higher_is_better": False, "shares": False},
        "finished": True,
        "cells": [
            cell
            | {"cell": f"swept.{seed}", "variant": variant, "seed": seed, "start": 1e6}
            | {"score": 50.0, "calls": 0, "tokens": 0, "best": "w=1, b=2"}
            for variant in variants
            for seed in seeds
        ],
        "means": [
            {"task": "", "variant": variant, "n": 2, "mean": 50.0, "low": None, "high": None}
            for variant in variants
        ],
        "rows": [],
        "lines": [
            line
            | {"task": "", "variant": variant, "cells": 2, "solved": 1, "tried": 9.0}
            | {"tried_sd": 1.0, "best": -50.0, "best_sd": 2.0}
            for variant in variants
        ],
        "points": [
            {"task": "", "variant": variant, "step": step, "mean": 1e6 / 10**step, "sd": 1e5}
            | {"n": 2}
            for variant in variants
            for step in (0, 1, 2, 5)
        ],
        "notes": [],
    }


@pytest.fixture(scope="module")
def look(pages: Path) -> Iterator[Looker]:
    """The browser; without one, these tests are skipped."""
    found = next((path for name in _NAMES if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip("no Chromium on PATH; Debian: apt-get install chromium")
    with sync_playwright() as playwright:
        # The sandbox needs rights that containers do not have; the pages are our own.
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield Looker(browser, pages)
        browser.close()
