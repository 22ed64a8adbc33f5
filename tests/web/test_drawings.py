"""Pictures of a run are whole SVG documents without a script, whatever texts the run has."""

from __future__ import annotations

from statistics import fmean
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner
from synthetic import NASTY, hostile, large
from world import fill

from llmopt.cli import main
from llmopt.errors import ConfigError
from llmopt.web.pages.pictures import picture
from llmopt.web.pages.sweep_pictures import SWEPT

if TYPE_CHECKING:
    from pathlib import Path

SPACE = "{http://www.w3.org/2000/svg}"
ALLOWED = {"svg", "title", "style", "rect", "line", "text", "path", "circle", "polyline"}


@pytest.mark.parametrize("what", ["history", "items", "lineage"])
def test_a_picture_is_drawn_of_every_search_and_has_nothing_foreign_in_it(what: str) -> None:
    for record in (hostile(), large(20, 4, 30)):
        root = ET.fromstring(picture(record, what))
        assert {one.tag.removeprefix(SPACE) for one in root.iter()} <= ALLOWED
        assert "hacked" not in ET.tostring(root, "unicode")


def test_every_measured_solution_is_a_point_of_the_history() -> None:
    record = large(20, 4, 30)
    root = ET.fromstring(picture(record, "history"))
    assert len(root.findall(f"{SPACE}circle")) == 81


def test_what_cannot_be_drawn_is_refused() -> None:
    with pytest.raises(ConfigError, match="a front is of a finished run"):
        picture(hostile(), "front")
    with pytest.raises(ConfigError, match="a picture of a run is one of history, items"):
        picture(hostile(), "seeds")
    with pytest.raises(ConfigError, match="--by is for the history of a sweep"):
        picture(hostile(), "history", "calls")
    with pytest.raises(ConfigError, match="a picture is of a run or a sweep"):
        picture(hostile() | {"kind": "evaluation"}, "history")


def sweep(scores: dict[str, list[float]], *, shares: bool = True) -> dict[str, Any]:
    """Return the document of a sweep with a hostile task and given scores of its variants."""
    task = NASTY[0]
    first, *others = scores
    return {
        "kind": "sweep",
        "run": "swept",
        "measure": {"higher_is_better": shares, "shares": shares},
        "cells": [
            {"task": task, "variant": variant, "seed": str(n), "score": score}
            for variant, own in scores.items()
            for n, score in enumerate(own)
        ],
        "means": [
            {"task": task, "variant": variant, "mean": fmean(own)}
            | ({"low": min(own), "high": max(own)} if len(own) > 2 else {"low": None, "high": None})
            for variant, own in scores.items()
        ],
        "points": [
            {
                "task": task,
                "variant": v,
                "step": n,
                "mean": fmean(own) / (n + 1),
                "sd": sd,
                "calls": 9 * n + 9,
            }
            for v, own in scores.items()
            for n, sd in enumerate((0.1, 0.2, None))
        ],
        "rows": [
            {"task": "all", "variant": first, "difference": None},
            *(
                {"task": "all", "variant": variant, "difference": 0.1}
                | {"difference_low": -0.2, "difference_high": 0.4}
                for variant in others
            ),
        ],
    }


@pytest.mark.parametrize("what", SWEPT)
def test_a_picture_of_a_sweep_tells_its_variants_apart(what: str) -> None:
    shares = sweep({"a" * 90: [0.2, 0.4, 0.9], NASTY[1]: [0.5, 0.6, 0.5], "one": [0.3]})
    wide = sweep({"first": [1e-3, 2e3], "second": [5.0]}, shares=False)
    for record in (shares, wide):
        root = ET.fromstring(picture(record, what))
        assert {one.tag.removeprefix(SPACE) for one in root.iter()} <= ALLOWED | {"g"}
        compared = len(record["means"]) - (what == "differences")
        assert len({one.get("fill") for one in root.iter(f"{SPACE}path")} - {"none"}) == compared
        assert "nan" not in ET.tostring(root, "unicode")


def test_every_winner_of_a_sweep_is_a_mark_of_its_seeds() -> None:
    root = ET.fromstring(picture(sweep({"a": [0.1, 0.2, 0.3], "b": [0.4]}), "seeds"))
    assert sum(one.get("fill") != "none" for one in root.iter(f"{SPACE}path")) == 4


def test_the_history_of_a_sweep_is_drawn_by_calls_where_these_are_known() -> None:
    record = sweep({"a": [0.1, 0.2], "b": [0.4]})
    assert ">calls</text>" in picture(record, "history", "calls")
    record["points"][0]["calls"] = None
    with pytest.raises(ConfigError, match="a sweep that has made calls, but 'swept' has not"):
        picture(record, "history", "calls")
    for what, key in (("history", "points"), ("seeds", "cells"), ("differences", "rows")):
        with pytest.raises(ConfigError, match="choose another one with --what"):
            picture(record | {key: []}, what)


def test_the_command_writes_the_file_and_says_so(tmp_path: Path) -> None:
    fill(tmp_path / "runs.sqlite")
    for what in ("history", "items", "lineage", "front"):
        file = tmp_path / f"{what}.svg"
        words = ["plot", "first", "--what", what, "-o", str(file), "--store"]
        done = CliRunner().invoke(main, [*words, str(tmp_path / "runs.sqlite"), "--json"])
        assert done.exit_code == 0, done.stderr
        assert f'"bytes": {file.stat().st_size}' in done.stdout
        ET.fromstring(file.read_text("utf-8"))
    refused = CliRunner().invoke(main, ["plot", "first", "-o", "picture.pdf"])
    assert refused.exit_code == 2
    assert "ends in .svg or .png" in refused.stderr


def test_a_picture_as_png_is_one(tmp_path: Path) -> None:
    fill(tmp_path / "runs.sqlite")
    file = tmp_path / "history.png"
    words = ["plot", "first", "-o", str(file), "--store", str(tmp_path / "runs.sqlite")]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.stderr
    data = file.read_bytes()
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    assert len(data) > 10_000
