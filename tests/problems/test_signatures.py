"""Starting instructions that were written elsewhere: DSPy's, saved ones, our own exports."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from llmopt import PromptProblem
from llmopt.config.reading import settings
from llmopt.errors import ConfigError, DataError
from llmopt.problems.prompt.instructions import instruction_of, saved_instruction

if TYPE_CHECKING:
    from pathlib import Path

PAIRS = [(f"Question {n}", ["yes", "no"][n % 2]) for n in range(12)]


def state(text: str) -> dict[str, Any]:
    return {"demos": [], "signature": {"instructions": text, "fields": []}, "lm": None}


@dataclass
class Signature:
    """Has what a signature of DSPy has."""

    instructions: str


def test_a_signature_is_its_instruction() -> None:
    assert instruction_of(Signature("Do it.")) == "Do it."
    problem = PromptProblem.from_rows(PAIRS, instructions=[Signature("Do it."), "Do."])
    assert problem.starts == ("Do it.", "Do.")
    assert PromptProblem.from_rows(PAIRS, instructions=Signature("Do it.")).starts == ("Do it.",)


@pytest.mark.parametrize("source", [7, None, object(), Signature(7)])  # type: ignore[arg-type]
def test_other_objects_are_no_instructions(source: object) -> None:
    with pytest.raises(ConfigError, match="a starting instruction is a text, a DSPy signature"):
        instruction_of(source)


@pytest.mark.parametrize(
    "data",
    [
        state("Do it."),
        {"predict": state("Do it."), "metadata": {"dependency_versions": {}}},
        {"schema": 1, "instruction": "Do it.", "run": "a"},
    ],
    ids=["predict", "module", "export"],
)
def test_a_saved_instruction_is_read(tmp_path: Path, data: dict[str, Any]) -> None:
    path = tmp_path / "saved.json"
    path.write_text(json.dumps(data), encoding="utf-8")
    assert saved_instruction(path) == "Do it."
    (tmp_path / "data.csv").write_text(
        "input,target\n" + "".join(f"{q},{a}\n" for q, a in PAIRS), encoding="utf-8"
    )
    made = {
        "problem": {"data": "data.csv", "instructions_from": ["saved.json"]},
        "scorer": {"model": "local/smollm2-135m"},
    }
    assert settings(made, "here", tmp_path).built_prompts().starts == ("Do it.",)


@pytest.mark.parametrize(
    ("text", "error", "said"),
    [
        ("{", DataError, "a saved instruction is a JSON file"),
        ("[]", DataError, "which has none"),
        ('{"signature": {"instructions": 7}}', DataError, "which has none"),
        (json.dumps({"a": state("A"), "b": state("B")}), ConfigError, "has 'a', 'b'; give"),
    ],
)
def test_other_files_are_refused(
    tmp_path: Path, text: str, error: type[Exception], said: str
) -> None:
    path = tmp_path / "saved.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(error, match=said):
        saved_instruction(path)
    with pytest.raises(DataError, match="No such file"):
        saved_instruction(tmp_path / "none.json")


def test_dspy(tmp_path: Path) -> None:
    """Signatures, modules with one predictor, and what they save."""
    dspy = pytest.importorskip("dspy", reason="needs dspy: make test-extras")
    signature = dspy.Signature("question -> answer", "Do it.")
    assert instruction_of(signature) == "Do it."
    for module in (dspy.Predict(signature), dspy.ChainOfThought(signature)):
        assert instruction_of(module) == "Do it."
        module.save(str(tmp_path / "saved.json"))
        assert saved_instruction(tmp_path / "saved.json") == "Do it."
    with pytest.raises(ConfigError, match="comes from one predictor"):
        instruction_of(dspy.ReAct(signature, tools=[]))
