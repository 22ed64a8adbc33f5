"""The structure of a Python program without its names and constants, and features of it."""

from __future__ import annotations

import ast
import builtins
import re
import warnings
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_BUILT_IN = frozenset(dir(builtins))
_PIECE = re.compile(r"\n *|\w+|[^\w\s]")
_KEPT = 4096  # programs whose structure is remembered

_LOOPS = ast.For | ast.AsyncFor | ast.While
_NAMED = (
    ast.FunctionDef
    | ast.AsyncFunctionDef
    | ast.ClassDef
    | ast.ExceptHandler
    | ast.MatchAs
    | ast.MatchStar
)
_COMPREHENSIONS = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp


def parsed(program: str) -> ast.Module | None:
    """Return the syntax tree of a program; None: it does not parse."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(program)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


@lru_cache(maxsize=_KEPT)
def abstracted(program: str) -> tuple[str, ...] | None:
    """Return a program as tokens in which names are VAR, texts STR and numbers NUM.

    Comments and docstrings are left out. The names of built-in functions, of modules and of
    attributes stay. Indentation is part of the tokens.

    Returns:
        None: the program does not parse.
    """
    tree = parsed(program)
    if tree is None:
        return None
    kept = _BUILT_IN | {*_imported(tree)}
    try:
        plain = ast.unparse(ast.fix_missing_locations(_Abstraction(kept).visit(tree)))
    except (RecursionError, ValueError):
        return None
    return tuple(_PIECE.findall(plain))


def _imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from (alias.name.partition(".")[0] for alias in node.names if not alias.asname)


class _Abstraction(ast.NodeTransformer):
    """Replaces what two programs of the same structure may differ in."""

    def __init__(self, kept: frozenset[str]) -> None:
        self._kept = kept

    def generic_visit(self, node: ast.AST) -> ast.AST:
        """Replace the names in a node and below it."""
        for field in ("id", "arg", "asname", "rest"):
            name = getattr(node, field, None)
            if isinstance(name, str) and name not in self._kept:
                setattr(node, field, "VAR")
        if isinstance(node, _NAMED) and node.name:
            node.name = "VAR"
        elif isinstance(node, ast.Global | ast.Nonlocal):
            node.names = ["VAR"]
        if isinstance(body := getattr(node, "body", None), list):
            setattr(node, "body", _without_texts(body))  # noqa: B010 - not every node has one
        return super().generic_visit(node)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:
        """Replace a formatted text by a call of what is in it."""
        inner = [part.value for part in node.values if isinstance(part, ast.FormattedValue)]
        arguments = [self.visit(one) for one in inner]
        return ast.Call(ast.Name("STR", ast.Load()), arguments, [])

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        """Replace a constant by its kind."""
        if isinstance(node.value, bool) or node.value is None or node.value is Ellipsis:
            return node
        return ast.Name("STR" if isinstance(node.value, str | bytes) else "NUM", ast.Load())


def _without_texts(body: list[ast.stmt]) -> list[ast.stmt]:
    """Return statements without docstrings; at least one is left."""
    return [one for one in body if not _is_text(one)] or [ast.Pass()]


def _is_text(statement: ast.stmt) -> bool:
    value = statement.value if isinstance(statement, ast.Expr) else None
    return isinstance(value, ast.Constant) and isinstance(value.value, str)


def loop_depth(program: str) -> int:
    """Return how deep loops and comprehensions are nested; 0: none, or it does not parse."""
    tree = parsed(program)
    return 0 if tree is None else _depth(tree)


def _depth(node: ast.AST) -> int:
    """Return the nesting of the loops at and below a node."""
    below = max(map(_depth, ast.iter_child_nodes(node)), default=0)
    own = len(node.generators) if isinstance(node, _COMPREHENSIONS) else isinstance(node, _LOOPS)
    return below + own
