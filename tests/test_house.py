"""The house keeps its own rules: no circles, unique names, short functions, few rooms."""

from __future__ import annotations

import ast
from collections import defaultdict
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import llmopt

ROOT = Path(llmopt.__file__).parent
ENTRIES = 26
LONGEST = 60
COMMANDS = {"cli", "testing"}  # a command's module is called after the command


def module_of(path: Path) -> str:
    """Return the dotted name of a file of the package."""
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def trees() -> dict[str, ast.Module]:
    """Return the syntax trees of all modules; the tests of other files do without."""
    return {module_of(path): ast.parse(path.read_text("utf-8")) for path in ROOT.rglob("*.py")}


PACKAGES = {module_of(path) for path in ROOT.rglob("__init__.py")}


def imported(name: str) -> set[str]:
    """Return the modules of the package that a module names, also for types alone."""
    found: set[str] = set()
    for node in ast.walk(trees()[name]):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
    return (found & trees().keys()) - {name}


def test_no_two_files_import_each_other_even_by_way_of_others() -> None:
    graph = {name: imported(name) for name in trees()}
    for name, others in graph.items():
        # `from package import module` names the package too, which is no arrow to its __init__
        graph[name] = {o for o in others if not any(x.startswith(f"{o}.") for x in others)}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        raise AssertionError(" -> ".join(error.args[1])) from None


def test_the_top_of_the_package_is_seen_at_one_look() -> None:
    entries = {path.name for path in ROOT.iterdir() if path.name != "__pycache__"}
    assert len(entries) <= ENTRIES, sorted(entries)


def test_a_class_name_means_one_thing() -> None:
    homes = defaultdict(list)
    for name, tree in trees().items():
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                homes[node.name].append(name)
    assert {word: found for word, found in homes.items() if len(found) > 1} == {}


def test_a_module_name_means_one_thing() -> None:
    homes = defaultdict(list)
    for name in trees().keys() - PACKAGES:
        *folders, stem = name.split(".")
        if not COMMANDS & set(folders) and stem != "__main__":
            homes[stem].append(name)
    assert {word: found for word, found in homes.items() if len(found) > 1} == {}


def test_a_function_fits_on_a_screen() -> None:
    """What follows its arguments and docstring does; a list of arguments may be long."""
    long = {
        f"{name}:{node.name}": node.body[-1].end_lineno
        for name, tree in trees().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        if (node.body[-1].end_lineno or 0) - first_line(node) >= LONGEST
    }
    assert long == {}


def first_line(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return the first line after the docstring."""
    documented = ast.get_docstring(function) is not None and len(function.body) > 1
    return function.body[1 if documented else 0].lineno
