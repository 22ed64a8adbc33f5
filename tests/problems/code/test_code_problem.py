"""Programs as solutions: what may change, what is right, and how it is scored."""

from __future__ import annotations

import asyncio
import json
import textwrap
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest

from llmopt.api import verify
from llmopt.core.problem import Refusal
from llmopt.errors import ConfigError, DataError, InputError
from llmopt.problems.code.changeable import apply_edits
from llmopt.problems.code.code_problem import CodeProblem
from llmopt.problems.code.code_tests import CodeTest, dealt, read_tests
from llmopt.problems.code.sandbox import RunLimits
from llmopt.testing import problems, scripted

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence
    from pathlib import Path

    from llmopt.core.values import Outcome

LIMITS = RunLimits(wall=20.0, cpu=10.0)

DOUBLE = """\
import sys
print(sum(2 * int(word) for word in sys.stdin.read().split()))
"""

SQUARES = """\
OFFSET = 1


def squares(numbers):
    found = []
    for number in numbers:
        found = found + [number * number + OFFSET]
    return found


def other():
    return 3
"""


def made(program: str, tests: Sequence[CodeTest], **options: Any) -> CodeProblem:
    """Return a problem; skip the test where this machine allows no sandbox."""
    try:
        return CodeProblem(program, tests, limits=LIMITS, **options)
    except ConfigError as error:
        if "none can be had here" in str(error):
            pytest.skip(str(error))
        raise


def doubled(**options: Any) -> CodeProblem:
    inputs = ("1 2 3", "4", "", "10 20 30 40", "7 7", "5 1", "2", "1 1 1")
    tests = [CodeTest(f"t{at}", "stdin", given) for at, given in enumerate(inputs)]
    return made(DOUBLE, tests, **options)


@cache
def unmeasured() -> CodeProblem:
    """Return the problem for tests that run no program."""
    return doubled()


def squared(**options: Any) -> CodeProblem:
    tests = [
        CodeTest(f"n{size}", "call", json.dumps([[*range(size)]])) for size in (5, 4, 3, 2, 1, 0)
    ]
    return made(SQUARES, tests, **{"change": "squares", **options})


def measured(problem: CodeProblem, text: str, split: Any = "train") -> list[Outcome]:
    async def all_of() -> list[Outcome]:
        return [await problem.measure(text, item, None) for item in problem.items(split)]

    return asyncio.run(all_of())


def test_the_problem_conforms() -> None:
    problem = doubled()
    for check in problems.CHECKS:
        asyncio.run(_checked(check(problem)))


async def _checked(check: Awaitable[None]) -> None:
    await check


def test_the_original_has_the_ratio_1_and_answers_what_is_expected() -> None:
    problem = doubled()
    assert [o.score for o in measured(problem, problem.starts[0])] == [1.0, 1.0]
    assert problem.anchors["t0"].test.expected == "12\n"
    assert [len(problem.items(split)) for split in ("train", "validation", "test")] == [2, 2, 4]


def test_a_wrong_program_ranks_behind_every_right_one_and_says_why() -> None:
    problem = doubled()
    wrong = DOUBLE.replace("2 * int(word)", "int(word) if int(word) > 6 else 2 * int(word)")
    outcomes = measured(problem, wrong)
    assert sorted(o.score or 0.0 for o in outcomes) == [-1.0, 0.0]
    failed = next(o for o in outcomes if o.score == -1.0)
    assert "expected '200', got '100'" in failed.feedback
    assert "input: 10 20 30 40" in failed.feedback
    assert failed.answer == "fails"
    crash = measured(problem, "raise RuntimeError('no such luck')\n")
    assert [o.score for o in crash] == [-1.0, -1.0]
    assert "no such luck" in crash[0].feedback


def test_a_program_that_answers_differently_each_time_is_wrong() -> None:
    problem = doubled()
    text = "import os\n" + DOUBLE + "print(os.urandom(4).hex())\n"
    assert all((o.score or 0) < 0 for o in measured(problem, text))
    sometimes = "import os, sys\nif os.urandom(1)[0] > 25:\n    sys.exit(1)\n" + DOUBLE
    assert any((o.score or 0) < 0 for o in measured(problem, sometimes))


def test_each_program_runs_once_for_each_split() -> None:
    problem = doubled()
    text = DOUBLE.replace("2 * int(word)", "int(word) + int(word)")
    first = measured(problem, text)
    assert measured(problem, text) == first
    assert all((o.score or 0) > 0 for o in first)


def test_a_program_that_fails_its_own_test_is_refused() -> None:
    tests = [CodeTest("a", "stdin", "1", "3\n")]
    with pytest.raises(ConfigError, match=r"passes its own tests[\s\S]*expected '3', got '2'"):
        made(DOUBLE, tests)


def test_inputs_that_the_program_rejects_or_answers_at_random_are_dropped() -> None:
    tests = [CodeTest("good", "stdin", "1"), CodeTest("bad", "stdin", "x")]
    problem = made(DOUBLE, tests)
    assert "rejects it" in problem.dropped["bad"]
    assert [item.id for item in problem.items("train")] == ["good"]
    with pytest.raises(DataError, match=r"none is left.*differently each time"):
        made("import os\nprint(os.urandom(8))\n", tests[:1])


@pytest.mark.parametrize(
    "reply",
    [
        "print('new')\n",
        "```python\nprint('new')\n```",
        "Some words.\n\n```\nold words\n```\nThen\n```py\nprint('new')\n```\nand more words.",
        "```python\nprint('new')",
        "~~~python\nprint('new')\n~~~",
        "1. The program:\n   ```python\n   print('new')\n   ```\n2. It is faster.",
    ],
)
def test_code_is_found_in_a_reply(reply: str) -> None:
    assert unmeasured().parse(reply) == "print('new')\n"


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ("", "no code"),
        ("Here is what I would do.", "does not compile"),
        ("```python\nfor x in:\n```", "does not compile: invalid syntax"),
        ("```python\n# nothing\n```", "no code"),
        ("print(1) # <INS>", "leaked marker <INS>"),
        ("<<<<<<< SEARCH\nnot there\n=======\nx\n>>>>>>> REPLACE", "an edit does not match"),
        ("<<<<<<< SEARCH\nimport sys\n=======\nimport sys, (\n>>>>>>> REPLACE", "does not compile"),
        ("<<<<<<< SEARCH\nimport sys\n=======\nimport os", "an edit is not complete"),
        ("<<<<<<< SEARCH\n=======\nimport os\n>>>>>>> REPLACE", "an edit searches for nothing"),
        ("<<<<<<< SEARCH\nimport sys\n=======\nimport sys\n>>>>>>> REPLACE", "change nothing"),
    ],
)
def test_a_reply_without_a_program_is_refused(reply: str, reason: str) -> None:
    refused = unmeasured().parse(reply)
    assert isinstance(refused, Refusal)
    assert reason in refused.reason


def test_edits_are_made_to_the_original_or_to_another_base() -> None:
    problem = unmeasured()
    edit = "Words.\n<<<<<<< SEARCH\nimport sys\n=======\nimport sys, os\n>>>>>>> REPLACE\nWords."
    assert problem.parse(edit) == DOUBLE.replace("import sys", "import sys, os")
    base = "import sys   \nprint(1)\n"
    assert problem.edited(edit, base) == "import sys, os\nprint(1)\n"
    twice = "import sys\nimport sys\n"
    assert problem.edited(edit, twice) == Refusal("an edit matches several places")


LOOPS = "def f(a):\n    for x in a:\n        if x:\n            print(x)\n    print(0)\n"


@pytest.mark.parametrize(
    ("search", "replace"),
    [
        ("if x:\n    print(x)", "if x > 0:\n\n    print(x + 1)"),
        ("  if x:   \n      print(x)", "  if x > 0:\n\n      print(x + 1)"),
        (f"{16 * ' '}if x:\n{20 * ' '}print(x)", f"{16 * ' '}if x > 0:\n\n{20 * ' '}print(x + 1)"),
        ("if x:\n    print(x)", "        if x > 0:\n\n            print(x + 1)"),
    ],
)
def test_an_edit_may_be_indented_otherwise(search: str, replace: str) -> None:
    edit = f"<<<<<<< SEARCH\n{search}\n=======\n{replace}\n>>>>>>> REPLACE"
    assert apply_edits(LOOPS, edit) == (
        "def f(a):\n    for x in a:\n        if x > 0:\n\n            print(x + 1)\n    print(0)\n"
    )


@pytest.mark.parametrize("search", ["print(1)", "  print(1)", "print(1)   "])
def test_an_edit_that_fits_in_two_places_is_refused(search: str) -> None:
    edit = f"<<<<<<< SEARCH\n{search}\n=======\nprint(2)\n>>>>>>> REPLACE"
    base = "if a:\n    print(1)\nif b:\n    print(1)\n"
    assert apply_edits(base, edit) == Refusal("an edit matches several places")


def test_an_edit_keeps_to_lines_that_are_indented_alike() -> None:
    edit = "<<<<<<< SEARCH\nif x:\nprint(x)\n=======\nprint(x)\n>>>>>>> REPLACE"
    assert apply_edits(LOOPS, edit) == Refusal("an edit does not match")


def test_only_the_function_changes() -> None:
    problem = squared()
    faster = "def squares(numbers):\n    return [number * number + OFFSET for number in numbers]\n"
    used = "Use it so:\n```python\nprint(squares([1]))\n```"
    text = problem.parse(f"```python\nimport math\n\n{faster}```\n{used}")
    assert isinstance(text, str)
    assert text.startswith("OFFSET = 1\n")
    assert text.endswith("def other():\n    return 3\n")
    assert problem.parse(text) == text
    assert all((o.score or 0) > 0 for o in measured(problem, text))
    for reply, reason in (
        (faster + "\n\ndef other():\n    return 4\n", "must stay as it is"),
        ("def cubes(numbers):\n    return numbers\n", "does not define the function"),
    ):
        refused = problem.parse(reply)
        assert isinstance(refused, Refusal)
        assert reason in refused.reason


def test_a_function_that_changes_its_arguments_is_wrong() -> None:
    problem = squared()
    text = problem.parse(
        "def squares(numbers):\n"
        "    for at, number in enumerate(numbers):\n"
        "        numbers[at] = number * number + OFFSET\n"
        "    return numbers\n"
    )
    assert isinstance(text, str)
    assert any((o.score or 0) < 0 for o in measured(problem, text))


def test_only_the_region_changes() -> None:
    program = (
        "import sys\n# llmopt: begin\nfactor = 2\n# llmopt: end\nprint(factor * int(input()))\n"
    )
    tests = [CodeTest("a", "stdin", "1"), CodeTest("b", "stdin", "2")]
    problem = made(program, tests, change="region")
    expected = program.replace("factor = 2", "factor = 1 + 1")
    whole = f"```python\n{expected}```"
    part = "# llmopt: begin\nfactor = 1 + 1\n# llmopt: end"
    for reply in ("factor = 1 + 1", whole, part, f"```\n{part}\n```"):
        assert problem.parse(reply) == expected
    with pytest.raises(ConfigError, match="between one line"):
        made(DOUBLE, tests, change="region")
    with pytest.raises(ConfigError, match="the functions are: none"):
        made(DOUBLE, tests, change="main")


def test_functions_of_tests_pass_or_fail(tmp_path: Path) -> None:
    (tmp_path / "test_squares.py").write_text(
        textwrap.dedent(
            """
            from program import squares

            def test_two():
                assert squares([1, 2]) == [2, 5]

            def test_none():
                assert squares([]) == []
            """
        )
    )
    problem = made(SQUARES, read_tests(tmp_path))
    assert set(problem.anchors) == {"test_squares.test_two", "test_squares.test_none"}
    wrong = problem.parse(SQUARES.replace("OFFSET = 1", "OFFSET = 2"))
    assert isinstance(wrong, str)
    outcomes = measured(problem, wrong) + measured(problem, wrong, "test")
    assert sorted(o.score or 0.0 for o in outcomes) == [-1.0, 1.0] or any(
        "AssertionError" in o.feedback for o in outcomes
    )
    leaves = problem.parse("import os\nos._exit(0)\n")
    assert isinstance(leaves, str)
    assert "ended before the test did" in measured(problem, leaves)[0].feedback


def test_a_check_of_the_users_decides_where_many_outputs_are_right() -> None:
    def halves(given: str, got: str) -> bool | str:
        left, right = map(int, got.split())
        return left + right == int(given) or "the parts do not add up"

    tests = [CodeTest(str(n), "stdin", str(n)) for n in (4, 6)]
    problem = made("n = int(input())\nprint(1, n - 1)\n", tests, check=halves)
    assert all((o.score or 0) > 0 for o in measured(problem, "n = int(input())\nprint(0, n)\n"))
    wrong = measured(problem, "n = int(input())\nprint(1, n)\n")
    assert wrong[0].feedback.startswith("test 6: the parts do not add up") or "add up" in (
        wrong[0].feedback
    )


def test_scores_are_ratios_to_the_original() -> None:
    tests = [CodeTest(str(n), "stdin", str(n)) for n in (4, 6)]
    program = "n = int(input())\nprint('the score is', 2 * n)\n"
    problem = made(program, tests, goal="score")
    assert measured(problem, program.replace("2 * n", "3 * n"))[0].score == pytest.approx(1.5)
    lower = made(program, tests, goal="score", minimize=True)
    assert measured(lower, program.replace("2 * n", "n"))[0].score == pytest.approx(2.0)
    assert measured(problem, "print('none')\n")[0].score == -1.0

    def valid(given: str, got: str) -> float:
        if int(got) > int(given):
            raise ValueError("too large")
        return float(got)

    outside = made("print(int(input()) // 2)\n", tests, goal="score", score=valid)
    assert measured(outside, "print(input())\n")[0].score == pytest.approx(2.0)
    assert "too large" in measured(outside, "print(100)\n")[0].feedback


def test_less_memory_is_a_ratio_too() -> None:
    program = "x = bytearray(b'x') * 60_000_000\nprint(len(input()))\n"
    tests = [CodeTest(str(n), "stdin", "x" * n) for n in (4, 6, 8)]
    problem = made(program, tests, goal="memory")
    smaller = "print(len(input()))\n"
    assert (measured(problem, smaller)[0].score or 0) > 1.5
    measured(problem, smaller, "test")
    said = problem.conclusion(smaller, 0.95)
    assert said is not None
    assert said.word == "better"


def test_a_winner_that_fails_held_out_tests_is_called_wrong() -> None:
    problem = doubled()
    learnt = "print({'': 0, '1 2 3': 12, '10 20 30 40': 200, '7 7': 28}[input().strip()])\n"
    measured(problem, learnt, "test")
    said = problem.conclusion(learnt, 0.95)
    assert said is not None
    assert said.word == "worse"
    assert said.sentence.startswith("The winner is wrong: it fails")
    assert problem.conclusion(problem.starts[0], 0.95) is None


def test_tests_are_read_from_a_folder(tmp_path: Path) -> None:
    files = {
        "a.in": "1",
        "a.out": "2\n",
        "b.in.txt": "2",
        "b.out.txt": "4",
        "input.7.txt": "3",
        "output.7.txt": "6",
        "c.json": '{"arguments": [1, {"k": 2}], "result": 3}',
        "notes.md": "words",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "test").mkdir()
    (tmp_path / "test" / "d.in").write_text("4")
    found = {test.name: test for test in read_tests(tmp_path)}
    assert {name: test.expected for name, test in found.items()} == {
        "a": "2\n",
        "b": "4",
        "7": "6",
        "c": "3",
        "d": None,
    }
    assert found["d"].split == "test"
    assert dealt([*found.values()])["c"] == "train"  # the largest


@pytest.mark.parametrize(
    ("files", "match"),
    [
        ({}, "has none"),
        ({"a.json": "[1]"}, "a test of a function is"),
        ({"a.json": '{"arguments": 3}'}, "a list or a table"),
        ({"test_a.py": "def test_a(x): pass"}, "has no parameters"),
        ({"test_a.py": "def"}, "tests are Python"),
        ({"a.in": "1", "a.json": '{"arguments": []}'}, "names of tests are unique"),
    ],
)
def test_a_folder_that_cannot_be_used_is_refused(
    files: dict[str, str], match: str, tmp_path: Path
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=match):
        read_tests(tmp_path)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"goal": "speed"}, "an aim"),
        ({"compare": "fuzzy"}, "a comparison of outputs"),
        ({"sandbox": "docker"}, "a sandbox is one of"),
        ({"score": float}, 'goal = "score"'),
        ({"name": "my script"}, "Python name"),
    ],
)
def test_options_that_cannot_be_are_refused(options: dict[str, Any], match: str) -> None:
    with pytest.raises(InputError, match=match):
        doubled(**options)


def test_a_limit_above_0_is_needed() -> None:
    with pytest.raises(ConfigError, match="'wall' is above 0"):
        RunLimits(wall=0)


def test_where_programs_ran_is_recorded() -> None:
    recorded = unmeasured().recorded()
    assert recorded["sandbox"] in ("bubblewrap", "namespaces")
    assert recorded["tests"] == {"train": 2, "validation": 2, "test": 4}


def test_a_run_whose_times_were_measured_is_not_verified(tmp_path: Path) -> None:
    """Another measurement would differ, and say nothing about the stored one."""
    (tmp_path / "add.py").write_text("print(sum(map(int, input().split())))\n", "utf-8")
    (tmp_path / "tests").mkdir()
    for n in range(4):
        (tmp_path / "tests" / f"{n}.in").write_text(f"{n} 1\n", "utf-8")
    problem = CodeProblem.from_files(tmp_path / "add.py", tmp_path / "tests")
    with pytest.raises(ConfigError, match="differ each time"):
        verify(problem, name="run", optimizer=scripted.model(), store=tmp_path / "runs.sqlite")
