"""The tree is replayed from the trajectory and does what the published search does."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from llmopt.algorithms.promptagent.tree_search import TreeSearch
from llmopt.core.trajectory import Entry, Trajectory
from llmopt.core.values import Candidate, Evaluation, Outcome
from llmopt.errors import ConfigError
from llmopt.testing import scripted


def entry(text: str, score: float | None, step: int = 0, parent: str = "") -> Entry:
    parents = (Candidate(parent).id,) if parent else ()
    return Entry(Candidate(text, step, parents), Evaluation((Outcome("0", score),), 1))


async def expanded(rules: TreeSearch, trajectory: Trajectory) -> str:
    """Return the text that the next step expands."""
    groups = await rules(scripted.context(trajectory))
    assert len(set(groups)) == 1
    assert groups[0].base is not None
    assert groups[0].shown[-1] == groups[0].base
    return groups[0].base.text


async def grown(
    rules: TreeSearch, start: float, *steps: list[float | None]
) -> tuple[list[str], Trajectory]:
    """Return the expanded texts, and the trajectory; children are named after their parents."""
    trajectory = Trajectory().tell([entry("s", start)])
    chosen = []
    for number, scores in enumerate(steps, 1):
        base = await expanded(rules, trajectory)
        chosen.append(base)
        known = sum(e.candidate.parents == (Candidate(base).id,) for e in trajectory)
        new = [entry(f"{base}{n}", score, number, base) for n, score in enumerate(scores, known)]
        trajectory = trajectory.tell(new)
    return chosen, trajectory


@dataclass(eq=False)
class Node:
    """A node of the reference."""

    name: str
    reward: float
    parent: Node | None = None
    depth: int = 0
    children: list[Node] = field(default_factory=list)
    sums: list[float] = field(default_factory=list)


@dataclass
class Published:
    """The published search, iteration by iteration; a child's reward is looked up by its name.

    An iteration that selects a terminal node is left out, as selection here skips what cannot be
    expanded.
    """

    rules: TreeSearch
    rewards: dict[str, float]
    root: Node
    order: list[str] = field(default_factory=list)

    def __call__(self, expansions: int) -> list[str]:
        """Return the names of the first nodes that are expanded."""
        bar = self.root.reward
        while len(self.order) < expansions and self.alive(self.root):
            path = [self.root]
            while path[-1].children:
                path.append(max(filter(self.alive, path[-1].children), key=self.uct))
            node = path[-1]
            self.expand(node)
            while True:
                better = node.reward > bar and node.depth > self.rules.min_depth
                bar = max(bar, node.reward)
                if better or self.terminal(node):
                    break
                if not node.children:
                    self.expand(node)
                node = max(node.children, key=lambda child: child.reward)
                path.append(node)
            for at, one in enumerate(path):
                one.sums.append(sum(later.reward for later in path[at:]))
        return self.order[:expansions]

    def uct(self, node: Node) -> float:
        visits = len(node.parent.sums) if node.parent else 0
        explored = math.sqrt(math.log(visits + 1) / max(1, len(node.sums)))
        value = float(np.mean(node.sums)) if node.sums else node.reward
        return value + self.rules.exploration * explored

    def terminal(self, node: Node) -> bool:
        if node.depth >= self.rules.depth:
            return True
        if node.depth <= self.rules.min_depth or node.parent is None:
            return False
        return node.reward < (self.root.reward + node.parent.reward) / 2

    def alive(self, node: Node) -> bool:
        return any(map(self.alive, node.children)) if node.children else not self.terminal(node)

    def expand(self, node: Node) -> None:
        self.order.append(node.name)
        for n in range(self.rules.width):
            name = f"{node.name}{n}"
            node.children.append(Node(name, self.rewards[name], node, node.depth + 1))


@pytest.mark.parametrize("seed", range(30))
async def test_it_expands_what_the_published_search_expands(seed: int) -> None:
    rng = np.random.RandomState(seed)
    rules = TreeSearch(
        width=int(rng.randint(1, 4)), depth=4, min_depth=int(rng.randint(0, 3)), exploration=1.0
    )
    rewards = dict[str, float]()
    names = ["s"]
    for _ in range(rules.depth):
        names = [f"{name}{n}" for name in names for n in range(rules.width)]
        rewards |= {name: round(float(rng.random_sample()), 3) for name in names}
    wanted = Published(rules, rewards, Node("s", 0.5))(25)
    trajectory = Trajectory().tell([entry("s", 0.5)])
    found = []
    for step in range(1, len(wanted) + 1):
        base = await expanded(rules, trajectory)
        found.append(base)
        children = [f"{base}{n}" for n in range(rules.width)]
        trajectory = trajectory.tell(entry(c, rewards[c], step, base) for c in children)
    assert found == wanted


async def test_an_iteration_follows_the_best_child_and_a_weak_step_can_pay() -> None:
    rules = TreeSearch(width=2, depth=3, min_depth=1, exploration=0.0)
    chosen, _ = await grown(rules, 0.5, [0.2, 0.3], [0.9, 0.1], [0.0, 0.0])
    assert chosen == ["s", "s1", "s10"], "0.9 ends the first iteration, and is selected again"


async def test_what_is_terminal_is_not_expanded() -> None:
    rules = TreeSearch(width=2, depth=2, min_depth=0, exploration=0.0)
    chosen, _ = await grown(rules, 0.5, [0.4, 0.3], [0.4, 0.2], [0.1, 0.1])
    assert chosen[0] == "s"
    assert chosen[1:] == ["s", "s"], "both children are below the start: it gets more children"


async def test_a_step_without_a_child_is_no_expansion_and_its_node_is_left() -> None:
    rules = TreeSearch(width=2, depth=3, exploration=0.0)
    chosen, trajectory = await grown(rules, 0.5, [0.7, 0.6], [], [None, None], [0.8])
    assert chosen == ["s", "s0", "s1", "s"], "a node without children is left"
    tree = rules.tree(trajectory)
    assert [node.failures for node in tree.roots[0].children[:2]] == [1, 1]


async def test_several_starts_are_several_roots() -> None:
    rules = TreeSearch(width=1, depth=2, exploration=0.0)
    trajectory = Trajectory().tell([entry("a", 0.1), entry("b", 0.9), entry("lost", None)])
    assert await expanded(rules, trajectory) == "b"
    assert [root.entry.text for root in rules.tree(trajectory).roots] == ["a", "b"]
    nothing = Trajectory().tell([entry("lost", None)])
    (group,) = await rules(scripted.context(nothing))
    assert (group.base, group.shown) == (None, ())


async def test_the_tree_is_the_same_asked_in_every_step_or_only_at_the_end() -> None:
    rules = TreeSearch(width=2, depth=3)
    chosen, trajectory = await grown(rules, 0.5, [0.7, 0.6], [], [0.9, 0.2], [0.1, 0.8], [0.3])
    retold = Trajectory()
    for step in range(trajectory.steps):
        retold = retold.tell(e for e in trajectory if e.candidate.step == step)
    assert await expanded(rules, retold) == await expanded(rules, trajectory)
    one, other = rules.tree(trajectory), rules.tree(retold)
    assert one.iterations == other.iterations > 0
    assert {n: node.returns for n, node in one.nodes.items()} == {
        n: node.returns for n, node in other.nodes.items()
    }
    assert len(chosen) == 5


@pytest.mark.parametrize(
    ("backup", "returns"), [("sum", [0.5 + 0.6 + 0.8, 0.6 + 0.8]), ("mean", [1.9 / 3, 0.7])]
)
async def test_what_an_iteration_adds(backup: Any, returns: list[float]) -> None:
    rules = TreeSearch(width=1, depth=2, min_depth=1, backup=backup)
    _, trajectory = await grown(rules, 0.5, [0.6], [0.8])
    await expanded(rules, trajectory)
    root = rules.tree(trajectory).roots[0]
    assert [root.returns[0], root.children[0].returns[0]] == pytest.approx(returns)


@pytest.mark.parametrize(
    "options",
    [
        {"width": 0},
        {"depth": 0},
        {"min_depth": -1},
        {"exploration": -0.1},
        {"exploration": math.inf},
        {"backup": "max"},
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"{next(iter(options))}.* but got"):
        TreeSearch(**options)
