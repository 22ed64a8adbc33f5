"""``llmopt check``: everything that can be known before a run costs anything."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

import pytest

import llmopt

if TYPE_CHECKING:
    from conftest import Said, Shell
    from endpoint import Endpoint

SCRIPTED = 'model = "scripted/llmopt.testing.scripted:answer"'


def paid(server: Endpoint, more: str = "") -> tuple[str, str]:
    """Return the change that makes a configuration use the server."""
    return SCRIPTED, f'model = "openai/tiny"\nbase_url = "{server.url}"\n{more}'


def checked(shell: Shell, *words: str, code: int = 0) -> Any:
    """Return what a check found out."""
    said = shell.llmopt("check", "run.toml", "--json", *words)
    assert (said.code, said.err) == (code, "")
    return said.data


def failures(data: Any) -> list[str]:
    return [row["detail"] for row in data["checks"] if not row["ok"]]


def notes(shell: Shell, *words: str) -> str:
    return "\n".join(checked(shell, *words)["cautions"])


def rows(shell: Shell, answers: list[str], question: str = "Question number {}?") -> None:
    lines = [f"{question.format(n)},{answer}" for n, answer in enumerate(answers)]
    shell.write("questions.csv", "\n".join(["input,target", *lines, ""]))


def test_a_good_configuration_is_told_in_words_and_starts_no_run(shell: Shell) -> None:
    said = shell.llmopt("check", "run.toml")
    assert (said.code, said.err) == (0, "")
    for words in (
        "2 steps of opro",
        "40 rows: 12 train, 8 validation, 20 test; no 50 %, yes 50 %",
        "the expected answer itself scores 1",
        "2 of 2 starting instructions",
        "free",
        "together",
        "2 steps of 4 instructions on your 12 items; there is no budget",
    ):
        assert words in said.out
    assert "NO" not in said.out
    assert shell.runs() == []


def test_the_same_in_python(shell: Shell) -> None:
    found = llmopt.check(shell.folder / "run.toml", ["run.steps=3"], offline=True)
    assert found.to_dict() == checked(shell, "--offline", "-o", "run.steps=3")
    tables = tomllib.loads((shell.folder / "run.toml").read_text(encoding="utf-8"))
    with pytest.raises(llmopt.LlmoptError, match="optimiser"):
        llmopt.check({**tables, "optimiser": {}})


def test_a_run_takes_no_more_than_its_check_said(shell: Shell) -> None:
    found = checked(shell)["estimate"]
    result = shell.llmopt("run", "run.toml", "--json").data
    for role in ("optimizer", "scorer"):
        for count in ("calls", "input_tokens", "output_tokens"):
            used = result["usage"][role][count]
            assert found[role]["low"][count] <= used <= found[role]["high"][count]


def test_each_role_is_asked_once_and_briefly_with_the_call_it_will_get(
    shell: Shell, server: Endpoint
) -> None:
    shell.configure(paid(server))
    data = checked(shell)
    assert server.calls == 2
    assert "<INS>" in data["models"]["optimizer"]["answer"]
    scorer = data["models"]["scorer"]
    assert scorer["answer"] in ("yes", "no")
    assert scorer["usage"]["output_tokens"] == len(scorer["answer"])
    assert scorer["seconds"] > 0
    assert data["estimate"]["together"]["high"]["seconds"] > 0
    # The server counts a token for every character, so the upper bound is widened to that.
    size = len("Answer.\nQuestion number 0?")
    high = data["estimate"]["scorer"]["high"]
    assert high["input_tokens"] > size * high["calls"]


def test_offline_nobody_is_asked_and_time_stays_unknown(shell: Shell, server: Endpoint) -> None:
    shell.configure(paid(server))
    data = checked(shell, "--offline")
    assert server.calls == 0
    assert data["estimate"]["together"]["high"]["seconds"] is None
    assert "unknown" in shell.llmopt("check", "run.toml", "--offline").out


def test_offline_the_cost_is_known_without_a_key(shell: Shell) -> None:
    """The missing key would stop a run, so the exit code says so; a list of cells is complete."""
    hosted = 'model = "openai/gpt-5-mini"\nkey_variable = "LLMOPT_TEST_NO_SUCH_KEY"'
    shell.configure((SCRIPTED, hosted))
    data = checked(shell, "--offline", code=2)
    assert failures(data) == [row for row in failures(data) if "LLMOPT_TEST_NO_SUCH_KEY" in row]
    assert failures(data)
    assert data["estimate"]["scorer"]["high"]["calls"] > 100
    assert data["models"]["scorer"]["identity"] == "openai/gpt-5-mini@https://api.openai.com/v1"
    online = shell.llmopt("check", "run.toml")
    assert (online.code, "LLMOPT_TEST_NO_SUCH_KEY" in online.err) == (2, True)
    shell.write("sweep.toml", 'base = "run.toml"\n[grid]\n"run.seed" = [0]\n"run.steps" = [1, 2]\n')
    listed = shell.llmopt("sweep", "sweep.toml", "--list", "--json")
    assert listed.code == 0
    assert all(0 < cell["low"] <= cell["high"] for cell in listed.data["cells"])


def test_offline_the_weights_of_a_local_model_are_not_needed(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLMOPT_CACHE", str(shell.folder / "no weights"))
    shell.configure((SCRIPTED, 'model = "local/smollm2-135m"'))
    data = checked(shell, "--offline")
    assert data["estimate"]["together"]["high"]["usd"] == 0
    assert not (shell.folder / "no weights").exists()


def test_a_model_that_does_not_answer_is_exit_code_1_with_everything_else_told(
    shell: Shell, server: Endpoint
) -> None:
    shell.configure(paid(server))
    server.status = 401
    data = checked(shell, code=1)
    assert server.calls == 2
    assert all("this key is not known" in why for why in failures(data))
    assert data["estimate"]["scorer"]["high"]["calls"] > 0
    said = shell.llmopt("check", "run.toml")
    assert said.code == 1
    assert "NO" in said.out


def test_a_key_that_is_not_there_is_bad_input_and_nobody_is_asked(
    shell: Shell, server: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MY_KEY", raising=False)
    shell.configure(paid(server, 'key_variable = "MY_KEY"'))
    said: Said = shell.llmopt("check", "run.toml")
    assert (said.code, said.out, server.calls) == (2, "", 0)
    assert "MY_KEY" in said.err


def test_a_key_is_never_shown(
    shell: Shell, server: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEY", "recognisable-secret")
    shell.configure(paid(server, 'key_variable = "MY_KEY"'))
    said = shell.llmopt("check", "run.toml")
    assert server.keys[0] == "Bearer recognisable-secret"
    assert "recognisable-secret" not in said.out + said.err


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(("steps = 2", "stepps = 2"), id="key"),
        pytest.param(('"questions.csv"', '"no.csv"'), id="data"),
        pytest.param(("samples = 4", "samples = 0"), id="algorithm"),
        pytest.param(("[algorithm]", '[algorithm]\ntemplate = "{{ tsak }}"'), id="template"),
        pytest.param(("[algorithm]", '[algorithm]\ntemplate = "{{ entries.x.y }}"'), id="lay-out"),
        pytest.param(("[problem]", '[problem]\nmetric = "no.such:metric"'), id="metric"),
    ],
)
def test_what_a_run_would_refuse_is_refused_here_too(
    shell: Shell, server: Endpoint, change: tuple[str, str]
) -> None:
    shell.configure(paid(server), change)
    said = shell.llmopt("check", "run.toml")
    assert (said.code, said.out, server.calls) == (2, "", 0)
    assert said.err.startswith("Error: ")


def test_a_limit_in_dollars_without_a_price_is_bad_input(shell: Shell, server: Endpoint) -> None:
    shell.configure(paid(server), ("[run]", "[budget]\nusd = 5\n[run]"))
    data = checked(shell, code=2)
    assert len(failures(data)) == 1
    assert "scorer.price" in failures(data)[0]
    assert "not known without the price" in data["budget"]["says"]
    assert data["estimate"]["scorer"]["high"]["usd"] is None
    priced = "-o", "scorer.price={ input = 0.15, output = 0.6 }"
    assert checked(shell, *priced)["estimate"]["scorer"]["high"]["usd"] > 0


@pytest.mark.parametrize(
    ("budget", "says"),
    [
        ("calls = 10000", "10,000 calls are enough for all 2 steps of 4 instructions"),
        ("calls = 203", "203 calls buy 0 of 2 steps of 4 instructions on your 12 items"),
        ("calls = 255", "255 calls buy 1 of 2 steps of 4 instructions on your 12 items"),
        ("calls = 20", "do not even pay for measuring and testing"),
        ("tokens = 40000", "fewer the longer the answers are"),
        ("usd = 1", "$1 is enough"),
        ("usd = 2000000", "$2,000,000 is enough"),
        ("tokens = 2000000", "2,000,000 tokens are enough"),
        ("calls = 1", "1 call does not even pay"),
        ("calls = 10000\nusd = 1", "10,000 calls and $1 are enough"),
    ],
)
def test_what_a_budget_buys_is_told_in_words(shell: Shell, budget: str, says: str) -> None:
    shell.configure(("[run]", f"[budget]\n{budget}\n[run]"))
    data = checked(shell)
    assert says in data["budget"]["says"]
    few = min(data["budget"]["steps"]) < 2
    assert ("fewer than 2 steps" in "\n".join(data["cautions"])) == few


@pytest.mark.parametrize(
    ("budget", "says"),
    [
        ("usd = 0.01", "$0.01 buys 0 to 2 of 2 steps"),
        ("usd = 0.0001", "$0.0001 buys 0 of 2 steps"),
        ("seconds = 1", "What 1 second buys is not known"),
        ("seconds = 2", "What 2 seconds buy is not known"),
    ],
)
def test_the_verb_fits_the_amount(shell: Shell, server: Endpoint, budget: str, says: str) -> None:
    priced = "price = { input = 0.15, output = 0.6 }"
    shell.configure(paid(server, priced), ("[run]", f"[budget]\n{budget}\n[run]"))
    assert says in shell.llmopt("check", "run.toml", "--offline", "--json").data["budget"]["says"]


def test_the_calls_of_a_curve_are_counted_and_one_without_rows_refused(shell: Shell) -> None:
    """Two points more than the last one: the first, and one that is no finalist."""
    one = ("check", "run.toml", "--offline", "--json", "-o", "run.finalists=1")
    plain = shell.llmopt(*one).data["estimate"]["scorer"]["high"]["calls"]
    curve = shell.llmopt(*one, "-o", "run.validate_every=1").data["estimate"]["scorer"]
    assert curve["high"]["calls"] == plain + 3 * 8
    none = ("-o", "problem.sizes=[12,0,20]", "-o", "run.validate_every=1")
    refused = shell.llmopt("check", "run.toml", "--offline", *none)
    assert refused.code == 2
    assert "validate_every needs validation items" in refused.out + refused.err


def test_small_splits_are_pointed_out_with_what_would_be_enough(shell: Shell) -> None:
    said = notes(shell)
    assert "8 validation items are too few" in said
    assert "20 test items are too few to be sure of a gain of 5 points" in said
    data = checked(shell)
    assert [shown["disagreement"] for shown in data["shows"]] == [0.2, 0.4]
    (detail,) = (row["detail"] for row in data["checks"] if row["check"] == "evidence")
    assert detail == (
        "20 test rows can show a difference of about 35 points if 20 %, 37 points if 40 % of them "
        "are right for only one of winner and start"
    )
    assert "about 626" in said
    assert "no validation split" in notes(shell, "-o", "problem.sizes=[12, 0, 20]")
    rows(shell, ["yes", "no"] * 350)
    assert notes(shell, "-o", "problem.sizes=[12, 40, 648]") == ""


def test_one_class_that_dominates_is_pointed_out_unless_classes_are_balanced(shell: Shell) -> None:
    rows(shell, ["yes"] * 32 + ["no"] * 8)
    assert "80 % of the answers are 'yes'" in notes(shell)
    assert "of the answers" not in notes(shell, "-o", "problem.balanced=true")


def test_rows_that_contradict_each_other_are_pointed_out(shell: Shell) -> None:
    rows(shell, ["yes", "no"] * 20)
    same = (shell.folder / "questions.csv").read_text().replace("number 1?", "number 0?")
    shell.write("questions.csv", same)
    data = checked(shell)
    assert "1 of 39 inputs have different answers" in "\n".join(data["cautions"])
    assert "1 repeated input" in str(data["checks"])


def test_answers_longer_than_the_scorer_may_give_are_pointed_out(shell: Shell) -> None:
    rows(shell, [f"a long answer of many words number {n}" for n in range(40)])
    assert "scorer.max_tokens is 4" in notes(shell, "-o", "scorer.max_tokens=4")
    assert "max_tokens" not in notes(shell, "-o", "scorer.max_tokens=40")


def test_placeholders_that_nothing_fills_in_are_pointed_out(shell: Shell) -> None:
    shell.write("layout.txt", "{instruction} {question}\n{input}")
    assert "{question}" in notes(shell, "-o", "problem.prompt_from=layout.txt")
    assert "{text}" in notes(shell, "-o", 'problem.instructions=["Answer {text}."]')
    shell.write("own.md", "Improve <INS> for {task}: {{ entries[0].text }}")
    assert "{task} literally" in notes(shell, "-o", "algorithm.template_from=own.md")


def test_a_recipe_can_be_checked(shell: Shell) -> None:
    said = shell.llmopt("check", "demo", "--offline")
    assert said.code == 0
    assert "4 steps of 24 instructions on your 100 items" in said.out


def test_what_a_model_says_cannot_command_the_terminal(shell: Shell) -> None:
    shell.write("own.py", "def answer(call):\n    return chr(27) + '[31mred <INS>x</INS>'\n")
    shell.configure((SCRIPTED, 'model = "scripted/own:answer"'))
    said = shell.llmopt("check", "run.toml")
    assert said.code == 0
    assert "[31mred" in said.out
    assert "\x1b" not in said.out


def test_an_answer_that_is_cut_off_names_the_limit(shell: Shell) -> None:
    """A long one is only begun, unless nothing was said by then."""
    reply = "Reply({!r}, finish='length')"
    for said, limit, told in (("Let me see", 8, True), ("", 300, True), ("Hm", 300, False)):
        shell.write(
            f"own{len(said)}.py",
            "from llmopt.core.values import Reply\n"
            "def answer(call):\n"
            f"    return '<INS>x</INS>' if '<INS>' in call.text else {reply.format(said)}\n",
        )
        shell.configure((SCRIPTED, f'model = "scripted/own{len(said)}:answer"'))
        cautions = notes(shell, "-o", f"scorer.max_tokens={limit}")
        assert (f"cut off at {limit} tokens" in cautions) is told
