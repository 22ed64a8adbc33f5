"""Truths about reading data: what is kept, and what is refused with which place."""

from __future__ import annotations

import csv
import io
import json
import os
import sys
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from llmopt.errors import DataError, MissingExtraError
from llmopt.problems.data.columns import load
from llmopt.problems.data.objects import from_rows

if TYPE_CHECKING:
    from pathlib import Path

    from llmopt.core.values import Item

ROWS = [{"text": "good film", "label": "positive"}, {"text": "bad film", "label": "negative"}]


def write(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def read(path: Path) -> list[tuple[str, str]]:
    return [(item.input, item.target) for item in load(path, input="text", target="label")]


def plain(items: tuple[Item, ...]) -> list[tuple[str, str]]:
    return [(item.input, item.target) for item in items]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", "text,label\ngood film,positive\nbad film,negative\n"),
        ("bom.csv", b"\xef\xbb\xbftext,label\r\ngood film,positive\r\nbad film,negative\r\n"),
        ("blank.csv", "\ntext,label\n\ngood film,positive\n   \nbad film,negative"),
        ("extra.csv", "n, text ,label,,\n1,good film,positive,,\n2,bad film,negative,,\n"),
        ("mac.csv", "text,label\rgood film,positive\rbad film,negative\r"),
        ("a.TSV", "label\ttext\npositive\tgood film\nnegative\tbad film\n"),
        ("a.jsonl", "".join(json.dumps(row) + "\r\n" for row in ROWS)),
        ("a.ndjson", "\n" + "\n\n".join(json.dumps(row) for row in ROWS)),
        ("a.json", json.dumps(ROWS)),
        ("bom.json", b"\xef\xbb\xbf" + json.dumps(ROWS).encode()),
        ("examples.json", json.dumps({"canary": "x", "notes": [], "examples": ROWS})),
        ("data.json", json.dumps({"notes": ["x"], "data": ROWS})),
        ("other.json", json.dumps({"name": "x", "rows": ROWS})),
    ],
)
def test_every_format_gives_the_same_items(tmp_path: Path, name: str, content: str) -> None:
    items = load(write(tmp_path, name, content), input="text", target="label")
    assert items == from_rows(ROWS, input="text", target="label")


def test_parquet_gives_the_same_items(tmp_path: Path) -> None:
    parquet.write_table(pa.Table.from_pylist(ROWS), tmp_path / "a.parquet")
    items = load(str(tmp_path / "a.parquet"), input="text", target="label")
    assert items == from_rows(ROWS, input="text", target="label")


def test_quoted_cells_keep_line_ends_quotes_and_separators(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", 'text,label\r\n"one\r\ntwo, ""three""", 007 \r\n')
    assert read(path) == [('one\r\ntwo, "three"', " 007 ")]


def test_cells_may_be_longer_than_the_csv_module_allows_at_first(tmp_path: Path) -> None:
    limit = csv.field_size_limit()
    path = write(tmp_path, "a.csv", "text,label\n" + "x" * 200_000 + ",y\n")
    assert len(read(path)[0][0]) == 200_000
    assert csv.field_size_limit() == limit


def test_json_numbers_stay_as_they_are_written(tmp_path: Path) -> None:
    rows = '[{"text": 12, "label": 12.0}, {"text": 1e3, "label": true}, {"text": "é", "label": -0}]'
    assert read(write(tmp_path, "a.json", rows)) == [
        ("12", "12.0"),
        ("1e3", "true"),
        ("é", "-0"),
    ]


def test_json_line_separators_inside_strings_do_not_end_a_line(tmp_path: Path) -> None:
    path = write(tmp_path, "a.jsonl", '{"text": "a\u2028b", "label": "c\x85d"}')
    assert read(path) == [("a\u2028b", "c\x85d")]


def test_python_values_become_text() -> None:
    rows: list[dict[str, Any]] = [
        {"text": 12, "label": True},
        {"text": 12.5, "label": np.bool_(False)},
        {"text": np.int64(3), "label": Decimal("1.50")},
    ]
    items = from_rows(rows, input="text", target="label")
    assert plain(items) == [("12", "true"), ("12.5", "false"), ("3", "1.50")]


def test_ids_do_not_depend_on_the_order_of_rows() -> None:
    rows = [*ROWS, {"text": "so-so", "label": "negative"}]
    there = from_rows(rows, input="text", target="label")
    back = from_rows(reversed(rows), input="text", target="label")
    assert sorted(there, key=lambda i: i.id) == sorted(back, key=lambda i: i.id)


def test_repeated_rows_are_numbered() -> None:
    items = from_rows([ROWS[0]] * 3 + [ROWS[1]], input="text", target="label")
    first = items[0].id
    assert len(first) == 12
    assert [item.id for item in items[:3]] == [first, f"{first}-2", f"{first}-3"]
    assert len({item.id for item in items}) == 4


def test_input_and_target_are_told_apart_in_the_id() -> None:
    rows = [{"text": "a", "label": "bc"}, {"text": "ab", "label": "c"}]
    items = from_rows(rows, input="text", target="label")
    assert items[0].id != items[1].id


texts = st.text(
    st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), min_size=1
).filter(str.strip)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.fixed_dictionaries({"text": texts, "label": texts}), min_size=1, max_size=5))
@pytest.mark.parametrize("orient", ["columns", "list", "index", "split", "records"])
def test_data_frames_that_were_written_as_json_are_read(
    tmp_path: Path, orient: str, rows: list[dict[str, str]]
) -> None:
    """As pandas writes them: ``to_json(orient=...)``, and ``to_dict("list")``."""
    by = {str(n): row for n, row in enumerate(rows)}
    columns = {name: [row[name] for row in rows] for name in ("text", "label")}
    layouts: dict[str, Any] = {
        "columns": {name: dict(zip(by, cells, strict=True)) for name, cells in columns.items()},
        "list": columns,
        "index": by,
        "split": {
            "columns": list(columns),
            "index": list(range(len(rows))),
            "data": [[row[name] for name in columns] for row in rows],
        },
        "records": rows,
    }
    path = write(tmp_path, "a.json", json.dumps(layouts[orient]))
    assert load(path, input="text", target="label") == from_rows(rows, input="text", target="label")


def test_arrays_of_objects_are_no_columns(tmp_path: Path) -> None:
    row = {"text": "a", "label": "b"}
    for more in ({"names": ["x"]}, {"train": [row]}):
        path = write(tmp_path, "a.json", json.dumps({"examples": [row], **more}))
        assert read(path) == [("a", "b")]


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.fixed_dictionaries({"text": texts, "label": texts}), min_size=1, max_size=5))
def test_any_text_survives_every_text_format(tmp_path: Path, rows: list[dict[str, str]]) -> None:
    expected = from_rows(rows, input="text", target="label")
    for suffix, dialect in (("csv", "excel"), ("tsv", "excel-tab")):
        stream = io.StringIO(newline="")
        writer = csv.DictWriter(stream, ["text", "label"], dialect=dialect, quoting=csv.QUOTE_ALL)
        writer.writeheader()
        writer.writerows(rows)
        path = write(tmp_path, f"a.{suffix}", stream.getvalue())
        assert load(path, input="text", target="label") == expected
    lines = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    path = write(tmp_path, "a.jsonl", lines)
    assert load(path, input="text", target="label") == expected
    path = write(tmp_path, "a.json", json.dumps(rows))
    assert load(path, input="text", target="label") == expected


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.ods", "x", r"one of \.csv, .*but got .*a\.ods"),
        ("a.csv", "", r"a\.csv: .*it is empty"),
        ("a.csv", "\ufeff \n", r"a\.csv: .*it is empty"),
        ("a.csv", "text,label\n", "at least one row, but it has none"),
        ("a.csv", "texts,label\na,b\n", "no 'text'; did you mean 'texts'.*'texts', 'label'"),
        ("a.csv", "text.label\na.b\n", "no 'text'.*columns are 'text.label'"),
        ("a.csv", 'text,label\n"a"b,c\n', r"line 2: .*well-formed.*commas"),
        ("a.xlsx", "x", "a valid Excel workbook"),
        ("a.csv", "text,label,text\na,b,c\n", r"line 1: .*'text' occurs twice"),
        ("a.csv", "text,label\na,b\nc\n", r"line 3: .*2 cells .*has 1"),
        ("a.csv", 'text,label\n"a\nb",c\nd,e,f\n', r"line 4: .*2 cells .*has 3"),
        ("a.csv", "text,label\na,\n", r"line 2, column 'label': .*not blank"),
        ("a.csv", "text,label\n\n\n  ,b\n", r"line 4, column 'text': .*not blank"),
        ("a.csv", 'text,label\na,b\n"c,d\n', r"line 3: .*well-formed.*unexpected end"),
        ("a.csv", 'text,label\n"a"b,c\n', r"line 2: .*well-formed"),
        ("a.csv", b"text,label\na,b\n\xe9,c\n", r"line 3: .*UTF-8.*0xe9"),
        ("a.csv", "text,label\na,b\n".encode("utf-16"), "UTF-16; save it as UTF-8"),
        ("a.csv", "text,label\na,b\0\n", r"line 2: .*NUL"),
        ("a.json", "[{]", r"line 1, column 3: .*valid JSON"),
        ("a.json", '[\n{"text": "a",}]', r"line 2, column \d+: .*valid JSON"),
        ("a.json", "[" * 100_000, "deep nests"),
        ("a.json", "[]", "at least one row"),
        ("a.json", "12", "array of objects, but got a single value"),
        ("a.json", '{"a": [], "b": []}', "one array, but this one has 'a', 'b'"),
        ("a.json", '{"text": "a"}', "one array, but this one has no array"),
        ("a.json", '[{"text": "a", "label": "b"}, ["a"]]', "record 2: .*object, but got an array"),
        ("a.json", '[{"text": "a", "text": "b"}]', "'text' occurs twice"),
        ("a.json", '[{"text": "a", "label": null}]', "record 1, column 'label': .*missing"),
        ("a.json", '[{"text": "a", "label": NaN}]', "finite, but got NaN"),
        ("a.json", '[{"text": ["a"], "label": "b"}]', "column 'text': .*got a list"),
        ("a.json", '[{"text": "\\ud800", "label": "b"}]', "column 'text': .*surrogate"),
        ("a.json", '[{"text": "\\u0000", "label": "b"}]', "column 'text': .*NUL"),
        ("a.jsonl", '{"text": "a", "label": "b"}\n{"text"}', r"line 2, column \d+: .*valid JSON"),
        ("a.jsonl", '{"text": "a", "label": "b"}\nnull', "line 2: .*object, but got null"),
        (
            "a.jsonl",
            '{"text": "a", "label": "b"}\n\n{"text": "c"}',
            "line 3: every row has the columns, but there is no 'label'",
        ),
        ("a.parquet", "text,label", "valid Parquet"),
    ],
)
def test_what_cannot_be_used_is_refused_with_its_place(
    tmp_path: Path, name: str, content: str | bytes, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        read(write(tmp_path, name, content))


def test_a_missing_file_names_the_nearest_one(tmp_path: Path) -> None:
    write(tmp_path, "tickets.csv", "text,label\na,b\n")
    with pytest.raises(DataError, match=r"no .*ticket\.csv.*did you mean 'tickets\.csv'"):
        read(tmp_path / "ticket.csv")
    with pytest.raises(DataError, match="exists, but there is no"):
        read(tmp_path / "nowhere" / "a.csv")


def test_a_path_that_cannot_be_looked_at_is_refused(tmp_path: Path) -> None:
    """Such as one in a folder that may not be entered, or with a name that is too long."""
    with pytest.raises(DataError, match=r"is readable, but .* is not: File name too long"):
        load(tmp_path / ("x" * 300 + ".csv"), input="text", target="label")


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0,
    reason="needs a user for whom folders can be closed: not root",
)
def test_a_folder_that_may_not_be_entered_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, "data.csv", "text,label\na,b\n")
    for mode, said in ((0o600, "Permission denied"), (0o300, "there is no")):
        tmp_path.chmod(mode)
        try:
            with pytest.raises(DataError, match=said):
                load(path.with_name("none.csv"), input="text", target="label")
        finally:
            tmp_path.chmod(0o700)


def test_a_directory_is_no_data_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is a directory"):
        read(tmp_path)


@pytest.mark.parametrize("value", [None, float("nan"), np.float64("nan"), "", b"a", [{}], {}])
def test_python_rows_need_plain_values(value: object) -> None:
    with pytest.raises(DataError, match="row 2, column 'label'"):
        from_rows([ROWS[0], {"text": "a", "label": value}], input="text", target="label")


def test_python_rows_are_mappings_or_pairs() -> None:
    with pytest.raises(DataError, match="row 1: a row is a mapping, or a pair of input and tar"):
        from_rows([("a", "b", "c")], input="text", target="label")
    with pytest.raises(DataError, match="at least one row"):
        from_rows([], input="text", target="label")
    with pytest.raises(DataError, match="two columns, but both"):
        from_rows(ROWS, input="text", target="text")


def test_parquet_without_pyarrow_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"llms-as-optimizers\[parquet\]"):
        read(write(tmp_path, "a.parquet", "x"))


def test_parquet_values_and_columns_are_checked(tmp_path: Path) -> None:
    table = pa.table({"text": ["a", "b"], "label": [1, None]})
    parquet.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(DataError, match=r"record 2, column 'label': .*missing"):
        read(tmp_path / "a.parquet")
    with pytest.raises(DataError, match="no 'texts'; did you mean 'text'"):
        load(tmp_path / "a.parquet", input="texts", target="label")


@pytest.mark.parametrize(
    ("name", "mark"), [("comma", ","), ("semicolon", ";"), ("tab", "\t"), ("bar", "|")]
)
@pytest.mark.parametrize("first", ["", "sep={}\n", "\ufeffsep={}\r\n"])
def test_csv_may_be_separated_as_spreadsheets_do_it(
    tmp_path: Path, name: str, mark: str, first: str
) -> None:
    rows = [["text", "label"], ['a, b; c\td|e "f"\ng', "yes"], ["h", "no"]]
    stream = io.StringIO(newline="")
    csv.writer(stream, delimiter=mark).writerows(rows)
    path = write(tmp_path, f"{name}.csv", first.format(mark) + stream.getvalue())
    assert read(path) == [(rows[1][0], "yes"), ("h", "no")]


def test_commas_as_decimal_points_separate_nothing(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", "text;label\nhalf;0,5\na tenth;0,1\n")
    assert read(path) == [("half", "0,5"), ("a tenth", "0,1")]


def test_rows_without_any_value_are_passed_over(tmp_path: Path) -> None:
    content = "text,label\na,b\n,\n \t,  \n\nc,d\n,\n"
    assert read(write(tmp_path, "a.csv", content)) == [("a", "b"), ("c", "d")]


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16", "latin-1", "utf-8"])
def test_another_encoding_is_named(tmp_path: Path, encoding: str) -> None:
    path = write(tmp_path, "a.csv", "text,label\ncafé,à\n".encode(encoding))
    (item,) = load(path, input="text", target="label", encoding=encoding)
    assert (item.input, item.target) == ("café", "à")


@pytest.mark.parametrize(
    ("encoding", "content", "message"),
    [
        ("utf-9", b"text,label\n", "one that Python knows, but got 'utf-9'"),
        ("utf-8", b"text,label\n\xe9,a\n", "text is utf-8, but got bytes that are not"),
        ("", b"text,label\n\xe9,a\n", r"problem\.encoding = 'cp1252'"),
        ("", "text,label\n".encode("utf-16"), r"problem\.encoding = 'utf-16'"),
    ],
)
def test_a_wrong_encoding_is_refused_with_the_key(
    tmp_path: Path, encoding: str, content: bytes, message: str
) -> None:
    path = write(tmp_path, "a.csv", content)
    with pytest.raises(DataError, match=message):
        load(path, input="text", target="label", encoding=encoding)


def test_json_and_json_lines_may_have_each_others_suffix(tmp_path: Path) -> None:
    rows = [{"text": f"t{n}", "label": "a"} for n in range(3)]
    lines = "\n".join(json.dumps(row) for row in rows)
    expected = [(f"t{n}", "a") for n in range(3)]
    assert read(write(tmp_path, "lines.json", lines)) == expected
    assert read(write(tmp_path, "array.jsonl", json.dumps(rows, indent=1))) == expected


def test_excel_gives_the_first_sheet(tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    for row in ([None, None], ["text", "label"], ["a", 1], [None, " "], ["b", 2.5]):
        book.active.append(row)
    book.save(tmp_path / "a.xlsx")
    assert read(tmp_path / "a.xlsx") == [("a", "1"), ("b", "2.5")]
