"""What ``llmopt export`` writes is what other programs read: each is loaded by the real one.

The libraries are many and large, so a test is skipped where its own is not installed.
"""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import subprocess
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from llmopt import open_store, optimize
from llmopt.cli import main
from llmopt.config.reading import settings, tables
from llmopt.core.values import Item
from llmopt.integrations.promptfoo import assertion, literal
from llmopt.problems.data.columns import load
from llmopt.problems.metrics.contract import Scored
from llmopt.problems.metrics.rules import (
    Boolean,
    Choice,
    Contains,
    Exact,
    Number,
    Pattern,
)
from llmopt.testing import scripted

if TYPE_CHECKING:
    from conftest import Shell
    from endpoint import Endpoint

    from llmopt.problems.metrics.contract import Metric
    from llmopt.problems.prompt.prompt_problem import PromptProblem

SCHEMA = json.loads(
    (Path(__file__).parents[2] / "docs" / "schemas" / "export.json").read_text(encoding="utf-8")
)
NASTY = "Answer {{x}} {% if %} {# no #} {% endraw %} {a} }} \"so\" 'é🙂' ${y} \\n 50 % {"


@pytest.fixture
def odd(shell: Shell) -> Shell:
    """A project whose texts look like templates, with a run."""
    rows = [
        f'"Is {{{{ {n} }}}} or {{% x %}} {n}, {{y}}?",{"yes" if n % 2 else "no"}' for n in range(40)
    ]
    shell.write("questions.csv", "\n".join(["input,target", *rows, ""]))
    shell.write("start.txt", NASTY)
    shell.configure(
        ('instructions = ["Answer.", "Answer now."]', 'instructions_from = ["start.txt"]')
    )
    assert shell.llmopt("run", "run.toml", "-q").code == 0
    return shell


def written(form: str, *words: str) -> str:
    said = CliRunner().invoke(
        main, ["export", "run", "--format", form, *words], catch_exceptions=False
    )
    assert said.exit_code == 0, said.stderr
    return said.stdout_bytes.decode()


def problem_of(run: str) -> PromptProblem:
    with closing(open_store()) as store:
        source = store.config(run)["source"]
    return settings(source, run, Path("/")).built_prompts()


# -- the schema -----------------------------------------------------------------------------


def valid(data: Any) -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed")
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.Draft202012Validator(SCHEMA).validate(data)


@pytest.mark.parametrize("change", ["", "again = true\n", 'mode = "completion"\n'])
def test_every_export_keeps_the_schema(shell: Shell, change: str) -> None:
    shell.configure(("[scorer]\n", f"[scorer]\n{change}"))
    shell.llmopt("run", "run.toml", "-q")
    for words in ((), ("--start",), ("--rank", "2"), ("--input", "x")):
        data = shell.llmopt("export", "run", *words, "--json").data
        valid(data)
        assert list(data) == SCHEMA["required"], words


def test_the_export_of_a_function_keeps_the_schema(shell: Shell) -> None:
    optimize(scripted.numbers(), optimizer=scripted.model(), steps=1, name="n", progress=False)
    valid(shell.llmopt("export", "n", "--json").data)


# -- tables ---------------------------------------------------------------------------------


def test_the_trajectory_has_a_row_for_every_text(shell: Shell) -> None:
    """Every candidate with its score, and every refused text with the reason."""
    shell.llmopt("run", "run.toml", "-q", "-o", "problem.max_length=30")
    rows = list(csv.DictReader(io.StringIO(written("trajectory"), newline="")))
    steps = shell.llmopt("show", "run", "--json").data["steps"]
    tried = [(c["text"], c["id"], c["score"]) for step in steps for c in step["candidates"]]
    found = [(r["text"], r["id"], float(r["score"])) for r in rows if not r["refused"]]
    assert found == tried
    refused = [(r["text"], r["reason"]) for step in steps for r in step["rejected"]]
    assert refused
    assert [(r["text"], r["refused"]) for r in rows if r["refused"]] == refused


def test_items_have_a_row_for_every_answer(odd: Shell) -> None:
    """Train items of every candidate; test items of the winner, the start and the controls."""
    rows = list(csv.DictReader(io.StringIO(written("items"), newline="")))
    data = odd.llmopt("show", "run", "--json").data
    held = [float(r["score"]) for r in rows if (r["split"], r["solution"]) == ("test", "best")]
    assert sum(held) / len(held) == data["result"]["test"]["best"]["mean"]
    inputs = {item.id: item.input for item in problem_of("run").items("train")}
    train = [r for r in rows if r["split"] == "train"]
    assert len(train) == sum(c["measured"] for s in data["steps"] for c in s["candidates"])
    assert all(r["input"] == inputs[r["item"]] for r in train)
    held_out = {r["solution"] for r in rows if r["split"] == "test"}
    assert held_out > {"best"}
    assert ("start" in held_out) == (data["result"]["best"] != data["result"]["start"])


# -- promptfoo ------------------------------------------------------------------------------

PROMPTFOO = shutil.which("promptfoo")
needs_promptfoo = pytest.mark.skipif(
    not PROMPTFOO, reason="needs promptfoo on the PATH: npm install -g promptfoo"
)


def evaluated(config: Path, folder: Path) -> list[dict[str, Any]]:
    """Let promptfoo do a configuration; return its results in order."""
    quiet = {
        "PROMPTFOO_DISABLE_TELEMETRY": "1",
        "PROMPTFOO_DISABLE_UPDATE": "1",
        "PROMPTFOO_DISABLE_REMOTE_GENERATION": "true",
        "PROMPTFOO_CONFIG_DIR": str(folder / "promptfoo"),
        "PROMPTFOO_FAILED_TEST_EXIT_CODE": "0",
    }
    assert PROMPTFOO
    words = [PROMPTFOO, "eval", "-c", str(config), "--no-cache", "-o", str(folder / "out.json")]
    done = subprocess.run(
        words, env={**os.environ, **quiet}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    data = json.loads((folder / "out.json").read_text(encoding="utf-8"))
    return sorted(data["results"]["results"], key=lambda result: result["testIdx"])


def test_a_promptfoo_configuration_has_the_test_items(odd: Shell) -> None:
    yaml = pytest.importorskip("yaml", reason="the extra promptfoo is not installed")
    data = yaml.safe_load(written("promptfoo"))
    items = problem_of("run").items("test")
    assert len(data["tests"]) == len(items) == 20
    assert [test["vars"]["target"] for test in data["tests"]] == [i.target for i in items]
    assert data["providers"] == ["echo"]
    assert data["defaultTest"]["assert"][0]["type"] == "javascript"
    back = odd.llmopt("export", "run", "--format", "promptfoo", "-o", "back.yaml")
    assert back.code == 0
    assert yaml.safe_load((odd.folder / "back.yaml").read_text(encoding="utf-8")) == data


@pytest.mark.usefixtures("odd")
def test_a_promptfoo_configuration_comes_back_as_data() -> None:
    """What is exported is read as the same test items."""
    pytest.importorskip("yaml", reason="the extra promptfoo is not installed")
    Path("config.yaml").write_text(written("promptfoo"), encoding="utf-8")
    assert load("config.yaml", input="input", target="target") == problem_of("run").items("test")


def test_promptfoo_gets_the_provider_of_a_model_it_can_reach(shell: Shell) -> None:
    """By the OpenAI interface, with the sampling of the run and the name of the key's variable."""
    yaml = pytest.importorskip("yaml", reason="the extra promptfoo is not installed")
    shell.llmopt("run", "run.toml", "-q", "-o", 'scorer.stop=["\\n\\n"]')
    with closing(open_store()) as store:
        config = store.config("run")
        config["source"]["scorer"] |= {"model": "groq/llama-3"}
        config["identity"]["scorer"] = "groq"
        store.create("other", config)
        for record in store.records("run"):
            if record.seq:
                store.append("other", record.kind, record.data)
    said = shell.llmopt("export", "other", "--format", "promptfoo")
    (provider,) = yaml.safe_load(said.out)["providers"]
    assert provider == {
        "id": "openai:chat:llama-3",
        "config": {
            "apiBaseUrl": "https://api.groq.com/openai/v1",
            "apiKeyEnvar": "GROQ_API_KEY",
            "temperature": 0.0,
            "max_tokens": 256,
            "stop": ["\n\n"],
        },
    }


@needs_promptfoo
def test_promptfoo_sends_exactly_the_prompts_of_the_run(odd: Shell) -> None:
    """Texts that look like its templates come out as they are."""
    odd.llmopt("export", "run", "--start", "--format", "promptfoo", "-o", "config.yaml")
    found = evaluated(odd.folder / "config.yaml", odd.folder)
    problem = problem_of("run")
    model = scripted.model()
    expected = [problem.call(NASTY, item, model).text for item in problem.items("test")]
    assert [result["response"]["output"] for result in found] == expected


JUDGED: list[tuple[Metric, str, list[str]]] = [
    (Boolean(), "yes", ["Yes.", "no", "yes or no", "yesterday", "**yes**"]),
    (Boolean(), "invalid", ["It is invalid", "valid", "invalid."]),
    (Choice(("spam", "not spam")), "spam", ["spam", "Not spam", "SPAM!", "spammer"]),
    (Choice(("spam", "not spam")), "not spam", ["not spam", "spam", "It is not spam."]),
    (Choice(("C++", "C")), "C++", ["C++", "C"]),
    (Exact(), "New York", ["new york.", '"New York"', "York", "New  York"]),
    (Number(), "1200", ["It is 1,200.", "12", "1200.0", "so 7 + 3 = 1200", "none"]),
    (Contains(), "Paris", ["It is Paris.", "comparison", "PARIS"]),
    (Pattern(r"Answer: (\w+)"), "yes", ["Well. Answer: Yes", "yes"]),
]


@needs_promptfoo
def test_promptfoo_judges_short_answers_as_the_run_did(tmp_path: Path) -> None:
    """Whole words in capital or small letters; nothing is credited for a bare substring."""
    lines = ["prompts:", "  - {label: said, raw: '{{said}}'}", "providers: [echo]", "tests:"]
    expected = []
    for metric, target, outputs in JUDGED:
        made = metric.promptfoo()
        assert made
        for said in outputs:
            scored = metric(said, Item("1", "?", target))
            assert isinstance(scored, Scored)
            expected.append((metric, target, said, scored.score == 1))
            vars_ = json.dumps({"said": said, "target": target})
            lines += [f"  - vars: {vars_}", "    assert:"]
            lines += [f"      {line}" for line in assertion(made)]
    config = tmp_path / "config.yaml"
    config.write_text("\n".join(lines), encoding="utf-8")
    found = [result["success"] for result in evaluated(config, tmp_path)]
    judged = zip(expected, found, strict=True)
    assert [case for case, passed in judged if case[-1] != passed] == []


@given(st.text(alphabet="{}%#x \n\"'"))
def test_a_literal_opens_no_template(text: str) -> None:
    """Nothing is left that opens one but what was written to, and taking it away gives the text."""
    made = literal(text)
    rest = made.replace('{{ "{" }}', "\0").replace('{{ "#}" }}', "\1")
    assert not any(sign in rest for sign in ("{{", "{%", "{#", "#}"))
    assert not rest.endswith("{")
    assert rest.replace("\0", "{").replace("\1", "#}") == text


# -- frameworks -----------------------------------------------------------------------------


@pytest.mark.usefixtures("odd")
def test_a_chat_request_is_the_exact_call() -> None:
    item = problem_of("run").items("test")[0]
    sent = json.loads(written("openai", "--start", "--input", item.input))
    assert sent == {
        "messages": [{"role": "user", "content": f"{NASTY}\n{item.input}"}],
        "temperature": 0.0,
        "max_tokens": 256,
    }
    open_ = json.loads(written("openai", "--start"))
    assert open_["messages"][0]["content"] == f"{NASTY}\n{{input}}"


def test_a_request_needs_its_input_where_the_instruction_holds_the_placeholder(
    shell: Shell,
) -> None:
    """Two places for one input would send another prompt than the one that was measured."""
    shell.write("start.txt", "Fill in {input} as it is.")
    shell.configure(
        ('instructions = ["Answer.", "Answer now."]', 'instructions_from = ["start.txt"]')
    )
    shell.llmopt("run", "run.toml", "-q")
    refused = shell.llmopt("export", "run", "--format", "openai", "--start")
    assert refused.code == 2
    assert "give the input with --input" in refused.err
    given = shell.llmopt("export", "run", "--format", "openai", "--start", "--input", "Is it?")
    assert "Fill in {input} as it is.\\nIs it?" in given.out


def test_a_request_of_a_raw_completion_has_a_prompt(shell: Shell) -> None:
    shell.configure(("[scorer]\n", '[scorer]\nmode = "completion"\nstop = ["Q:"]\n'))
    shell.llmopt("run", "run.toml", "-q")
    sent = json.loads(written("openai", "--start"))
    assert sent == {
        "prompt": "Answer.\n{input}",
        "temperature": 0.0,
        "max_tokens": 256,
        "stop": ["Q:"],
    }


def test_a_second_round_is_named_where_a_format_has_one_call(shell: Shell) -> None:
    shell.configure(("[scorer]\n", "[scorer]\nagain = true\n"))
    shell.llmopt("run", "run.toml", "-q")
    for form in ("openai", "langchain", "promptfoo"):
        assert "asked a second time" in shell.llmopt("export", "run", "--format", form).err
    assert shell.llmopt("export", "run", "--format", "json").err == ""


@pytest.mark.usefixtures("odd")
def test_openai_sends_the_request(server: Endpoint) -> None:
    """Its own client takes it as it is, and gets what the run got."""
    openai = pytest.importorskip("openai", reason="needs openai: make test-extras")
    example = json.loads(written("json"))["example"]
    sent = json.loads(written("openai", "--input", example["input"]))
    with openai.OpenAI(base_url=server.url, api_key="none", max_retries=0) as client:
        said = client.chat.completions.create(model="m", **sent)
    assert said.choices[0].message.content == example["reply"]


IN_BETA = pytest.mark.filterwarnings("ignore:The function `loads` is in beta")


@IN_BETA
@pytest.mark.usefixtures("odd")
def test_langchain_loads_the_prompt() -> None:
    """It says exactly what the run sent, for every test item."""
    load = pytest.importorskip(
        "langchain_core.load", reason="needs langchain-core: make test-extras"
    )
    prompt = load.loads(written("langchain", "--start"), allowed_objects="core")
    problem, model = problem_of("run"), scripted.model()
    for item in problem.items("test"):
        (message,) = prompt.format_messages(input=item.input)
        assert (message.type, message.content) == ("human", problem.call(NASTY, item, model).text)


@IN_BETA
def test_langchain_loads_the_prompt_of_a_raw_completion(shell: Shell) -> None:
    load = pytest.importorskip(
        "langchain_core.load", reason="needs langchain-core: make test-extras"
    )
    shell.configure(("[scorer]\n", '[scorer]\nmode = "completion"\n'))
    shell.llmopt("run", "run.toml", "-q")
    prompt = load.loads(written("langchain", "--start"), allowed_objects="core")
    assert prompt.format(input="{a}?") == "Answer.\n{a}?"


def test_dspy_loads_the_instruction(odd: Shell) -> None:
    dspy = pytest.importorskip("dspy", reason="needs dspy: make test-extras")
    odd.llmopt("export", "run", "--start", "--format", "dspy", "-o", "best.json")
    predict = dspy.Predict("input -> answer")
    predict.load(str(odd.folder / "best.json"))
    assert predict.signature.instructions == NASTY
    assert list(predict.signature.input_fields) == ["input"]


# -- trackers -------------------------------------------------------------------------------


def test_mlflow_has_the_run(odd: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parameters, the curve, the held-out figures and the whole export."""
    mlflow = pytest.importorskip("mlflow", reason="needs the extra mlflow: make test-extras")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (odd.folder / "mlruns").as_uri())
    mlflow.set_tracking_uri((odd.folder / "mlruns").as_uri())
    said = odd.llmopt("export", "run", "--to", "mlflow")
    assert said.code == 0, said.err
    number = said.out.split()[2]
    found = mlflow.get_run(number)
    held = odd.llmopt("export", "run", "--json").data
    assert found.info.run_name == "run"
    assert found.data.params["algorithm"] == "opro"
    assert found.data.metrics["test_best"] == held["held_out"]["score"]["mean"]
    curve = mlflow.MlflowClient().get_metric_history(number, "best_train")
    assert [point.step for point in curve] == [0, 1, 2]
    kept = mlflow.artifacts.load_dict(f"{found.info.artifact_uri}/export.json")
    assert kept == held


def test_wandb_has_the_run(odd: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb", reason="needs the extra wandb: make test-extras")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    monkeypatch.setenv("WANDB_DIR", str(odd.folder))
    said = odd.llmopt("export", "run", "--to", "wandb")
    assert said.code == 0, said.err
    assert "wandb run" in said.out
    assert list(odd.folder.glob("wandb/offline-run-*/*.wandb"))


@pytest.mark.parametrize(("name", "extra"), [("mlflow", "mlflow"), ("wandb", "wandb")])
def test_a_missing_extra_is_named(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, name: str, extra: str
) -> None:
    monkeypatch.setitem(__import__("sys").modules, name, None)
    shell.llmopt("run", "run.toml", "-q", "-o", "run.steps=0")
    refused = shell.llmopt("export", "run", "--to", name)
    assert refused.code == 2
    assert f"pip install 'llms-as-optimizers[{extra}]'" in refused.err


def test_a_run_of_numbers_has_no_test_cases_to_write(shell: Shell) -> None:
    optimize(scripted.numbers(), optimizer=scripted.model(), steps=1, name="n", progress=False)
    refused = shell.llmopt("export", "n", "--format", "promptfoo")
    assert refused.code == 2
    assert "written for runs of instructions" in refused.err
    refused = shell.llmopt("export", "n", "--format", "langchain")
    assert "runs of instructions" in refused.err


# -- turns, columns, and where the run went ---------------------------------------------------


def test_a_system_message_stays_one_everywhere(shell: Shell) -> None:
    yaml = pytest.importorskip("yaml", reason="the extra promptfoo is not installed")
    shell.configure(("[problem]\n", '[problem]\nposition = "system"\n'))
    assert shell.llmopt("run", "run.toml", "-q").code == 0
    sent = json.loads(written("openai", "--start"))["messages"]
    assert sent == [
        {"role": "system", "content": "Answer."},
        {"role": "user", "content": "{input}"},
    ]
    (prompt,) = yaml.safe_load(written("promptfoo", "--start"))["prompts"]
    assert json.loads(prompt["raw"]) == [sent[0], {"role": "user", "content": "{{input}}"}]
    data = json.loads(written("langchain", "--start"))
    kinds = [message["id"][-1] for message in data["kwargs"]["messages"]]
    assert kinds == ["SystemMessagePromptTemplate", "HumanMessagePromptTemplate"]
    given = json.loads(written("json", "--start", "--input", "Is it new?"))["example"]["call"]
    assert given["messages"] == [sent[0], {"role": "user", "content": "Is it new?"}]
    text = shell.llmopt("export", "run", "--start", "--prompt", "--input", "Is it?").out
    assert text == "[system]\nAnswer.\n\n[user]\nIs it?"


def test_columns_of_a_layout_are_variables(shell: Shell) -> None:
    yaml = pytest.importorskip("yaml", reason="the extra promptfoo is not installed")
    rows = [f"{n},near {n},{'yes' if n % 2 else 'no'}" for n in range(40)]
    shell.write("rows.csv", "\n".join(["question,a hint,label", *rows, ""]))
    shell.write("layout.txt", "{instruction}\n{a hint}: {question}")
    given = ("data=rows.csv", "input=question", "target=label", "prompt_from=layout.txt")
    words = [word for one in given for word in ("-o", f"problem.{one}")]
    assert shell.llmopt("run", "run.toml", "-q", *words).code == 0
    data = yaml.safe_load(written("promptfoo", "--start"))
    assert data["prompts"][0]["raw"] == "Answer.\n{{a_hint}}: {{question}}"
    for test in data["tests"]:
        assert test["vars"]["a_hint"] == f"near {test['vars']['question']}"
    sent = json.loads(written("openai", "--start"))["messages"][0]["content"]
    assert sent == "Answer.\n{a hint}: {question}"
    refused = shell.llmopt("export", "run", "--prompt", "--start", "--input", "x")
    assert refused.code == 2
    assert "has columns of the data: a hint, question" in refused.err


@pytest.mark.parametrize("by", ["the environment", "the configuration", "python"])
def test_promptfoo_asks_where_the_run_asked(
    shell: Shell, server: Endpoint, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    """Held-out texts go to the run's own endpoint; never to a public one that was not asked."""
    yaml = pytest.importorskip("yaml", reason="the extra promptfoo is not installed")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-none")
    url = f'\nbase_url = "{server.url}"\nextra = {{ seed = 7, who = {{ env = "WHO" }} }}'
    if by != "the configuration":
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        url = ""
    monkeypatch.setenv("WHO", "me-myself")
    shell.configure(
        ('model = "scripted/llmopt.testing.scripted:answer"', f'model = "openai/m"{url}')
    )
    if by == "python":
        made = settings(tables(shell.folder / "run.toml"), "run.toml", shell.folder)
        optimize(made.built_prompts(), optimizer="openai/m", steps=1, name="run", progress=False)
    else:
        assert shell.llmopt("run", "run.toml", "-q").code == 0
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    (provider,) = yaml.safe_load(written("promptfoo"))["providers"]
    assert provider["id"] == "openai:chat:m"
    assert provider["config"]["apiBaseUrl"] == server.url
    assert provider["config"]["apiKeyEnvar"] == "OPENAI_API_KEY"
    if url:
        assert provider["config"]["passthrough"] == {"seed": 7, "who": "{{env.WHO}}"}
