"""Drawing new solutions: one meta-prompt, several draws, each call with its own number."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from llmopt.core.model import Traits
from llmopt.core.part import Feedback
from llmopt.core.problem import Refusal
from llmopt.core.trajectory import Entry, Trajectory
from llmopt.core.values import Candidate, Evaluation, Outcome
from llmopt.errors import ConfigError, RefusedError, TemplateError, UnknownNameError
from llmopt.models.providers.scripted import ScriptedModel
from llmopt.parts.propose import Generate
from llmopt.parts.schedule import Constant, Linear
from llmopt.testing import scripted

if TYPE_CHECKING:
    from llmopt.core.model import Family
    from llmopt.core.part import StepContext
    from llmopt.core.values import Call
    from llmopt.parts.schedule import Schedule
    from llmopt.parts.variety import Vary


FOUR = "<INS>A.</INS><INS>B.</INS><INS>C.</INS><INS>D.</INS>"


def context(model: ScriptedModel, *scores: float, step: int = 1, steps: int = 4) -> StepContext:
    entries = [
        Entry(Candidate(f"Try {'abc'[n]}."), Evaluation((Outcome("i", score),), 1))
        for n, score in enumerate(scores)
    ]
    trajectory = Trajectory().tell(entries)
    shown = trajectory.best(9)[::-1]
    return scripted.context(trajectory, model=model, shown=shown, step=step, steps=steps, group=0)


def recording(*, family: Family = "chat", answer: str = "<INS>Go.</INS>") -> tuple[Any, list[Call]]:
    calls: list[Call] = []

    def said(call: Call) -> str:
        calls.append(call)
        return answer

    return ScriptedModel(said, traits=Traits(completion=True, family=family)), calls


async def test_the_draws_of_a_step_differ_in_their_number_only() -> None:
    model, calls = recording()
    found = await Generate(samples=5)(context(model, 0.2, 0.5))
    assert len(found) == len(calls) == 5
    assert len({call.text for call in calls}) == 1
    assert len({call.sample for call in calls}) == 5
    assert [p.call for p in found] == [call.key(model.identity) for call in calls]
    assert {p.text for p in found} == {"Go."}


@pytest.mark.parametrize("family", ["chat", "brackets", "continuation"])
async def test_auto_takes_the_family_that_suits_the_model(family: Family) -> None:
    model, calls = recording(family=family)
    await Generate(samples=1)(context(model, 0.5))
    assert (calls[0].prompt is not None) is (family == "continuation")
    assert ("square brackets" in calls[0].text) is (family == "brackets")


async def test_a_chosen_family_overrides_the_models() -> None:
    model, calls = recording(family="brackets")
    await Generate(samples=1, family="chat")(context(model, 0.5))
    assert "<INS>" in calls[0].text


@pytest.mark.parametrize(
    ("traits", "family", "match"),
    [
        (Traits(chat=True), "continuation", "raw completions.*'chat'"),
        (Traits(chat=False, completion=True), "chat", "chat model.*'continuation'"),
        (Traits(chat=False, completion=True), "brackets", "chat model"),
    ],
)
def test_a_family_that_the_model_cannot_answer_is_refused(
    traits: Traits, family: Family, match: str
) -> None:
    with pytest.raises(ConfigError, match=match):
        Generate(family=family).check(ScriptedModel(scripted.answer, traits=traits))


def test_a_family_that_fits_is_taken() -> None:
    Generate().check(scripted.model())
    Generate(family="continuation").check(scripted.model())


async def test_the_temperature_follows_its_schedule() -> None:
    for step, heat in ((1, 0.5), (3, 1.0)):
        model, calls = recording()
        await Generate(samples=2, temperature=Linear(0.5, 1.5))(context(model, 0.5, step=step))
        assert [call.temperature for call in calls] == [heat, heat]


async def test_a_reply_without_marks_is_refused_with_what_was_said() -> None:
    model, _ = recording(answer="Sure, happy to help!")
    (proposed,) = await Generate(samples=1)(context(model, 0.5))
    assert isinstance(proposed.text, Refusal)
    assert proposed.reply == "Sure, happy to help!"


@pytest.mark.parametrize(("scores", "shown"), [(100, "38"), (20, "8"), (0, None)])
async def test_scores_are_shown_in_buckets_or_not_at_all(scores: int, shown: str | None) -> None:
    model, calls = recording()
    await Generate(samples=1, scores=scores)(context(model, 0.38))
    text = calls[0].text
    assert f"\n{shown}: <INS>" in text if shown else "\n<INS>" in text and "38" not in text
    assert (f"from 0 to {scores};" in calls[0].text) is (scores > 0)


@pytest.mark.parametrize("vary", ["none", "exemplars", "angles", "together"])
async def test_draws_are_made_to_differ(vary: Vary) -> None:
    """Each way gives as many solutions as were asked for, and differs where it says."""
    model, calls = recording(answer=FOUR)
    items = scripted.problem().items("train")
    about = replace(context(model), feedback=Feedback(items[:1]))
    found = await Generate(samples=6, vary=vary)(about)
    assert len(found) == 6
    assert len(calls) == (2 if vary == "together" else 6)
    texts = {call.text for call in calls}
    assert len(texts) == {"none": 1, "angles": 6, "together": 2}.get(vary, len(texts))
    if vary == "exemplars":
        assert len(texts) > 1
    again, _ = recording(answer=FOUR)
    assert await Generate(samples=6, vary=vary)(replace(about, model=again)) == found


def test_scores_may_be_shown_as_shares() -> None:
    """The published code without steps; a value that is no share is shown as ever."""
    ctx = context(ScriptedModel(scripted.answer), 0.8125)
    part = Generate(fraction=True)
    shown = part.sections(ctx, part.metaprompt("chat"))
    assert ([entry.score for entry in shown.entries], shown.scale) == (["0.812"], "1")
    assert 0.8125 < float(shown.aim) <= 1


@pytest.mark.parametrize("own", [{"template": "{{ task }}"}, {"wording": "opro-paper-like"}])
@pytest.mark.parametrize("vary", ["angles", "together"])
def test_words_that_cannot_vary_are_refused(own: dict[str, str], vary: Vary) -> None:
    """Otherwise the option would do nothing, or three of four solutions would not be asked for."""
    with pytest.raises(ConfigError, match="several"):
        Generate(vary=vary, **own)  # type: ignore[arg-type] # options by name
    assert Generate(vary="exemplars", **own)  # type: ignore[arg-type] # options by name


async def test_an_unknown_way_to_vary_is_refused() -> None:
    with pytest.raises(ConfigError, match="angles"):
        Generate(vary="wildly")  # type: ignore[arg-type] # what a configuration could say


async def test_without_any_past_no_scores_are_announced() -> None:
    """O15."""
    model, calls = recording()
    await Generate(samples=1)(context(model))
    assert "score:" not in calls[0].text
    assert "so far" not in calls[0].text


async def test_a_failed_draw_lets_the_others_finish() -> None:
    finished: list[int] = []

    class Moody(ScriptedModel):
        async def complete(self, call: Call) -> Any:
            if not finished and call.sample == first:
                raise RefusedError("no")
            await asyncio.sleep(0)
            finished.append(call.sample)
            return await super().complete(call)

    model = Moody(scripted.answer)
    about = context(model, 0.5)
    first = about.sample(0)
    with pytest.raises(RefusedError):
        await Generate(samples=4)(about)
    assert len(finished) == 3


@pytest.mark.parametrize("heat", [Constant(-0.1), Constant(2.5), Linear(1, 3), Linear(-1, 0)])
def test_a_temperature_that_no_provider_takes_is_refused(heat: Schedule) -> None:
    with pytest.raises(ConfigError, match="temperature is 0 to 2"):
        Generate(temperature=heat)


def test_impossible_options_are_refused() -> None:
    wrong: list[dict[str, Any]] = [{"samples": 0}, {"scores": -1}, {"max_tokens": 0}]
    for options in wrong:
        with pytest.raises(ConfigError, match="or more"):
            Generate(**options)
    with pytest.raises(UnknownNameError, match="brackets"):
        Generate(family="bracket")  # type: ignore[arg-type] # what a configuration could say
    with pytest.raises(TemplateError):
        Generate(template="{{ nonsense }}")
