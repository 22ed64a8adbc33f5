"""Textual gradients come from what a solution got wrong, and lead to successors of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any, get_args

import pytest

from llmopt.algorithms.gpo.critique import CombinedReflection
from llmopt.algorithms.promptagent.reward_rows import RewardRows
from llmopt.algorithms.protegi.gradients import Batching, Successors, TextualGradients
from llmopt.core.algorithm import Algorithm
from llmopt.core.model import Traits
from llmopt.core.part import Feedback, Group
from llmopt.core.problem import Refusal
from llmopt.core.trajectory import Entry, Trajectory
from llmopt.core.values import (
    Candidate,
    Evaluation,
    Outcome,
    digest,
)
from llmopt.errors import ConfigError, UnknownNameError
from llmopt.models.providers.scripted import ScriptedModel
from llmopt.parts.keep import Elitist
from llmopt.parts.propose import Generate
from llmopt.parts.rate import Everything
from llmopt.parts.reflect import Exemplars
from llmopt.parts.select import EachOfBest, Lineages
from llmopt.testing import scripted

if TYPE_CHECKING:
    from llmopt.core.part import StepContext
    from llmopt.core.values import Call

TASK = scripted.problem()
TRAIN = TASK.items("train")
EDIT = Generate(samples=1, family="chat", wording="protegi", scores=0, refine="edit")
REWORD = Generate(samples=2, family="chat", wording="ape", scores=0)


def entry(text: str, wrong: int, parents: tuple[Entry, ...] = (), step: int = 1) -> Entry:
    """Return a solution that got the first items wrong."""
    outcomes = tuple(
        Outcome(item.id, float(at >= wrong), answer=f"answer {at}" if at % 2 else None)
        for at, item in enumerate(TRAIN)
    )
    ids = tuple(parent.candidate.id for parent in parents)
    return Entry(Candidate(text, step, ids), Evaluation(outcomes, len(TRAIN)))


class Talker:
    """A model that says what is wrong when it is asked so, and else writes something new."""

    def __init__(self, said: str = "<TEXT>It names no answer.</TEXT>", **traits: Any) -> None:
        self.said = said
        self.calls: list[Call] = []
        self.model = ScriptedModel(self._answer, traits=Traits(**traits))

    def _answer(self, call: Call) -> str:
        self.calls.append(call)
        if "wrong answers here" in call.text:
            return self.said
        return f"<INS>Say {digest(f'{call.text} {call.sample}')[:8]}.</INS>"


def context(
    talker: Talker, *parents: Entry, seed: int = 1, step: int = 2, **more: Any
) -> StepContext:
    trajectory = Trajectory().tell(parents)
    base = parents[-1] if parents else None
    return scripted.context(
        trajectory,
        problem=TASK,
        model=talker.model,
        step=step,
        seed=seed,
        group=0,
        base=base,
        shown=parents,
        **more,
    )


async def test_each_group_of_errors_is_asked_about_once() -> None:
    talker = Talker()
    now = entry("Answer.", 9)
    found = await TextualGradients(groups=3, errors=4)(context(talker, now))
    assert len(talker.calls) == len(found.calls) == len(found.findings) == 3
    assert found.calls == tuple(call.key(talker.model.identity) for call in talker.calls)
    wrong = {item.input for item in TRAIN[:9]}
    for call, finding in zip(talker.calls, found.findings, strict=True):
        shown = {item.input for item in TRAIN if item.input in call.text}
        assert len(shown) == 4
        assert shown <= wrong, "only what it got wrong"
        assert all(question in finding.text for question in shown)
        assert finding.text.endswith("It names no answer.")
        assert "Answer." in call.text
    assert len({call.text for call in talker.calls}) > 1
    assert found.text == "\n\n".join(finding.text for finding in found.findings)


async def test_the_wrong_answers_are_those_of_the_evaluation() -> None:
    talker = Talker()
    await TextualGradients(groups=1, errors=99)(context(talker, entry("Answer.", 4)))
    text = talker.calls[0].text
    assert "Answer given: answer 1" in text
    assert "Answer given: answer 3" in text
    assert text.count("Answer given: (nothing that can be read)") == 2
    assert text.count("Right answer: ") == 4


async def test_without_errors_there_is_no_gradient_and_no_call() -> None:
    talker = Talker()
    assert await TextualGradients()(context(talker, entry("Answer.", 0))) == Feedback()
    assert await TextualGradients()(context(talker)) == Feedback()
    assert not talker.calls


async def test_errors_are_looked_for_among_the_minibatch() -> None:
    talker = Talker()
    for step in range(1, 9):
        await TextualGradients(groups=1, errors=99, batch=2)(
            context(talker, entry("Answer.", 12), step=step)
        )
    assert all(call.text.count("Right answer: ") == 2 for call in talker.calls)
    assert len({call.text for call in talker.calls}) > 1, "drawn anew in each step"


@pytest.mark.parametrize(
    ("said", "reasons"),
    [
        ("<TEXT>One.</TEXT> and <TEXT> Two. </TEXT><TEXT>Three.</TEXT>", ["One.", "Two."]),
        ("<TEXT>One.", ["One."]),
        ("It is too short.", ["It is too short."]),
        ("<TEXT></TEXT>", ["", ""]),
        (" \n", ["", ""]),
    ],
)
async def test_reasons_are_read_from_the_reply(said: str, reasons: list[str]) -> None:
    found = await TextualGradients(groups=1, reasons=2)(context(Talker(said), entry("Answer.", 3)))
    assert len(found.findings) == len(reasons)
    for finding, reason in zip(found.findings, reasons, strict=True):
        assert finding.text.endswith(reason)
        assert "Right answer: " in finding.text


async def test_at_temperature_0_equal_groups_are_the_same_call_in_all_steps_and_seeds() -> None:
    cold, warm = Talker(), Talker()
    now = entry("Answer.", 1)
    await TextualGradients(groups=4, temperature=0)(context(cold, now))
    await TextualGradients(groups=4)(context(warm, now))
    later = replace(context(cold, now), seed=8, step=5, group=3)
    await TextualGradients(groups=4, temperature=0)(later)
    assert len({call.key("") for call in cold.calls}) == 1
    assert len({call.key("") for call in warm.calls}) == 4


async def test_a_raw_model_goes_on_with_an_open_text() -> None:
    talker = Talker(completion=True, chat=False, family="continuation")
    await TextualGradients(groups=1)(context(talker, entry("Answer.", 3)))
    (call,) = talker.calls
    assert call.prompt is not None
    assert call.prompt.endswith("<TEXT>")
    assert call.stop == ("</TEXT>",)


def test_where_nothing_is_answered_there_are_no_errors() -> None:
    with pytest.raises(ConfigError, match="no inputs"):
        TextualGradients().fits(scripted.numbers())
    TextualGradients().fits(TASK)


@pytest.mark.parametrize("option", ["groups", "errors", "reasons", "batch", "max_tokens"])
def test_nothing_of_gradients_is_zero(option: str) -> None:
    options: dict[str, Any] = {option: 0}
    with pytest.raises(ConfigError, match="1 or more"):
        TextualGradients(**options)
    with pytest.raises(ConfigError, match="0 to 2"):
        TextualGradients(temperature=3)
    with pytest.raises(ConfigError, match="0 for all"):
        Successors(at_most=-1)


def lines(talker: Talker) -> Counter[str]:
    return Counter(
        "critique"
        if "wrong answers here" in call.text
        else "reworded"
        if "in other words" in call.text
        else "edit"
        for call in talker.calls
    )


async def proposed(talker: Talker, part: Successors, now: Entry, **more: Any) -> list[Any]:
    asked = context(talker, now, **more)
    feedback = await TextualGradients(groups=3)(asked)
    talker.calls.clear()
    return list(await part(replace(asked, feedback=feedback)))


async def test_each_finding_is_edited_and_each_edit_reworded() -> None:
    """ProTeGi: 3 gradients, 3 edits, 2 new wordings of each and of the prompt itself."""
    talker, now = Talker(), entry("Answer.", 9)
    found = await proposed(talker, Successors(EDIT, REWORD), now)
    assert lines(talker) == {"edit": 3, "reworded": 8}
    assert len(found) == len({p.text for p in found}) == 11
    assert all(p.parents == (now,) for p in found)
    edits = [p.text for p in found if not isinstance(p.text, Refusal)][::3][:3]
    for text in (*edits, "Answer."):
        shown = [
            c for c in talker.calls if "other words" in c.text and f"<INS>{text}</INS>" in c.text
        ]
        assert len(shown) == 2


async def test_the_lot_falls_before_anything_is_asked() -> None:
    talker, now = Talker(), entry("Answer.", 9)
    found = await proposed(talker, Successors(EDIT, REWORD, at_most=4), now)
    drawn = [p for p in found if not isinstance(p.text, Refusal)]
    left_out = [p for p in found if isinstance(p.text, Refusal)]
    assert len(drawn) == 4
    assert all(p.text == Refusal("left out by lot") for p in left_out)
    assert len(talker.calls) == len(found) < 11
    again = await proposed(Talker(), Successors(EDIT, REWORD, at_most=4), now)
    other = await proposed(Talker(), Successors(EDIT, REWORD, at_most=4), now, seed=2)
    assert again == found
    assert other != found


async def test_without_errors_the_current_solution_is_reworded_or_asked_for_once() -> None:
    talker, perfect = Talker(), entry("Answer.", 0)
    assert len(await proposed(talker, Successors(EDIT, REWORD), perfect)) == 2
    assert lines(talker) == {"reworded": 2}
    talker = Talker()
    assert len(await proposed(talker, Successors(EDIT), perfect)) == 1
    assert lines(talker) == {"edit": 1}


async def test_the_current_solution_stands_in_for_a_refused_edit() -> None:
    talker, now = Talker(), entry("Answer.", 9)
    refused = Generate(samples=1, family="brackets", wording="protegi", scores=0, refine="edit")
    found = await proposed(talker, Successors(refused, REWORD), now)
    assert Counter(p.text for p in found)[Refusal("no marked text in the reply")] == 3
    shown = [call for call in talker.calls if "<INS>Answer.</INS>" in call.text]
    assert len(shown) == lines(talker)["reworded"] == 8


async def test_a_proposal_that_knows_no_findings_is_told_all_of_them() -> None:
    """Parts of one method work in another."""
    talker, now = Talker(), entry("Answer.", 9)
    method = Algorithm(
        name="plain",
        select=EachOfBest(1),
        reflect=CombinedReflection((Exemplars(2), TextualGradients(groups=2))),
        propose=Generate(samples=1, family="chat", wording="gpo", refine="generate"),
        rate=Everything(),
        keep=Elitist(),
    )
    asked = await method.ask(TASK, Trajectory().tell([now]), talker.model, 1, 4)
    assert len(asked.calls) == 3
    assert talker.calls[-1].text.count("It names no answer.") == 2
    assert talker.calls[-1].text.count("right answer:") == 2


async def test_a_lineage_is_what_a_survivor_was_refined_from() -> None:
    first, aside = entry("First.", 9, step=0), entry("Aside.", 8, step=0)
    second = entry("Second.", 6, (aside, first), 1)
    third = entry("Third.", 3, (first, second), 2)
    trajectory = Trajectory().tell([first, aside]).tell([second]).tell([third])
    found = await Lineages()(scripted.context(trajectory, survivors=(third, aside)))
    assert found == (Group(third, (first, second, third)), Group(aside, (aside,)))


# -- as in PE2's code -----------------------------------------------------------------------


async def test_rows_of_a_group_may_be_any_or_weighted_errors() -> None:
    state = entry("Say.", 2)
    known = {item.input for item in TRAIN[:2]}
    shown = {}
    for batching in get_args(Batching):
        talker = Talker()
        await TextualGradients(6, 4, batching=batching)(context(talker, state))
        texts = [call.text for call in talker.calls]
        shown[batching] = {item.input for item in TRAIN if any(item.input in t for t in texts)}
    assert shown["hard"] == known
    assert shown["hard_weighted"] <= known
    assert not shown["random"] <= known
    with pytest.raises(UnknownNameError, match="batching"):
        TextualGradients(batching="no")  # type: ignore[arg-type]  # what a user may write


async def test_errors_may_be_shown_with_the_reply_they_were_read_from() -> None:
    talker, scorer = Talker(), ScriptedModel(lambda _: "First I thought of it. Then: yes")
    ctx = context(talker, entry("Say.", 2), scorer=scorer)
    await TextualGradients(1, 2, wording="pe2", reasoning=True)(ctx)
    assert talker.calls[0].text.count("came to its output: First I thought of it.") == 2
    plain = Talker()
    ctx = context(plain, entry("Say.", 2), scorer=scorer)
    await TextualGradients(1, 2, wording="pe2")(ctx)
    assert "First I thought" not in plain.calls[0].text


async def test_errors_may_come_from_rows_that_rank_nothing() -> None:
    """They are answered in their order until there are enough errors; ranking rows never are."""
    rows = RewardRows(0.5)
    errors, ranking = rows(TRAIN)
    asked: list[Call] = []

    def answer(call: Call) -> str:
        asked.append(call)
        return "nothing that can be read"

    talker, scorer = Talker(), ScriptedModel(answer)
    gradients = TextualGradients(2, 2, rows=rows)
    await gradients(context(talker, entry("Say.", 0), scorer=scorer))
    assert talker.calls
    assert len(asked) == 2
    for call in (*asked, *talker.calls):
        assert not any(item.input in call.text for item in ranking)
    assert any(item.input in talker.calls[0].text for item in errors)
    assert gradients.most().scorer == gradients.batch
