"""Pictures of the documents: each is shown, has words beside it, and loads nothing."""

from __future__ import annotations

import re
import runpy
from typing import TYPE_CHECKING

import pytest
from documents import DOCUMENTS, ROOT

if TYPE_CHECKING:
    from pathlib import Path

PICTURES = sorted((ROOT / "docs" / "pictures").iterdir())
SHOWN = [
    (document, *found)
    for document in DOCUMENTS
    for found in re.findall(r"!\[([^\]]*)\]\(([^)\s]+)\)", document.read_text(encoding="utf-8"))
]
MOST_BYTES = 150_000
FENCES = re.MULTILINE | re.DOTALL


def test_each_picture_that_is_shown_exists_and_is_described() -> None:
    for document, words, address in SHOWN:
        assert (document.parent / address).resolve() in PICTURES, f"{document.name}: {address}"
        assert len(words) > 20, f"{document.name}: {address}"


def test_each_picture_is_shown_and_is_drawn_by_the_one_command() -> None:
    shown = {(document.parent / address).resolve() for document, _, address in SHOWN}
    assert shown == set(PICTURES)
    program = (ROOT / "benchmarks" / "pictures.py").read_text(encoding="utf-8")
    for picture in PICTURES:
        assert f'"{picture.name}"' in program or f'save("{picture.stem}"' in program, picture.name
    assert "benchmarks/pictures.py" in (ROOT / "Makefile").read_text(encoding="utf-8")


@pytest.mark.parametrize("picture", PICTURES, ids=lambda path: path.name)
def test_a_picture_is_small_and_names_no_host_and_no_folder_of_a_machine(picture: Path) -> None:
    data = picture.read_bytes()
    assert len(data) <= MOST_BYTES
    assert not re.search(rb"/home/|/root/|/tmp/", data)
    if picture.suffix == ".svg":
        assert b"font-face" not in data
        assert not re.search(rb"(?:href|src)=|url\((?!#)", data)


def test_a_release_leads_the_links_of_the_readme_to_its_repository() -> None:
    """An index shows the README alone; the workflow knows where the repository is."""
    absolute = runpy.run_path(str(ROOT / ".ci" / "absolute_links.py"))["absolute"]
    made = absolute((ROOT / "README.md").read_text(encoding="utf-8"), "https://h.invalid/o/r", "v1")
    links = re.findall(r"\]\(([^)\s]+)\)", re.sub(r"^```.*?^```$", "", made, flags=FENCES))
    assert links
    assert [one for one in links if not re.match(r"https?:|#", one)] == []
    assert "https://h.invalid/o/r/raw/v1/docs/pictures/" in made
    assert "https://h.invalid/o/r/blob/v1/docs/" in made
    workflow = (ROOT / ".github" / "workflows" / "release.yml").read_text(encoding="utf-8")
    rewriting, building = workflow.index("absolute_links.py"), workflow.index("make dist")
    assert workflow.index("bash .ci/run") < rewriting < building
