"""What frames a proposal and what belongs to it, on made-up replies."""

from __future__ import annotations

from typing import Any

import pytest

from llmopt.core.metaprompt import MetaPrompt
from llmopt.core.problem import Refusal
from llmopt.core.text import free_tag, leaked_marker, mark_names, markers_in, without_emphasis
from llmopt.core.values import Item
from llmopt.problems.data.splits import Splits
from llmopt.problems.prompt.frames import frames_of, unframed
from llmopt.problems.prompt.prompt_problem import PromptProblem
from llmopt.problems.prompt.proposal_filter import Filters
from llmopt.problems.prompt.variables import variables_of

PLAIN = "Answer."
TAGGED = "Look at the <text> block.\n<step>1</step>\nReply yes or no."
SVG = '<svg><text x="1">{title}</text></svg>'
JINJA = "{% if polite %}Please {% endif %}answer {{ question }}."
FORMAT = "Dear {name}, answer ${city} in %(unit)s."
FENCED = "```json\n{}\n```"
BOLD = "**Task**\nAnswer **yes** or **no**."


def parts(inputs: str = "question") -> Splits:
    def items(name: str, count: int) -> tuple[Item, ...]:
        return tuple(
            Item(f"{name}{n}", f"{inputs} {name} {n}?", "yes" if n % 2 else "no")
            for n in range(count)
        )

    return Splits(items("train", 4), items("validation", 2), items("test", 2))


def made(*starts: str, inputs: str = "question", **options: Any) -> PromptProblem:
    return PromptProblem.from_splits(parts(inputs), instructions=starts or (PLAIN,), **options)


KEPT = [
    (PLAIN, "Compute n**2 first (2**3 is 8)."),
    (PLAIN, "Say yes or no, **in lower case**."),
    (PLAIN, "**Role** You judge numbers.\n**Answer** yes or no."),
    (PLAIN, "**yes** or **no**"),
    (PLAIN, "# Task\n\n* Look at the digit.\n* Say yes or no."),
    (PLAIN, "__init__ is a name; look at __call__"),
    (PLAIN, "_Even_ numbers: yes. _Odd_ ones: no."),
    (PLAIN, "`yes` for even numbers, else `no`"),
    (PLAIN, 'Reply as JSON:\n```json\n{"label": "yes"}\n```'),
    (PLAIN, "```\nyes\n```\nor\n```\nno\n```"),
    (PLAIN, "```text\nyes\n```\nfor even numbers."),
    (PLAIN, 'Reply as {"label": "yes"}.'),
    (PLAIN, "Reply with one of {yes, no}."),
    (PLAIN, "Reply with {yes} or {no}."),
    (PLAIN, r"Put the answer into \boxed{answer}."),
    (PLAIN, r"Use \frac{a}{b} and x_{i} and x^{n}."),
    (PLAIN, "Body { color: red }"),
    (PLAIN, "<question>Is it even?</question>\nSay yes or no."),
    (PLAIN, "<rules>Be brief.</rules>\n<rules>Be exact.</rules>"),
    (PLAIN, "Say “yes” or “no”."),
    (PLAIN, '"yes" for even, "no" for odd'),
    (PLAIN, "Line one\n\n    indented\n\ttabbed"),
    (TAGGED, "The <text> block holds a number.\n<step>1</step>\nSay yes or no."),
    (TAGGED, "<text>Is it even?</text>"),
    (TAGGED, "Use <TEXT> and </text>."),
    (SVG, '<svg><rect/><text x="2">{title}</text></svg>'),
    (SVG, "<svg><text>{title}</text></svg>"),
    (JINJA, "{% if polite %}Kindly {% endif %}answer this: {{ question }}"),
    (JINJA, "{%if polite%}Kindly {%endif%}answer {{question}}"),
    (FORMAT, "{name}! Answer for ${city}, %(unit)s."),
    (FENCED, '```json\n{"a": 1}\n```'),
    (BOLD, "**Task**\nAnswer **yes** for even numbers."),
    ("**Answer.**", "**Answer now.**"),
    ('"Answer."', '"Answer now."'),
    ("<prompt>Answer.</prompt>", "<prompt>Answer now.</prompt>"),
    ("Use the <INS> mark.", "Heed the <INS> mark."),
]
"""A start, and a proposal that is measured byte for byte."""

FRAMED = [
    ("**Say yes or no.**", "Say yes or no."),
    ("**Compute 2**3 first.**", "Compute 2**3 first."),
    ("__Say yes or no.__", "Say yes or no."),
    ("*Say yes or no.*", "Say yes or no."),
    ("_Say yes or no._", "Say yes or no."),
    ("***Say yes or no.***", "Say yes or no."),
    ("`Say yes or no.`", "Say yes or no."),
    ("```\nSay yes or no.\n```", "Say yes or no."),
    ("```markdown\n# Task\nSay yes or no.\n```", "# Task\nSay yes or no."),
    ("~~~\nSay yes or no.\n~~~", "Say yes or no."),
    (
        "````\nReply:\n```json\n{}\n```\nand no more.\n````",
        "Reply:\n```json\n{}\n```\nand no more.",
    ),
    ("```\nReply:\n```json\n{}\n```\nand no more.\n```", "Reply:\n```json\n{}\n```\nand no more."),
    ("```Say yes or no.```", "Say yes or no."),
    ('"Say yes or no."', "Say yes or no."),
    ("“Say yes or no.”", "Say yes or no."),
    ('**"Say yes or no."**', "Say yes or no."),
    ("<prompt>Say yes or no.</prompt>", "Say yes or no."),
    ("<PROMPT>\nSay yes or no.\n</PROMPT>", "Say yes or no."),
    ("<TEXT>Say yes or no.</TEXT>", "Say yes or no."),
    ("<instructions>Say **yes** or no.</instructions>", "Say **yes** or no."),
    ("<new_prompt>```\nSay yes or no.\n```</new_prompt>", "Say yes or no."),
    ("  say yes or no.\n", "Say yes or no."),
    ("say_yes or no.", "say_yes or no."),
    ("iPhone or Android?", "iPhone or Android?"),
]
"""A proposal, and what is measured: a frame around everything is no part of it."""

REFUSED = [
    (PLAIN, "Read {{question}}.", "invents the variable {{question}}"),
    (PLAIN, "Read {{ question | upper }}.", "invents the variable {{question|upper}}"),
    (PLAIN, "Read {question}.", "invents the variable {question}"),
    (PLAIN, "Read {item.text}.", "invents the variable {item.text}"),
    (PLAIN, "Read {n:.2f}.", "invents the variable {n:.2f}"),
    (PLAIN, "Read ${question}.", "invents the variable ${question}"),
    (PLAIN, "Read %(question)s.", "invents the variable %(question)s"),
    (PLAIN, "{% if x %}Read.{% endif %}", "invents the variable {% if x %}"),
    (PLAIN, "{{#items}}Read.{{/items}}", "invents the variable {{#items}}"),
    (PLAIN, 'Reply {"label": {label}}.', "invents the variable {label}"),
    (FORMAT, "Dear {name}, answer ${city}.", "lacks the placeholder %(unit)s of the start"),
    (FORMAT, "Dear {Name}, ${city} %(unit)s.", "lacks the placeholder {name} of the start"),
    (FORMAT, "{name} ${city} %(unit)s {age}", "invents the variable {age}"),
    (JINJA, "Answer {{ question }}.", "lacks the placeholder {% if polite %} of the start"),
    (JINJA, "Answer {question}.", "lacks the placeholder {% if polite %} of the start"),
    (SVG, "<svg><text>Title</text></svg>", "lacks the placeholder {title} of the start"),
    (PLAIN, "Look at the <text> block.", "leaked marker <TEXT>"),
    (PLAIN, "Put it into <INS2>.", "leaked marker <INS2>"),
    (PLAIN, "<step>1</step> and more", "leaked marker <STEP>"),
    (TAGGED, "Look at <text> and </INS>.", "leaked marker </INS>"),
    (PLAIN, "**", "empty"),
    (PLAIN, "```\n\n```", "empty"),
]
"""A start, a proposal, and why it is refused."""


@pytest.mark.parametrize(("start", "text"), KEPT)
def test_what_belongs_to_a_proposal_is_kept_byte_for_byte(start: str, text: str) -> None:
    problem = made(start)
    assert problem.parse(text) == text
    assert problem.parse(f"\n {text} \n") == text


@pytest.mark.parametrize(("text", "canonical"), FRAMED)
def test_what_frames_a_proposal_is_removed(text: str, canonical: str) -> None:
    problem = made()
    assert problem.parse(text) == canonical
    assert problem.parse(canonical) == canonical


@pytest.mark.parametrize(("start", "text", "reason"), REFUSED)
def test_what_cannot_be_measured_is_refused_with_its_reason(
    start: str, text: str, reason: str
) -> None:
    assert made(start).parse(text) == Refusal(reason)


@pytest.mark.parametrize("text", ["Read {{question}}.", "Read."])
def test_variables_may_be_set_free(text: str) -> None:
    problem = made("Answer {name}.", filters=Filters(variables="free"))
    assert problem.parse(text) == text
    assert not problem.description.constraints


def test_placeholders_of_the_start_are_told_to_the_optimizer() -> None:
    assert made(FORMAT).description.constraints[0] == "it contains {name} exactly as written here"
    assert made().description.constraints == ()


def test_only_what_all_starts_have_must_stay() -> None:
    problem = made("Answer {name} in {unit}.", "Tell {name}.", "")
    assert problem.parse("Answer {name}.") == "Answer {name}."
    assert problem.parse("Answer {unit}.") == Refusal("lacks the placeholder {name} of the start")


@pytest.mark.parametrize("held", ["<text>", "</INS>", "{name}", "{{ question }}"])
def test_what_rows_hold_may_be_spoken_of(held: str) -> None:
    said = f"Heed {held} in the input."
    assert made(inputs=f"a {held} b").parse(said) == said
    assert isinstance(made().parse(said), Refusal)


def test_a_task_may_speak_of_marks() -> None:
    said = "Heed the <text>."
    assert made(task="Judge the <text> block.").parse(said) == said


@pytest.mark.parametrize("family", ["chat", "continuation"])
def test_no_text_can_open_or_close_the_marks(family: Any) -> None:
    """Where a row or a solution holds them, others are taken, and the reply is read with these."""
    usual = MetaPrompt(family)
    assert usual.apart_from(made(inputs="<b>bold</b>").description.marks) == usual
    held = f"a row with {usual.opening.lower()} and {usual.closing}"
    apart = usual.apart_from(made(inputs=held).description.marks)
    assert apart.opening not in held
    inner = f"Go {usual.opening}on{usual.closing}."
    reply = f"{apart.opening}{inner}{apart.closing}"
    assert apart.read(reply) == inner


def test_a_template_that_spells_its_marks_keeps_them() -> None:
    spelled = MetaPrompt("chat", template="{{ task }} Reply in <INS></INS>.")
    assert spelled.apart_from({"ins"}) == spelled


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("", "TEXT"),
        ("text", "TEXT"),
        ("<texts>", "TEXT"),
        ("<text>", "TEXT2"),
        ('<text x="1">', "TEXT2"),
        ("</TEXT> <text2>", "TEXT3"),
    ],
)
def test_a_free_tag_stands_in_no_text(text: str, name: str) -> None:
    assert free_tag("TEXT", mark_names(text)) == name


def test_a_layout_may_frame_the_input_with_tags() -> None:
    """Its slots are filled in there, and not in an instruction."""
    problem = made(prompt="{instruction}\n<text>{input}</text>")
    assert problem.parse("Heed the <text>.") == "Heed the <text>."
    assert problem.parse("Heed {input}.") == Refusal("invents the variable {input}")


def test_markers_are_named_as_they_are_spelled_in_meta_prompts() -> None:
    assert markers_in("a <text> b </INS> <text> <prompt> <step2>") == (
        *("<TEXT>", "</INS>", "<Prompt>", "<STEP2>"),
    )
    assert mark_names('<text x="1"> </Step> <b>') == {"text", "step"}
    assert leaked_marker("a <text> b </INS>", {"text"}) == "</INS>"


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("**Step 1:** go", "Step 1: go"),
        ("2**3 and n**2", "2**3 and n**2"),
        ("a ** b ** c", "a ** b ** c"),
        ("**a** and 2**3", "a and 2**3"),
    ],
)
def test_emphasis_goes_and_powers_stay(text: str, plain: str) -> None:
    assert without_emphasis(text) == plain


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("plain", ()),
        ('"**x**"', ('"', "**")),
        ("```\n<prompt>x</prompt>\n```", ("fence", "<prompt>")),
    ],
)
def test_frames_are_told_from_the_outside(text: str, kinds: tuple[str, ...]) -> None:
    assert frames_of(text) == kinds
    assert unframed(text, kinds) == text


def test_a_variable_is_the_same_whatever_the_blanks() -> None:
    assert variables_of("{{ a }} {{a}} {{  a  }}") == ("{{a}}",)
    assert variables_of("{%  if   a %}") == variables_of("{%if a%}") == ("{% if a %}",)
    assert variables_of("{{'a'}} {1} {} { a } {{\"a\": 1}}") == ()
