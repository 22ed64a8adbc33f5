"""Template variables in instructions: ``{{ question }}``, ``{name}``, ``${name}``, ``{% if %}``."""

from __future__ import annotations

import re

_NAME = r"[^\W\d]\w*"
_PATH = rf"{_NAME}(?:\.\w+|\[[^\[\]{{}}\n]*\]|-\w+)*"
_VARIABLE = re.compile(
    rf"""
      \{{%-?\s*[^{{}}%\n]+?\s*-?%\}}  # Jinja's statements
    # Jinja and Mustache
    | \{{\{{\{{?[-~]?\s*[#/^&>!]?\s*{_PATH}(?:\s*\|\s*[^{{}}\n]+)?\s*[-~]?\}}?\}}\}}
    | \$\{{{_NAME}\}}  # shell, JavaScript
    | %\({_NAME}\)[sdf]  # Python's percent
    | (?<!\{{)\{{{_PATH}(?:![rsa])?(?::[^{{}}\s"']{{1,8}})?\}}  # Python's format
    """,
    re.VERBOSE,
)
# LaTeX and formulas: \boxed{answer}, \frac{a}{b}, x_{i}.
_FORMULA = re.compile(r"(?:\\[A-Za-z]+\*?|[}\]^_\\])\Z")
_BLANKS = re.compile(r"(?<=\{\{)\s+|\s+(?=\}\})|\s*(?=\|)|(?<=\|)\s*")
_LONGEST = 40  # characters of a command before a brace


def variables_of(text: str) -> tuple[str, ...]:
    """Return the template variables of a text in their order, each once.

    Blanks within the braces do not count: ``{{ name }}`` is ``{{name}}``. JSON, sets such as
    ``{yes, no}`` and braces of LaTeX are no variables.
    """
    found = []
    for match in _VARIABLE.finditer(text):
        before = text[max(0, match.start() - _LONGEST) : match.start()]
        single = match[0][0] == "{" and match[0][1] not in "{%"
        if not (single and _FORMULA.search(before)):
            found.append(_written(match[0]))
    return tuple(dict.fromkeys(found))


def _written(variable: str) -> str:
    """Return a variable in the one way of writing its blanks."""
    inner = _BLANKS.sub("", " ".join(variable.split()))
    return f"{{% {inner.strip('{}% ')} %}}" if inner.startswith("{%") else inner


def name_in(variable: str) -> str:
    """Return what stands within the braces of a variable."""
    return variable.strip("{}%$()").strip()
