"""A promptfoo configuration: the prompt, its model, and the held-out items as test cases.

promptfoo renders prompts and variables as Nunjucks templates, so braces that belong to a text are
written as expressions. Answers are judged by a short expression of each metric's. It says what the
metric means, but does not read long answers as carefully as llmopt does, so counts may differ.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from llmopt.core.text import visible
from llmopt.errors import ConfigError
from llmopt.integrations.frameworks import joined, raw, sampling, slotted, variable
from llmopt.models.providers.presets import PRESETS
from llmopt.problems.metrics.contract import Assertion

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from llmopt.core.problem import SplitName
    from llmopt.core.values import Item
    from llmopt.engine.journal import ProblemRecord
    from llmopt.integrations.exported import Material
    from llmopt.integrations.frameworks import TemplatePart

_SPLITS: tuple[SplitName, ...] = ("test", "validation", "train")
_BRACES = re.compile(
    r"\{(?=[{%#]|\Z)|#\}"
)  # the end of a comment is an error without its beginning
_ENDPOINT = re.compile(r"(\w+)/(.+?)@(https?://[^?+\s]+)(?:[?+]\S*)?")  # identity of a model
_UNPRINTABLE = re.compile("[\ufeff\ufffe\uffff]")  # what YAML leaves out of its characters

_PLAIN = r"""const target = context.vars.target;
const plain = s => String(s).normalize('NFKC').toLowerCase().replace(/\s+/g, ' ')
  .replace(/^[\s"'*]+|[\s"'*.,:;!?]+$/g, '');
"""


def promptfoo_config(found: Material) -> str:
    """Return a file for ``promptfoo eval -c``; its test cases are the test items."""
    problem = found.standing.prompts
    if problem is None:  # the table of formats says that it needs prompts
        raise ValueError("a promptfoo configuration is written for runs of instructions")
    slots = sorted({part.slot for _, parts in slotted(found) for part in parts if part.slot})
    split = next(name for name in _SPLITS if problem.items[name])
    run = found.export.run
    lines = [
        f"# The instruction that llmopt's run {run} found, with its {split} items.",
        *_remarks(found, problem),
        f"description: {_scalar(f'llmopt {run}')}",
        "prompts:",
        f"  - label: {_scalar(f'{run}, step {found.export.step}')}",
        f"    raw: {_scalar(_prompt(found))}",
        "providers:",
        *_provider(found),
        "defaultTest:",
        "  assert:",
        *(f"    {line}" for line in assertion(_kept(problem))),
        "tests:",
        *(_test(item, slots) for item in problem.items[split]),
    ]
    return "\n".join(lines) + "\n"


def literal(text: str) -> str:
    """Return a template that renders as exactly this text, whatever stands behind it."""
    return _BRACES.sub(lambda found: f'{{{{ "{found[0]}" }}}}', text)


def _prompt(found: Material) -> str:
    """Return the prompt as promptfoo has it: a text, or a chat of several turns as JSON."""
    turns = slotted(found)
    if raw(found) or len(turns) == 1:
        return _template(joined(turns))
    said = [{"role": role, "content": _template(parts)} for role, parts in turns]
    return json.dumps(said, ensure_ascii=False)


def _template(parts: Sequence[TemplatePart]) -> str:
    """Return parts of a prompt as a template."""
    # What stands behind a brace decides whether it opens something, so a text is taken whole.
    return "".join(
        f"{{{{{variable(part.slot)}}}}}" if part.slot else literal(part.text) for part in parts
    )


def _test(item: Item, slots: Sequence[str]) -> str:
    values = {**dict(item.fields), "input": item.input}
    named = {variable(slot): literal(values.get(slot, "")) for slot in slots}
    return f"  - vars: {_scalar({**named, 'target': literal(item.target)})}"


def _scalar(value: Any) -> str:
    """Return a value as JSON, which is YAML as well."""
    text = visible(json.dumps(value, ensure_ascii=False))
    return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _remarks(found: Material, problem: ProblemRecord) -> Iterator[str]:
    if problem.own["again"]:
        yield (
            "# llmopt asked a second time, for the final answer alone; promptfoo asks once, so "
            "scores differ."
        )
    if problem.own["answer"] == "likelihood":
        yield (
            "# llmopt read answers from their likelihood, without generating text; promptfoo reads "
            "text, so scores differ."
        )
    if not _model(found):
        yield f"# The scorer LLM was {found.export.scorer}: name its provider below."


@dataclass(frozen=True)
class _Reached:
    """Where promptfoo reaches the scorer LLM.

    Attributes:
        model: Its name there.
        base_url: Where the API begins, as the run has asked it: never another host.
        key_variable: The variable that holds the key; empty: none is needed.
        table: What the configuration says of it.
    """

    model: str
    base_url: str
    key_variable: str
    table: Mapping[str, Any]


def _model(found: Material) -> _Reached | None:
    """Return where the scorer LLM is, if promptfoo can reach it."""
    source = found.store.config(found.export.run)["source"] or {}
    table: dict[str, Any] = source.get("scorer", {})
    asked = _ENDPOINT.fullmatch(found.export.scorer)
    name = str(table.get("model") or (f"{asked[1]}/{asked[2]}" if asked else ""))
    host, _, model = name.partition("/")
    if host not in PRESETS:
        return None
    preset = PRESETS[host]
    url = asked[3] if asked else table.get("base_url") or preset.base_url
    return _Reached(model, url, table.get("key_variable") or preset.key_variable, table)


def _provider(found: Material) -> Iterator[str]:
    reached = _model(found)
    if reached is None:
        yield "  - echo"
        return
    table = reached.table
    settings = {
        "apiBaseUrl": reached.base_url,
        "apiKeyEnvar": reached.key_variable,
        **sampling(found),
        **{key: table[key] for key in ("top_p", "reasoning_effort") if table.get(key)},
        **{
            theirs: _without_secrets(table[ours])
            for ours, theirs in (("extra", "passthrough"), ("headers", "headers"))
            if table.get(ours)
        },
    }
    kind = "completion" if raw(found) else "chat"
    yield f"  - id: {_scalar(f'openai:{kind}:{reached.model}')}"
    yield f"    config: {_scalar({key: value for key, value in settings.items() if value != ''})}"


def _without_secrets(value: Any) -> Any:
    """Return fields or headers; what the environment holds is named and not written."""
    if isinstance(value, dict) and set(value) == {"env"}:
        return f"{{{{env.{value['env']}}}}}"
    if isinstance(value, dict):
        return {name: _without_secrets(one) for name, one in value.items()}
    return [_without_secrets(one) for one in value] if isinstance(value, list) else value


def _kept(problem: ProblemRecord) -> Assertion:
    """Return how the run's metric has said that promptfoo judges.

    Raises:
        ConfigError: It has not.
    """
    kept = problem.own["assertion"]
    if kept is None:
        raise ConfigError(
            "a promptfoo configuration is written for a metric that is known by name, but got "
            f"{problem.own['metric']}; export the items with --format items instead"
        )
    return Assertion(**kept)


def assertion(found: Assertion) -> Iterator[str]:
    """Yield the lines of what judges an answer."""
    code = found.code
    for name, value in found.values.items():
        code = code.replace(name, _scalar(value))
    yield f"- type: {found.kind}"
    if found.kind == "llm-rubric":
        yield f"  value: {_scalar(code)}"
    else:
        yield from _block(f"{_PLAIN}{code}" if found.kind == "javascript" else code)


def _block(code: str) -> Iterator[str]:
    """Yield code as a YAML block, which keeps it readable; none of its lines is odd."""
    yield "  value: |-"
    for line in code.splitlines():
        yield f"    {line}"
