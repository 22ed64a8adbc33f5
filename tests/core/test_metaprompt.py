"""Meta-prompts are laid out here and nowhere else; replies are read by the family's rule."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, get_args

import pytest

from llmopt.core.metaprompt import MetaPrompt, Sections, Shown
from llmopt.core.problem import Description, Exemplar, Refusal
from llmopt.errors import TemplateError, UnknownNameError
from llmopt.problems.prompt.layout import Position, layout

if TYPE_CHECKING:
    from llmopt.core.model import Family

SECTIONS = Sections(
    Description("Say whether it rains.", where="at the beginning of the question"),
    entries=(Shown("Look up.", "20"), Shown("Open the window.", "55")),
    scale="100",
    aim="78",
    exemplars=(Exemplar("Drip, drip.", "<INS>\nDrip, drip.", "yes"),),
)


@pytest.mark.parametrize(
    ("reply", "found"),
    [
        ("<INS>Go.</INS>", "Go."),
        ("Sure! <INS> Go. </INS> and <INS>Stop.</INS>", " Go. "),
        ("<INS>cut at the token lim", "cut at the token lim"),
        ("Just chatter.", Refusal("no marked text in the reply")),
    ],
)
def test_a_chat_reply_is_read_between_its_tags(reply: str, found: str | Refusal) -> None:
    assert MetaPrompt("chat").read(reply) == found


def test_a_lenient_reader_takes_the_whole_reply() -> None:
    """O29: strict by default."""
    lenient = MetaPrompt("chat", strict=False)
    assert lenient.read("Just chatter.") == "Just chatter."
    assert lenient.read("Read it twice.</INS> Done.") == "Read it twice."
    assert MetaPrompt("chat").read("Go.</INS>") == Refusal("no marked text in the reply")


@pytest.mark.parametrize(
    ("reply", "found"),
    [
        ("text [Go.] and [Stop.]", "Go."),
        ("text [Go\non.]", "Go\non."),
        ('[Reply with ["yes"] or ["no"].]', 'Reply with ["yes"] or ["no"].'),
        ("[See [the docs](https://e.org) first.]", "See [the docs](https://e.org) first."),
        ("a stray [ and then [Go.]", "Go."),
        ("] and then [Go.]", "Go."),
    ],
)
def test_brackets_may_hold_lines_and_whole_brackets(reply: str, found: str) -> None:
    assert MetaPrompt("brackets").read(reply) == found


@pytest.mark.parametrize("reply", ["[Go on", "Go on]", "Go on"])
def test_brackets_that_are_not_closed_mark_nothing(reply: str) -> None:
    assert MetaPrompt("brackets").read(reply) == Refusal("no marked text in the reply")


def test_a_request_for_steps_is_answered_at_the_end() -> None:
    """What is marked while a model works something out is not its result."""
    reply = "3: <INS>Half.</INS> The result: <INS>Whole.</INS>"
    assert MetaPrompt("chat", last=True).read(reply) == "Whole."
    assert MetaPrompt("chat").read(reply) == "Half."
    assert MetaPrompt("chat", last=True).read("<INS>Or so. <INS>Whole.</INS>") == "Whole."


def test_several_solutions_stand_in_one_reply() -> None:
    """Each marked text is one, no more than were asked for; a broken-off last one is left out."""
    chat, reply = MetaPrompt("chat"), "1. <INS>A.</INS>\n2. <INS>B.</INS> <INS>C.</INS>"
    assert chat.read_all(reply, several=4) == ("A.", "B.", "C.")
    assert chat.read_all(reply, several=2) == ("A.", "B.")
    assert chat.read_all(reply + "<INS>D, which is cu", cut=True, several=4) == ("A.", "B.", "C.")
    assert MetaPrompt("brackets").read_all("[A.]\n[B.]", several=4) == ("A.", "B.")
    assert chat.read_all("Nothing.", several=4) == (Refusal("no marked text in the reply"),)


@pytest.mark.parametrize("family", ["chat", "brackets"])
@pytest.mark.parametrize(
    "wording",
    ["opro", "ape", "gpo", "protegi", "pe2", "evoprompt-ga", "evoprompt-de", "expo", "drpo"],
)
def test_who_reads_an_instruction_is_said_before_everything_else(
    wording: str, family: Family
) -> None:
    """Without it, small chat models write rows of the data instead of instructions."""
    text = MetaPrompt(family, wording).lay_out(replace(SECTIONS, current=SECTIONS.entries[-1]))
    assert text.startswith("You write instructions (prompts) for an assistant.")
    assert "Say whether it rains." in text
    opening = "[" if family == "brackets" else "<INS>"
    assert f"{opening}Open the window." in text
    assert "<INS>\nDrip" not in text  # no row with a placeholder
    assert any(end in text[-120:] for end in ("square brackets", "between [ and ]", "</INS>"))


def test_a_continuation_ends_at_the_closing_tag() -> None:
    family = MetaPrompt("continuation")
    assert family.read("Go.</TEXT>\n\nAccuracy: 99 <TEXT>More</TEXT>") == "Go."
    call = family.call("list", temperature=1.0, max_tokens=9, sample=4)
    assert (call.prompt, call.stop, call.sample) == ("list", ("</TEXT>",), 4)
    assert family.lay_out(SECTIONS).endswith("Accuracy: 78 <TEXT>")


def test_the_published_continuation_is_a_sentence_and_the_list() -> None:
    """No exemplars, no made-up tasks, no score to reach; the reply brings its own."""
    family = MetaPrompt("continuation", "opro-paper-like")
    text = family.lay_out(SECTIONS)
    first, *list_ = text.split("\n\n")
    assert SECTIONS.description.task in first
    assert len(list_) == len(SECTIONS.entries)
    assert all(re.fullmatch(r"Accuracy: \d+ <TEXT>.*</TEXT>", one) for one in list_)
    assert text.endswith("</TEXT>")
    assert "right answer" not in text
    assert family.read("\n\nAccuracy: 90 <TEXT>Go.</TEXT> more <TEXT>Other</TEXT>") == "Go."
    assert family.read("\n\nAccuracy: 90 <TEXT>Go.") == "Go."
    assert isinstance(family.read("\n\nThat is all."), Refusal)
    assert replace(family, strict=False).read("That is all.") == "That is all."
    bare = family.lay_out(Sections(Description("Say whether it rains.")))
    assert "between <TEXT> and </TEXT>" in bare


def test_the_best_stands_nearest_to_the_request() -> None:
    text = MetaPrompt("chat").lay_out(SECTIONS)
    order = [
        text.index(part) for part in ("Look up.", "Open the window.", "right answer", "Write one")
    ]
    assert order == sorted(order)


def test_an_empty_trajectory_is_not_announced() -> None:
    """O15."""
    bare = Sections(Description("Say whether it rains."))
    for family in ("chat", "brackets"):
        for wording in ("opro", "opro-paper-like"):
            text = MetaPrompt(family, wording).lay_out(bare)
            assert "tried" not in text
            assert "text:" not in text


def test_old_solutions_are_said_to_fail_only_where_that_is_why_they_are_shown() -> None:
    """O26."""
    for family in ("chat", "brackets"):
        for wording in ("opro", "opro-paper-like"):
            template = MetaPrompt(family, wording)
            assert template.lay_out(SECTIONS) != template.lay_out(replace(SECTIONS, failing=True))
            assert "wrong" not in template.lay_out(SECTIONS)


@pytest.mark.parametrize("position", get_args(Position))
def test_an_instruction_is_said_to_stand_in_front_only_where_it_does(position: Position) -> None:
    place = layout(position)
    told = replace(SECTIONS, description=replace(SECTIONS.description, where=place.where))
    in_front = place.text.index("{instruction}") < place.text.index("{input}")
    for family in ("chat", "brackets"):
        text = MetaPrompt(family).lay_out(told)
        assert place.where in text
        assert ("put in front of" in text) is in_front


@pytest.mark.parametrize("first", [True, False])
def test_the_solutions_that_failed_are_looked_for_where_they_stand(first: bool) -> None:
    told = replace(SECTIONS, failing=True, trajectory_first=first)
    text = MetaPrompt("chat").lay_out(told)
    assert (text.index("Look up.") < text.index("were answered wrong")) is first
    assert f"With the instructions {'above' if first else 'below'}, most" in text


def test_a_template_of_the_users_own_replaces_the_shipped_one() -> None:
    own = MetaPrompt("chat", template="{{ task }} {% for e in entries %}{{ e.text }}{% endfor %}")
    assert own.lay_out(SECTIONS) == "Say whether it rains. Look up.Open the window."


def test_a_template_with_an_unknown_variable_names_the_nearest() -> None:
    with pytest.raises(TemplateError, match="did you mean 'exemplars'"):
        MetaPrompt("chat", template="{{ exemplar }}")


def test_a_template_that_is_not_jinja_names_the_line() -> None:
    with pytest.raises(TemplateError, match="line 2"):
        MetaPrompt("chat", template="fine\n{% for %}")


def test_a_template_cannot_reach_outside() -> None:
    """Templates run in a sandbox: text of a user's file is not code."""
    with pytest.raises(TemplateError, match="cannot be filled in"):
        MetaPrompt("chat", template="{{ task.__class__.__mro__ }}").lay_out(SECTIONS)


def test_an_unknown_family_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="continuation"):
        MetaPrompt("contination")  # type: ignore[arg-type] # what a configuration could say


def test_braces_and_markup_of_a_candidate_are_text() -> None:
    hostile = Sections(Description("T"), entries=(Shown("{{ 7*7 }} {% raw %} <b>", "1"),))
    assert "{{ 7*7 }} {% raw %} <b>" in MetaPrompt("chat").lay_out(hostile)


@pytest.mark.parametrize("family", ["chat", "brackets"])
def test_several_are_asked_for_in_so_many_words(family: Family) -> None:
    """Of instructions and of numbers; angles are told in their order."""
    angles = ("give a role.", "make it short.")
    asked = replace(SECTIONS, several=2, angles=angles)
    text = MetaPrompt(family).lay_out(asked)
    assert "Write 2 new instructions" in text
    assert text.index("1. give a role.") < text.index("2. make it short.")
    points = replace(asked, description=Description("Find x.", noun="pair", layout="numbers"))
    assert "Give 2 " in MetaPrompt(family, layout="numbers").lay_out(points)
