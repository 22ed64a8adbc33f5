"""A metric of the user's own, in one file, works wherever one that ships does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Shell

OWN = '''
from dataclasses import dataclass

from llmopt.problems.metrics.contract import Assertion, Rule


@dataclass(frozen=True)
class Initial(Rule):
    """The output begins with the target's first letter."""

    name = "initial"
    help = "the output begins with the target's first letter"
    task = "Give a word with the right beginning."
    form = "its first letter"
    tokens = 99
    targets = "a word"

    def extract(self, output, item):
        return output.strip().lower()[:1] or None

    def same(self, answer, item):
        return answer == item.target.lower()[:1]

    def possible(self, item):
        return item.target.isalpha()


@dataclass(frozen=True)
class Exported(Initial):
    def promptfoo(self):
        return Assertion("javascript", "return plain(output)[0] === plain(target)[0];")


METRIC, EXPORTED = Initial(), Exported()


def function(output, item):
    return METRIC(output, item).score
'''
SET = 'task = "Answer with yes or no."'


@pytest.fixture
def own(shell: Shell) -> Shell:
    """A run with the user's metric, which lies beside its configuration."""
    shell.write("metric_of_tests.py", OWN)
    shell.configure((SET, 'metric = "metric_of_tests:METRIC"'))
    assert shell.llmopt("run", "run.toml", "-q").code == 0
    return shell


def test_check_tries_it_and_the_scorer_gets_its_tokens(own: Shell) -> None:
    said = own.llmopt("check", "run.toml", "--offline")
    assert said.code == 0
    assert "metric_of_tests:METRIC; the expected answer itself scores 1" in said.out
    call = own.llmopt("export", "run", "--json").data["example"]["call"]
    assert call["max_tokens"] == 99
    own.write("questions.csv", "input,target\n" + "Why?,7\n" * 2 + "Where?,no\n" * 38)
    refused = own.llmopt("check", "run.toml", "--offline")
    assert refused.code == 2
    assert "a target is a word for the metric initial, but row" in refused.err


def test_the_second_round_asks_for_its_form(own: Shell) -> None:
    own.llmopt("run", "run.toml", "-q", "--name", "twice", "-o", "scorer.again=true")
    again = own.llmopt("export", "twice", "--json").data["example"]["again"]
    assert "its first letter" in str(again)


def test_a_run_scores_as_with_a_function_of_the_same(own: Shell) -> None:
    changed = (
        "problem.metric=metric_of_tests:function",
        "problem.task=Give a word with the right beginning.",  # as the metric says itself
        "scorer.max_tokens=99",
    )
    words = [word for change in changed for word in ("-o", change)]
    assert own.llmopt("run", "run.toml", "-q", "--name", "function", *words).code == 0
    found = [own.llmopt("show", run, "--json").data["result"] for run in ("run", "function")]
    assert found[0]["test"] == found[1]["test"]


def test_evaluate_measures_with_it(own: Shell) -> None:
    said = own.llmopt("evaluate", "--run", "run", "-q", "--json")
    test = own.llmopt("show", "run", "--json").data["result"]["test"]
    assert said.data["rows"][-1]["score"]["mean"] == test["best"]["mean"]


def test_promptfoo_gets_its_assertion_or_a_sentence(own: Shell) -> None:
    refused = own.llmopt("export", "run", "--format", "promptfoo")
    assert refused.code == 2
    assert "known by name, but got Initial; export the items with" in refused.err
    words = ("-q", "--name", "other", "-o", "problem.metric=metric_of_tests:EXPORTED")
    own.llmopt("run", "run.toml", *words)
    said = own.llmopt("export", "other", "--format", "promptfoo")
    assert "return plain(output)[0] === plain(target)[0];" in said.out
