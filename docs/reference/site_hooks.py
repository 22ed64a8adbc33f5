"""What the site holds beside the pages of this folder: the examples and the root's documents.

Links to them lead out of ``docs``, where they are right for whoever reads the files; in the site
they lead to a page made of the file.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import TYPE_CHECKING

from mkdocs.structure.files import File

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
FROM_ROOT = {"CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
LINK = re.compile(r"\]\(([^)\s#:]+)(#[^)\s]*)?\)")


def pages() -> dict[str, str]:
    """Return, for each file outside of ``docs`` that has a page, the page's path."""
    examples = sorted(ROOT.glob("examples/*.py"))
    return FROM_ROOT | {f"examples/{path.name}": f"examples/{path.stem}.md" for path in examples}


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Give the examples their place, however many there are."""
    for place in config["nav"]:
        if "Use" in place:
            examples = [
                {source.removeprefix("examples/"): page}
                for source, page in pages().items()
                if source.endswith(".py")
            ]
            place["Use"].append({"Examples": examples})
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages."""
    for source, page in pages().items():
        text = (ROOT / source).read_text(encoding="utf-8")
        if source.endswith(".py"):
            text = f"# {source}\n\n```python\n{text}```\n"
        files.append(File.generated(config, page, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Let links to such a file lead to its page."""
    del config, files
    uri = page.file.src_uri
    sources = {made: source for source, made in pages().items()}
    here = posixpath.dirname(sources.get(uri, f"docs/{uri}"))

    def led(link: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(here, link[1]))
        made = pages().get(target, target.removeprefix("docs/"))
        if made == target:
            return link[0]  # a file that is neither a page nor in this folder
        return f"]({posixpath.relpath(made, posixpath.dirname(uri) or '.')}{link[2] or ''})"

    return LINK.sub(led, markdown)
