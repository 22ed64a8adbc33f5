"""``llmopt evaluate``."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from llmopt.cli.gate_options import gate_of, gate_options, leave
from llmopt.cli.options import console, print_json, run_options
from llmopt.cli.program_texts import part_files, program_texts
from llmopt.cli.resumable import SPENDING, resumable
from llmopt.core.text import visible

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from llmopt.config.settings import Configuration
    from llmopt.core.problem import Problem
    from llmopt.core.store import Store
    from llmopt.core.values import Item
    from llmopt.engine.evaluate import EvaluationPlan

_LAYOUT = ("position", "qa_frame", "prompt_from")  # where the instruction stands, whatever the data
_PROGRAM = (
    "program",
    "parts",
    "part_order",
    "calls",
    "timeout",
    "instructions",
    "instructions_from",
)
_ASKING = (
    "mode",
    "temperature",
    "max_tokens",
    "stop",
    "again",
)  # how a model is asked, whichever it is


@dataclass(frozen=True)
class _Asked:
    """What the command was given, beside how much and how it is printed."""

    instructions: tuple[str, ...]
    files: tuple[Path, ...]
    runs: tuple[str, ...]
    top: int
    config: str | None
    data: dict[str, Any]  # keys of the problem table that say where the data are
    scorer: str | None
    base_url: str | None
    parts: dict[str, Path]  # files with the texts of a program's parts, by part

    @property
    def texts(self) -> bool:
        """Whether texts were given, and not only runs that have some."""
        return bool(self.instructions or self.files or self.parts)


@click.command()
@click.option("--instruction", "instructions", multiple=True, metavar="TEXT", help="A text.")
@click.option(
    "--file", "files", multiple=True, type=click.Path(path_type=Path), help="A text in a file."
)
@click.option(
    "--part-file",
    "part_texts",
    multiple=True,
    metavar="NAME=FILE",
    help="A program's part from a file; with others it is one solution, compared with the start.",
)
@click.option("--run", "runs", multiple=True, metavar="RUN", help="The winner of this run.")
@click.option(
    "--top", type=click.IntRange(1), default=1, metavar="K", help="Of each run, its K best."
)
@click.option("--config", metavar="CONFIG.toml|RECIPE", help="Data and model of a configuration.")
@click.option("--task", metavar="NAME", help="A task by name, such as bbh/object_counting.")
@click.option(
    "--data-dir", type=click.Path(path_type=Path), help="The folder with the tasks' files."
)
@click.option("--split", metavar="NAME", help="How the task's items are split, by name.")
@click.option("--data", type=click.Path(path_type=Path), help="CSV, TSV, JSONL, JSON, Parquet.")
@click.option("--input", "column", metavar="COLUMN", help="The column of the inputs.")
@click.option("--target", metavar="COLUMN", help="The column of the expected answers.")
@click.option("--part", default="test", show_default=True, help="train, validation, test or all.")
@click.option("--scorer", metavar="MODEL", help="The model that follows the instructions.")
@click.option("--base-url", metavar="URL", help="Where its API begins.")
@click.option("--samples", type=int, default=1, metavar="N", help="Answers to each item.")
@click.option("--cross", is_flag=True, help="Each --run's winner on the model of each --run.")
@gate_options
@run_options
def evaluate(
    *,
    part: str,
    samples: int,
    cross: bool,
    overrides: tuple[str, ...],
    store: str | None,
    as_json: bool,
    quiet: bool,
    **given: Any,
) -> None:
    """Score given instructions on the same items, and compare each with the first.

    Instructions stand in this order: --instruction, --file, --run; of a run without any text
    before it the starting solution comes first. Without any, those of --config are measured.
    With --run alone, data and model are the run's own; with --run and --task or --data, the
    run's model and prompt layout are used on other data.

    A program with several texts is given by --config or --run, and its solutions by --part-file,
    or as texts with a heading line for each part; parts that are not given are those of the start.

    With --cross, the winners of several runs are measured on the models of all of them, and it is
    tested whether the best instruction depends on the model.

    Repeated, the same command continues where it stopped and pays for nothing twice.

    With --fail-if or --min it is a gate for CI: it exits with 4 where an instruction does not pass.
    """
    from llmopt.api import evaluate as evaluated
    from llmopt.engine.evaluate import EvaluationPlan
    from llmopt.store import open_store
    from llmopt.terminal.evaluation_table import print_comparison

    gate = gate_of(given)
    asked = _asked(given)
    if cross:
        gate.check_without()
        _cross_check(asked)
        _crossed(asked, part, samples, overrides, store, as_json=as_json, quiet=quiet)
        return
    with closing(open_store(store)) as kept:
        settings = _settings(asked, kept, overrides)
        problem = _problem(asked, settings, kept)
        plan = EvaluationPlan(problem, tuple(_texts(asked, problem, kept)), part, samples)
        notes = tuple(_cautions(asked.runs, plan.items, kept))
    gate.check(plan.given)
    options = settings.options()
    context = click.get_current_context()
    words = _words(context)
    with resumable(_words(context, but="overrides"), store, overrides, settings):
        found = evaluated(
            problem,
            plan.given,
            part=part,
            samples=samples,
            store=store,
            progress=not quiet,
            source=words,
            **{k: options[k] for k in SPENDING},
        )
    found = replace(found, notes=(*found.notes, *notes))
    result = gate.write(found)
    if as_json:
        print_json(found.to_dict() | ({"gate": result.to_dict()} if result else {}))
    else:
        print_comparison(console(), found)
    leave(result)


def _cross_check(asked: _Asked) -> None:
    """Refuse what a cross table has no place for."""
    from llmopt.errors import ConfigError

    if len(set(asked.runs)) < 2 or len(set(asked.runs)) < len(asked.runs):  # noqa: PLR2004 - of one there is no table
        raise ConfigError(
            f"--cross is of 2 different runs or more, but got {', '.join(asked.runs) or 'none'}; "
            "name each with --run"
        )
    if asked.texts or asked.config or asked.data or asked.scorer or asked.top > 1:
        raise ConfigError(
            "--cross measures the winners of runs on their own models and data, but got other "
            "texts, data, models or --top; leave them out"
        )


def _crossed(
    asked: _Asked,
    part: str,
    samples: int,
    overrides: tuple[str, ...],
    store: str | None,
    *,
    as_json: bool,
    quiet: bool,
) -> None:
    """Measure each winner on the model of each run, and print models by winners."""
    from llmopt.api import evaluate as evaluated
    from llmopt.engine.evaluate import EvaluationPlan
    from llmopt.evidence.cross_table import cross_table
    from llmopt.evidence.differences import groups_of
    from llmopt.store import open_store

    with closing(open_store(store)) as kept:
        one_each = [replace(asked, runs=(run,)) for run in asked.runs]
        made = [_settings(one, kept, overrides) for one in one_each]
        problems = [_problem(*both, kept) for both in zip(one_each, made, strict=True)]
        winners = [_winner(run, kept) for run in asked.runs]
        items = _common_items(
            asked.runs, [EvaluationPlan(p, tuple(winners), part) for p in problems]
        )
        cautions = tuple(_cautions(asked.runs, items, kept))
    words, found = _words(click.get_current_context()), []
    for problem, settings, own in zip(problems, made, winners, strict=True):
        options = settings.options()
        with resumable(words, store, overrides, settings):
            found.append(
                evaluated(
                    problem,
                    tuple(dict.fromkeys((own, *winners))),
                    part=part,
                    samples=samples,
                    store=store,
                    progress=not quiet,
                    source=words,
                    **{k: options[k] for k in SPENDING},
                )
            )
    table = cross_table(asked.runs, found, groups_of(items))
    table = replace(table, notes=(*table.notes, *cautions))
    if as_json:
        print_json(table.to_dict())
    else:
        click.echo(visible(str(table)))


def _winner(run: str, store: Store) -> str:
    """Return the winner of a finished run."""
    from llmopt.errors import ConfigError
    from llmopt.integrations.exported import standing

    found = standing(store, run)
    if found.result is None:
        raise ConfigError(
            f"--cross is of finished runs, but {run!r} has no winner yet; continue with: "
            f"llmopt resume {run}"
        )
    return found.at(1).text


def _common_items(runs: Sequence[str], plans: Sequence[EvaluationPlan]) -> tuple[Item, ...]:
    """Return the items of all plans, which are the same."""
    from llmopt.errors import ConfigError

    first = plans[0].items
    for run, plan in zip(runs, plans, strict=True):
        if [(i.id, i.input, i.target) for i in plan.items] != [
            (i.id, i.input, i.target) for i in first
        ]:
            raise ConfigError(
                f"--cross measures the same items on every model, but those of {run!r} are not "
                f"those of {runs[0]!r}; choose runs with the same data, sizes and split_seed"
            )
    return first


def _asked(given: dict[str, Any]) -> _Asked:
    """Sort the options, and refuse what does not go together."""
    from llmopt.errors import ConfigError

    if given["task"] and given["data"]:
        raise ConfigError("the data are --task or --data, but got both; leave one out")
    if not (given["task"] or given["data"] or given["config"] or given["runs"]):
        raise ConfigError(
            "an evaluation needs data, but got none; name --task, --data, --config or --run"
        )
    if (given["data_dir"] or given["split"]) and not given["task"]:
        raise ConfigError("--data-dir and --split go with --task, but got none; name it too")
    keys = {
        "benchmark": given["task"],
        "data_dir": given["data_dir"],
        "split": given["split"],
        "data": given["data"],
        "input": given["column"],
        "target": given["target"],
    }
    data = {key: str(value) for key, value in keys.items() if value}
    for key in ("data", "data_dir"):
        if key in data:
            data[key] = str(Path(data[key]).expanduser().resolve())
    names = ("instructions", "files", "runs", "top", "config", "scorer", "base_url")
    parts = part_files(given["part_texts"])
    asked = _Asked(data=data, parts=parts, **{name: given[name] for name in names})
    if not (asked.texts or asked.runs or asked.config):
        raise ConfigError(
            "an evaluation needs instructions, but got none; give --instruction, --file or --run"
        )
    return asked


def _settings(asked: _Asked, store: Store, overrides: Sequence[str]) -> Configuration:
    """Return the configuration that the options describe."""
    from llmopt.config.reading import settings
    from llmopt.errors import ConfigError

    made = _base(asked, store)
    if asked.scorer:
        how = {key: value for key, value in made.get("scorer", {}).items() if key in _ASKING}
        made["scorer"] = {**how, "model": asked.scorer}
    if asked.base_url:
        made["scorer"] = {**made.get("scorer", {}), "base_url": asked.base_url}
    program = made.get("problem", {}).get("program")
    if asked.parts and not program:
        raise ConfigError(
            "--part-file is for programs, but the problem has no problem.program; use --file"
        )
    if not (program or made.get("scorer")) and not any(
        o.strip().startswith("scorer.") for o in overrides
    ):
        raise ConfigError(
            "an evaluation needs a scorer LLM, but got none; name one with --scorer, for example "
            "local/smollm2-135m"
        )
    if "benchmark" in asked.data or "data" in asked.data:
        problem = made.get("problem", {})
        kept = (*_LAYOUT, *_PROGRAM) if program else _LAYOUT
        made["problem"] = {key: problem[key] for key in kept if key in problem}
        made.pop("judge", None)  # it goes with a metric, and the metric with the data
    made["problem"] = {**made.get("problem", {}), **asked.data}
    if asked.texts and not program:
        made["problem"]["instructions"] = list(asked.instructions)
        made["problem"]["instructions_from"] = [str(path.resolve()) for path in asked.files]
    return settings(made, "llmopt evaluate", Path.cwd(), overrides)


def _base(asked: _Asked, store: Store) -> dict[str, Any]:
    """Return the tables to begin with: of the configuration, or of the first run."""
    from llmopt.config.reading import absolute, tables
    from llmopt.errors import ConfigError
    from llmopt.integrations.exported import standing
    from llmopt.recipes import recipe_or_file

    if asked.config:
        path = recipe_or_file(asked.config)
        found = absolute(tables(path), path.parent)
        kept: tuple[str, ...] = ("problem", "scorer", "judge", "run", "budget")
    elif asked.runs:
        standing(store, asked.runs[0])  # it refuses what is no run
        found = store.config(asked.runs[0])["source"]
        if not found and not (asked.scorer and asked.data):
            raise ConfigError(
                f"data and model are known of runs that were started from a configuration file, "
                f"but {asked.runs[0]!r} was started from Python; name --data or --task, and "
                "--scorer"
            )
        kept = ("problem", "scorer", "judge", "run")  # what the run might spend was for the run
    else:
        return {}
    made = {name: found[name] for name in kept if name in found}
    made["run"] = {
        k: v for k, v in made.get("run", {}).items() if k in ("concurrency", "tolerance")
    }
    return made


def _problem(asked: _Asked, settings: Configuration, store: Store) -> Problem:
    """Build the problem; on other data than a run's own it keeps the run's prompt layout."""
    from llmopt.problems.prompt.layout import own_layout

    if settings.problem.program:
        return settings.built_program()
    problem = settings.built_prompts()
    elsewhere = asked.runs and not asked.config and asked.data
    if not elsewhere or settings.problem.model_fields_set.intersection(_LAYOUT):
        return problem
    layout = store.config(asked.runs[0])["identity"].get("problem prompt")
    return (
        replace(problem, prompt=own_layout(layout, problem.items("train"))) if layout else problem
    )


def _texts(asked: _Asked, problem: Problem, store: Store) -> Iterator[str]:
    """Yield the instructions in their order."""
    from llmopt.integrations.exported import standing
    from llmopt.problems.program.program_problem import ProgramProblem

    if asked.texts and isinstance(problem, ProgramProblem):
        yield from program_texts(problem, asked.instructions, asked.files, asked.parts)
    elif asked.texts or not asked.runs:
        yield from problem.starts
    for number, run in enumerate(asked.runs):
        found = standing(store, run)
        if not (asked.texts or number):  # a comparison needs something to compare with
            yield found.start.text
        for rank in range(1, asked.top + 1):
            yield found.at(rank).text


def _cautions(runs: Sequence[str], items: Sequence[Item], store: Store) -> Iterator[str]:
    """Say how many of the items a run has searched or chosen on."""
    from llmopt.config.reading import settings
    from llmopt.errors import InputError

    for run in dict.fromkeys(runs):
        source = store.config(run)["source"]
        try:
            problem = settings(source, run, Path("/")).built_problem() if source else None
        except InputError:  # its data are gone, or have changed
            problem = None
        if problem is None:
            yield f"Whether {run} was searched on some of these items is not known."
            continue
        known = {item.input for item in (*problem.items("train"), *problem.items("validation"))}
        seen = sum(item.input in known for item in items)
        if seen:
            yield (
                f"{run} was searched or chosen on {seen} of these {len(items)} items, so what it "
                "found is flattered on them."
            )


def _words(context: click.Context, but: str = "") -> tuple[str, ...]:
    """Return the words of this command, without where it is stored and how it is printed.

    Args:
        context: Of the command.
        but: One more option to leave out, by the name of its parameter.
    """
    words = ["evaluate"]
    for option in context.command.params:
        name = option.name or ""
        if name not in context.params:  # such as -v, which changes nothing of what is done
            continue
        value = context.params[name]
        plain = context.get_parameter_source(name) is click.core.ParameterSource.DEFAULT
        if plain or name in ("store", "as_json", "quiet", but):
            continue
        for one in value if isinstance(value, tuple) else (value,):
            words += [max(option.opts, key=len), str(one)]
    return tuple(words)
