"""Bad input gets one clear message, leaves no run, and pays nothing."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from llmopt.api import optimize
from llmopt.store import open_store
from llmopt.testing.scripted import model, problem

if TYPE_CHECKING:
    from conftest import Shell
    from endpoint import Endpoint


def paid(server: Endpoint) -> tuple[str, str]:
    """Return the change that makes a configuration use the server."""
    return (
        'model = "scripted/llmopt.testing.scripted:answer"',
        f'model = "openai/tiny"\nbase_url = "{server.url}"',
    )


def refused(shell: Shell, server: Endpoint, *words: str, changes: tuple[str, str] | None) -> str:
    """Run a command that is refused before anything is paid or stored; return what it said."""
    shell.configure(paid(server), *([changes] if changes else []))
    said = shell.llmopt("run", "run.toml", *words)
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("Error: ")
    assert "Traceback" not in said.err
    assert server.calls == 0
    assert shell.runs() == []
    return said.err


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        pytest.param(
            ('"questions.csv"', '"question.csv"'), "did you mean 'questions.csv'", id="file"
        ),
        pytest.param(('"questions.csv"', '"empty.csv"'), "empty.csv", id="no rows"),
        pytest.param(('"questions.csv"', '"header.csv"'), "at least one row", id="header only"),
        pytest.param(
            ("[problem]", '[problem]\ninput = "inptu"'), "did you mean 'input'", id="column"
        ),
        pytest.param(('"questions.csv"', '"one.csv"'), "at least two kinds", id="one class"),
        pytest.param(
            ("[problem]", '[problem]\nmetric = "choice"\nchoices = ["yes", "maybe"]'),
            "'no'",
            id="target",
        ),
        pytest.param(("[12, 8, 20]", "[30, 8, 20]"), "has 40", id="too small"),
        pytest.param(('"questions.csv"', '"few.csv"'), "few.csv", id="columns"),
        pytest.param(("steps = 2", "stepps = 2"), "did you mean 'steps'", id="key"),
        pytest.param(("[run]", "[rum]"), "did you mean 'run'", id="table"),
        pytest.param(
            ("[run]", '[optimizer]\nmodle = "x"\n[run]'),
            "did you mean 'model'",
            id="optional table",
        ),
        pytest.param(
            ("[run]", "[scorer.price]\ninptu = 1\n[run]"), "did you mean 'input'", id="inner table"
        ),
        pytest.param(
            ("steps = 2", "steps = -1"), "greater than or equal to 0, but got -1", id="range"
        ),
        pytest.param(("steps = 2", "steps = 2\ntarget = nan"), "a finite number", id="nan"),
        pytest.param(("steps = 2", "steps = "), "run.toml is not TOML", id="syntax"),
        pytest.param(
            ("[12, 8, 20]", "[12, 8, 20]\nsplit_seed = -1"), "split_seed", id="split seed"
        ),
        pytest.param(("openai/tiny", "opneai/tiny"), "'opneai", id="prefix"),
        pytest.param(("openai/tiny", "tiny"), "openai/<model>", id="no prefix"),
        pytest.param(
            ("[algorithm]", '[algorithm]\nname = "orpo"'), "did you mean 'opro'", id="algorithm"
        ),
        pytest.param(("samples = 4", "sampels = 4"), "did you mean 'samples'", id="option"),
        pytest.param(
            ("samples = 4", 'samples = "4"'),
            "'algorithm.samples' is a whole number",
            id="option's type",
        ),
        pytest.param(
            ("samples = 4", "samples = true"),
            "'algorithm.samples' is a whole number",
            id="option's bool",
        ),
        pytest.param(("samples = 4", "samples = 0"), "1 or more, but got 0", id="option's range"),
        pytest.param(
            ("samples = 4", 'threshold = "low"'),
            "'algorithm.threshold' is a number",
            id="option or none",
        ),
        pytest.param(
            ("samples = 4", "stages = [1.5]"), "a list of whole numbers", id="option's list"
        ),
        pytest.param(("samples = 4", 'tag = "XML"'), "INS, Start", id="option's word"),
        pytest.param(
            ("samples = 4", 'template_from = "meta.md"'), "did you mean 'entries'", id="placeholder"
        ),
        pytest.param(
            ("samples = 4", 'template_from = "inner.md"'), "no attribute 'txt'", id="attribute"
        ),
        pytest.param(("samples = 4", 'template_from = "none.md"'), "No such file", id="template"),
        pytest.param(
            ("[problem]", '[problem]\nprompt_from = "layout.txt"'),
            "{input} exactly once",
            id="layout",
        ),
        pytest.param(("[problem]", '[problem]\nmetric = "nowhere:f"'), "'nowhere:f'", id="metric"),
        pytest.param(('data = "questions.csv"', ""), "set problem.data", id="no data"),
        pytest.param(
            ("[scorer]", '[scorer]\nkey_variable = "NO_KEY"'), "export NO_KEY", id="no key"
        ),
        pytest.param(("[run]", "[budget]\nusd = 1\n[run]"), "price", id="no price"),
    ],
)
def test_a_configuration_that_cannot_be_used_is_refused(
    shell: Shell, server: Endpoint, changes: tuple[str, str], words: str
) -> None:
    """The message names what is wrong; nothing is paid, and no run is left."""
    shell.write("empty.csv", "")
    shell.write("header.csv", "input,target\n")
    shell.write("few.csv", "input,target\na,yes,more\n")
    shell.write("one.csv", "input,target\n" + "".join(f"Question {n}?,yes\n" for n in range(40)))
    shell.write("meta.md", "{{ entrys }}")
    shell.write("inner.md", "{{ entries[0].txt }}")
    shell.write("layout.txt", "{instruction} {question}")
    assert words in refused(shell, server, changes=changes)


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("steps=2", "table.key=value"),
        ("run.steps", "table.key=value"),
        (".steps=2", "table.key=value"),
        ("run.steps=many", "valid integer, but got 'many'"),
        ("run.steps.most=2", "but it is a value"),
        ("problem.data=elsewhere.csv", "elsewhere.csv"),
    ],
)
def test_an_option_that_cannot_be_used_is_refused(
    shell: Shell, server: Endpoint, option: str, words: str
) -> None:
    assert words in refused(shell, server, "-o", option, changes=None)


def test_rows_in_two_splits_are_refused(shell: Shell, server: Endpoint) -> None:
    """An input of the user's own train file must not be in the test file."""
    rows = [f"Question number {n}?,{'yes' if n % 2 else 'no'}\n" for n in range(8)]
    shell.write("train.csv", "input,target\n" + "".join(rows[:5]))
    shell.write("test.csv", "input,target\n" + "".join(rows[4:]))
    files = ('data = "questions.csv"', 'train = "train.csv"\ntest = "test.csv"')
    assert "'Question number 4?'" in refused(shell, server, changes=files)


def test_an_unknown_configuration_is_refused(shell: Shell) -> None:
    """A name that is no file and no recipe is refused with the nearest recipe."""
    said = shell.llmopt("run", "demoo")
    assert said.code == 2
    assert "did you mean 'demo'" in said.err


def test_an_endpoint_nobody_listens_at_fails_at_once(shell: Shell, server: Endpoint) -> None:
    """The message names the URL and what to do; no run is left to clutter the list."""
    shell.configure(paid(server), (server.url, "http://127.0.0.1:9/v1"))
    said = shell.llmopt("run", "run.toml", "-q")
    assert (said.code, said.out) == (2, "")
    assert said.err.count("\n") == 1
    assert "http://127.0.0.1:9/v1 cannot be reached" in said.err
    assert "check the base URL" in said.err
    assert shell.runs() == []


def test_a_wrong_key_fails_at_once(
    shell: Shell, server: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The provider's words are repeated without the key; no run is left."""
    monkeypatch.setenv("MY_KEY", "sk-secret-0123456789")
    server.status = 401
    shell.configure(paid(server), ("[scorer]", '[scorer]\nkey_variable = "MY_KEY"'))
    said = shell.llmopt("run", "run.toml", "-q")
    assert (said.code, said.out) == (2, "")
    assert "this key is not known" in said.err
    assert "check the key" in said.err
    assert "sk-secret" not in said.err
    assert server.keys[0] == "Bearer sk-secret-0123456789"
    assert shell.runs() == []


def test_a_failure_in_the_middle_says_how_to_go_on(shell: Shell, server: Endpoint) -> None:
    """What was paid is kept, and the message is a command that goes on."""
    shell.configure(paid(server))
    assert shell.llmopt("run", "run.toml", "-q", "-o", "run.steps=0").code == 0
    server.status = 403
    failed = shell.llmopt("run", "run.toml", "-q", "--name", "run", "-o", "run.steps=1")
    assert failed.code == 2
    assert "Continue with: llmopt resume run\n" in failed.err
    server.status = 200
    assert shell.llmopt("resume", "run", "-q", "-o", "run.steps=1").code == 0


def test_a_corrupt_store_is_refused(shell: Shell, server: Endpoint) -> None:
    store = shell.write("bad.sqlite", "this is no database, however long it is" * 100)
    shell.configure(paid(server))
    said = shell.llmopt("run", "run.toml", "--store", str(store))
    assert (said.code, said.out, server.calls) == (2, "", 0)
    assert "made by llmopt" in said.err
    assert store.read_text("utf-8").startswith("this is no database")


def test_a_store_of_another_version_is_refused(shell: Shell, server: Endpoint) -> None:
    store = shell.folder / "other.sqlite"
    open_store(store).close()
    with closing(sqlite3.connect(store)) as connection:
        connection.execute("PRAGMA user_version = 99")
    shell.configure(paid(server))
    said = shell.llmopt("run", "run.toml", "--store", str(store))
    assert (said.code, said.out, server.calls) == (2, "", 0)
    assert "version 99" in said.err


@pytest.mark.parametrize("words", [("runs",), ("show", "run"), ("resume", "run")], ids="-".join)
def test_a_mistyped_store_is_refused_and_not_made(shell: Shell, words: tuple[str, ...]) -> None:
    for where in ("typo.sqlite", "sqlite:///typo.sqlite", "no/such/folder/typo.sqlite"):
        said = shell.llmopt(*words, "--store", where)
        assert (said.code, said.out) == (2, "")
        assert "there is no" in said.err
        assert "typo.sqlite" in said.err
    assert {path.name for path in shell.folder.iterdir()} == {"questions.csv", "run.toml"}


def test_a_run_is_continued_only_as_it_was(shell: Shell) -> None:
    """A changed data file, and a taken name, are refused with what changed."""
    assert shell.llmopt("run", "run.toml", "-q", "--name", "mine").code == 0
    taken = shell.llmopt("run", "run.toml", "--name", "mine", "-o", "run.seed=5")
    assert taken.code == 2
    assert "seed changed" in taken.err
    rows = (shell.folder / "questions.csv").read_text("utf-8")
    shell.write("questions.csv", rows.replace("number 7", "number seven"))
    changed = shell.llmopt("resume", "mine")
    assert changed.code == 2
    assert "'mine'" in changed.err
    assert "changed" in changed.err
    (shell.folder / "questions.csv").unlink()
    gone = shell.llmopt("resume", "mine")
    assert gone.code == 2
    assert "questions.csv" in gone.err


@pytest.mark.parametrize("command", ["resume", "show"])
def test_an_unknown_run_is_refused(shell: Shell, command: str) -> None:
    """The nearest known name is proposed."""
    shell.llmopt("run", "run.toml", "-q", "--name", "tickets", "-o", "run.steps=0")
    said = shell.llmopt(command, "tikcets")
    assert said.code == 2
    assert "did you mean 'tickets'" in said.err


def test_a_run_from_python_is_resumed_in_python(shell: Shell) -> None:
    optimize(replace(problem(), scorer=model()), steps=0, name="here", progress=False)
    said = shell.llmopt("resume", "here")
    assert said.code == 2
    assert "name='here'" in said.err


@pytest.mark.parametrize(
    ("option", "told"),
    [
        ('algorithm=["opro",3]', "the key 'algorithm.name.1' is a valid string, but got 3"),
        ("algorithm=3", "the key 'algorithm.name' is a valid string, but got 3"),
        ('algorithm.name=["opro","gepa"]', "the methods are opro, gepa"),  # samples are in the file
    ],
)
def test_methods_that_take_turns_are_refused_in_the_words_of_the_file(
    shell: Shell, option: str, told: str
) -> None:
    said = shell.llmopt("run", "run.toml", "-o", option)
    assert said.code == 2
    assert told in said.err
    assert "list[str]" not in said.err
    assert shell.runs() == []
