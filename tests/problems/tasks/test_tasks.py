"""Truths about the papers' tasks: their names, formats, splits and provenance."""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pytest

from llmopt.errors import ConfigError, DataError, UnknownNameError
from llmopt.problems.metrics.rules import metric_named
from llmopt.problems.prompt.prompt_problem import PromptProblem
from llmopt.problems.tasks import TASKS, entry_named, load_task
from llmopt.problems.tasks.bbh import TABLE
from llmopt.problems.tasks.mmlu import CATEGORIES

if TYPE_CHECKING:
    from pathlib import Path

    from llmopt.problems.data.splits import Splits
    from llmopt.problems.tasks import Paper


def sizes(splits: Splits) -> tuple[int, int, int]:
    return len(splits.train), len(splits.validation), len(splits.test)


def rows(items: object) -> list[int]:
    """Return the row numbers of items, in the file's order."""
    assert isinstance(items, tuple)
    return sorted(int(item.id.rpartition("-")[2]) for item in items)


# -- names ----------------------------------------------------------------------------------


def test_every_task_of_the_papers_has_a_name() -> None:
    families = Counter(name.partition("/")[0] for name in TASKS)
    assert families == {"gsm8k": 1, "bbh": 27, "mmlu": 57 + 4, "multiarith": 1, "aqua": 1} | {
        "wsc": 1,
        "webnlg": 1,
    }


def test_answers_of_big_bench_hard_are_of_the_kinds_that_the_paper_says() -> None:
    """OPRO, section 13; the two kinds of free text have a metric each."""
    kinds = Counter(metric for metric, _ in TABLE.values())
    assert kinds == {"number": 2, "boolean": 6, "brackets": 1, "list": 1, "options": 17}


def test_every_kind_of_answer_has_a_metric() -> None:
    for entry in TASKS.values():
        assert metric_named(entry.metric).kind == entry.kind


def test_every_subject_is_in_one_category() -> None:
    assert {name: len(subjects) for name, subjects in CATEGORIES.items()} == {
        "STEM": 18,
        "humanities": 13,
        "social_sciences": 12,
        "other": 14,
    }
    assert len(set(sum(CATEGORIES.values(), ()))) == 57


def test_every_task_says_in_a_sentence_what_it_is() -> None:
    for entry in TASKS.values():
        assert entry.what.endswith((".", "?"))
        assert len(entry.what) < 200


def test_capital_letters_of_a_name_do_not_matter() -> None:
    assert entry_named("mmlu/stem").name == entry_named("MMLU/STEM").name == "mmlu/STEM"


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("bbh/object_countin", "bbh/object_counting"),
        ("gsm8", "gsm8k"),
        ("mmlu/anatomie", "mmlu/anatomy"),
    ],
)
def test_an_unknown_task_is_an_error_that_names_the_nearest(name: str, near: str) -> None:
    with pytest.raises(ConfigError, match=f"did you mean '{near}'"):
        load_task(name)


# -- formats --------------------------------------------------------------------------------


def test_the_answer_of_gsm8k_stands_behind_the_mark(folder: Path) -> None:
    task = load_task("gsm8k", folder)
    assert (len(task.train), len(task.test)) == (300, 40)
    assert task.train[3].id == "train-3"
    assert task.train[3].target == "6"


def test_questions_of_mmlu_have_a_line_for_each_option_and_one_that_asks(folder: Path) -> None:
    item = load_task("mmlu/anatomy", folder).test[1]
    assert item.input.splitlines() == [
        "anatomy, 1?",
        "(A) 1",
        "(B) 2",
        "(C) 3, 4",
        "(D) 5",
        "Choose one: (A), (B), (C) or (D).",
    ]
    assert (item.id, item.target) == ("anatomy_test-1", "(B)")


def test_options_of_aqua_get_their_bracket(folder: Path) -> None:
    item = load_task("aqua", folder).test[4]
    assert item.input.splitlines()[1:] == [
        *(f"({letter})4" for letter in "ABCDE"),
        "Choose one: (A), (B), (C), (D) or (E).",
    ]
    assert item.target == "(E)"


def test_the_closing_line_of_lettered_questions_can_be_the_published_form(folder: Path) -> None:
    """The letters stand side by side in a question; other tasks have no such line."""
    last = load_task("mmlu/anatomy", folder, "question").test[1].input.splitlines()[-1]
    assert last == "Which one is the answer: (A) (B) (C) (D)?"
    aqua = load_task("aqua", folder, "question").test[4].input.splitlines()[-1]
    assert aqua == "Which one is the answer: (A) (B) (C) (D) (E)?"
    assert load_task("aqua", folder, "none").test[4].input.splitlines()[-1] == "(E)4"
    assert load_task("multiarith", folder, "question").test[7].input == "Sum 7?"
    with pytest.raises(UnknownNameError, match="closing"):
        load_task("aqua", folder, "no")  # type: ignore[arg-type]  # what a user may write


def test_a_schema_asks_for_one_of_two(folder: Path) -> None:
    item = load_task("wsc", folder).test[1]
    assert item.input.splitlines() == [
        "The cup did not fit on shelf 1 as it's too big.",
        'Whom or what does "it" mean?',
        "(A) the cup",
        "(B) the shelf",
        "Choose one: (A) or (B).",
    ]
    assert item.target == "(B)"


def test_triples_are_said_in_text_with_every_reference_accepted(folder: Path) -> None:
    item = load_task("webnlg", folder).test[1]
    assert item.input.splitlines()[-3:] == [
        "Triples:",
        "Café_1 | owner | Ann_&_Bea",
        "Café_1 | country | Spain",
    ]
    assert item.target == "Ann & Bea own Café 1 in Spain."
    assert item.accepted == ("Café 1, Spain, is Ann & Bea's.",)
    assert "not shown" not in item.input


def test_answers_of_multiarith_are_whole_numbers(folder: Path) -> None:
    item = load_task("multiarith", folder).test[7]
    assert (item.input, item.target) == ("Sum 7?", "7")


def test_a_task_says_where_its_items_came_from(folder: Path) -> None:
    (origin,) = load_task("bbh/object_counting", folder).provenance
    raw = (folder / "bbh" / "object_counting.json").read_bytes()
    assert origin.file == "bbh/object_counting.json"
    assert origin.sha256 == hashlib.sha256(raw).hexdigest()
    assert not origin.hub


def test_the_folder_may_be_named_by_the_environment(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLMOPT_DATA", str(folder))
    assert len(load_task("aqua").items) == 20


def test_rows_that_are_no_questions_keep_their_numbers_and_are_no_items(folder: Path) -> None:
    task = load_task("bbh/movie_recommendation", folder)
    assert len(task.test) == 250
    assert rows(task.items) == [0, 1, 2, *range(5, 250)]


# -- what cannot be used --------------------------------------------------------------------


def refused(name: str, folder: Path) -> str:
    with pytest.raises(DataError) as caught:
        load_task(name, folder)
    return str(caught.value)


def test_a_missing_file_is_named_with_the_data_s_home(folder: Path) -> None:
    said = refused("bbh/navigate", folder)
    assert str(folder / "bbh" / "navigate.json") in said
    assert "BIG-Bench-Hard" in said


def test_a_data_folder_is_a_folder(tmp_path: Path) -> None:
    assert "none" in refused("aqua", tmp_path / "none")


@pytest.mark.parametrize(
    ("name", "file", "text", "expected"),
    [
        ("gsm8k", "gsm8k/test.jsonl", '{"question": "1?", "answer": "1"}', "line 1"),
        ("gsm8k", "gsm8k/test.jsonl", '{"question": "1?"}', "line 1.*'answer'"),
        ("gsm8k", "gsm8k/test.jsonl", "\n{", "line 2"),
        ("bbh/object_counting", "bbh/object_counting.json", '{"examples": [{}]}', "record 1"),
        ("bbh/object_counting", "bbh/object_counting.json", "{", "line 1"),
        ("mmlu/anatomy", "mmlu/test/anatomy_test.csv", "q,1,2,3,4,A\nq,1,2,3,A\n", "line 2"),
        ("mmlu/anatomy", "mmlu/test/anatomy_test.csv", "q,1,2,3,4,E\n", "line 1.*'E'"),
        ("mmlu/anatomy", "mmlu/test/anatomy_test.csv", "q,1,,3,4,A\n", "line 1, column 'B'"),
        ("aqua", "aqua/AQuA.json", '{"question": "1?", "options": ["A)1"]}', "line 1.*options"),
        (
            "aqua",
            "aqua/AQuA.json",
            '{"question": "1", "options": ["A)1", "B)", "C)", "D)", "E)"], "correct": "F"}',
            "line 1.*'F'",
        ),
        ("wsc", "wsc/WSCollection.xml", "<collection>", "XML"),
        ("wsc", "wsc/WSCollection.xml", "<c><schema/></c>", "schema 1: a schema has a pronoun"),
        (
            "wsc",
            "wsc/WSCollection.xml",
            (
                "<c><schema><text><pron>it</pron></text><answers><answer>a</answer>"
                "<answer>b</answer></answers><correctAnswer>C.</correctAnswer></schema></c>"
            ),
            "A or B, but got 'C'",
        ),
        ("webnlg", TASKS["webnlg"].files[0].path, "<benchmark>", "XML"),
        (
            "webnlg",
            TASKS["webnlg"].files[0].path,
            "<benchmark><entry><lex>A.</lex></entry></benchmark>",
            "entry 1: an entry has modified triples and texts",
        ),
        ("multiarith", "multiarith/MultiArith.json", '[{"sQuestion": "1?"}]', "record 1"),
        (
            "multiarith",
            "multiarith/MultiArith.json",
            '[{"sQuestion": "1?", "lSolutions": [0.5]}]',
            "record 1.*whole",
        ),
    ],
)
def test_a_malformed_file_is_named_with_the_place_and_the_data_s_home(
    folder: Path, name: str, file: str, text: str, expected: str
) -> None:
    (folder / file).write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=f"(?s){file}.*{expected}") as caught:
        load_task(name, folder)
    assert TASKS[name].home in str(caught.value)


# -- splits ---------------------------------------------------------------------------------


def drawn(n: int, ratio: float) -> list[int]:
    """Draw rows as the published code does, from the global generator (OPRO, section 2)."""
    state = np.random.get_state()  # noqa: NPY002 - the very generator is the point
    try:
        np.random.seed(0)  # noqa: NPY002 - as above
        chosen = np.random.choice(n, size=int(ratio * n), replace=False)  # noqa: NPY002 - as above
    finally:
        np.random.set_state(state)  # noqa: NPY002 - as above
    return np.sort(chosen).tolist()  # type: ignore[no-any-return]


def test_opro_trains_on_the_rows_that_its_code_draws(folder: Path) -> None:
    """Number for number: 50 of 250 rows; the other 200 are the test split, and none validates."""
    splits = load_task("bbh/object_counting", folder).splits("opro")
    assert rows(splits.train) == drawn(250, 0.2)
    assert rows(splits.train)[:8] == [5, 8, 12, 22, 37, 44, 45, 55]
    assert rows(splits.test) == sorted(set(range(250)) - set(drawn(250, 0.2)))
    assert splits.validation == ()


def test_opro_tests_gsm8k_on_the_official_test_part(folder: Path) -> None:
    task = load_task("gsm8k", folder)
    splits = task.splits("opro")
    assert rows(splits.train) == drawn(300, 0.035)
    assert splits.test == task.test


def test_rows_that_are_no_questions_do_not_move_the_draw(folder: Path) -> None:
    splits = load_task("bbh/movie_recommendation", folder).splits("opro")
    assert rows(splits.train) == [row for row in drawn(250, 0.2) if row not in (3, 4)]
    assert not {3, 4} & set(rows(splits.test))


def test_another_seed_draws_other_rows(folder: Path) -> None:
    task = load_task("bbh/object_counting", folder)
    assert rows(task.splits("opro", seed=1).train) != rows(task.splits("opro").train)


def test_gpo_has_the_sizes_of_its_paper(folder: Path) -> None:
    assert sizes(load_task("bbh/object_counting", folder).splits("gpo")) == (48, 48, 144)
    assert sizes(load_task("mmlu/anatomy", folder).splits("gpo")) == (20, 20, 60)
    assert sizes(load_task("webnlg", folder).splits("gpo")) == (100, 100, 300)


def test_demonstrations_are_rows_beyond_those_of_gpo(folder: Path) -> None:
    task = load_task("bbh/object_counting", folder)
    assert sizes(task.splits("gpo", extra=5)) == (53, 48, 144)
    assert sizes(task.splits(sizes=(50, 50, 50), extra=5)) == (50, 50, 50)
    problem = PromptProblem.from_task(
        task.name, data_dir=folder, split="gpo", fixed_demonstrations=5
    )
    assert sizes(problem.splits) == (48, 48, 144)
    assert problem.prompt.text.count("Q: How many? ") == 5


def test_shares_are_of_the_official_part_that_they_are_taken_from(folder: Path) -> None:
    task = load_task("gsm8k", folder)
    splits = task.splits(sizes=(0.1, 0.2, 0.5))
    assert sizes(splits) == (30, 60, 20)
    assert {item.id for item in splits.test} <= {item.id for item in task.test}
    assert sizes(task.splits(sizes=(10, 0, 40))) == (10, 0, 40)


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ((0.5, 0.6, 0.5), "300 rows of train"),
        ((10, 10, 41), "40 rows of test"),
        ((0, 10, 10), "at least 2"),
        ((0.1, -0.1, 0.5), "0 or more"),
    ],
)
def test_sizes_fit_into_the_official_parts(
    folder: Path, wanted: tuple[float, float, float], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        load_task("gsm8k", folder).splits(sizes=wanted)


def test_a_paper_s_split_is_refused_where_the_paper_has_none(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"problem\.sizes"):
        load_task("aqua", folder).splits("opro")
    with pytest.raises(UnknownNameError, match="did you mean 'gpo'"):
        load_task("aqua", folder).splits("gpoo")  # type: ignore[arg-type]


def test_a_question_of_train_is_not_held_out(folder: Path) -> None:
    """Repeats exist in the official files; the train rows stay and the held-out ones go."""
    path = folder / "bbh" / "object_counting.json"
    first, other = rows(load_task("bbh/object_counting", folder).splits("opro").train)[0], 0
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace(f'? {other}"', f'?  {first}"'), encoding="utf-8")
    splits = load_task("bbh/object_counting", folder).splits("opro")
    assert rows(splits.train) == drawn(250, 0.2)
    assert sizes(splits) == (50, 0, 199)
    assert PromptProblem.from_task("bbh/object_counting", data_dir=folder, split="opro")


# -- problems -------------------------------------------------------------------------------


def test_a_problem_takes_what_is_not_given_from_the_task(folder: Path) -> None:
    problem = PromptProblem.from_task("bbh/object_counting", data_dir=folder, split="opro")
    assert problem.task == TASKS["bbh/object_counting"].what
    assert problem.starts == ("",)
    assert repr(problem.metric) == repr(metric_named("number"))
    assert problem.prompt.text == "{instruction}\n{input}"
    gpo = PromptProblem.from_task("bbh/object_counting", data_dir=folder, split="gpo")
    assert gpo.starts == ("Let's think step by step.",)
    assert gpo.prompt.text == "{input}\n{instruction}"


def test_what_is_given_wins_over_the_task(folder: Path) -> None:
    problem = PromptProblem.from_task(
        "gsm8k", data_dir=folder, sizes=(20, 10, 10), instructions="Go.", position="A_begin"
    )
    assert problem.starts == ("Go.",)
    assert "A: {instruction}" in problem.prompt.text
    assert sizes(problem.splits) == (20, 10, 10)


# -- the official files ---------------------------------------------------------------------

SIZES = {  # rows of the official files
    "gsm8k": 7473 + 1319,
    "bbh/causal_judgement": 187,
    "bbh/penguins_in_a_table": 146,
    "bbh/snarks": 178,
    "mmlu/STEM": 3018,
    "mmlu/humanities": 4705,
    "mmlu/social_sciences": 3077,
    "mmlu/other": 3242,
    "multiarith": 600,
    "aqua": 254,
}
NO_QUESTIONS = {
    "bbh/movie_recommendation": {163},
    "bbh/ruin_names": {99, 144},
    "bbh/snarks": {88},
}
REPEATED = {"bbh/sports_understanding": 1}  # test rows that repeat a train row of OPRO's split


@pytest.mark.parametrize("name", TASKS)
def test_the_official_files_load_and_split(name: str, real: Path) -> None:
    """As problems too: no input in two splits, and every target can be given as an answer."""
    entry = TASKS[name]
    absent = [file.path for file in entry.files if not (real / file.path).is_file()]
    if absent:
        pytest.skip(f"the official data have no {', '.join(absent)} here")
    task = load_task(name, real)
    all_rows = task.train + task.test
    known = SIZES.get(name, 250 if name.startswith("bbh/") else len(all_rows))
    assert len(all_rows) == known
    assert len({item.id for item in all_rows}) == known
    assert len(task.items) == known - len(NO_QUESTIONS.get(name, ()))
    papers: tuple[Paper, ...] = (*entry.papers, "")
    for paper in papers:
        problem = PromptProblem.from_task(name, data_dir=real, split=paper)
        assert min(len(problem.splits.train), len(problem.splits.test)) >= 2


@pytest.mark.parametrize("name", [n for n, entry in TASKS.items() if entry.opro])
def test_opro_s_rows_of_the_official_files_are_the_published_ones(name: str, real: Path) -> None:
    task = load_task(name, real)
    pool = task.train or task.test
    expected = drawn(len(pool), 0.2 if task.train == () else 0.035)
    lost = NO_QUESTIONS.get(name, set())
    splits = task.splits("opro")
    assert rows(splits.train) == [row for row in expected if row not in lost]
    others = len(task.test) - (0 if task.train else len(expected))
    gone = len(lost - set(expected)) + REPEATED.get(name, 0)
    assert sizes(splits) == (len(splits.train), 0, others - gone)


def test_gsm8k_has_261_train_and_1319_test_questions(real: Path) -> None:
    """OPRO, section 2."""
    splits = load_task("gsm8k", real).splits("opro")
    assert sizes(splits) == (261, 0, 1319)
    assert rows(splits.train)[:6] == [29, 33, 38, 39, 42, 49]
    assert sum(rows(splits.train)) == 953315


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("gsm8k", (100, 100, 300)),
        ("bbh/navigate", (48, 48, 144)),
        ("bbh/causal_judgement", (35, 35, 107)),
        ("bbh/penguins_in_a_table", (27, 27, 82)),
        ("bbh/snarks", (33, 33, 102)),
        ("mmlu/virology", (20, 20, 60)),
    ],
)
def test_gpo_s_sizes_of_the_official_files(
    name: str, expected: tuple[int, int, int], real: Path
) -> None:
    """GPO, section 3."""
    assert sizes(load_task(name, real).splits("gpo")) == expected
