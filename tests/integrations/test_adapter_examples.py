"""The examples of docs/adapters.md run, with scripted models in place of the named ones."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import test_dspy_module as of_dspy
import test_inspect_task as of_inspect

from llmopt.models.providers.scripted import ScriptedModel
from llmopt.testing import scripted

for library in ("dspy", "inspect_ai"):
    pytest.importorskip(library, reason=f"needs {library}: make test-extras")

PAGE = Path(__file__).parents[2] / "docs" / "adapters.md"
ANSWERS = {"dspy": of_dspy.labelled, "inspect": of_inspect.answer}
pytestmark = pytest.mark.filterwarnings("ignore")  # of those libraries


@pytest.mark.parametrize("library", ANSWERS)
def test_the_example_of_the_page_runs(
    library: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    page = PAGE.read_text(encoding="utf-8")
    found = re.search(rf"<!-- needs: {library} -->\n```python\n(.*?)```", page, re.DOTALL)
    assert found
    text = (
        found[1].replace('"local/smollm2-135m"', "model").replace('"openai/gpt-5-mini"', "writer")
    )
    known = {
        "model": ScriptedModel(ANSWERS[library], identity="scripted/model"),
        "writer": ScriptedModel(scripted.answer, identity="scripted/writer"),
    }
    exec(compile(text, str(PAGE), "exec"), known)
    assert known["better"]
