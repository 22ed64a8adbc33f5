"""A grid becomes cells, cells are done on equal budgets, and the table says no more than is so."""

from __future__ import annotations

import asyncio
import re
import signal
import sys
import tomllib
from contextlib import closing
from pathlib import Path
from statistics import fmean, stdev
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmopt.errors import ConfigError, RefusedError, StoreError
from llmopt.evidence.sweep_summary import (
    Done,
    flat,
    notes,
    summarized,
)
from llmopt.integrations.csv_table import write_csv
from llmopt.statistics import holm, paired_difference
from llmopt.store import open_store
from llmopt.sweeps.grid import Sweep, read_sweep, sweep_of
from llmopt.sweeps.runner import run_sweep
from llmopt.testing import scripted

if TYPE_CHECKING:
    from collections.abc import Callable

    from llmopt.core.values import Call
    from llmopt.sweeps.swept import Swept

DOCUMENT = Path(__file__).parents[2] / "docs" / "sweeps.md"
MODEL = "scripted/llmopt.testing.scripted:answer"
BASE: dict[str, Any] = {
    "problem": {
        "data": "questions.csv",
        "task": "Answer with yes or no.",
        "instructions": ["Answer.", "Answer now."],
        "sizes": [12, 8, 40],
    },
    "scorer": {"model": MODEL},
    "algorithm": {"samples": 4},
    "run": {"steps": 2},
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with data, which is the working directory."""
    rows = [f"Question number {n}?,{'yes' if n % 2 else 'no'}" for n in range(60)]
    text = "\n".join(["input,target", *rows, ""])
    (tmp_path / "questions.csv").write_text(text, encoding="utf-8")
    (tmp_path / "others.csv").write_text(text.replace("number", "no."), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def made(data: dict[str, Any], folder: Path, *overrides: str, name: str | None = None) -> Sweep:
    return sweep_of({"base": BASE, **data}, "here", folder, overrides, name=name)


def swept(sweep: Sweep, folder: Path, **options: Any) -> Swept:
    options = {"store": folder / "store.sqlite", "progress": False, **options}
    return asyncio.run(run_sweep(sweep, **options))


class Counting(ModuleType):
    """A module whose function ``answer`` plays both roles, and counts and may fail on the way."""

    def __init__(self) -> None:
        super().__init__("counting_model")
        self.calls: list[tuple[str, int]] = []
        self.before: Callable[[int], None] = lambda _: None

    def answer(self, call: Call) -> str:
        self.before(len(self.calls))
        self.calls.append((call.text, call.sample))
        return scripted.answer(call)


@pytest.fixture
def counting(monkeypatch: pytest.MonkeyPatch) -> Counting:
    module = Counting()
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return module


COUNTED = "scorer.model=scripted/counting_model:answer"
ORDERS = {"algorithm.order": ["ascending", "descending"], "run.seed": [0, 1]}


# -- the grid -------------------------------------------------------------------------------


def test_a_grid_is_every_choice_of_its_axes(folder: Path) -> None:
    """For each task each seed, in it the variants, the first ones first."""
    grid = {**ORDERS, "problem.data": ["questions.csv", "others.csv"]}
    found = made({"grid": grid}, folder)
    assert [(cell.task, cell.seed, cell.variant) for cell in found.cells] == [
        (task, seed, f"order={order}")
        for task in ("questions", "others")
        for seed in ("0", "1")
        for order in ("ascending", "descending")
    ]
    assert {cell.settings.problem.data for cell in found.cells} == {
        folder / "questions.csv",
        folder / "others.csv",
    }
    assert found.variants == ("order=ascending", "order=descending")


def test_axes_may_be_tables_or_quoted_keys(folder: Path) -> None:
    quoted = made({"grid": {"run.seed": [0, 1]}}, folder)
    assert quoted == made({"grid": {"run": {"seed": [0, 1]}}}, folder)


def test_variants_have_labels_and_are_crossed_with_axes(folder: Path) -> None:
    variants = [
        {"label": "few", "algorithm.samples": 2, "run.steps": 4},
        {"label": "many", "algorithm": {"samples": 8}, "run.steps": 1},
    ]
    found = made({"variants": variants, "grid": {"algorithm.exemplars": [0, 3]}}, folder)
    assert found.variants == (
        "few, exemplars=0",
        "few, exemplars=3",
        "many, exemplars=0",
        "many, exemplars=3",
    )
    assert [cell.settings.run.steps for cell in found.cells] == [4, 4, 1, 1]


def test_a_table_of_tasks_holds_for_one_task_alone(folder: Path) -> None:
    grid = {"problem.data": ["questions.csv", "others.csv"], "run.seed": [0, 1]}
    plain = made({"grid": grid}, folder)
    sweep = made({"grid": grid, "tasks": {"others": {"problem.digits": False}}}, folder)
    digits = [(cell.task, cell.settings.problem.digits) for cell in sweep.cells]
    assert digits == [("questions", True)] * 2 + [("others", False)] * 2
    assert [c.name for c in sweep.cells][:2] == [c.name for c in plain.cells][:2]
    fewer = made(
        {"grid": grid, "tasks": {"others": {"problem.digits": False}}},
        folder,
        'grid.problem.data=["questions.csv"]',
    )
    assert {cell.settings.problem.digits for cell in fewer.cells} == {True}


@pytest.mark.parametrize(
    ("task", "key", "words"),
    [
        ("other", "problem.digits", "got 'other'; did you mean"),
        ("others", "run.seed", "got run.seed in tasks.others"),
        ("others", "problem.metric", "got problem.metric in tasks.others"),
        ("others", "budget.calls", "got budget.calls in tasks.others"),
        ("others", "algorithm.samples", "got algorithm.samples in tasks.others"),
    ],
)
def test_a_table_of_tasks_that_changes_something_else_is_refused(
    folder: Path, task: str, key: str, words: str
) -> None:
    data = {
        "grid": {"problem.data": ["questions.csv", "others.csv"], "algorithm.samples": [1, 2]},
        "variants": [{"label": "a", "problem.metric": "auto"}],
        "tasks": {task: {key: 1}},
    }
    with pytest.raises(ConfigError, match=words):
        made(data, folder)


def test_an_axis_of_one_value_changes_the_base_and_no_label(folder: Path) -> None:
    found = made({"grid": {**ORDERS, "run.steps": [5]}}, folder)
    assert found.variants == ("order=ascending", "order=descending")
    assert {cell.settings.run.steps for cell in found.cells} == {5}


def test_a_cell_keeps_its_name_when_others_come(folder: Path) -> None:
    """So a sweep can grow, and what is done stays done."""
    few = made({"grid": {"run.seed": [0, 1]}}, folder)
    more = made({"grid": {"run.seed": [2, 1, 0]}}, folder)
    assert {cell.name for cell in few.cells} < {cell.name for cell in more.cells}


@given(st.text(min_size=1), st.lists(st.text(), min_size=2, max_size=3, unique=True))
def test_any_words_give_names_of_runs(name: str, labels: list[str]) -> None:
    """Whatever a sweep and its variants are called, and all of them differ."""
    variants = [{"label": f"x{label}", "algorithm.samples": 2} for label in labels]
    found = sweep_of({"base": BASE, "variants": variants}, "here", Path("/x"), name=name)
    names = [cell.name for cell in found.cells]
    assert len(set(names)) == len(labels)
    assert all(re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,63}", made) for made in (found.name, *names))


def test_options_are_for_all_cells_and_axes_by_their_own_name(folder: Path) -> None:
    """One that contradicts an axis is refused, and says how the axis is changed."""
    found = made({"grid": ORDERS}, folder, "run.steps=7", "grid.run.seed=[4]")
    assert {(cell.settings.run.steps, cell.settings.run.seed) for cell in found.cells} == {(7, 4)}
    with pytest.raises(ConfigError, match=r"-o 'grid\.run\.seed=\[…\]'"):
        made({"grid": ORDERS}, folder, "run.seed=4")


def test_the_budget_is_every_cells(folder: Path) -> None:
    found = made({"grid": ORDERS, "budget": {"calls": 400}}, folder)
    assert {cell.settings.budget.calls for cell in found.cells} == {400}


def test_a_base_is_a_table_a_file_or_a_recipe(folder: Path) -> None:
    text = '[problem]\ndata = "questions.csv"\n[scorer]\nmodel = "local/smollm2-135m"\n'
    (folder / "sub").mkdir()
    (folder / "sub" / "run.toml").write_text(text, encoding="utf-8")
    (folder / "sub" / "sweep.toml").write_text(
        'base = "run.toml"\n[grid]\nrun.seed = [0, 1]\n', encoding="utf-8"
    )
    beside = read_sweep(folder / "sub" / "sweep.toml")
    assert beside.name == "sweep"
    assert beside.cells[0].settings.problem.data == folder / "sub" / "questions.csv"
    recipe = made({"base": "demo", "grid": ORDERS}, folder)
    assert recipe.cells[0].settings.models()["scorer"].model == "local/smollm2-135m"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"gird": {}}, "did you mean 'grid'"),
        ({"base": 3}, "the base of a sweep is"),
        ({"base": "opro/nothing"}, "but got 'opro/nothing', which is neither"),
        ({"grid": {"run.seed": 3}}, "an axis of a grid is a list"),
        ({"grid": {"run.seed": []}}, "an axis of a grid is a list"),
        ({"grid": {"run.seeed": [1]}}, "did you mean 'seed'"),
        ({"grid": {"run.seed": ["one"]}}, "the key 'run.seed' is a valid integer"),
        ({"grid": {"run.seed": [1, 1]}}, "cells differ"),
        ({"grid": {"budget.calls": [1, 2]}}, "cells of a sweep have equal budgets"),
        ({"budget": {"usd": 2}}, "caps calls or tokens, but got 'usd'"),
        ({"budget": {"calls": 0}}, "budget.calls"),
        ({"variants": [{"run.steps": 1}]}, "a variant has a label"),
        ({"variants": [{"label": "a"}, {"label": "a"}]}, "labels of variants differ"),
        ({"variants": [{"label": "a", "run.seed": 1}]}, "make it an axis of the grid"),
        (
            {"variants": [{"label": "a", "run.steps": 1}], "grid": {"run.steps": [1]}},
            "run.steps is an axis or in the variants, but got both",
        ),
    ],
)
def test_what_is_no_sweep_is_refused(data: dict[str, Any], words: str, folder: Path) -> None:
    with pytest.raises(ConfigError, match=re.escape(words)):
        made(data, folder)


def test_the_documented_sweeps_are_valid(folder: Path) -> None:
    """Those of the page about sweeps, as they stand there."""
    blocks = re.findall(
        r"^```toml\n(.*?)^```", DOCUMENT.read_text("utf-8"), re.DOTALL | re.MULTILINE
    )
    assert blocks
    (folder / "llmopt.toml").write_text(
        '[problem]\ndata = "questions.csv"\n[scorer]\nmodel = "local/smollm2-135m"\n',
        encoding="utf-8",
    )
    for block in blocks:
        assert len(sweep_of(tomllib.loads(block), "there", folder).cells) > 1


# -- doing it -------------------------------------------------------------------------------


def test_every_cell_uses_the_same_budget_and_nothing_is_bought_twice(
    folder: Path, counting: Counting
) -> None:
    """A reply that an earlier cell bought is charged to a later one, but not paid for again."""
    data = {"grid": {**ORDERS, "run.steps": [50]}, "budget": {"calls": 300}}
    found = swept(made(data, folder, COUNTED), folder)
    used = {cell.calls for cell in found.cells}
    assert max(used) - min(used) <= 8, "what choosing the winner takes can be a candidate less"
    assert max(used) <= 300
    assert len(counting.calls) == len(set(counting.calls)) == found.bought < 4 * 300


def test_a_budget_means_the_same_for_a_cell_that_finds_everything_bought(
    folder: Path, counting: Counting
) -> None:
    """Done again under another name: no call, and every cell ends as it did."""
    data = {"grid": {**ORDERS, "run.steps": [50]}, "budget": {"calls": 300}}
    first = swept(made(data, folder, COUNTED, name="one"), folder)
    bought = len(counting.calls)
    again = swept(made(data, folder, COUNTED, name="two"), folder)
    assert len(counting.calls) == bought
    assert again.bought == 0
    assert again.rows == first.rows


def test_a_cell_is_the_run_that_it_would_be_alone(folder: Path) -> None:
    """Sharing changes what is paid, never what is found."""
    alone = [
        swept(made({"grid": {"run.seed": [seed]}}, folder), folder, store=folder / f"{seed}.sqlite")
        for seed in (0, 1)
    ]
    together = swept(made({"grid": {"run.seed": [0, 1]}}, folder), folder)
    assert [cell.best for cell in together.cells] == [one.cells[0].best for one in alone]
    assert [cell.calls for cell in together.cells] == [one.cells[0].calls for one in alone]


def test_a_finished_cell_is_not_done_again(folder: Path, counting: Counting) -> None:
    data = {"grid": ORDERS}
    first = swept(made(data, folder, COUNTED), folder)
    bought = len(counting.calls)
    assert swept(made(data, folder, COUNTED), folder) == first
    assert len(counting.calls) == bought


def test_a_sweep_can_grow(folder: Path, counting: Counting) -> None:
    """New seeds are done, and the old cells stand."""
    first = swept(made({"grid": ORDERS}, folder, COUNTED), folder)
    more = {**ORDERS, "run.seed": [0, 1, 2]}
    grown = swept(made({"grid": more}, folder, COUNTED), folder)
    assert grown.cells[:4] == first.cells
    assert len(counting.calls) == len(set(counting.calls))


def test_a_sweep_that_was_interrupted_ends_like_the_unbroken_one(
    folder: Path, counting: Counting
) -> None:
    """Wherever it stops; the same call goes on, and nothing is bought twice."""
    sweep = made({"grid": {**ORDERS, "run.steps": [50]}, "budget": {"calls": 300}}, folder, COUNTED)
    whole = swept(sweep, folder, store=folder / "whole.sqlite")
    for after in (3, 40, 110, 180, 240):
        counting.calls.clear()

        def interrupt(calls: int, last: int = after) -> None:
            if calls == last:
                counting.before = lambda _: None
                signal.raise_signal(signal.SIGINT)

        counting.before = interrupt
        store = folder / f"{after}.sqlite"
        with pytest.raises(KeyboardInterrupt):
            swept(sweep, folder, store=store)
        found = swept(sweep, folder, store=store)
        assert found.cells == whole.cells, after
        assert found.rows == whole.rows, after
        # A call that was under way when it stopped may have been answered and not stored.
        assert len(counting.calls) - len(set(counting.calls)) <= 64, after


def test_a_failure_lets_the_other_cells_at_work_finish(folder: Path, counting: Counting) -> None:
    """Those that have not begun stay undone, and the same call goes on."""

    def refuse(calls: int) -> None:
        if calls == 100:
            counting.before = lambda _: None
            raise RefusedError("no more")

    counting.before = refuse
    sweep = made({"grid": {**ORDERS, "run.seed": [0, 1, 2]}}, folder, COUNTED)
    with pytest.raises(RefusedError, match="no more"):
        swept(sweep, folder, jobs=2)
    assert len(swept(sweep, folder, jobs=2).cells) == 6
    assert len(counting.calls) == len(set(counting.calls))


def test_cells_side_by_side_find_the_same(folder: Path, counting: Counting) -> None:
    data = {"grid": {**ORDERS, "run.steps": [50]}, "budget": {"calls": 200}}
    one = swept(made(data, folder, COUNTED), folder)
    bought = len(counting.calls)
    counting.calls.clear()
    two = swept(made(data, folder, COUNTED), folder, jobs=3, store=folder / "other.sqlite")
    assert two.cells == one.cells
    assert len(counting.calls) == len(set(counting.calls)) == bought


def test_methods_are_compared(folder: Path) -> None:
    """An axis of methods, named by themselves."""
    grid = {"algorithm.name": ["opro", "ape", "sampling"], "run.seed": [0, 1], "run.steps": [50]}
    base = {**BASE, "algorithm": {}}
    found = swept(made({"base": base, "grid": grid, "budget": {"calls": 300}}, folder), folder)
    assert [row.variant for row in found.rows] == ["opro", "ape", "sampling"]
    used = [cell.calls for cell in found.cells]
    assert max(used) <= 300
    assert min(used) >= 300 - 40 - 8, "a start that wins is tested once"


def test_bad_input_of_any_cell_is_refused_before_the_first_call(
    folder: Path, counting: Counting
) -> None:
    """Nothing is left behind either."""
    last = {"grid": {"problem.data": ["questions.csv", "missing.csv"]}}
    with pytest.raises(ConfigError, match=r"the cell 'opro, missing, seed 0' .*missing\.csv"):
        swept(made(last, folder, COUNTED), folder)
    grid = {"algorithm.name": ["opro", "ape"], "algorithm.shown": [5]}
    with pytest.raises(ConfigError, match="an option of the algorithm 'ape' is one of"):
        swept(made({"grid": grid}, folder, COUNTED), folder)
    with pytest.raises(ConfigError, match="jobs are cells at once"):
        swept(made({"grid": ORDERS}, folder, COUNTED), folder, jobs=0)
    assert not counting.calls
    with closing(open_store(folder / "store.sqlite")) as store:
        assert store.runs() == ()


def test_cells_without_test_items_cannot_be_compared(folder: Path) -> None:
    problem = {"train": "questions.csv"}
    with pytest.raises(ConfigError, match="cells of a sweep are compared on test items"):
        swept(made({"base": {**BASE, "problem": problem}, "grid": ORDERS}, folder), folder)


def test_a_changed_sweep_wants_another_name(folder: Path) -> None:
    """What has begun goes on only as it began; what costs nothing may change."""
    swept(made({"grid": ORDERS}, folder), folder)
    with pytest.raises(StoreError, match=r"run\.steps changed in its cell 'order=ascending, seed"):
        swept(made({"grid": ORDERS}, folder, "run.steps=3"), folder)
    swept(made({"grid": ORDERS}, folder, "run.concurrency=3"), folder)
    with closing(open_store(folder / "store.sqlite")) as store:
        store.create("taken", {"identity": {}, "source": {}})
    with pytest.raises(StoreError, match="'taken', which is a run"):
        swept(made({"grid": ORDERS}, folder, name="taken"), folder)


# -- the table ------------------------------------------------------------------------------


def cell(variant: str, seed: int, scores: list[float], task: str = "", calls: int = 100) -> Done:
    items = tuple((f"{task}{n}", float(score), 1.0) for n, score in enumerate(scores))
    return Done("run", variant, task, str(seed), items, 0.5, "text", "", "", 3, 9, calls, 1000)


def test_a_table_is_mean_spread_and_rank() -> None:
    cells = [
        cell("a", 0, [1, 1, 0, 0]),
        cell("b", 0, [1, 1, 1, 0]),
        cell("a", 1, [1, 0, 0, 0]),
        cell("b", 1, [0, 1, 0, 0]),
    ]
    first, second = summarized(cells)
    assert (first.mean, second.mean) == (0.375, 0.5)
    assert second.spread == pytest.approx(stdev([0.75, 0.25]))
    assert (first.rank, second.rank) == (1.75, 1.25), "equal scores share their ranks"
    assert (second.won, second.lost) == (1, 0)
    assert first.difference is None
    assert first.words == "compared with"


def repeated(*scores: tuple[str, list[float]], seeds: int = 9) -> list[Done]:
    """Searches that find the same with every seed."""
    return [cell(name, seed, list(got)) for seed in range(seeds) for name, got in scores]


def test_an_item_is_one_observation_however_many_seeds_measured_it() -> None:
    """More seeds do not make more items: an interval does not shrink by repetition."""
    before, after = [0.0] * 40 + [1.0] * 20, [1.0] * 40 + [0.0] * 20
    once = summarized(repeated(("a", before), ("b", after), seeds=1))[1].difference
    often = summarized(repeated(("a", before), ("b", after)))[1].difference
    assert once
    assert often
    assert once == paired_difference(before, after)
    assert (often.n, often.wins, often.losses) == (once.n, once.wins, once.losses) == (60, 40, 20)
    assert often.mean == pytest.approx(once.mean)
    assert often.interval.high - often.interval.low >= once.interval.high - once.interval.low


def test_with_one_seed_there_are_figures_and_no_word() -> None:
    """However much two winners differ, another search may find anything."""
    cells = [cell("a", 0, [0.0] * 50), cell("b", 0, [1.0] * 50)]
    row = summarized(cells)[1]
    assert row.difference
    assert row.difference.interval.low > 0.5
    assert (row.adjusted, row.seeds, row.words) == (None, 1, "not tested (one seed)")
    assert flat(row)["adjusted"] is None


def test_winners_that_vary_from_seed_to_seed_are_not_taken_for_the_method() -> None:
    """Two of three searches of b were lucky: over the items alone p is below 0.0001."""
    base = [1.0] * 100 + [0.0] * 100
    found = {"a": (100, 100, 100), "b": (160, 99, 155)}
    cells = [
        cell(name, seed, [1.0] * right[seed] + [0.0] * (200 - right[seed]))
        for seed in range(3)
        for name, right in found.items()
    ]
    row = summarized(cells)[1]
    assert row.words == "not distinguishable"
    winners = [sum(c.test[n][1] for c in cells if c.variant == "b") / 3 for n in range(200)]
    assert paired_difference(base, winners).p_value < 1e-4


def test_seeds_that_split_the_rows_anew_are_compared_pair_by_pair() -> None:
    """Easy test rows of a seed favour both winners, and are no difference of methods."""
    cells = []
    for seed, easy in enumerate((10, 20, 18)):
        first, second = [1.0] * easy + [0.0] * (30 - easy), [1.0] * (easy + 8) + [0.0] * (22 - easy)
        for name, scores in (("a", first), ("b", second)):
            test = tuple((f"{seed}-{n}", score, 1.0) for n, score in enumerate(scores))
            cells.append(Done(**{**vars(cell(name, seed, [])), "test": test}))
    row = summarized(cells)[1]
    assert row.difference
    assert row.difference.n == 90
    assert row.words == "better"


def test_items_of_one_question_are_one_observation() -> None:
    """Rows with equal inputs are resampled together, as in the verdict of a run."""
    before, after = [0.0] * 12, [1.0] * 6 + [0.0] * 6
    groups = {str(n): f"question {n // 3}" for n in range(12)}
    cells = [cell("a", 0, before), cell("b", 0, after)]
    shared = [Done(**{**vars(done), "groups": groups}) for done in cells]
    apart, together = summarized(cells)[1].difference, summarized(shared)[1].difference
    assert apart
    assert together
    assert together.mean == apart.mean
    assert together == paired_difference(before, after, clusters=list(groups.values()))
    assert together.p_value > apart.p_value, "four questions say less than twelve"


def test_p_values_are_corrected_for_the_number_of_variants() -> None:
    base = [0.0] * 20
    rows = summarized(
        repeated(
            *(
                (name, [1.0] * gained + base[gained:])
                for name, gained in (("a", 0), ("b", 4), ("c", 12), ("d", 0))
            )
        )
    )
    raw = [row.difference.p_value for row in rows if row.difference]
    assert [row.adjusted for row in rows[1:]] == list(holm(raw))
    assert [row.words for row in rows[1:]] == [
        "not distinguishable",
        "better",
        "not distinguishable",
    ]


def test_tasks_count_the_same_whatever_their_size() -> None:
    """And each has a table of its own."""
    cells = [
        cell("a", 0, [0.0] * 100, "big"),
        cell("b", 0, [0.0] * 100, "big"),
        cell("a", 0, [0.0] * 4, "small"),
        cell("b", 0, [1.0] * 4, "small"),
    ]
    rows = summarized(cells)
    assert [(row.task, row.variant) for row in rows] == [
        (task, variant) for task in ("", "big", "small") for variant in "ab"
    ]
    both = rows[1]
    assert both.mean == 0.5
    assert both.difference
    assert both.difference.mean == pytest.approx(0.5)


def test_only_common_items_are_compared() -> None:
    """One that stayed unmeasured for one of them counts for none."""
    cells = [cell("a", 0, [0, 0, 0, 0]), cell("b", 0, [1, 1, 1])]
    row = summarized(cells)[1]
    assert row.difference
    assert row.difference.n == 3


@given(
    st.lists(st.lists(st.booleans(), min_size=6, max_size=6), min_size=4, max_size=4),
    st.randoms(use_true_random=False),
)
def test_the_order_of_seeds_and_items_changes_nothing(
    scores: list[list[bool]], random: Any
) -> None:
    def shuffled(done: Done) -> Done:
        items = list(done.test)
        random.shuffle(items)
        return Done(**{**vars(done), "test": tuple(items)})

    cells = [
        cell(variant, seed, [float(s) for s in scores[2 * seed + n]])
        for seed in (0, 1)
        for n, variant in enumerate("ab")
    ]
    other = [cells[2], cells[3], cells[0], cells[1]]
    for row, same in zip(summarized(cells), summarized(other), strict=True):
        assert (same.mean, same.rank, same.won) == pytest.approx((row.mean, row.rank, row.won))
        if row.difference and same.difference:
            assert same.difference.mean == pytest.approx(row.difference.mean)
            assert same.adjusted == pytest.approx(row.adjusted)
    once = [cell.score for cell in cells]
    assert [shuffled(done).score for done in cells] == pytest.approx(once)


def test_the_notes_say_what_the_test_asks() -> None:
    few = [cell("a", 0, [0, 1, 0, 1]), cell("b", 0, [1, 1, 1, 1], calls=150)]
    said = "\n".join(notes(summarized(few), few))
    assert "one seed says nothing" in said
    assert "p:" not in said
    assert "100 to 150 calls" in said
    more = [cell(name, seed, [0, 1, seed]) for seed in (0, 1) for name in "ab"]
    said = "\n".join(notes(summarized(more), more))
    assert "Student's t test over 2 seeds and 3 items" in said
    assert "from seed to seed as well as from item to item" in said
    assert "one seed" not in said
    assert "calls:" not in said


def test_the_table_as_csv(tmp_path: Path) -> None:
    """A line for each row, with numbers that are not rounded."""
    import csv

    cells = [cell(v, s, [0, 1, s, i]) for s in (0, 1) for i, v in enumerate("ab")]
    rows = summarized(cells)
    write_csv(tmp_path / "table.csv", map(flat, rows))
    with (tmp_path / "table.csv").open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    assert [(line["task"], line["variant"]) for line in lines] == [("all", "a"), ("all", "b")]
    assert float(lines[1]["mean"]) == fmean(c.score for c in cells if c.variant == "b")
    assert float(lines[1]["adjusted"]) == rows[1].adjusted
    assert lines[0]["difference"] == ""


def test_cells_that_did_no_step_are_pointed_out(folder: Path) -> None:
    """A budget that buys no step compares nothing but the start with itself."""
    found = swept(made({"grid": ORDERS, "budget": {"calls": 150}}, folder), folder)
    assert {cell.steps for cell in found.cells} == {0}
    assert "4 of 4 cells did no step" in "\n".join(notes(found.rows, found.cells))


def test_cells_have_the_control_that_a_base_names_and_only_that(folder: Path) -> None:
    """It is within the budget of each cell; a sweep that began without it goes on with it."""
    base = {**BASE, "evidence": {"controls": ["empty", "sampling"]}}
    data = {"base": base, "grid": {"run.seed": [0]}, "budget": {"calls": 500}}
    store = folder / "runs.sqlite"
    found = swept(made(data, folder), folder, store=store)
    assert all(cell.calls <= 500 for cell in found.cells)
    kept = open_store(store)
    names = {info.name for info in kept.runs()}
    kept.close()
    assert {f"{cell.cell}-control" for cell in found.cells} <= names
    with_sampling = {**data, "grid": {"algorithm.name": ["opro", "sampling"]}}
    with_sampling["base"] = {**base, "algorithm": {}}
    for one, wanted in ((data, ["sampling"]), (with_sampling, [])):
        cells = made(one, folder).cells
        assert [cell.settings.evidence.controls for cell in cells] == [wanted] * len(cells)
