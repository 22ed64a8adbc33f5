"""What the searches of a sweep share, and what they had used by the end of each step."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from click.testing import CliRunner

from llmopt import open_store
from llmopt.cli import main
from llmopt.history.document import record

if TYPE_CHECKING:
    from pathlib import Path

BASE = """
[problem]
data = "rows.csv"
task = "Answer with yes or no."
instructions = ["Answer."]
sizes = [12, 8, 20]
[scorer]
model = "scripted/llmopt.testing.scripted:answer"
[algorithm]
samples = 2
[run]
steps = 2
"""
SWEEP = 'name = "words"\nbase = "run.toml"\n[grid]\n"algorithm.name" = ["opro", "sampling"]\n'


def test_a_sweep_says_what_its_searches_share_and_what_they_used(
    tmp_path: Path,
) -> None:
    rows = "".join(f"Question number {n}?,{'yes' if n % 2 else 'no'}\n" for n in range(40))
    (tmp_path / "rows.csv").write_text("input,target\n" + rows, "utf-8")
    (tmp_path / "run.toml").write_text(BASE, "utf-8")
    (tmp_path / "sweep.toml").write_text(SWEEP + '"run.seed" = [0, 1]\n', "utf-8")
    store = tmp_path / "runs.sqlite"
    words = ["sweep", str(tmp_path / "sweep.toml"), "-q", "--store", str(store)]
    done = CliRunner().invoke(main, words, catch_exceptions=False)
    assert done.exit_code == 0, done.stderr
    with closing(open_store(store)) as kept:
        found = record(kept, "words")
    assert found["config"]["run"]["steps"] == 2
    assert "seed" not in found["config"]["run"]
    assert "name" not in found["config"]["algorithm"]
    assert found["identity"]["scorer"] == "scripted/llmopt.testing.scripted:answer"
    for variant in ("opro", "sampling"):
        calls = [p["calls"] for p in found["points"] if p["variant"] == variant]
        assert calls == sorted(calls)
        assert calls[0] > 0


def test_variants_are_compared_with_the_first_one_whichever_was_begun_first(
    tmp_path: Path,
) -> None:
    rows = "".join(f"Question number {n}?,{'yes' if n % 2 else 'no'}\n" for n in range(40))
    (tmp_path / "rows.csv").write_text("input,target\n" + rows, "utf-8")
    (tmp_path / "run.toml").write_text(BASE, "utf-8")
    (tmp_path / "sweep.toml").write_text(SWEEP, "utf-8")
    store = tmp_path / "runs.sqlite"
    words = ["sweep", str(tmp_path / "sweep.toml"), "-q", "--store", str(store)]
    for part in ("2/2", "1/2"):
        done = CliRunner().invoke(main, [*words, "--cells", part], catch_exceptions=False)
        assert done.exit_code == 0, done.stderr
    with closing(open_store(store)) as kept:
        found = record(kept, "words")
    assert [cell["variant"] for cell in found["cells"]] == ["opro", "sampling"]
    assert [row["variant"] for row in found["rows"]] == ["opro", "sampling"]
    assert found["rows"][0]["difference"] is None
