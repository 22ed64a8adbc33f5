"""The page of a running run says what the run does, and stops saying it when the run ends."""

from __future__ import annotations

import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

from synthetic import hostile
from world import Slow

from llmopt import open_store
from llmopt.history.document import record
from llmopt.web.pages.run_page import page

if TYPE_CHECKING:
    from pathlib import Path


def test_a_running_run_says_its_phase_plan_and_spending(tmp_path: Path) -> None:
    store = tmp_path / "runs.sqlite"
    slow = Slow(store, steps=3)
    slow.step()
    with closing(open_store(store)) as kept:
        one: dict[str, Any] = {}
        while len(one.get("steps", ())) < 2:
            time.sleep(0.05)
            if any(info.name == "slow" and info.steps for info in kept.runs()):
                one = record(kept, "slow")
        while (found := record(kept, "slow")["standing"])["step"] < 1:
            time.sleep(0.05)
        assert found["phase"] == "asking for new solutions and measuring them, step 2 of 3"
        assert (found["steps"], found["left"] is not None) == (3, True)
        calls = next(amount for amount in found["spent"] if amount["of"] == "calls")
        assert calls["used"] > 0
        html = page(record(kept, "slow"))
        assert "step 2 of 3" in html
        assert 'aria-label="1 of 3 steps are done"' in html
        slow.finish()
        ended = record(kept, "slow")
        assert ended["standing"] is None
        assert 'class="standing"' not in page(ended)


def test_caps_are_said_and_marked_when_they_are_near() -> None:
    spent = [
        {"of": "calls", "used": 900, "cap": 1000},
        {"of": "tokens", "used": 5000, "cap": None},
    ]
    standing = {"phase": "measuring", "step": 2, "steps": 4, "spent": spent, "left": 75.0}
    html = page(hostile("plain") | {"standing": standing})
    assert "<strong>900 of 1,000 calls</strong>, 5,000 tokens" in html
    assert "left for the steps" in html
