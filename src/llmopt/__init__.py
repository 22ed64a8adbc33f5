"""Language models as optimizers: better prompts, and proof that they are better.

The public names are loaded when they are first used, so that ``import llmopt`` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from llmopt.algorithm import Algorithm as Algorithm
    from llmopt.algorithms.ape import ape as ape
    from llmopt.algorithms.opro import opro as opro
    from llmopt.algorithms.sampling import sampling as sampling
    from llmopt.api import optimize as optimize
    from llmopt.api import optimize_async as optimize_async
    from llmopt.api import prepare as prepare
    from llmopt.errors import LlmoptError as LlmoptError
    from llmopt.models.layers.budget import Limits
    from llmopt.models.layers.budget import Price as Price
    from llmopt.problems.function import FunctionProblem as FunctionProblem
    from llmopt.problems.prompting import Asking as Asking
    from llmopt.problems.prompting import Filters as Filters
    from llmopt.problems.prompting import PromptProblem as PromptProblem
    from llmopt.run import Run as Run
    from llmopt.store import open_store as open_store
    from llmopt.types import Candidate as Candidate
    from llmopt.types import Evaluation as Evaluation
    from llmopt.types import Item as Item
    from llmopt.verdict import Result as Result

    Budget = Limits

_PUBLIC = {
    "Algorithm": "llmopt.algorithm:Algorithm",
    "Asking": "llmopt.problems.prompting:Asking",
    "Budget": "llmopt.models.layers.budget:Limits",
    "Candidate": "llmopt.types:Candidate",
    "Evaluation": "llmopt.types:Evaluation",
    "Filters": "llmopt.problems.prompting:Filters",
    "FunctionProblem": "llmopt.problems.function:FunctionProblem",
    "Item": "llmopt.types:Item",
    "LlmoptError": "llmopt.errors:LlmoptError",
    "Price": "llmopt.models.layers.budget:Price",
    "PromptProblem": "llmopt.problems.prompting:PromptProblem",
    "Result": "llmopt.verdict:Result",
    "Run": "llmopt.run:Run",
    "ape": "llmopt.algorithms.ape:ape",
    "open_store": "llmopt.store:open_store",
    "opro": "llmopt.algorithms.opro:opro",
    "optimize": "llmopt.api:optimize",
    "optimize_async": "llmopt.api:optimize_async",
    "prepare": "llmopt.api:prepare",
    "sampling": "llmopt.algorithms.sampling:sampling",
}

__all__ = sorted(_PUBLIC)  # noqa: PLE0605 - a list, made from the table above


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'llmopt' has no attribute {name!r}")
    module, _, attribute = _PUBLIC[name].partition(":")
    return getattr(import_module(module), attribute)
