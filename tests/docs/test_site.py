"""The site is whole: its references are the code's, and it needs no network."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from importlib import import_module
from typing import TYPE_CHECKING

import click
import pytest
from documents import ROOT, holds

import llmopt
from llmopt import errors
from llmopt.algorithms import ALGORITHMS, table
from llmopt.cli import main

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

REFERENCE = ROOT / "docs" / "reference"
PAPERS = ROOT / "docs" / "papers"
ADDRESS = re.compile(r"""(?:src|href)\s*=\s*["']?((?:https?:)?//[^"'\s>]+)""")


# -- the command line -----------------------------------------------------------------------


def every_command() -> Iterator[tuple[str, click.Command]]:
    """Yield each command with the words that call it, a group's own commands behind it."""
    for name, command in sorted(main.commands.items()):
        yield f"llmopt {name}", command
        if isinstance(command, click.Group):
            for inner, below in sorted(command.commands.items()):
                yield f"llmopt {name} {inner}", below


def plain(text: str) -> str:
    """Return a help text for a page: one line, and nothing in it is a mark of Markdown."""
    return re.sub(r"([\\`*_<>|\[\]])", r"\\\1", " ".join(text.split()))


def usage(command: click.Command, words: str) -> str:
    """Return the line that says what a command takes."""
    context = click.Context(command, info_name=words)
    return f"{words} {' '.join(command.collect_usage_pieces(context))}"


def row(option: click.Option, context: click.Context) -> str:
    """Return the line of a table for an option."""
    metavar = "" if option.is_flag or option.count else f" {option.make_metavar(context)}"
    names = ", ".join(f"`{name}`" for name in option.opts[:-1])
    names += f"{', ' if names else ''}`{option.opts[-1]}{metavar.replace('|', ' or ')}`"
    names += "".join(f", `{name}`" for name in option.secondary_opts)
    notes = "".join(
        note
        for note, holds_true in (
            (" Needed.", option.required),
            (f" Default: {option.default}.", option.show_default),
            (" May be repeated.", option.multiple),
        )
        if holds_true
    )
    return f"| {names} | {plain(option.help or '')}{notes} |\n"


def section(words: str, command: click.Command) -> str:
    """Return what the page says of a command."""
    context = click.Context(command, info_name=words)
    paragraphs = "".join(
        f"{plain(paragraph)}\n\n" for paragraph in (command.help or "").split("\n\n") if paragraph
    )
    options = [
        row(option, context)
        for option in command.params
        if isinstance(option, click.Option) and not option.hidden
    ]
    listed = f"| option | meaning |\n|---|---|\n{''.join(options)}\n" if options else ""
    return f"## {words}\n\n```text\n{usage(command, words)}\n```\n\n{paragraphs}{listed}"


def test_the_command_line_is_as_the_commands_say() -> None:
    body = "\n" + "".join(section(words, command) for words, command in every_command())
    holds("docs/reference/cli.md", "commands", body)


# -- errors ---------------------------------------------------------------------------------


def test_the_tree_of_errors_is_the_codes() -> None:
    tree = re.search(r"^    LlmoptError\n(?:    .*\n)+", errors.__doc__ or "", re.MULTILINE)
    assert tree
    drawn = "".join(f"{line[4:]}\n" for line in tree[0].splitlines())
    holds("docs/errors.md", "tree", f"```text\n{drawn}```\n")


def kinds(
    root: type[errors.LlmoptError] = errors.LlmoptError,
) -> Iterator[type[errors.LlmoptError]]:
    """Yield the public errors, each before those below it."""
    yield root
    for kind in root.__subclasses__():
        if kind.__module__ == errors.__name__:
            yield from kinds(kind)


def test_every_error_is_explained() -> None:
    told = {kind: plain((kind.__doc__ or "").splitlines()[0]) for kind in kinds()}
    rows = (f"| `{kind.__name__}` | {kind.exit_code} | {text} |\n" for kind, text in told.items())
    holds(
        "docs/errors.md", "kinds", "| error | exit code | means |\n|---|---|---|\n" + "".join(rows)
    )


def test_the_tree_names_every_error() -> None:
    for kind in kinds():
        assert re.search(rf"\b{kind.__name__}\b", errors.__doc__ or ""), kind


# -- Python ---------------------------------------------------------------------------------


def documented() -> list[str]:
    """Return what the pages of the reference take their text from."""
    return [
        name
        for page in sorted(REFERENCE.glob("*.md"))
        for name in re.findall(r"^::: (\S+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    ]


def test_every_public_name_is_in_the_reference_once() -> None:
    """By itself, or with its whole module."""
    counts = Counter(documented())
    assert set(counts.values()) == {1}
    for name in llmopt.__all__:
        module, _, attribute = llmopt._PUBLIC[name].partition(":")
        assert counts[module] + counts[f"{module}.{attribute}"] == 1, f"llmopt.{name}"


@pytest.mark.parametrize("name", documented())
def test_what_the_reference_names_exists(name: str) -> None:
    module, _, attribute = name.rpartition(".")
    try:
        import_module(name)
    except ModuleNotFoundError:
        assert getattr(import_module(module), attribute).__doc__, name


def test_the_reference_of_methods_is_the_registry() -> None:
    body = "".join(
        f"\n## {name}\n\n::: {function.__module__}.{function.__name__}\n"
        "    options: {heading_level: 3, show_root_toc_entry: false}\n"
        for name, function in sorted(ALGORITHMS.items())
    )
    holds("docs/reference/algorithms.md", "methods", body)


OPTIONS = "    options: {show_root_heading: false, heading_level: 3, show_root_toc_entry: false}\n"


def test_the_reference_of_parts_has_every_module() -> None:
    """Those that methods share, and those of one method, which lie in its folder."""
    package = ROOT / "src" / "llmopt"
    shared = sorted(path.stem for path in package.glob("parts/[!_]*.py"))
    methods = {function.__module__ for function in ALGORITHMS.values()}
    own = {
        f"{path.parent.name}.{path.stem}": f"llmopt.algorithms.{path.parent.name}.{path.stem}"
        for path in sorted(package.glob("algorithms/*/[!_]*.py"))
    }
    modules = {
        **{name: f"llmopt.parts.{name}" for name in shared},
        **{name: module for name, module in own.items() if module not in methods},
    }
    body = "".join(f"\n## {name}\n\n::: {module}\n{OPTIONS}" for name, module in modules.items())
    holds("docs/reference/parts.md", "modules", body)


# -- papers ---------------------------------------------------------------------------------


def test_every_method_has_a_page() -> None:
    """Each says what is as published, what is ours, and what is unknown."""
    index = (PAPERS / "index.md").read_text(encoding="utf-8")
    text = {page: page.read_text(encoding="utf-8") for page in PAPERS.glob("[!i]*.md")}
    for name in ALGORITHMS:
        begins = re.compile(rf"^(`[\w-]+` and )?`{name}`", re.MULTILINE)
        assert any(begins.search(words) for words in text.values()), name
    for page, words in text.items():
        assert f"({page.name})" in index
        if page.stem != "baselines":
            headings = re.findall(r"^## (.*)$", words, re.MULTILINE)
            assert {"As published", "Ours", "Unknown"} <= set(headings), page.name


def test_the_methods_to_choose_from_are_the_registry() -> None:
    text = (ROOT / "docs" / "choose.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^\| `([\w-]+)`", text, re.MULTILINE))
    assert named == {row["algorithm"] for row in table()}


# -- the site -------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the site, warnings being errors, where no proxy and no network would help."""
    folder = tmp_path_factory.mktemp("site")
    nowhere = "http://127.0.0.1:9"
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env={
            **os.environ,
            "HTTP_PROXY": nowhere,
            "HTTPS_PROXY": nowhere,
            "NO_MKDOCS_2_WARNING": "1",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder


def test_the_site_is_checked_strictly() -> None:
    """Quietly would not do: it swallows the warnings before they are counted as errors."""
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in ("check", "site"):
        recipe = re.search(rf"^{target}:.*\n((?:\t.*\n)+)", text, re.MULTILINE)
        assert recipe
        assert "$(RUN)mkdocs build --strict\n" in recipe[1]


def test_the_site_loads_nothing_from_elsewhere(site: Path) -> None:
    """Links lead out of it; scripts, styles, fonts and pictures do not."""
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        loaded = re.findall(r"<(?:script|link|img|iframe|source)\b[^>]*>", text)
        for tag in loaded:
            assert not ADDRESS.search(tag), (page.relative_to(site), tag)
    for sheet in site.rglob("*.css"):
        assert not re.search(r"url\(\s*[\"']?(?:https?:)?//", sheet.read_text(encoding="utf-8"))


def test_every_document_is_in_the_site(site: Path) -> None:
    for page in (ROOT / "docs").rglob("*.md"):
        made = page.relative_to(ROOT / "docs").with_suffix(".html")
        assert (site / made).is_file(), made


def test_docstrings_leave_no_foreign_marks_in_the_site(site: Path) -> None:
    for page in (site / "reference").glob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert not re.search(r":(?:class|func|meth|mod|data|attr):", text), page.name
        assert "<p>::" not in text, page.name
