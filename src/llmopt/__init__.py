"""Language models as optimizers: better prompts, and proof that they are better.

The public names are loaded when they are first used, so that ``import llmopt`` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from llmopt.algorithms.abo import abo as abo
    from llmopt.algorithms.ape import ape as ape
    from llmopt.algorithms.baselines.cma_es import cma_es as cma_es
    from llmopt.algorithms.baselines.hill_climbing import hill_climbing as hill_climbing
    from llmopt.algorithms.baselines.one_plus_one_es import one_plus_one_es as one_plus_one_es
    from llmopt.algorithms.baselines.random_search import random_search as random_search
    from llmopt.algorithms.baselines.two_opt import two_opt as two_opt
    from llmopt.algorithms.capo import capo as capo
    from llmopt.algorithms.catalyst import catalyst as catalyst
    from llmopt.algorithms.drpo import drpo as drpo
    from llmopt.algorithms.evollm import evollm as evollm
    from llmopt.algorithms.evolve import evolve as evolve
    from llmopt.algorithms.evoprompt import evoprompt_de as evoprompt_de
    from llmopt.algorithms.evoprompt import evoprompt_ga as evoprompt_ga
    from llmopt.algorithms.expo import expo as expo
    from llmopt.algorithms.expo.expo_es import expo_es as expo_es
    from llmopt.algorithms.gepa import gepa as gepa
    from llmopt.algorithms.gpo import gpo as gpo
    from llmopt.algorithms.gpo.sgdm import sgdm as sgdm
    from llmopt.algorithms.mapo import mapo as mapo
    from llmopt.algorithms.mipro import mipro as mipro
    from llmopt.algorithms.opro import opro as opro
    from llmopt.algorithms.promptagent import promptagent as promptagent
    from llmopt.algorithms.protegi import protegi as protegi
    from llmopt.algorithms.protegi.pe2 import pe2 as pe2
    from llmopt.algorithms.sampling import sampling as sampling
    from llmopt.algorithms.sbllm import sbllm as sbllm
    from llmopt.api import confirm as confirm
    from llmopt.api import evaluate as evaluate
    from llmopt.api import evaluate_async as evaluate_async
    from llmopt.api import optimize as optimize
    from llmopt.api import optimize_async as optimize_async
    from llmopt.api import prepare as prepare
    from llmopt.api import result_of as result_of
    from llmopt.api import runs as runs
    from llmopt.api import verify as verify
    from llmopt.api import watch as watch
    from llmopt.core.algorithm import Algorithm as Algorithm
    from llmopt.core.values import Candidate as Candidate
    from llmopt.core.values import Evaluation as Evaluation
    from llmopt.core.values import Item as Item
    from llmopt.engine.run import Run as Run
    from llmopt.errors import LlmoptError as LlmoptError
    from llmopt.evidence.comparison import Comparison as Comparison
    from llmopt.evidence.result import Result as Result
    from llmopt.models.middleware.budget import Limits
    from llmopt.models.middleware.budget import Price as Price
    from llmopt.preflight.check import check as check
    from llmopt.problems.code.code_problem import CodeProblem as CodeProblem
    from llmopt.problems.function import FunctionProblem as FunctionProblem
    from llmopt.problems.metrics.contract import Scored as Scored
    from llmopt.problems.metrics.judge import Judge as Judge
    from llmopt.problems.numeric.points import VectorProblem as VectorProblem
    from llmopt.problems.numeric.points import vector_problem as vector_problem
    from llmopt.problems.program.app_problem import AppProblem as AppProblem
    from llmopt.problems.program.program_problem import ProgramProblem as ProgramProblem
    from llmopt.problems.prompt.constraints import Invariants as Invariants
    from llmopt.problems.prompt.prompt_problem import PromptProblem as PromptProblem
    from llmopt.problems.prompt.proposal_filter import Filters as Filters
    from llmopt.problems.prompt.scorer_call import Asking as Asking
    from llmopt.problems.tours.tour_problem import TourProblem as TourProblem
    from llmopt.problems.tours.tour_problem import tsp as tsp
    from llmopt.store import open_store as open_store

    Budget = Limits

_PUBLIC = {
    "Algorithm": "llmopt.core.algorithm:Algorithm",
    "AppProblem": "llmopt.problems.program.app_problem:AppProblem",
    "Asking": "llmopt.problems.prompt.scorer_call:Asking",
    "Budget": "llmopt.models.middleware.budget:Limits",
    "Candidate": "llmopt.core.values:Candidate",
    "CodeProblem": "llmopt.problems.code.code_problem:CodeProblem",
    "Comparison": "llmopt.evidence.comparison:Comparison",
    "Evaluation": "llmopt.core.values:Evaluation",
    "Filters": "llmopt.problems.prompt.proposal_filter:Filters",
    "FunctionProblem": "llmopt.problems.function:FunctionProblem",
    "Invariants": "llmopt.problems.prompt.constraints:Invariants",
    "Item": "llmopt.core.values:Item",
    "Judge": "llmopt.problems.metrics.judge:Judge",
    "LlmoptError": "llmopt.errors:LlmoptError",
    "Price": "llmopt.models.middleware.budget:Price",
    "ProgramProblem": "llmopt.problems.program.program_problem:ProgramProblem",
    "PromptProblem": "llmopt.problems.prompt.prompt_problem:PromptProblem",
    "Result": "llmopt.evidence.result:Result",
    "Run": "llmopt.engine.run:Run",
    "Scored": "llmopt.problems.metrics.contract:Scored",
    "TourProblem": "llmopt.problems.tours.tour_problem:TourProblem",
    "VectorProblem": "llmopt.problems.numeric.points:VectorProblem",
    "abo": "llmopt.algorithms.abo:abo",
    "ape": "llmopt.algorithms.ape:ape",
    "check": "llmopt.preflight.check:check",
    "capo": "llmopt.algorithms.capo:capo",
    "cma_es": "llmopt.algorithms.baselines.cma_es:cma_es",
    "confirm": "llmopt.api:confirm",
    "catalyst": "llmopt.algorithms.catalyst:catalyst",
    "drpo": "llmopt.algorithms.drpo:drpo",
    "evaluate": "llmopt.api:evaluate",
    "evaluate_async": "llmopt.api:evaluate_async",
    "evollm": "llmopt.algorithms.evollm:evollm",
    "evolve": "llmopt.algorithms.evolve:evolve",
    "evoprompt_de": "llmopt.algorithms.evoprompt:evoprompt_de",
    "evoprompt_ga": "llmopt.algorithms.evoprompt:evoprompt_ga",
    "expo": "llmopt.algorithms.expo:expo",
    "expo_es": "llmopt.algorithms.expo.expo_es:expo_es",
    "gepa": "llmopt.algorithms.gepa:gepa",
    "gpo": "llmopt.algorithms.gpo:gpo",
    "hill_climbing": "llmopt.algorithms.baselines.hill_climbing:hill_climbing",
    "mapo": "llmopt.algorithms.mapo:mapo",
    "mipro": "llmopt.algorithms.mipro:mipro",
    "one_plus_one_es": "llmopt.algorithms.baselines.one_plus_one_es:one_plus_one_es",
    "open_store": "llmopt.store:open_store",
    "opro": "llmopt.algorithms.opro:opro",
    "optimize": "llmopt.api:optimize",
    "optimize_async": "llmopt.api:optimize_async",
    "pe2": "llmopt.algorithms.protegi.pe2:pe2",
    "prepare": "llmopt.api:prepare",
    "promptagent": "llmopt.algorithms.promptagent:promptagent",
    "protegi": "llmopt.algorithms.protegi:protegi",
    "random_search": "llmopt.algorithms.baselines.random_search:random_search",
    "result_of": "llmopt.api:result_of",
    "runs": "llmopt.api:runs",
    "sampling": "llmopt.algorithms.sampling:sampling",
    "sbllm": "llmopt.algorithms.sbllm:sbllm",
    "sgdm": "llmopt.algorithms.gpo.sgdm:sgdm",
    "tsp": "llmopt.problems.tours.tour_problem:tsp",
    "two_opt": "llmopt.algorithms.baselines.two_opt:two_opt",
    "vector_problem": "llmopt.problems.numeric.points:vector_problem",
    "verify": "llmopt.api:verify",
    "watch": "llmopt.api:watch",
}

__all__ = sorted(_PUBLIC)  # noqa: PLE0605 - a list, made from the table above


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'llmopt' has no attribute {name!r}")
    module, _, attribute = _PUBLIC[name].partition(":")
    return getattr(import_module(module), attribute)
