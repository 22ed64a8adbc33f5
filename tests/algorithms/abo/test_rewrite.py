"""Steps, traces, votes, shares and rounds of ABO-style search (layer C: ours) as pure functions."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmopt.algorithms.abo.demonstrate import Demonstrate
from llmopt.algorithms.abo.diagnose import Diagnose
from llmopt.algorithms.abo.rewrite import Behave
from llmopt.algorithms.abo.rounds import (
    Accepted,
    OnDev,
    Shares,
    blocked,
)
from llmopt.algorithms.abo.traces import (
    WORDINGS,
    Demonstration,
    Trace,
    Wording,
    changed,
    read_diagnosis,
    read_steps,
    steps_of,
    touched,
    voted,
)
from llmopt.core.model import Traits
from llmopt.core.problem import Refusal
from llmopt.core.trajectory import Entry, Trajectory
from llmopt.core.values import (
    Candidate,
    Evaluation,
    Item,
    Outcome,
)
from llmopt.errors import ConfigError, TemplateError, UnknownNameError
from llmopt.models.providers.scripted import ScriptedModel
from llmopt.problems.function import FunctionProblem
from llmopt.testing import scripted

STEPS = st.lists(
    st.text("abc xyz.,!?()", min_size=1).map(lambda text: " ".join(text.split())).filter(bool),
    min_size=1,
    max_size=8,
).map(tuple)


# -- traces -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("trace", "gap"),
    [
        ("Step 1: a\nStep 2: b\nStep 3: c\nAnswer: x", None),
        ("Step 1: a\nStep 3: c\nAnswer: x", 2),
        ("Step 2: b\nStep 3: c\nAnswer: x", 1),
        ("Step 1: a\nStep 2: b\nAnswer: x", 3),
        ("Step 1: a\nStep 3: c\nStep 2: b\nAnswer: x", 3),
        ("Step 1: a\nStep 2: b\nStep 3: c", 3),
        ("Step 1: a\nStep 2: b\nStep 3: so the answer: x", 3),
        ("**Step 1:** a\n**Step 2**: b\n> step 3: c\n**Answer:** x", None),
        ("Step 1: a\nStep 1: again\nStep 2: b\nStep 3: c\nAnswer: x", None),
        ("Step 10: a\nAnswer: x", 1),
        ("", 1),
    ],
)
def test_the_first_marker_that_is_missing_or_out_of_order_is_found(
    trace: str, gap: int | None
) -> None:
    """A3, without a language model."""
    assert Trace(trace, 3).gap == gap


@pytest.mark.parametrize(
    ("output", "text"),
    [
        (" it rains.\nStep 2: so\nAnswer: yes", "Step 1: it rains.\nStep 2: so\nAnswer: yes"),
        ("Step 1: it rains.\nStep 2: so", "Step 1: it rains.\nStep 2: so"),
        ("Sure.\nStep 1: it rains.\nStep 2: so", "Sure.\nStep 1: it rains.\nStep 2: so"),
        ("Step 2: so", "Step 1:\nStep 2: so"),
        ("", "Step 1:"),
    ],
)
def test_the_marker_of_the_cue_is_put_before_an_output_that_lacks_it(
    output: str, text: str
) -> None:
    assert Trace.after_cue(output, 2).text == text


@pytest.mark.parametrize(
    ("trace", "complete"),
    [
        ("Step 1: a\nStep 2: b\nAnswer: x", True),
        ("Step 1: a\n\nStep 2: b\nmore\n\nAnswer: x\n", True),
        ("Step 1: a\nAnswer: x", False),
        ("Step 2: a\nStep 1: b\nAnswer: x", False),
        ("Step 1: a\nStep 2: b\nStep 2: c\nAnswer: x", False),
        ("Step 1: a\nStep 2: b\nStep 3: c\nAnswer: x", False),
        ("Step 1: a\nStep 2: b", False),
        ("Step 1: a\nStep 2: b\nAnswer:", False),
        ("Step 1: a\nStep 2: b\nAnswer: x\nAnswer: y", False),
        ("Step 1: a\nAnswer: x\nStep 2: b", False),
        ("Step 1: a\nStep 2: b\nAnswer: x\nI hope this helps.", False),
    ],
)
def test_a_demonstration_has_each_marker_once_in_order_and_one_last_answer(
    trace: str, complete: bool
) -> None:
    assert Trace(trace, 2).complete is complete


def test_what_is_said_before_a_demonstration_is_cut_off() -> None:
    assert Trace.within("Gladly!\n\nStep 1: a\nAnswer: x", 1).text == "Step 1: a\nAnswer: x"
    assert not Trace.within("I would rather not.", 1).complete


# -- steps ------------------------------------------------------------------------------------


@given(STEPS)
def test_the_steps_of_an_instruction_are_read_back(steps: tuple[str, ...]) -> None:
    for made in (None, Demonstration("1. what?\n2. why?", "Step 1: 1. a\nAnswer: x")):
        text = Wording("target").fill(task="Say it.", steps=steps, demonstration=made)
        assert steps_of(text) == steps


@pytest.mark.parametrize(
    ("text", "steps"),
    [("1. a\n2. b\n\n1. c", ("a", "b")), ("0. a\n2. b", ()), ("1.a", ()), ("1. a\n3. b", ("a",))],
)
def test_steps_are_the_first_lines_numbered_in_a_row(text: str, steps: tuple[str, ...]) -> None:
    assert steps_of(text) == steps


@pytest.mark.parametrize(
    ("reply", "found"),
    [
        ("<STEPS>\nDo a.\nDo b.\n</STEPS>", ("Do a.", "Do b.")),
        ("Well:\n<steps>1. Do a.\n- Do   **b**.</steps> Good?", ("Do a.", "Do b.")),
        ("Do a.", None),
        ("<STEPS>Do a.", None),
        ("<STEPS></STEPS>", Refusal("an empty step")),
        ("<STEPS>\nDo a.\n\nDo b.\n</STEPS>", Refusal("an empty step")),
        ("<STEPS>Write Step 2: b.</STEPS>", Refusal("a marker inside a step")),
        ("<STEPS>Close with Answer: x.</STEPS>", Refusal("a marker inside a step")),
    ],
)
def test_steps_stand_between_their_tags_one_to_a_line(reply: str, found: object) -> None:
    assert read_steps(reply) == found


@pytest.mark.parametrize(
    ("reply", "found"),
    [
        ("<STEP>2</STEP>\n<EXPECTED>three\nballs</EXPECTED>", (2, "three balls")),
        ("<step> 0 </step>", (0, "")),
        ("<STEP>4</STEP>", (4, "")),
        ("<STEP>5</STEP>", None),
        ("<STEP>-1</STEP>", None),
        ("<STEP>two</STEP>", None),
        ("Step 2", None),
    ],
)
def test_a_diagnosis_names_a_step_that_there_is(reply: str, found: object) -> None:
    """A6, the reading."""
    assert read_diagnosis(reply, 4) == found


@pytest.mark.parametrize(
    ("ballots", "step"),
    [([3, 2, 2], 2), ([3, 2], 2), ([0, 2], 2), ([0], 0), ([0, 0, 2], 0), ([], None)],
)
def test_the_vote_is_deterministic(ballots: list[int], step: int | None) -> None:
    """A4."""
    assert voted(ballots) == voted(ballots[::-1]) == step


@given(STEPS, STEPS, st.integers(0, 8))
def test_a_rewriting_tells_which_step_it_touched(
    steps: tuple[str, ...], lines: tuple[str, ...], number: int
) -> None:
    number, lines = number % (len(steps) + 1), lines[:2]
    new = changed(steps, number, lines)
    assert len(new) == len(steps) + len(lines) - (number > 0)
    assert new == steps or number in touched(steps, new)


def test_a_missing_step_goes_before_the_last() -> None:
    assert changed(("a", "b"), 0, ("x",)) == ("a", "x", "b")
    assert changed(("a",), 0, ("x", "y")) == ("x", "y", "a")
    assert changed(("a", "b", "c"), 2, ("x", "y")) == ("a", "x", "y", "c")


# -- shares -----------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 30), min_size=9), st.integers(1, 3), st.floats(0.01, 0.99))
def test_no_input_is_in_two_shares(inputs: list[int], pool: int, dev: float) -> None:
    """A1: items with equal inputs stay together."""
    items = [Item(str(n), f"question {i}", "yes") for n, i in enumerate(inputs)]
    shares = Shares(pool, dev)
    if len(set(inputs)) < pool + 2:
        with pytest.raises(ConfigError, match=f"have {pool + 2} or more different inputs"):
            shares.check(items)
        return
    shares.check(items)
    found = shares(items)
    parts = [{item.input for item in part} for part in (found.pool, found.work, found.dev)]
    assert len(parts[0]) == pool
    assert all(parts)
    assert sum(map(len, parts)) == len(set.union(*parts)) == len(set(inputs))
    assert set(found.dev) == {item for item in items if item.input in parts[2]}


def test_items_that_are_all_alike_are_divided_as_they_stand() -> None:
    """In a rehearsal, which counts calls."""
    items = [Item(str(n), "the longest question", "yes") for n in range(12)]
    found = Shares()(items)
    assert [len(part) for part in (found.pool, found.work, found.dev)] == [5, 3, 4]


@pytest.mark.parametrize("wrong", [(0, 0.5), (5, 0.0), (5, 1.0)])
def test_shares_out_of_range_are_refused(wrong: tuple[int, float]) -> None:
    with pytest.raises(ConfigError):
        Shares(*wrong)


async def test_candidates_and_starts_are_measured_on_all_dev_items_and_no_others() -> None:
    items = scripted.stepwise().items("train")
    dev = Shares()(items).dev
    asked: list[Any] = []

    async def measure(jobs: Any) -> Any:
        asked.extend(jobs)
        return [Outcome(item.id, 1.0) for _, item in jobs]

    candidates = [Candidate("a"), Candidate("b")]
    found = await OnDev()(scripted.context(), candidates, items, measure)
    assert asked == [(candidate, item) for candidate in candidates for item in dev]
    assert [(e.measured, e.partial, e.score) for e in found] == [(len(dev), False, 1.0)] * 2


# -- rounds -----------------------------------------------------------------------------------


def entry(step: int, score: float, *steps: str, parent: Entry | None = None) -> Entry:
    text = "\n".join(f"{n}. {step}" for n, step in enumerate(steps, 1)) if steps else "Go."
    parents = (parent.candidate.id,) if parent else ()
    return Entry(Candidate(text, step, parents), Evaluation((Outcome("i", score),), 1))


def past(*rounds: list[Entry]) -> Trajectory:
    told = Trajectory().tell([entry(0, 0.9)])
    for found in rounds:
        told = told.tell(found)
    return told


FIRST = entry(1, 0.5, "a", "b", "c")


def kept(keep: Accepted, told: Trajectory) -> tuple[Entry, ...]:
    return keep(scripted.context(told))


def test_before_the_first_steps_the_best_start_is_current() -> None:
    assert [e.text for e in kept(Accepted(), past())] == ["Go."]


def test_the_first_steps_are_current_even_if_a_start_is_better() -> None:
    assert kept(Accepted(), past([FIRST])) == (FIRST,)


@pytest.mark.parametrize(
    ("accept", "score", "taken"),
    [
        ("not_worse", 0.4, False),
        ("not_worse", 0.5, True),
        ("strict", 0.5, False),
        ("strict", 0.6, True),
        ("always", 0.1, True),
    ],
)
def test_a_rewriting_is_accepted_by_its_score_on_dev(
    accept: Any, score: float, taken: bool
) -> None:
    new = entry(2, score, "a", "x", "c", parent=FIRST)
    keep = Accepted(accept)
    told = past([FIRST], [new])
    assert kept(keep, told) == ((new if taken else FIRST),)
    assert [found.accepted for found in keep.rounds(told)] == [True, taken]
    assert [found.blamed for found in keep.rounds(told)] == [None, 2]


def test_of_equal_candidates_the_first_proposed_is_taken() -> None:
    first, second = entry(2, 0.7, "x", "b", "c"), entry(2, 0.7, "y", "b", "c")
    assert kept(Accepted(), past([FIRST], [first, second])) == (first,)


def test_a_partial_score_is_never_accepted_over_a_full_one() -> None:
    partial = Entry(
        Candidate("1. x\n2. b\n3. c", 2),
        Evaluation((Outcome("i", 1.0), Outcome("j", None, reason="lost")), 2),
    )
    assert kept(Accepted(), past([FIRST], [partial])) == (FIRST,)


def test_rewritings_that_were_not_accepted_block_their_step_until_one_is() -> None:
    worse = [entry(2, 0.1, "a", "x", "c"), entry(2, 0.2, "a", "y", "z", "c")]
    missing = [entry(4, 0.3, "a", "b", "x", "c"), entry(4, 0.3, "a", "b", "y", "c")]
    better = entry(5, 0.6, "w", "b", "c")
    assert blocked(past([FIRST]), FIRST) == frozenset()
    assert blocked(past([FIRST], worse), FIRST) == {2}
    told = past([FIRST], worse, [], missing)  # the third step measured nothing
    assert blocked(told, FIRST) == {2, 0}
    told = told.tell([better])
    assert blocked(told, kept(Accepted(), told)[0]) == frozenset()


# -- what is refused before anything is paid -----------------------------------------------------


@pytest.mark.parametrize(
    "make",
    [
        lambda: Accepted("sometimes"),  # type: ignore[arg-type] # a mistake of the user's
        lambda: Diagnose(batch=0),
        lambda: Diagnose(diagnosed=0),
        lambda: Behave(samples=0),
        lambda: Behave(max_steps=0),
        lambda: Behave(exemplars=-1),
        lambda: Behave(temperature=2.5),
        lambda: Behave(max_steps=1, initial=("a", "b")),
        lambda: Behave(initial=("Step 1: a",)),
        lambda: Demonstrate(retries=0),
    ],
)
def test_options_out_of_range_are_refused(make: Any) -> None:
    with pytest.raises(ConfigError, match="but got"):
        make()


def test_an_optimizer_llm_without_chats_is_refused() -> None:
    raw = ScriptedModel(str, traits=Traits(chat=False, completion=True))
    with pytest.raises(ConfigError, match=r"is a chat model .* raw completions only"):
        Behave().check(raw)
    Behave().check(ScriptedModel(str, traits=Traits(completion=True, family="continuation")))


def test_a_problem_that_would_refuse_every_demonstration_is_refused() -> None:
    """The message names the keys, and without demonstrations there is nothing to refuse."""
    problem = scripted.stepwise()
    guarded = replace(problem, filters=replace(problem.filters, copied_words=2))
    with pytest.raises(ConfigError, match=r"copies a training example.*copied_words = 0"):
        Behave().fits(guarded)
    Behave(demonstrate=None).fits(guarded)
    with pytest.raises(ConfigError, match=r"longer than 300 characters.*max_length"):
        Behave().fits(replace(problem, filters=replace(problem.filters, max_length=300)))


def test_a_task_that_holds_numbered_lines_is_refused() -> None:
    with pytest.raises(ConfigError, match="only lines of an instruction that are numbered"):
        Behave().fits(replace(scripted.stepwise(), task="Choose:\n1. yes\n2. no"))


def test_a_problem_without_questions_is_refused() -> None:
    function = FunctionProblem(len, describe="Be short.", seeds=["a"])
    with pytest.raises(ConfigError, match="7 or more different inputs"):
        OnDev().fits(function)


# -- wordings ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", WORDINGS)
def test_a_wording_of_the_users_own_replaces_the_one_that_ships(name: str) -> None:
    variable = WORDINGS[name][0]
    assert Wording(name, f"So: {{{{ {variable} }}}}").fill(**{variable: 7}) == "So: 7"
    with pytest.raises(TemplateError, match=f"wording '{name}' uses only .* but got"):
        Wording(name, "{{ elsewhere }}")
    with pytest.raises(TemplateError, match="cannot be filled in"):
        Wording(name, f"{{{{ {variable}.nothing.there }}}}")


def test_an_unknown_wording_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'rewrite'"):
        Wording("rewrit")


# -- the parts among others ---------------------------------------------------------------------


async def test_where_no_step_is_named_the_reason_is_recorded() -> None:
    """With a reflection of another kind, for example."""
    problem, model = scripted.stepwise(), scripted.model()
    told = past([FIRST])
    ctx = scripted.context(told, problem=problem, model=model, base=FIRST, group=0)
    (said,) = await Behave()(ctx)
    assert said.text == Refusal("no step was named")
    assert model.calls == 0


async def test_without_a_scorer_llm_nothing_is_diagnosed() -> None:
    known = {"problem": scripted.stepwise(), "base": FIRST, "group": 0}
    found = await Diagnose()(scripted.context(past([FIRST]), **known))
    assert (found.findings, found.reason, found.calls) == ((), "no scorer LLM to look at", ())
