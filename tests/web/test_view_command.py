"""``llmopt view`` says where it is, ends when it is asked to, and refuses what cannot be."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from itertools import product
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from world import fill

from llmopt.cli import main
from llmopt.web.server.serve import PORT, address

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals are others there")


@pytest.fixture
def store(tmp_path: Path) -> Path:
    fill(tmp_path / "runs.sqlite")
    return tmp_path / "runs.sqlite"


def started(*words: str) -> subprocess.Popen[str]:
    line = [sys.executable, "-m", "llmopt", "view", *words]
    return subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    return process.stdout.readline()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_says_where_it_is_and_ends_calmly(store: Path, number: signal.Signals) -> None:
    process = started("first", "--store", str(store), "--port", "0")
    url, _, hint = first_line(process).partition(" ")
    assert "Ctrl-C" in hint
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
    with opener.open(url) as answer:
        assert url.partition("?token=")[0].endswith("/run/first")
        assert b'data-run="first"' in answer.read()
    process.send_signal(number)
    out, err = process.communicate()
    assert (process.returncode, out, err) == (0, "", "Ended.\n")


def test_another_user_of_this_machine_does_not_get_in(store: Path) -> None:
    """Who comes from the loopback address may be anybody who is logged in here."""
    process = started("--store", str(store), "--port", "0")
    url, _, token = first_line(process).split(" ")[0].partition("?token=")
    assert len(token) >= 32
    paths = ("", "run/first", "run/first/record.json", "events", "compare")
    for path, wrong in product(paths, ("", "?token=", f"?token={token[:-1]}")):
        with pytest.raises(urllib.error.HTTPError, match="401") as refused:
            urllib.request.urlopen(f"{url}{path}{wrong}")
        assert b"A token is missing" in refused.value.read()
        refused.value.close()
    process.send_signal(signal.SIGINT)
    process.communicate()


def test_for_machines_the_address_is_a_document_and_a_token_is_in_it(store: Path) -> None:
    process = started("--store", str(store), "--port", "0", "--host", "0.0.0.0", "--json")
    assert process.stdout
    text = ""
    while not text.endswith("}\n"):
        text += process.stdout.readline()
    url = json.loads(text)["url"]
    port, token = url.rpartition(":")[2].split("/?token=")
    bare = f"http://127.0.0.1:{port}/"
    with pytest.raises(urllib.error.HTTPError, match="401") as refused:
        urllib.request.urlopen(bare)
    refused.value.close()
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
    with opener.open(f"{bare}?token={token}") as answer:
        assert answer.url == bare
    process.send_signal(signal.SIGINT)
    out, err = process.communicate()
    assert process.returncode == 0
    assert token not in out + err


def test_a_port_in_use_is_refused_where_it_was_asked_for(store: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = CliRunner().invoke(main, ["view", "--store", str(store), "--port", str(port)])
    assert said.exit_code == 2
    assert f"a port is one that is free, but got {port}, which is in use" in said.stderr


def test_without_a_port_the_next_free_one_is_taken(store: Path) -> None:
    one, two = started("--store", str(store)), started("--store", str(store))
    urls = {first_line(process).split(" ")[0] for process in (one, two)}
    for process in (one, two):
        process.send_signal(signal.SIGINT)
        process.communicate()
    assert len(urls) == 2
    assert all(int(url.rpartition(":")[2].partition("/")[0]) >= PORT for url in urls)


def test_an_unknown_run_or_store_is_refused_before_anything_listens(store: Path) -> None:
    said = CliRunner().invoke(main, ["view", "frist", "--store", str(store)])
    assert said.exit_code == 2
    assert "did you mean 'first'?" in said.stderr
    said = CliRunner().invoke(main, ["view", "--store", str(store.with_name("none.sqlite"))])
    assert said.exit_code == 2
    said = CliRunner().invoke(main, ["view", "--store", str(store), "--host", "no.such.invalid"])
    assert said.exit_code == 2
    assert "a server listens where this machine may" in said.stderr


def test_an_address_is_one_for_browsers() -> None:
    assert address("127.0.0.1", 8700) == "http://127.0.0.1:8700/"
    assert address("::1", 1, "/run/a") == "http://[::1]:1/run/a"
    assert address("0.0.0.0", 1, token="t") == f"http://{socket.gethostname()}:1/?token=t"
