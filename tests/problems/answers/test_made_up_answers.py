"""Outputs as models write them, each with its target, its metric and the right score.

The table stands for kinds: thoughts in every mark, labels without blanks, dress around letters,
denied and several answers, magnitudes, JSON, and repetition without end.
"""

# ruff: noqa: RUF001 - outputs are as models write them
from __future__ import annotations

from fractions import Fraction

import pytest

from llmopt.core.values import Item
from llmopt.problems.answers import extract, is_correct, number_of
from llmopt.problems.answers.brackets import bracket_sequence
from llmopt.problems.answers.lettered_options import parsed, same_option
from llmopt.problems.answers.numbers import find_numbers, round_to
from llmopt.problems.answers.repetition import endless
from llmopt.problems.answers.thoughts import spoken
from llmopt.problems.metrics.contract import Scored
from llmopt.problems.metrics.rules import metric_named

ABCD = ("A", "B", "C", "D")
CHINESE = ("正面", "负面")
CONTENT = ("满意", "不满意")
JAPANESE = ("ポジティブ", "ネガティブ")
KOREAN = ("긍정", "부정")
NORMAL = ("정상", "비정상")
THAI = ("เชิงบวก", "เชิงลบ")
FEELINGS = ("positive", "negative")
LOOP = "We turn left and go on to the next step. "

Row = tuple[str, str, float]

THOUGHTS: list[Row] = [
    ("<think>The answer is 5.</think>7", "7", 1),
    ("<thinking>The answer is 5.</thinking>\n7", "7", 1),
    ("<thought>5</thought>7", "7", 1),
    ("<thoughts>5</thoughts>7", "7", 1),
    ("<reasoning>\nThe answer is 5.\n</reasoning>\n7", "7", 1),
    ("<reflection>5</reflection>7", "7", 1),
    ("<Scratchpad>5</Scratchpad>7", "7", 1),
    ("<seed:think>The answer is 5.</seed:think>7", "7", 1),
    ('<think duration="3">5</think>7', "7", 1),
    ('<details type="reasoning" done="true">5</details>7', "7", 1),
    ("[THINK]The answer is 5.[/THINK]7", "7", 1),
    ("◁think▷The answer is 5.◁/think▷7", "7", 1),
    ("<|begin_of_thought|>5<|end_of_thought|>7", "7", 1),
    ("<|START_THINKING|>5<|END_THINKING|>7", "7", 1),
    ("<|channel>thought\n5<channel|>7", "7", 1),
    ("<unused94>thought\n5<unused95>7", "7", 1),
    (
        "<|channel|>analysis<|message|>5.<|end|><|start|>assistant<|channel|>final<|message|>7",
        "7",
        1,
    ),
    ("<|channel|>final <|constrain|>json<|message|>7", "7", 1),
    ("analysisThe answer is 5.assistantfinal7", "7", 1),
    ("<think>a <think>The answer is 5.</think>7", "7", 1),  # opened by the template as well
    ("The answer is 5</think>7", "7", 1),  # opened by the template alone
    ("The answer is 5.[/THINK]7", "7", 1),
    ("<thinking>a<reflection>5</reflection>b</thinking>7", "7", 1),
    ("The answer is 7. <reasoning>3 + 4, not 5</reasoning>", "7", 1),
    ("<think>The answer is 7", "7", 0),
    ("<reasoning>The answer is 7", "7", 0),
    ("[THINK]The answer is 7", "7", 0),
    ("◁think▷The answer is 7", "7", 0),
    ("<|channel|>analysis<|message|>The answer is 7.<|end|>", "7", 0),
    ("analysisThe answer is 7.", "7", 0),
    ("<thinking>7<reflection>8</reflection>The answer is 7", "7", 0),
    ("The answer is 7</thought>", "7", 0),
]

NUMBERS: list[Row] = [
    ("The revenue was $1.5B.", "1500000000", 1),
    ("$2.5M", "2500000", 1),
    ("$2.5m", "2500000", 1),
    ("USD 5m", "5000000", 1),
    ("About 150k", "150000", 1),
    ("150 k€", "150000", 1),
    ("€3.2bn", "3200000000", 1),
    ("-€3.2bn", "-3200000000", 1),
    ("400 thousand", "400000", 1),
    ("a 2.5-million investment", "2500000", 1),
    ("7 mn", "7000000", 1),
    ("$400 MM", "400000000", 1),
    ("1,2 Mio", "1200000", 1),
    ("3,5 Mrd. €", "3500000000", 1),
    ("1,5 млн", "1500000", 1),
    ("5.2 mil millones", "5200000000", 1),
    ("5 lakh", "500000", 1),
    ("2 crore", "20000000", 1),
    ("3万", "30000", 1),
    ("1亿5000万", "150000000", 1),
    ("5 m", "5", 1),
    ("5km", "5", 1),
    ("5 mm", "5", 1),
    ("5千克", "5", 1),
    ("150kB", "150", 1),
    ("It is in her 401k", "401", 1),
    ("1'234'567", "1234567", 1),
    ("1’234.50", "1234.5", 1),
    ("1_000_000", "1000000", 1),
    ("1.234.567,89 €", "1234567.89", 1),
    ("12,5 %", "12.5", 1),
    ("27 (not 26)", "27", 1),
    ("The answer is not 26 but 27", "27", 1),
    ("The answer is 27, not 26.", "27", 1),
    ("27 rather than 26", "27", 1),
    ("So the result is 18 (not 26).", "18", 1),
    ("So the result is 18 (not 26 or 30).", "18", 1),
    ("So there are 18 (not counting the 26 broken ones).", "18", 1),
    ("We get 18 as opposed to 26.", "18", 1),
    ("So it is not 26, it is 18 or 30.", "30", 1),
    ("It is not $26 but $27", "27", 1),
    ("The answer is not 26.", "26", 0),
    ("It takes not only 5 hours.", "5", 1),
    ("\\boxed{\\text{14}}", "14", 1),
    ("$\\boxed{14}$", "14", 1),
    ('{"final_answer": 14, "confidence": 0.9}', "14", 1),
    ('{"confidence": 14, "answer": 0.9}', "14", 0),
    ('```json\n{"steps": ["3 + 4 = 8"], "result": "$1.5M"}\n```', "1500000", 1),
    ('{"total": 5}', "5", 1),
    ('{"result": {"value": 5, "unit": "kg"}}', "5", 1),
    ('<think>{"answer": 4}</think>{"answer": 5}', "5", 1),
    ('Sure! {"final_answer": 14, "confidence": 0.9}', "14", 1),
    ('{"final_answer": 14, "confidence": 0.9', "14", 1),  # cut off
    ('{"answer": null, "confidence": 5}', "5", 0),
    (f"We begin with 3. {LOOP * 40}", "3", 0),
    (f"The answer is 3. {LOOP * 40}", "3", 1),
    (f"Let me see. {'The answer is 3. ' * 40}", "3", 0),
    (f"The answer is 3. {'We add 3. ' * 40}", "3", 1),
    (f"The answer is 3.\n\nQ: And 4? {LOOP * 40}", "3", 1),
    ("".join(f"({n}) Turn left. " for n in range(10, 60)), "59", 0),
    (f"So it is 7.</s>{'<pad>' * 80}", "7", 1),
    (f"0.{'3' * 250}", "0.33", 1),
]

CHOICES: list[tuple[tuple[str, ...], str, str, float]] = [
    (ABCD, "ANSWER: $B$", "B", 1),
    (ABCD, "Answer: $\\text{B}$", "B", 1),
    (ABCD, "The answer is $$B$$.", "B", 1),
    (ABCD, "ANSWER: $B$. It is the only one that fits.", "B", 1),
    (ABCD, "\\boxed{B}", "B", 1),
    (ABCD, "$\\boxed{\\text{B}}$", "B", 1),
    (ABCD, "\\(B\\)", "B", 1),
    (ABCD, "Answer: \\mathbf{(B)}", "B", 1),
    (ABCD, "**B**", "B", 1),
    (ABCD, "Answer: 'B'", "B", 1),
    (ABCD, "The answer is 【B】", "B", 1),
    (ABCD, "(B)", "B", 1),
    (ABCD, "It costs $A and $B", "A", 0),
    (ABCD, "A is more likely than B", "A", 1),
    (ABCD, "A is a better answer than B", "A", 1),
    (ABCD, "A is more sarcastic than B.", "A", 1),
    (ABCD, "B is more sarcastic than A.", "B", 1),
    (ABCD, "(B) is more sarcastic than (A).", "B", 1),
    (ABCD, "I prefer (A) to (B).", "A", 1),
    (ABCD, "(A) beats (B).", "A", 1),
    (("positive", "negative"), "It is more negative than it is positive.", "negative", 1),
    (("positive", "negative"), "More positive than negative.", "positive", 1),
    (ABCD, "B is less likely than A", "A", 1),
    (ABCD, "A rather than B", "A", 1),
    (ABCD, "A (not B)", "A", 1),
    (ABCD, "The answer is not A but B", "B", 1),
    (ABCD, "A, B", "A", 0),
    (ABCD, "A and B", "A", 0),
    (ABCD, "The answer is A, C.", "A", 0),
    (ABCD, "Answer: A; C", "A", 0),
    (ABCD, "Answer: B, because A is wrong", "B", 1),
    (ABCD, "故选B", "B", 1),
    (ABCD, "选项A错误，所以选B", "B", 1),
    (ABCD, "A不正确，B正确", "B", 1),
    (ABCD, "正确答案：B", "B", 1),
    (ABCD, "正解はBです", "B", 1),
    (ABCD, "Between A and B, B is better", "B", 1),
    (ABCD, "(A)\n" * 100, "A", 0),
    (FEELINGS, "more positive than negative", "positive", 1),
    (FEELINGS, "positive, negative", "positive", 0),
    (FEELINGS, '{"label": "positive", "reason": "nothing negative"}', "positive", 1),
    (FEELINGS, '{"reasoning": "It is negative?", "sentiment": "positive"}', "positive", 1),
    (FEELINGS, "<reasoning>negative</reasoning>", "negative", 0),
    (CHINESE, "这条评论是负面的。", "负面", 1),
    (CHINESE, "我认为该评论属于正面类别。", "正面", 1),
    (CHINESE, "分类结果：负面情绪", "负面", 1),
    (CHINESE, "这是一条负面评论", "负面", 1),
    (CHINESE, "非常正面！", "正面", 1),
    (CHINESE, "「正面」", "正面", 1),
    (CHINESE, "这不是正面的评论，而是负面的。", "负面", 1),
    (CHINESE, "这条评论并非负面，是正面的", "正面", 1),
    (CHINESE, "评论中有正面词语，但整体是负面的。", "负面", 1),
    (CHINESE, "判断评论是否为正面。结论：负面", "负面", 1),
    (CHINESE, "不正面", "正面", 0),
    (CHINESE, "非正面", "正面", 0),
    (CHINESE, "正面或负面", "正面", 0),
    (CHINESE, "正面和负面都有", "正面", 0),
    (CONTENT, "客户不满意。", "不满意", 1),
    (CONTENT, "客户不满意。", "满意", 0),
    (CONTENT, "客户很满意", "满意", 1),
    (("是", "否"), "这是一个问题", "是", 0),
    (("是", "否"), "答案：否", "否", 1),
    (JAPANESE, "このレビューはポジティブです。", "ポジティブ", 1),
    (JAPANESE, "ネガティブではなく、ポジティブです。", "ポジティブ", 1),
    (JAPANESE, "ポジティブではありません。", "ポジティブ", 0),
    (("カー", "バス"), "スポーツカーです", "カー", 0),
    (("はい", "いいえ"), "答えははい", "はい", 1),
    (KOREAN, "이 리뷰는 긍정입니다.", "긍정", 1),
    (KOREAN, "감정은 부정적입니다.", "부정", 1),
    (KOREAN, "긍정이 아니라 부정입니다.", "부정", 1),
    (KOREAN, "부정적이지 않습니다", "부정", 0),
    (NORMAL, "이것은 비정상입니다", "비정상", 1),
    (NORMAL, "이것은 비정상입니다", "정상", 0),
    (("정상", "고장"), "이것은 비정상입니다", "정상", 0),
    (THAI, "รีวิวนี้เป็นเชิงบวก", "เชิงบวก", 1),
    (THAI, "เป็นเชิงลบไม่ใช่เชิงบวก", "เชิงลบ", 1),
    (("ปกติ", "เสีย"), "ผิดปกติ", "ปกติ", 0),
    (THAI, "ไม่ใช่เชิงลบ", "เชิงลบ", 0),
]

TICKET = '{"label": "refund", "order": {"id": "A-7", "total": 12.5}, "tags": ["late", "broken"]}'
OBJECTS: list[tuple[str, str, str, float]] = [
    ("json", TICKET, TICKET, 1),
    ("json", f"Here it is:\n```json\n{TICKET}\n```\nAnything else?", TICKET, 1),
    ("json", f'<think>{{"label": "other"}}</think>{TICKET}', TICKET, 1),
    ("json", '{"label": "Refund."}', '{"label": "refund"}', 1),
    ("json", '{"label": "refund", "more": 1}', '{"label": "refund"}', 1),
    ("json", '{"label": "refund"}', '{"label": "refund", "place": null}', 1),
    ("json", '{"total": "$1,200"}', '{"total": 1200}', 1),
    ("json", '{"id": "007"}', '{"id": "7"}', 0),
    ("json", '{"paid": "true"}', '{"paid": true}', 1),
    ("json", '{"paid": 1}', '{"paid": true}', 0),
    ("json", '{"tags": ["b", "a"]}', '{"tags": ["a", "b"]}', 0),
    ("json", '{"a": 1, "b": 3}', '{"a": 1, "b": 2}', 0.5),
    ("json", '{"order": {"id": 1, "total": 3}}', '{"order": {"id": 1, "total": 2}}', 0.5),
    ("json:a=3,b", '{"a": 1, "b": 3}', '{"a": 1, "b": 2}', 0.75),
    ("json:order.total", '{"order": {"total": 2}}', '{"order": {"id": 1, "total": 2}}', 1),
    ("json", "refund", '{"label": "refund"}', 0),
    ("json", '{"label": "refund"', '{"label": "refund"}', 0),
    ("json", '{"label": "a"} or rather {"label": "b"}', '{"label": "b"}', 1),
]


def scored(metric: str, output: str, target: str, choices: tuple[str, ...] = ()) -> float:
    found = metric_named(metric, choices)(output, Item("1", "?", target))
    assert isinstance(found, Scored)
    return found.score


@pytest.mark.parametrize(("output", "target", "score"), THOUGHTS + NUMBERS)
def test_numbers_are_read_as_a_person_reads_them(output: str, target: str, score: float) -> None:
    assert scored("number", output, target) == score


@pytest.mark.parametrize(("choices", "output", "target", "score"), CHOICES)
def test_choices_are_read_as_a_person_reads_them(
    choices: tuple[str, ...], output: str, target: str, score: float
) -> None:
    assert scored("choice", output, target, choices) == score


@pytest.mark.parametrize(("metric", "output", "target", "score"), OBJECTS)
def test_objects_are_compared_field_by_field(
    metric: str, output: str, target: str, score: float
) -> None:
    assert scored(metric, output, target) == pytest.approx(score)


@pytest.mark.parametrize("output", [row[0] for row in THOUGHTS])
def test_thoughts_are_none_of_a_text_either(output: str) -> None:
    """The metrics that compare texts see what was said alone."""
    said = spoken(output)
    for metric in ("exact", r"pattern:(?s).*"):
        assert scored(metric, output, "something") == 0
        if said.strip() == "7":
            assert scored(metric, output, "7") == 1


def test_a_pattern_that_names_a_mark_sees_the_thoughts() -> None:
    assert scored(r"pattern:</think>\s*(\d)", "<think>5</think> 7", "7") == 1


@pytest.mark.parametrize(
    ("target", "value"), [("$2.5m", 2_500_000), ("150k", 150_000), ("€3.2bn", 3_200_000_000)]
)
def test_a_target_may_have_a_magnitude(target: str, value: int) -> None:
    assert number_of(target) == value


def test_a_repetition_begins_where_it_begins() -> None:
    said = "The list is as follows. "
    assert endless(said + LOOP * 20) == len(said)
    assert endless(said + LOOP * 4) == -1
    assert endless("-" * 500) == -1
    assert endless("") == -1


def test_marks_that_never_close_take_no_longer_than_their_length() -> None:
    """Nested, unclosed and mixed marks are one pass over the text."""
    for text in ("<think><thought>" * 20_000, "<think>" * 20_000 + "</details>" * 20_000):
        assert extract(text, "number") is None


@pytest.mark.parametrize(
    "text",
    [
        " " * 200_000 + "x",
        "x\n" + " " * 200_000 + "step",
        "\\boxed{" * 9_000,
        "- " * 100_000 + "x",
    ],
)
def test_brackets_are_looked_for_in_one_pass(text: str) -> None:
    assert bracket_sequence(text) is None


@pytest.mark.parametrize(
    "text", ["It is 25, not 26.", "25 and not 26", "Not 26 but 25.", "25 rather than 26"]
)
def test_a_number_that_is_denied_is_none(text: str) -> None:
    assert [found.value for found in find_numbers(text)] == [25]


def test_negative_numbers_are_rounded_as_positive_ones_are() -> None:
    """To the decimals of a target, away from zero."""
    assert round_to(Fraction(-1, 8), 2) == Fraction(-13, 100)
    assert is_correct("-1/3", "-0.33", "number")
    assert not is_correct("-1/3", "0.33", "number")


def test_the_last_of_several_boxes_is_the_answer() -> None:
    assert extract("First \\boxed{3}, then \\boxed{5}.", "number") == "5"
    assert extract("\\boxed{3} and \\boxed{5}, as I said", "text") == "5"


def test_a_target_with_another_letter_is_another_option() -> None:
    """Though its text is the same; an option without a letter has only its text."""
    cat, plain = *parsed(("(A) cat",)), *parsed(("cat",))
    assert same_option(cat, "(A) cat")
    assert same_option(plain, "(B) Cat")
    assert not same_option(cat, "(B) cat")
    assert not same_option(cat, "(A) dog")
