"""Tours over points of a file: TSPLIB's rules, its published optima, and tables of points."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from llmopt.config.reading import settings
from llmopt.errors import ConfigError, DataError
from llmopt.problems.tours.instance_files import distances_of, read_points
from llmopt.problems.tours.tour_problem import tsp

if TYPE_CHECKING:
    from pathlib import Path

BURMA14 = """NAME: burma14
TYPE: TSP
COMMENT: 14-Staedte in Burma (Zaw Win)
DIMENSION: 14
EDGE_WEIGHT_TYPE: GEO
EDGE_WEIGHT_FORMAT: FUNCTION
DISPLAY_DATA_TYPE: COORD_DISPLAY
NODE_COORD_SECTION
   1  16.47       96.10
   2  16.47       94.44
   3  20.09       92.54
   4  22.39       93.37
   5  25.23       97.24
   6  22.00       96.05
   7  20.47       97.02
   8  17.20       96.29
   9  16.30       97.38
  10  14.05       98.12
  11  16.53       97.38
  12  21.52       95.59
  13  19.41       97.13
  14  20.09       94.55
EOF
"""
SQUARE = "1 0 0\n2 0 3\n3 4 3\n4 4 0\n5 2 -1.5\n"
MATRIX = {
    "FULL_MATRIX": "0 1 2 3 4\n1 0 5 6 7\n2 5 0 8 9\n3 6 8 0 10\n4 7 9 10 0",
    "UPPER_ROW": "1 2 3 4\n5 6 7\n8 9\n10",
    "LOWER_ROW": "1\n2 5\n3 6 8\n4 7 9 10",
    "UPPER_DIAG_ROW": "0 1 2 3 4 0 5 6 7\n0 8 9 0 10 0",
    "LOWER_DIAG_ROW": "0 1 0 2 5 0 3 6 8 0 4 7 9 10 0",
}


def tsplib(folder: Path, rule: str, rows: str, more: str = "", section: str = "NODE_COORD") -> str:
    path = folder / "x.tsp"
    head = f"NAME : x\nTYPE : TSP\nDIMENSION : 5\nEDGE_WEIGHT_TYPE : {rule}\n{more}"
    path.write_text(f"{head}{section}_SECTION\n{rows}\nEOF\n", encoding="utf-8")
    return str(path)


def test_a_published_optimum_is_found(tmp_path: Path) -> None:
    (tmp_path / "burma14.tsp").write_text(BURMA14, encoding="utf-8")
    problem = tsp(file=str(tmp_path / "burma14.tsp"))
    assert problem.solved
    assert problem.solved.length == 3323
    assert "14 points" in problem.describe
    assert "(0): (16.47, 96.1)" in problem.describe
    assert "degrees.minutes" in problem.describe
    assert len(problem.starts) == 5


@pytest.mark.parametrize(
    ("rule", "between"),
    [
        ("EUC_2D", [3, 5, 4, 3]),  # the last is sqrt(2² + 1.5²) = 2.5, rounded up
        ("CEIL_2D", [3, 5, 4, 3]),
        ("MAN_2D", [3, 7, 4, 4]),
        ("MAX_2D", [3, 4, 4, 2]),
        ("ATT", [1, 2, 2, 1]),
    ],
)
def test_every_rule_is_tsplibs(tmp_path: Path, rule: str, between: list[int]) -> None:
    found = read_points(tmp_path / tsplib(tmp_path, rule, SQUARE))
    assert distances_of(found.points, found.rule)[0, 1:].tolist() == between


@pytest.mark.parametrize("form", MATRIX)
def test_every_format_of_a_matrix_is_the_same_matrix(tmp_path: Path, form: str) -> None:
    more = f"EDGE_WEIGHT_FORMAT : {form}\n"
    problem = tsp(file=tsplib(tmp_path, "EXPLICIT", MATRIX[form], more, "EDGE_WEIGHT"))
    assert problem.instance.distances[1].tolist() == [1, 0, 5, 6, 7]
    assert problem.instance("0,1,2,3,4") == 1 + 5 + 8 + 10 + 4
    assert "(1): 1, 0, 5, 6, 7;" in problem.describe
    assert problem.recorded() == {}


@pytest.mark.parametrize(
    ("text", "rule", "second"),
    [
        ("x,y\n0,0\n3,4\n", "EXACT", 5.0),
        ("0,0\n3,4\n", "EXACT", 5.0),
        ("name;x;y\nA;0;0\nB;3;4\n", "EXACT", 5.0),
        ("city,first,second\nA,0,0\nB,3,4\n", "EXACT", 5.0),
        ("y,x,name\n0,0,A\n4,3,B\n", "EXACT", 5.0),
        ("lat,lon\n0,0\n0,1\n", "EARTH", 111.195),
        ("city,Longitude,Latitude\nA,0,0\nB,1,0\n", "EARTH", 111.195),
    ],
)
def test_a_table_of_points_is_read(tmp_path: Path, text: str, rule: str, second: float) -> None:
    path = tmp_path / "points.csv"
    path.write_text(text, encoding="utf-8")
    found = read_points(path)
    assert found.rule == rule
    assert distances_of(found.points, rule)[0, 1] == pytest.approx(second, abs=0.001)


@pytest.mark.parametrize(
    ("rule", "rows", "more", "said"),
    [
        ("XRAY1", SQUARE, "", "EDGE_WEIGHT_TYPE is one of EUC_2D, .*EXPLICIT, but got XRAY1"),
        ("EUC_2D", "1 0\n", "", "line 6: a point is a number and two coordinates, but got '1 0'"),
        ("EUC_2D", "1 0 0\n", "", "as many points as its DIMENSION, 5, but got 1"),
        ("EXPLICIT", "1 2", "", "an EDGE_WEIGHT_FORMAT, one of FULL_MATRIX, .*but got none"),
        ("EXPLICIT", "1 2", "EDGE_WEIGHT_FORMAT: UPPER_ROW\n", "has 10 numbers, but got 0"),
        ("EUC_2D", SQUARE, "TYPE : ATSP\n", "TYPE TSP .*but got TYPE ATSP; tours are symmetric"),
    ],
)
def test_what_cannot_be_used_is_said(
    tmp_path: Path, rule: str, rows: str, more: str, said: str
) -> None:
    with pytest.raises(DataError, match=said):
        tsp(file=tsplib(tmp_path, rule, rows, more))


def test_an_asymmetric_matrix_is_refused(tmp_path: Path) -> None:
    rows = MATRIX["FULL_MATRIX"].replace("0 1 2", "0 9 2", 1)
    more = "EDGE_WEIGHT_FORMAT : FULL_MATRIX\n"
    with pytest.raises(DataError, match="the same in both directions"):
        tsp(file=tsplib(tmp_path, "EXPLICIT", rows, more, "EDGE_WEIGHT"))


def test_nodes_go_with_random_points_alone(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="those of its file, but got nodes = 20 too"):
        tsp(20, file=tsplib(tmp_path, "EUC_2D", SQUARE))
    with pytest.raises(DataError, match="there is no"):
        tsp(file=str(tmp_path / "none.tsp"))


def test_a_file_is_looked_for_beside_the_configuration(tmp_path: Path) -> None:
    tsplib(tmp_path, "EUC_2D", SQUARE)
    table = {"function": "llmopt.problems.spaces.tsp:tsp", "arguments": {"file": "x.tsp"}}
    made = settings({"problem": table}, "run.toml", tmp_path)
    assert made.problem.arguments["file"] == str(tmp_path / "x.tsp")
    assert made.built_problem().starts
    own = settings(
        {"problem": {"function": "mine:cost", "arguments": {"file": "x.tsp"}}}, "run.toml", tmp_path
    )
    assert own.problem.arguments["file"] == "x.tsp"


def test_other_lengths_are_another_problem(tmp_path: Path) -> None:
    rounded = tsp(file=tsplib(tmp_path, "EUC_2D", SQUARE)).fingerprint
    up = tsp(file=tsplib(tmp_path, "CEIL_2D", SQUARE)).fingerprint
    assert rounded != up
    assert "lengths" not in tsp().fingerprint
