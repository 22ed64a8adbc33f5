"""Every command works on a store in PostgreSQL, and none shows the password of its URL."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from llmopt.testing.temporary_postgres import PASSWORD

if TYPE_CHECKING:
    from conftest import Said, Shell
    from endpoint import Endpoint

    from llmopt.testing.temporary_postgres import TemporaryPostgres

SECRETS = (PASSWORD, quote(PASSWORD, safe=""))
SLOW = """
import os, time
from llmopt.testing.scripted import answer as plain

def answer(call):
    time.sleep(float(os.environ.get("DELAY", "0")))
    return plain(call)
"""


def is_clean(*texts: str) -> bool:
    return not any(secret in text for secret in SECRETS for text in texts)


def on(database: str, shell: Shell, *words: str) -> Said:
    said = shell.llmopt(*words, "--store", database)
    assert is_clean(said.out, said.err)
    return said


def without_times(data: dict[str, object]) -> dict[str, object]:
    return {key: value for key, value in data.items() if key not in ("seconds", "stretch")}


def test_a_run_ends_there_as_in_a_file_and_every_command_reads_it(
    shell: Shell, database: str
) -> None:
    unbroken = shell.llmopt("run", "run.toml", "-q", "--json")
    said = on(database, shell, "run", "run.toml", "--name", "run", "-q", "--json")
    assert (said.code, unbroken.code) == (0, 0)
    assert without_times(said.data) == without_times(unbroken.data)
    assert on(database, shell, "show", "run", "--json").data["run"] == "run"
    second = ("run", "run.toml", "--name", "second", "-o", "run.seed=1", "-q")
    assert on(database, shell, *second).code == 0
    for words in (("show", "run"), ("show", "run", "--step", "1"), ("compare", "run", "second")):
        assert on(database, shell, *words).code == 0
    assert on(database, shell, "report", "run", "--output", "report.html").code == 0
    assert is_clean((shell.folder / "report.html").read_text(encoding="utf-8"))
    assert on(database, shell, "export", "run", "--json").data
    assert on(database, shell, "runs", "tag", "run", "good").code == 0
    assert on(database, shell, "runs", "rename", "run", "other").code == 0
    assert on(database, shell, "runs", "delete", "second", "--yes").code == 0
    rows = {row["name"]: row for row in on(database, shell, "runs", "--json").data}
    assert (rows["other"]["tags"], rows["other"]["status"]) == (["good"], "done")
    assert on(database, shell, "evaluate", "--run", "other", "-q", "--json").code == 0
    assert on(database, shell, "runs", "delete", "other", "--yes").code == 0
    assert on(database, shell, "gc").code == 0


def test_a_line_that_continues_a_run_names_the_store_without_the_password(
    shell: Shell, database: str
) -> None:
    said = on(database, shell, "run", "run.toml", "--name", "run", "-o", "budget.calls=90")
    assert said.code == 3
    assert "--store postgresql://llmopt@127.0.0.1:" in said.err


def test_a_killed_run_is_resumed_to_the_same_end(shell: Shell, database: str) -> None:
    shell.write("slow_model.py", SLOW)
    shell.configure(("llmopt.testing.scripted:answer", "slow_model:answer"))
    broken = subprocess.Popen(
        [sys.executable, "-m", "llmopt", "run", "run.toml", "--name", "run", "--store", database],
        env={**os.environ, "DELAY": "0.02", "CI": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert broken.stderr is not None
    for line in broken.stderr:
        if "step 1/2, measuring new solutions" in line:
            break
    broken.send_signal(signal.SIGKILL)
    assert is_clean(broken.communicate(timeout=30)[1])
    resumed = on(database, shell, "resume", "run", "-q", "--json")
    assert (resumed.code, resumed.data["stretch"]["hits"] > 0) == (0, True)
    unbroken = shell.llmopt("run", "run.toml", "--name", "run", "-q", "--json")
    found, wanted = without_times(resumed.data), without_times(unbroken.data)
    # What was in flight at the kill may have been paid twice.
    del found["usage"], wanted["usage"]
    assert found == wanted


def test_a_server_that_is_not_there_is_an_error_before_the_first_call(
    shell: Shell, server: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-nobody-at-all")
    shell.configure(
        (
            'model = "scripted/llmopt.testing.scripted:answer"',
            f'model = "openai/any"\nbase_url = "{server.url}"',
        )
    )
    url = f"postgresql://somebody:{quote(PASSWORD, safe='')}@127.0.0.1:9/runs"
    said = on(url, shell, "run", "run.toml")
    assert (said.code, server.calls) == (2, 0)
    assert "postgresql://somebody@127.0.0.1:9/runs is on a server that can be reached" in said.err
    said = on(url, shell, "runs")
    assert (said.code, "start the server, and try again" in said.err) == (2, True)
    assert "resume" not in said.err, "a list of runs has nothing to resume"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("llmopt:", "nobody:"), "one that this user may open"),
        (("/postgres", "/nothing"), "createdb"),
        (("@127", "x@127"), "one that this user may open"),
        (("@127", "@"), "postgresql://llmopt@"),
        (("%2F", "/"), "postgresql://llmopt"),
        ((":pa55", "@:pa55"), "postgresql://"),
    ],
)
def test_a_url_that_does_not_fit_is_refused_without_its_password(
    shell: Shell, postgres: TemporaryPostgres, change: tuple[str, str], words: str
) -> None:
    said = on(postgres.url().replace(*change, 1), shell, "runs")
    assert (said.code, said.out) == (2, "")
    assert words in said.err
    assert "pa55" not in said.err
    assert "Traceback" not in said.err


def test_nothing_is_made_in_a_database_that_is_only_read(shell: Shell, database: str) -> None:
    said = on(database, shell, "runs")
    assert said.code == 2
    assert "a store is a database with runs" in said.err


def test_a_missing_library_is_an_error_that_names_its_command() -> None:
    code = """
import sys
sys.modules["psycopg"] = None
from llmopt.cli import main
main(["runs", "--store", "postgresql://me:secret@host/db"])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "pip install 'llms-as-optimizers[postgres]'" in done.stderr
    assert "secret" not in done.stderr


def test_no_password_is_in_the_store(shell: Shell, database: str) -> None:
    import psycopg

    assert on(database, shell, "run", "run.toml", "-q").code == 0
    with psycopg.connect(database) as connection:
        tables = connection.execute(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = 'llmopt'"
        ).fetchall()
        rows = [
            connection.execute(f"SELECT to_jsonb(t)::text FROM llmopt.{name} AS t").fetchall()
            for (name,) in tables
        ]
        texts = connection.execute("SELECT json FROM llmopt.journal").fetchall()
    assert is_clean(json.dumps(rows), *(bytes(text).decode() for (text,) in texts))
