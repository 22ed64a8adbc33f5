"""``llmopt resume``."""

from __future__ import annotations

from pathlib import Path

import click

from llmopt.cli.options import command_line, run_options


@click.command()
@click.argument("run", metavar="RUN")
@run_options
def resume(
    run: str,
    overrides: tuple[str, ...],
    store: str | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Resume a run that was stopped, or extend it.

    It may have been interrupted, have failed, or have run out of its budget. Options may
    change what does not change the search so far: -o run.steps=…, -o run.concurrency=…,
    -o budget.calls=…
    """
    from llmopt.cli.execute import execute
    from llmopt.config.reading import settings
    from llmopt.engine.header import RunHeader
    from llmopt.engine.journal import EVALUATION
    from llmopt.errors import ConfigError
    from llmopt.store import open_store

    kept = open_store(store, new=store is None)
    try:
        config = kept.config(run)
    finally:
        kept.close()
    if EVALUATION in config:
        again = command_line(config[EVALUATION], store) if config[EVALUATION] else "evaluate(…)"
        raise ConfigError(
            f"llmopt resume continues runs, but {run!r} is an evaluation; continue with: {again}"
        )
    if "sweep" in config:
        raise ConfigError(
            f"llmopt resume continues runs, but {run!r} is a sweep; repeat the llmopt sweep "
            "command that began it"
        )
    if "cell" in config:
        raise ConfigError(
            f"llmopt resume continues runs, but {run!r} is a cell of the sweep {config['cell']!r}, "
            "and its budget is that of all cells; repeat the llmopt sweep command that began it"
        )
    if RunHeader.of(config).control:
        raise ConfigError(
            f"llmopt resume continues runs that were started by themselves, but {run!r} was made "
            "for another run, and is continued with it; name that one"
        )
    source = config["source"]
    if not source:
        raise ConfigError(
            f"llmopt resume continues runs that were started from a configuration file, but "
            f"{run!r} was started from Python; call optimize(…, name={run!r}) there again"
        )
    execute(
        settings(source, f"the run {run!r}", Path("/"), overrides),
        store=store,
        name=run,
        as_json=as_json,
        quiet=quiet,
        changed=overrides,
    )
