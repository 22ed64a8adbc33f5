"""A promptfoo configuration: the prompt, its model, and the held-out items as test cases.

promptfoo renders prompts and variables as Nunjucks templates, so braces that belong to a text are
written as expressions. Answers are judged by a short expression of each metric's. It says what the
metric means, but does not read long answers as carefully as llmopt does, so counts may differ.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from llmopt.core.text import visible
from llmopt.errors import ConfigError
from llmopt.integrations.frameworks import parted, raw, sampling
from llmopt.models.providers.presets import PRESETS
from llmopt.problems.metrics.contract import Assertion

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmopt.core.problem import SplitName
    from llmopt.core.values import Item
    from llmopt.engine.journal import ProblemRecord
    from llmopt.integrations.exported import Material

_SPLITS: tuple[SplitName, ...] = ("test", "validation", "train")
_BRACES = re.compile(
    r"\{(?=[{%#]|\Z)|#\}"
)  # the end of a comment is an error without its beginning
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
    before, after = parted(found)
    split = next(name for name in _SPLITS if problem.items[name])
    run = found.export.run
    lines = [
        f"# The instruction that llmopt's run {run} found, with its {split} items.",
        *_remarks(found, problem),
        f"description: {_scalar(f'llmopt {run}')}",
        "prompts:",
        f"  - label: {_scalar(f'{run}, step {found.export.step}')}",
        f"    raw: {_scalar(f'{literal(before)}{{{{input}}}}{literal(after)}')}",
        "providers:",
        *_provider(found),
        "defaultTest:",
        "  assert:",
        *(f"    {line}" for line in assertion(_kept(problem))),
        "tests:",
        *(_test(item) for item in problem.items[split]),
    ]
    return "\n".join(lines) + "\n"


def literal(text: str) -> str:
    """Return a template that renders as exactly this text, whatever stands behind it."""
    return _BRACES.sub(lambda found: f'{{{{ "{found[0]}" }}}}', text)


def _test(item: Item) -> str:
    return f"  - vars: {_scalar({'input': literal(item.input), 'target': literal(item.target)})}"


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


def _model(found: Material) -> dict[str, Any] | None:
    """Return what the configuration says of the scorer LLM, if promptfoo can reach it."""
    source = found.store.config(found.export.run)["source"] or {}
    table: dict[str, Any] = source.get("scorer", {})
    host = str(table.get("model", "")).partition("/")[0]
    return table if host in PRESETS else None


def _provider(found: Material) -> Iterator[str]:
    table = _model(found)
    if table is None:
        yield "  - echo"
        return
    host, _, model = str(table["model"]).partition("/")
    preset = PRESETS[host]
    settings = {
        "apiBaseUrl": table.get("base_url") or preset.base_url,
        "apiKeyEnvar": table.get("key_variable") or preset.key_variable,
        **sampling(found),
    }
    kind = "completion" if raw(found) else "chat"
    yield f"  - id: {_scalar(f'openai:{kind}:{model}')}"
    yield f"    config: {_scalar({key: value for key, value in settings.items() if value != ''})}"


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
