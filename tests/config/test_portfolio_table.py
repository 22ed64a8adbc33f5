"""Several methods in a configuration: at the top, as a list of names, and from the command line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from llmopt.config.reading import settings
from llmopt.errors import ConfigError

if TYPE_CHECKING:
    from llmopt.core.algorithm import Algorithm

BASE: dict[str, Any] = {"problem": {"data": "rows.csv"}, "scorer": {"model": "openai/x"}}
NAMES = ["opro", "gepa"]


def built(table: Any, *overrides: str) -> Algorithm:
    data = BASE if table is None else {**BASE, "algorithm": table}
    return settings(data, "run.toml", Path(), overrides).algorithm.built()


@pytest.mark.parametrize(
    ("table", "overrides"),
    [
        (NAMES, []),
        ({"name": NAMES}, []),
        (None, ['algorithm=["opro", "gepa"]']),
        ({"name": "ape", "samples": 3}, ['algorithm=["opro", "gepa"]']),
        (None, ['algorithm.name=["opro", "gepa"]']),
    ],
)
def test_a_list_is_a_portfolio_wherever_it_stands(table: Any, overrides: list[str]) -> None:
    assert built(table, *overrides).options == {"methods": NAMES}


def test_one_name_needs_no_table() -> None:
    assert built("ape").name == "ape"
    assert built(None, "algorithm=ape").name == "ape"


def test_each_method_has_its_options_in_a_table_of_its_name() -> None:
    table = {"name": NAMES, "opro": {"samples": 4}, "chance": 0.2}
    expected = {"methods": NAMES, "options": [{"samples": 4}, {}], "chance": 0.2}
    assert built(table).options == expected
    assert built(NAMES, "algorithm.opro.samples=4", "algorithm.chance=0.2").options == expected


@pytest.mark.parametrize(
    ("table", "rule"),
    [
        ({"name": NAMES, "opro": 3}, "'algorithm.opro' is a table, but got 3"),
        ({"name": NAMES, "opro": {"samples": "x"}}, "'algorithm.opro.samples'"),
        ({"name": NAMES, "opro": {"nothing": 1}}, "but got 'nothing'"),
        ({"name": NAMES, "samples": 3}, "samples = 3"),
        ({"name": NAMES, "template_from": "x.md"}, "a template is of one method"),
        ({"name": []}, "two or more, but got 0"),
    ],
)
def test_what_cannot_be_is_refused(table: Any, rule: str) -> None:
    with pytest.raises(ConfigError, match=rule):
        built(table)
