"""TOML -> settings. An unknown key is an error that names the nearest known one.

Paths in a configuration are relative to the file that holds it, and those given on the command
line to the working directory.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from llmopt.config.settings import Configuration
from llmopt.config.tables import JudgeTable, PartTable, Table, algorithm_table, why
from llmopt.errors import ConfigError, nearest
from llmopt.models.secrets import looks_secret

if TYPE_CHECKING:
    from collections.abc import Sequence


S = TypeVar("S", bound=BaseModel)


def read(path: Path, overrides: Sequence[str] = ()) -> Configuration:
    """Read a configuration file.

    Args:
        path: A TOML file.
        overrides: ``table.key=value``; the value is TOML, or a text where it is not. Paths in
            them are relative to the working directory.

    Raises:
        ConfigError: The file, a key or a value cannot be used; the message says where.
    """
    return settings(tables(path), str(path), path.parent, overrides)


def tables(path: Path) -> dict[str, Any]:
    """Read a TOML file as plain data.

    Raises:
        ConfigError: The file cannot be read, or is not TOML.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"a configuration is a readable UTF-8 file, but got {path}: {why(error)}"
        ) from error
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not TOML: {error}") from error


def settings(
    data: dict[str, Any], where: str, folder: Path, overrides: Sequence[str] = ()
) -> Configuration:
    """Validate plain data as a configuration; relative paths start at `folder`.

    Raises:
        ConfigError: Every key and value that breaks a rule, one per line.
    """
    made = absolute(data, folder)
    for override in overrides:
        put(made, override)
    checked = _validated(Configuration, made, where)
    if checked.scorer is None and not checked.problem.program and checked.problem.scored_by_model:
        raise ConfigError(
            f"{where}: the table 'scorer' is missing; its model follows the instructions"
        )
    return checked


def judge_table(
    data: dict[str, Any], where: str, folder: Path, overrides: Sequence[str] = ()
) -> JudgeTable:
    """Validate the table ``[judge]`` alone; other tables of the data are not looked at.

    Raises:
        ConfigError: Every key and value that breaks a rule, one per line.
    """
    made = absolute({"judge": data.get("judge", {})}, folder)
    for override in overrides:
        put(made, override)
    if len(made) > 1:
        raise ConfigError(
            "a judge's option is one of the table judge, such as judge.mode=pairwise, but got "
            f"one of {', '.join(sorted(made.keys() - {'judge'}))}; leave it out"
        )
    return _validated(_JudgeAlone, made, where).judge


class _JudgeAlone(Table):
    judge: JudgeTable


def _validated(model: type[S], data: dict[str, Any], where: str) -> S:
    """Return the data as checked tables."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        details = [dict(detail) for detail in error.errors(include_url=False)]
        lines = [_complaint(detail) for detail in details if not _is_of_another_kind(detail)]
        raise ConfigError("\n".join(f"{where}: {line}" for line in lines)) from error


_PATHS = {
    "problem": (
        "data",
        "data_dir",
        "train",
        "validation",
        "test",
        "prompt_from",
        "instructions_from",
    ),
    "algorithm": ("template_from", "patterns_from"),
    "judge": ("rubric_from",),
    "code": ("program", "tests"),
}


_FILE = "file"  # the argument of the package's own problems that is a path


def absolute(data: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return a copy of a configuration's data with its paths made absolute, from `folder` on."""
    made = {**data}
    if "algorithm" in made:
        made["algorithm"] = algorithm_table(made["algorithm"])
    for table, values in data.items():
        if isinstance(values, dict):
            made[table] = {key: _full(table, key, value, folder) for key, value in values.items()}
    problem = made.get("problem")
    if isinstance(problem, dict) and isinstance(problem.get("arguments"), dict):
        given = {**problem["arguments"]}
        if _is_own(problem) and isinstance(given.get(_FILE), str) and given[_FILE]:
            given[_FILE] = _resolved(given[_FILE], folder)
        made["problem"] = {**problem, "arguments": given}
    if isinstance(problem, dict) and isinstance(problem.get("parts"), dict):
        parts = {name: _part(value, folder) for name, value in problem["parts"].items()}
        made["problem"] = {**made["problem"], "parts": parts}
    if isinstance(problem, dict) and isinstance(problem.get("code"), dict):
        code = {key: _full("code", key, value, folder) for key, value in problem["code"].items()}
        made["problem"] = {**made["problem"], "code": code}
    return made


def _part(value: Any, folder: Path) -> Any:
    """Return the table of a part with the path of its text made absolute."""
    if isinstance(value, dict) and isinstance(value.get("text_from"), str):
        return {**value, "text_from": _resolved(value["text_from"], folder)}
    return value


def _is_own(problem: dict[str, Any]) -> bool:
    """Return whether a problem is a function of the package; what others take is not known."""
    return str(problem.get("function", "")).startswith("llmopt.")


def _full(table: str, key: str, value: Any, folder: Path) -> Any:
    """Return a value, with paths in it made absolute."""
    if isinstance(value, list):
        return [_full(table, key, v, folder) for v in value]
    if not isinstance(value, str):
        return value
    if key == "model" and value.startswith("replay/"):
        return "replay/" + _resolved(value.removeprefix("replay/"), folder)
    if key == "model" and value.startswith("local/hf:"):
        return value  # a place on the hub
    if key == "model" and value.startswith("local/") and value.endswith(".gguf"):
        return "local/" + _resolved(value.removeprefix("local/"), folder)
    return _resolved(value, folder) if key in _PATHS.get(table, ()) else value


def _resolved(path: str, folder: Path) -> str:
    return str((folder / Path(path).expanduser()).resolve())


_MODELS = ("optimizer", "scorer", "judge")
_UNIONS = ("str", "PartTable")  # what pydantic says of the kinds that a part may have
_METHOD, _KINDS = ["algorithm", "name"], ("str", "list[str]")  # one name, or those of several
_NEAR_KEYS = ("base_url", "key_variable", "price", "headers", "extra")
_WORD = 20  # characters of a text that is no key


def _is_of_another_kind(detail: dict[str, Any]) -> bool:
    """Return whether a rule is of a single method, and broken by a list of several."""
    return detail["loc"] == (*_METHOD, "str") and isinstance(detail["input"], list | tuple)


def _complaint(detail: dict[str, Any]) -> str:
    """Return one line about one broken rule, with the nearest known key for an unknown one."""
    path = [str(part) for part in detail["loc"]]
    if path[:2] == _METHOD:
        path = [part for part in path if part not in _KINDS]
    key = ".".join(path)
    if detail["type"] == "extra_forbidden":
        known = _keys([part for part in path[:-1] if part not in _UNIONS])
        return f"the key {key!r} is not known{nearest(path[-1], known)}; known: {', '.join(known)}"
    if detail["type"] == "missing":
        what = "table" if len(path) == 1 else "key"
        return f"the {what} {key!r} is missing"
    rule = detail["msg"].removeprefix("Input should be ").partition(", unable to")[0]
    if detail["type"] in ("model_type", "model_attributes_type"):
        rule = "a table"
    elif detail["type"] == "tuple_type":  # as a TOML file has it
        rule = "a valid list"
    return f"the key {key!r} is {rule}, but got {_repeated(path, detail['input'])}"


def _repeated(path: list[str], value: Any) -> str:
    """Return a value for a message; what may be a key in a wrong place is not repeated."""
    texts = _texts(value)
    secret = any(map(looks_secret, texts))
    if path[0] in _MODELS and len(path) > 1:  # where keys are written, they are mistaken
        secret = secret or (path[1] in _NEAR_KEYS and bool(texts))
        secret = secret or any(len(text) > _WORD for text in texts)
    return "another value, which is not repeated" if secret else repr(value)


def _texts(value: Any) -> list[str]:
    """Return all texts in a value."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [value] if isinstance(value, str) else [text for one in inner for text in _texts(one)]


def _keys(path: list[str]) -> list[str]:
    """Return the known keys of a table of the configuration."""
    model: Any = Configuration
    for part in path:
        if model is PartTable:  # its name, which is no key
            continue
        annotation = model.model_fields[part].annotation
        # A table that may be left out is annotated as "table or None".
        model = next((a for a in get_args(annotation) if a is not type(None)), annotation)
        model = PartTable if part == "parts" else model
    return sorted(model.model_fields)


def put(data: dict[str, Any], override: str) -> None:
    """Put the value of ``table.key=value`` into a configuration's data.

    Raises:
        ConfigError: It is written otherwise, or a table of it is a value.
    """
    path, equals, value = override.partition("=")
    if equals and path.strip() == "algorithm":  # a name or several, which need no table
        data["algorithm"] = {"name": _value(value)}
        return
    *tables, last = path.strip().split(".")
    if not (equals and tables and all(tables) and last):
        raise ConfigError(
            f"an option is table.key=value, such as run.steps=5, but got {override!r}"
        )
    table = data
    for part in tables:
        table = table.setdefault(part, {})
        if not isinstance(table, dict):
            raise ConfigError(f"{part!r} in the option {override!r} is a table, but it is a value")
    kind = "code" if tables[:2] == ["problem", "code"] else tables[0]
    table[last] = _full(kind, last, _value(value), Path.cwd())
    if path.strip() == f"problem.arguments.{_FILE}" and _is_own(data["problem"]) and value:
        table[last] = _resolved(str(table[last]), Path.cwd())


def _value(text: str) -> Any:
    """Return a value as TOML reads it, or the text itself where it is no TOML."""
    try:
        found = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text
    return found["value"] if len(found) == 1 else text
