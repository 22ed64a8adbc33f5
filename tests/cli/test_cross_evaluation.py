"""``llmopt evaluate --cross``: each winner on each model, and whether it matters."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Shell

TASTES = """
from llmopt.core.values import digest


def optimizer(call):
    n = int(digest(f"{call.text}{call.sample}")[:8], 16)
    return f"<INS>Answer {('short', 'long')[n % 2]} {n % 97}.</INS>"


def answer(call, taste):
    number = int("".join(c for c in call.text.split("Question number")[-1] if c.isdigit()))
    good = int(digest(call.text)[:8], 16) % 10 < (10 if taste in call.text else 4)
    return "yes" if good == bool(number % 2) else "no"


def short(call):
    return answer(call, "short")


def long(call):
    return answer(call, "long")
"""


@pytest.fixture
def searched(shell: Shell) -> Shell:
    """Runs a and b with scorers of opposite tastes, and c with other data."""
    shell.write("cross_tastes.py", TASTES)
    models = (
        'model = "scripted/cross_tastes:short"\n\n[optimizer]\n'
        'model = "scripted/cross_tastes:optimizer"'
    )
    shell.configure(
        ("[algorithm]\nsamples = 4", '[algorithm]\nname = "mapo"\nrewrites = 8\nfamily = "chat"'),
        ('model = "scripted/llmopt.testing.scripted:answer"', models),
    )
    shell.llmopt("run", "run.toml", "-q", "--name", "a")
    other = "scorer.model=scripted/cross_tastes:long"
    shell.llmopt("run", "run.toml", "-q", "--name", "b", "-o", other)
    return shell


def test_winners_are_measured_on_all_models_and_compared(searched: Shell) -> None:
    words = ("evaluate", "--cross", "--run", "a", "--run", "b", "-q")
    said = searched.llmopt(*words)
    assert said.code == 0
    assert "The best instruction depends on the model" in said.out
    found = searched.llmopt(*words, "--json").data
    means = [[cell["score"]["mean"] for cell in row] for row in found["cells"]]
    assert means[0][0] > means[0][1]
    assert means[1][1] > means[1][0]
    assert found["scorers"] == ["scripted/cross_tastes:short", "scripted/cross_tastes:long"]
    assert found["own"]["n"] == 20


def test_what_has_no_place_in_the_table_is_refused(searched: Shell) -> None:
    searched.llmopt("run", "run.toml", "-q", "--name", "c", "-o", "problem.split_seed=7")
    for words, said in (
        (("--run", "a"), "2 different runs or more"),
        (("--run", "a", "--run", "a"), "2 different runs or more"),
        (("--run", "a", "--run", "b", "--instruction", "Go."), "leave them out"),
        (("--run", "a", "--run", "b", "--top", "2"), "leave them out"),
        (("--run", "a", "--run", "c"), "the same items on every model"),
    ):
        found = searched.llmopt("evaluate", "--cross", *words)
        assert found.code == 2
        assert said in found.err
