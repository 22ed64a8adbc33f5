"""MAPO draws the same rewrites for every scorer LLM, in one step, and races them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

import llmopt
from llmopt.algorithms.mapo import mapo
from llmopt.algorithms.mapo.rewrites import EachStart
from llmopt.core.trajectory import Entry, Trajectory
from llmopt.core.values import Candidate, Evaluation, Outcome
from llmopt.errors import ConfigError
from llmopt.models.providers.scripted import ScriptedModel
from llmopt.testing import scripted

if TYPE_CHECKING:
    from pathlib import Path

    from llmopt.core.values import Call


async def test_each_start_is_rewritten_whatever_it_scored() -> None:
    def entry(text: str, score: float | None, step: int = 0) -> Entry:
        return Entry(Candidate(text, step), Evaluation((Outcome("0", score),), 1))

    told = Trajectory().tell([entry("a", 0.1), entry("b", 0.9), entry("lost", None)])
    told = told.tell([entry("new", 1.0, 1)])
    groups = await EachStart()(scripted.context(told))
    assert [group.base.text for group in groups if group.base] == ["a", "b"]
    assert all(group.shown == (group.base,) for group in groups)
    lost = Trajectory().tell([entry("lost", None)])
    assert [group.base for group in await EachStart()(scripted.context(lost))] == [None]


@pytest.mark.parametrize("share", [0.5, 1.0])
def test_another_scorer_pays_for_its_own_calls_alone(share: float, tmp_path: Path) -> None:
    """With the optimizer LLM, the seed and the starts of the first run, all rewrites are stored."""
    asked: list[str] = []

    def proposing(call: Call) -> str:
        asked.append(call.text)
        return scripted.answer(call)

    writer = ScriptedModel(proposing, identity="scripted/writer")

    def ran(name: str) -> llmopt.Result:
        scorer = ScriptedModel(scripted.answer, identity=f"scripted/{name}")
        return llmopt.optimize(
            replace(scripted.problem(), scorer=scorer),
            optimizer=writer,
            algorithm=mapo(rewrites=12, share=share),
            steps=9,
            store=tmp_path / "s.db",
            name=name,
            controls=(),
            progress=False,
        )

    first, many = ran("first"), len(asked)
    second = ran("second")
    assert first.steps == second.steps == 1
    assert many == 24, "12 rewrites of each of 2 starts"
    assert len(asked) == many, "the second run buys no rewrite"
    assert second.best.text == first.best.text
    assert not any("score" in text or "accuracy" in text for text in asked)


def test_options_out_of_range_are_refused() -> None:
    for options in ({"rewrites": 0}, {"share": 0.0}, {"stages": (4,)}):
        with pytest.raises(ConfigError, match="but got"):
            mapo(**options)
