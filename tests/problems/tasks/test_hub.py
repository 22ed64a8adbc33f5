"""The hub's rows become the official files, once; against a double of the two libraries."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import dataclass, field
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from llmopt.errors import DataError, MissingExtraError
from llmopt.problems.tasks import hub, load_task

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

REVISION = "0123456789abcdef"

ROWS: dict[tuple[str, str | None, str], list[dict[str, Any]]] = {
    ("openai/gsm8k", "main", "train"): [{"question": "1 + 1?", "answer": "One more.\n#### 2"}],
    ("openai/gsm8k", "main", "test"): [{"question": "2 + 1?", "answer": "é\n#### 3"}],
    ("lukaemon/bbh", "navigate", "test"): [{"input": "Turn.\nBack?", "target": "Yes"}],
    ("cais/mmlu", "anatomy", "test"): [
        {"question": 'A "b",\nc?', "subject": "-", "choices": ["1", "2", "3", "4"], "answer": 2}
    ],
    ("ErnestSDavis/winograd_wsc", "wsc273", "test"): [
        {
            "text": "Ann & Bea left as she was ill.",
            "pronoun": "she",
            "pronoun_loc": 18,
            "options": ["Ann", "Bea"],
            "label": 1,
        }
    ],
    ("GEM/web_nlg", "en", "test"): [
        {"input": ["A_&_B | is | c"], "target": "-", "references": ["A & B is c.", "c."]}
    ],
    ("deepmind/aqua_rat", "raw", "test"): [
        {
            "question": "x?",
            "options": ["A)1", "B)2", "C)3", "D)4", "E)5"],
            "rationale": "-",
            "correct": "D",
        }
    ],
    ("ChilleD/MultiArith", None, "train+test"): [{"question": " Sum? ", "final_ans": "1,012"}],
}


@dataclass
class Hub:
    """What was asked of the hub."""

    asked: list[str] = field(default_factory=list)
    error: Exception | None = None

    def load_dataset(
        self, repo: str, subset: str | None, *, split: str, revision: str
    ) -> Iterator[dict[str, Any]]:
        assert revision == REVISION, "the revision that is recorded is the one that is read"
        self.asked.append(repo)
        if self.error:
            raise self.error
        return iter(ROWS[repo, subset, split])


@pytest.fixture
def double(monkeypatch: pytest.MonkeyPatch) -> Hub:
    made = Hub()
    datasets, huggingface_hub = ModuleType("datasets"), ModuleType("huggingface_hub")
    vars(datasets)["load_dataset"] = made.load_dataset
    vars(huggingface_hub)["HfApi"] = lambda: SimpleNamespace(
        dataset_info=lambda repo: SimpleNamespace(sha=REVISION if repo else None)
    )
    monkeypatch.setitem(sys.modules, "datasets", datasets)
    monkeypatch.setitem(sys.modules, "huggingface_hub", huggingface_hub)
    return made


@pytest.mark.parametrize(
    ("name", "question", "target"),
    [
        ("gsm8k", "2 + 1?", "3"),
        ("bbh/navigate", "Turn.\nBack?", "Yes"),
        ("mmlu/anatomy", 'A "b",\nc?\n(A) 1\n(B) 2', "(C)"),
        ("aqua", "x?\n(A)1\n(B)2", "(D)"),
        ("multiarith", "Sum?", "1012"),
        ("webnlg", "Say in fluent English what", "A & B is c."),
        ("wsc", 'Ann & Bea left as she was ill.\nWhom or what does "she" mean?', "(B)"),
    ],
)
def test_a_task_of_the_hub_reads_as_that_of_the_official_files(
    name: str, question: str, target: str, double: Hub
) -> None:
    task = load_task(name)
    assert task.test[0].input.startswith(question)
    assert task.test[0].target == target
    assert double.asked


def test_what_was_fetched_is_used_without_the_hub_and_its_revision_is_known(double: Hub) -> None:
    first = load_task("gsm8k")
    assert double.asked == ["openai/gsm8k"] * 2, "a file each"
    double.error = ConnectionError("no network")
    assert load_task("gsm8k") == first
    assert {origin.hub for origin in first.provenance} == {f"openai/gsm8k@{REVISION}"}


def test_a_hub_that_fails_is_an_error_that_names_the_way_around(double: Hub) -> None:
    double.error = ConnectionError("secret in the address")
    with pytest.raises(DataError, match=r"bbh/navigate\.json.*BIG-Bench-Hard") as caught:
        load_task("bbh/navigate")
    assert "ConnectionError" in str(caught.value)
    assert "secret" not in str(caught.value)
    assert not (hub.cache_folder() / "bbh" / "navigate.json").exists()


def test_a_data_folder_keeps_the_hub_out(double: Hub, folder: Path) -> None:
    with pytest.raises(DataError, match="there is no"):
        load_task("bbh/navigate", folder)
    assert not double.asked


@pytest.mark.skipif(
    importlib.util.find_spec("datasets") is not None, reason="needs to be without datasets"
)
def test_without_the_extra_the_message_says_how_to_install_it() -> None:
    with pytest.raises(MissingExtraError, match=r"llms-as-optimizers\[datasets\]"):
        load_task("aqua")
