"""One rule says which function ``package.module:name`` is, wherever it is named."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from llmopt.algorithms import algorithm_named
from llmopt.core.imports import imported
from llmopt.errors import ConfigError
from llmopt.models.embeddings import embedder_named
from llmopt.models.registry import model_named
from llmopt.problems.loading import problem_named
from llmopt.problems.metrics.rules import metric_named

if TYPE_CHECKING:
    from collections.abc import Callable

    from llmopt.core.problem import Problem

DOORS: dict[str, Callable[[str], object]] = {
    "algorithm": algorithm_named,
    "problem": lambda name: problem_named(name, {"describe": "Write.", "seeds": ["a"]}),
    "metric": metric_named,
    "scripted model": lambda name: model_named(f"scripted/{name}"),
    "embedding": embedder_named,
}
"""Each way to name something of the user's own."""

NAMES = dict(zip(DOORS, ("method", "size", "judged", "said", "vectors"), strict=True))

OWN = """
import llmopt
from own_helper import WHERE

def method():
    return llmopt.opro()

def size(text):
    return len(text)

def judged(output, item):
    return output == WHERE

def said(call):
    return WHERE

def vectors(texts):
    return [[1.0] for _ in texts]

def later():
    import own_late_helper
    return own_late_helper.WHERE

class Nest:
    method, size, judged, said, vectors = map(staticmethod, (method, size, judged, said, vectors))
"""


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only absolute folders are looked in, as in a script of another folder."""
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with modules of the user's own."""
    return write(tmp_path, "here", monkeypatch)


def write(parent: Path, where: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write modules that tell the folder they are in, which becomes the working directory."""
    made = parent / where
    made.mkdir()
    (made / "own_things.py").write_text(OWN, encoding="utf-8")
    for name in ("own_helper", "own_late_helper"):
        (made / f"{name}.py").write_text(f"WHERE = {where!r}\n", encoding="utf-8")
    (made / "own_broken.py").write_text("1 / 0\n", encoding="utf-8")
    (made / "own_script.py").write_text("raise SystemExit('usage')\n", encoding="utf-8")
    monkeypatch.chdir(made)
    return made


@pytest.mark.parametrize("door", DOORS)
def test_every_door_looks_in_the_working_directory(door: str, folder: Path) -> None:
    """It finds what the module holds, and what that holds; ``sys.path`` stays as it was."""
    before = sys.path.copy()
    assert DOORS[door](f"own_things:{NAMES[door]}")
    assert DOORS[door](f"own_things:Nest.{NAMES[door]}")
    assert sys.path == before
    assert str(folder) not in sys.path


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("no_such_module_here:f", "ModuleNotFoundError"),
        ("own_things:nothing", "AttributeError"),
        ("own_things:Nest.nothing", "AttributeError"),
        ("own_broken:f", "ZeroDivisionError"),
        ("own_script:f", "SystemExit: usage"),
        (".own_things:f", "TypeError"),
        ("own_things:", "is written package.module:name"),
        (":size", "is written package.module:name"),
    ],
)
def test_every_door_refuses_in_the_same_words(door: str, name: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says) as refused:
        DOORS[door](name)
    if "written" not in says:
        assert f"{name!r} cannot be imported: {says}" in str(refused.value)
        assert "start in the folder of its module" in str(refused.value)


def test_every_door_finds_the_same_from_a_script_of_another_folder(
    folder: Path, tmp_path: Path
) -> None:
    """Whichever is used first, in a new interpreter that knows nothing of the folder."""
    script = tmp_path / "elsewhere" / "script.py"
    script.parent.mkdir()
    script.write_text(
        textwrap.dedent("""
            import sys
            from llmopt.algorithms import algorithm_named
            from llmopt.models.embeddings import embedder_named
            from llmopt.models.registry import model_named
            from llmopt.problems.loading import problem_named
            from llmopt.problems.metrics.rules import metric_named

            path = sys.path.copy()
            algorithm_named("own_things:method")
            model_named("scripted/own_things:said")
            problem_named("own_things:size", {"describe": "Write.", "seeds": ["a"]})
            embedder_named("own_things:vectors")
            metric_named("own_things:judged")
            assert sys.path == path
        """),
        encoding="utf-8",
    )
    ended = subprocess.run(
        [sys.executable, str(script)], cwd=folder, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr


def test_modules_of_one_name_in_two_folders_are_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So are the modules they import, at once or when they are called."""
    one = write(tmp_path, "one", monkeypatch)
    first, late = imported("own_things:said", "it"), imported("own_things:later", "it")
    assert late() == "one"
    write(tmp_path, "two", monkeypatch)
    second = imported("own_things:said", "it")
    assert (first(None), second(None)) == ("one", "two")
    assert imported("own_things:later", "it")() == "two"
    monkeypatch.chdir(one)
    assert imported("own_things:said", "it") is first, "not imported a second time"
    assert sys.modules["own_late_helper"].WHERE == "one"


def test_a_module_of_one_folder_is_not_found_from_another(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    imported("own_things:said", "it")
    (tmp_path / "own_stranger.py").write_text("import own_helper\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    for name in ("own_things:said", "own_stranger:own_helper"):
        with pytest.raises(ConfigError, match="No module named 'own_"):
            imported(name, "it")
    assert folder.exists()


@pytest.mark.usefixtures("folder")
def test_a_library_that_was_imported_first_is_not_replaced() -> None:
    """A file that is called like one in use is refused with both places."""
    Path("textwrap.py").write_text("said = print\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"here/textwrap.py as well as .*; rename the file"):
        imported("textwrap:said", "a metric")
    assert sys.modules["textwrap"] is textwrap


SHADOWS = ("csv", "statistics", "random", "pickle", "aiohttp", "rich", "llmopt")
"""Names that a file in the working directory may have by accident, or on purpose."""


@pytest.mark.parametrize("start", ["module", "script", "worker"])
def test_a_file_in_the_working_directory_never_stands_for_a_library(
    start: str, folder: Path, tmp_path: Path
) -> None:
    """Whatever is imported, in this process or in a worker's, when a user's module is loaded."""
    for name in SHADOWS:
        (folder / f"{name}.py").write_text("open('sprung', 'w').close()\n", encoding="utf-8")
    (folder / "own_values.py").write_text(
        "import csv, statistics\n\ndef value(text):\n    import random\n    return 0.5\n",
        encoding="utf-8",
    )
    (folder / "run.toml").write_text(
        '[problem]\nfunction = "own_values:value"\n[problem.arguments]\ndescribe = "Write."\n'
        f'seeds = ["a"]\nworkers = "{"process" if start == "worker" else "thread"}"\n'
        '[algorithm]\nname = "hill-climbing"\n[run]\nsteps = 1\n',
        encoding="utf-8",
    )
    script = tmp_path / "command.py"
    script.write_text(
        "from llmopt.cli import main\nif __name__ == '__main__':\n    main()\n", encoding="utf-8"
    )
    how = ["-m", "llmopt"] if start == "module" else [str(script)]
    if start == "module":  # of all these Python itself takes what is called as it is started
        (folder / "llmopt.py").unlink()
    command = [sys.executable, *how, "run", "run.toml", "--store", "a.sqlite", "-q", "--json"]
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert not (folder / "sprung").exists(), ended.stderr
    assert ended.returncode == 2 or '"verdict"' in ended.stdout, ended.stderr


@pytest.mark.parametrize("name", ["this", "antigravity", "sndhdr"])
@pytest.mark.usefixtures("folder")
def test_a_name_that_python_has_too_is_refused_before_either_is_imported(name: str) -> None:
    assert name not in sys.modules
    Path(f"{name}.py").write_text("open('sprung', 'w').close()\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=rf"here/{name}.py as well as .*; rename the file"):
        imported(f"{name}:said", "a metric")
    assert not Path("sprung").exists()
    assert name not in sys.modules


def test_worker_processes_call_the_function_of_their_own_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even where another folder's module of that name was imported in the meantime."""
    options: dict[str, Any] = {"describe": "Write.", "seeds": ["a"], "workers": "process"}
    made = []
    for number, where in enumerate(("one", "two")):
        folder = write(tmp_path, where, monkeypatch)
        (folder / "own_values.py").write_text(
            f"def value(text):\n    import own_late_helper\n"
            f"    assert own_late_helper.WHERE == {where!r}\n    return {number}.5\n",
            encoding="utf-8",
        )
        made.append(problem_named("own_values:value", options))

    async def score(problem: Problem) -> float | None:
        (item,) = problem.items("train")
        return (await problem.measure("a", item, None)).score

    assert [asyncio.run(score(problem)) for problem in made] == [0.5, 1.5]
