"""Whether a program needs packages that are not Python's own."""

from __future__ import annotations

import ast
import sys


def foreign_imports(program: str) -> bool:
    """Return whether a program imports a module that Python's own library does not have."""
    try:
        tree = ast.parse(program)
    except (SyntaxError, ValueError):
        return False
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return bool(names - sys.stdlib_module_names)
