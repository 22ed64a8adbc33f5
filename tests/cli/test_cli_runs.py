"""What the commands do with good input."""

from __future__ import annotations

import csv
import json
import re
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from click.testing import CliRunner
from pyarrow import parquet

from llmopt.cli import main
from llmopt.store import open_store

if TYPE_CHECKING:
    from conftest import Shell
    from endpoint import Endpoint

NASTY = """
from llmopt.testing.scripted import answer as plain

TEXT = "Think \\x1b[31mred\\x1b[0m [red]x[/red] [/] [bold step \\x07\\x9b2J \\u202e end \\ud800"

def answer(call):
    if call.role == "optimizer":
        return f"{call.sample} <INS>{TEXT} {call.sample}</INS>\\r\\n\\x00"
    return plain(call)
"""


def same(result: dict[str, Any]) -> dict[str, Any]:
    """Return a result without its name and its time."""
    return {key: value for key, value in result.items() if key not in ("run", "seconds", "stretch")}


def rows(shell: Shell) -> list[dict[str, str]]:
    with (shell.folder / "questions.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_run_prints_what_was_found(shell: Shell) -> None:
    """Both texts, the table, the verdict, the costs, and how to look closer; no wrapped lines."""
    said = shell.llmopt("run", "run.toml")
    assert said.code == 0
    assert "\nstart:\nAnswer.\n" in said.out
    assert "held out (test)" in said.out
    assert re.search(r"^Difference on 20 held-out items: .* lost\.$", said.out, re.MULTILINE)
    assert re.search(r"^scorer LLM: \d+ calls, about [\d,]+ tokens in", said.out, re.MULTILINE)
    assert said.out.endswith("Look closer: llmopt show run\n")
    assert said.err.startswith("[run] step 0/2, measuring the starting solutions, 0/24 evalu")
    assert all(
        line.startswith(("[run] step ", "[run-control] step ")) for line in said.err.splitlines()
    )
    assert "?" not in said.err


def test_quiet_is_quiet(shell: Shell) -> None:
    assert shell.llmopt("run", "run.toml", "-q").err == ""


def test_a_winner_that_is_the_start_is_shown_once(shell: Shell) -> None:
    one = 'problem.instructions=["Answer."]'
    said = shell.llmopt("run", "run.toml", "-q", "-o", "run.steps=0", "-o", one)
    assert "start, and still the best:\nAnswer.\n" in said.out
    assert "Difference" not in said.out


def test_runs_get_names_of_their_own(shell: Shell) -> None:
    """Without --name the file's name is taken, then numbered; the newest is first."""
    for _ in range(2):
        shell.llmopt("run", "run.toml", "-q", "-o", "run.steps=0")
    shell.write("My File.toml", (shell.folder / "run.toml").read_text("utf-8"))
    shell.llmopt("run", "My File.toml", "-q", "-o", "run.steps=0")
    assert shell.runs() == ["my-file", "run-2", "run"]


def test_every_command_gives_one_json_document(shell: Shell) -> None:
    """Strict JSON on standard output, everything else on standard error."""
    assert shell.llmopt("init", "kit", "--json").data["wrote"][0] == "kit/llmopt.toml"
    ran = shell.llmopt("run", "run.toml", "--json", "-o", "evidence.controls=[]")
    assert ran.data["run"] == "run"
    assert "step 2/2" in ran.err
    assert same(shell.llmopt("resume", "run", "--json").data) == same(ran.data)
    (row,) = shell.llmopt("runs", "--json").data
    assert (row["name"], row["status"], row["steps"]) == ("run", "done", 2)
    shown = shell.llmopt("show", "run", "--json").data
    assert [step["step"] for step in shown["steps"]] == [0, 1, 2]
    assert same(shown["result"]) == same(ran.data)
    step = shell.llmopt("show", "run", "--step", "1", "--json").data
    assert "<INS>" in step["calls"][0]["call"]["messages"][0]["content"]
    assert step["calls"][0]["reply"]["text"].startswith("Here it is: <INS>")
    assert {row["algorithm"] for row in shell.llmopt("algorithms", "--json").data} >= {"opro"}
    assert shell.llmopt("algorithms", "opro", "--json").data["options"][0]["default"] == 20
    assert "openai/<model>" in {row["name"] for row in shell.llmopt("models", "--json").data}


def test_a_curve_is_printed_and_shown(shell: Shell) -> None:
    """In the report, by ``show`` while the run is not finished, and in JSON."""
    options = ("-o", "run.validate_every=1", "-o", "run.validation_patience=5")
    stopped = shell.llmopt("run", "run.toml", "-q", *options, "-o", "budget.calls=110")
    assert stopped.code == 3
    said = shell.llmopt("resume", "run", "-o", "budget.calls=1000")
    assert "measuring the step's best on validation items" in said.err
    assert "last on validation" in said.err
    table = said.out.partition("best of step")[2]
    assert [line.split()[0] for line in table.splitlines()[1:4]] == ["0", "1", "2"]
    assert table.splitlines()[1].count("n=12") == table.splitlines()[1].count("n=8") == 1
    assert "best of step" in shell.llmopt("show", "run").out
    data = shell.llmopt("show", "run", "--json").data
    assert [point["step"] for point in data["curve"]] == [0, 1, 2]
    assert data["curve"] == data["result"]["curve"]
    plain = shell.llmopt("run", "run.toml", "-q", "--name", "plain")
    assert "best of step" not in plain.out
    assert shell.llmopt("show", "plain", "--json").data["curve"] == []


def test_nothing_to_list_is_an_empty_list(shell: Shell) -> None:
    assert shell.llmopt("runs", "--json").data == []
    assert "No runs yet" in shell.llmopt("runs").err


@pytest.mark.parametrize("format_", ["tsv", "jsonl", "ndjson", "json", "parquet"])
def test_all_formats_give_the_same_run(shell: Shell, format_: str) -> None:
    """Only the content of the data counts, not how it is written."""
    data = rows(shell)
    texts = {
        "tsv": "input\ttarget\n" + "".join(f"{r['input']}\t{r['target']}\n" for r in data),
        "jsonl": "".join(json.dumps(row) + "\n" for row in data),
        "json": json.dumps({"examples": data}),
    }
    texts["ndjson"] = texts["jsonl"]
    if format_ == "parquet":
        parquet.write_table(pa.Table.from_pylist(data), shell.folder / "questions.parquet")
    else:
        shell.write(f"questions.{format_}", texts[format_])
    options = ("-q", "--json", "-o", "run.steps=0")
    usual = shell.llmopt("run", "run.toml", *options)
    other = shell.llmopt("run", "run.toml", *options, "-o", f"problem.data=questions.{format_}")
    assert other.code == 0
    # The replies of the second run were paid by the first.
    assert {**same(other.data), "usage": None} == {**same(usual.data), "usage": None}


def test_three_files_are_three_splits(shell: Shell) -> None:
    data = [f"{row['input']},{row['target']}\n" for row in rows(shell)]
    for name, low, high in (("train", 0, 12), ("validation", 12, 20), ("test", 20, 40)):
        shell.write(f"{name}.csv", "input,target\n" + "".join(data[low:high]))
    shell.configure(
        (
            'data = "questions.csv"',
            'train = "train.csv"\nvalidation = "validation.csv"\ntest = "test.csv"',
        )
    )
    found = shell.llmopt("run", "run.toml", "-q", "--json").data
    start = found["lines"][0]
    assert [start[split]["n"] for split in ("train", "validation", "test")] == [12, 8, 20]


def test_texts_may_stand_in_files(shell: Shell) -> None:
    """Instructions, a prompt layout and a meta-prompt; byte order marks and CRLF do not count."""
    shell.write("first.txt", "\ufeffAnswer aloud.\r\n")
    shell.write("layout.txt", "Please: {instruction}\n{input} {in braces}")
    shell.write("meta.md", "For {{ task }} write <INS>, better than {{ entries[-1].text }}")
    shell.configure(
        ('instructions = ["Answer.", "Answer now."]', 'instructions_from = ["first.txt"]'),
        ("[problem]", '[problem]\nprompt_from = "layout.txt"'),
        ("[algorithm]", '[algorithm]\ntemplate_from = "meta.md"'),
    )
    found = shell.llmopt("run", "run.toml", "-q", "--json")
    assert found.data["start"]["text"] == "Answer aloud."
    step = shell.llmopt("show", "run", "--step", "1").out
    assert "For Answer with yes or no. write <INS>, better than Answer aloud.\n" in step
    config = shell.llmopt("show", "run", "--json").data["config"]
    assert "{in braces}" in config["identity"]["problem prompt"]


def test_paths_start_at_the_file_and_options_at_the_working_directory(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run is started from one directory and resumed from another."""
    elsewhere = shell.folder / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert shell.llmopt("run", "../run.toml", "-q").code == 0
    (elsewhere / "mine.csv").write_bytes((shell.folder / "questions.csv").read_bytes())
    moved = ("-o", "problem.data=mine.csv")
    assert shell.llmopt("run", "../run.toml", "-q", *moved).code == 0
    (shell.folder / "questions.csv").unlink()
    monkeypatch.chdir(shell.folder.parent)
    assert shell.llmopt("resume", "run-2", "-q").code == 0
    data = "problem.data=project/elsewhere/mine.csv"
    assert shell.llmopt("resume", "run", "-q", "-o", data).code == 0


def test_modules_of_the_working_directory_can_be_named(shell: Shell) -> None:
    """A metric, a model and a method of the user's own."""
    shell.write(
        "own_parts.py",
        "from llmopt.algorithms.opro import opro\n"
        "from llmopt.testing.scripted import answer\n"
        "def metric(output, item):\n    return output == item.target\n"
        "def method(samples=2):\n    return opro(samples=samples)\n",
    )
    shell.configure(
        ("llmopt.testing.scripted:answer", "own_parts:answer"),
        ("[problem]", '[problem]\nmetric = "own_parts:metric"'),
        ("[algorithm]", '[algorithm]\nname = "own_parts:method"'),
    )
    said = shell.llmopt("run", "run.toml", "-q", "--json")
    assert said.code == 0
    assert said.data["candidates"] <= 2 + 2 * 4


def test_options_take_toml_and_plain_text(shell: Shell) -> None:
    """Lists, numbers, booleans, quoted and bare text."""
    options = {
        "problem.task": "Say yes, or no",
        "problem.instructions": '["One.", "Two."]',
        "problem.digits": "false",
        "run.seed": "7",
        "run.steps": "0",
        "scorer.temperature": "0.5",
        "scorer.stop": '["\\n"]',
        "algorithm.order": '"random"',
    }
    words = [word for key, value in options.items() for word in ("-o", f"{key}={value}")]
    assert shell.llmopt("run", "run.toml", "-q", *words).code == 0
    source = shell.llmopt("show", "run", "--json").data["config"]["source"]
    assert source["problem"]["task"] == "Say yes, or no"
    assert source["problem"]["instructions"] == ["One.", "Two."]
    assert source["problem"]["digits"] is False
    assert (source["run"]["seed"], source["run"]["steps"]) == (7, 0)
    assert (source["scorer"]["temperature"], source["scorer"]["stop"]) == (0.5, ["\n"])
    assert source["algorithm"]["order"] == "random"


def test_a_budget_ends_a_run_that_a_larger_one_goes_on(shell: Shell) -> None:
    """Exit code 3, the result so far, and the command that goes on to the unbroken end."""
    stopped = shell.llmopt("run", "run.toml", "-q", "--json", "-o", "budget.calls=190")
    assert stopped.code == 3
    assert stopped.data["steps"] == 0
    assert "llmopt resume run -o budget.calls=…" in stopped.err
    assert shell.llmopt("runs", "--json").data[0]["status"] == "budget"
    resumed = shell.llmopt("resume", "run", "-q", "--json", "-o", "budget.calls=1000")
    assert resumed.code == 0
    other = ("--store", str(shell.folder / "other.sqlite"))
    unbroken = shell.llmopt("run", "run.toml", "-q", "--json", *other)
    # The winner that was tested when the budget ended makes this the second look at the test items.
    assert (resumed.data["looks"]["own"], unbroken.data["looks"]["own"]) == (1, 0)
    more = dict.fromkeys(("usage", "looks", "notes", "comparisons", "verdict"))
    assert same(resumed.data) | more == same(unbroken.data) | more
    last = shell.llmopt("show", "run", "--json").data["result"]
    assert same(last) == same(resumed.data)


def test_a_budget_too_small_to_begin_leaves_nothing(shell: Shell) -> None:
    said = shell.llmopt("run", "run.toml", "-q", "-o", "budget.tokens=5")
    assert (said.code, said.out, shell.runs()) == (3, "", [])
    assert "5 tokens" in said.err


def test_an_empty_account_is_told_so_that_it_is_true_before_and_after_the_first_reply(
    shell: Shell, server: Endpoint
) -> None:
    """A run that got no reply is started again; one that got some is resumed."""
    model = f'model = "openai/tiny"\nbase_url = "{server.url}"'
    shell.configure(('model = "scripted/llmopt.testing.scripted:answer"', model))
    server.status = 402
    said = shell.llmopt("run", "run.toml", "-q")
    assert "add credit or raise the account's limit, then start again, or resume" in said.err
    assert ("Continue with" in said.err, shell.runs()) == (False, [])
    server.status = 200
    assert shell.llmopt("run", "run.toml", "-q", "-o", "run.steps=1").code == 0
    server.status = 402
    said = shell.llmopt("resume", "run", "-q", "-o", "run.steps=2")
    assert "then start again, or resume what is stored" in said.err
    assert "The run is stored. Continue with: llmopt resume run -o run.steps=2" in said.err


def test_a_resumed_run_tells_its_options_again(shell: Shell) -> None:
    """The command that goes on repeats what the journal does not know, but no limit to raise."""
    store = str(shell.folder / "my store.sqlite")
    where = ("-q", "--store", store)
    assert shell.llmopt("run", "run.toml", *where, "-o", "budget.calls=190").code == 3
    options = ("-o", "run.steps=3", "-o", "budget.calls=195")
    again = shell.llmopt("resume", "run", *where, *options)
    assert again.code == 3
    how = f"llmopt resume run -o run.steps=3 --store '{store}' -o budget.calls=…"
    assert again.err.strip().endswith(how)


def test_a_finished_run_can_do_more_steps(shell: Shell) -> None:
    """Its first steps stay, and show knows the last result."""
    first = shell.llmopt("run", "run.toml", "-q", "--json", "-o", "run.steps=1").data
    more = shell.llmopt("resume", "run", "-q", "--json", "-o", "run.steps=2").data
    assert (first["steps"], more["steps"]) == (1, 2)
    assert shell.llmopt("show", "run", "--json").data["result"]["steps"] == 2


def test_an_openai_endpoint_is_asked_and_paid_once(shell: Shell, server: Endpoint) -> None:
    """Resuming a finished run asks nothing."""
    model = f'model = "openai/tiny"\nbase_url = "{server.url}"'
    shell.configure(('model = "scripted/llmopt.testing.scripted:answer"', model))
    first = shell.llmopt("run", "run.toml", "-q", "--json")
    calls = server.calls
    assert sum(used["calls"] for used in first.data["usage"].values()) == calls
    again = shell.llmopt("resume", "run", "-q", "--json")
    assert (same(again.data), server.calls) == (same(first.data), calls)


def test_a_step_is_shown_exactly(shell: Shell) -> None:
    """What was sent and received reaches a pipe byte for byte."""
    shell.write("nasty_model.py", NASTY)
    shell.configure(("llmopt.testing.scripted:answer", "nasty_model:answer"))
    assert shell.llmopt("run", "run.toml").code == 0
    step = shell.llmopt("show", "run", "--step", "1", "--json").data
    with closing(open_store()) as store:
        kept = [store.exchange(call["key"]) for call in step["calls"]]
    raw = CliRunner().invoke(main, ["show", "run", "--step", "1"]).stdout_bytes
    for found, shown in zip(kept, step["calls"], strict=True):
        assert found is not None
        call, reply = found
        assert f"\n{call.text}\n".encode() in raw
        assert f"\n{reply.text}\n".encode("utf-8", "surrogatepass") in raw
        assert shown["reply"]["text"] == reply.text


def test_what_a_model_says_is_text(shell: Shell) -> None:
    """No mark-up and no control characters of a model reach the result and the lists."""
    shell.write("nasty_words.py", NASTY)
    shell.configure(
        ("llmopt.testing.scripted:answer", "nasty_words:answer"),
        ("[run]", "[run]\nfinalists = 3"),
    )
    ran = shell.llmopt("run", "run.toml")
    shown = shell.llmopt("show", "run")
    assert "[red]x[/red] [/] [bold step" in ran.err
    assert "[red]x[/red] [/] [bold" in shown.out
    for text in (ran.out, ran.err, shown.out):
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e\ud800]", text)


def test_methods_are_listed_with_their_options(shell: Shell) -> None:
    said = shell.llmopt("algorithms").out
    assert "propose  Generate(samples=2, wording='ape', scores=0)" in said
    one = shell.llmopt("algorithms", "opro").out
    assert '    order = "ascending"\n        Best last (ascending), best first, or random.\n' in one
    assert "[algorithm]" in one
    assert "``" not in one
    unknown = shell.llmopt("algorithms", "orpo")
    assert unknown.code == 2
    assert "did you mean 'opro'" in unknown.err


def test_a_step_that_is_not_there_is_refused(shell: Shell) -> None:
    shell.llmopt("run", "run.toml", "-q", "-o", "run.steps=1")
    said = shell.llmopt("show", "run", "--step", "2")
    assert said.code == 2
    assert "0 to 1, but got 2" in said.err
    start = shell.llmopt("show", "run", "--step", "0")
    assert "CANDIDATE (score" in start.out
