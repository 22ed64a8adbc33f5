"""A method is named by its own name or by where it stands; what cannot be made is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import llmopt
from llmopt.algorithms import ALGORITHMS, algorithm_named
from llmopt.algorithms.opro import opro
from llmopt.errors import ConfigError

METHODS = """
from llmopt.algorithms.opro import opro

def needs(shown, samples=2):
    return opro(shown=shown, samples=samples)

def placed(shown, /):
    return opro(shown=shown)
"""


@pytest.fixture(autouse=True)
def own_methods(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_methods.py").write_text(METHODS, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))


def test_what_a_function_needs_can_be_given_as_options() -> None:
    made = algorithm_named("own_methods:needs", {"shown": 7})
    assert made == opro(shown=7, samples=2)


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("own_methods:needs", {}, "missing a required argument: 'shown'"),
        ("own_methods:needs", {"samples": 3}, "missing a required argument: 'shown'"),
        ("own_methods:placed", {"shown": 3}, "'shown'"),
        ("own_methods:needs", {"shwon": 3}, "did you mean 'shown'"),
        ("builtins:type", {}, "own_methods|type"),
        ("builtins:dict", {}, "dict"),
    ],
)
def test_a_function_that_cannot_be_called_so_is_refused(
    name: str, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        algorithm_named(name, options)


@pytest.mark.parametrize("name", sorted(ALGORITHMS))
def test_every_method_is_a_public_name(name: str) -> None:
    assert getattr(llmopt, name.replace("-", "_")) is ALGORITHMS[name]
    assert name.replace("-", "_") in llmopt.__all__


def test_every_method_is_a_short_file() -> None:
    """Under 120 lines, docstrings included: what is longer is a part."""
    folder = Path(llmopt.__file__).with_name("algorithms")
    for path in folder.glob("*.py"):
        if path.name != "__init__.py":
            assert len(path.read_text(encoding="utf-8").splitlines()) < 120, path.name
