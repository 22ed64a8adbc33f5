"""A run's result as plain values: for Python, the journal, the reports and `--json`."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from html import escape
from importlib import import_module
from typing import TYPE_CHECKING, Any, Self

from llmopt.core.formatting import counted, p_value, plural
from llmopt.core.presentation import Presentation
from llmopt.core.text import visible
from llmopt.core.values import Candidate, Usage
from llmopt.errors import MissingExtraError
from llmopt.evidence.differences import Versus
from llmopt.evidence.front import Front
from llmopt.evidence.gain import Gain
from llmopt.evidence.looks import PriorLooks
from llmopt.evidence.losses import Loss, Losses
from llmopt.evidence.method_shares import MethodShare
from llmopt.evidence.scores import LEVEL, Score
from llmopt.evidence.text_table import TextTable
from llmopt.models.middleware.traffic import Stretch
from llmopt.statistics import Difference, DrawNoise, Interval

if TYPE_CHECKING:
    from collections.abc import Mapping

_SPLITS = ("train", "validation", "held out (test)")

BUDGET = "out of budget: "
"""How :attr:`Result.stopped` begins where a spending limit ended the search."""


@dataclass(frozen=True)
class ResultRow:
    """One solution in the final table, with its score on each split where it was measured.

    Scores are in the problem's own direction.
    """

    label: str
    text: str
    train: Score | None = None
    validation: Score | None = None
    test: Score | None = None


@dataclass(frozen=True)
class Held:
    """What the held-out items say; scores are in the problem's own direction.

    Attributes:
        start: The starting solution.
        best: The winner.
        difference: Winner minus start on the same items, with interval and p-value; above 0 the
            winner is better, whatever the direction.
    """

    start: Score
    best: Score
    difference: Difference


@dataclass(frozen=True)
class OverfittingPoint:
    """A point of the overfitting curve; scores are in the problem's own direction.

    Attributes:
        step: Number of the step; 0 for the starting solutions.
        candidate: Id of the step's best candidate on train.
        train: Its score on train.
        validation: Its score on validation; None where no item could be measured.
    """

    step: int
    candidate: str
    train: Score | None
    validation: Score | None


@dataclass(frozen=True)
class Result:
    """What a run found.

    Attributes:
        run: Name of the run.
        algorithm: Name of the method.
        best: The winner.
        start: The starting solution to beat.
        lines: The table: the start, the winner, the controls.
        test: The held-out comparison, or None where nothing is held out.
        verdict: In a sentence: better, worse, not distinguishable, or not tested.
        notes: What a careful reader should know.
        stopped: Why the search ended.
        steps: Steps done, not counting the starting solutions.
        candidates: Solutions measured.
        rejected: Counts of refused proposals by reason.
        usage: What was used, by role.
        seconds: Wall time, also of what came before the run was resumed.
        stretch: What came from the store, was asked again and was lost since the run was last
            started or resumed.
        curve: The overfitting curve, where it was asked for.
        comparisons: The winner against the start and each control on the test items.
        level: Confidence level of all intervals, and of the words in the verdict.
        finalists: Solutions that were compared on validation; 0: there is no such split.
        optimism: The winner's score on train minus that on test, by which the search flattered
            it; in the problem's own direction. None where it was not measured on both.
        optimism_interval: Of `optimism`; the two are means over different items.
        presentation: How the problem's scores are shown.
        dropped: Parts of the start that the winner has not, as phrases: headings, placeholders,
            numbered rules, most of its words.
        usd: What was used in US dollars; None where a price is not known.
        losses: What the winner lost against the start on single test items, where scores are
            graded; None where they are right or wrong.
        looks: How many results the test items had given before this one; p-values and words in
            `comparisons` allow for it. None where it is not known, or no winner was tested.
        samples: Answers to each test item; its score is their mean.
        noise: Where the noise of the difference from the start comes from, if that is known.
        gain: Where the gain comes from; None where the method is shown no scores or asks no LLM.
        conclusion: Figures behind a verdict of the problem's own, such as timings, with ``kind``;
            None where a test over items gave the verdict.
        headroom: What was measured before the search of how much it may gain, with ``word``; None:
            nothing.
        methods: What each method did, where several took turns.
        front: The solutions that nothing beats in score, length and cost; None where a text's
            length means nothing, as with numbers, and in results of older versions.
    """

    run: str
    algorithm: str
    best: Candidate
    start: Candidate
    lines: tuple[ResultRow, ...]
    test: Held | None
    verdict: str
    notes: tuple[str, ...]
    stopped: str
    steps: int
    candidates: int
    rejected: dict[str, int]
    usage: dict[str, Usage]
    seconds: float
    stretch: Stretch
    curve: tuple[OverfittingPoint, ...] = ()
    comparisons: tuple[Versus, ...] = ()
    level: float = LEVEL
    finalists: int = 0
    optimism: float | None = None
    presentation: Presentation = field(default_factory=Presentation)
    dropped: tuple[str, ...] = ()
    usd: float | None = None
    optimism_interval: Interval | None = None
    losses: Losses | None = None
    looks: PriorLooks | None = None
    samples: int = 1
    noise: DrawNoise | None = None
    gain: Gain | None = None
    conclusion: dict[str, Any] | None = None
    front: Front | None = None
    methods: tuple[MethodShare, ...] = ()
    headroom: dict[str, Any] | None = None

    @property
    def out_of_budget(self) -> bool:
        """Whether a spending limit ended the search; the run can then be resumed."""
        return self.stopped.startswith(BUDGET)

    @property
    def unchanged(self) -> bool:
        """Whether the starting solution is still the best."""
        return self.best.text == self.start.text

    @property
    def shown_lines(self) -> tuple[ResultRow, ...]:
        """The lines of the table as people are shown them: the winner once."""
        return tuple(r for r in self.lines if not (self.unchanged and r.label == "best"))

    def to_dict(self) -> dict[str, Any]:
        """Return the result as plain data for JSON."""
        return asdict(self)

    @classmethod
    def plain(cls, data: Mapping[str, Any]) -> Self:
        """Rebuild a result from what :meth:`to_dict` gave, also by way of JSON.

        What a newer release added is left out, and what an older one did not have is as usual.
        """
        known = {one.name for one in fields(cls)}
        made: dict[str, Any] = {key: value for key, value in data.items() if key in known}
        for role in ("best", "start"):
            made[role] = _candidate(data[role])
        made["lines"] = tuple(_row(line) for line in data.get("lines") or ())
        made["test"] = _held(data["test"]) if data.get("test") else None
        made["notes"] = tuple(data.get("notes") or ())
        made["dropped"] = tuple(data.get("dropped") or ())
        made["usage"] = {role: Usage(**used) for role, used in (data.get("usage") or {}).items()}
        made["stretch"] = Stretch(**(data.get("stretch") or {}))
        made["curve"] = tuple(_point(point) for point in data.get("curve") or ())
        made["losses"] = _losses(data["losses"]) if data.get("losses") else None
        made["comparisons"] = tuple(_versus(one) for one in data.get("comparisons") or ())
        if between := data.get("optimism_interval"):
            made["optimism_interval"] = Interval(**between)
        made["looks"] = PriorLooks.plain(data["looks"]) if data.get("looks") else None
        made["noise"] = DrawNoise(**data["noise"]) if data.get("noise") else None
        made["methods"] = tuple(MethodShare(**one) for one in data.get("methods") or ())
        made["gain"] = Gain.plain(data["gain"]) if data.get("gain") else None
        made["front"] = Front.plain(data["front"]) if data.get("front") else None
        if "presentation" in data:
            made["presentation"] = Presentation.plain(data["presentation"])
        return cls(**made)

    def scores_table(self) -> TextTable:
        """Return the scores with their intervals: a row for each of :attr:`shown_lines`."""
        shown, lines = self.presentation, self.shown_lines
        rows = [(line.train, line.validation, line.test) for line in lines]
        most = [
            max((s.planned for s in column if s), default=0)
            for column in (zip(*rows, strict=True) if rows else ((),) * len(_SPLITS))
        ]
        heads = [f"\n{100 * self.level:g} % intervals"]
        for name, n in zip(_SPLITS, most, strict=True):
            unit = "%, " if shown.shares and n else ""
            heads.append(f"{name}\n{unit}{counted(n, 'item')}" if n else f"{name}\n")
        cells = [
            (line.label, *(_scored(score, n, shown) for score, n in zip(row, most, strict=True)))
            for line, row in zip(lines, rows, strict=True)
        ]
        return TextTable(tuple(heads), tuple(cells))

    def comparisons_table(self) -> TextTable:
        """Return the winner against the start and the controls."""
        shown = self.presentation
        difference = "points" if shown.shares else "difference"
        interval = f"{100 * self.level:g} % interval"
        heads = ("winner against", difference, interval, "p", "the winner is")
        rows = []
        for versus in self.comparisons:
            found = versus.difference
            low, high = (
                shown.number(end, signed=True) for end in (found.interval.low, found.interval.high)
            )
            mean = shown.number(found.mean, signed=True)
            p = "-" if versus.word == "not tested" else p_value(versus.corrected)
            rows.append((versus.against, mean, f"[{low}, {high}]", p, versus.word))
        return TextTable(heads, tuple(rows))

    def rows(self) -> list[dict[str, Any]]:
        """Return the table as plain rows: a mean, its interval and its items for each split."""
        made = []
        for line in self.lines:
            row: dict[str, Any] = {"label": line.label, "text": line.text}
            for split in ("train", "validation", "test"):
                score: Score | None = getattr(line, split)
                row[split] = score.mean if score else None
                row[f"{split}_low"] = score.interval.low if score else None
                row[f"{split}_high"] = score.interval.high if score else None
                row[f"{split}_items"] = score.n if score else 0
            made.append(row)
        return made

    def to_frame(self) -> Any:
        """Return :meth:`rows` as a pandas DataFrame.

        Raises:
            MissingExtraError: pandas is not installed.
        """
        try:
            pandas = import_module("pandas")
        except ImportError as error:
            raise MissingExtraError("a DataFrame", "pandas") from error
        return pandas.DataFrame(self.rows())

    def __str__(self) -> str:
        """Return the winner, the tables and what they say."""
        parts = [*self._words(), self.scores_table().text()]
        if len(self.comparisons) > 1:
            parts.append(self.comparisons_table().text())
        if self.gain and self.gain.telling:
            parts.append(self.gain.table(self.presentation, self.level).text())
        return "\n\n".join((*parts, self._verdict()))

    def _repr_html_(self) -> str:
        """Return the same for a notebook, escaped."""
        words = "".join(f'<p style="white-space:pre-wrap">{escape(p)}</p>' for p in self._words())
        more = self.comparisons_table().html() if len(self.comparisons) > 1 else ""
        if self.gain and self.gain.telling:
            more += self.gain.table(self.presentation, self.level).html()
        said = f'<p style="white-space:pre-wrap">{escape(self._verdict())}</p>'
        return f"<div>{words}{self.scores_table().html()}{more}{said}</div>"

    def _words(self) -> list[str]:
        """Return the texts of start and winner under their names."""
        still = "start, and still the best" if self.unchanged else "start"
        named = [(still, self.start), *(() if self.unchanged else (("best", self.best),))]
        return [f"{name}:\n{visible(one.text) or '(empty)'}" for name, one in named]

    def _verdict(self) -> str:
        read = self.gain.sentence(self.level) if self.gain and self.gain.telling else ""
        notes = (f"Note: {visible(n)}" for n in self.notes)
        return "\n".join((visible(self.verdict), *filter(None, [read]), *notes))


def _scored(score: Score | None, n: int, shown: Presentation) -> str:
    """Return a score with its interval, and its number of items where it is not the usual one."""
    if score is None:
        return "-"
    fewer = "" if score.n == n else f"\n{score.items} {plural(score.planned, 'item')}"
    mean, low, high = map(shown.number, (score.mean, score.interval.low, score.interval.high))
    alone = not shown.shares and low == high  # of one item nothing more is known
    return f"{mean}{fewer}" if alone else f"{mean} [{low}, {high}]{fewer}"


def _candidate(data: Mapping[str, Any]) -> Candidate:
    return Candidate(data["text"], data["step"], tuple(data["parents"]))


def _optional(data: Mapping[str, Any] | None) -> Score | None:
    return Score.plain(data) if data else None


def _row(data: Mapping[str, Any]) -> ResultRow:
    scores = (_optional(data.get(split)) for split in ("train", "validation", "test"))
    return ResultRow(data["label"], data["text"], *scores)


def _difference(data: Mapping[str, Any]) -> Difference:
    return Difference(**{**data, "interval": Interval(**data["interval"])})


def _held(data: Mapping[str, Any]) -> Held:
    start, best = Score.plain(data["start"]), Score.plain(data["best"])
    return Held(start, best, _difference(data["difference"]))


def _point(data: Mapping[str, Any]) -> OverfittingPoint:
    scores = (_optional(data.get(split)) for split in ("train", "validation"))
    return OverfittingPoint(data["step"], data["candidate"], *scores)


def _losses(data: Mapping[str, Any]) -> Losses:
    return Losses(**{**data, "largest": tuple(Loss(**one) for one in data["largest"])})


def _versus(data: Mapping[str, Any]) -> Versus:
    bounds = Interval(**data["bounds"]) if data.get("bounds") else None
    return Versus(**{**data, "difference": _difference(data["difference"]), "bounds": bounds})
