"""A run as one of MLflow or of Weights & Biases: its parameters, its curve, its result.

Where it goes is decided by their own variables, such as ``MLFLOW_TRACKING_URI`` and
``WANDB_MODE``; keys are theirs as well and never seen here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from llmopt.core.trajectory import Trajectory
from llmopt.engine.header import RunHeader
from llmopt.engine.journal import steps
from llmopt.errors import MissingExtraError
from llmopt.evidence.scores import Score
from llmopt.integrations.documents import as_json
from llmopt.integrations.spreadsheets import trajectory_rows

if TYPE_CHECKING:
    from llmopt.integrations.exported import Material

_LONGEST = 500  # characters of a parameter: MLflow refuses longer ones


@dataclass(frozen=True)
class _Logged:
    """What is logged of a run.

    Attributes:
        parameters: What was set.
        curve: For every step its number, and the figures after it.
        found: The figures at the end.
        files: Whole documents by name.
    """

    parameters: dict[str, str]
    curve: list[tuple[int, dict[str, float]]]
    found: dict[str, float]
    files: dict[str, str]


def _logged(found: Material) -> _Logged:
    config = found.store.config(found.export.run)
    identity, header = config["identity"], RunHeader.of(config)
    shown = found.shown
    parameters = {
        "algorithm": header.algorithm,
        **{name: identity[name] for name in ("optimizer", "scorer", "seed")},
        **{name.replace(" ", "."): text for name, text in identity.items() if " " in name},
    }
    curve = []
    trajectory = Trajectory()
    for step in steps(found.store, found.export.run):
        trajectory = trajectory.tell(step.entries)
        best = trajectory.best(1)
        figures = {"candidates": float(len(trajectory)), "refused": float(len(step.rejected))}
        if best:
            got = best[0].evaluation
            figures["best_train"] = shown.facing(best[0].score)
            figures["best_train_measured"] = float(got.measured)
            figures["best_train_planned"] = float(got.planned)
        curve.append((step.number, figures))
    ended = {}
    result = found.standing.result
    if result and result["test"]:
        test = result["test"]
        difference = test["difference"]
        ended = {
            "test_best": test["best"]["mean"],
            "test_start": test["start"]["mean"],
            **{f"test_{end}_measured": test[end]["n"] for end in ("best", "start")},
            **{f"test_{end}_planned": Score.plain(test[end]).planned for end in ("best", "start")},
            "test_difference": difference["mean"],
            "test_p_value": difference["p_value"],
        }
    spent = found.store.spent(found.export.run)
    for role, used in spent.items():
        if used.calls:
            ended[f"{role}_calls"] = used.calls
            ended[f"{role}_tokens"] = used.tokens
    rows = trajectory_rows(found).encode("utf-8", "backslashreplace").decode()
    files = {"export.json": as_json(found), "trajectory.csv": rows}
    shortened = {name: text[:_LONGEST] for name, text in parameters.items()}
    return _Logged(shortened, curve, ended, files)


def to_mlflow(found: Material) -> str:
    """Log a run into MLflow; return how it is found there.

    Raises:
        MissingExtraError: MLflow is not installed.
    """
    try:
        import mlflow
    except ImportError as error:
        raise MissingExtraError("logging into MLflow", "mlflow") from error
    logged = _logged(found)
    with mlflow.start_run(run_name=found.export.run) as run:
        mlflow.log_params(logged.parameters)
        for number, figures in logged.curve:
            mlflow.log_metrics(figures, step=number)
        mlflow.log_metrics(logged.found)
        for name, text in logged.files.items():
            mlflow.log_text(text, name)
        return f"mlflow run {run.info.run_id} at {mlflow.get_tracking_uri()}"


def to_wandb(found: Material) -> str:
    """Log a run into Weights & Biases; return how it is found there.

    Raises:
        MissingExtraError: wandb is not installed.
    """
    try:
        import wandb
    except ImportError as error:
        raise MissingExtraError("logging into Weights & Biases", "wandb") from error
    logged = _logged(found)
    settings: dict[str, Any] = {"name": found.export.run, "config": logged.parameters}
    with wandb.init(**settings) as run:
        for number, figures in logged.curve:
            run.log(figures, step=number)
        run.summary.update(logged.found)
        artifact = wandb.Artifact(f"llmopt-{found.export.run}", type="llmopt")
        for name, text in logged.files.items():
            with artifact.new_file(name, encoding="utf-8") as file:
                file.write(text)
        run.log_artifact(artifact)
        return f"wandb run {run.id} in {run.dir}"
