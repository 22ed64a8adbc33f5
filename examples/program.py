"""Improve two prompts of a program together: one finds a note, the other answers from it.

Run it with a model's name, or with none for the small local one::

    python examples/program.py
    python examples/program.py openai/gpt-5-mini
"""

from __future__ import annotations

import sys
from typing import Any

import llmopt

NOTES = {
    "invoices": "Invoices are sent on day 3 of a month and are due within 14 days.",
    "refunds": "A refund takes 5 days; ask for it within 30 days.",
    "parcels": "Parcels leave within 2 days and arrive after 4 more.",
}
QUESTIONS = [
    ("On which day of the month is invoice {} sent?", "3"),
    ("How many days does refund {} take?", "5"),
    ("Within how many days does parcel {} leave?", "2"),
    ("Within how many days is invoice {} due?", "14"),
]

PARTS = {"search": "Which topic is it?", "answer": "Answer from the note. {note}"}
TASK = "Answer the questions of customers with a number from our notes."


def answer(texts: dict[str, str], row: Any, call: Any) -> str:
    """Return the answer to the question of a row; each call is paid, and stored, by the run."""
    topics = ", ".join(NOTES)
    said = call(
        f"{texts['search']}\nTopics: {topics}\nQuestion: {row['question']}\nTopic:",
        name="search",
        max_tokens=8,
    )
    found = [note for topic, note in NOTES.items() if topic in said.lower()]
    note = " ".join(found or NOTES.values())
    asked = texts["answer"].replace("{note}", note)
    return str(call(f"{asked}\nQuestion: {row['question']}\nAnswer:", name="answer", max_tokens=24))


def right(output: str, item: llmopt.Item) -> llmopt.Scored:
    """Score an answer, and say what is wrong with it: methods that read errors are told."""
    numbers = [word.strip(".,") for word in output.split() if word.strip(".,").isdigit()]
    if item.target in numbers[:1]:
        return llmopt.Scored(1.0)
    said = f"The answer begins with {numbers[0]}." if numbers else "The answer has no number."
    return llmopt.Scored(0.0, feedback=f"{said} It is {item.target}.")


def rows(many: int = 60) -> list[dict[str, str]]:
    """Return so many questions with their answers."""
    asked = [QUESTIONS[number % len(QUESTIONS)] for number in range(many)]
    return [
        {"question": question.format(number), "target": target}
        for number, (question, target) in enumerate(asked)
    ]


def main() -> None:
    """Search, and print the texts."""
    model = sys.argv[1] if len(sys.argv) > 1 else "local/smollm2-135m"
    problem = llmopt.ProgramProblem.from_rows(
        answer,
        rows(),
        input="question",
        parts=PARTS,
        task=TASK,
        metric=right,
        sizes=(0.3, 0.2, 0.5),
        scorer=model,
    )
    result = llmopt.optimize(problem, algorithm=llmopt.protegi(), steps=1)
    for name, text in problem.texts.split(result.best.text).items():
        print(f"{name}: {text}")
    print(result.verdict)
    print(f"llmopt show {result.run}")


if __name__ == "__main__":
    main()
