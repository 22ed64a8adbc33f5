"""Documents that no run has made: one of the largest size, and a hostile one."""

from __future__ import annotations

import random
from typing import Any

from llmopt.core.values import Candidate
from llmopt.web.pages.payload import packed

NASTY = (
    "<img src=x onerror=\"window.hacked='img'\">",
    "</script><script>window.hacked='script'</script>",
    "</blockquote><svg onload=\"window.hacked='svg'\">",
    "\x1b[31mred\x07 \x00",
    "\u202eright to left\u202c \u200f\u061c",
    "half \ud800 a pair",
    "{{ 7 * 7 }} {% raw %} ${1} &amp; \u2028",
    "javascript:window.hacked='url'",
)
HOSTILE = " ".join(NASTY)

_SOUNDS = ("ba", "ne", "ti", "ro", "lu", "sha", "ke", "mi", "do", "gra", "pe", "stu", "wi", "on")
_WORDS = ["".join(random.Random(n).choices(_SOUNDS, k=1 + n % 4)) for n in range(4000)]


def words(rng: random.Random, many: int) -> str:
    """Return a text of made-up words, which are harder to compress than those of a language."""
    return " ".join(rng.choices(_WORDS, k=many))


def large(steps: int = 200, samples: int = 8, items: int = 261) -> dict[str, Any]:
    """Return the document of a search with so many steps, candidates a step, and items."""
    rng = random.Random(0)
    inputs = [words(rng, 60) for _ in range(items)]
    pool: list[dict[str, Any]] = []
    prompts: list[dict[str, str]] = []
    made: list[dict[str, Any]] = []
    for step in range(steps + 1):
        used = {"calls": (step + 1) * items, "input_tokens": 900 * step, "output_tokens": 90 * step}
        shown = sorted(pool, key=lambda c: c["score"])[-20:]
        parents = [c["id"] for c in shown]
        listed = "\n\n".join(f"text:\n{c['text']}\nscore:\n{c['score']:.2f}" for c in shown)
        candidates: list[dict[str, Any]] = []
        calls: list[dict[str, Any]] = []
        for _ in range(samples if step else 1):
            text = words(rng, 40)
            bits = "".join(rng.choices("10", weights=(6 + step / 50, 4), k=items))
            candidate = {
                "id": Candidate(text).id,
                "text": text,
                "parents": parents,
                "score": bits.count("1") / items,
                "measured": items,
                "planned": items,
                "words_changed": 40 if step else None,
                "made_by": len(calls) if step else None,
                "outcomes": bits,
            }
            candidates.append(candidate)
            if step:
                examples = "\n\n".join(rng.sample(inputs, 3))
                prompt = f"What was tried:\n\n{listed}\n\n{examples}\n\nWrite a better one."
                prompts.append({"text": prompt, "how": "chat"})
                reply = f"{words(rng, 30)} <INS>{text}</INS>"
                call = {"key": "0" * 64, "prompt": len(prompts) - 1, "reply": reply}
                calls.append(call | {"reasoning": "", "finish": "stop", "tokens": [3000, 100]})
        pool += candidates
        rejected = [{"text": words(rng, 40), "reason": "already tried"}] if step else []
        made.append({"step": step, "candidates": candidates, "rejected": rejected, "calls": calls})
        made[-1]["spent"] = {"seconds": 2.5 * step, "usage": {"scorer": used}}
        made[-1]["best"] = max(c["score"] for c in pool)
    winner = max(pool, key=lambda c: c["score"])
    rows = [
        {
            "id": str(n),
            "input": text,
            "target": "yes",
            "kind": rng.choice(["fixed", "broken", "both_wrong"]),
            "before": {"score": 0.0, "answer": "no", "output": words(rng, 80)},
            "after": {"score": 1.0, "answer": "yes", "output": words(rng, 80)},
        }
        for n, text in enumerate(inputs)
    ]
    return document(made, prompts, start=pool[0], best=winner, rows=rows)


def document(
    steps: list[dict[str, Any]],
    prompts: list[dict[str, str]],
    *,
    start: dict[str, Any],
    best: dict[str, Any],
    rows: list[dict[str, Any]],
    text: str = "plain",
) -> dict[str, Any]:
    """Return a finished run's document; `text` stands wherever a text may stand."""
    score = {"mean": 0.5, "interval": {"low": 0.4, "high": 0.6}, "n": 261}
    difference = {
        "mean": 0.1,
        "interval": {"low": 0.01, "high": 0.2},
        "p_value": 0.03,
        "n": 261,
        "wins": 60,
        "losses": 34,
        "ties": 167,
        "method": text,
        "needed": None,
    }
    counts = dict.fromkeys(("both_right", "both_wrong", "fixed", "broken"), 87)
    return {
        "schema": 1,
        "kind": "run",
        "run": "large",
        "created": "2026-01-01T00:00:00.000+00:00",
        "status": "done",
        "tags": [text],
        "note": text,
        "config": {"problem": {"task": text, "data": f"/{text}.csv"}, "run": {"steps": 200}},
        "identity": {"optimizer": text, "scorer": text, "problem train": text, "seed": "0"},
        "versions": {"llmopt": text},
        "seconds": 12.0,
        "function": False,
        "noun": "instruction",
        "task": text,
        "measure": {"higher_is_better": True, "shares": True},
        "finished": True,
        "algorithm": text,
        "verdict": f"The winner is better. {text}",
        "notes": [text],
        "stopped": text,
        "lines": [
            {"label": label, "text": text, "train": score, "validation": score, "test": score}
            for label in ("start", "best", text)
        ],
        "comparisons": [
            {"against": label, "difference": difference, "corrected": 0.03, "word": "better"}
            for label in ("start", text)
        ],
        "test": {"start": score, "best": score, "difference": difference},
        "level": 0.95,
        "finalists": 10,
        "optimism": 0.05,
        "rejected": {text: len(steps) - 1},
        "stretch": {"hits": 3, "retries": 2, "lost": 1},
        "start": {"id": start["id"], "text": start["text"]},
        "best": {"id": best["id"], "text": best["text"]},
        "curve": [{"step": 0, "candidate": start["id"], "train": score, "validation": score}],
        "steps": steps,
        "prompts": prompts,
        "matrix": [
            {"id": row["id"], "input": row["input"], "target": row["target"]} for row in rows
        ],
        "confusion": {
            "split": "test",
            "answers": [text, "no"],
            "start": [[1, 2, 3, 0], [0, 1, 0, 1]],
            "winner": [[3, 2, 1, 0], [0, 2, 0, 0]],
        },
        "items": {"test": {**counts, "rows": rows}, "train": {**counts, "rows": rows[:20]}},
        "optimum": None,
        "figure": None,
        "usage": {
            "optimizer": {"calls": 9, "input_tokens": 8, "output_tokens": 7, "estimated": False}
        },
        "prices": {"optimizer": None},
        "missing": [text],
    }


def hostile(text: str = HOSTILE) -> dict[str, Any]:
    """Return a small document with a text in every place that a text can come to."""
    start = {
        "id": Candidate("start").id,
        "text": f"start {text}",
        "parents": [],
        "score": 0.4,
        "measured": 2,
        "planned": 2,
        "words_changed": None,
        "made_by": None,
        "outcomes": "10",
    }
    best = start | {
        "id": Candidate("best").id,
        "text": f"best {text}",
        "parents": [start["id"]],
        "score": 0.5,
        "words_changed": 3,
        "made_by": 0,
        "outcomes": "11",
        "unmeasured": [text],
    }
    call = {"key": "0", "prompt": 0, "reply": text, "reasoning": text, "finish": text}
    steps = [
        {"step": 0, "candidates": [start], "rejected": [], "calls": [], "best": 0.4},
        {
            "step": 1,
            "candidates": [best],
            "rejected": [{"text": text, "reason": text}],
            "calls": [call | {"tokens": [1, 1]}],
            "best": 0.5,
        },
    ]
    spent = {"seconds": 1.0, "usage": {text: {"calls": 1, "input_tokens": 2, "output_tokens": 3}}}
    for step in steps:
        step["spent"] = spent
    side = {"score": 0.0, "answer": text, "output": f"{text} {text}"}
    row = {"id": text, "input": text, "target": text, "before": side, "after": side | {"score": 1}}
    rows = [row | {"kind": kind} for kind in ("fixed", "broken", "both_wrong")]
    return document(
        steps, [{"text": text, "how": text}], start=start, best=best, rows=rows, text=text
    )


def hostile_cells(text: str = HOSTILE) -> dict[str, str]:
    """Return the chunks of the matrix of :func:`hostile`, with a text wherever one can be."""
    return {
        f"cells-{place}": packed([[text, f"{text} {text}", text, text, [1, 2], 0.5]] * 3)
        for place in (0, 1)
    }
