"""llmopt judge-check, and a judge in a configuration."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmopt.core.values import Item
from llmopt.errors import DataError
from llmopt.problems.metrics.judge import Judge
from llmopt.problems.metrics.judge_agreement import (
    Agreement,
    Columns,
    Labelled,
    agreement,
    labelled,
)

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Shell

JUDGES = '''
import re


def parts(call):
    form = r"^\\[begin (.+?) ([0-9a-f]{12})\\]\\n(.*?)\\n\\[end"
    found = re.findall(form, call.text, re.M | re.S)
    return {name: body for name, _, body in found}


def verdict(call):
    return re.search(r"Verdict [0-9a-f]{12}:(?= .$)", call.text)[0]


def fair(call):
    """Rate by the number of exclamation marks; compare by length; do not know about riddles."""
    seen = parts(call)
    if "riddle" in seen["question"]:
        return "I do not know."
    if "answer" in seen:
        return f"{verdict(call)} {1 + min(4, seen['answer'].count('!'))}"
    first, second = len(seen["answer A"]), len(seen["answer B"])
    return f"{verdict(call)} {'tie' if first == second else 'A' if first > second else 'B'}"


def first(call):
    """Prefer what stands first."""
    return f"{verdict(call)} A"


def silent(call):
    return ""
'''
MODEL = ("-o", "judge.model=scripted/judges_of_tests:fair")
PAIRWISE = (*MODEL, "-o", "judge.mode=pairwise")


@pytest.fixture
def desk(shell: Shell) -> Shell:
    """A working directory with judges and two labelled files."""
    shell.write("judges_of_tests.py", JUDGES)
    rated = [(f"q{n}", "!" * (n % 5), 1 + n % 5) for n in range(20)]
    rated[0] = ("q0", "", 5)  # a person was kind once
    lines = ["input,output,label", *(f"{q},a{a},{label}" for q, a, label in rated)]
    shell.write("rated.csv", "\n".join(lines) + "\n")
    rows = [
        {"input": f"q{n}", "output": out, "target": "mm", "label": label}
        for n, (out, label) in enumerate(
            [("mmm", "win"), ("m", "loss"), ("zz", "tie"), ("mmmm", "Win"), ("m", "win")]
        )
    ]
    shell.write("compared.jsonl", "\n".join(map(json.dumps, rows)) + "\n")
    return shell


def test_a_rating_judge_is_compared_with_people(desk: Shell) -> None:
    said = desk.llmopt("judge-check", "rated.csv", *MODEL, "--json")
    assert said.code == 0
    found = said.data["found"]
    assert found["verdicts"] == ["1", "2", "3", "4", "5"]
    assert found["confusion"][4] == [1, 0, 0, 0, 4]
    assert found["agreement"]["share"] == 19 / 20
    assert found["agreement"]["interval"]["low"] < 0.95 < found["agreement"]["interval"]["high"]
    assert found["kappa"]["value"] == pytest.approx(0.9375)
    assert found["bias"] is None
    assert found["unmeasured"] == []
    assert said.data["usage"]["calls"] == 20


def test_the_same_check_again_costs_nothing(desk: Shell) -> None:
    first = desk.llmopt("judge-check", "rated.csv", *MODEL, "--json")
    again = desk.llmopt("judge-check", "rated.csv", *MODEL, "--json")
    assert again.data["found"] == first.data["found"]
    assert again.data["usage"] == first.data["usage"]
    assert desk.runs() == [first.data["run"]]


def test_people_read_it_as_a_table(desk: Shell) -> None:
    said = desk.llmopt("judge-check", "compared.jsonl", *PAIRWISE)
    assert said.code == 0
    assert "agrees with people on 80.0 % of 5 answers" in said.out
    for words in ("Cohen's kappa", "changes with the order", "people \\ judge", "10 calls"):
        assert words in said.out


def test_a_comparing_judge_is_asked_in_both_orders(desk: Shell) -> None:
    found = desk.llmopt("judge-check", "compared.jsonl", *PAIRWISE, "--json").data
    assert found["usage"]["calls"] == 10
    assert found["found"]["verdicts"] == ["loss", "tie", "win"]
    assert found["found"]["confusion"] == [[1, 0, 0], [0, 1, 0], [1, 0, 2]]
    assert found["found"]["bias"]["changes"]["share"] == 0


def test_a_judge_that_prefers_a_place_is_found_out(desk: Shell) -> None:
    first = ("-o", "judge.model=scripted/judges_of_tests:first", "-o", "judge.mode=pairwise")
    bias = desk.llmopt("judge-check", "compared.jsonl", *first, "--json").data["found"]["bias"]
    assert (bias["changes"]["share"], bias["first"], bias["second"]) == (1, 5, 0)


def test_answers_without_a_verdict_are_counted_and_left_out(desk: Shell) -> None:
    desk.write("riddle.csv", "input,output,label\na riddle,a!,2\nq,b!,2\nq,c,2\n")
    said = desk.llmopt("judge-check", "riddle.csv", *MODEL, "--json")
    assert said.data["found"]["agreement"]["n"] == 2
    assert "a verdict is the line" in said.data["found"]["unmeasured"][0]
    assert "1 of 3 answers have no verdict" in desk.llmopt("judge-check", "riddle.csv", *MODEL).out


def test_a_judge_without_any_verdict_fails(desk: Shell) -> None:
    silent = ("-o", "judge.model=scripted/judges_of_tests:silent")
    said = desk.llmopt("judge-check", "rated.csv", *silent)
    assert said.code == 1
    assert "got none on 20 answers" in said.err


def test_the_judge_is_that_of_a_configuration(desk: Shell) -> None:
    """Its other tables are not looked at, and options change it."""
    desk.write(
        "rubric.md", "{{ question }}\n{{ answer }}\n{{ reference }}\n0 to 5. {{ verdict }} N"
    )
    desk.write(
        "judge.toml",
        '[problem]\nanything = 1\n[judge]\nmodel = "scripted/judges_of_tests:fair"\n'
        'rubric_from = "rubric.md"\nscale = [0, 5]\n',
    )
    desk.write("own.csv", "text,answer,people\nq,a!!,3\nq,b,1.0\n")
    words = ("judge-check", "own.csv", "--config", "judge.toml", "--json")
    columns = ("--input", "text", "--output", "answer", "--label", "people")
    found = desk.llmopt(*words, *columns).data
    assert found["found"]["agreement"]["share"] == 1
    shown = desk.llmopt("show", found["run"])
    assert "agrees with people" in shown.out
    assert "llmopt judge-check own.csv --config judge.toml --input text" in shown.out
    assert desk.llmopt(*words, *columns, "-o", "judge.mode=pairwise").code == 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("rated.csv",), "the key 'judge.model' is missing"),
        (("rated.csv", *MODEL, "-o", "judge.mod=x"), "did you mean 'mode'"),
        (("rated.csv", *MODEL, "-o", "judge.scale=[1, 4]"), "a label is from 1 to 4"),
        (("rated.csv", *MODEL, "-o", "judge.scale=[5, 1]"), "a judge's scale is"),
        (("rated.csv", *MODEL, "-o", "run.steps=3"), "one of the table judge"),
        (("rated.csv", *PAIRWISE), "a label is win, tie or loss"),
        (("rated.csv", *MODEL, "--label", "lable"), "did you mean 'label'"),
        (("rated.csv", *MODEL, "--target", "gold"), "there is no 'gold'"),
        (("absent.csv", *MODEL), "there is no 'absent.csv'"),
        (("rated.csv", *MODEL, "-o", "judge.rubric_from=none.md"), "none.md"),
        (("rated.csv", "--config", "none.toml"), "none.toml"),
    ],
)
def test_bad_input_is_refused_before_anything_is_asked(
    desk: Shell, words: tuple[str, ...], message: str
) -> None:
    said = desk.llmopt("judge-check", *words)
    assert said.code == 2
    assert message in said.err
    assert desk.runs() == []


# -- the figures ----------------------------------------------------------------------------


def figures(judge: Judge, pairs: list[tuple[int, tuple[float, ...]]]) -> Agreement:
    rows = [Labelled(Item(str(n), "q", "t"), "o", label) for n, (label, _) in enumerate(pairs)]
    found = agreement(judge, rows, [scores for _, scores in pairs])
    assert found is not None
    return found


def test_kappa_is_the_textbook_value() -> None:
    """50 grants, two readers: 20 yes/yes, 5 yes/no, 10 no/yes, 15 no/no give 0.4."""
    judge = Judge(scale=(0, 1))
    pairs: list[tuple[int, tuple[float, ...]]] = [
        *[(1, (1.0,))] * 20,
        *[(1, (0.0,))] * 5,
        *[(0, (1.0,))] * 10,
        *[(0, (0.0,))] * 15,
    ]
    found = figures(judge, pairs)
    assert found.kappa.value == pytest.approx(0.4)
    assert found.weighted == found.kappa, "of two verdicts no miss is nearer than another"
    assert found.kappa.interval is not None
    # The large-sample standard error (Fleiss, Cohen and Everitt 1969) is 0.1279 here.
    assert found.kappa.interval.low == pytest.approx(0.4 - 1.96 * 0.1279, abs=0.03)
    assert found.kappa.interval.high == pytest.approx(0.4 + 1.96 * 0.1279, abs=0.03)


def test_kappa_is_unknown_where_one_verdict_is_all_there_is() -> None:
    found = figures(Judge(), [(4, (1.0,)), (4, (1.0,))])
    assert (found.kappa.value, found.kappa.interval) == (None, None)
    assert found.agreement.share == 1


def test_a_near_miss_counts_less_than_a_far_one() -> None:
    near = figures(Judge(), [(4, (0.75,)), (0, (0.0,)), (2, (0.5,)), (4, (1.0,))])
    far = figures(Judge(), [(4, (0.0,)), (0, (0.0,)), (2, (0.5,)), (4, (1.0,))])
    assert near.agreement == far.agreement
    assert near.weighted.value is not None
    assert far.weighted.value is not None
    assert near.weighted.value > far.weighted.value


def test_nothing_judged_has_no_figures() -> None:
    assert agreement(Judge(), [Labelled(Item("1"), "o", 0)], ["why not"]) is None


@given(
    st.lists(
        st.tuples(
            st.integers(0, 2), st.sampled_from([0.0, 0.5, 1.0]), st.sampled_from([0.0, 0.5, 1.0])
        ),
        min_size=1,
        max_size=30,
    )
)
def test_the_figures_fit_together(rows: list[tuple[int, float, float]]) -> None:
    found = figures(Judge("pairwise"), [(label, (a, b)) for label, a, b in rows])
    assert sum(map(sum, found.confusion)) == len(rows)
    diagonal = sum(line[at] for at, line in enumerate(found.confusion))
    assert found.agreement.share == diagonal / len(rows)
    assert found.bias is not None
    assert found.bias.changes.share * len(rows) == pytest.approx(
        found.bias.first + found.bias.second
    )
    for kappa in (found.kappa, found.weighted):
        if kappa.value is not None and kappa.interval is not None:
            assert -1 <= kappa.interval.low <= kappa.interval.high <= 1
            assert kappa.value <= 1


def test_a_blank_reference_is_allowed_where_nothing_is_compared(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("input,output,target,label\nq,a,,3\n", encoding="utf-8")
    assert labelled(path, Judge(), Columns())[0].item.target == ""
    path.write_text("input,output,target,label\nq,a,,win\n", encoding="utf-8")
    with pytest.raises(DataError, match="not blank"):
        labelled(path, Judge("pairwise"), Columns())
    path.write_text("input,output,target,label\n", encoding="utf-8")
    with pytest.raises(DataError, match="at least one row"):
        labelled(path, Judge(), Columns())


# -- a judge in a configuration -------------------------------------------------------------

JUDGED = ('task = "Answer', 'metric = "judge"\ntask = "Answer')
TABLE = (
    "[algorithm]",
    '[judge]\nmodel = "scripted/judges_of_tests:fair"\nmode = "pairwise"\n\n[algorithm]',
)


def test_a_run_with_a_judge_is_configured_checked_run_and_resumed(desk: Shell) -> None:
    desk.configure(JUDGED, TABLE)
    checked = desk.llmopt("check", "run.toml", "--json")
    assert checked.code == 0
    assert {row["check"] for row in checked.data["checks"]} >= {"judge LLM", "its verdict"}
    assert list(checked.data["estimate"]) == ["optimizer", "scorer", "judge", "together"]
    done = desk.llmopt("run", "run.toml", "--name", "one", "-q", "--json")
    assert done.code == 0
    used, most = done.data["usage"]["judge"]["calls"], checked.data["estimate"]["judge"]["high"]
    assert checked.data["estimate"]["judge"]["low"]["calls"] <= used <= most["calls"]
    again = desk.llmopt("resume", "one", "-q", "--json")
    assert again.data["usage"] == done.data["usage"]
    assert again.data["best"] == done.data["best"]


def test_a_run_without_a_judge_does_not_mention_one(desk: Shell) -> None:
    assert "judge" not in desk.llmopt("check", "run.toml").out
    assert "judge" not in desk.llmopt("run", "run.toml", "-q").out


def test_check_says_that_a_verdict_cannot_be_read(desk: Shell) -> None:
    desk.configure(JUDGED, TABLE)
    silent = ("-o", "judge.model=scripted/judges_of_tests:silent")
    said = desk.llmopt("check", "run.toml", *silent)
    assert said.code == 1
    assert "no verdict can be read" in said.out


def test_check_knows_the_caps_and_the_price_of_the_judge(desk: Shell) -> None:
    desk.configure(JUDGED, TABLE)
    words = ("check", "run.toml", "--offline", "--json", "-o", "budget.usd=1")
    priced = (*words, "-o", "judge.price={input = 1, output = 2}")
    found = desk.llmopt(*priced, "-o", "judge.requests_per_minute=60").data
    assert found["models"]["judge"]["price"] == {
        "input": 1,
        "output": 2,
        "cached": None,
        "cache_write": None,
    }
    assert found["estimate"]["judge"]["high"]["usd"] > 0


@pytest.mark.parametrize("change", [JUDGED, TABLE])
def test_the_metric_and_the_table_go_together(desk: Shell, change: tuple[str, str]) -> None:
    desk.configure(change)
    said = desk.llmopt("run", "run.toml")
    assert said.code == 2
    assert "write both or neither" in said.err
