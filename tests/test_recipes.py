"""What ships as a configuration can be used, and the starter says what is true."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import json
import re
import tomllib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from llmopt.algorithms import ALGORITHMS
from llmopt.api import optimize
from llmopt.cli import main
from llmopt.config.reading import read
from llmopt.config.settings import Configuration
from llmopt.config.tables import AlgorithmTable
from llmopt.errors import ConfigError, MissingExtraError
from llmopt.preflight.check import examined
from llmopt.problems.numeric.regression import SETTINGS
from llmopt.problems.tasks import TASKS
from llmopt.recipes import (
    FOLDER,
    Recipe,
    described,
    recipe_or_file,
    recipes,
    starter,
    sweep_or_file,
    sweeps,
)
from llmopt.sweeps.grid import read_sweep
from llmopt.testing import scripted

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from llmopt.core.algorithm import Algorithm
    from llmopt.core.problem import Problem
    from llmopt.problems.tasks import TaskInfo

STARTER = starter()
TEXT = STARTER["llmopt.toml"].decode("utf-8")
SCRIPTED = "scripted/llmopt.testing.scripted:answer"


def commented() -> list[tuple[str, str, str, bool]]:
    """Return table, key, value and "is an example" of every commented key of the starter."""
    found = []
    table = ""
    for line in TEXT.splitlines():
        if header := re.match(r"(# )?\[(\w+)\]", line):
            table = header[2]
        elif key := re.match(r"# (\w+) = (.*)", line):
            found.append((table, key[1], key[2], "# example" in line))
    return found


def table_of(name: str) -> Any:
    """Return the class of a table, also of one that may be left out."""
    annotation: Any = Configuration.model_fields[name].annotation
    return annotation if hasattr(annotation, "model_fields") else annotation.__args__[0]


def default(table: str, key: str) -> Any:
    """Return a key's default as plain data."""
    if table == "algorithm" and key not in AlgorithmTable.model_fields:
        return inspect.signature(ALGORITHMS["opro"]).parameters[key].default
    return table_of(table).model_fields[key].get_default(call_default_factory=True)


@pytest.mark.parametrize(("table", "key", "value", "example"), commented())
def test_a_commented_key_is_known_and_shows_its_default(
    table: str, key: str, value: str, example: bool, tmp_path: Path
) -> None:
    """Uncommented, the starter is still valid; what is no example changes nothing."""
    wanted = TEXT.replace(f"# {key} = {value}", f"{key} = {value}")
    if table == "optimizer":
        wanted = wanted.replace("# [optimizer]", "[optimizer]")
    path = tmp_path / "llmopt.toml"
    path.write_text(wanted, encoding="utf-8")
    found = read(path)
    given = tomllib.loads(f"value = {value}")["value"]
    kept = json.loads(json.dumps(found.model_dump(mode="json")))[table]
    if isinstance(given, dict) and isinstance(kept[key], dict):  # with what it leaves out
        assert given.keys() <= kept[key].keys()
    else:
        assert str(given).strip("[]'") in str(kept[key])
    if not example:
        assert given == default(table, key)


def test_every_key_is_in_the_starter() -> None:
    """What can be set is found there, a method's own options apart."""
    named = {*re.findall(r"^(?:# )?(\w+) = ", TEXT, re.MULTILINE), "validation", "test"}
    for table in ("problem", "scorer", "run", "evidence", "budget"):
        assert set(table_of(table).model_fields) <= named


def test_the_starter_runs_as_it_is_written(tmp_path: Path) -> None:
    """Only the model is another one."""
    for name, content in STARTER.items():
        (tmp_path / name).write_bytes(content)
    settings = read(tmp_path / "llmopt.toml", [f"scorer.model={SCRIPTED}"])
    found = optimize(settings.built_problem(), **settings.options(), progress=False)
    assert found.steps == 3
    assert found.start.text == STARTER["prompt.txt"].decode("utf-8").strip()


LITE = {
    "navigate": [
        {"input": f"Take {n} steps. Options:\n- Yes\n- No", "target": ("Yes", "No")[n % 2]}
        for n in range(260)
    ],
    "movie_recommendation": [
        {"input": f"Like film {n}:\nOptions:\n(A) One\n(B) Two", "target": ("(A)", "(B)")[n % 2]}
        for n in range(260)
    ],
    "object_counting": [{"input": f"I have {n} cups.", "target": str(n)} for n in range(250)],
    "word_sorting": [
        {"input": f"Sort: List: b{n} a{n}", "target": f"a{n} b{n}"} for n in range(260)
    ],
}
"""Made-up rows of the tasks of "lite BBH"."""

SPORT = "Is the following sentence plausible? Player {} scored in game {}."


BOOLEAN = {"boolean_expressions": ("True", "False"), "formal_fallacies": ("valid", "invalid")}


def made(entry: TaskInfo) -> list[tuple[str, str]]:
    """Return made-up rows of a task of BIG-Bench Hard, in its format."""
    yes = BOOLEAN.get(entry.name.removeprefix("bbh/"), ("Yes", "No"))
    forms: dict[str, Callable[[int], tuple[str, str]]] = {
        "options": lambda n: (f"Which is {n}?\nOptions:\n(A) One\n(B) Two", ("(A)", "(B)")[n % 2]),
        "number": lambda n: (f"(({n} + 1)) =", str(n + 1)),
        "boolean": lambda n: (f"Is {n} so?", yes[n % 2]),
        "brackets": lambda n: ("( [ " * (n % 4 + 1) + f"{{ {n}", "} " + "] ) " * (n % 4 + 1)),
        "list": lambda n: (f"Sort: List: b{n} a{n}", f"a{n} b{n}"),
    }
    return [forms[entry.metric](n) for n in range(260)]


@pytest.fixture(scope="module")
def official(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with made-up rows in the official formats."""
    folder = tmp_path_factory.mktemp("data")
    for name in ("gsm8k", "bbh", "multiarith", "aqua"):
        (folder / name).mkdir()
    sums = [
        (f"Ann has {n} pens and buys {n + 2}. How many are there?", 2 * n + 2) for n in range(520)
    ]
    solved = "".join(
        json.dumps({"question": q, "answer": f"Add them.\n#### {a}"}) + "\n" for q, a in sums
    )
    (folder / "gsm8k" / "train.jsonl").write_text(solved, encoding="utf-8")
    (folder / "gsm8k" / "test.jsonl").write_text(solved.replace("Ann", "Bob"), encoding="utf-8")
    rows = [{"input": SPORT.format(n, n * n), "target": ("yes", "no")[n % 2]} for n in range(260)]
    others = {
        entry.name.removeprefix("bbh/"): [{"input": t, "target": a} for t, a in made(entry)]
        for entry in TASKS.values()
        if entry.name.startswith("bbh/")
    }
    for name, examples in {**others, "sports_understanding": rows, **LITE}.items():
        path = folder / "bbh" / f"{name}.json"
        path.write_text(json.dumps({"examples": examples}), encoding="utf-8")
    asked = "".join(
        f"Which bone is number {n}?,hip,rib,jaw,toe,{'ABCD'[n % 4]}\n" for n in range(110)
    )
    (folder / "mmlu" / "test").mkdir(parents=True)
    for entry in TASKS.values():
        if entry.name.startswith("mmlu/") and len(entry.files) == 1:
            (folder / entry.files[0].path).write_text(asked, encoding="utf-8")
    told = [{"sQuestion": f"Or: {q}", "lSolutions": [float(a)]} for q, a in sums]
    (folder / "multiarith" / "MultiArith.json").write_text(json.dumps(told), encoding="utf-8")
    chosen = "".join(
        json.dumps(
            {
                "question": q,
                "options": [f"{letter}){a + n - a % 5}" for n, letter in enumerate("ABCDE")],
                "rationale": "",
                "correct": "ABCDE"[a % 5],
            }
        )
        + "\n"
        for q, a in sums
    )
    (folder / "aqua" / "AQuA.json").write_text(chosen, encoding="utf-8")
    schemas = "".join(
        f"<schema><text><txt1>The cup is not on shelf {n} as</txt1><pron>it</pron><txt2>is big."
        "</txt2></text><answers><answer>the cup</answer><answer>the shelf</answer></answers>"
        f"<correctAnswer>{'AB'[n % 2]}.</correctAnswer></schema>"
        for n in range(273)
    )
    (folder / "wsc").mkdir()
    (folder / "wsc" / "WSCollection.xml").write_text(f"<c>{schemas}</c>", encoding="utf-8")
    entries = "".join(
        f"<entry><modifiedtripleset><mtriple>Town_{n} | mayor | Person_{n}</mtriple>"
        f"</modifiedtripleset><lex>Person {n} is mayor of Town {n}.</lex></entry>"
        for n in range(520)
    )
    path = folder / TASKS["webnlg"].files[0].path
    path.parent.mkdir()
    path.write_text(f"<benchmark>{entries}</benchmark>", encoding="utf-8")
    return folder


def shared(name: str, official: Path) -> list[str]:
    """Return the options with which a recipe can be tried here."""
    needed = next(recipe.needs for recipe in described() if recipe.name == name)
    data = [f"problem.data_dir='{official}'"] if "--data-dir" in needed else []
    text = (FOLDER / f"{name}.toml").read_text("utf-8")
    compared = f"grid.optimizer.model=['{SCRIPTED}', '{SCRIPTED.replace('answer', 'proposal')}']"
    several = '"optimizer.model" = [' in text
    return [
        *data,
        f"scorer.model={SCRIPTED}",
        compared if several else f"optimizer.model={SCRIPTED}",
    ]


@pytest.mark.parametrize("name", recipes())
def test_a_recipe_is_complete(name: str, official: Path) -> None:
    """Its data, its texts and its method can be used, and a rehearsal finds nothing amiss."""
    found = read(recipe_or_file(name), shared(name, official))
    if found.problem.function:  # its programs run in a sandbox, if there is one
        try:
            problem = found.built_problem()
        except ConfigError as error:
            if "none can be had here" not in str(error):
                raise
            pytest.skip(str(error))
        assert problem.items("test")
        suits(found.algorithm.built(), problem)
        return
    findings = asyncio.run(examined(shortened(found), offline=True))
    assert findings.code == 0
    assert findings.shows, "there are test rows"
    assert findings.rows()[-1][2].calls


@pytest.mark.parametrize("name", sweeps())
def test_a_sweep_is_complete(name: str, official: Path) -> None:
    """Every cell is valid; of the first seed, all variants of a task and one of another run dry."""
    sweep = read_sweep(sweep_or_file(name), shared(name, official))
    assert sweep.name == name.replace("/", "-")
    assert len(sweep.variants) > 1
    blocks = {(cell.task, cell.seed) for cell in sweep.cells}
    task, *others = sorted({cell.task for cell in sweep.cells})
    tried = {(task, variant) for variant in sweep.variants}
    tried |= {(other, sweep.variants[0]) for other in others[:1]}
    assert len(sweep.cells) == len(sweep.variants) * len(blocks)
    for cell in sweep.cells:
        assert cell.settings.evidence.controls == []
        if (cell.task, cell.variant) not in tried or cell.seed != sweep.cells[0].seed:
            continue
        if cell.settings.problem.function:
            suits(cell.settings.options()["algorithm"], cell.settings.built_problem())
            continue
        findings = asyncio.run(examined(shortened(cell.settings), offline=True))
        assert (findings.code, bool(findings.shows)) == (0, True)


def shortened(found: Configuration) -> Configuration:
    """Return a configuration with three steps at most: more of them are rehearsed alike."""
    run = found.run.model_copy(update={"steps": min(found.run.steps, 3)})
    return found.model_copy(update={"run": run})


def suits(algorithm: Algorithm, problem: Problem) -> None:
    """Check that a method is for a problem, as far as its library is installed."""
    with contextlib.suppress(MissingExtraError):
        algorithm.check(problem, scripted.model())


def test_the_paper_s_mathematical_experiments_are_recipes() -> None:
    """OPRO, sections 7 and 8: settings, repetitions, steps, solutions shown and proposed."""
    model = [f"optimizer.model={SCRIPTED}"]
    lines = read_sweep(sweep_or_file("opro/linear-regression"), model)
    pairs = {
        (c.settings.problem.arguments["w"], c.settings.problem.arguments["b"]) for c in lines.cells
    }
    assert pairs == set(SETTINGS)
    tours = read_sweep(sweep_or_file("opro/tsp"), model)
    assert {c.settings.problem.arguments["nodes"] for c in tours.cells} == {10, 15, 20, 50}
    for sweep, shown in ((lines, 20), (tours, 10)):
        assert len({cell.seed for cell in sweep.cells}) == 5
        first = sweep.cells[0].settings
        built = first.algorithm.model_dump()
        assert (first.run.steps, built["samples"], built["shown"]) == (500, 8, shown)
        # As many evaluations for every method.
        for cell in sweep.cells:
            method = cell.settings.algorithm.model_dump()
            samples = 1 if method["name"] == "one-plus-one-es" else method.get("samples", 8)
            assert cell.settings.run.steps * samples == 4000


@pytest.mark.parametrize("recipe", described(), ids=lambda recipe: recipe.name)
def test_a_recipe_says_what_it_is(recipe: Recipe) -> None:
    """What, from where, with what; and data that do not ship are asked for."""
    assert all(len(said) > 10 for said in (recipe.what, recipe.source, recipe.needs))
    text = (FOLDER / f"{recipe.name}.toml").read_text("utf-8")
    assert ("--data-dir" in recipe.needs) == ('benchmark"' in text or "\nbenchmark =" in text)


def test_the_paper_s_counts_are_those_of_the_recipes() -> None:
    """OPRO, sections 2, 6 and 11: prompt optimization, starts and ablations."""
    for name in ("opro/gsm8k", "opro/bbh"):
        found = read(recipe_or_file(name), ["scorer.model=local/smollm2-135m"])
        built = found.algorithm.model_dump()
        assert found.run.steps == 200
        assert (built["samples"], built["shown"], built["exemplars"]) == (8, 20, 3)
        assert (built["temperature"], built["order"], built["scores"]) == (1.0, "ascending", 100)
        assert found.scorer is not None
        assert (found.scorer.temperature, found.problem.split) == (0.0, "opro")
        assert found.problem.instructions == [""]
    samples = read_sweep(sweep_or_file("opro/ablation-samples"), [f"scorer.model={SCRIPTED}"])
    counts = {
        cell.settings.run.steps * cell.settings.algorithm.model_dump()["samples"]
        for cell in samples.cells
    }
    assert counts == {1600}
    for name in sweeps():
        sweep = read_sweep(sweep_or_file(name), [f"scorer.model={SCRIPTED}"])
        seeds = {cell.seed for cell in sweep.cells}
        if name.startswith("opro/ablation-") or name == "opro/transfer":
            assert len(seeds) == (1 if name == "opro/transfer" else 3)


def test_every_ablation_has_a_small_variant() -> None:
    """With the same variants as the large one, where the task is not what varies."""
    large = [name for name in sweeps() if "/ablation" in name and not name.endswith("-small")]
    assert len(large) == 9
    for name in large:
        both = [
            read_sweep(sweep_or_file(n), [f"scorer.model={SCRIPTED}"])
            for n in (name, f"{name}-small")
        ]
        assert len(both[0].variants) == len(both[1].variants)


def test_the_recipes_are_in_the_wheel() -> None:
    """They stand in the package's folder, of which the wheel holds everything."""
    project = tomllib.loads((FOLDER.parents[2] / "pyproject.toml").read_text("utf-8"))
    assert project["tool"]["hatch"]["build"]["targets"]["wheel"] == {"packages": ["src/llmopt"]}
    assert FOLDER.parents[2] / "src" / "llmopt" / "recipes" == FOLDER


def test_the_demo_uses_what_ships() -> None:
    """The local model in both roles, and as many reviews as can be measured in four minutes."""
    settings = read(recipe_or_file("demo"))
    assert settings.optimizer is None
    assert settings.models()["scorer"].model == "local/smollm2-135m"
    problem = replace(settings.built_prompts(), scorer=None)
    splits = [problem.items(name) for name in ("train", "validation", "test")]
    assert len({item.id for part in splits for item in part}) == 280


def test_a_file_wins_over_a_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "demo").write_text("", encoding="utf-8")
    assert recipe_or_file("demo") == FOLDER / "demo.toml"
    monkeypatch.chdir(tmp_path)
    assert recipe_or_file("demo").resolve() == tmp_path.resolve() / "demo"


def test_an_unknown_recipe_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean 'demo'"):
        recipe_or_file("dmeo")


SEARCHED = [name for name in sweeps() if name.startswith("opro/") and name != "opro/transfer"]


@pytest.mark.parametrize("name", [*SEARCHED, "gepa/gsm8k", "mipro/gsm8k", "capo/gsm8k"])
def test_digits_are_refused_by_opro_on_gsm8k_alone(name: str, official: Path) -> None:
    """As in its published code; no other method's code refuses them."""
    options = shared(name, official)
    found = (
        [cell.settings for cell in read_sweep(sweep_or_file(name), options).cells]
        if name in sweeps()
        else [read(recipe_or_file(name), options)]
    )
    for settings in found:
        on_gsm8k = settings.problem.benchmark == "gsm8k" and name.startswith("opro/")
        assert settings.problem.digits == (not on_gsm8k)


def test_questions_of_choices_end_as_in_the_published_code_of_opro(official: Path) -> None:
    """Their last line shows the letters side by side."""
    ends = {"aqua": "(A) (B) (C) (D) (E)?", "mmlu/anatomy": "(A) (B) (C) (D)?"}
    for name, benchmark in (("opro/transfer", "aqua"), ("opro/mmlu", "mmlu/anatomy")):
        cells = read_sweep(sweep_or_file(name), shared(name, official)).cells
        asked = next(c.settings for c in cells if c.settings.problem.benchmark == benchmark)
        assert asked.built_problem().items("train")[0].input.endswith(ends[benchmark])


def test_evoprompt_is_compared_from_the_starts_that_the_paper_of_opro_has(official: Path) -> None:
    """Generic ones on GSM8K, specific ones on the other task: two of each."""
    cells = read_sweep(sweep_or_file("opro/evoprompt"), shared("opro/evoprompt", official)).cells
    starts = {c.settings.problem.benchmark: tuple(c.settings.problem.instructions) for c in cells}
    assert {task: len(texts) for task, texts in starts.items()} == {
        "gsm8k": 2,
        "bbh/sports_understanding": 2,
    }
    assert len(set(starts.values())) == 2
    heat = {(c.variant, c.settings.algorithm.model_dump()["temperature"]) for c in cells}
    assert heat == {("OPRO", 1.0), ("EvoPrompt GA", 0.5), ("EvoPrompt DE", 0.5)}


SMALL = [name for name in (*recipes(), *sweeps()) if name.endswith("small")]


@pytest.mark.parametrize("name", SMALL)
def test_a_small_recipe_runs_to_its_end(name: str, official: Path, tmp_path: Path) -> None:
    """With scripted models, one seed and few rows; `benchmarks/recipes.py` takes the real ones."""
    text = (FOLDER / f"{name}.toml").read_text("utf-8")
    kind = "sweep" if name in sweeps() else "run"
    options = [one for one in shared(name, official) if not one.startswith("problem.data_dir")]
    if '"problem.sizes"' not in text and "function = " not in text:
        options.append("problem.sizes=[8, 4, 8]")
    if '"run.seed" = [0, 1, 2]' in text:
        options.append("grid.run.seed=[0]")
    line = [kind, name, "--quiet", "--store", str(tmp_path / "runs.sqlite")]
    if any("benchmark" in key for key in text.splitlines()):
        line += ["--data-dir", str(official)]
    ended = CliRunner().invoke(main, [*line, *(part for o in options for part in ("-o", o))])
    assert ended.exit_code == 0, ended.output


NAMED = re.compile(
    r"^\| (?!paper|-)(.+?) \| (.+?) \| (?:`(.+?)`|none) \| (?:`(.+?)`|none) \| (.*?) ?\|$",
    re.MULTILINE,
)
EXPERIMENTS = NAMED.findall((FOLDER.parents[2] / "docs" / "experiments.md").read_text("utf-8"))
OURS = {"demo", "family/bbh", "family/regression", "family/reviews"}


@pytest.mark.parametrize(("paper", "what", "recipe", "small", "remark"), EXPERIMENTS)
def test_every_experiment_of_a_paper_has_a_small_variant(
    paper: str, what: str, recipe: str, small: str, remark: str
) -> None:
    """The page names a recipe and a small one that are there, or says why it has no recipe."""
    assert paper
    assert what
    if recipe:
        assert recipe in {*recipes(), *sweeps()}
        assert small in SMALL
    else:
        assert not small
        assert remark


def test_every_recipe_of_a_paper_is_in_the_list_of_experiments() -> None:
    named = {one for _, _, recipe, small, _ in EXPERIMENTS for one in (recipe, small) if one}
    assert {*recipes(), *sweeps()} - OURS - {"opro/gsm8k-small"} == named - {"opro/gsm8k-small"}
    assert len({(paper, what) for paper, what, *_ in EXPERIMENTS}) == len(EXPERIMENTS)


EARLIER = re.compile(r"^# Earlier: .*(?:\n#   .*)*", re.MULTILINE)


def earlier(name: str) -> list[str]:
    """Return the options with which a recipe is what it was before it changed."""
    said = EARLIER.search((FOLDER / f"{name}.toml").read_text("utf-8"))
    return re.findall(r"-o (\S+=\S+)", said[0]) if said else []


CHANGED = [name for name in (*recipes(), *sweeps()) if earlier(name)]


@pytest.mark.parametrize("name", CHANGED)
def test_a_changed_recipe_says_how_stored_runs_are_continued(name: str) -> None:
    """The options of its header give the values that it left to the defaults before."""
    options = [f"scorer.model={SCRIPTED}", f"optimizer.model={SCRIPTED}", *earlier(name)]
    found = (
        [cell.settings for cell in read_sweep(sweep_or_file(name), options).cells]
        if name in sweeps()
        else [read(recipe_or_file(name), options)]
    )
    for settings in found:
        assert settings.scorer is not None
        assert settings.scorer.again_tokens == default("scorer", "again_tokens")
        assert settings.scorer.again_answers is default("scorer", "again_answers")
        assert settings.problem.quotes == default("problem", "quotes")
        assert settings.algorithm.model_dump().get("strict", True) is True


def test_every_recipe_of_gpo_that_was_stored_before_says_so() -> None:
    """The others are as new as their options."""
    assert [*sorted(CHANGED)] == [
        f"gpo/{name}"
        for name in ("bbh", "grid-direction", "grid-step-size", "gsm8k", "lite-bbh", "mmlu")
    ]


FIGURE = re.compile(r"([\d,]+) (cells|searches|scorer calls)(?: of (\d+) steps)?( a step)?")
SCALED = {"opro/gsm8k": 7473 / 520}  # its share of the official rows, of which there are few here


def figures(kind: str) -> list[tuple[str, int, str, str]]:
    """Return recipe, figure, unit, and of how many steps, of what headers say."""
    return [
        (one.name, int(count.replace(",", "")), unit + each, steps)
        for one in described()
        if one.kind == kind
        for count, unit, steps, each in FIGURE.findall(one.needs)
    ]


def most(settings: Configuration, steps: int) -> int:
    """Return the calls of the scorer LLM that a check counts at most."""
    run = settings.run.model_copy(update={"steps": steps})
    found = asyncio.run(examined(settings.model_copy(update={"run": run}), offline=True))
    return next(high.calls for role, _, high in found.rows() if role == "scorer LLM")


def a_step_takes(name: str, settings: Configuration, count: int) -> bool:
    """Whether a header's figure is what a further step takes, as far as it can be known before."""
    further = (most(settings, 4) - most(settings, 3)) * SCALED.get(name, 1.0)
    return 0.8 * further <= count <= 1.05 * further


@pytest.mark.parametrize(("name", "count", "unit", "steps"), figures("run"))
def test_a_recipe_s_header_counts_its_calls(
    name: str, count: int, unit: str, steps: str, official: Path
) -> None:
    """As a check counts them: of a step, or of everything."""
    assert not steps
    settings = read(recipe_or_file(name), shared(name, official))
    if unit.endswith("a step"):
        assert a_step_takes(name, settings, count)
    else:
        assert count <= most(settings, settings.run.steps)


@pytest.mark.parametrize(("name", "count", "unit", "steps"), figures("sweep"))
def test_a_sweep_s_header_counts_its_cells(
    name: str, count: int, unit: str, steps: str, official: Path
) -> None:
    """Searches are the cells with steps; so many steps are those that the last one takes."""
    cells = read_sweep(sweep_or_file(name), shared(name, official)).cells
    searches = [cell for cell in cells if cell.settings.run.steps]
    last = searches[-1].settings
    if unit.startswith("scorer calls"):
        assert a_step_takes(name, last, count)
        return
    assert count == len(cells if unit == "cells" else searches)
    if steps:
        planned = last.options()["algorithm"].steps(last.built_problem(), last.run.steps)
        assert planned == int(steps)
