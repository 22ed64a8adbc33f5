"""The history of a run on its page: axes, lineage, spending, answers given and expected."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from looking import Looker


def test_the_history_is_drawn_by_step_calls_and_seconds(look: Looker) -> None:
    page = look.open("words").page
    ways = page.locator("#chart-axis option").evaluate_all("all => all.map((o) => o.value)")
    assert ways == ["step", "calls", "seconds"]
    before = page.locator("#search circle.point").count()
    page.locator("#chart-axis").select_option("calls")
    assert page.locator("#search .axis").first.text_content() == "calls"
    assert page.locator("#search circle.point").count() == before
    page.locator("#chart-scale").select_option("log")
    assert "logarithmic" in (page.locator("#search .axis").nth(1).text_content() or "")


def test_the_tree_says_what_was_edited_and_what_was_shown(look: Looker) -> None:
    page = look.open("words").page
    facts = page.locator("#lineage .cell-facts")
    assert "edited from step" in facts.inner_text()
    page.locator("#lineage .node.current").focus()
    page.keyboard.press("ArrowLeft")
    assert page.locator("#lineage .node[tabindex='0']").count() == 1
    for _ in range(20):
        page.keyboard.press("ArrowLeft")
    assert "a starting solution" in facts.inner_text()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.getAttribute('aria-expanded')") == "true"


def test_a_large_tree_draws_what_others_were_made_from(look: Looker) -> None:
    page = look.open("large").page
    drawn = page.locator("#lineage .node").count()
    assert 1 < drawn < 1601
    assert f"Drawn are {drawn} of 1,601 solutions" in page.locator("#lineage .remark").inner_text()


def test_every_role_has_its_line_of_what_was_used(look: Looker) -> None:
    page = look.open("words").page
    page.locator("#spending svg.convergence").wait_for()
    assert set(page.locator("#spending .legend li").all_inner_texts()) == {
        "scorer LLM",
        "optimizer LLM",
    }


def test_answers_given_and_expected_are_counted_for_start_and_winner(look: Looker) -> None:
    page = look.open("words").page
    for table in page.locator("#confusion table").all():
        right, of = (
            int(word) for word in table.locator("caption").inner_text().split(": ")[1].split(" of ")
        )
        cells = [
            [int(text.replace("·", "0")) for text in row.locator("td").all_inner_texts()]
            for row in table.locator("tbody tr").all()
        ]
        assert sum(map(sum, cells)) == of
        assert sum(row[n] for n, row in enumerate(cells)) == right
