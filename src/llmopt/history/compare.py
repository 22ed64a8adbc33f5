"""Compares runs: what each found and spent, and how the winners differ.

The winners are compared on the held-out items that the runs have in common, item by item, as
their journals have kept the answers. Nothing is asked and nothing is measured.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from llmopt.core.trajectory import Trajectory
from llmopt.core.values import Evaluation, Usage
from llmopt.errors import ConfigError
from llmopt.evidence.comparison import Differing
from llmopt.evidence.differences import difference_of, groups_of
from llmopt.evidence.losses import losses_of
from llmopt.evidence.scores import LEVEL, Score, score_of
from llmopt.evidence.words import by_word, can_show, than
from llmopt.history.caveats import caveats
from llmopt.history.compared_run import Compared
from llmopt.history.readable_solution import SolutionReader
from llmopt.history.run_history import told_run
from llmopt.history.text_diff import changes
from llmopt.statistics import holm

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llmopt.core.presentation import Presentation
    from llmopt.core.store import RunInfo, Store
    from llmopt.history.run_history import RunHistory

_TWO = 2  # runs are compared from here on


@dataclass(frozen=True)
class RunComparison:
    """Two or more runs beside each other.

    Attributes:
        runs: In the order given; the others are compared with the first.
        shown: How the scores of all of them are shown.
        changed: The items that the differences come from, in the order of the first run.
        verdict: In a sentence.
        warnings: Why the figures may not mean what they seem to: sentences.
    """

    runs: tuple[Compared, ...]
    shown: Presentation
    changed: tuple[Differing, ...]
    verdict: str
    warnings: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the comparison as plain data for JSON."""
        shown = {"shares": self.shown.shares, "higher_is_better": self.shown.higher_is_better}
        data = asdict(self) | shown
        for plain, found in zip(data["runs"], self.runs, strict=True):
            plain |= {"calls": found.calls, "tokens": found.tokens, "word": found.word}
        return data


def compared_runs(store: Store, names: Sequence[str]) -> RunComparison:
    """Put runs beside each other, and compare the winner of each with the first run's.

    Args:
        store: Where they are kept.
        names: Two or more different runs.

    Raises:
        ConfigError: There are fewer than two, one comes twice, is an evaluation or a sweep, has
            measured nothing, or its scores are shown in another direction or unit than those
            of others.
        StoreError: The store has no such run, or cannot be read.
    """
    if len(names) < _TWO or len(set(names)) < len(names):
        raise ConfigError(
            f"a comparison is of two or more different runs, but got {', '.join(names) or 'none'}; "
            "name them one after the other"
        )
    told = [told_run(store, name) for name in names]
    shown = _common(told)
    infos = {info.name: info for info in store.runs()}
    rows = [_row(store, one, infos[one.run], shown) for one in told]
    first = told[0]
    reader = SolutionReader.of(first)
    pairs = [
        (_paired(first, other), _together(first, other), max(map(_samples, (first, other))))
        for other in told[1:]
    ]
    rows[1:] = [
        replace(
            row,
            common=None if pair is None else len(pair[0].outcomes),
            difference=pair and difference_of(*pair, LEVEL, groups),
            losses=pair and losses_of(*pair, shown, samples),
            wording=changes(rows[0].best, row.best),
            part_changes=reader.changes(rows[0].best, row.best, SolutionReader.of(other)),
        )
        for row, other, (pair, groups, samples) in zip(rows[1:], told[1:], pairs, strict=True)
    ]
    found = _corrected(rows)
    tested = shown.shares or any(row.difference for row in found)
    return RunComparison(
        found,
        shown,
        _changed(told, shown),
        verdict=_sentence(found, shown) if tested else _values(found, shown),
        warnings=(*caveats(told, found), *_losses(found, shown)),
    )


def _common(told: Sequence[RunHistory]) -> Presentation:
    """Return how the scores of all runs are shown: in one direction and unit."""
    every = [one.header.presentation for one in told]
    if len({shown.higher_is_better for shown in every}) > 1:
        raise ConfigError(
            "compared runs agree on whether higher scores are better, but got runs that raise and "
            "runs that lower them; compare those that solve the same problem"
        )
    # What is a share in one and a value in another is a value: per cent would mislead.
    return next((shown for shown in every if not shown.shares), every[0])


def _row(store: Store, told: RunHistory, info: RunInfo, shown: Presentation) -> Compared:
    """Return what a run says of itself."""
    trajectory, curve, partial = Trajectory(), [], 0
    for step in told.steps:
        trajectory = trajectory.tell(step.entries)
        top = trajectory.best(1)
        if top and top[0].score is not None:
            curve.append(shown.facing(top[0].score))
            partial += not top[0].evaluation.whole
    start, best = next(iter(trajectory)), trajectory.best(1)
    text = (best[0] if best else start).text
    lines: dict[str, dict[str, Any]] = {}
    usage = {str(role): used for role, used in store.spent(told.run).items()}
    if told.result:
        text = told.result["best"]["text"]
        lines = {line["label"]: line for line in told.result["lines"]}
        usage = {role: Usage(**used) for role, used in told.result["usage"].items()}
    winner = next((entry for entry in trajectory if entry.text == text), start)
    found = lines.get("best", {})
    source = told.config.get("source") or {}
    identity = told.identity
    return Compared(
        run=told.run,
        created=info.created,
        status=info.status,
        algorithm=told.header.algorithm,
        optimizer=identity["optimizer"],
        scorer=identity["scorer"],
        task=told.header.task,
        seed=identity["seed"],
        steps=len(told.steps) - 1,
        candidates=len(trajectory),
        evaluations=sum(len(entry.evaluation.outcomes) for entry in trajectory),
        usage=usage,
        seconds=store.seconds(told.run),
        caps={cap: most for cap, most in source.get("budget", {}).items() if most is not None},
        start=start.text,
        best=text,
        readable=SolutionReader.of(told).text(text),
        train=score_of(winner.evaluation, shown, groups=told.groups),
        validation=_score(found.get("validation")),
        test=_score(found.get("test")),
        verdict=told.result["verdict"] if told.result else "",
        curve=tuple(curve),
        curve_partial=partial,
        usd=told.result.get("usd") if told.result else None,
    )


def _score(plain: dict[str, Any] | None) -> Score | None:
    """Rebuild a score from a result's plain data."""
    return None if plain is None else Score.plain(plain)


def _samples(run: RunHistory) -> int:
    """Return how many answers to each held-out item a run has asked for; 1 in older ones."""
    return int((run.result or {}).get("samples", 1))


def _together(first: RunHistory, other: RunHistory) -> dict[str, str]:
    """Return the groups of the held-out items; those that one of two runs knows are enough."""
    return groups_of([item for run in (first, other) if run.tested for item in run.tested.items])


def _paired(first: RunHistory, other: RunHistory) -> tuple[Evaluation, Evaluation] | None:
    """Return what both winners got on the items that were measured for both, in one order.

    None where one of the two has kept no answers.
    """
    if first.tested is None or other.tested is None:
        return None
    one, two = first.answers, other.answers
    both = [i for i in one if i in two and None not in (one[i].score, two[i].score)]
    return (
        Evaluation(tuple(one[item] for item in both), len(both)),
        Evaluation(tuple(two[item] for item in both), len(both)),
    )


def _corrected(rows: Sequence[Compared]) -> tuple[Compared, ...]:
    """Correct the p-values where more than one run is compared with the first."""
    values = [row.difference.p_value for row in rows if row.difference]
    if len(values) < _TWO:
        return tuple(rows)
    adjusted = iter(holm(values))
    return tuple(replace(r, corrected=next(adjusted)) if r.difference else r for r in rows)


def _changed(told: Sequence[RunHistory], shown: Presentation) -> tuple[Differing, ...]:
    """Return the first run's items on which the winners of others scored otherwise."""
    columns = [one.answers for one in told]
    found = []
    for item, before in columns[0].items():
        here = [column.get(item) for column in columns]
        scores = {o.score for o in here if o is not None and o.score is not None}
        if before.score is not None and len(scores) > 1:
            found.append(
                Differing(
                    item.id,
                    item.input,
                    item.target,
                    tuple(shown.facing(o.score) if o else None for o in here),
                    tuple(o.answer if o else None for o in here),
                )
            )
    return tuple(found)


def _losses(rows: Sequence[Compared], shown: Presentation) -> list[str]:
    """Return a note for each run whose winner lost much on single items."""
    return [
        note
        for number, row in enumerate(rows, 1)
        if row.losses
        for note in row.losses.note(f"The winner of [{number}]", "common held-out items", shown)
    ]


def _values(rows: Sequence[Compared], shown: Presentation) -> str:
    """Return in words what searches found that hold nothing out."""
    found = [
        f"[{number}] {shown.amount(row.train.mean) + row.train.mark if row.train else 'nothing'}"
        for number, row in enumerate(rows, 1)
    ]
    better = "higher" if shown.higher_is_better else "lower"
    return (
        f"Nothing is held out, so nothing is tested. Best values: {', '.join(found)}; {better} is "
        "better."
    )


def _sentence(rows: Sequence[Compared], shown: Presentation) -> str:
    """Return in words what the rows say, each against the first."""
    if len(rows) > _TWO:
        said = by_word((f"[{number}]", row.word) for number, row in enumerate(rows[1:], 2))
        several = sum(row.difference is not None for row in rows)
        corrected = f", corrected for {several} comparisons" if several > 1 else ""
        return f"Against the winner of [1]{corrected}: {said}."
    found = rows[1].difference
    if found is None:
        return (
            "The winners cannot be compared: there are no held-out items on which both were "
            "measured."
        )
    if rows[0].best == rows[1].best and not found.wins + found.losses:
        return f"Both runs ended with the same text, which got the same on {found.n} items."
    said = (
        f"The winner of [2] is {than(rows[1].word)} that of [1] on {found.n} common held-out "
        f"items ({shown.points(found.mean)})."
    )
    return f"{said} {can_show(found, rows[1].word, shown)}".rstrip()
