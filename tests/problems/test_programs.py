"""A user's program: its calls are the run's, its errors stay with their row."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from llmopt.core.model import noted_keys
from llmopt.core.problem import Refusal, parts_of
from llmopt.core.solution import SolutionPart, completed, found_parts
from llmopt.errors import BudgetError, ConfigError, MeasureError, TransientError
from llmopt.models.middleware.stack import wrap
from llmopt.models.providers.scripted import ScriptedModel
from llmopt.problems.function import FunctionProblem
from llmopt.problems.metrics.contract import Scored
from llmopt.problems.program.app_problem import AppProblem
from llmopt.problems.program.held_part import part_in
from llmopt.problems.program.program_problem import ProgramProblem
from llmopt.problems.program.program_run import output_text
from llmopt.problems.prompt.constraints import Invariants
from llmopt.store import open_store
from llmopt.testing import scripted

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from llmopt.core.values import Call, Item

ROWS = [
    {"question": f"Question {n}?", "target": "yes" if n % 2 else "no", "note": "n", "gold": "g"}
    for n in range(20)
]
TEXTS = {"search": "Find it.", "answer": "Answer from {note}."}


def made(program: Callable[..., Any], **options: Any) -> ProgramProblem:
    return ProgramProblem.from_rows(
        program,
        ROWS,
        **{"input": "question", "parts": TEXTS, "scorer": scripted.model(), **options},
    )


async def measured(program: Callable[..., Any], model: Any = None, **options: Any) -> Any:
    problem = made(program, **options)
    return await problem.measure(
        problem.starts[0], problem.items("train")[0], model or scripted.model()
    )


def echoing() -> ScriptedModel:
    return ScriptedModel(lambda call: f"{call.text}|{call.sample}")


def blocking(texts: dict[str, str], row: Any, call: Any) -> str:
    first = call(texts["search"] + row["question"])
    return str(call(f"{texts['answer']} {first}"))


async def awaiting(texts: dict[str, str], row: Any, call: Any) -> str:
    first = await call(texts["search"] + row["question"])
    return str(await call(f"{texts['answer']} {first}"))


def threading(texts: dict[str, str], row: Any, call: Any) -> str:
    with ThreadPoolExecutor() as pool:
        first = pool.submit(call, texts["search"] + row["question"]).result()
    return str(call(f"{texts['answer']} {first}"))


def looping(texts: dict[str, str], row: Any, call: Any) -> str:
    return asyncio.run(awaiting(texts, row, call))


@pytest.mark.parametrize("program", [blocking, awaiting, threading, looping])
async def test_calls_are_stored_and_named_however_they_are_made(
    program: Callable[..., Any], tmp_path: Path
) -> None:
    store = open_store(tmp_path / "runs.sqlite")
    store.create("run", {})
    counting = scripted.model()
    model = wrap(counting, replies=store.replies("run"))
    for _ in range(2):
        with noted_keys() as keys:
            await measured(program, model)
        assert len(keys) == 2
        assert all(store.exchange(key) for key in keys)
    assert counting.calls == 2, "the second time all replies come from the store"
    await model.close()
    store.close()


@pytest.mark.parametrize(
    "error", [TransientError("busy"), BudgetError("spent")], ids=["transient", "budget"]
)
async def test_a_failed_call_is_no_score_even_if_the_program_hides_it(error: Exception) -> None:
    asked: list[str] = []

    def fail(call: Call) -> str:
        asked.append(call.text)
        raise error

    def hiding(texts: dict[str, str], row: Any, call: Any) -> str:
        del row
        for text in texts.values():
            with suppress(Exception):  # what a careless program does
                call(text)
        return "yes"

    with pytest.raises(type(error)):
        await measured(hiding, ScriptedModel(fail))
    assert len(asked) == 1, "nothing more is asked for this row"


async def test_what_a_program_raises_leaves_its_row_unmeasured() -> None:
    with pytest.raises(MeasureError, match=r"failed on the item .*: ZeroDivisionError"):
        await measured(lambda *_: 1 // 0)
    with pytest.raises(MeasureError, match="write `await call"):
        await measured(forgetful)
    with pytest.raises(MeasureError, match=r"took longer than 0\.01 s"):
        await measured(slow, timeout=0.01)


async def forgetful(texts: dict[str, str], row: Any, call: Any) -> Any:
    del row
    return call(texts["search"])


async def slow(texts: dict[str, str], row: Any, call: Any) -> str:
    del texts, row, call
    await asyncio.sleep(60)
    return ""


async def test_a_program_does_not_see_the_expected_answer() -> None:
    seen: list[dict[str, str]] = []

    def look(texts: dict[str, str], row: Any, call: Any) -> str:
        del texts, call
        seen.append(dict(row))
        return str(row["target"])

    with pytest.raises(MeasureError, match="no 'target' in this row"):
        await measured(look, fields=["note"], metric_fields=["gold"])
    assert seen[0].keys() == {"input", "question", "note"}
    with pytest.raises(ConfigError, match="does not see the expected answer"):
        made(look, fields=["target"])


async def test_equal_warm_calls_are_different_draws_and_greedy_ones_are_not() -> None:
    def ask(texts: dict[str, str], row: Any, call: Any) -> str:
        del texts, row
        warm = [call("a", temperature=1.0) for _ in range(2)]
        cold = [call("a") for _ in range(2)]
        return f"{len(set(warm))} {len(set(cold))}"

    problem = made(ask, metric=lambda output, _: float(output == "2 1"))
    outcome = await problem.measure(problem.starts[0], problem.items("train")[0], echoing())
    assert outcome.score == 1


async def test_turns_of_a_chat_are_sent_as_they_are() -> None:
    calls: list[Call] = []

    def listen(call: Call) -> str:
        calls.append(call)
        return "yes"

    def chat(texts: dict[str, str], row: Any, call: Any) -> str:
        turns = [
            {"role": "system", "content": texts["search"]},
            {"role": "user", "content": row["input"]},
        ]
        return str(call(turns, max_tokens=7, stop=["."]))

    await measured(chat, ScriptedModel(listen))
    (call,) = calls
    assert [turn.role for turn in call.messages] == ["system", "user"]
    assert (call.max_tokens, call.stop) == (7, (".",))
    with pytest.raises(MeasureError, match="a turn of call"):
        await measured(lambda *given: given[2]([{"role": "user"}]))


def test_outputs_become_text() -> None:
    given = ["a", True, 2, 1.5, {"a": 1}, [1]]
    assert list(map(output_text, given)) == ["a", "true", "2", "1.5", '{"a": 1}', "[1]"]
    with pytest.raises(TypeError, match="and not None"):
        output_text(None)


async def test_a_trace_has_the_steps_with_their_parts() -> None:
    problem = made(awaiting)
    item = problem.items("train")[0]
    trace = await problem.trace(problem.starts[0], item, echoing())
    assert [step.part for step in trace.steps] == ["search", "answer"]
    assert trace.steps[0].prompt == f"Find it.{item.input}"
    assert trace.output == trace.steps[1].reply
    assert not (await made(awaiting, scorer=None).trace(problem.starts[0], item, None)).steps


def test_a_part_is_recognized_in_a_filled_template() -> None:
    assert part_in("", "Answer from page 3.", {"a": "Answer from {note}.", "b": "Else"}) == "a"
    assert part_in("b", "Answer", {"a": "Answer", "b": "Else"}) == "b"
    assert part_in("", "nothing of both", {"a": "Answer", "b": ""}) == ""


def test_calls_are_counted_in_a_rehearsal_or_declared() -> None:
    assert made(awaiting).calls_each() == 2
    assert made(awaiting, calls=5).calls_each() == 5
    broken = made(lambda texts, _, call: int(call(texts["search"])))
    assert (broken.calls_each(), broken.rehearsal.error[:10]) == (1, "ValueError")


def test_who_takes_other_arguments_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"function of \(texts, row, call\), but .* takes"):
        made(lambda _texts, _row: "")
    with pytest.raises(ConfigError, match=r"function of \(instruction, row\), but .* takes"):
        AppProblem.from_rows(awaiting, ROWS, input="question", instruction="a")
    with pytest.raises(ConfigError, match="a client of its own, but got scorer"):
        AppProblem.from_rows(
            lambda _text, _row: "", ROWS, input="question", instruction="a", scorer="x/y"
        )


async def test_a_program_that_calls_without_a_model_says_what_to_name() -> None:
    problem = made(awaiting, scorer=None)
    with pytest.raises(ConfigError, match=r"needs a scorer LLM, but got none"):
        await problem.measure(problem.starts[0], problem.items("train")[0], None)


# -- texts ------------------------------------------------------------------------------------


def test_a_proposal_is_checked_part_by_part() -> None:
    problem = made(awaiting, invariants={"search": Invariants(max_words=3)})

    def parsed(search: str, answer: str) -> str | Refusal:
        return problem.parse(f"=== search ===\n{search}\n\n=== answer ===\n{answer}")

    assert parsed("look now", "Use {note}.") == (
        "=== search ===\nLook now\n\n=== answer ===\nUse {note}."
    )
    assert parsed("one two three four", "{note}") == Refusal("search: longer than 3 words")
    assert parsed("a", "b") == Refusal("answer: lacks the placeholder {note} of the start")
    assert problem.remedy("answer: lacks the placeholder {note} of the start") == (
        "see problem.variables"
    )
    assert problem.parse("=== search ===\na") == Refusal("lacks the part 'answer'")
    assert problem.parse("no parts") == Refusal("has no heading of a part, such as === search ===")


def test_parts_are_declared_in_their_order() -> None:
    assert parts_of(made(awaiting)) == (SolutionPart("search"), SolutionPart("answer"))
    with pytest.raises(ConfigError, match="every starting solution has the parts"):
        made(awaiting, parts=[TEXTS, {"search": "only"}])
    with pytest.raises(ConfigError, match="keeps every demand"):
        made(awaiting, invariants=Invariants(required=("please",)))


@pytest.mark.parametrize(
    "text",
    [
        "=== answer ===\nb\n\n=== search ===\na",
        "Here they are:\n== Search ==\na\n**=== ANSWER ===**\nb\n",
        "## search\na\n\n### Answer:\nb",
    ],
)
def test_headings_in_a_similar_form_are_understood(text: str) -> None:
    assert found_parts(text, ["search", "answer"]) == {"search": "a", "answer": "b"}


def test_other_headings_are_refused_with_a_reason() -> None:
    names = ["search", "answer"]
    assert found_parts("=== search ===\na\n=== tone ===\nb", names) == "invents the part 'tone'"
    twice = "=== search ===\na\n=== search ===\nb"
    assert found_parts(twice, names) == "has the part 'search' twice"
    own = "=== search ===\n== Rules ==\na"
    assert found_parts(own, names) == {"search": "== Rules ==\na"}


def test_an_edit_of_one_part_keeps_the_others() -> None:
    whole = "=== a ===\nx\n\n=== b ===\ny"
    assert completed("=== b ===\nz", whole, ["a", "b"]) == "=== a ===\nx\n\n=== b ===\nz"
    assert completed("nothing", whole, ["a", "b"]) == "nothing"
    assert completed("new", "old", ["a"]) == "new"


# -- feedback ---------------------------------------------------------------------------------


async def test_a_metric_says_more_than_a_score() -> None:
    def judge(output: str, item: Item) -> Scored:
        return Scored(0.5, feedback=f"{item.target}, not {output}", aims={"brief": 1})

    outcome = await measured(lambda *_: "so", metric=judge)
    assert (outcome.score, outcome.answer) == (0.5, "so")
    assert outcome.feedback.endswith("not so")
    assert outcome.aims == (("brief", 1.0),)
    short = await measured(lambda *_: "so", metric=lambda *_: (0, "wrong"))
    assert (short.score, short.feedback) == (0, "wrong")


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (Scored(0.5, aims={"a": float("nan")}), "sub-scores are finite numbers"),
        (Scored(0.5, feedback=3), "a feedback is a text"),  # type: ignore[arg-type] # wrong
        (Scored(2.0), "from 0 to 1"),
        ((0.5, "a", "b"), "from 0 to 1"),
    ],
)
async def test_what_cannot_be_used_of_a_score_is_a_reason(given: Any, why: str) -> None:
    with pytest.raises(MeasureError, match=why):
        await measured(lambda *_: "so", metric=lambda *_: given)


@pytest.mark.parametrize("workers", ["thread", "process"])
async def test_a_function_says_more_than_a_value(workers: Any) -> None:
    problem = FunctionProblem(
        explained, "Write little.", ["ab"], minimize=True, workers=workers, timeout=60
    )
    outcome = await problem.measure("ab", problem.items("train")[0], None)
    assert (outcome.score, outcome.answer, outcome.feedback) == (-2.0, "2", "shorter")
    assert outcome.aims == (("letters", 2.0),)


def explained(text: str) -> Scored:
    return Scored(len(text), feedback="shorter", aims={"letters": len(text)})
