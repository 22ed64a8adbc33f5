"""How to reproduce a run: its configuration as TOML, and the command lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llmopt.core.toml_text import toml_document

if TYPE_CHECKING:
    from collections.abc import Mapping


def again(record: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return what to say and what to type, in order."""
    name = record["run"]
    if record["kind"] != "run":
        lines = [{"say": "A cell of the sweep, looked at closer:", "label": "Command"}]
        return [
            line | {"code": "llmopt show CELL\nllmopt report CELL -o cell.html"} for line in lines
        ]
    if not record["config"]:
        return [
            {
                "say": "The run was started from Python. Called again with the same problem, "
                "models and name, it continues from what is stored and pays for nothing twice:",
                "code": f'llmopt.optimize(problem, algorithm="{record["algorithm"] or "opro"}", '
                f'name="{name}")',
                "label": "Python",
            },
            _look(name),
        ]
    return [
        {
            "say": "This is the whole configuration; saved as run.toml, it gives the same run. "
            "Paths are those of the machine that ran it.",
            "code": toml_document(record["config"]),
            "label": "Configuration",
        },
        {
            "say": "The same search with new replies from the models, all of them recorded:",
            "code": "llmopt run run.toml --name again --record replies.jsonl",
            "label": "Command that records",
        },
        {
            "say": "From that recording, to the last digit and without any model:",
            "code": "llmopt run run.toml --name replayed " + _replaying(record["config"]),
            "label": "Command that replays",
        },
        _look(name),
    ]


def _look(name: str) -> dict[str, str]:
    return {
        "say": "On the machine that ran it:",
        "code": f"llmopt show {name}\nllmopt show {name} --step 1\nllmopt export {name}",
        "label": "Commands that show it",
    }


def _replaying(config: Mapping[str, Any]) -> str:
    """Return the options that put a recording in the place of every model."""
    roles = [role for role in ("scorer", "optimizer", "judge") if role in config]
    return " ".join(f"-o {role}.model=replay/replies.jsonl" for role in roles)
