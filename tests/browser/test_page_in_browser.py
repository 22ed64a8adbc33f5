"""A run's page in a real browser: it works by pointer and keyboard, and runs nothing foreign."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from synthetic import NASTY

if TYPE_CHECKING:
    from looking import Look, Looker
    from playwright.sync_api import Page

KINDS = ("words", "line", "tour", "sweep", "hostile", "large", "shots")


def focused(page: Page, what: str) -> str:
    return str(page.evaluate(f"document.activeElement.{what}") or "")


def open_all(page: Page) -> None:
    """Open every part that opens, some of which bring more that opens."""
    for _ in range(4):
        page.evaluate(
            "document.querySelectorAll('details:not([open])').forEach(d => d.open = true)"
        )
        page.evaluate(
            "document.querySelectorAll('.opener[aria-expanded=false]').forEach(b => b.click())"
        )
        page.wait_for_timeout(100)


@pytest.mark.parametrize("kind", KINDS)
def test_a_page_loads_alone_and_without_a_complaint(look: Looker, kind: str) -> None:
    seen = look.open(kind)
    assert seen.wrong == []
    assert [url.rpartition("/")[2] for url in seen.asked] == [f"{kind}.html"]


def test_demonstrations_are_pairs_and_told_apart(look: Looker) -> None:
    page = look.open("shots").page
    open_all(page)
    assert page.locator("#solution .shots > li").count() > 0
    assert page.locator(".inside .shot-added").count() > 0
    assert '{"id"' not in page.locator("body").inner_text()
    assert page.evaluate("window.hacked") is None


def test_points_are_reached_by_keyboard_and_read(look: Looker) -> None:
    page = look.open("words").page
    page.locator("circle[tabindex='0']").focus()
    assert "the winner" in focused(page, "getAttribute('aria-label')")
    page.keyboard.press("Home")
    assert focused(page, "getAttribute('aria-label')").startswith("Step 0, ")
    start = page.locator("#solution [data-text=start] blockquote").inner_text()
    assert (
        page.get_by_role("region", name="Score by step")
        .locator(".looked-at blockquote")
        .inner_text()
        == start
    )
    page.keyboard.press("ArrowRight")
    assert focused(page, "getAttribute('aria-label')").startswith("Step 1, ")
    before = focused(page, "getAttribute('cy')")
    page.keyboard.press("ArrowUp")
    assert float(focused(page, "getAttribute('cy')")) <= float(before)
    assert page.locator("circle[tabindex='0']").count() == 1
    text = (
        page.get_by_role("region", name="Score by step")
        .locator(".looked-at blockquote")
        .inner_text()
    )
    page.keyboard.press("Enter")
    assert focused(page, "getAttribute('aria-expanded')") == "true"
    assert focused(page, "textContent") == text


def test_points_are_looked_at_by_pointer(look: Looker) -> None:
    page = look.open("words").page
    point = page.locator("circle.point:not(.winner)").nth(5)
    area = point.bounding_box()
    assert area
    page.mouse.move(area["x"] + area["width"] / 2, area["y"] + area["height"] / 2)
    facts = page.locator(".looked-at-facts").inner_text()
    label = page.locator("circle.current").get_attribute("aria-label")
    assert label
    assert facts.split(" · ")[0] == label.split(",")[0]


def test_the_change_is_shown_word_by_word(look: Looker) -> None:
    page = look.open("words").page
    start, best = (
        page.locator(f"#solution [data-text={end}] blockquote").inner_text()
        for end in ("start", "best")
    )
    kept = "#solution .diff > span, #solution .diff > "
    after = page.locator(f"{kept}ins").all_inner_texts()
    assert "".join("".join(after).split()) == "".join(best.split())
    before = page.locator(f"{kept}del").all_inner_texts()
    assert "".join("".join(before).split()) == "".join(start.split())


def test_a_row_opens_with_lineage_and_the_meta_prompt_that_made_it(look: Looker) -> None:
    page = look.open("words").page
    row = page.locator(".opener").nth(20)
    row.click()
    inside = page.locator(".inside")
    text = row.inner_text()
    assert inside.locator(".lineage li").last.inner_text().endswith(text)
    assert "step 0" in inside.locator(".lineage li").first.inner_text()
    inside.get_by_text("The meta-prompt and the reply").click()
    inside.locator("pre").first.wait_for()
    asked = inside.locator("pre").all_inner_texts()
    assert "Instructions that were tried" in asked[0]
    assert text in asked[-1]
    inside.locator(".lineage button").first.click()
    assert "A starting solution." in page.locator(".inside").first.inner_text()


def test_the_filter_leaves_what_has_the_words(look: Looker) -> None:
    page = look.open("large").page
    assert "1,601 solutions" in page.locator("#trajectory .count").inner_text()
    word = max(page.locator(".opener").nth(30).inner_text().split(), key=len)
    page.get_by_label("Filter", exact=True).fill(word)
    texts = page.locator(".opener .prose").all_inner_texts()
    assert texts
    assert all(word in text for text in texts)
    assert f" of {1601:,} solutions" in page.locator("#trajectory .count").inner_text()
    page.get_by_label("Filter", exact=True).fill("already tried")
    page.get_by_label("with refused texts").check()
    page.wait_for_selector(".refused-row")
    assert "200 refused texts" in page.locator("#trajectory .count").inner_text()


def test_the_order_can_be_by_score(look: Looker) -> None:
    page = look.open("line").page
    page.get_by_label("Order").select_option("best")
    shown = page.locator("#trajectory tbody td.number:nth-child(2)").all_inner_texts()
    values = [float(text.replace(",", "")) for text in shown]
    assert values == sorted(values)


def test_items_are_shown_by_what_became_of_them(look: Looker) -> None:
    page = look.open("words").page
    for kind, (before, after) in {
        "fixed": ("wrong", "right"),
        "broken": ("right", "wrong"),
    }.items():
        page.locator(f"[data-choice='kind {kind}']").click()
        assert focused(page, "getAttribute('aria-pressed')") == "true"
        rows = page.locator("#items tbody tr")
        assert rows.count()
        for row in rows.all():
            assert row.locator(".worth").all_inner_texts() == [before, after]
    page.get_by_role("button", name="training items").click()
    assert page.locator("#items tbody tr").count()


def test_each_step_shows_what_was_asked_and_replied(look: Looker) -> None:
    page = look.open("hostile").page
    page.locator("#steps summary").first.click()
    page.wait_for_selector("#steps pre")
    labels = page.locator("#steps figcaption").all_inner_texts()
    assert [label.split(" ")[0].rstrip(":") for label in labels] == [
        "Meta-prompt",
        "Reasoning",
        "Reply",
        "Refused",
    ]
    page.locator("#refused summary").first.click()
    assert page.locator("#refused pre").first.inner_text().startswith("<img src=x")


def test_hostile_texts_execute_nothing_and_are_read_as_text(look: Looker) -> None:
    seen = look.open("hostile")
    page = seen.page
    page.get_by_label("with refused texts").check()
    for choice in page.locator(".choice").all():
        choice.click()
        open_all(page)
    open_all(page)
    page.get_by_label("Filter", exact=True).fill("<img")
    assert page.evaluate("typeof window.hacked") == "undefined"
    assert seen.wrong == []
    assert len(seen.asked) == 1
    assert page.locator("img, iframe, object, embed, [onerror], [onload]").count() == 0
    said = page.evaluate("document.body.textContent")
    for text in (*NASTY[:3], NASTY[6].rpartition(" ")[0]):
        assert said.count(text) > 5
    for text in ("\\u001b[31mred\\u0007 \\u0000", "\\u202eright to left\\u202c", "half \\ud800 a"):
        assert said.count(text) > 5
    assert not page.evaluate(
        r"/[\x00-\x08\x0e-\x1f\x7f-\x9f\u202a-\u202e\u200f\u061c]/"
        ".test(document.querySelector('main').textContent)"
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_serious_stands_in_the_way_of_anybody(look: Looker, kind: str, scheme: Any) -> None:
    page = look.open(kind, color_scheme=scheme).page
    page.evaluate(
        "[...document.querySelectorAll('details')].slice(0, 8).forEach(d => d.open = true)"
    )
    page.evaluate("[...document.querySelectorAll('.opener')].slice(0, 3).forEach(b => b.click())")
    assert serious_on(page) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_serious_is_on_the_page_of_an_evaluation(look: Looker, scheme: Any) -> None:
    page = look.open("evaluated", drawn=False, color_scheme=scheme).page
    open_all(page)
    assert page.locator("ol.shots > li").count() > 0
    assert serious_on(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def serious_on(page: Page) -> list[tuple[str, str, str]]:
    """Return what stands in somebody's way, on a wide screen and on a narrow one."""
    found = []
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_timeout(300)
        found += Axe().run(page).response["violations"]
    return [
        (rule["id"], rule["nodes"][0]["html"][:200], rule["nodes"][0]["failureSummary"])
        for rule in found
        if rule["impact"] in ("serious", "critical")
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_a_narrow_screen_needs_no_scrolling_sideways(look: Looker, kind: str) -> None:
    page = look.open(kind, width=390, has_touch=True).page
    open_all(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_dark_and_print_are_drawn_in_their_own_colours(look: Looker) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    page = look.open("words", color_scheme="dark").page
    assert page.evaluate(ground) == "rgb(22, 24, 28)"
    assert look.open("words").page.evaluate(ground) == "rgb(252, 251, 248)"
    page.emulate_media(media="print")
    assert page.evaluate(ground) == "rgb(255, 255, 255)"
    assert not page.locator(".controls").first.is_visible()
    assert page.pdf().startswith(b"%PDF")


def test_without_scripts_the_page_still_says_what_was_found(look: Looker) -> None:
    page = look.open("words", script=False).page
    assert "held-out items" in page.locator(".verdict").inner_text()
    assert page.locator("#solution blockquote").last.inner_text()
    assert page.locator("#evidence tbody tr").count() >= 4
    assert "switched off" in page.locator("#trajectory").inner_text()


def test_a_tour_and_a_plane_are_drawn(look: Looker) -> None:
    tour = look.open("tour").page
    assert tour.locator("svg.tour").count() == 2
    assert "The shortest tour" in tour.locator("#figure").inner_text()
    plane = look.open("line").page
    assert plane.locator("svg.plane .contour").count() == 10
    assert "The best so far moved" in plane.locator("#figure").inner_text()


def test_a_sweep_has_a_curve_for_each_method(look: Looker) -> None:
    page = look.open("sweep").page
    assert page.locator("svg.convergence .series").count() == 2
    assert page.locator("#cells tbody tr").count() == 4
    assert page.locator("#cells a").first.get_attribute("href") == "swept.0.html"


def test_a_page_takes_over_what_a_newer_one_says(look: Looker) -> None:
    seen = look.open("hostile")
    newer = (look.folder / "words.html").read_text("utf-8")
    seen.page.evaluate("html => window.llmopt.renew(html)", newer)
    assert seen.page.locator("h1").inner_text() == "words"
    assert "solutions" in seen.page.locator("#trajectory .count").inner_text()
    assert seen.page.evaluate("typeof window.hacked") == "undefined"
    assert seen.wrong == []


def test_looks_are_apart(look: Looker) -> None:
    """Each page has a context of its own, so what one test opens no other one finds open."""
    first: Look = look.open("words")
    first.page.locator(".opener").first.click()
    assert look.open("words").page.locator(".inside").count() == 0
