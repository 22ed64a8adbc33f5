"""PromptAgent's Monte Carlo tree search, replayed from the trajectory.

Source: PromptAgent (arXiv 2310.16427) and its published code: UCT, the simulation along the best
children, early stops by two thresholds, and the back-propagation.

Nothing of the tree is stored but the candidates with their parents. A step expands one node, so
the steps, replayed in order, give every selection, reward and visit again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, get_args

from llmopt.core.part import Group
from llmopt.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llmopt.core.part import StepContext
    from llmopt.core.trajectory import Entry, Trajectory

Backup = Literal["sum", "mean"]


@dataclass(eq=False)
class TreeNode:
    """A measured prompt in the tree.

    Attributes:
        entry: The prompt with its evaluation.
        parent: The node it was written from; None: a root.
        children: The prompts written from it, in the order of their creation.
        returns: What each iteration through it added, in order; their number is that of its visits.
        failures: Number of its expansions that gave no usable prompt.
    """

    entry: Entry
    parent: TreeNode | None = None
    children: list[TreeNode] = field(default_factory=list)
    returns: list[float] = field(default_factory=list)
    failures: int = 0

    @property
    def reward(self) -> float:
        """The prompt's score."""
        return self.entry.score

    @property
    def path(self) -> tuple[TreeNode, ...]:
        """The nodes from the root to this one."""
        line = [self]
        while line[-1].parent:
            line.append(line[-1].parent)
        return tuple(reversed(line))

    @property
    def depth(self) -> int:
        """Number of edges from the root."""
        return len(self.path) - 1

    @property
    def value(self) -> float:
        """Q: the mean of what iterations added; the reward before the first."""
        return math.fsum(self.returns) / len(self.returns) if self.returns else self.reward


@dataclass(frozen=True)
class TreeSearch:
    """Select the node to expand: by UCT at the beginning of an iteration, then by simulation.

    An iteration selects a leaf, from a root down, by the highest ``Q + exploration *
    sqrt(ln(visits of the parent + 1) / max(1, visits))``. The leaf is expanded, the child with the
    highest reward is the next node, and so on, until a node is terminal, or is deeper than
    `min_depth` and better than every node that an iteration passed before. Then each node of the
    path receives the sum of the rewards from it to the end.

    A node is terminal at the depth limit, or deeper than `min_depth` with a reward below the mean
    of its root's and its parent's. Of equals, the first created is chosen.

    Attributes:
        width: Groups of an expansion, 1 or more; each has feedback of its own.
        depth: The depth limit, 1 or more.
        min_depth: 0 or more; see above.
        exploration: Weight of the exploration term, 0 or more.
        backup: ``sum`` (published), or ``mean``: the mean of these rewards instead.
    """

    width: int = 3
    depth: int = 5
    min_depth: int = 2
    exploration: float = 2.5
    backup: Backup = "sum"

    def __post_init__(self) -> None:
        for name, least in (("width", 1), ("depth", 1), ("min_depth", 0), ("exploration", 0)):
            value = getattr(self, name)
            if not least <= value < math.inf:
                raise ConfigError(f"{name} of a tree search is {least} or more, but got {value}")
        if self.backup not in get_args(Backup):
            raise ConfigError(
                f"backup is one of {', '.join(get_args(Backup))}, but got {self.backup!r}"
            )

    async def __call__(self, ctx: StepContext) -> tuple[Group, ...]:
        """Return `width` equal groups: the node to expand, and the path from its root to it."""
        node = self.tree(ctx.trajectory).expanding(ctx.step)
        if node is None:
            return (Group(),)
        path = tuple(one.entry for one in node.path)
        return (Group(node.entry, path),) * self.width

    def tree(self, trajectory: Trajectory) -> SearchTree:
        """Return the tree of a search."""
        return trajectory.running(self, lambda: SearchTree(self))


class SearchTree:
    """The state of a tree search, grown entry by entry.

    Attributes:
        roots: The starts, in order.
        nodes: Every node by the id of its candidate, in the order of creation.
        iterations: Number of finished iterations.
    """

    def __init__(self, rules: TreeSearch) -> None:
        self.roots: list[TreeNode] = []
        self.nodes: dict[str, TreeNode] = {}
        self.iterations = 0
        self._rules = rules
        self._step = 1  # the step whose expansion is next
        self._new: list[TreeNode] = []  # nodes of that step
        self._path: list[TreeNode] = []  # of the iteration; its last node is the one to expand
        self._bar = -math.inf  # the highest reward that an iteration passed

    def add(self, entry: Entry, trajectory: Trajectory) -> None:
        """Add an entry as a node, unless it has no score."""
        del trajectory
        if entry.evaluation.score is None:
            return
        candidate = entry.candidate
        if candidate.step:
            self.expanding(candidate.step)
        parent = self.nodes.get(candidate.parents[-1]) if candidate.parents else None
        node = TreeNode(entry, parent)
        self.nodes[candidate.id] = node
        (parent.children if parent else self.roots).append(node)
        if candidate.step:
            self._new.append(node)
        if parent is None:
            self._bar = max(self._bar, node.reward)

    def expanding(self, step: int) -> TreeNode | None:
        """Return the node that a step expands; None if there is no node.

        Args:
            step: The step after the last one that the tree has entries of, or a later one: the
                steps between gave no node.
        """
        while self._step < step:
            if self._begun():
                self._simulate()
            self._step += 1
            self._new = []
        return self._path[-1] if self._begun() else None

    def _begun(self) -> bool:
        """Begin an iteration if none is under way; return whether there is one."""
        if not self._path and self.roots:
            self._path = self._selected()
        return bool(self._path)

    def _selected(self) -> list[TreeNode]:
        """Return the path to the leaf that UCT chooses."""
        rules, path, level, visits = self._rules, [], self.roots, self.iterations

        def uct(node: TreeNode) -> float:
            seen = max(1, len(node.returns))
            return node.value + rules.exploration * math.sqrt(math.log(visits + 1) / seen)

        while level:
            among = [node for node in level if self._open(node)]
            if not among:
                return list(self._reopened().path)
            path.append(max(among, key=uct))
            level, visits = path[-1].children, len(path[-1].returns)
        return path

    def _open(self, node: TreeNode) -> bool:
        """Whether something can be expanded in the branch of a node."""
        if node.children:
            return any(self._open(child) for child in node.children)
        return not self._terminal(node)

    def _terminal(self, node: TreeNode) -> bool:
        if node.failures or node.depth >= self._rules.depth:
            return True
        if node.depth <= self._rules.min_depth or node.parent is None:
            return False
        return node.reward < (node.path[0].reward + node.parent.reward) / 2

    def _reopened(self) -> TreeNode:
        """Return the best of the nodes above the depth limit that failed least."""
        above = [node for node in self.nodes.values() if node.depth < self._rules.depth]
        least = min(node.failures for node in above)
        return _best([node for node in above if node.failures == least])

    def _simulate(self) -> None:
        """Proceed from the expanded node: to the next one to expand, or to the iteration's end."""
        node = self._path[-1]
        if not any(new.parent is node for new in self._new):
            node.failures += 1
            self._back_propagate()
            return
        while node.children:
            node = _best(node.children)
            self._path.append(node)
            better = node.reward > self._bar and node.depth > self._rules.min_depth
            self._bar = max(self._bar, node.reward)
            if better or self._terminal(node):
                self._back_propagate()
                return

    def _back_propagate(self) -> None:
        rewards = [node.reward for node in self._path]
        for at, node in enumerate(self._path):
            below = rewards[at:]
            total = math.fsum(below)
            node.returns.append(total if self._rules.backup == "sum" else total / len(below))
        self._path = []
        self.iterations += 1


def _best(nodes: Sequence[TreeNode]) -> TreeNode:
    """Return the node with the highest reward, of equals the first."""
    return max(nodes, key=lambda node: node.reward)
