"""Truths about whole outputs: how completion and chat models answer the papers' tasks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmopt.problems.answers import AnswerKind, extract, is_correct
from llmopt.problems.answers.lettered_options import parsed, read_options

SHAPES = ("(A) circle", "(B) heptagon", "(C) line", "(D) triangle")
COUNTS = ("(A) zero", "(B) one", "(C) two", "(D) three")
DANCERS = ("(A) Helga", "(B) Lola", "(C) Ophelia")
FILMS = ("(A) A Tale of Two Cities", "(B) Alien", "(C) The Quiet American")
PRONOUNS = ("(A) The chief took the day off", "(B) The cook took the day off", "(C) Ambiguous")


@pytest.mark.parametrize(
    ("output", "choices", "target"),
    [
        (" (C)\n", SHAPES, "(C)"),
        ("C", SHAPES, "(C)"),
        ("line", SHAPES, "(C)"),
        ("It draws a line.", SHAPES, "(C)"),
        ("**(C) line**", SHAPES, "(C)"),
        ("C. line", SHAPES, "(C)"),
        ("The path has two points. So the answer is (C).", SHAPES, "(C)"),
        ("The path closes after three edges, so it is no line. **D**", SHAPES, "(D)"),
        ("It has three edges.\n\n### Final Answer\n\n**D) triangle**", SHAPES, "(D)"),
        ("$\\boxed{\\text{(D) triangle}}$", SHAPES, "(D)"),
        ("\\boxed{d}", SHAPES, "(D)"),
        ('{"reasoning": "two points", "answer": "C"}', SHAPES, "(C)"),
        ("<think>(A)? The answer is (A).</think>\nThe answer is (C).", SHAPES, "(C)"),
        ("<answer>(C)</answer>", SHAPES, "(C)"),
        ("~~(A)~~ (C)", SHAPES, "(C)"),
        # options repeated, judged one by one
        (
            (
                "(A) circle: it has arcs.\n(B) heptagon: seven edges.\n(C) line: two points.\n"
                "(D) triangle: three edges.\n\nThere are two points. Therefore, it is (C)."
            ),
            SHAPES,
            "(C)",
        ),
        (
            "- (A) is not right\n- (B) is wrong\n- (C) is the correct one\n- (D) is wrong",
            SHAPES,
            "(C)",
        ),
        ("(A) circle\n(B) heptagon\n(C) line\n(D) triangle\n\n(C) line", SHAPES, "(C)"),
        ("(A) circle\n(B) heptagon\n(C) line\n(D) triangle\n\nline", SHAPES, "(C)"),
        ("Options (A) and (B) are out. Only (D) remains. Answer: D", SHAPES, "(D)"),
        ("It is not (A), because there are no arcs. So it must be (C).", SHAPES, "(C)"),
        ("Is it (A)? No. Is it (B)? No. It is (C).", SHAPES, "(C)"),
        ("(A) looks right at first. However, (C) is the correct answer.", SHAPES, "(C)"),
        ("I would rule out (A) and (B). I choose (D).", SHAPES, "(D)"),
        ("The answer is (A). Wait, there are two points only. The answer is (C).", SHAPES, "(C)"),
        ("Therefore, the odd one is **(A)**, because (B) is straight.", SHAPES, "(A)"),
        ("The nearest film is **(B) Alien**. Option (A) shares the mood.", FILMS, "(B)"),
        ("Sentence (B) fits, while sentence (A) does not.", ("(A) x y", "(B) y x"), "(B)"),
        # texts of options
        ("At the end, Bob dances with Lola.", DANCERS, "(B)"),
        ("Bob starts with Helga, then gets Ophelia. So the answer is Ophelia.", DANCERS, "(C)"),
        ("The answer is A Tale of Two Cities.", FILMS, "(A)"),
        ("The answer is The Quiet American.", FILMS, "(C)"),
        ("There are 3 of them. So the answer is (D).", COUNTS, "(D)"),
        ("The answer is two.", COUNTS, "(C)"),
        ("It is impossible to tell who is meant, so the answer is (C).", PRONOUNS, "(C)"),
        ("We cannot tell whether the chief or the cook is meant. (C) Ambiguous", PRONOUNS, "(C)"),
        ("The cook took the day off.", PRONOUNS, "(B)"),
        # how choices and targets may be given
        ("(B)", ("circle", "line"), "(B)"),
        ("line", ("circle", "line"), "(B)"),
        ("The answer is (B) line.", ("circle", "line"), "line"),
        ("B", ("A) circle", "B) line"), "(B)"),
        ("line", ("A. circle", "B. line"), "B"),
        ("(B)", ("A", "B"), "B"),
        ("(B) line", ("(A) circle", "(B) line"), "(B) line"),
        ("Dearth, Wind, & Fire", ("(A) earth", "(B) wind", "(C) dearth"), "dearth, wind, & fire"),
        ("no", ("Yes", "No"), "No"),
        ("The argument is deductively invalid.", ("valid", "invalid"), "invalid"),
        # several languages
        ("Die richtige Antwort ist (C).", SHAPES, "(C)"),
        ("La bonne réponse est (C).", SHAPES, "(C)"),
        ("正确答案是C。", SHAPES, "(C)"),
        ("Ответ: C", SHAPES, "(C)"),
    ],
)
def test_choices_of_whole_outputs(output: str, choices: tuple[str, ...], target: str) -> None:
    assert is_correct(output, target, "choice", choices)
    others = [o for o in choices if extract(output, "choice", choices) != o]
    assert not any(is_correct(output, other, "choice", choices) for other in others)


@pytest.mark.parametrize(
    ("output", "choices"),
    [
        ("Let's look at the path. It begins at 12 and", SHAPES),
        ("Alice first has Helga, then Bob has Lola and Claire", DANCERS),
        ("(A) circle\n(B) heptagon\n(C) line\n(D) triangle", SHAPES),
        ("It is either (A) or (B).", SHAPES),
        ("I'm not sure whether it is (A).", SHAPES),
        ("f(A) = g(B)", SHAPES),
        ("", SHAPES),
    ],
)
def test_cut_off_and_undecided_outputs_name_no_choice(
    output: str, choices: tuple[str, ...]
) -> None:
    assert extract(output, "choice", choices) is None


@pytest.mark.parametrize(
    ("output", "target"),
    [
        ("True", "True"),
        ("not ( True ) and False = False and False = False. So the answer is False.", "False"),
        ("True and not False is True", "True"),
        ("not True = False", "False"),
        ("We simplify:\n\nnot not True = True\nTrue and False = False\n\n**False**", "False"),
        ("The expression evaluates to **True**.", "True"),
        ("**No.** A typical person would not say so.", "No"),
        ("Yes, Lorine tells the truth.", "Yes"),
        ("Leda lies. Thus Lorine lies.\n\nTherefore, the answer is: No", "No"),
        ("You end at (0, 0).\n\n**Yes**, you return to the start.", "Yes"),
        ("No one did it on purpose. So the answer is Yes.", "Yes"),
        ("To see whether it is valid, we write down the premises. It is invalid.", "invalid"),
        ("Is it valid? The premises do not say. So the answer is invalid.", "invalid"),
        ("The argument is **not valid**.", "invalid"),
        ("the sentence is plausible. So the answer is yes.", "yes"),
        ("$\\boxed{\\text{True}}$", "True"),
        ("答案是Yes。", "Yes"),
        ("La respuesta es no.", "no"),
    ],
)
def test_booleans_of_whole_outputs(output: str, target: str) -> None:
    opposite = {"true": "false", "yes": "no", "valid": "invalid"}
    opposite |= {b: a for a, b in opposite.items()}
    assert is_correct(output, target, "boolean")
    assert not is_correct(output, opposite[target.lower()], "boolean")


@pytest.mark.parametrize(
    "output",
    [
        "To decide whether the argument is deductively valid, we write the premises as",
        "I can't tell if that is true.",
        "True or False?",
        "There is no doubt about the second premise",
    ],
)
def test_cut_off_and_undecided_outputs_say_neither_word(output: str) -> None:
    assert extract(output, "boolean") is None


@pytest.mark.parametrize(
    ("output", "target"),
    [
        ("Ann sells 9 eggs.\nShe gets 9 * 2 = $<<9*2=18>>18 a day.\nA: 18", "18"),
        ("16 - 7 = 9 eggs.\n\nShe makes 9 * $2 = **$18** every day.", "18"),
        ("She makes **$18** for 9 eggs.", "18"),
        ("1. She has 16 eggs.\n2. She sells 9.\n\n#### 18", "18"),
        ("#### 1. Count\nThere are 9.\n#### 2. Multiply\n9 * 2 = 18", "18"),
        ("**Step 1:** 3 + 4 = 7\n**Step 2:** 16 - 7 = 9\n\n**Answer: $18**", "18"),
        ("\\[ 9 \\times 2 = 18 \\]\n\nThe final answer is \\(\\boxed{18}\\).", "18"),
        ("She earns \\$1{,}200 in total.", "1200"),
        ("The profit is $70,000.", "70000"),
        ("A = -7 and B = 12. Then A - B = -7 - 12 = -19. So the answer is -19.", "-19"),
        ("I count one pear, two plums and three figs: 1 + 2 + 3 = 6. So the answer is 6.", "6"),
        ("There are twenty-one animals.", "21"),
        ("one hundred and five", "105"),
        ("The answer is 12.5%.", "12.5"),
        ("Die Antwort ist 1.234,5.", "1234.5"),
        ("La réponse est 1 234.", "1234"),
        ("Ответ: 18 долларов", "18"),
        ("答案是18。", "18"),
        ("الجواب هو ١٨", "18"),
        ("उत्तर: १८", "18"),
        ("答えは\uff11\uff18です", "18"),
        ("5 x 10^{3}", "5000"),
        ("2.5e-3", "0.0025"),
        ("$\\dfrac{3}{4}$ of it", "3/4"),
        ("\\boxed{\\mathbf{\\text{18}}}", "18"),
        ("He has 12 left at 5:30 pm on 01/02/2024.", "12"),
        ("<think>maybe 20</think>18", "18"),
        ("€ 12,50", "12.5"),
        ("It takes 1,00,000 rupees.", "100000"),
    ],
)
def test_numbers_of_whole_outputs(output: str, target: str) -> None:
    assert is_correct(output, target, "number")
    assert not is_correct(output, "9" + target, "number")


@pytest.mark.parametrize(
    ("output", "target"),
    [
        ("] ] >", "] ] >"),
        ("]]>", "] ] >"),
        (" ) }\n\nQ: Complete the rest. Input: [ [\nA: ] ]", ") }"),
        ('So, we need "]", ")", ")". So the answer is ] ) ).', "] ) )"),
        ('0: empty stack\n1: [ ; stack: [\nThe final stack is "[". So the answer is ].', "]"),
        ("The completed sequence is: `[ { [ ] } ]`", "] } ]"),
        ("{ { { } } }", "}"),
        ("We still need `)` and then `>`.\n\n**Answer:** `) >`", ") >"),
        ("The closing brackets are:\n\n```\n) >\n```", ") >"),
        ("$\\boxed{\\text{) >}}$", ") >"),
        ("\\boxed{\\} \\rangle}", "} >"),
        ('{"answer": ") >"}', ") >"),
        ("<think>( [ ]</think>\n) >", ") >"),
        ("The stack is empty after `}`, so add ) >", ") >"),
        ("Final answer: ) > (the last one closes the first)", ") >"),
    ],
)
def test_brackets_of_whole_outputs(output: str, target: str) -> None:
    assert is_correct(output, target, "brackets")
    assert not is_correct(output, target + " )", "brackets")


@pytest.mark.parametrize(
    "output",
    [
        "I see. </think> <think>",
        "We process them one by one.\n1: < ; stack: <\n2: { ; stack: < {\n3:",
        "1: ( ; stack: (\n2: ) ; stack: empty\n3: } ; stack: }",
        "( [ {",
        "It is balanced (already).",
        "",
    ],
)
def test_reasoning_about_brackets_is_no_answer(output: str) -> None:
    assert extract(output, "brackets") is None


def test_a_wrong_bracket_is_wrong() -> None:
    """O13: punctuation is the answer here and is not removed before the comparison."""
    assert not is_correct("] ]", "] >", "brackets")
    assert not is_correct("]", "] ]", "brackets")
    assert not is_correct("[ ( ] ]", "] ]", "brackets")
    assert extract("[ { [ ] } ]", "brackets") == "] } ]"


@pytest.mark.parametrize(
    ("output", "target"),
    [
        ("barn damp drumhead", "barn damp drumhead"),
        ("Barn, damp, drumhead.", "barn damp drumhead"),
        ("barn, damp, and drumhead", "barn damp drumhead"),
        ('(2) "barn" < (4) "damp". So the answer is barn damp.', "barn damp"),
        ("1. barn\n2. damp\n3. it&t\n4. z's", "barn damp it&t z's"),
        ("Here is the sorted list:\n\n1. **barn**\n2. **damp**\n\nAnything else?", "barn damp"),
        ("Here are the words in alphabetical order: barn, damp", "barn damp"),
        ("Sorted:\n- barn\n- damp", "barn damp"),
        ("barn\ndamp\ndrumhead", "barn damp drumhead"),
        ("First b, then d.\n\nbarn damp drumhead", "barn damp drumhead"),
        ("**Answer:** barn damp drumhead", "barn damp drumhead"),
        ("\\boxed{barn, damp}", "barn damp"),
        ("barn → damp → drumhead", "barn damp drumhead"),
        ("<answer>barn damp</answer>", "barn damp"),
        ("have, no, science, that'd", "have no science that'd"),
    ],
)
def test_lists_of_whole_outputs(output: str, target: str) -> None:
    assert is_correct(output, target, "list")
    assert not is_correct(output, " ".join(reversed(target.split())), "list")
    assert not is_correct(output, target + " zebra", "list")


@pytest.mark.parametrize(
    "output",
    [
        'The first letter: "barn": "b" (2). We now have: (2) ["barn" ? "beat"] < (4) "damp"',
        "I cannot determine the order.",
        "",
    ],
)
def test_reasoning_about_words_is_no_list(output: str) -> None:
    assert extract(output, "list") is None


def test_options_are_read_as_the_question_shows_them() -> None:
    assert read_options("Which?\nOptions:\n(A) a, b\n(B) c") == ("(A) a, b", "(B) c")
    assert read_options("Which?\nA) one\nB) two") == ("A) one", "B) two")
    assert read_options("Is it?\nOptions:\n- Yes\n- No\n") == ("Yes", "No")
    assert read_options("Is it valid?\nOptions:\n- valid \n- invalid") == ("valid", "invalid")
    assert read_options("No options here. (A) is a letter.") == ()
    assert read_options("Example\n(A) x\n(B) y\nQuestion\n(A) p\n(B) q") == ("(A) p", "(B) q")


def test_a_letter_before_a_text_counts_only_at_its_position() -> None:
    assert [o.letter for o in parsed(("(A) x", "(B) y"))] == ["A", "B"]
    assert [o.letter for o in parsed(("B. Franklin", "J. Adams"))] == ["", ""]


PROSE = st.sampled_from(
    [
        "",
        "Let me think about this.\n\n",
        "Sure!\n\n",
        "We check each part in turn.\n",
        "**Note**\n\n",
    ]
)
SAYING = st.sampled_from(
    ["{}", "{}\n", "**{}**", "The answer is {}.", "Answer: {}", "**Final Answer:** {}"]
)
CASES: list[tuple[AnswerKind, tuple[str, ...] | None, tuple[str, ...]]] = [
    ("number", None, ("7", "-12", "1,204", "3.5")),
    ("choice", SHAPES, ("(A)", "(B)", "(C)", "(D)")),
    ("choice", ("spam", "not spam"), ("spam", "not spam")),
    ("boolean", None, ("yes", "no")),
    ("boolean", None, ("True", "False")),
    ("boolean", None, ("valid", "invalid")),
    ("brackets", None, ("] )", ") ]", ">", "} } >")),
    ("list", None, ("barn damp", "damp barn", "it&t", "barn damp it&t")),
]


@given(st.data(), st.sampled_from(CASES), PROSE, SAYING, st.sampled_from(["", " ", "\n\n"]))
def test_only_the_stated_answer_is_right_whatever_surrounds_it(
    data: st.DataObject,
    case: tuple[AnswerKind, tuple[str, ...] | None, tuple[str, ...]],
    prose: str,
    saying: str,
    blank: str,
) -> None:
    """Prose, Markdown and white space do not change the verdict."""
    kind, choices, targets = case
    said, meant = data.draw(st.sampled_from(targets)), data.draw(st.sampled_from(targets))
    output = blank + prose + saying.format(said) + blank
    assert is_correct(output, meant, kind, choices) == (said == meant)


@pytest.mark.parametrize("kind", ["choice", "boolean", "list", "brackets", "number"])
@pytest.mark.parametrize(
    "output", ["I do not know.", "I'm not sure.", "It cannot be determined.", "I can't tell."]
)
def test_a_refusal_is_no_answer(output: str, kind: AnswerKind) -> None:
    assert extract(output, kind) is None


@pytest.mark.parametrize("kind", ["list", "brackets"])
@pytest.mark.parametrize(
    "part", ["( ", "] ", "a, ", "answer: ", "1. a\n", "\\boxed{", "<", "sorted: "]
)
def test_long_loops_are_read_to_the_end(part: str, kind: AnswerKind) -> None:
    extract(part * (20_000 // len(part)), kind)
