"""Truths about reading answers; O6-O13 are the requirements of papers/opro.md, section 14."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmopt.problems.answers import (
    AnswerKind,
    contains,
    extract,
    is_correct,
    number_of,
    possible,
    same_answer,
)
from llmopt.problems.answers.cleaning import clean, normalize

LETTERS = ("(A)", "(B)", "(C)")
FEELINGS = ("positive", "negative", "neutral")
SPAM = ("spam", "not spam")


@pytest.mark.parametrize(
    ("output", "number"),
    [
        # O6 to O11, G18
        ("Answer is 12 apples, not 13", "12"),
        ("Answer: 12", "12"),
        ("Total: 12", "12"),
        ("So: 15 dollars.", "15"),
        ("The answer is 12:30", "12"),
        ("See the FAQ: the answer is 7", "7"),
        ("5  apples", "5"),
        ("18\n\nProblem: 10 + 10\nAnswer: 20", "18"),
        ("18\n\nExplanation: 2 more\nTotal: 20", "20"),
        ("5 apples\n\nApples: 5\nTotal: 8", "8"),
        ("7 ± 1", "7"),
        ("It is 7.5 cm +/- 0.5", "7.5"),
        ("sixteen", "16"),
        ("sixty", "60"),
        ("seventeen", "17"),
        ("twenty-five", "25"),
        ("forty two", "42"),
        ("often", None),
        ("1/2", "0.5"),
        ("2.5", "2.5"),
        ("$5.50", "5.5"),
        ("f(a) = 10", "10"),
        # announcements
        ("#### 1,000", "1000"),
        ("**Answer:** 12", "12"),
        ("**Final Answer**\n\n12 (of 13)", "12"),
        ("The final answer is $\\boxed{5,000}$. 3", "5000"),
        ("\\boxed{\\frac{1}{2}}", "0.5"),
        ("\\boxed{\\text{about } 7", "7"),
        ("the answer is 3 + 4 = 7 apples, not 8", "7"),
        ("7 is the answer, not 8", "7"),
        ("The answer is 5. No, the answer is 6, not 7.", "6"),
        ("Answer: We have 3 cars and 2 more, so 3+2=5 cars.", "5"),
        ("The answer to the 2nd question is 5, not 6", "5"),
        ("What is the answer? 3 and 4 make 7", "7"),
        ("Q: 3+4?\nA: 7\n\nQ: 5+5?\nA: 10", "7"),
        # forms
        ("$-1,234.5.", "-1234.5"),
        ("-$5", "-5"),
        ("US$5", "5"),
        ("\\(\\$18\\)", "18"),
        ("50%", "50"),
        ("1e5", "100000"),
        ("3 × 10⁵", "300000"),  # noqa: RUF001  # what models write
        ("5 m²", "5"),
        ("2½ cups", "2.5"),
        ("2 1/2 cups", "2.5"),
        ("5-3", "3"),
        ("x = -5", "-5"),
        ("−5", "-5"),  # noqa: RUF001  # a typographic minus
        ("negative five", "-5"),
        ("1.5kg", "1.5"),
        ("2 million", "2000000"),
        ("a hundred", "100"),
        ("two hundred and five thousand, three hundred and one", "205301"),
        ("৪২", "42"),
        ("1\u202f000", "1000"),
        ("10{,}000", "10000"),
        ("3/0", "3"),
        # which number
        ("1. foo 12\n2. bar", "12"),
        ("two of them, and 3 for this one", "3"),
        ("12 apples between the two.", "12"),
        ("one", "1"),
        ("It runs on GPT-4 and H2O", None),
        ("", None),
        # a refusal is no answer
        ("I do not know.", None),
        ("I can't tell how many of the 12 are left.", None),
        ("I can't tell exactly, but 12 is near.", "12"),
    ],
)
def test_numbers(output: str, number: str | None) -> None:
    assert extract(output, "number") == number
    if number is not None:
        assert is_correct(output, number, "number")


@pytest.mark.parametrize(
    ("output", "choices", "choice"),
    [
        # O11, O12
        ("Well (obviously) it is (b)", None, "(b)"),
        ("Well (obviously) it is (b)", LETTERS, "(B)"),
        ("f(a) = 10", LETTERS, None),
        ("(b) banana", ("A", "B", "C", "D"), "B"),
        # letters
        ("b", LETTERS, "(B)"),
        ("B.", LETTERS, "(B)"),
        ("**B**", LETTERS, "(B)"),
        ("B) banana", LETTERS, "(B)"),
        ("B. banana", LETTERS, "(B)"),
        ("Option B", LETTERS, "(B)"),
        ("I think it is C", LETTERS, "(C)"),
        ("The answer is B", LETTERS, "(B)"),
        ("The answer is A because it fits", LETTERS, "(A)"),
        ("Answer: c", LETTERS, "(C)"),
        ("The correct option is B.", LETTERS, "(B)"),
        ("\\boxed{\\text{(B)}}", LETTERS, "(B)"),
        ("(B) is the correct answer, (A) is not", LETTERS, "(B)"),
        ("(A) is wrong, (B) is wrong. So the answer is (C).", LETTERS, "(C)"),
        ("(A) because (B) is wrong", LETTERS, "(A)"),
        ("I weighed (A) against (B)", LETTERS, None),
        ("It could be (A) or (B)", LETTERS, None),
        ("answer is (A) and (C)", LETTERS, None),
        ("A cat is a mammal", LETTERS, None),
        ("the answer is a dog", LETTERS, None),
        ("it is a matter of taste", LETTERS, None),
        # labels
        ("POSITIVE", FEELINGS, "positive"),
        ("Positive, not negative", FEELINGS, "positive"),
        ("Label: negative. It has positive words", FEELINGS, "negative"),
        ("**Sentiment:** Negative\n\nThough positive", FEELINGS, "negative"),
        ("It seems positive. The answer is negative.", FEELINGS, "negative"),
        ("Is it positive, negative, or neutral? It is neutral.", FEELINGS, "neutral"),
        ("It seems positive and then rather negative.", FEELINGS, None),
        ("positive or negative", FEELINGS, None),
        ("positive/negative", FEELINGS, None),
        ("The review is not positive", FEELINGS, None),
        ("I am not sure whether it is positive.", FEELINGS, None),
        ("positively", FEELINGS, None),
        ("non-negative", FEELINGS, None),
        ("", FEELINGS, None),
        ("not spam", SPAM, "not spam"),
        ("It is not  spam", SPAM, "not spam"),
        ("This is spam.", SPAM, "spam"),
        ("spammer", SPAM, None),
        ("4/5", ("1", "4", "5"), "4"),
        ("4.5", ("4", "5"), None),
        ("-1", ("1", "0"), None),
        ("It cannot be determined.", ("yes", "cannot be determined"), "cannot be determined"),
        ("Straße", ("Straße", "Weg"), "Straße"),
    ],
)
def test_choices(output: str, choices: tuple[str, ...] | None, choice: str | None) -> None:
    assert extract(output, "choice", choices) == choice
    if choice is not None:
        assert is_correct(output, choice, "choice", choices)


@pytest.mark.parametrize(
    ("output", "word"),
    [
        # O9b, O12, G18
        ("Yes, it is", "yes"),
        ("invalid", "invalid"),
        ("I do not know", None),
        ("yes it returns to the start", "yes"),
        # how models write it
        ("No.", "no"),
        ("**No**, because", "no"),
        ("No it does not", "no"),
        ("I would say no", "no"),
        ("So the answer is no.", "no"),
        ("No, wait. The answer is Yes", "yes"),
        ("the answer is: **valid**", "valid"),
        ("The argument is not deductively valid.", "invalid"),
        ("It isn't valid", "invalid"),
        ("not True", "false"),
        ("Yes or no? No", "no"),
        ("There is no doubt. Yes", "yes"),
        ("True", "true"),
        ("No one knows", None),
        ("valid or invalid", None),
        ("I do not know whether it is valid.", None),
        ("unclear", None),
    ],
)
def test_booleans(output: str, word: str | None) -> None:
    assert extract(output, "boolean") == word
    if word is not None:
        assert is_correct(output, word.title(), "boolean")


@pytest.mark.parametrize(
    ("output", "target", "kind", "choices"),
    [
        ("invalid", "valid", "boolean", None),
        ("valid", "invalid", "boolean", None),
        ("I do not know", "No", "boolean", None),
        ("true", "yes", "boolean", None),
        ("(b) banana", "A", "choice", ("A", "B", "C", "D")),
        ("positively", "positive", "choice", FEELINGS),
        ("spam", "not spam", "choice", SPAM),
        ("112", "12", "number", None),
        ("12", "twelve monkeys", "number", None),
        ("Parisian", "Paris", "text", None),
        ("spam", "ham", "choice", SPAM),
        ("maybe", "maybe", "boolean", None),
    ],
)
def test_no_credit_for_a_bare_substring_or_an_impossible_target(
    output: str, target: str, kind: AnswerKind, choices: tuple[str, ...] | None
) -> None:
    assert not is_correct(output, target, kind, choices)


@pytest.mark.parametrize(
    ("output", "answer"),
    [
        ("positive\n\nReview: Bad.\nSentiment: negative", "positive"),
        ("**Positive.**\n\nReview: Bad.\n\nSentiment: negative\n\nReview: So", "positive"),
        ("Positive words first.\n\nPros: none\nCons: many\nSentiment: negative", "negative"),
        ("positive\n\nExplanation: no pro.\nSentiment: negative", "negative"),
        ("positive\n\nFinal answer: negative", "negative"),
        ("Let me look.\n\nReview: Bad.\nSentiment: negative", "negative"),
    ],
)
def test_a_further_row_of_the_prompt_ends_a_bare_answer(output: str, answer: str) -> None:
    assert extract(output, "choice", ("positive", "negative")) == answer


def test_next_questions_cut_only_at_a_line_start_and_never_everything() -> None:
    assert clean("See the FAQ: 7") == "See the FAQ: 7"
    assert clean("Question: 3+4") == "Question: 3+4"
    assert clean("7\n\nQuestion 2: 3+4 = 8") == "7\n\n"
    assert clean("Q: 3+4?\nA: 7\nQ: 1?") == "Q: 3+4?\nA: 7\n"


def test_numbers_are_equal_within_the_decimals_of_the_target() -> None:
    assert is_correct("1/3", "0.33", "number")
    assert is_correct("2.675", "2.68", "number")
    assert is_correct("$5.50", "5.5", "number")
    assert is_correct("18.00", "18", "number")
    assert is_correct("1200", "$1,200", "number")
    assert is_correct("16", "sixteen", "number")
    assert not is_correct("5.5", "6", "number")
    assert not is_correct("2.04", "2.0", "number")
    assert not is_correct("-5", "5", "number")
    assert is_correct("5.4", "5", "number", tolerance=0.5)


def test_texts_are_what_is_announced_or_everything() -> None:
    assert extract("The answer is Paris.", "text") == "Paris."
    assert extract("Answer:\nnew york city and the rest\n\nBye", "text") == (
        "new york city and the rest"
    )
    assert extract("so \\boxed{Paris} it is", "text") == "Paris"
    assert extract("  Paris \n", "text") == "Paris"
    assert extract(" \n", "text") is None
    assert is_correct("The answer is: **Paris**.", "paris", "text")


def test_what_can_be_an_answer() -> None:
    assert possible("(A)", "choice", ("A", "B"))
    assert possible("(q)", "choice")
    assert not possible("(D)", "choice", LETTERS)
    assert possible("TRUE ", "boolean")
    assert not possible("maybe", "boolean")
    assert possible("1,200 %", "number")
    assert not possible("12 or 13", "number")
    assert not possible(" ", "text")
    assert not same_answer(None, "None", "text")


def test_whole_texts_that_are_numbers() -> None:
    assert number_of("-$1,200.50") == Fraction("-1200.5")
    assert number_of("forty-two") == 42
    assert number_of("12 apples") is None
    assert number_of("2020-01-01") is None
    assert number_of("") is None


def test_contained_phrases_are_whole_words() -> None:
    assert contains("I live in **New\n York**, USA.", "new york")
    assert contains("It is C++.", "C++")
    assert not contains("invalid", "valid")
    assert not contains("non-valid", "valid")
    assert not contains("4.5", "5")


@given(st.text(max_size=40))
def test_normalizing_twice_changes_nothing(text: str) -> None:
    assert normalize(normalize(text)) == normalize(text)


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ('  **"Paris."** ', "paris"),
        ("New\u00a0  York!", "new york"),
        ("“ﬁne”", "fine"),
        ("'x' or 'y'", "x' or 'y"),
        ("...", "..."),
        ("?", "?"),
        ("", ""),
        ("C++", "c++"),
    ],
)
def test_normal_forms(text: str, normal: str) -> None:
    assert normalize(text) == normal


dressing = st.sampled_from(
    ["{}", " {}\n", "**{}**", "{}.", "The answer is {}.", "Answer: {}", "so, \\boxed{{{}}}", "`{}`"]
)


@given(
    st.fractions(-(10**6), 10**6, max_denominator=100).filter(
        lambda f: f.denominator in (1, 4, 25)
    ),
    dressing,
)
def test_a_stated_number_is_read_whatever_it_wears(number: Fraction, form: str) -> None:
    target = str(number.numerator) if number.denominator == 1 else str(float(number))
    assert is_correct(form.format(target), target, "number")
    assert is_correct(form.format(f"{float(number):,.4f}"), target, "number")
    assert not is_correct(form.format(number.numerator + 1), str(number.numerator), "number")


@given(st.integers(0, 2), st.integers(0, 2), st.sampled_from([LETTERS, FEELINGS]), dressing)
def test_a_stated_choice_is_read_whatever_it_wears(
    said: int, meant: int, choices: tuple[str, ...], form: str
) -> None:
    """An output that states only the target is right, one that states another is wrong."""
    verdict = is_correct(form.format(choices[said]), choices[meant], "choice", choices)
    assert verdict == (said == meant)


@given(st.sampled_from(["true", "false", "Yes", "No", "valid", "invalid"]), dressing)
def test_a_stated_boolean_is_read_whatever_it_wears(word: str, form: str) -> None:
    assert is_correct(form.format(word), word, "boolean")
    assert extract(form.format(word.upper()), "boolean") == word.lower()


@given(
    st.text(st.sampled_from("ab10 .,-/$%()\n*_`{}\\=eE#:Qq½²٣é\u2019"), max_size=60),
    st.sampled_from(["number", "choice", "boolean", "text"]),
)
def test_any_output_can_be_read(output: str, kind: AnswerKind) -> None:
    """Garbage gives an answer of the kind, or none, but never an exception."""
    answer = extract(output, kind)
    assert answer is None or possible(answer, kind) or kind == "text"


@pytest.mark.parametrize(
    "part",
    ["1 ", "(", "answer:", " ", "9", "1,", "1/", "//", "yes/", "not ", "twenty ", "\\boxed{"],
)
@pytest.mark.parametrize("kind", ["number", "choice", "boolean", "text"])
def test_long_loops_of_a_model_are_read_to_the_end(part: str, kind: AnswerKind) -> None:
    extract(part * (20_000 // len(part)), kind)


ENDLESS = (
    "yes or no ",
    "whether it is (A) and ",
    "answer\n\n",
    "( ] ",
    "1/2 ",
    "- ",
    "答案是",
    '"',
    "\n",
)


@pytest.mark.parametrize("part", ENDLESS)
@pytest.mark.parametrize("kind", ["choice", "boolean", "number", "list", "brackets", "text"])
def test_a_long_output_is_read_in_its_beginning_and_its_end(part: str, kind: AnswerKind) -> None:
    """A very long output takes no longer than one of a few pages."""
    output = part * (300_000 // len(part))
    extract(output, kind)
    assert is_correct(output + "\n\nThe answer is: yes", "yes", "boolean")
    assert extract(f"The answer is 7.\n{'x ' * 150_000}", "number") == "7"
    assert not is_correct('"' * 300_000, "yes", "text")


def test_thoughts_take_no_room_from_the_answer() -> None:
    """What is left out of a long output is left out of what follows the thoughts."""
    thoughts = "<think>" + "so the answer is no. " * 5_000 + "</think>"
    answer = "The answer is yes." + " And so on" * 300
    assert extract(thoughts + answer, "boolean") == "yes"


def test_a_long_text_is_an_answer_as_a_whole() -> None:
    """Texts and phrases are looked for in all of it."""
    text = "word " * 10_000 + "needle " + "word " * 10_000
    assert is_correct(text, text, "text")
    assert contains(text, "needle")
