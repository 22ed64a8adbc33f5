"""What reading scores added is said by all proposals; simulated searches of known truth."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from llmopt.core.presentation import ACCURACY
from llmopt.core.trajectory import Entry, Trajectory
from llmopt.core.values import Candidate, Evaluation, Outcome
from llmopt.evidence.gain import Gain, HeldOutTexts, gain_of, score_test
from llmopt.evidence.scores import score_of
from llmopt.statistics import Interval

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ROWS = 40


class World:
    """A row has a difficulty, a text a quality; both decide together on the answer."""

    def __init__(self, seed: int, rows: int = ROWS) -> None:
        self.random = np.random.RandomState(seed)
        self.hard = self.random.normal(size=rows)
        self.texts = 0

    def entry(self, quality: float, step: int, *, seen: int | None = None, name: str = "") -> Entry:
        self.texts += 1
        right = quality + self.random.normal(size=len(self.hard)) > self.hard
        outcomes = tuple(Outcome(f"r{i}", float(ok)) for i, ok in enumerate(right[:seen]))
        candidate = Candidate(name or f"text {self.texts}", step)
        return Entry(candidate, Evaluation(outcomes, len(self.hard)))

    def search(
        self, steps: int, draw: Callable[[Trajectory, int], float], *, seen: int | None = None
    ) -> Trajectory:
        told = Trajectory().tell([self.entry(-1.0, 0, name="start")])
        for step in range(1, steps + 1):
            told = told.tell([self.entry(draw(told, step), step, seen=seen) for _ in range(8)])
        return told


def blind(world: World) -> Callable[[Trajectory, int], float]:
    """Draws without a look at anything, but with training examples that help in some steps."""
    return lambda _, step: float(world.random.normal(0.3 * (step % 3 - 1), 0.5))


def follows(world: World, share: float = 0.7) -> Callable[[Trajectory, int], float]:
    """Goes on from good ones: what they scored says how good they are."""

    def draw(told: Trajectory, step: int) -> float:
        if step == 1 or world.random.uniform() > share:
            return float(world.random.normal(0, 0.5))
        shown = told.best(5)
        base = shown[world.random.randint(len(shown))].score
        return float(np.clip(3 * (base - 0.5), -1, 3) + world.random.normal(0, 0.4))

    return draw


def words(runs: int, make: Callable[[int], tuple[Trajectory, Trajectory | None]]) -> list[str]:
    found: list[str] = []
    for seed in range(runs):
        search, control = make(seed)
        test = score_test(search, control, 0.95)
        assert test is not None
        found.append(test.word)
    return found


@pytest.mark.parametrize("seen", [None, 8])
def test_an_optimizer_that_ignores_scores_gets_a_claim_in_no_more_than_5_percent(
    seen: int | None,
) -> None:
    """Also where only the first stage's rows were seen by all, and training examples matter."""

    def make(seed: int) -> tuple[Trajectory, Trajectory]:
        world = World(seed)
        one, other = (world.search(5, blind(world), seen=seen) for _ in range(2))
        return one, other

    found = words(200, make)
    assert sum(word != "not distinguishable" for word in found) <= 0.05 * 200


def test_one_that_follows_them_gets_it_mostly() -> None:
    def make(seed: int) -> tuple[Trajectory, Trajectory]:
        world = World(seed)
        return world.search(6, follows(world)), world.search(6, blind(world))

    found = words(40, make)
    assert found.count("better") >= 0.8 * 40
    assert "worse" not in found


def test_likely_texts_are_drawn_first_and_that_favours_nobody() -> None:
    """A few likely texts are also the better ones, and a known text is refused."""

    def make(seed: int) -> tuple[Trajectory, Trajectory]:
        world = World(seed)
        likely = 1 / np.arange(1, 121)
        quality = np.linspace(1.5, -1.5, 120)

        def searched() -> Trajectory:
            told = Trajectory().tell([world.entry(-1.0, 0, name="start")])
            for step in range(1, 5):
                new: dict[str, Entry] = {}
                for at in world.random.choice(120, 12, p=likely / likely.sum()):
                    if not told.knows(Candidate(f"text {at}")):
                        name = f"text {at}"
                        new.setdefault(name, world.entry(quality[at], step, name=name))
                told = told.tell(new.values())
            return told

        return searched(), searched()

    found = words(100, make)
    assert sum(word != "not distinguishable" for word in found) <= 0.06 * 100


def test_without_a_control_later_steps_are_compared_with_the_first() -> None:
    world = World(0)
    found = score_test(world.search(8, follows(world, 1.0)), None, 0.95)
    assert found is not None
    assert found.against == "step 1"
    assert (found.found.first, found.found.second) == (56, 8)
    assert score_test(world.search(1, blind(world)), None, 0.95) is None


def test_a_lost_answer_takes_no_row_from_the_others() -> None:
    world = World(1)
    search, control = world.search(3, blind(world)), world.search(3, blind(world))
    entries = list(control)
    first = entries[1].evaluation
    lost = (Outcome("r0", None, reason="failed"), *first.outcomes[1:])
    entries[1] = Entry(entries[1].candidate, Evaluation(lost, first.planned))
    told = Trajectory()
    for step in range(4):
        told = told.tell(e for e in entries if e.candidate.step == step)
    found = score_test(search, told, 0.95)
    assert found is not None
    assert found.items == ROWS


def test_proposals_without_a_common_row_are_compared_by_how_hard_their_rows_are() -> None:
    def entry(name: str, step: int, scores: dict[str, float]) -> Entry:
        outcomes = tuple(Outcome(item, score) for item, score in scores.items())
        return Entry(Candidate(name, step), Evaluation(outcomes, 4))

    start = entry("start", 0, {"a": 0.0, "b": 0.0, "c": 1.0, "d": 1.0})
    search = Trajectory().tell([start]).tell([entry("x", 1, {"a": 1.0})])
    search = search.tell([entry("one", 2, {"a": 1.0, "b": 0.0}), entry("two", 2, {"c": 1.0})])
    control = (
        Trajectory().tell([start]).tell([entry("y", 1, {"a": 0.0}), entry("z", 1, {"c": 0.0})])
    )
    found = score_test(search, control, 0.95)
    assert found is not None
    assert found.items == 0
    assert found.found.chance == 1


def finals(tested: Sequence[Entry | None], *, higher: bool = True) -> HeldOutTexts:
    start, winner, control = (entry.evaluation if entry else None for entry in tested)
    shown = ACCURACY if higher else type(ACCURACY)("x", "loss", higher_is_better=False)
    luck = tuple(score_of(e, shown) for e in (winner, start)) if winner and start else None
    assert luck is None or (luck[0] and luck[1])
    return HeldOutTexts(start, winner, control, luck, "validation", 0.95, {}, shown)  # type: ignore[arg-type] # both are scores


def test_the_parts_add_up_and_claim_only_what_their_intervals_exclude() -> None:
    world = World(2, rows=100)
    search, control = world.search(4, blind(world)), world.search(4, blind(world))
    tested = [world.entry(q, 0) for q in (-1.0, 1.2, 1.0)]
    found = gain_of(search, control, finals(tested))
    assert [part.key for part in found.parts] == ["writing", "choosing", "reading", "luck"]
    start, winner = tested[0].score, tested[1].score
    assert sum(part.mean for part in found.parts[:3]) == pytest.approx(winner - start)
    for part in found.parts:
        low, high = part.interval.low, part.interval.high
        assert low <= part.mean <= high
        if part.key == "reading":  # one text against one text says nothing about reading scores
            assert part.word == "not shown"
        else:
            assert (part.word == "possibly 0") == (low <= 0 <= high)
    assert Gain.plain({"parts": [], "test": None}) == Gain()
    assert "points" in found.table(ACCURACY, 0.95).text()


def test_luck_is_above_0_where_a_smaller_value_is_better_too() -> None:
    world = World(2)
    search = world.search(2, blind(world))
    tested = [world.entry(q, 0) for q in (-1.0, 1.2)]
    up, down = (
        gain_of(search, None, finals([*tested, None], higher=higher)).parts[-1]
        for higher in (True, False)
    )
    assert up.key == down.key == "luck"
    assert down.mean == pytest.approx(up.mean)
    assert up.mean > 0
    assert up.word == "flattered"


def test_the_interval_of_the_mean_proposal_covers_its_truth() -> None:
    """Over other rows and other proposals: the mean gain of all texts on all rows."""
    covered = 0
    for seed in range(100):
        world = World(seed)
        world.hard = world.random.normal(size=ROWS)
        search = world.search(2, lambda _, __, world=world: float(world.random.normal(0.5, 0.5)))  # type: ignore[misc] # bound now
        part = gain_of(search, search, finals([None, None, None])).parts[0]
        # P(q + e > h) for q ~ N(.5, .5), e and h ~ N(0, 1); the start has q = -1.
        truth = 0.6306 - 0.2398
        covered += part.interval.low <= truth <= part.interval.high
        assert isinstance(part.interval, Interval)
    assert covered >= 91
