"""Meta-prompts claim an order in words that are recognized, and the suite holds them to it."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from importlib.resources import files
from typing import TYPE_CHECKING

import pytest

from llmopt.algorithms.opro import opro
from llmopt.core.metaprompt import MetaPrompt, Order, Sections, Shown
from llmopt.core.part import Group, StepContext
from llmopt.core.problem import Description
from llmopt.parts.propose import Generate
from llmopt.parts.rate import Halving
from llmopt.testing import algorithms, scripted
from llmopt.testing.orders import claimed_order

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from llmopt.core.model import Family

ENTRIES = (Shown("zebra", "10"), Shown("quagga", "20"))
ENDS = re.compile(
    r"\b(?:worst|weakest|best|strongest)\b.{0,40}\b(?:worst|weakest|best|strongest)\b"
)


def wordings() -> Iterator[tuple[str, Family, str]]:
    """Yield each folder of templates with a family and a layout of its own."""
    families: tuple[Family, ...] = ("chat", "brackets", "continuation")
    for folder in sorted((files("llmopt") / "templates").iterdir(), key=lambda one: one.name):
        for family in families:
            if (folder / f"{family}.md").is_file():
                yield folder.name, family, ""
            if (folder / "numbers" / f"{family}.md").is_file():
                yield folder.name, family, "numbers"


@pytest.mark.parametrize("order", ["ascending", "descending", "random"])
@pytest.mark.parametrize(("wording", "family", "layout"), list(wordings()))
def test_whatever_a_template_says_of_an_order_is_recognized(
    wording: str, family: Family, layout: str, order: Order
) -> None:
    sections = Sections(
        Description("a task", layout=layout), ENTRIES, order, current=Shown("quagga", "20")
    )
    text = MetaPrompt(family, wording, layout=layout).lay_out(sections)
    claim = claimed_order(text)
    if claim is None:
        assert not ENDS.search(text)
    elif wording != "evollm":  # whose part orders its list itself, from the worst to the best
        assert claim[0] == order
        assert text.index("zebra") > claim[1]


@dataclass(frozen=True)
class Unordered:
    """Shows full scores as the better ones, as if a partial score were worth less than any."""

    async def __call__(self, ctx: StepContext) -> tuple[Group, ...]:
        return (Group(shown=ctx.trajectory.best(20)[::-1]),)


@dataclass(frozen=True)
class Claiming(Generate):
    """Says an order whatever the list is."""

    def sections(self, ctx: StepContext, metaprompt: MetaPrompt) -> Sections:
        return replace(super().sections(ctx, metaprompt), order="ascending")


async def test_a_list_by_another_order_than_its_scores_is_not_said_to_be_ordered(
    tmp_path: Path,
) -> None:
    algorithm = replace(opro(family="chat"), select=Unordered(), rate=Halving((2, 4)))
    await algorithms.keeps_the_order_it_claims(algorithm, scripted.problem(), tmp_path)


async def test_a_list_by_another_order_than_its_scores_is_found(tmp_path: Path) -> None:
    asking = Claiming(family="chat")
    algorithm = replace(opro(), propose=asking, select=Unordered(), rate=Halving((2, 4)))
    with pytest.raises(AssertionError, match="claims to be ascending is so, but with Halving"):
        await algorithms.keeps_the_order_it_claims(algorithm, scripted.problem(), tmp_path)
