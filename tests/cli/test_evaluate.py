"""``llmopt evaluate``: given texts, a run's best ones, other data, and going on."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Shell
    from endpoint import Endpoint

MODEL = "scripted/llmopt.testing.scripted:answer"
DATA = ("--data", "questions.csv", "--scorer", MODEL)
TEXTS = ("--instruction", "Answer.", "--instruction", "Think carefully, step by step.")
TASKS = Path(os.environ.get("LLMOPT_TEST_DATA", Path(__file__).parents[3] / "shared" / "data"))

SLOW = """
import os, time
from llmopt.testing.scripted import answer as plain

def answer(call):
    time.sleep(float(os.environ.get("DELAY", "0")))
    return plain(call)
"""


def test_the_table_has_a_line_for_each_instruction(shell: Shell) -> None:
    """Texts, scores, intervals, the paired test, the verdict, where they differ, the cost."""
    said = shell.llmopt("evaluate", *TEXTS, *DATA)
    assert said.code == 0
    assert said.out.startswith("[1] Answer.\n[2] Think carefully, step by step.\n\n")
    for number in (1, 2):
        row = rf"^\[{number}\] +\d+\.\d % +\d+\.\d to \d+\.\d +20/20\b"
        assert re.search(row, said.out, re.MULTILINE)
    assert re.search(r"^\[2\] is .* \[1\] on 20 test items \(.* points\)\.", said.out, re.MULTILINE)
    assert "\np: McNemar" in said.out
    assert "corrected" not in said.out
    assert "\nItems on which they differ (" in said.out
    assert "\nscorer LLM: 40 calls, about " in said.out
    assert re.search(r"Kept as: evaluate-[0-9a-f]{8}\n$", said.out)
    assert re.fullmatch(r"(\[evaluate-\S+\] \D[^\n]*\n)+", said.err)
    assert "step" not in said.err.replace("step by step", "")


def test_quiet_json_is_one_document(shell: Shell) -> None:
    said = shell.llmopt("evaluate", *TEXTS, *DATA, "--json", "-q", "--part", "all")
    assert said.err == ""
    assert (said.data["items"], said.data["part"]) == (40, "all")
    assert [row["text"] for row in said.data["rows"]] == [TEXTS[1], TEXTS[3]]
    assert said.data["rows"][1]["difference"]["n"] == 40


def test_more_than_two_are_corrected(shell: Shell) -> None:
    said = shell.llmopt("evaluate", *TEXTS, "--instruction", "", *DATA, "-q")
    assert "\n[3] (empty)\n" in said.out
    assert "p corrected" in said.out
    assert "Against [1], corrected for 2 comparisons: " in said.out


def test_texts_come_before_files_and_files_before_runs(shell: Shell) -> None:
    """A file's last line end is an editor's, and not part of the text."""
    shell.write("prompt.txt", "Check twice.\nSlowly.\n")
    shell.llmopt("run", "run.toml", "-q")
    words = ("--run", "run", "--file", "prompt.txt", "--instruction", "Answer.")
    said = shell.llmopt("evaluate", *words, *DATA, "-q", "--json")
    best = shell.llmopt("show", "run", "--json").data["result"]["best"]["text"]
    texts = [row["text"] for row in said.data["rows"]]
    assert texts == ["Answer.", "Check twice.\nSlowly.", best]


def test_a_run_alone_is_measured_on_its_own_test_items_for_nothing(shell: Shell) -> None:
    """The start, then the winner; the figures are those of the run's own result."""
    shell.llmopt("run", "run.toml", "-q")
    result = shell.llmopt("show", "run", "--json").data["result"]
    found = shell.llmopt("evaluate", "--run", "run", "-q", "--json").data
    assert [row["text"] for row in found["rows"]] == [
        result["start"]["text"], result["best"]["text"]
    ]  # fmt: skip
    assert found["rows"][1]["difference"] == result["test"]["difference"]
    assert found["usage"] == {}
    assert found["notes"] == []


def test_the_best_of_a_run_are_the_winner_and_then_the_best_on_train(shell: Shell) -> None:
    shell.llmopt("run", "run.toml", "-q")
    shown = shell.llmopt("show", "run", "--json").data
    found = shell.llmopt("evaluate", "--run", "run", "--top", "3", "-q", "--json").data
    texts = [row["text"] for row in found["rows"]]
    scores = {c["text"]: c["score"] for step in shown["steps"] for c in step["candidates"]}
    assert texts[1] == shown["result"]["best"]["text"]
    others = sorted(score for text, score in scores.items() if text != texts[1])
    assert [scores[text] for text in texts[2:]] == others[-1:-3:-1]


def test_items_that_a_run_was_searched_on_are_pointed_out(shell: Shell) -> None:
    shell.llmopt("run", "run.toml", "-q")
    found = shell.llmopt("evaluate", "--run", "run", "--part", "all", "-q", "--json").data
    assert found["notes"] == [
        "run was searched or chosen on 20 of these 40 items, so what it found is flattered on them."
    ]


def test_a_run_on_other_data_keeps_its_model_and_its_prompt(shell: Shell) -> None:
    """The transfer experiment: what the scorer LLM sees differs in the question alone."""
    shell.write("other.csv", "q,a\n" + "".join(f"Other {n}?,{n % 3}\n" for n in range(12)))
    shell.llmopt("run", "run.toml", "-q", "-o", "problem.position='before_Q'")
    words = ("--data", "other.csv", "--input", "q", "--target", "a", "--part", "all")
    found = shell.llmopt("evaluate", "--run", "run", *words, "-q", "--json").data
    assert (found["items"], found["scorer"], found["notes"]) == (12, MODEL, [])
    config = shell.llmopt("show", found["run"], "--json").data["config"]
    assert config["identity"]["problem prompt"] == "{instruction}\nQ: {input}\n\nA:"
    changed = ("-o", "problem.position='Q_begin'")
    other = shell.llmopt("evaluate", "--run", "run", *words, *changed, "-q", "--json").data
    config = shell.llmopt("show", other["run"], "--json").data["config"]
    assert config["identity"]["problem prompt"] == "{instruction}\n{input}"


@pytest.mark.skipif(not TASKS.is_dir(), reason="needs the papers' data: LLMOPT_TEST_DATA")
@pytest.mark.parametrize(
    ("words", "items"),
    [
        (("--task", "bbh/object_counting", "--split", "opro"), 200),
        (("--task", "multiarith", "--part", "all"), 600),
        (("--task", "aqua", "--part", "all"), 254),
    ],
)
def test_tasks_are_measured_by_name(shell: Shell, words: tuple[str, ...], items: int) -> None:
    where = ("--data-dir", str(TASKS), "--scorer", MODEL)
    found = shell.llmopt("evaluate", *TEXTS, *words, *where, "-q", "--json")
    assert found.data["items"] == items


def test_a_configuration_gives_data_model_and_starting_instructions(shell: Shell) -> None:
    found = shell.llmopt("evaluate", "--config", "run.toml", "-q", "--json").data
    assert [row["text"] for row in found["rows"]] == ["Answer.", "Answer now."]
    one = shell.llmopt("evaluate", "--config", "run.toml", *TEXTS[:2], "-q", "--json").data
    assert [row["text"] for row in one["rows"]] == ["Answer."]


def test_another_model_answers(shell: Shell, server: Endpoint) -> None:
    """How it is asked stays the configuration's."""
    shell.configure(("[algorithm]", "temperature = 0.5\nmax_tokens = 7\n\n[algorithm]"))
    words = ("--scorer", "openai/tiny", "--base-url", server.url)
    found = shell.llmopt("evaluate", "--config", "run.toml", *words, "-q", "--json")
    assert found.data["scorer"].startswith("openai")
    assert server.calls == 40
    config = shell.llmopt("show", found.data["run"], "--json").data["config"]
    asking = config["identity"]["problem asking"]
    assert asking == '{"Asking":{"max_tokens":7,"temperature":0.5}}'


def test_samples_are_several_answers_to_each_item(shell: Shell) -> None:
    warm = ("-o", "scorer.temperature=0.5", "--samples", "3")
    said = shell.llmopt("evaluate", *TEXTS, *DATA, *warm, "-q")
    assert "20 test items, 3 answers to each" in said.out
    assert "60/60" in said.out


def test_control_characters_of_a_model_are_spelled_out(shell: Shell) -> None:
    shell.write(
        "evaluated_nasty.py", "def answer(call):\n    return '\\x1b[31mred [bold]x[/bold]'\n"
    )
    model = (*DATA[:3], "scripted/evaluated_nasty:answer", "-o", "problem.metric='exact'")
    said = shell.llmopt("evaluate", *TEXTS, "--instruction", "\x1b[2J[red]", *model)
    assert said.code == 0
    assert "\x1b" not in said.out
    assert "[3] \\u001b[2J[red]" in said.out


# -- going on -------------------------------------------------------------------------------


def test_a_budget_stops_it_and_the_same_command_goes_on(shell: Shell) -> None:
    short = shell.llmopt("evaluate", *TEXTS, *DATA, "-q", "-o", "budget.calls=15")
    assert (short.code, short.out) == (3, "")
    assert "With a larger budget: llmopt evaluate --instruction Answer. " in short.err
    assert "-o budget.calls=…" in short.err
    assert "budget.calls=15" not in short.err
    (row,) = shell.llmopt("runs", "--json").data
    assert row["status"] == "budget"
    found = shell.llmopt("evaluate", *TEXTS, *DATA, "-q", "--json", "-o", "budget.calls=40").data
    assert (found["stretch"]["hits"], found["usage"]["scorer"]["calls"]) == (15, 40)


@pytest.mark.skipif(os.name == "nt", reason="there is no SIGINT to send")
def test_ctrl_c_leaves_it_so_that_the_same_command_goes_on(shell: Shell) -> None:
    """Exit code 130; what was answered is not asked again, and the end is the same."""
    shell.write("slow_model.py", SLOW)
    words = ["evaluate", *TEXTS, *DATA[:3], "scripted/slow_model:answer", "--part", "all"]
    broken = subprocess.Popen(
        [sys.executable, "-m", "llmopt", *words, "--json"],
        env={**os.environ, "DELAY": "0.02"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert broken.stderr is not None
    for line in broken.stderr:
        if "measuring the instructions" in line:
            broken.send_signal(signal.SIGINT)
            break
    out, err = broken.communicate(timeout=30)
    assert (broken.returncode, out) == (130, "")
    assert "Continue with: llmopt evaluate --instruction Answer. " in err
    assert "Traceback" not in err
    whole = shell.llmopt(*words, "-q", "--json").data
    other = ("--store", str(shell.folder / "other.sqlite"))
    assert shell.llmopt(*words, "-q", "--json", *other).data["rows"] == whole["rows"]


def test_show_and_resume_name_the_command(shell: Shell) -> None:
    name = shell.llmopt("evaluate", *TEXTS, *DATA, "-q", "--json").data["run"]
    command = f"llmopt evaluate --instruction Answer. --instruction '{TEXTS[3]}' --data"
    shown = shell.llmopt("show", name)
    assert shown.out.startswith(f"[1] Answer.\n[2] {TEXTS[3]}\n[2] is ")
    assert command in shown.out
    data = shell.llmopt("show", name, "--json").data
    assert data["evaluation"]["rows"][0]["text"] == "Answer."
    resumed = shell.llmopt("resume", name)
    assert resumed.code == 2
    assert command in resumed.err


# -- bad input ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (TEXTS, "needs data, but got none"),
        (DATA, "needs instructions, but got none"),
        ((*TEXTS, "--data", "questions.csv"), "needs a scorer LLM"),
        ((*TEXTS, *DATA, "--task", "aqua"), "--task or --data, but got both"),
        ((*TEXTS, *DATA, "--split", "opro"), "go with --task"),
        ((*TEXTS, *DATA, "--samples", "2"), "temperature above 0"),
        ((*TEXTS, *DATA, "--part", "tests"), "a part is one of"),
        ((*TEXTS, *DATA, "--input", "text"), "text"),
        ((*TEXTS, *DATA, "-o", "run.stepz=1"), "run.stepz"),
        (("--file", "missing.txt", *DATA), "missing.txt"),
        (("--run", "missing", *DATA), "missing"),
        (("--config", "missing.toml"), "missing.toml"),
    ],
)
def test_bad_input_is_refused_before_anything_is_asked(
    shell: Shell, words: tuple[str, ...], said: str
) -> None:
    refused = shell.llmopt("evaluate", *words)
    assert (refused.code, refused.out) == (2, "")
    assert said in refused.err
    assert shell.llmopt("runs", "--json").data == []


def test_a_rank_that_no_run_has_is_refused(shell: Shell) -> None:
    shell.llmopt("run", "run.toml", "-q", "-o", "run.steps=0")
    refused = shell.llmopt("evaluate", "--run", "run", "--top", "9")
    assert refused.code == 2
    assert "a rank in 'run' is one of 1 to 2, but got 3" in refused.err
