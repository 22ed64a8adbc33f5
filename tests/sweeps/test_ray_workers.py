"""Cells done by Ray find what one process finds, whatever dies; needs the extra ray."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from llmopt.errors import ConfigError, MissingExtraError
from llmopt.store import open_store
from llmopt.sweeps.executors.choice import check_place
from llmopt.sweeps.executors.ray_workers import check_store
from llmopt.sweeps.grid import Sweep, read_sweep
from llmopt.sweeps.runner import run_sweep

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]
INSTALLED = importlib.util.find_spec("ray") is not None
pytestmark = pytest.mark.timeout(1200)  # Ray starts many processes; other tests may be at work
_COURSE = ("problem", "step", "tested")  # kinds of records
needs_ray = pytest.mark.skipif(not INSTALLED, reason="needs the extra ray: make test-ray")

# A model that notes its process, is slow, and fails every tenth call once.
MODEL = """
import os, pathlib, time
from llmopt.core.values import digest
from llmopt.errors import RateLimitError
from llmopt.testing.scripted import answer as plain

failed = set()

def answer(call):
    time.sleep(float(os.environ.get("DELAY", "0")))
    with pathlib.Path("seen.txt").open("a") as seen:
        seen.write(f"{os.getpid()} {sorted(os.sched_getaffinity(0))}\\n")
    key = digest(call.text)
    if os.environ.get("FAULTS") and key not in failed and int(key, 16) % 10 == 0:
        failed.add(key)
        raise RateLimitError("slowly", 0.01)
    return plain(call)
"""
SWEEP = """
[base]
problem = { data = "questions.csv", task = "Say yes or no.", instructions = ["Answer."] }
scorer = { model = "scripted/noting_model:answer" }

[grid]
"run.seed" = [0, 1, 2, 3, 4, 5, 6, 7]
"run.steps" = [2]
"algorithm.samples" = [2]
"problem.sizes" = [[8, 4, 20]]

[budget]
calls = 200
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with data, a sweep and a model, which is the working directory."""
    rows = [f"Question number {n}?,{'yes' if n % 2 else 'no'}" for n in range(40)]
    (tmp_path / "questions.csv").write_text("\n".join(["input,target", *rows, ""]), "utf-8")
    (tmp_path / "noting_model.py").write_text(MODEL, "utf-8")
    (tmp_path / "seeds.toml").write_text(SWEEP, "utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def made(folder: Path) -> Sweep:
    return read_sweep(folder / "seeds.toml", name="seeds")


def swept(folder: Path, store: str) -> dict[str, Any]:
    """Do the sweep in this process."""
    found = asyncio.run(run_sweep(made(folder), store=folder / store, progress=False))
    plain: dict[str, Any] = json.loads(json.dumps(found.to_dict()))
    return plain


def cells(found: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the cells without their words, which say how many had looked at the items before."""
    return [{key: cell[key] for key in cell if key != "verdict"} for cell in found["cells"]]


def journals(folder: Path, store: str) -> dict[str, list[Any]]:
    """Return what every cell has tried and tested.

    How often held-out items were looked at before depends on the order in which cells end.
    """
    with closing(open_store(folder / store)) as kept:
        return {
            cell.name: [
                # A cell that was killed before its result was stored tests again, from the store.
                data
                for data, _ in groupby(r.data for r in kept.records(cell.name) if r.kind in _COURSE)
            ]
            for cell in made(folder).cells
        }


def environment(folder: Path, **variables: str) -> dict[str, str]:
    """Return variables with which a process finds the package and the model."""
    return {**os.environ, **variables, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{folder}"}


def begun(folder: Path, jobs: int, on: str = "ray", **variables: str) -> subprocess.Popen[str]:
    """Begin the sweep as a command, in a group of processes of its own."""
    (folder / "seen.txt").unlink(missing_ok=True)
    words = ("sweep", "seeds.toml", "--name", "seeds", "--store", "ray.sqlite", "--json")
    return subprocess.Popen(
        [sys.executable, "-m", "llmopt", *words, "--on", on, "--jobs", str(jobs)],
        env=environment(folder, **variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def workers(folder: Path) -> list[int]:
    """Return the processes that have asked the model so far, oldest first."""
    try:
        lines = (folder / "seen.txt").read_text("utf-8").splitlines()
    except FileNotFoundError:
        return []
    return list(dict.fromkeys(int(line.split()[0]) for line in lines))


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def _more(folder: Path, count: int) -> bool:
    return len(workers(folder)) > count


def awaited(command: subprocess.Popen[str], what: Callable[[], bool]) -> None:
    """Wait until something is so, while a command is at work."""
    while not what():
        assert command.poll() is None, command.communicate()
        time.sleep(0.05)


def gone(folder: Path) -> None:
    """Wait until no worker is left, which a killed command takes with it."""
    for _ in range(1200):
        if not any(alive(pid) for pid in workers(folder)):
            return
        time.sleep(0.05)
    raise AssertionError([pid for pid in workers(folder) if alive(pid)])


@pytest.mark.parametrize("on", ["rays", "ray://", "here", ""])
def test_a_place_where_nothing_is_done_is_refused(on: str) -> None:
    with pytest.raises(ConfigError, match="processes, ray or ray://HOST:PORT"):
        check_place(on)


@pytest.mark.skipif(INSTALLED, reason="needs to be without ray")
def test_without_the_extra_it_is_named() -> None:
    with pytest.raises(MissingExtraError, match=r"llms-as-optimizers\[ray\]"):
        check_place("ray")


def test_a_file_is_no_store_for_several_machines() -> None:
    here = socket.gethostname()
    check_store("store.sqlite", {here})
    check_store("postgresql://there/llmopt", {here, "another"})
    for store in ("store.sqlite", None, Path("a.sqlite"), "sqlite:////a.sqlite"):
        with pytest.raises(ConfigError, match="which another cannot share"):
            check_store(store, {here, "another"})


@needs_ray
def test_killed_workers_change_nothing(folder: Path) -> None:
    """Three of four are killed while every tenth call fails; the command itself continues."""
    one = swept(folder, "one.sqlite")
    command = begun(folder, 4, DELAY="0.02", FAULTS="1")
    killed: list[int] = []
    for number in (1, 2, 3):
        awaited(command, partial(_more, folder, number))
        time.sleep(0.3 * number)
        victim = next((pid for pid in reversed(workers(folder)) if alive(pid)), None)
        if victim is not None and command.poll() is None:
            os.kill(victim, signal.SIGKILL)
            killed.append(victim)
    out, said = command.communicate(timeout=900)
    assert command.returncode == 0, said
    assert killed
    assert "continues in another worker" in said
    found = json.loads(out)
    assert (cells(found), found["rows"]) == (cells(one), one["rows"])
    assert journals(folder, "ray.sqlite") == journals(folder, "one.sqlite")
    gone(folder)


@needs_ray
def test_ctrl_c_ends_all_workers_and_the_same_command_continues(folder: Path) -> None:
    """As at a terminal, where everything that the command began gets the signal."""
    command = begun(folder, 2, DELAY="0.02")
    awaited(command, partial(_more, folder, 1))
    os.killpg(command.pid, signal.SIGINT)
    _, said = command.communicate(timeout=900)
    assert command.returncode == 130, said
    assert "Traceback" not in said
    assert "Continue with: llmopt sweep seeds.toml --name=seeds --on=ray" in said
    gone(folder)
    with closing(open_store(folder / "ray.sqlite")) as store:
        assert {info.status for info in store.runs()} <= {"interrupted", "done"}
    out, said = begun(folder, 2).communicate(timeout=900)
    assert cells(json.loads(out)) == cells(swept(folder, "one.sqlite")), said


@needs_ray
def test_a_killed_command_takes_ray_with_it(folder: Path) -> None:
    command = begun(folder, 2, DELAY="0.02")
    awaited(command, partial(_more, folder, 1))
    command.kill()
    command.communicate(timeout=900)
    gone(folder)
    out, said = begun(folder, 2).communicate(timeout=900)
    assert cells(json.loads(out)) == cells(swept(folder, "one.sqlite")), said
    assert journals(folder, "ray.sqlite") == journals(folder, "one.sqlite")


@needs_ray
def test_no_key_is_in_what_ray_leaves_behind(folder: Path) -> None:
    """Workers inherit the environment of the command; nothing is handed to Ray."""
    command = begun(folder, 2, DELAY="0.05", OPENAI_API_KEY="sk-very-secret-key")
    awaited(command, partial(_more, folder, 1))
    environment = Path(f"/proc/{workers(folder)[0]}/environ").read_bytes()
    assert b"OPENAI_API_KEY=sk-very-secret-key" in environment
    assert b"RAY_AUTH_MODE=token" in environment
    files = [
        path
        for home in Path("/tmp").glob("llmopt-ray-*")
        for path in home.rglob("*")
        if path.is_file() and path.stat().st_size < 10_000_000
    ]
    assert files, "Ray writes logs"
    assert not [path for path in files if b"sk-very-secret-key" in path.read_bytes()]
    command.send_signal(signal.SIGINT)
    command.communicate(timeout=900)
    gone(folder)


@dataclass(frozen=True)
class Cluster:
    """A cluster of Ray that exists.

    Attributes:
        address: Where its client server is, for ``--on``.
        token: What it wants from whoever uses it.
        head: Its process.
    """

    address: str
    token: str
    head: subprocess.Popen[bytes]


@pytest.fixture
def cluster(folder: Path) -> Iterator[Cluster]:
    """A cluster of one machine with two cores; nothing of it is left in the end."""
    port, token = free_port(), secrets.token_hex(32)
    # Paths of sockets are short, so not in the test's folder.
    with tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp", ignore_cleanup_errors=True) as home:
        ray = Path(sys.executable).with_name("ray")
        line = [str(ray), "start", "--head", "--block"]
        line += [f"--port={free_port()}", f"--ray-client-server-port={port}", "--num-cpus=2"]
        line += ["--include-dashboard=false", "--disable-usage-stats", f"--temp-dir={home}"]
        head = subprocess.Popen(
            [*line, "--object-store-memory=80000000"],
            cwd=folder,
            env=environment(
                folder,
                RAY_AUTH_MODE="token",
                RAY_AUTH_TOKEN=token,
                RAY_worker_niceness="0",  # else workers of a busy machine hardly begin
                DELAY="0.02",
                CLUSTER="here",
            ),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            for _ in range(1200):
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                    break
                assert head.poll() is None, head.communicate()
                time.sleep(0.1)
            yield Cluster(f"ray://127.0.0.1:{port}", token, head)
        finally:
            head.terminate()
            try:
                head.communicate(timeout=60)
            except subprocess.TimeoutExpired:
                os.killpg(head.pid, signal.SIGKILL)
                head.communicate()


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


@needs_ray
def test_a_cluster_that_exists_does_the_cells_and_stays(folder: Path, cluster: Cluster) -> None:
    """The head is a real one with Ray's client server, which wants a token.

    Workers have the environment of the cluster, not that of the command.
    """
    key = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": cluster.token}
    command = begun(folder, 2, cluster.address, **key)
    awaited(command, partial(_more, folder, 1))
    variables = Path(f"/proc/{workers(folder)[0]}/environ").read_bytes()
    assert b"CLUSTER=here" in variables
    out, said = command.communicate(timeout=900)
    assert command.returncode == 0, said
    one = swept(folder, "one.sqlite")
    found = json.loads(out)
    assert (cells(found), found["rows"]) == (cells(one), one["rows"])
    assert journals(folder, "ray.sqlite") == journals(folder, "one.sqlite")
    assert cluster.head.poll() is None, "a cluster that exists is left as it was"


@needs_ray
def test_a_cluster_refuses_a_command_without_its_token(folder: Path, cluster: Cluster) -> None:
    key = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "0" * 64}
    command = begun(folder, 2, cluster.address, **key)
    _, said = command.communicate(timeout=900)
    assert command.returncode == ConfigError.exit_code, said
    assert "check the address, and RAY_AUTH_TOKEN" in said
    assert not workers(folder)
