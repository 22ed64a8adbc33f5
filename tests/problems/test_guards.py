"""What no instruction may hold: training data, and what the user forbids. Naming labels is fine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmopt.core.problem import Refusal
from llmopt.core.text import tokens_of
from llmopt.core.values import Item
from llmopt.errors import ConfigError, UnknownNameError
from llmopt.preflight.cautions import cautions
from llmopt.problems.data.splits import Splits
from llmopt.problems.prompt.constraints import (
    ANSWERS,
    COPIED,
    Invariants,
    Leaks,
)
from llmopt.problems.prompt.language import LANGUAGES
from llmopt.problems.prompt.leakage import Runs, words_of
from llmopt.problems.prompt.prompt_problem import PromptProblem
from llmopt.problems.prompt.proposal_filter import Filters
from llmopt.testing import problems, scripted

if TYPE_CHECKING:
    from collections.abc import Sequence

REVIEWS = (
    ("The soup was cold and nobody in the whole place seemed to care.", "negative"),
    ("I would walk an hour in the rain for that bread, and then again.", "positive"),
    ("Two stars, and one of them is for the parking space behind it.", "negative"),
    ("Never before have we laughed so much.", "positive"),
    ("Just no.", "negative"),
)
SUMS = tuple((f"{a} + {b}", str(a + b)) for a in range(2, 7) for b in range(11, 17))
WORDS = tuple((f"What is the capital city of country number {n}?", f"Town{n}") for n in range(30))


def items(rows: Sequence[tuple[str, str]]) -> tuple[Item, ...]:
    return tuple(Item(str(n), *row) for n, row in enumerate(rows))


def leak(rows: Sequence[tuple[str, str]], text: str, words: int = 8) -> str:
    return Leaks(items(rows), words).found(text)


# -- copies of training examples --------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "The soup was cold and nobody in the whole place seemed to care.",
        "Mind texts such as: the SOUP was cold -- and nobody, in the whole!",
        "Say positive to “walk an hour in the rain for that bread”.",
        "nobody\nin the   whole place seemed to care",
        "Never before have we laughed so much: what is that?",
    ],
)
def test_a_copy_of_a_training_example_is_found_whatever_its_case_and_punctuation(text: str) -> None:
    assert leak(REVIEWS, text) == COPIED


@pytest.mark.parametrize(
    "text",
    [
        "The soup was cold and nobody in.",
        "Say whether the review is positive or negative.",
        "Just no.",
        "never before have we laughed",
        "",
        "!?",
    ],
)
def test_fewer_words_than_the_threshold_are_no_copy(text: str) -> None:
    assert leak(REVIEWS, text) == ""


@given(st.integers(2, 12), st.integers(0, 4), st.integers(0, 12))
def test_a_run_is_a_copy_from_the_threshold_on_and_not_before(n: int, row: int, at: int) -> None:
    said = words_of(REVIEWS[row][0])
    runs = Runs((said,), n)
    run = said[at : at + n]
    whole = len(said) < n <= 2 * len(said) and run == said
    assert runs.copied(("yy", *run, "zz")) is (len(run) == n or whole)
    if len(said) >= n:
        assert not runs.copied(("yy", *run[: n - 1], "zz"))


def test_a_run_does_not_reach_from_one_example_to_the_next() -> None:
    rows = (("one two three four five", "x"), ("six seven eight nine ten", "y"))
    assert leak(rows, "three four five six seven eight", words=4) == ""
    assert leak(rows, "two three four five six seven", words=4) == COPIED


def test_words_that_three_inputs_share_belong_to_the_task() -> None:
    text = "Which of the following sentences is the most likely one to be true?"
    rows = [(f"{text} Case {n * 7} holds it.", "x") for n in range(3)]
    assert leak(rows, text) == ""
    assert leak(rows[:2], text) == COPIED
    assert leak([*rows[:2], rows[1]], text) == COPIED, "an equal input is the same input"


def test_in_a_script_without_blanks_letters_count() -> None:
    rows = (("今天的天气很好我们去公园散步吧", "x"), ("เขาไปตลาดทุกวันอาทิตย์ตอนเช้า", "y"))
    assert leak(rows, "请判断：今天的天气很好我们去") == COPIED  # noqa: RUF001 # a Chinese colon
    assert leak(rows, "请判断这句话的情感倾向") == ""
    assert leak(rows, rows[1][0]) == COPIED


# -- training answers -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "Answer positive or negative.",
        "positive, negative, positive, negative",
        "Labels: negative / positive. Say positive where it is positive, else say negative.",
        "Yes means positive; no means negative. Just no.",
        "Just no: negative.",
    ],
)
def test_naming_the_labels_is_no_answer_key(text: str) -> None:
    assert leak(REVIEWS, text) == ""


@pytest.mark.parametrize(
    "text",
    [
        "negative, positive, negative, positive, negative",
        "The answers: 1. negative 2. positive 3. negative 4. positive 5. negative",
        "Q1: negative\nQ2: positive\nQ3: negative\nQ4: positive\nQ5: positive",
    ],
)
def test_a_row_longer_than_all_labels_is_an_answer_key(text: str) -> None:
    assert leak(REVIEWS, text) == ANSWERS


def test_short_inputs_with_their_answers_are_an_answer_key() -> None:
    assert leak(SUMS, "Remember: 2 + 11 = 13 and 3 + 12 = 15.") == ANSWERS
    assert leak(SUMS, "2 + 11 -> 13\n6+16 -> 22") == ANSWERS
    assert leak(SUMS, "For example, 2 + 11 = 13.") == "", "one example of the form is allowed"
    assert leak(SUMS, "For example, 2 + 11 = 14 and 3 + 12 = 16.") == "", "these are wrong"


def test_a_row_of_open_answers_is_an_answer_key_unless_it_rises() -> None:
    rows = [(f"How many are in bag {n}?", str(n * 3 % 101)) for n in range(60)]
    assert leak(rows, "Answers: 27, 3, 99, 30, 6") == ANSWERS
    assert leak(rows, "Number your steps 1, 2, 3, 4, 5, 6, 7.") == ""
    assert leak(rows, "Use 27, 3, 99 or 30.") == ""
    assert leak(rows, "1. 27 2. 3 3. 99 4. 30 5. 6") == ANSWERS
    assert leak(WORDS, "They are Town3 Town9 Town1, Town28; Town2") == ANSWERS
    assert leak(WORDS, "Town3 before Town9 before Town1 before Town28 before Town2") == ""


def test_words_of_a_long_answer_are_an_answer() -> None:
    rows = [
        (f"Sum it up: {n}", f"The report number {n} says that {n} boats came home late today.")
        for n in range(30)
    ]
    assert leak(rows, "Write: 7 says that 7 boats came home late today.") == ANSWERS
    assert leak(rows, "Write that boats came home late today.") == ""
    long_labels = [(f"Case {n}", rows[n % 2][1]) for n in range(30)]
    assert leak(long_labels, f"Choose between '{rows[0][1]}' and '{rows[1][1]}'") == ""


def test_symbols_without_words_are_not_looked_at() -> None:
    rows = [("[ [ { ( ) ( ) [ ] <", "] }"), ("+ - * /", "% %")] * 3
    assert leak(rows, "[ [ { ( ) ( ) [ ] < ] }") == ""


def test_numbers_of_any_length_are_read() -> None:
    rows = [(f"Big {n}?", f"{n}" + "0" * 5000) for n in range(1, 30)]
    text = " ".join(rows[n][1] for n in range(6))
    assert leak(rows, text) == ANSWERS


@given(st.text(max_size=80), st.sampled_from([REVIEWS, SUMS, WORDS]), st.sampled_from([0, 2, 3, 8]))
def test_the_guard_is_a_pure_function(text: str, rows: Any, words: int) -> None:
    found = leak(rows, text, words)
    assert found in ("", COPIED, ANSWERS)
    assert Leaks(items(rows), words).found(text) == found
    assert found == "" or words


# -- in a problem -----------------------------------------------------------------------------


def problem(**options: Any) -> PromptProblem:
    data = items(REVIEWS)
    splits = Splits(data[:4], (), (*data[4:], Item("last", "Fine by me.", "positive")))
    return PromptProblem.from_splits(splits, **options)


def test_a_proposal_that_leaks_is_refused_with_its_reason() -> None:
    copy = f"Think of this: {REVIEWS[0][0]}"
    assert problem().parse(copy) == Refusal("copies a training example")
    key = "negative, positive, negative, positive, negative"
    assert problem().parse(key) == Refusal("contains training answers")
    assert problem(filters=Filters(copied_words=0)).parse(copy) == copy
    assert problem(filters=Filters(copied_words=13)).parse(copy[:60]) == copy[:60]


def test_quotation_marks_around_a_proposal_are_removed_or_kept() -> None:
    """PE2's and EvoPrompt's codes remove them, those of OPRO and GPO keep them."""
    kept = problem(filters=Filters(quotes="keep"))
    for text in ('"Think it over."', "\u201cThink it over.\u201d"):
        assert problem().parse(text) == "Think it over."
        assert kept.parse(text) == text
        assert kept.parse(f"**{text}**") == text
    with pytest.raises(UnknownNameError, match=r"problem\.quotes"):
        Filters(quotes="no")  # type: ignore[arg-type]  # what a user may write
    assert problem().parse("Just no.") == "Just no.", "a test row is not looked at"


def test_a_start_that_leaks_is_kept_and_pointed_out() -> None:
    start = f"Think of this: {REVIEWS[0][0]}"
    made = problem(instructions=[start, "Say positive or negative."])
    assert made.parse(start) == start
    said = [c for c in cautions(made, scripted.model(), "") if COPIED in c]
    assert len(said) == 1
    assert "starting instruction" in said[0]
    fine = problem(instructions="Say positive or negative.")
    assert not [c for c in cautions(fine, scripted.model(), "") if "training" in c]


@pytest.mark.parametrize("words", [-1, 1])
def test_a_threshold_of_one_word_is_refused(words: int) -> None:
    with pytest.raises(ConfigError, match=rf"copied_words is 0 .* but got {words}"):
        Filters(copied_words=words)


# -- demands of the user ----------------------------------------------------------------------

DEMANDS: list[tuple[dict[str, Any], str, str, str]] = [
    (
        {"placeholders": ["{name}"]},
        "{name}, say it.",
        "Dear {Name}, say it.",
        "lacks the placeholder {name}",
    ),
    (
        {"required": ["one word"]},
        "Answer in One\n word, please.",
        "Answer in one wording.",
        "lacks the required phrase 'one word'",
    ),
    (
        {"forbidden": ["step by step"]},
        "Go stepwise.",
        "Think Step  by step!",
        "contains the forbidden phrase 'step by step'",
    ),
    (
        {"forbidden": ["cat"]},
        "Name the category.",
        "No CAT.",
        "contains the forbidden phrase 'cat'",
    ),
    ({"max_words": 3}, "Say it now.", "Say it now then.", "longer than 3 words"),
    ({"max_instruction_tokens": 2}, "Say yes.", "Say yes!!", "longer than about 2 tokens"),
    ({"language": "en"}, "What is the answer?", "Was ist die Antwort?", "not in English"),
    ({"language": "ru"}, "Ответь: positive.", "Answer: positive.", "not in Russian"),
]


@pytest.mark.parametrize(("demands", "kept", "broken", "reason"), DEMANDS)
def test_what_breaks_a_demand_is_refused_with_its_own_reason(
    demands: dict[str, Any], kept: str, broken: str, reason: str
) -> None:
    made = problem(instructions=kept, invariants=Invariants(**demands))
    assert made.parse(f"{kept} ") == kept
    assert made.parse(broken) == Refusal(reason)
    assert problem(instructions=kept).parse(broken) != Refusal(reason)


@pytest.mark.parametrize(("demands", "kept", "broken", "reason"), DEMANDS)
def test_a_start_that_breaks_a_demand_is_refused_before_anything_is_paid(
    demands: dict[str, Any], kept: str, broken: str, reason: str
) -> None:
    with pytest.raises(ConfigError, match="starting instruction keeps every demand") as error:
        problem(instructions=[kept, broken], invariants=Invariants(**demands))
    assert reason in str(error.value)


def test_a_placeholder_at_the_beginning_is_not_polished() -> None:
    made = problem(instructions="name, go", invariants=Invariants(placeholders=("name",)))
    assert made.parse("name, say it") == "name, say it"
    assert made.parse("say it, name") == "Say it, name"


@pytest.mark.parametrize("check", problems.CHECKS, ids=lambda check: check.__name__)
async def test_a_problem_with_every_demand_conforms(check: problems.Check) -> None:
    every = Invariants(("answer",), ("never",), ("{x}",), 40, 60, "en")
    splits = scripted.problem().splits
    await check(
        PromptProblem.from_splits(splits, instructions=["Answer {x}."], invariants=every, task="T")
    )


def test_the_optimizer_is_told_of_every_demand() -> None:
    made = Invariants(("a b",), ("c",), ("{x}",), 40, 60, "de")
    told = problem(instructions="a b {x} ist das", invariants=made).description.constraints
    assert told == made.in_words
    assert problem().description.constraints == ()
    assert problem().description.longest == 71
    for word in ('"a b"', '"c"', "{x}", "40 words", "60 tokens", "German"):
        assert sum(word in clause for clause in told) == 1


def test_demands_belong_to_what_a_run_is() -> None:
    first, second = (
        problem(invariants=Invariants(max_words=n)).fingerprint["invariants"] for n in (40, 41)
    )
    assert first != second


@pytest.mark.parametrize(
    ("demands", "match"),
    [
        ({"required": "one word"}, "required is a list"),
        ({"forbidden": [" "]}, "of forbidden is not blank"),
        ({"required": ["say the Word"], "forbidden": ["word"]}, "'say the Word' holds 'word'"),
        ({"max_words": -1}, "max_words is 0"),
        ({"max_instruction_tokens": -5}, "max_instruction_tokens is 0"),
    ],
)
def test_demands_that_cannot_be_met_are_refused(demands: dict[str, Any], match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        Invariants(**demands)


def test_an_unknown_language_is_refused_and_the_known_ones_are_named() -> None:
    with pytest.raises(UnknownNameError, match=r"language.*zh"):
        Invariants(language="klingon")


def test_tokens_are_a_quarter_of_the_bytes_rounded_up() -> None:
    assert [tokens_of(text) for text in ("", "a", "abcd", "abcde", "äöü")] == [0, 1, 1, 2, 2]


# -- languages --------------------------------------------------------------------------------

SAID = {
    "ar": "أجب عن السؤال التالي بكلمة واحدة.",
    "de": "Beantworte die folgende Frage mit einem Wort und erkläre es nicht.",
    "el": "Απάντησε στην ερώτηση με μία λέξη.",
    "en": "Answer the following question with one word and do not explain it.",
    "es": "Responde a la siguiente pregunta con una palabra y no la expliques.",
    "fa": "به پرسش زیر با یک کلمه پاسخ بده.",
    "fr": "Répondez à la question suivante par un mot et ne l'expliquez pas.",
    "he": "ענה על השאלה במילה אחת.",
    "hi": "निम्नलिखित प्रश्न का उत्तर एक शब्द में दें।",
    "it": "Rispondi alla domanda seguente con una parola e non spiegare il motivo.",
    "ja": "次の質問に一言で答えてください。",
    "ko": "다음 질문에 한 단어로 답하세요.",
    "nl": "Beantwoord de volgende vraag met een woord en leg het niet uit.",
    "pt": "Responda à seguinte pergunta com uma palavra e não a explique.",
    "ru": "Ответь на вопрос одним словом.",
    "th": "ตอบคำถามต่อไปนี้ด้วยคำเดียว",
    "uk": "Дай відповідь одним словом.",
    "zh": "请用一个词回答下面的问题。",
}
SAME = ({"ar", "fa"}, {"ru", "uk"})
"""Languages that share a script and are not told apart."""


def in_language(language: str, text: str, *names: str) -> bool:
    return not Invariants(language=language).broken(text, names)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_sentence_is_in_its_own_language_and_in_no_other(language: str) -> None:
    assert SAID.keys() == LANGUAGES.keys()
    fits = {other for other in LANGUAGES if in_language(other, SAID[language])}
    assert fits == next((same for same in SAME if language in same), {language})


def test_short_texts_without_frequent_words_pass() -> None:
    assert in_language("en", "Think twice.")
    assert in_language("de", "Think twice.")
    assert in_language("en", "42!")
    assert not in_language("en", " ".join(["zastanów się dobrze", "odpowiedz krótko"] * 3))


def test_labels_may_be_of_another_script() -> None:
    text = "请回答 positive 或 negative"
    assert not in_language("zh", text)
    assert in_language("zh", text, "positive", "negative")
