"""What repeated answers to the test rows say about the noise of a result."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmopt.core.presentation import Presentation
    from llmopt.statistics import DrawNoise


def on_draws(noise: DrawNoise | None, asked: int, used: int, shown: Presentation) -> Iterator[str]:
    """Yield notes on the answers to each test row.

    Args:
        noise: Of the difference between winner and start; None: not known.
        asked: Answers to each row that were asked for.
        used: Answers that were drawn.
        shown: How the problem's scores are shown.
    """
    if asked > used:
        yield (
            f"evidence.samples is {asked}, but each test item was measured once: further answers "
            "differ only where a scorer LLM is asked at a temperature above 0."
        )
    if noise is None:
        return
    draws, rows = noise.within / noise.samples, noise.between
    share = draws / (draws + rows) if draws + rows else 0.0
    said = (
        f"Each test row was answered {noise.samples} times. The difference from the start has a "
        f"standard error of {shown.points(noise.standard_error, signed=False)}; {100 * share:.0f} "
        "% of its variance comes from the draws (variance of a row: "
        f"{noise.within:.3f} within, {noise.between:.3f} between rows)."
    )
    if noise.within > noise.between and noise.recommended > noise.samples:
        said += (
            f" Draws differ more than rows do: evidence.samples = {noise.recommended} narrows the "
            "intervals at no further rows."
        )
    yield said
