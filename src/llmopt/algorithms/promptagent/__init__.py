"""PromptAgent: a tree of prompts, searched by Monte Carlo tree search with error feedback.

Source: "PromptAgent: Strategic Planning with Language Models Enables Expert-level Prompt
Optimization" (arXiv 2310.16427); the counts are those of the example configuration of its published
code (XinyuanWangCS/PromptAgent), which goes through 10 iterations of at most 5 expansions each.

Known deviations, each of them on purpose: a step is one expansion, and iterations that expand
nothing cost no step; rewards and feedback use disjoint shares of the training rows, and the winner
is chosen by validation, not by the mean reward of its path; several starts are several roots; a
prompt that is already in the tree is refused, not added a second time; a node without a usable
child is never selected again; branches in which nothing is left to expand are skipped, and when
none is left anywhere, the best node above the depth limit is expanded again; an expansion draws its
batches independently of earlier ones, where the published code goes through a shuffled list; the
feedback shows inputs without the prompt around them; all texts are in our own words.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmopt.algorithms.promptagent.error_feedback import ErrorFeedback
from llmopt.algorithms.promptagent.reward_rows import OnRewardRows, RewardRows
from llmopt.algorithms.promptagent.tree_search import Backup, TreeSearch
from llmopt.core.algorithm import Algorithm, method
from llmopt.parts.keep import Elitist
from llmopt.parts.propose import AnyFamily, Generate
from llmopt.parts.reply_length import USUAL
from llmopt.parts.schedule import Constant

if TYPE_CHECKING:
    from llmopt.parts.variety import Vary


@method
def promptagent(
    *,
    width: int = 3,
    depth: int = 5,
    min_depth: int = 2,
    exploration: float = 2.5,
    backup: Backup = "sum",
    rewards: float = 0.4,
    batch: int = 5,
    samples: int = 1,
    feedback_tokens: int = 512,
    temperature: float = 1.0,
    family: AnyFamily = "auto",
    template: str = "",
    max_tokens: int = USUAL,
    vary: Vary = "none",
) -> Algorithm:
    """Return PromptAgent as a set of parts.

    Args:
        width: Batches of an expansion, each with feedback and prompts of its own.
        depth: Depth of the tree; the starts have depth 0.
        min_depth: Only below this depth an iteration ends early, and a weak node is left.
        exploration: Weight of the exploration term of UCT.
        backup: What an iteration adds to a node: the ``sum`` of the rewards below it (published),
            or their ``mean``, which does not favour long paths.
        rewards: Share of the training rows that give rewards; feedback is written on the others.
        batch: Training rows of a batch.
        samples: New prompts from each feedback.
        feedback_tokens: Largest length of a feedback.
        temperature: Of the optimizer LLM.
        family: ``chat``, ``brackets``, ``continuation``, or ``auto`` for what suits the model.
        template: A template of the user's own for the new prompts.
        max_tokens: Of one draw; the default grows with long starting solutions.
        vary: How draws are made to differ: ``none``, ``exemplars``, ``angles``, ``together``.

    Raises:
        ConfigError: An option is out of its range.
        TemplateError: The template cannot be used.
    """
    rows = RewardRows(rewards)
    return Algorithm(
        name="promptagent",
        select=TreeSearch(width, depth, min_depth, exploration, backup),
        reflect=ErrorFeedback(rows, batch, temperature, feedback_tokens),
        propose=Generate(
            samples,
            family,
            "promptagent",
            template,
            scores=0,
            temperature=Constant(temperature),
            max_tokens=max_tokens,
            refine="edit",
            vary=vary,
        ),
        rate=OnRewardRows(rows),
        keep=Elitist(1),
    )
