"""What each command prints with ``--json``: types of which the published schemas are made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, NotRequired, TypedDict

from type_schemas import STORED, More

from llmopt.engine.judge_check import Checked
from llmopt.engine.verification import Discrepancy, Verification
from llmopt.evidence.comparison import Comparison
from llmopt.evidence.confirmation import Confirmation
from llmopt.evidence.cross_table import CrossTable
from llmopt.evidence.result import OverfittingPoint, Result
from llmopt.evidence.watch_report import WatchReport
from llmopt.history.compare import RunComparison
from llmopt.models.registry import KnownModel
from llmopt.recipes import Recipe

if TYPE_CHECKING:
    from llmopt.core.store import Status
    from llmopt.core.values import Call, Reply, Role, Usage
    from llmopt.evidence.convergence import VariantCurve
    from llmopt.evidence.front import Front
    from llmopt.evidence.gate import GateResult
    from llmopt.evidence.headroom import Headroom, Worth
    from llmopt.evidence.sweep_summary import Done, VariantScore
    from llmopt.evidence.words import Word
    from llmopt.history.compared_run import Compared
    from llmopt.models.middleware.budget import Price
    from llmopt.models.probe import Probe
    from llmopt.preflight.estimate import Cost
    from llmopt.sweeps.parting import SweepPart
    from llmopt.testing.evidence import Figure, World

# -- llmopt algorithms ----------------------------------------------------------------------


class Method(TypedDict):
    """A method with its parts, in the words of Python.

    Attributes:
        algorithm: Its name.
        what: What it is, in a sentence.
        select: Chooses the solutions that are shown.
        reflect: Says what is to be learned from them.
        propose: Asks for new ones.
        rate: Measures these.
        keep: Chooses which of them stay.
        pace: Changes options in the course of a run.
    """

    algorithm: str
    what: str
    select: NotRequired[str]
    reflect: NotRequired[str]
    propose: NotRequired[str]
    rate: NotRequired[str]
    keep: NotRequired[str]
    pace: NotRequired[str]


class MethodPart(TypedDict):
    """A part of a method.

    Attributes:
        kind: Its kind.
        part: The part, in the words of Python.
        what: What it does, in a sentence.
    """

    kind: str
    part: str
    what: str


class MethodOption(TypedDict):
    """An option of a method.

    Attributes:
        option: Its name in the table ``[algorithm]``.
        default: Its default; null: not set.
        what: What it means.
    """

    option: str
    default: Any
    what: str


class MethodExplanation(TypedDict):
    """What is added to a method that is explained.

    Attributes:
        paper: Where it comes from.
        deviations: Known deviations from that, and what is our own.
        needs: What it needs.
        parts: Its parts.
        options: Its options.
    """

    paper: str
    deviations: list[str]
    needs: list[str]
    parts: list[MethodPart]
    options: list[MethodOption]


# -- llmopt check ---------------------------------------------------------------------------


class Check(TypedDict):
    """Something that was looked at.

    Attributes:
        check: What.
        ok: Whether it is in order.
        detail: What was seen.
    """

    check: str
    ok: bool
    detail: str


class ModelCheck(TypedDict):
    """What is known of the model of a role.

    Attributes:
        identity: Which model it is.
        price: US dollars per million tokens; null: unknown.
        answer: What it answered to the short call; missing, as the next ones, where none was made.
        finish: Why that answer ended.
        max_tokens: Tokens that it might have.
        usage: What the call used.
        seconds: How long it took.
    """

    identity: str
    price: Price | None
    answer: NotRequired[str]
    finish: NotRequired[str]
    max_tokens: NotRequired[int]
    usage: NotRequired[Usage]
    seconds: NotRequired[float]


class CostRange(TypedDict):
    """What a role takes.

    Attributes:
        low: At least.
        high: At most.
    """

    low: Cost
    high: Cost


class BudgetCheck(TypedDict):
    """What the budget buys.

    Attributes:
        says: In words; empty: there is no budget, or no estimate.
        steps: With answers as long as they may be, and with the shortest.
    """

    says: str
    steps: tuple[int, int]


class ShownDifference(TypedDict):
    """What the test rows can show.

    Attributes:
        disagreement: A share of the rows on which winner and start disagree.
        difference: The smallest difference that is then told from chance.
    """

    disagreement: float
    difference: float


class HeadroomWords(TypedDict):
    """What is said of it.

    Attributes:
        word: What to do.
        says: The same with its figures, in a sentence.
    """

    word: Worth
    says: str


class CheckReport(TypedDict):
    """What a look at a configuration found.

    Attributes:
        ok: Whether a run can start; the exit code is 0 then.
        checks: What was looked at, in order.
        models: The model of each role.
        estimate: What each role takes, and ``together`` all of them; empty without an estimate.
        budget: What the budget buys.
        cautions: What a careful reader should know.
        shows: The smallest differences that the test rows can show.
        headroom: How much there is to gain; only with ``--headroom``.
    """

    ok: bool
    checks: list[Check]
    models: dict[Role, ModelCheck]
    estimate: dict[str, CostRange]
    budget: BudgetCheck
    cautions: list[str]
    shows: list[ShownDifference]
    headroom: NotRequired[Annotated[Headroom, More(HeadroomWords)]]


# -- llmopt compare, report, plot, init, gc, view -------------------------------------------


class ComparedWords(TypedDict):
    """What is added to a run that is compared.

    Attributes:
        calls: Calls that it used.
        tokens: Their tokens, in and out.
        word: What its winner is, against the first run's; empty for the first, and where nothing
            is common.
    """

    calls: int
    tokens: int
    word: Word | str


class ComparedRuns(TypedDict):
    """What is added to a comparison of runs.

    Attributes:
        runs: In the order given; the others are compared with the first.
        shares: Whether scores are shares of 1.
        higher_is_better: Whether a higher score is better.
    """

    runs: list[Annotated[Compared, More(ComparedWords)]]
    shares: bool
    higher_is_better: bool


class WrittenPage(TypedDict):
    """A page that was written.

    Attributes:
        page: The file.
        bytes: Its size.
    """

    page: str
    bytes: int


class WrittenPicture(TypedDict):
    """A picture that was written.

    Attributes:
        picture: The file.
        what: What is drawn.
        bytes: Its size.
    """

    picture: str
    what: str
    bytes: int


class WrittenFiles(TypedDict):
    """Files that were written.

    Attributes:
        wrote: The files.
    """

    wrote: list[str]


class Collected(TypedDict):
    """What was removed from a store.

    Attributes:
        replies: How many replies that no run uses.
        bytes: Their size.
        disk: How many bytes smaller the store is now.
    """

    replies: int
    bytes: int
    disk: int


class ViewAddress(TypedDict):
    """Where runs can be looked at while the command lasts.

    Attributes:
        url: The address, with the token that lets one in.
    """

    url: str


# -- llmopt confirm, evaluate, watch, verify ------------------------------------------------


class Confirmed(TypedDict):
    """What is added to a confirmation.

    Attributes:
        confirmed: Whether the winner is better than the start.
    """

    confirmed: bool


class EvaluationMore(TypedDict):
    """What is added to an evaluation.

    Attributes:
        shares: Whether scores are shares of 1.
        gate: What the gate says; only with ``--fail-if`` or ``--min``.
    """

    shares: bool
    gate: NotRequired[GateResult]


class WatchAlarm(TypedDict):
    """What is added to a report of a watch.

    Attributes:
        alarm: Whether the prompt has dropped; the exit code is 4 then.
    """

    alarm: bool


class VerificationMore(TypedDict):
    """What is added to a verification.

    Attributes:
        holds: Whether everything that was compared is as it was stored.
        changed: What is not as the file of ``--against`` says; the exit code is 4 then, too.
    """

    holds: bool
    changed: list[Discrepancy]


class JudgeVerdict(TypedDict):
    """What is added to the check of a judge.

    Attributes:
        verdict: The main figure in a sentence.
    """

    verdict: str


# -- llmopt models, recipes, tasks ----------------------------------------------------------


class TestedModel(TypedDict):
    """What a model can do.

    Attributes:
        model: The name given.
        identity: Which model it is.
        findings: What was tried.
    """

    model: str
    identity: str
    findings: list[Probe]


class RecipeFile(TypedDict):
    """What is added to one recipe.

    Attributes:
        file: The text of its file.
    """

    file: str


class TaskLine(TypedDict):
    """A benchmark of the papers.

    Attributes:
        task: Its name.
        kind: How answers are read.
        splits: The papers whose splits are known.
        items: How many it has; null: the files are not there.
        what: What it is.
    """

    task: str
    kind: str
    splits: list[str]
    items: int | None
    what: str


# -- llmopt runs ----------------------------------------------------------------------------


class RunLine(TypedDict):
    """A run of the list.

    Attributes:
        name: Its name.
        created: ISO 8601, UTC.
        status: How it stands.
        algorithm: Its method; ``evaluation`` or ``sweep`` where it is one.
        steps: Steps done, not counting the starting solutions.
        best: The best score on train so far, in the problem's own direction.
        best_partial: Whether that is of some train items only.
        tags: Its tags.
        note: Its note; may be empty.
        members: The runs that were made for it; only with ``--tree``.
    """

    name: str
    created: str
    status: Status
    algorithm: str
    steps: int
    best: float | None
    best_partial: bool
    tags: list[str]
    note: str
    members: NotRequired[list[RunLine]]


class Deleted(TypedDict):
    """What was deleted.

    Attributes:
        deleted: Names of runs.
        replies: How many replies that no other run uses.
        bytes: Their size.
    """

    deleted: list[str]
    replies: int
    bytes: int


# -- llmopt show ----------------------------------------------------------------------------


class AnswerFeedback(TypedDict):
    """What was said of an answer.

    Attributes:
        item: Id of the item.
        score: In the problem's own direction; null: unmeasured.
        feedback: In words; may be empty.
        aims: Named sub-scores.
    """

    item: str
    score: float | None
    feedback: str
    aims: dict[str, float]


class ShownCandidate(TypedDict):
    """A solution that was measured.

    Attributes:
        id: Its id in the run.
        text: The solution.
        parents: Ids of those that it was made from.
        score: On train, in the problem's own direction; null: unmeasured.
        measured: Train items measured.
        planned: Train items of a full score.
        words_changed: Words changed from its last parent; null: it has none.
        feedback: What was said of its answers, where anything was.
    """

    id: str
    text: str
    parents: list[str]
    score: float | None
    measured: int
    planned: int
    words_changed: int | None
    feedback: NotRequired[list[AnswerFeedback]]


class RefusedText(TypedDict):
    """A proposal that was not measured.

    Attributes:
        text: What was proposed.
        reason: Why it was refused.
    """

    text: str
    reason: str


class ShownStep(TypedDict):
    """A step of a run.

    Attributes:
        step: Its number; 0: the starting solutions.
        by: Which method did it, where several take turns.
        candidates: What was measured.
        rejected: What was refused.
        calls: Keys of the stored replies to the optimizer LLM.
    """

    step: int
    by: NotRequired[str]
    candidates: list[ShownCandidate]
    rejected: list[RefusedText]
    calls: list[str]


class ShownExchange(TypedDict):
    """A call and its reply.

    Attributes:
        key: Of the stored reply.
        call: What was sent.
        reply: What came back.
    """

    key: str
    call: Call
    reply: Reply


class StepCalls(TypedDict):
    """What a step has more of with ``--step N``.

    Attributes:
        calls: What it sent and received.
    """

    calls: list[ShownExchange]


class ShownRun(TypedDict):
    """A run.

    Attributes:
        run: Its name.
        config: What it was started with; its keys are not promised.
        steps: Its steps.
        curve: The overfitting curve; empty where it was not asked for.
        result: What it found; null: it is not finished. One that an older release has stored may
            lack the keys that are not required.
        confirmation: What a confirmation on the vault found; null: there was none.
    """

    run: str
    config: dict[str, Any]
    steps: list[ShownStep]
    curve: list[OverfittingPoint]
    result: Annotated[Result, STORED] | None
    confirmation: Annotated[Confirmation, More(Confirmed)] | None


class ShownFront(TypedDict):
    """The front of a run (``--front``).

    Attributes:
        run: Its name.
        front: The solutions measured; those that nothing beats are marked.
    """

    run: str
    front: Front


class ShownSweep(TypedDict):
    """A sweep.

    Attributes:
        run: Its name.
        table: Rows of the table by its headings.
        notes: What the table means.
        sweep: Everything its page is drawn from; its keys are not promised.
    """

    run: str
    table: list[dict[str, str]]
    notes: list[str]
    sweep: dict[str, Any]


class ShownEvaluation(TypedDict):
    """An evaluation, the check of a judge, or a watch.

    Attributes:
        run: Its name.
        config: What it was started with; its keys are not promised.
        evaluation: What it found, as its command printed it; null: it is not finished.
        watch: What the last day of a watch found; only of a watch.
    """

    run: str
    config: dict[str, Any]
    evaluation: dict[str, Any] | None
    watch: NotRequired[Annotated[WatchReport, More(WatchAlarm)]]


# -- llmopt sweep ---------------------------------------------------------------------------


class CellScore(TypedDict):
    """What is added to a finished cell.

    Attributes:
        score: Weighted mean of the winner on test; the best of the course if there is one.
    """

    score: float


class RowWords(TypedDict):
    """What is added to a row of the table.

    Attributes:
        words: What it means, in a sentence.
    """

    words: str


class PartDone(TypedDict):
    """What is added to a part.

    Attributes:
        done: Cells of the whole sweep that are done.
        cells: How many there are.
    """

    done: int
    cells: int


class SweepResult(TypedDict):
    """What a sweep found.

    Attributes:
        sweep: Its name.
        cells: Its finished cells; with ``--cells``, those of the part.
        rows: The table, where cells are compared on test items.
        lines: The table, where convergence is compared; empty as long as cells are missing.
        bought: Calls that models answered; the others were in the store.
        part: Which part was done; only with ``--cells``.
    """

    sweep: str
    cells: list[Annotated[Done, More(CellScore)]]
    rows: NotRequired[list[Annotated[VariantScore, More(RowWords)]]]
    lines: NotRequired[list[VariantCurve]]
    bought: int
    part: NotRequired[Annotated[SweepPart, More(PartDone)]]


class PlannedCell(TypedDict):
    """A cell before it is done.

    Attributes:
        name: Of its run.
        variant: What is compared.
        task: On what; empty where there is one task.
        seed: Which repetition.
        state: ``new``, ``begun`` or ``done``.
        low: Calls at least.
        high: Calls at most.
    """

    name: str
    variant: str
    task: str
    seed: str
    state: str
    low: int
    high: int


class SweepList(TypedDict):
    """The cells of a sweep (``--list``).

    Attributes:
        sweep: Its name.
        cells: In order.
    """

    sweep: str
    cells: list[PlannedCell]


# -- python -m llmopt.testing evidence ------------------------------------------------------


class FigureMore(TypedDict):
    """What is added to a figure.

    Attributes:
        share: The share.
        low: Lower end of its 95 % interval.
        high: Upper end.
        beyond: ``surely`` or ``maybe`` where it is beyond its bar, otherwise empty.
    """

    share: float
    low: float
    high: float
    beyond: str


class UnknownSentence(TypedDict):
    """A sentence whose truth is not known.

    Attributes:
        sentence: What was said.
        runs: In how many runs.
    """

    sentence: str
    runs: int


class WorldRates(TypedDict):
    """How often what is said is true in a simulated world.

    Attributes:
        world: Its options.
        runs: How many were simulated.
        figures: The shares.
        unknown_sentences: Sentences that are not counted.
    """

    world: World
    runs: int
    figures: list[Annotated[Figure, More(FigureMore)]]
    unknown_sentences: list[UnknownSentence]


# -- which command prints what --------------------------------------------------------------

_RESULT = ("result", Result)
_LINE = ("runs-line", RunLine)

PRINTED: dict[str, tuple[str, Any]] = {
    "algorithms": ("algorithms", list[Method] | Annotated[Method, More(MethodExplanation)]),
    "check": ("check", CheckReport),
    "compare": ("compare", Annotated[RunComparison, More(ComparedRuns)] | WrittenPage),
    "confirm": ("confirm", Annotated[Confirmation, More(Confirmed)]),
    "demo": _RESULT,
    "evaluate": ("evaluate", Annotated[Comparison, More(EvaluationMore)] | CrossTable),
    "faster": _RESULT,
    "gc": ("gc", Collected),
    "init": ("init", WrittenFiles),
    "judge-check": ("judge-check", Annotated[Checked, More(JudgeVerdict)]),
    "models": ("models", list[KnownModel]),
    "models test": ("models-test", TestedModel),
    "plot": ("plot", WrittenPicture),
    "recipes": ("recipes", list[Recipe] | Annotated[Recipe, More(RecipeFile)]),
    "report": ("report", WrittenPage),
    "resume": _RESULT,
    "run": ("run", Result | SweepResult),
    "runs": ("runs", list[RunLine]),
    "runs delete": ("runs-delete", Deleted),
    "runs note": _LINE,
    "runs rename": _LINE,
    "runs tag": _LINE,
    "show": (
        "show",
        ShownRun
        | Annotated[ShownStep, More(StepCalls)]
        | ShownFront
        | ShownSweep
        | ShownEvaluation,
    ),
    "sweep": ("sweep", SweepResult | SweepList),
    "tasks": ("tasks", list[TaskLine]),
    "verify": ("verify", Annotated[Verification, More(VerificationMore)]),
    "view": ("view", ViewAddress),
    "watch": ("watch", Annotated[WatchReport, More(WatchAlarm)]),
}
"""For each command with ``--json`` the name of its schema, and the type that it is made of."""

BY_HAND = {"export": "export"}
"""Commands whose schema is no type's, but written by hand."""
