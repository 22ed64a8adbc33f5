"""Every drawing of a page is saved as a file of its own: SVG, and PNG drawn by the browser."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

if TYPE_CHECKING:
    from looking import Look, Looker
    from playwright.sync_api import Locator

SVG = "{http://www.w3.org/2000/svg}"
DRAWINGS = {
    "words": {"history", "lineage", "spending"},
    "line": {"history", "plane"},
    "tour": {"history", "tour", "shortest"},
    "sweep": {"seeds", "history"},
    "hostile": {"history"},
}


def saved(seen: Look, control: Locator) -> tuple[str, bytes]:
    with seen.page.expect_download() as waiting:
        control.click()
    file = waiting.value
    return file.suggested_filename, Path(file.path()).read_bytes()


@pytest.mark.parametrize("kind", DRAWINGS)
def test_every_drawing_is_saved_as_svg_and_as_png_of_twice_its_size(
    look: Looker, kind: str
) -> None:
    seen = look.open(kind)
    rows = seen.page.locator(".downloads")
    found = set()
    for n in range(rows.count()):
        name, svg = saved(seen, rows.nth(n).get_by_role("button", name="as SVG"))
        root = ET.fromstring(svg)
        assert name.endswith(".svg")
        assert not {"script", "foreignObject", "image"} & {
            one.tag.removeprefix(SVG) for one in root.iter()
        }
        found.add(name.removesuffix(".svg").rpartition("-")[2])
        name, png = saved(seen, rows.nth(n).get_by_role("button", name="as PNG"))
        assert name.endswith(".png")
        assert png.startswith(b"\x89PNG\r\n\x1a\n")
        size = struct.unpack(">II", png[16:24])
        wanted = [2 * float(root.attrib[side]) for side in ("width", "height")]
        assert size == pytest.approx(wanted, abs=1)
        # A canvas on which nothing was drawn takes next to no room.
        assert len(png) > 2_000
    assert found >= DRAWINGS[kind]
    assert seen.wrong == []


def test_a_saved_drawing_has_its_legend(look: Looker) -> None:
    seen = look.open("sweep")
    control = seen.page.get_by_role("button", name="Download history as SVG")
    _, svg = saved(seen, control)
    texts = ["".join(one.itertext()) for one in ET.fromstring(svg).iter(f"{SVG}text")]
    assert {"random search", "CMA-ES"} <= set(texts)
