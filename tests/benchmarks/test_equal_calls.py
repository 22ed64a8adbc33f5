"""Searches at equal calls: scripted models in which the answer is known beforehand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from llmopt.core.values import digest
from llmopt.models.providers.scripted import ScriptedModel
from llmopt.problems.prompt.few_shot import FewShot
from llmopt.testing import scripted

if TYPE_CHECKING:
    from types import ModuleType

    from llmopt.core.values import Call

SCRIPTED = ("--scorer", "scripted/llmopt.testing.scripted:answer", "--seeds", "2")


def shown(call: Call) -> str:
    """Answer a review rightly where the prompt shows demonstrations, else by chance."""
    if call.role == "optimizer":
        return scripted.proposal(call)
    luck = int(digest(call.text)[:4], 16) % 2
    if call.text.count("Q: ") > 1:
        return "positive" if luck else "negative"
    return "unknown"


def topical(call: Call) -> str:
    """Find the topic only where the instruction says think, and the number where it says check."""
    if call.role == "optimizer":
        return scripted.proposal(call).replace(".", " {note}.")
    text = call.text.lower()
    if text.rstrip().endswith("topic:"):
        topics = {"invoice": "invoices", "refund": "refunds", "parcel": "parcels"}
        asked = text[text.index("question:") :]
        return next(topics[word] for word in topics if word in asked) if "think" in text else "?"
    return "3" if "check" in text else "none"


def test_demonstrations_that_help_are_found_at_equal_calls(
    demonstrations: ModuleType, problems: ModuleType
) -> None:
    def asked(seed: int) -> object:
        return problems.problem(
            "reviews",
            data_dir=None,
            scorer=ScriptedModel(shown),
            rows=(20, 10, 40),
            split_seed=seed,
        )

    alone, with_rows = demonstrations.compared(
        asked, FewShot(3, answers="labels"), "capo", ScriptedModel(shown), seeds=3, calls=700
    )
    assert max(one.calls for one in (*alone, *with_rows)) <= 700
    assert [set(a.scores) for a in alone] == [set(b.scores) for b in with_rows]
    found = demonstrations.difference(alone, with_rows)
    assert found.mean > 0.2
    assert all("=== demonstrations ===" in one.text for one in with_rows)
    assert not any("===" in one.text for one in alone)


def test_a_search_for_one_text_holds_the_other(programs: ModuleType) -> None:
    model = ScriptedModel(topical)
    found = programs.compared("opro", model, model, seeds=2, calls=500, sizes=(12, 8, 20))
    assert list(found) == ["joint", "search alone", "answer alone"]
    assert all("=== search ===" in one.text for one in found["joint"])
    assert not any("===" in one.text for one in (*found["search alone"], *found["answer alone"]))
    assert max(one.calls for some in found.values() for one in some) <= 500
    assert programs.average(found["answer alone"]) > programs.average(found["search alone"])


def test_the_commands_print_a_row_for_each_search_and_the_differences(
    demonstrations: ModuleType, programs: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    small = ("--calls", "300", "--rows", "12", "8", "20")
    demonstrations.main([*SCRIPTED, *small, "--tasks", "reviews", "tickets"])
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 1 + 2 * (4 + 1) + 1
    assert said[-1].startswith("all 2 tasks: difference ")
    programs.main([*SCRIPTED, *small])
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 1 + 2 * 3 + 1 + 2
    assert said[-2].startswith("joint minus search alone: ")


def test_one_seed_has_no_interval(demonstrations: ModuleType, programs: ModuleType) -> None:
    for module in (demonstrations, programs):
        with pytest.raises(SystemExit):
            module.main(["--seeds", "1"])
