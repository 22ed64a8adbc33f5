"""A configuration for data that were looked at: every value is said why, and all can be changed."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from llmopt.core.toml_text import toml_value
from llmopt.problems.metrics.rules import METRICS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from llmopt.problems.data.survey import DataSurvey

LOCAL = "local/smollm2-135m"
"""The model of a draft where nobody names one: it runs in this process, without a key."""

_STEPS, _SAMPLES = 5, 8
_MANY = 400  # rows; of more, counts of rows are taken, so that a first run ends soon
_SHOWN = 6  # labels that a comment lists
_TESTED = 12  # evaluations of the test part: start, winner and controls, with room
_CHOSEN = 20  # evaluations of the validation part, likewise
_ROUND = 1000
_SHORT = 12  # tokens of a label


@dataclass(frozen=True)
class DraftModels:
    """Which models a draft names.

    Attributes:
        scorer: The scorer LLM; empty: the small one in this process.
        optimizer: The optimizer LLM; empty: the scorer LLM.
        base_url: Where the scorer LLM is reached; empty: where its name says.
    """

    scorer: str = ""
    optimizer: str = ""
    base_url: str = ""


def drafted(found: DataSurvey, data: str, models: DraftModels) -> dict[str, Any]:
    """Return a configuration as plain data.

    Args:
        found: What a look at the file has found.
        data: The path of the file as it is written.
        models: Which models it names.
    """
    scorer = models.scorer or LOCAL
    model: dict[str, Any] = {
        "model": scorer,
        **({"base_url": models.base_url} if models.base_url else {}),
    }
    if scorer.startswith("local/") and found.metric.closed_set:
        model["max_tokens"] = _SHORT  # a small model goes on and on
    asked = found.input if isinstance(found.input, str) else list(found.input)
    problem: dict[str, Any] = {"data": data}
    if found.encoding:
        problem["encoding"] = found.encoding
    problem["input"] = asked
    if found.target:
        problem["target"] = found.target
    problem["instructions"] = [_start(found)]
    if found.system:
        problem["position"] = "system"
    problem["metric"] = "judge" if found.written_long else found.metric.name
    problem["sizes"] = _sizes(found.rows)
    made: dict[str, Any] = {"problem": problem, "scorer": model}
    if models.optimizer:
        made["optimizer"] = {"model": models.optimizer}
    if found.written_long:
        made["judge"] = made.get("optimizer") or {k: model[k] for k in model if k != "max_tokens"}
    made["algorithm"] = {"name": "opro", "samples": _SAMPLES}
    made["run"] = {"steps": _STEPS}
    made["budget"] = {"calls": _calls(found.rows, judged=found.written_long)}
    return made


def commented(found: DataSurvey, made: Mapping[str, Any]) -> str:
    """Return a configuration that was made from a look at data as TOML with comments."""
    lines = [
        "# A run of llmopt, drafted from the data. Look at it, then: llmopt check, llmopt run.",
        "# Paths are relative to this file. All keys: docs/configuration.md, and llmopt init.",
        "",
        *_problem(found, made["problem"]),
        "",
    ]
    lines += ["[scorer]                        # the model that will use the instruction"]
    lines += _keys(made["scorer"])
    if made["scorer"]["model"].startswith("local/"):
        lines += [
            '# model = "openai/<model>"      # example; base_url = "http://…/v1" for a server'
        ]
    lines.append("")
    head = "[optimizer]                     # the model that writes instructions"
    if "optimizer" in made:
        lines += [head, *_keys(made["optimizer"])]
    else:
        lines += [f"# {head}; default: the scorer", '# model = "openai/<model>"']
    if "judge" in made:
        lines += ["", "[judge]                         # the model that rates the answers, 1 to 5"]
        lines += _keys(made["judge"])
    for table, about in (
        ("algorithm", "llmopt algorithms lists them"),
        ("run", "how long to search"),
        ("budget", "hard limits; usd = 5.00 is one, too"),
    ):
        lines += ["", f"[{table}]".ljust(32) + f"# {about}", *_keys(made[table])]
    return "\n".join(lines) + "\n"


def _problem(found: DataSurvey, table: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines of the table [problem], with what the look has found."""
    asked = ", ".join([found.input] if isinstance(found.input, str) else found.input)
    others = [c for c in found.columns if c not in (*asked.split(", "), found.target)]
    notes = {
        "data": f"{found.rows} rows" + (f", an export of {found.shape}" if found.shape else ""),
        "encoding": "the file is not UTF-8",
        "input": f"the other columns: {_listed(others)}" if others else "",
        "target": _answers(found),
        "instructions": "where the search starts; write yours",
        "position": "the system message of the chats is what is searched for",
        "metric": _why(found),
        "sizes": "train, validation, test: shares or numbers of rows",
    }
    yield "[problem]"
    for key, value in table.items():
        yield _line(key, value, notes[key])
        if key == "target" or (key == "input" and not found.target):
            yield '# task = "…"                    # what is decided, in a sentence: worth writing'
            if found.group:
                note = "if its rows are not independent: they stay in one part"
                yield f"# {_line('group', found.group, note)}"


def _answers(found: DataSurvey) -> str:
    counts = found.answers.most_common()
    if found.metric.labels or len(counts) <= _SHOWN:
        shown = ", ".join(f"{text} ({count})" for text, count in counts[:_SHOWN])
        return shown + (f", {len(counts) - _SHOWN} more" if len(counts) > _SHOWN else "")
    return f"{len(counts)} different answers"


def _why(found: DataSurvey) -> str:
    if found.written_long:
        return "the answers are long texts, so a model judges them"
    return METRICS[found.metric.name].help


def _start(found: DataSurvey) -> str:
    """Return a plain instruction to start from."""
    if found.system:
        return found.system
    labels = found.metric.labels
    if labels:
        return f"Answer with one of: {', '.join(labels)}."
    if found.metric.name == "boolean":
        return f"Answer with {' or '.join(sorted(found.answers))}."
    if found.metric.name == "number":
        return "Solve the problem, and end with the answer as a number."
    return "Answer." if found.written_long else "Answer as briefly as possible."


def _sizes(rows: int) -> list[float | int]:
    """Return the sizes of the parts: shares, or of many rows so many that a first run ends soon."""
    return [0.3, 0.2, 0.5] if rows <= _MANY else [120, 80, 200]


def _calls(rows: int, *, judged: bool) -> int:
    """Return a budget that is enough for the draft, with its control search, but not endless."""
    train, validation, test = (
        size if isinstance(size, int) else math.ceil(size * rows) for size in _sizes(rows)
    )
    proposals = _STEPS * _SAMPLES
    most = 2 * (proposals + 1) * (train + 1) + _CHOSEN * validation + _TESTED * test
    return math.ceil((1 + judged) * most / _ROUND) * _ROUND


def _keys(table: Mapping[str, Any]) -> list[str]:
    return [f"{key} = {toml_value(value)}" for key, value in table.items()]


def _line(key: str, value: Any, note: str) -> str:
    line = f"{key} = {toml_value(value)}"
    said = re.sub(r"\s+", " ", note)[:160]
    return f"{line:<31} # {said}" if said else line


def _listed(names: list[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (" …" if len(names) > _SHOWN else "")


def relative(data: Path, folder: Path) -> str:
    """Return the path of a data file as a configuration in a folder names it."""
    full, base = data.expanduser().resolve(), folder.expanduser().resolve()
    if full.is_relative_to(base):
        return full.relative_to(base).as_posix()
    if full.is_relative_to(base.parent):
        return f"../{full.relative_to(base.parent).as_posix()}"
    return full.as_posix()
