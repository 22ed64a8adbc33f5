"""In a notebook the view is an output that is written anew, and stays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

nbformat: Any = pytest.importorskip(
    "nbformat", reason="needs nbclient and ipykernel: make test-extras"
)
nbclient: Any = pytest.importorskip(
    "nbclient", reason="needs nbclient and ipykernel: make test-extras"
)
pytest.importorskip("ipykernel", reason="needs nbclient and ipykernel: make test-extras")

PREPARE = """
from dataclasses import replace
import llmopt
from llmopt.models.providers.scripted import ScriptedModel
from llmopt.testing import scripted

def answer(call):
    said = scripted.answer(call)
    return said.replace("Answer ", "Answer <img src=x onerror=alert(1)> [red]loud[/red] ")

model = ScriptedModel(answer, identity="scripted/hostile", latency=0.02)
problem = replace(scripted.problem(), scorer=model)
options = {"optimizer": model, "steps": 1, "controls": ()}
"""
RUN = 'found = llmopt.optimize(problem, name="waited", **options); print("the end")'
AWAIT = 'found = await llmopt.optimize_async(problem, name="awaited", **options); print("the end")'


@pytest.fixture
def _a_kernel_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv("LLMOPT_HOME", str(tmp_path / "home"))
    for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name))


@pytest.mark.filterwarnings("ignore")  # what these libraries warn of is not ours
@pytest.mark.usefixtures("_a_kernel_of_its_own")
@pytest.mark.parametrize(("code", "name"), [(RUN, "waited"), (AWAIT, "awaited")])
def test_a_notebook_shows_one_output_that_stays(code: str, name: str) -> None:
    cells = [nbformat.v4.new_code_cell(text) for text in (PREPARE, code)]
    notebook = nbformat.v4.new_notebook(cells=cells)
    nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    view, end = notebook.cells[1].outputs
    assert view.output_type == "display_data"
    html, plain = view.data["text/html"], view.data["text/plain"]
    assert f"✓ {name}  done" in plain
    assert "spent   " in plain
    assert "Answer &lt;img src=x onerror=alert(1)&gt; [red]loud[/red] " in html
    assert "<img" not in html
    assert end.text == "the end\n"
