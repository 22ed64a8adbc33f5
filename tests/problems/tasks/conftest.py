"""A small data folder in the official formats, and the real one where it is."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path

import pytest

BESIDE = Path(__file__).parents[4] / "shared" / "data"  # next to the checkout


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test finds the data or the cache of whoever runs it."""
    monkeypatch.delenv("LLMOPT_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture(scope="session")
def real() -> Path:
    """The official files."""
    folder = Path(os.environ.get("LLMOPT_TEST_DATA", BESIDE))
    if not (folder / "bbh").is_dir():
        pytest.skip("the official data files are not here; name them with LLMOPT_TEST_DATA")
    return folder


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def lines(rows: list[dict[str, object]]) -> str:
    return "".join(f"{json.dumps(row)}\n" for row in rows)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data folder with a few rows of every family."""
    home = tmp_path / "data"
    for part, size in (("train", 300), ("test", 40)):
        rows: list[dict[str, object]] = [
            {"question": f"What is {n} and {n}, {part}?", "answer": f"{n} + {n}\n#### {2 * n}"}
            for n in range(size)
        ]
        write(home / "gsm8k" / f"{part}.jsonl", lines(rows))
    counted = [{"input": f"How many? {n}", "target": str(n % 7)} for n in range(250)]
    write(home / "bbh" / "object_counting.json", json.dumps({"canary": "-", "examples": counted}))
    options = "\nOptions:\n(A) x\n(B) y"
    films = [{"input": f"Film {n}{options}", "target": f"({'AB'[n % 2]})"} for n in range(250)]
    films[3]["target"] = "x, y"
    films[4]["input"] = "Film\nOptions:\n(A) x"
    write(home / "bbh" / "movie_recommendation.json", json.dumps({"examples": films}))
    for subject in ("anatomy", "virology"):
        path = write(home / "mmlu" / "test" / f"{subject}_test.csv", "")
        with path.open("w", newline="", encoding="utf-8") as file:
            for n in range(110):
                csv.writer(file).writerow([f"{subject}, {n}?", 1, 2, "3, 4", 5, "ABCD"[n % 4]])
    sums = [{"iIndex": n, "sQuestion": f" Sum {n}? ", "lSolutions": [float(n)]} for n in range(20)]
    write(home / "multiarith" / "MultiArith.json", json.dumps(sums))
    algebra: list[dict[str, object]] = [
        {
            "question": f"x is {n}?",
            "options": [f"{letter}){n}" for letter in "ABCDE"],
            "rationale": "-",
            "correct": "ABCDE"[n % 5],
        }
        for n in range(20)
    ]
    write(home / "aqua" / "AQuA.json", lines(algebra))
    schemas = "".join(
        f"<schema><text><txt1>The cup did not fit on shelf {n} as</txt1><pron>it</pron>"
        "<txt2>'s too big.</txt2></text><answers><answer> the cup </answer><answer>the\n shelf"
        f"</answer></answers><correctAnswer>{'AB'[n % 2]}.</correctAnswer></schema>"
        for n in range(280)
    )
    write(home / "wsc" / "WSCollection.xml", f"<collection>{schemas}</collection>")
    entries = "".join(
        f'<entry category="Food" eid="Id{n}" shape="(X (X) (X))" shape_type="sibling" size="2">'
        f"<originaltripleset><otriple>Café_{n} | is | not shown</otriple></originaltripleset>"
        f"<modifiedtripleset><mtriple>Café_{n} | owner | Ann_&amp;_Bea</mtriple>"
        f"<mtriple>Café_{n} | country | Spain</mtriple></modifiedtripleset>"
        f'<lex comment="good" lid="Id1" lang="en">Ann &amp; Bea own Café {n} in Spain.</lex>'
        f'<lex comment="good" lid="Id2" lang="en">Café {n},\n Spain, is Ann &amp; Bea\'s.</lex>'
        "</entry>"
        for n in range(510)
    )
    named = "rdf-to-text-generation-test-data-with-refs-en.xml"
    write(home / "webnlg" / named, f"<benchmark><entries>{entries}</entries></benchmark>")
    return home
