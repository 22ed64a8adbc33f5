"""The page of a run says which look at the held-out items its result was."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from llmopt.api import confirm, optimize
from llmopt.history.document import record
from llmopt.problems.prompt.prompt_problem import PromptProblem
from llmopt.store import open_store
from llmopt.testing import scripted
from llmopt.web.pages.run_page import page

if TYPE_CHECKING:
    from pathlib import Path

ROWS = [{"input": f"Question {n}?", "target": "yes" if n % 2 else "no"} for n in range(60)]


def ran(folder: Path, name: str, seed: int) -> str:
    """Search, and return the page as text."""
    options: dict[str, Any] = {"sizes": (12, 8, 20), "instructions": ["Answer."], "vault": 20}
    problem = replace(PromptProblem.from_rows(ROWS, **options), scorer=scripted.model())
    store = folder / "runs.sqlite"
    options = {"steps": 2, "controls": (), "progress": False, "optimizer": scripted.model()}
    optimize(problem, name=name, seed=seed, store=store, **options)
    if name == "second":
        confirm(problem, name, store=store, progress=False)
    with closing(open_store(store)) as kept:
        return page(record(kept, name))


def test_it_never_says_once_when_it_was_not(tmp_path: Path) -> None:
    first, second = ran(tmp_path, "first", 1), ran(tmp_path, "second", 2)
    assert "the held-out items were looked at once, at the end." in first
    assert "looked at once" not in second
    assert "it was the second look at the held-out items" in second
    assert "These 20 held-out items were used by 1 earlier result" in second
    assert "onfirmed: the winner is" in second
    assert "onfirmed: the winner is" not in first
