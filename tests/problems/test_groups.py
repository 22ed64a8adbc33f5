"""Truths about groups of the user's: nothing splits one, and readers know them without the data."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmopt.config.draft import DraftModels, commented, drafted
from llmopt.core.groups import group_labels
from llmopt.core.values import Item
from llmopt.engine.journal import HeldOut
from llmopt.errors import ConfigError, DataError
from llmopt.evidence.differences import groups_of
from llmopt.problems.data.columns import RowColumns, items_of
from llmopt.problems.data.group_columns import group_columns, shared_passages
from llmopt.problems.data.records import DataRecord
from llmopt.problems.data.splits import Splits, check_disjoint, split
from llmopt.problems.data.survey import survey
from llmopt.problems.prompt.prompt_problem import PromptProblem

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def passages(n: int, questions: int = 5) -> tuple[Item, ...]:
    return tuple(
        Item(f"{p}-{q}", f"passage {p}, question {q}", "yes" if q % 2 else "no", group=f"p{p}")
        for p in range(n)
        for q in range(questions)
    )


def parts(splits: Splits) -> tuple[tuple[Item, ...], ...]:
    return splits.train, splits.validation, splits.test


def rows(n: int) -> list[dict[str, str]]:
    return [
        {"text": f"text {r}", "label": "a" if r % 2 else "b", "user": f"u{r // 4}"}
        for r in range(n)
    ]


@given(
    st.lists(st.tuples(st.integers(0, 12), st.integers(0, 25)), min_size=8, max_size=80),
    st.sampled_from([(0.25, 0.25, 0.5), (0.5, 0.0, 0.5), (0.2, 0.1, 0.3), (3, 2, 3)]),
    st.integers(0, 2**32 - 1),
    st.booleans(),
)
def test_no_group_is_split_apart_and_no_item_doubled(
    drawn: list[tuple[int, int]],
    sizes: tuple[float, float, float],
    seed: int,
    stratify: bool,
) -> None:
    """Whatever groups and inputs repeat, what they link is in one part or in none."""
    data = [
        Item(f"{n}", f"input {text}", "yes" if n % 3 else "no", group=f"{group}" if group else "")
        for n, (group, text) in enumerate(drawn)
    ]
    try:
        found = split(data, sizes=sizes, seed=seed, stratify=stratify)
    except DataError as error:
        assert "stay" in str(error)  # noqa: PT017  # most draws do not raise
        return
    check_disjoint(found)
    home = {item.id: name for name, part in enumerate(parts(found)) for item in part}
    assert len(home) == sum(map(len, parts(found)))
    whole = group_labels(data)
    for label in set(whole):
        together = [item for item, own in zip(data, whole, strict=True) if own == label]
        assert len({home.get(item.id) for item in together}) == 1
    if sum(sizes) == 1:
        assert len(home) == len(data)
    assert found == split(data, sizes=sizes, seed=seed, stratify=stratify)


@given(st.integers(0, 2**32 - 1))
def test_parts_come_as_close_to_their_sizes_as_groups_allow(seed: int) -> None:
    found = split(passages(40), seed=seed)
    assert [len(part) for part in parts(found)] == [50, 50, 100]
    assert found.asked == ()
    uneven = split(passages(20, 7), seed=seed)  # 35, 35 and 70 rows; 35 are five groups
    assert [len(part) for part in parts(uneven)] == [35, 35, 70]
    odd = split(passages(12, 7), sizes=(0.3, 0.2, 0.5), seed=seed)  # 25.2, 16.8 and 42 rows
    assert [len(part) for part in parts(odd)] == [28, 14, 42]
    assert odd.asked == (25, 17, 42)


def test_a_prefix_of_a_part_is_not_all_of_one_group() -> None:
    """Stages and races measure the first items of train."""
    found = split(passages(40))
    assert len({item.group for item in found.train[:4]}) > 1
    assert Counter(item.target for item in found.train[:10])["no"] in (5, 6, 7)


def test_few_groups_are_refused_by_that_name() -> None:
    with pytest.raises(DataError, match="only 2 groups and a group stays on one side"):
        split(passages(2, 20), sizes=(0.1, 0.1, 0.8))


def test_rows_without_a_group_are_split_as_if_there_were_no_groups() -> None:
    plain = [Item(f"{n}", f"input {n // 2}", "yes" if n % 3 else "no") for n in range(24)]
    found = split(plain, seed=3)
    assert [item.id for item in found.train] == ["14", "15", "18", "19", "8", "9"]
    assert found.asked == ()


def test_one_input_in_two_groups_joins_them() -> None:
    data = [
        Item("a", "one", group="x"),
        Item("b", "two", group="x"),
        Item("c", "Two ", group="y"),
        Item("d", "three", group="y"),
        Item("e", "four"),
        Item("f", "x"),
    ]
    found = groups_of(data)
    assert len({found[name] for name in "abcd"}) == 1
    assert len({found[name] for name in "aef"}) == 3
    assert groups_of(data[::-1]) == found


def test_own_files_may_not_share_a_group() -> None:
    halves = Splits((Item("a", "x", group="g 1"),), (), (Item("b", "y", group="g 1"),))
    with pytest.raises(DataError, match=r"train and test both have rows of 'g 1'; move them"):
        check_disjoint(halves)


def test_a_group_is_a_column_also_further_down_and_does_not_name_the_item() -> None:
    record = DataRecord("row 1", {"input": "i", "target": "t", "meta": {"user": 7}})
    (plain,) = items_of([record], "rows", RowColumns())
    (grouped,) = items_of([record], "rows", RowColumns(group="meta.user"))
    assert grouped.group == "7"
    assert grouped.id == plain.id
    blank = DataRecord("row 2", {"input": "i", "target": "t", "user": " "})
    with pytest.raises(DataError, match="row 2, column 'user': a value is not blank"):
        items_of([blank], "rows", RowColumns(group="user"))


def test_a_group_is_a_part_of_the_identity_and_rows_keep_theirs() -> None:
    grouped = PromptProblem.from_rows(rows(40), input="text", target="label", group="user")
    plain = PromptProblem.from_splits(
        Splits(*(tuple(_plain(part)) for part in parts(grouped.splits)))
    )
    assert plain.fingerprint.items() <= grouped.fingerprint.items()
    assert set(grouped.fingerprint) - set(plain.fingerprint) == {"groups"}


def _plain(items: Sequence[Item]) -> list[Item]:
    return [Item(item.id, item.input, item.target) for item in items]


def test_balanced_scores_keep_groups_and_the_sizes_that_were_asked_for() -> None:
    data = rows(42)
    made = PromptProblem.from_rows(data, input="text", target="label", group="user", balanced=True)
    assert made.splits.asked
    assert all(item.group for part in parts(made.splits) for item in part)


def test_readers_know_the_groups_from_the_journal() -> None:
    items = (*passages(3), Item("x", "alone", "t"), Item("y", "b", "t", 2.0, ("u",), (("k", "v"),)))
    kept = HeldOut.unpacked(json.loads(json.dumps(HeldOut(items, "best", ()).packed())))
    assert kept.items == items
    assert HeldOut(items[-2:-1], "best", ()).packed()["items"] == [["x", "alone", "t", 1.0]]


def test_groups_go_with_data_of_the_users_own() -> None:
    from llmopt.config.tables import ProblemTable

    with pytest.raises(ConfigError, match=r"problem\.group is a column of data of your own"):
        ProblemTable(benchmark="gsm8k", group="user").check_source()


# -- columns that look like groups -------------------------------------------------------------


def test_a_column_looks_like_a_group_by_its_name_or_its_length_where_values_repeat() -> None:
    found = [
        DataRecord(
            f"row {n}",
            {
                "passage": "p" * 200 + str(n // 4),
                "userId": n // 3,
                "customer_id": n,
                "label": "ab"[n % 2],
                "rating": n % 5,
                "document": "one for all",
            },
        )
        for n in range(40)
    ]
    columns = list(found[0].values)
    assert list(group_columns(found, columns)) == ["passage", "userId"]
    assert list(group_columns(found, columns, ["passage"])) == ["userId"]


def test_passages_in_inputs_count_unless_they_are_the_prompt() -> None:
    frame = "f" * 300
    data = [Item(f"{n}", f"{frame}\n{'p' * 250}{n // 4}\nquestion {n}") for n in range(40)]
    sharing, passage = shared_passages(data)
    assert sharing == 40
    assert passage.startswith("ppp")
    assert shared_passages([Item(f"{n}", f"{frame}\nquestion {n}") for n in range(40)])[0] == 0


def test_a_draft_suggests_a_group_as_a_comment(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text("\n".join(json.dumps(row) for row in rows(80)))
    found = survey(file)
    assert found.group == "user"
    text = commented(found, drafted(found, "rows.jsonl", DraftModels()))
    assert '\n# group = "user" ' in text
