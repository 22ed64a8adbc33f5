"""``llmopt compare``: runs beside each other, for people and for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Shell


@pytest.fixture
def two(shell: Shell) -> Shell:
    """Two runs that differ in their seed and in how long they searched."""
    shell.llmopt("run", "run.toml", "--name", "one", "-q")
    shell.llmopt("run", "run.toml", "--name", "two", "-q", "-o", "run.seed=3", "-o", "run.steps=4")
    return shell


def test_two_runs_are_put_beside_each_other(two: Shell) -> None:
    said = two.llmopt("compare", "one", "two")
    assert said.code == 0
    assert said.err == ""
    lines = said.out.splitlines()
    assert lines[0] == "[1] one"
    assert lines[1].startswith("    opro, optimizer scripted/")
    assert any(line.startswith("vs [1]  points  95 % interval") for line in lines)
    assert any(line.startswith("The winner of [2] is ") for line in lines)
    assert "Warning: They did not search equally long" in said.out
    assert "Items on which the winners differ (" in said.out
    assert "From the text of [1] to that of [2]:\nAnswer" in said.out
    assert "[-" in said.out
    assert "{+" in said.out


def test_the_document_has_everything(two: Shell) -> None:
    found = two.llmopt("compare", "one", "two", "--json").data
    assert [run["run"] for run in found["runs"]] == ["one", "two"]
    second = found["runs"][1]
    assert second["difference"]["n"] == second["common"] == 20
    assert second["word"] in ("better", "worse", "not distinguishable")
    assert {change["kind"] for change in second["wording"]} <= {"same", "in", "out"}
    assert len(found["changed"]) == second["difference"]["wins"] + second["difference"]["losses"]
    assert found["verdict"]
    assert found["warnings"]


def test_a_page_is_one_file_that_asks_nobody(two: Shell) -> None:
    said = two.llmopt("compare", "one", "two", "-o", "page.html")
    assert (said.code, said.out.startswith("page.html (")) == (0, True)
    page = (two.folder / "page.html").read_text("utf-8")
    assert "connect-src" not in page
    assert 'href="/' not in page
    assert "EventSource" not in page
    assert "Paired test" in page
    refused = two.llmopt("compare", "one", "two", "-o", "missing/page.html")
    assert (refused.code, "name another one with -o" in refused.err) == (2, True)


def test_nothing_is_asked_and_nothing_is_written(two: Shell) -> None:
    before = two.llmopt("runs", "--json").data
    two.llmopt("compare", "one", "two")
    assert two.llmopt("runs", "--json").data == before


def test_what_cannot_be_compared_is_bad_input(two: Shell) -> None:
    for names, why in (
        ((), "two or more different runs, but got none"),
        (("one",), "two or more different runs, but got one"),
        (("one", "twp"), "did you mean 'two'"),
    ):
        said = two.llmopt("compare", *names)
        assert said.code == 2, names
        assert why in said.err
        assert said.out == ""


def test_texts_of_models_are_shown_as_text(shell: Shell) -> None:
    """Neither markup nor control characters of a text reach the terminal."""
    for name, text in (("one", "Be [red]loud[/red]."), ("two", "Be \\u001b[31mloud\\u001b[0m.")):
        shell.configure(
            ('instructions = ["Answer.", "Answer now."]', f'instructions = ["{text}"]'),
            ("steps = 2", "steps = 0"),
        )
        made = shell.llmopt("run", "run.toml", "--name", name, "-q")
        assert made.code == 0, made.err
    said = shell.llmopt("compare", "one", "two")
    assert "\x1b" not in said.out
    assert "\\u001b" in said.out
    assert "red]loud" in said.out
