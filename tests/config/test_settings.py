"""Configuration: TOML and options in, a run's parts or one clear message out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmopt.config.reading import read, settings
from llmopt.errors import ConfigError, UnknownNameError
from llmopt.problems.prompt.constraints import Invariants

if TYPE_CHECKING:
    from llmopt.config.settings import Configuration
    from llmopt.core.algorithm import Algorithm

MINIMAL: dict[str, Any] = {"problem": {"data": "data.csv"}, "scorer": {"model": "openai/x"}}


def made(*overrides: str, **tables: Any) -> Configuration:
    return settings({**MINIMAL, **tables}, "here", Path("/project"), overrides)


def complaint(*overrides: str, **tables: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        made(*overrides, **tables)
    return str(caught.value)


def test_paths_become_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the file's folder, or the working directory for an option; ``~`` is the home."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/somebody")
    table = {"train": "a/train.csv", "test": "/b/test.csv", "instructions_from": ["c.txt", "~/d"]}
    found = made(problem=table, algorithm={"template_from": "e.md"})
    assert found.problem.train == Path("/project/a/train.csv")
    assert found.problem.test == Path("/b/test.csv")
    assert found.problem.instructions_from == [Path("/project/c.txt"), Path("/home/somebody/d")]
    assert found.algorithm.template_from == Path("/project/e.md")
    assert made("problem.data=x.csv").problem.data == tmp_path.resolve() / "x.csv"


def test_the_path_of_a_model_is_a_path() -> None:
    """A GGUF file is found beside the configuration; other names stay as they are."""
    for name, kept in (
        ("local/m/x.gguf", "local//project/m/x.gguf"),
        ("local/smollm2-135m", "local/smollm2-135m"),
        ("local/hf:owner/repo/x.gguf", "local/hf:owner/repo/x.gguf"),
        ("openai/x.gguf", "openai/x.gguf"),
    ):
        assert made(scorer={"model": name}).models()["scorer"].model == kept


def test_what_the_journal_keeps_builds_the_same_settings() -> None:
    found = made("run.seed=3", "algorithm.shown=4", "problem.sizes=[10, 10, 20]", "budget.usd=2")
    kept = found.model_dump(mode="json", exclude_defaults=True)
    assert settings(kept, "the journal", Path("/")) == found


def test_sizes_stay_shares_or_counts() -> None:
    """A whole number is a count, and ``1.0`` is a share."""
    counts = made("problem.sizes=[10, 0, 20]").problem.sizes
    shares = made("problem.sizes=[0.5, 0, 0.5]").problem.sizes
    assert [type(size) for size in counts] == [int, int, int]
    assert [type(size) for size in shares] == [float, int, float]


def test_every_mistake_is_told_at_once() -> None:
    """One line each, with the file and the key."""
    said = complaint("run.stpes=3", "run.seed=x", "scorer.mode=talk", "budget.calls=0")
    lines = said.splitlines()
    assert len(lines) == 4
    assert all(line.startswith("here: the key '") for line in lines)
    assert "'run.stpes' is not known; did you mean 'steps'?" in said
    assert "'scorer.mode' is 'auto', 'chat' or 'completion', but got 'talk'" in said


@pytest.mark.parametrize(
    ("table", "key"),
    [
        ("problem", "instruction"),
        ("scorer", "modle"),
        ("optimizer", "modle"),
        ("scorer.price", "inputs"),
        ("optimizer.price", "inputs"),
        ("run", "sed"),
        ("budget", "call"),
    ],
)
def test_an_unknown_key_names_the_nearest_in_its_table(table: str, key: str) -> None:
    assert f"'{table}.{key}' is not known; did you mean " in complaint(f"{table}.{key}=1")


def test_a_table_is_a_table() -> None:
    assert "the key 'run' is a table, but got 5" in complaint(run=5)
    assert "the table 'scorer' is missing" in str(_refused({"problem": {"data": "x.csv"}}))


def _refused(data: dict[str, Any]) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        settings(data, "here", Path("/"))
    return caught.value


def test_an_option_does_not_change_the_data_it_is_given() -> None:
    data = {"problem": {"data": "x.csv"}, "scorer": {"model": "openai/x"}, "run": {"seed": 1}}
    assert settings(data, "here", Path("/"), ["run.seed=2"]).run.seed == 2
    assert data["run"] == {"seed": 1}


@given(st.text(st.characters(codec="utf-8")))
def test_any_text_can_be_an_option(text: str) -> None:
    """An option is refused, or is a value of the configuration; nothing else happens."""
    try:
        task = made(f"problem.task={text}").problem.task
    except ConfigError:
        return
    assert isinstance(task, str)


@pytest.mark.parametrize(
    "text", ["yes or no", "a = 1", "5 apples", "2024\nx = 1", "", "[", "nan x"]
)
def test_what_is_no_toml_is_text(text: str) -> None:
    assert made(f"problem.task={text}").problem.task == text


def built(**options: Any) -> Algorithm:
    return made(algorithm={"name": "opro", **options}).algorithm.built()


@pytest.mark.parametrize(
    "options",
    [
        {"shown": 5, "temperature": 1, "threshold": 0.5, "order": "random", "strict": False},
        {"temperature_end": 0.1, "stages": [4, 8], "template": "{{ task }}", "tag": "Start"},
    ],
)
def test_options_of_a_method_reach_it(options: dict[str, Any]) -> None:
    assert built(**options) != built()


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("shown", "5"),
        ("shown", 5.0),
        ("shown", True),
        ("shown", [5]),
        ("temperature", "hot"),
        ("temperature", float("nan")),
        ("temperature", float("inf")),
        ("threshold", "low"),
        ("order", 1),
        ("family", ["chat"]),
        ("strict", 1),
        ("template", 5),
        ("stages", 4),
        ("stages", [4, "8"]),
    ],
)
def test_an_option_of_a_method_has_its_kind(option: str, value: Any) -> None:
    """Refused with the key, not with a failure in the middle of a run."""
    with pytest.raises(ConfigError, match=rf"'algorithm\.{option}' is "):
        built(**{option: value})


def test_a_byte_order_mark_is_no_content(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text('[problem]\ndata = "x"\n[scorer]\nmodel = "m"\n', encoding="utf-8-sig")
    assert read(path).problem.data == tmp_path.resolve() / "x"


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"[problem"])
def test_a_file_that_is_no_toml_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "run.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"run\.toml"):
        read(path)


def test_a_file_that_cannot_be_read_is_named_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path / "none.toml")
    assert str(caught.value).count("none.toml") == 1


def test_data_are_given_in_one_way() -> None:
    with pytest.raises(ConfigError, match="leave one out"):
        made("problem.train=x.csv").built_problem()


def test_demands_and_the_second_round_reach_the_problem(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text("input,target\n" + "".join(f"{n}?,{n % 2}\n" for n in range(20)))
    demands: dict[str, Any] = {
        "required": ["now"],
        "forbidden": ["later"],
        "placeholders": ["{x}"],
        "max_words": 9,
        "max_instruction_tokens": 20,
        "language": "en",
    }
    given = {"data": str(path), "instructions": ["Answer {x} now."], "copied_words": 5, **demands}
    problem = made(problem=given, scorer={"model": "m", "again": True}).built_prompts()
    assert problem.invariants == Invariants(**demands)
    assert (problem.asking.again, problem.filters.copied_words) == (True, 5)
    with pytest.raises(ConfigError, match=r"starting instruction.*lacks the placeholder \{x\}"):
        made(problem={**given, "instructions": ["Answer now."]}).built_problem()
    with pytest.raises(ConfigError, match="copied_words is 0"):
        made(problem={**given, "copied_words": 1}).built_problem()
    with pytest.raises(UnknownNameError, match=r"language.*did you mean 'en'"):
        made(problem={**given, "language": "eng"}).built_problem()


def test_prices_go_to_the_roles() -> None:
    """Without an optimizer LLM of its own, the scorer's price counts for both."""
    price = {"input": 1.0, "output": 2.0}
    both = made(scorer={"model": "openai/x", "price": price}).options()["prices"]
    assert set(both) == {"optimizer", "scorer"}
    one = made(optimizer={"model": "openai/y", "price": price}).options()["prices"]
    assert set(one) == {"optimizer"}
