"""What ships as a configuration can be used, and the starter says what is true."""

from __future__ import annotations

import inspect
import json
import re
import shutil
import tomllib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from llmopt.algorithms import ALGORITHMS
from llmopt.api import optimize
from llmopt.config import AlgorithmTable, Settings, read
from llmopt.errors import ConfigError
from llmopt.recipes import FOLDER, recipe_or_file, recipes

if TYPE_CHECKING:
    from pathlib import Path

STARTER = FOLDER / "starter"
SCRIPTED = "scripted/llmopt.testing.scripted:answer"


def commented() -> list[tuple[str, str, str, bool]]:
    """Return table, key, value and "is an example" of every commented key of the starter."""
    found = []
    table = ""
    for line in (STARTER / "llmopt.toml").read_text("utf-8").splitlines():
        if header := re.match(r"(# )?\[(\w+)\]", line):
            table = header[2]
        elif key := re.match(r"# (\w+) = (.*)", line):
            found.append((table, key[1], key[2], "# example" in line))
    return found


def default(table: str, key: str) -> Any:
    """Return a key's default as plain data."""
    if table == "algorithm" and key not in AlgorithmTable.model_fields:
        return inspect.signature(ALGORITHMS["opro"]).parameters[key].default
    model: Any = Settings.model_fields[table].annotation
    if table == "optimizer":
        model = model.__args__[0]
    return model.model_fields[key].get_default(call_default_factory=True)


@pytest.mark.parametrize(("table", "key", "value", "example"), commented())
def test_a_commented_key_is_known_and_shows_its_default(
    table: str, key: str, value: str, example: bool, tmp_path: Path
) -> None:
    """Uncommented, the starter is still valid; what is no example changes nothing."""
    text = (STARTER / "llmopt.toml").read_text("utf-8")
    wanted = text.replace(f"# {key} = {value}", f"{key} = {value}")
    if table == "optimizer":
        wanted = wanted.replace("# [optimizer]", "[optimizer]")
    path = tmp_path / "llmopt.toml"
    path.write_text(wanted, encoding="utf-8")
    found = read(path)
    given = tomllib.loads(f"value = {value}")["value"]
    kept = json.loads(json.dumps(found.model_dump(mode="json")))[table]
    assert str(given).strip("[]'") in str(kept[key])
    if not example:
        assert given == default(table, key)


def test_every_key_is_in_the_starter() -> None:
    """What can be set is found there, a method's own options apart."""
    text = (STARTER / "llmopt.toml").read_text("utf-8")
    named = {*re.findall(r"^(?:# )?(\w+) = ", text, re.MULTILINE), "validation", "test"}
    for table in ("problem", "scorer", "run", "budget"):
        model: Any = Settings.model_fields[table].annotation
        assert set(model.model_fields) <= named


def test_the_starter_runs_as_it_is_written(tmp_path: Path) -> None:
    """Only the model is another one."""
    kit = shutil.copytree(STARTER, tmp_path / "kit")
    settings = read(kit / "llmopt.toml", [f"scorer.model={SCRIPTED}"])
    found = optimize(settings.built_problem(), **settings.options(), progress=False)
    assert found.steps == 3
    assert found.start.text == (kit / "prompt.txt").read_text("utf-8").strip()


@pytest.mark.parametrize("name", recipes())
def test_a_recipe_is_complete(name: str) -> None:
    """Its data, its texts and its method can be used."""
    settings = read(recipe_or_file(name))
    assert settings.built_problem().items("test")
    assert settings.options()["algorithm"]


def test_the_demo_uses_what_ships() -> None:
    """The local model in both roles, and every review."""
    settings = read(recipe_or_file("demo"))
    assert settings.optimizer is None
    assert settings.scorer.model == "local/smollm2-135m"
    problem = replace(settings.built_problem(), scorer=None)
    splits = [problem.items(name) for name in ("train", "validation", "test")]
    assert len({item.id for part in splits for item in part}) == 400


def test_a_file_wins_over_a_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "demo").write_text("", encoding="utf-8")
    assert recipe_or_file("demo") == FOLDER / "demo.toml"
    monkeypatch.chdir(tmp_path)
    assert recipe_or_file("demo").resolve() == tmp_path.resolve() / "demo"


def test_an_unknown_recipe_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean 'demo'"):
        recipe_or_file("dmeo")
