"""Pictures of a run are whole SVG documents without a script, whatever texts the run has."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner
from synthetic import hostile, large
from world import fill

from llmopt.cli import main
from llmopt.errors import ConfigError
from llmopt.web.pages.pictures import picture

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
    with pytest.raises(ConfigError, match="a picture is of a run"):
        picture(hostile() | {"kind": "sweep"}, "history")


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
