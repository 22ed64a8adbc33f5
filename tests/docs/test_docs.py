"""The documents are true: their code runs, their commands exist, their tables are the code's.

Generated parts stand between ``<!-- NAME:begin -->`` and ``<!-- NAME:end -->``. With
``LLMOPT_REWRITE_DOCS=1`` they are written anew instead of compared (``make docs``).

A comment on the line before a Python block says what it needs: ``<!-- needs: local model -->``
or ``<!-- needs: key -->``; the latter is compiled only. What needs DSPy or Inspect AI runs in
``tests/integrations``.
"""

from __future__ import annotations

import importlib.util
import inspect
import json
import re
import runpy
import shlex
import sys
import tomllib
from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal, get_args

import click
import pytest
from documents import DOCUMENTS, ROOT, holds
from option_tables import check, kind_of, written

from llmopt.algorithms import ALGORITHMS, table
from llmopt.cli import main
from llmopt.config.reading import settings
from llmopt.config.settings import Configuration
from llmopt.config.tables import PriceTable
from llmopt.core.metaprompt import (
    VARIABLES,
    MetaPrompt,
    Sections,
    Shown,
)
from llmopt.core.problem import Description, Exemplar
from llmopt.models.weights.known import KNOWN
from llmopt.problems.metrics.rules import (
    METRICS,
    OWN,
    Function,
    usage,
)
from llmopt.recipes import starter, sweep_or_file
from llmopt.sweeps.grid import read_sweep
from llmopt.testing import algorithms, scripted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import BaseModel

    from llmopt.core.algorithm import Algorithm

NEEDS = ("", "local model", "key", "sweep", "dspy", "inspect")
MINIMAL = {
    "problem": {"data": "tickets.csv", "input": "text", "target": "label"},
    "scorer": {"model": "local/smollm2-135m"},
}


@dataclass(frozen=True)
class Block:
    """A fenced block of a document."""

    document: Path
    line: int
    language: str
    needs: str
    text: str

    def __str__(self) -> str:
        return f"{self.document.relative_to(ROOT)}:{self.line}"


@cache
def lines_of(document: Path) -> tuple[str, ...]:
    return tuple(document.read_text(encoding="utf-8").splitlines())


@cache
def blocks() -> tuple[Block, ...]:
    return tuple(block for document in DOCUMENTS for block in blocks_of(document))


def blocks_of(document: Path) -> Iterator[Block]:
    begin, needs, language = 0, "", ""
    for number, line in enumerate(lines_of(document), 1):
        if not line.startswith("```"):
            continue
        if begin:
            text = "\n".join(lines_of(document)[begin : number - 1]) + "\n"
            yield Block(document, begin, language, needs, text)
            begin = 0
        else:
            before = lines_of(document)[number - 2] if number > 1 else ""
            found = re.fullmatch(r"<!-- needs: (.*) -->", before)
            begin, needs, language = number, found[1] if found else "", line[3:]


def prose(document: Path) -> str:
    """Return a document without its blocks."""
    return re.sub(
        r"^```.*?^```$", "", "\n".join(lines_of(document)), flags=re.MULTILINE | re.DOTALL
    )


def those(language: str, needs: str = "") -> list[Any]:
    return [
        pytest.param(block, id=str(block))
        for block in blocks()
        if block.language == language and block.needs == needs
    ]


# -- Python ---------------------------------------------------------------------------------


def ran(block: Block, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a block where the files of ``llmopt init`` are."""
    for name, content in starter().items():
        (folder / name).write_bytes(content)
    monkeypatch.chdir(folder)
    # As many empty lines before it as in the document, so that a traceback names its line.
    code = compile("\n" * block.line + block.text, str(block.document), "exec")
    module = ModuleType("documented")
    monkeypatch.setitem(sys.modules, "documented", module)  # dataclasses look it up
    exec(code, vars(module))


def first_python() -> Block:
    """Return the first block of the start page that runs here."""
    return next(b for b in blocks_of(ROOT / "docs" / "start.md") if b.language == "python")


def test_the_first_python_of_the_start_page_ends_with_a_gain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What it prints stands below it."""
    ran(first_python(), tmp_path, monkeypatch)
    shown = capsys.readouterr().out
    assert "The winner is better than the start" in shown
    holds("docs/start.md", "gain", f"```text\n{shown}```\n")


@pytest.mark.parametrize(
    "block", [one for one in those("python") if one.values != (first_python(),)]
)
def test_python_runs(block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran(block, tmp_path, monkeypatch)


@pytest.fixture(scope="session")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home that runs on the local model share: what one asked, another finds in the store."""
    return tmp_path_factory.mktemp("kept")


@pytest.fixture
def shared_home(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The README's run is also an example, and minutes of work."""
    monkeypatch.setenv("LLMOPT_HOME", str(kept))


@pytest.mark.local_model
@pytest.mark.timeout(900)
@pytest.mark.usefixtures("shared_home")
@pytest.mark.parametrize("block", those("python", "local model"))
def test_python_runs_on_the_local_model(
    block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran(block, tmp_path, monkeypatch)


@pytest.mark.parametrize("block", those("python", "key"))
def test_python_that_needs_a_key_compiles(block: Block) -> None:
    compile(block.text, str(block), "exec")


def test_every_need_is_a_known_one() -> None:
    for document in DOCUMENTS:
        for need in re.findall(r"<!-- needs: (.*?) -->", document.read_text(encoding="utf-8")):
            assert need in NEEDS, document
    assert {block.needs for block in blocks()} == set(NEEDS)


# -- examples -------------------------------------------------------------------------------


def shown_by(
    script: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *args: str
) -> str:
    monkeypatch.setattr(sys, "argv", [script, *args])
    runpy.run_path(str(ROOT / "examples" / script), run_name="__main__")
    return capsys.readouterr().out


def test_every_example_is_run_here() -> None:
    names = {path.name for path in (ROOT / "examples").glob("*.py")}
    assert names == {
        "prompt.py",
        "function.py",
        "program.py",
        "regression.py",
        "tours.py",
        "own_algorithm.py",
        "recombined.py",
    }


def test_the_prompt_example_runs(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = "scripted/llmopt.testing.scripted:answer"
    assert "llmopt show" in shown_by("prompt.py", capsys, monkeypatch, model)


def test_the_program_example_runs(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = shown_by("program.py", capsys, monkeypatch, "scripted/llmopt.testing.scripted:answer")
    assert re.search(r"^search: .*\nanswer: ", shown, re.MULTILINE)


def test_the_function_example_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "numbers_of_a_script.py").write_text(
        "def answer(call):\n"
        "    return f'<INS>{call.sample % 11 - 5}, {call.sample // 11 % 11 - 5}</INS>'\n",
        encoding="utf-8",
    )
    monkeypatch.syspath_prepend(tmp_path)
    shown = shown_by("function.py", capsys, monkeypatch, "scripted/numbers_of_a_script:answer")
    value = re.search(r"^value: (.*)$", shown, re.MULTILINE)
    assert value
    assert float(value[1]) < 25, "better than every start"


def test_the_regression_example_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pairs_of_a_script.py").write_text(
        "def answer(call):\n    return f'<INS>w={call.sample % 8 + 10}, b=14</INS>'\n",
        encoding="utf-8",
    )
    monkeypatch.syspath_prepend(tmp_path)
    shown = shown_by("regression.py", capsys, monkeypatch, "scripted/pairs_of_a_script:answer")
    first, second = shown.splitlines()[::2]
    assert re.fullmatch(r"language model: w=15, b=14, value .* \(target reached\)", first)
    assert re.fullmatch(r"random search: w=.*, b=.*, value .*", second)


def test_the_tours_example_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tours_of_a_script.py").write_text(
        "def answer(call):\n"
        "    turned = [*range(1, 10)][call.sample % 8 :] + [*range(1, 10)][: call.sample % 8]\n"
        "    return f'<INS>{[0, *turned]}</INS>'\n",
        encoding="utf-8",
    )
    monkeypatch.syspath_prepend(tmp_path)
    shown = shown_by("tours.py", capsys, monkeypatch, "scripted/tours_of_a_script:answer")
    lengths = {line[:28].strip(): float(line[28:36]) for line in shown.splitlines()[:-1]}
    assert lengths["language model"] <= lengths["best of the starts"]
    assert lengths["farthest insertion"] >= lengths["shortest tour"]
    assert lengths["shortest tour"] == min(lengths.values())


def test_the_algorithm_example_runs(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "latest" in shown_by("own_algorithm.py", capsys, monkeypatch)


def test_the_recombination_runs(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parts of one method work in another: OPRO's, GPO's and ProTeGi's in one."""
    assert "recombined" in shown_by("recombined.py", capsys, monkeypatch)


def made_by(script: str, name: str, monkeypatch: pytest.MonkeyPatch) -> Algorithm:
    """Return the algorithm that a function of an example makes."""
    spec = importlib.util.spec_from_file_location(script, ROOT / "examples" / f"{script}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, script, module)
    spec.loader.exec_module(module)
    algorithm: Algorithm = getattr(module, name)()
    return algorithm


@pytest.mark.parametrize("check", algorithms.CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize(
    ("script", "name"), [("own_algorithm", "latest"), ("recombined", "recombined")]
)
async def test_an_example_of_an_algorithm_conforms(
    script: str,
    name: str,
    check: algorithms.Check,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    problem = scripted.problem(24, (8, 4, 8))
    await check(made_by(script, name, monkeypatch), problem, tmp_path)


@pytest.mark.local_model
@pytest.mark.timeout(900)
@pytest.mark.usefixtures("shared_home")
@pytest.mark.parametrize("script", ["prompt.py", "function.py", "regression.py", "tours.py"])
def test_an_example_runs_on_the_local_model(
    script: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert shown_by(script, capsys, monkeypatch)


# -- commands -------------------------------------------------------------------------------


def commands() -> list[Any]:
    """Return every command of the blocks for a shell, and of the prose's code."""
    found = [
        (line.removeprefix(sign), str(block))
        for block in blocks()
        for language, sign in (("bash", ""), ("console", "$ "))
        if block.language == language
        for line in block.text.splitlines()
        if line.startswith(sign)
    ]
    found += [
        (code, str(document.relative_to(ROOT)))
        for document in DOCUMENTS
        for code in re.findall(r"`((?:llmopt|make) [^`]*)`", prose(document))
    ]
    return [pytest.param(command, id=f"{place} {command}") for command, place in found]


def makefile_targets() -> set[str]:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    return set(re.findall(r"^([a-z-]+):.*##", text, re.MULTILINE))


@pytest.mark.parametrize("command", commands())
def test_a_command_exists(command: str) -> None:
    words = shlex.split(command, comments=True)
    if words[:1] == ["make"]:
        assert {w for w in words[1:] if "=" not in w} <= makefile_targets()
    elif words[:2] == ["pip", "install"]:
        known = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
        extras = re.findall(r"\[(.*)\]", words[-1])
        assert set(extras) <= known["project"]["optional-dependencies"].keys()
    elif words[:2] == ["python", "-m"]:
        assert importlib.util.find_spec(f"{words[2]}.__main__")
    elif words[:1] == ["python"]:
        assert (ROOT / words[1]).is_file()
    else:
        assert words[:1] == ["llmopt"], "a command of ours"
        parsed(words[1:])


def parsed(words: list[str]) -> None:
    """Let click read a command line without doing anything."""
    if words[0].startswith("-"):
        assert any(words[0] in option.opts for option in main.get_params(click.Context(main)))
        return
    assert words[0] in main.commands
    if not words[1:]:
        return  # the command's name alone stands for it in a sentence
    context = main.commands[words[0]].make_context(words[0], words[1:])
    changed = context.params.get("overrides", ())
    if any(change.startswith("grid.") for change in changed):
        name = next(word for word in words[1:] if not word.startswith("-"))
        assert read_sweep(sweep_or_file(name), changed).cells
        return
    settings(json.loads(json.dumps(MINIMAL)), "here", Path(), changed).algorithm.built()


def test_every_command_is_in_the_readme() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for name in main.commands.keys() - {"demo"}:  # make demo stands for it
        assert f"llmopt {name}" in text


def test_every_target_is_in_the_contributors_page() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert {name for name in makefile_targets() if f"`make {name}`" in text} == makefile_targets()


def test_exit_codes_are_those_of_the_command_line() -> None:
    rows = re.findall(r"^\| (\d+) \|", prose(ROOT / "README.md"), re.MULTILINE)
    assert rows == re.findall(
        r"\b(\d+) (?:done|the run|bad|stopped|a gate|interrupted)", main.help or ""
    )


# -- links ----------------------------------------------------------------------------------


def anchors(document: Path) -> set[str]:
    """Return the anchors that headings get."""
    headings = re.findall(r"^#+ (.*)$", prose(document), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    for link in re.findall(r"\]\(([^)]+)\)", prose(document)):
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        target = (document.parent / path).resolve() if path else document
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


# -- generated parts ------------------------------------------------------------------------


def test_the_table_of_algorithms_is_the_registry() -> None:
    columns = ("select", "reflect", "propose", "rate", "keep")
    rows = [
        f"| `{row['algorithm']}` | {row['what']} | "
        + " | ".join(f"`{row[part]}`" for part in columns)
        + " |\n"
        for row in table()
    ]
    head = f"| name | what it is | {' | '.join(columns)} |\n|{'---|' * (len(columns) + 2)}\n"
    holds("README.md", "algorithms", head + "".join(rows))


def test_the_table_of_metrics_is_complete() -> None:
    known = {usage(metric): metric.help for metric in METRICS.values()} | {OWN: Function.help}
    rows = (f"| `{name}` | {meaning} |\n" for name, meaning in known.items())
    holds("docs/answers.md", "metrics", "| metric | right is |\n|---|---|\n" + "".join(rows))


def test_the_table_of_variables_is_complete() -> None:
    rows = (f"| `{name}` | {meaning} |\n" for name, meaning in VARIABLES.items())
    holds("docs/meta-prompts.md", "variables", "| variable | holds |\n|---|---|\n" + "".join(rows))


@pytest.mark.parametrize("family", ["chat", "brackets", "continuation"])
def test_the_families_look_as_shown(family: Literal["chat", "brackets", "continuation"]) -> None:
    sections = Sections(
        Description(
            "Decide whether a review is positive or negative.",
            where="at the beginning of the question",
            labels=("negative", "positive"),
        ),
        entries=(
            Shown("Read the review.", "48"),
            Shown("Is this review positive or negative?", "61"),
        ),
        scale="100",
        aim="80",
        exemplars=(
            Exemplar("The soup was cold.", "<INS>\nThe soup was cold.", "negative"),
            Exemplar("We will be back!", "<INS>\nWe will be back!", "positive"),
        ),
    )
    text = MetaPrompt(family).lay_out(sections)
    assert "```" not in text
    holds("docs/meta-prompts.md", family, f"`{family}`:\n\n```text\n{text}\n```\n")


def test_the_table_of_local_models_is_what_can_be_fetched() -> None:
    rows = [
        f"| `local/{name}` | {row.title} | {row.size / 1e6:,.0f} MB | {row.licence} "
        f"| {'chats' if row.chat else 'base model'}, `{row.family}` | {row.good_for} |\n"
        for name, row in KNOWN.items()
    ]
    head = (
        "| name | model | size | licence | kind, family | good for |\n|---|---|---|---|---|---|\n"
    )
    holds("docs/models.md", "local-models", head + "".join(rows))


# -- the configuration ----------------------------------------------------------------------


def rows_under(heading: str) -> dict[str, tuple[str, str]]:
    """Return key -> (type, default) of the first table after a heading."""
    text = "\n".join(lines_of(ROOT / "docs" / "configuration.md"))
    _, found, rest = text.partition(f"{heading}")
    assert found, f"docs/configuration.md has a section {heading}"
    section = re.split(r"^#", rest, maxsplit=1, flags=re.MULTILINE)[0]
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \| (.*?) \| .+ \|$", section, re.MULTILINE)
    assert len({name for name, _, _ in rows}) == len(rows)
    return {name: (kind, default) for name, kind, default in rows}


def tables() -> list[tuple[str, type[BaseModel]]]:
    found: list[tuple[str, type[BaseModel]]] = [("[scorer.price]", PriceTable)]
    for name, field in Configuration.model_fields.items():
        models = (field.annotation, *get_args(field.annotation))
        model = next(m for m in models if hasattr(m, "model_fields"))
        found.append((f"[{name}]", model))
    return found


@pytest.mark.parametrize("table", ["run", "evidence"])
def test_the_options_of_a_run_are_those_of_the_code(table: str) -> None:
    check(table)


@pytest.mark.parametrize(("heading", "model"), tables())
def test_every_key_is_documented(heading: str, model: type[BaseModel]) -> None:
    """None is missing, none is made up, and types and defaults are those of the code."""
    rows = rows_under(f"# `{heading}`")
    assert list(rows) == list(model.model_fields)
    for key, field in model.model_fields.items():
        kind, default = rows[key]
        made = field.get_default(call_default_factory=True)
        assert default == written(made), key
        assert kind.startswith(kind_of(field.annotation)), key


@pytest.mark.parametrize("name", sorted(ALGORITHMS))
def test_every_option_of_a_method_is_documented(name: str) -> None:
    rows = rows_under(f"# Options of `{name}`")
    options = inspect.signature(ALGORITHMS[name]).parameters
    assert list(rows) == list(options)
    for key, option in options.items():
        assert rows[key][1] == written(option.default), key


@pytest.mark.parametrize("block", those("toml"))
def test_a_configuration_is_valid(block: Block, tmp_path: Path) -> None:
    """Alone, or put over the least that is needed."""
    data = {**json.loads(json.dumps(MINIMAL)), **tomllib.loads(block.text)}
    settings(data, str(block), tmp_path)


# -- the architecture -----------------------------------------------------------------------


def text_block(document: str, beginning: str) -> list[str]:
    found = [
        block
        for block in blocks()
        if block.document == ROOT / document and block.text.startswith(beginning)
    ]
    assert len(found) == 1
    return found[0].text.splitlines()


def test_the_tree_names_every_module() -> None:
    """None is missing, every named one exists, and no two are described alike."""
    folders: list[str] = []
    said = defaultdict(list)
    named: set[str] = set()
    for line in text_block("docs/architecture.md", "src/llmopt/\n")[1:]:
        match = re.fullmatch(r"((?:│   |    )*)[├└]── (\S+)(.*)", line)
        assert match, line
        depth, name = len(match[1]) // 4, match[2]
        folders = folders[:depth]
        if name.endswith("/"):
            folders.append(name.removesuffix("/"))
            assert (ROOT / "src" / "llmopt" / Path(*folders)).is_dir(), name
            continue
        assert match[3].strip() or name == "__init__.py", line
        said[match[3].strip()].append(name)
        named.add("/".join((*folders, name)))
    assert {text: names for text, names in said.items() if text and len(names) > 1} == {}
    package = ROOT / "src" / "llmopt"
    assert named == {path.relative_to(package).as_posix() for path in package.rglob("*.py")}


def test_the_layers_are_those_that_are_checked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    layers = project["tool"]["importlinter"]["contracts"][0]["layers"]
    assert text_block("docs/architecture.md", "cli\n") == layers[1:]  # the first is __main__


PLACE = re.compile(r"`((?:src/llmopt/|\w+/)[\w/-]*\.?\w*)`")


@pytest.mark.parametrize("name", ["docs/architecture.md", "CONTRIBUTING.md"])
def test_the_files_that_a_page_names_exist(name: str) -> None:
    """A file or folder of the package, or of the repository; capitals are for you to fill in."""
    found = set(PLACE.findall(prose(ROOT / name))) - {"site/"}  # which make site builds
    places = {place for place in found if not re.search("[A-Z]", place)}
    assert places
    for place in places:
        homes = (ROOT, ROOT / "src" / "llmopt")
        assert any((home / place).exists() for home in homes), place
