"""A promptfoo configuration: the prompt, its model, and the held-out items as test cases.

promptfoo renders prompts and variables as Nunjucks templates, so braces that belong to a text are
written as expressions. Answers are judged by a short expression for each metric. It says what the
metric means, but does not read long answers as carefully as llmopt does, so counts may differ.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from llmopt.errors import ConfigError
from llmopt.models.presets import PRESETS
from llmopt.problems.judge import Judge
from llmopt.problems.metrics import (
    Boolean,
    Brackets,
    Choice,
    Contains,
    Exact,
    Function,
    Number,
    Options,
    Pattern,
    Words,
)
from llmopt.report.exports.frameworks import parted, raw, sampling
from llmopt.report.tables import visible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmopt.problem import SplitName
    from llmopt.problems.metrics import Metric
    from llmopt.report.export import Material
    from llmopt.search.journal import ProblemRecord
    from llmopt.types import Item

_SPLITS: tuple[SplitName, ...] = ("test", "validation", "train")
_BRACES = re.compile(
    r"\{(?=[{%#]|\Z)|#\}"
)  # the end of a comment is an error without its beginning
_UNPRINTABLE = re.compile("[\ufeff\ufffe\uffff]")  # what YAML leaves out of its characters

_PLAIN = r"""const target = context.vars.target;
const plain = s => String(s).normalize('NFKC').toLowerCase().replace(/\s+/g, ' ')
  .replace(/^[\s"'*]+|[\s"'*.,:;!?]+$/g, '');
"""

# Of choices inside of one another the longest counts; each must be a whole word.
_NAMED = r"""let rest = plain(output);
const named = choices.map(plain).sort((a, b) => b.length - a.length).filter(choice => {
  const word = choice.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  const found = new RegExp('(?<![\\p{L}\\p{N}])' + word + '(?![\\p{L}\\p{N}])', 'gu');
  const before = rest;
  rest = rest.replace(found, ' ');
  return rest !== before;
});
return named.length === 1 && named[0] === plain(target);"""

_CHECKS: dict[type, str] = {
    Exact: "return plain(output) === plain(target);",
    Contains: f"const choices = [target];\n{_NAMED}",
    Boolean: (
        "const choices = [['yes', 'no'], ['true', 'false'], ['valid', 'invalid']]\n"
        f"  .find(pair => pair.includes(plain(target)));\n{_NAMED}"
    ),
    Number: r"""const numbers = s => (String(s).match(/-?\d[\d,]*(\.\d+)?/g) || [])
  .map(n => Number(n.replace(/,/g, '')));
return Math.abs(numbers(output).pop() - numbers(target).pop()) <= TOLERANCE;""",
    Options: r"""const letter = s => (String(s).match(/\(([A-Z])\)/g) || [s]).pop();
return plain(letter(output)) === plain(letter(target));""",
    Words: r"""const words = s => plain(s).split(/[\s,]+/).join(' ');
return words(output).endsWith(words(target));""",
    Brackets: r"""const closing = s => String(s).replace(/[^()\[\]{}<>]/g, '');
return closing(output).endsWith(closing(target));""",
}
"""For every kind of metric the body of a JavaScript function of output and context."""


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
        *(f"    {line}" for line in _assertion(_metric(problem))),
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


def _metric(problem: ProblemRecord) -> Metric:
    """Return the metric that a run has kept.

    Raises:
        ConfigError: It is an object of the user's own.
    """
    kind, options = problem.own["metric"]
    if kind == Function.__name__:
        return Function(options["name"], lambda *_: 0.0)  # only the name is written
    kinds: dict[str, type[Any]] = {k.__name__: k for k in (*_CHECKS, Choice, Pattern, Judge)}
    if kind not in kinds:
        raise _unknown(kind)
    if kind == Choice.__name__:
        return Choice(tuple(options["choices"]))
    made: Metric = kinds[kind](**options)
    return made


def _unknown(kind: str) -> ConfigError:
    return ConfigError(
        "a promptfoo configuration is written for a metric that is known by name, but got "
        f"{kind}; export the items with --format items instead"
    )


def _assertion(metric: Metric) -> Iterator[str]:
    """Yield the lines of what judges an answer."""
    if isinstance(metric, Judge):
        yield "- type: llm-rubric"
        yield f"  value: {_scalar('The answer says what this reference answer says: {{target}}')}"
    elif isinstance(metric, Function):
        yield "- type: python"
        yield from _block(_python(metric.name))
    else:
        yield "- type: javascript"
        yield from _block(_javascript(metric))


def _block(code: str) -> Iterator[str]:
    """Yield code as a YAML block, which keeps it readable; none of its lines is odd."""
    yield "  value: |-"
    for line in code.splitlines():
        yield f"    {line}"


def _javascript(metric: Metric) -> str:
    if isinstance(metric, Choice):
        choices = _scalar(metric.choices)
        return f"{_PLAIN}const choices = {choices};\n{_NAMED}"
    if isinstance(metric, Pattern):
        return (
            f"{_PLAIN}const found = String(output).match(new RegExp({_scalar(metric.regex)}));\n"
            "return found !== null && plain(found[1] ?? found[0]) === plain(target);"
        )
    if type(metric) not in _CHECKS:
        raise _unknown(type(metric).__name__)
    tolerance = str(metric.tolerance) if isinstance(metric, Number) else ""
    return _PLAIN + _CHECKS[type(metric)].replace("TOLERANCE", tolerance)


def _python(name: str) -> str:
    """Return a Python body that calls a metric of the user's own."""
    module, _, path = name.partition(":")
    top, _, rest = path.partition(".")
    return (
        "from types import SimpleNamespace\n"
        f"from {module} import {top}\n"
        "vars = context['vars']\n"
        "item = SimpleNamespace(id='', input=vars['input'], target=vars['target'], weight=1.0)\n"
        f"return float({'.'.join(filter(None, (top, rest)))}(output, item))"
    )
