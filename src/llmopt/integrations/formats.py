"""How a solution of a run is written for whoever uses it next: the formats by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from llmopt.integrations.documents import as_json, as_text
from llmopt.integrations.frameworks import chat_request, dspy_state, langchain_prompt
from llmopt.integrations.promptfoo import promptfoo_config
from llmopt.integrations.spreadsheets import item_rows, trajectory_rows
from llmopt.integrations.tracking import to_mlflow, to_wandb

if TYPE_CHECKING:
    from collections.abc import Callable

    from llmopt.integrations.exported import Material


@dataclass(frozen=True)
class Format:
    """A way to write a solution.

    Attributes:
        what: In a few words, what is written.
        write: Makes the whole file.
        takes_input: Whether an input of the user's own changes what is written.
        needs_prompts: Whether it is for runs of instructions alone.
        one_call: Whether it holds the first call alone where the scorer LLM was asked twice.
    """

    what: str
    write: Callable[[Material], str]
    takes_input: bool = False
    needs_prompts: bool = False
    one_call: bool = False


FORMATS: dict[str, Format] = {
    "text": Format("the bare text", as_text),
    "json": Format("everything, with the exact call around it", as_json, takes_input=True),
    "trajectory": Format("CSV: every solution that was tried or refused", trajectory_rows),
    "items": Format("CSV: what every solution got on every item", item_rows),
    "promptfoo": Format(
        "a promptfoo configuration (YAML)", promptfoo_config, needs_prompts=True, one_call=True
    ),
    "dspy": Format("what dspy.Predict(…).load() takes (JSON)", dspy_state),
    "langchain": Format("a LangChain prompt for loads() (JSON)", langchain_prompt, one_call=True),
    "openai": Format(
        "a request to a chat endpoint (JSON)", chat_request, takes_input=True, one_call=True
    ),
}
"""How a solution can be written, by name."""

TRACKERS: dict[str, Callable[[Material], str]] = {"mlflow": to_mlflow, "wandb": to_wandb}
"""Where a run can be logged, by name: a function that logs it and says where."""
