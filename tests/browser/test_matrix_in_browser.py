"""Solutions by item on the page: read by pointer and keyboard, filtered, safe."""

from __future__ import annotations

from typing import TYPE_CHECKING

from synthetic import NASTY

if TYPE_CHECKING:
    from looking import Looker


def test_a_cell_opens_its_input_expected_answer_and_answer(look: Looker) -> None:
    page = look.open("words").page
    page.locator("#matrix .cell-good").first.click()
    panel = page.locator("#matrix .cell-panel")
    panel.get_by_text("expected").wait_for()
    said = panel.inner_text()
    assert "right" in said
    assert "tokens in" in said
    assert "Question number" in said
    assert panel.locator("dd").nth(1).inner_text() == panel.locator("dd").nth(2).inner_text()


def test_items_are_filtered_by_what_became_of_them(look: Looker) -> None:
    page = look.open("words").page
    for kind, ends in {"fixed": ["✗", "✓"], "broken": ["✓", "✗"]}.items():
        choice = page.locator(f"[data-choice='matrix {kind}']")
        choice.click()
        assert choice.get_attribute("aria-pressed") == "true"
        rows = page.locator("#matrix tbody tr")
        assert int(choice.inner_text().split()[-1]) == rows.count()
        start, winner = (
            page.locator("#matrix thead small").all_inner_texts().index(name)
            for name in ("start", "winner")
        )
        for row in rows.all():
            marks = row.locator(".cell").all_inner_texts()
            assert [marks[start], marks[winner]] == ends


def test_arrow_keys_lead_from_cell_to_cell(look: Looker) -> None:
    page = look.open("words").page
    page.locator("#matrix .cell[tabindex='0']").focus()
    first = page.evaluate("document.activeElement.getAttribute('aria-label')")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") != first
    assert page.locator("#matrix .cell[tabindex='0']").count() == 1
    page.keyboard.press("Enter")
    page.locator("#matrix .cell[aria-pressed=true]").wait_for()


def test_a_mark_of_the_training_strip_leads_to_its_answer(look: Looker) -> None:
    page = look.open("words").page
    page.locator(".opener").nth(20).click()
    strip = page.locator(".inside .strip-holder")
    strip.focus()
    page.keyboard.press("ArrowRight")
    inside = page.locator(".inside .cell-panel")
    inside.get_by_text("expected").wait_for()
    before = strip.get_attribute("aria-valuetext")
    area = strip.bounding_box()
    assert area
    page.mouse.click(area["x"] + area["width"] / 2, area["y"] + 5)
    assert strip.get_attribute("aria-valuetext") != before


def test_solutions_are_shown_some_at_a_time(look: Looker) -> None:
    page = look.open("large").page
    page.locator("#matrix-which").select_option("tried")
    assert page.locator("#matrix thead small").count() == 10
    page.get_by_role("button", name="later →").click()
    assert "11 to 20 of 1,601" in page.locator("#matrix .controls").inner_text()
    page.locator("#matrix .cell").first.click()
    page.get_by_text("The answers of this solution are not on this page").wait_for()


def test_hostile_answers_stay_texts(look: Looker) -> None:
    seen = look.open("hostile")
    seen.page.locator("#matrix .cell").first.click()
    seen.page.locator("#matrix .cell-panel dd").nth(3).wait_for()
    said = seen.page.locator("#matrix .cell-panel").inner_text()
    assert NASTY[0] in said
    assert seen.page.evaluate("window.hacked") is None
    assert seen.wrong == []
