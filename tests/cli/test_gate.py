"""``llmopt evaluate`` as a gate: conditions, exit code, JUnit XML, Markdown, the GitHub action."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from html import unescape
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree.ElementTree import fromstring, parse

import pytest
import yaml

if TYPE_CHECKING:
    from conftest import Said, Shell

MODEL = "scripted/llmopt.testing.scripted:answer"
GOOD, BAD = "Think carefully, step by step.", "Answer."  # 57.5 % and 17.5 % of the 40 rows
NASTY = (
    '<script>x</script> | @team #12 **b** `c` [a](http://h.example) www.h.example "</summary>" \x07'
)
ACTION = Path(__file__).parents[2] / "github-action"


def gate(shell: Shell, *words: str, texts: tuple[str, ...] = (GOOD, BAD)) -> Said:
    given = [word for text in texts for word in ("--instruction", text)]
    data = ("--data", "questions.csv", "--scorer", MODEL, "--part", "all", "-q")
    return shell.llmopt("evaluate", *given, *data, *words)


@pytest.mark.parametrize(
    ("texts", "conditions", "code"),
    [
        ((GOOD, BAD), ("--fail-if", "worse"), 4),
        ((BAD, GOOD), ("--fail-if", "worse"), 0),
        ((BAD, GOOD), ("--fail-if", "not-better"), 0),
        ((GOOD, "Think step by step."), ("--fail-if", "not-better"), 4),
        ((GOOD, BAD), ("--min", "0.1"), 0),
        ((GOOD, BAD), ("--min", "0.5"), 4),
        ((BAD, GOOD), ("--min", "0.5"), 0),
        ((BAD,), ("--min", "0.5"), 4),
        ((GOOD,), ("--min", "0.5"), 0),
        ((BAD, GOOD, BAD + " Now."), ("--min", "0.5"), 4),
    ],
)
def test_the_exit_code_says_whether_it_passes(
    shell: Shell, texts: tuple[str, ...], conditions: tuple[str, ...], code: int
) -> None:
    """The first of several is the one in use, and is not examined itself."""
    said = gate(shell, *conditions, texts=texts)
    assert said.code == code
    assert said.err.count("Gate failed: ") == (code == 4)


def test_what_failed_is_said_and_stands_in_the_document(shell: Shell) -> None:
    said = gate(shell, "--fail-if", "worse", "--min", "0.8", "--json")
    assert said.code == 4
    assert said.data["gate"]["passed"] is False
    assert [(c["instruction"], c["condition"]) for c in said.data["gate"]["checks"]] == [
        (2, "not worse than [1]"),
        (2, "at least 80.0 %"),
    ]
    assert "Gate failed: [2] must be not worse than [1], but was found to be worse (" in said.err
    assert "gate" not in gate(shell, "--json").data


@pytest.mark.parametrize(
    ("words", "texts", "says"),
    [
        (("--fail-if", "worse"), (GOOD,), "compares two instructions or more, but got one"),
        (("--fail-if", "worse"), (GOOD, GOOD), "compares two instructions or more, but got one"),
        (("--junit", "j.xml"), (GOOD, BAD), "--junit goes with a gate, but got none"),
        (("--summary", "no/s.md"), (GOOD, BAD), "but got 'no/s.md'; make its folder first"),
        (("--min", "80"), (GOOD, BAD), "80.0 is not in the range 0<=x<=1"),
        (("--fail-if", "slower"), (GOOD, BAD), "'slower' is not one of 'worse', 'not-better'"),
    ],
)
def test_what_cannot_be_examined_is_refused_before_any_call(
    shell: Shell, words: tuple[str, ...], texts: tuple[str, ...], says: str
) -> None:
    said = gate(shell, *words, texts=texts)
    assert said.code == 2
    assert says in said.err
    assert shell.runs() == []


def test_a_failed_gate_names_the_items_that_broke(shell: Shell) -> None:
    """Every item is a test case: a failure where it got worse, with both answers."""
    said = gate(shell, "--fail-if", "worse", "--junit", "j.xml", "--json")
    root = parse(shell.folder / "j.xml").getroot()
    conditions, items = root.findall("testsuite")
    assert (conditions.get("tests"), conditions.get("failures")) == ("1", "1")
    lost = said.data["rows"][1]["difference"]["losses"]
    assert (items.get("tests"), items.get("failures")) == ("40", str(lost))
    failure = items.findall("testcase/failure")[0]
    assert failure.text is not None
    lines = dict(line.split(": ", 1) for line in failure.text.splitlines()[1:])
    assert list(lines) == ["input", "expected", "answer of [1]", "answer of [2]"]
    assert lines["answer of [1]"] == lines["expected"] != lines["answer of [2]"]


def test_a_gate_that_passes_has_no_failure_in_its_report(shell: Shell) -> None:
    """Some items always get worse: these are skipped ones, with the same details."""
    gate(shell, "--fail-if", "worse", "--junit", "j.xml", texts=(BAD, GOOD))
    root = parse(shell.folder / "j.xml").getroot()
    assert root.findall(".//failure") == root.findall(".//error") == []
    assert len(root.findall(".//skipped")) == 3


def test_the_summary_has_the_table_and_the_broken_items(shell: Shell) -> None:
    gate(shell, "--fail-if", "worse", "--summary", "s.md")
    text = (shell.folder / "s.md").read_text(encoding="utf-8")
    assert text.startswith("### Gate: failed\n\n- **failed**: [2] must be not worse than ")
    assert "| **[1]** | 57.5 % | 42.2 to 71.5 | 40/40 |" in text
    assert "-40.0 (worse)" in text
    assert "<details><summary>19 items worse with [2] than with [1]</summary>" in text
    assert text.count("\n| <code>") == 19


def test_a_summary_needs_no_gate(shell: Shell) -> None:
    assert gate(shell, "--summary", "s.md").code == 0
    assert (shell.folder / "s.md").read_text(encoding="utf-8").startswith("### Evaluation\n")


def test_texts_of_strangers_are_no_markup(shell: Shell) -> None:
    """Neither in Markdown, HTML and mentions, nor in XML."""
    text = NASTY.replace("\x07", "")
    files = ("--summary", "s.md", "--junit", "j.xml", "--min", "0.9")
    assert gate(shell, *files, texts=(GOOD, text)).code == 4
    summary = (shell.folder / "s.md").read_text(encoding="utf-8")
    for sign in ("<script", "@team", " #12", "**b", "`", "http://", "www.", '</summary>"'):
        assert sign not in summary
    assert text.split(" |")[0] in unescape(summary)
    parse(shell.folder / "j.xml")


def test_characters_that_xml_lacks_are_spelled_out(shell: Shell) -> None:
    rows = "".join(f'"{NASTY.replace(chr(34), "")} {n}\ufffe",{n % 2}\n' for n in range(20))
    shell.write("questions.csv", f"input,target\n{rows}")
    gate(shell, "--fail-if", "not-better", "--junit", "j.xml")
    text = (shell.folder / "j.xml").read_text(encoding="utf-8")
    assert fromstring(text).findall(".//testcase")


def _git(folder: Path, *words: str) -> None:
    identity = ("-c", "user.name=test", "-c", "user.email=test@localhost")
    subprocess.run(["git", *identity, *words], cwd=folder, check=True, capture_output=True)


def _acts(shell: Shell, base: str, **given: str) -> tuple[int, dict[str, str], str, str]:
    """Run the action's script with doubles of ``gh`` and ``llmopt``, as a runner would."""
    tools = shell.folder / "tools"
    tools.mkdir(exist_ok=True)
    for name, line in (
        ("llmopt", f'exec "{sys.executable}" -m llmopt "$@"'),
        ("gh", 'echo "$@" >> comments.txt; cat "${@: -1}" >> comments.txt'),
    ):
        tool = tools / name
        tool.write_text(f"#!/usr/bin/env bash\n{line}\n", encoding="utf-8")
        tool.chmod(0o755)
    (shell.folder / "output").unlink(missing_ok=True)
    set_up = {
        "PATH": f"{tools}:{os.environ['PATH']}",
        "GITHUB_OUTPUT": "output",
        "GITHUB_STEP_SUMMARY": "summary.md",
        "GATE_CONFIG": "run.toml",
        "GATE_PROMPT": "prompts/answer.txt",
        "GATE_BASE": base,
        "GATE_FAIL_IF": "worse",
        "GATE_ARGUMENTS": "--part all -q",
        "GATE_COMMENT": "true",
        "GATE_PULL_REQUEST": "7",
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }
    done = subprocess.run(
        [ACTION / "gate.sh"],
        cwd=shell.folder,
        env={**os.environ, **set_up, **given},
        capture_output=True,
        text=True,
        check=False,
    )
    lines = (shell.folder / "output").read_text(encoding="utf-8").splitlines()
    return done.returncode, dict(line.split("=", 1) for line in lines), done.stdout, done.stderr


def test_the_action_compares_with_the_prompt_of_the_base(shell: Shell) -> None:
    """It fails, fills the summary, and comments; an unchanged prompt costs nothing."""
    prompts = shell.folder / "prompts"
    prompts.mkdir()
    (prompts / "answer.txt").write_text(GOOD, encoding="utf-8")
    _git(shell.folder, "init", "-q")
    _git(shell.folder, "add", ".")
    _git(shell.folder, "commit", "-q", "-m", "prompt")

    code, output, said, _ = _acts(shell, "HEAD")
    assert (code, output["passed"]) == (0, "true")
    assert "nothing to measure" in said

    (prompts / "answer.txt").write_text(BAD, encoding="utf-8")
    code, output, _, err = _acts(shell, "HEAD")
    assert (code, output["passed"]) == (4, "false"), err
    assert Path(output["junit"]).is_file()
    summary = (shell.folder / "summary.md").read_text(encoding="utf-8")
    assert summary.startswith("### Gate: failed")
    comment = (shell.folder / "comments.txt").read_text(encoding="utf-8")
    assert comment.startswith("pr comment 7 --edit-last --create-if-none --body-file ")
    assert comment.endswith(summary)

    code, output, _, _ = _acts(shell, "", GATE_MIN="0.1", GATE_PULL_REQUEST="")
    assert (code, output["passed"]) == (0, "true")


def test_the_action_hands_every_input_to_its_script() -> None:
    """Each by a variable: an input in the text of a script would be read as commands."""
    action: dict[str, Any] = yaml.safe_load((ACTION / "action.yml").read_text(encoding="utf-8"))
    (step,) = action["runs"]["steps"]
    assert "${{" not in step["run"]
    used = set(re.findall(r"inputs\.([a-z-]+)", " ".join(step["env"].values())))
    assert used == set(action["inputs"])
    script = (ACTION / "gate.sh").read_text(encoding="utf-8")
    named = {name for name in step["env"] if name.startswith("GATE_")}
    assert named == set(re.findall(r"GATE_[A-Z_]+", script))
