"""The live view of a run, and plain lines where there is no terminal.

Everything goes to standard error, so that standard output stays for results. Model output is
shown as escaped text: never as markup, never with control characters.
"""

from __future__ import annotations

import os
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Generic, Self, TextIO, TypeVar

from llmopt.text import one_line

if TYPE_CHECKING:
    from types import TracebackType

    from rich.console import Console, RenderableType
    from rich.live import Live
    from rich.progress import Progress as Bar
    from rich.progress import TaskID
    from rich.spinner import Spinner

    from llmopt.search.progress import Progress

D = TypeVar("D", bound="Live | Bar")

_WORDS = {
    "starts": "measuring the starting solutions",
    "asking": "asking for new solutions",
    "scoring": "measuring new solutions",
    "checking": "measuring the step's best on validation items",
    "validation": "choosing the winner on validation items",
    "test": "testing on held-out items",
    "evaluating": "measuring the instructions",
    "done": "done",
}

_LONGEST_NEWS = 300  # characters of a warning


def terminal() -> Console:
    """Return the console on standard error; rich honours NO_COLOR and knows notebooks."""
    from rich.console import Console

    return Console(stderr=True, highlight=False, soft_wrap=False)


def say(line: str) -> None:
    """Write a line to standard error; go on quietly where it is closed, or nobody reads it."""
    stream: TextIO | None = sys.stderr
    if stream is None:
        return
    try:
        stream.write(line + "\n")
        stream.flush()
    except BrokenPipeError:
        # Python itself would fail at its end with what could not be written.
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - open to the end


class _Shown(Generic[D]):
    """What draws on a terminal while a context lasts, at once or later on."""

    def __init__(self, drawn: D | None) -> None:
        self._drawn = drawn

    def __enter__(self) -> Self:
        if self._drawn:
            self._drawn.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._drawn:
            self._drawn.stop()


class View(_Shown["Live"]):
    """Shows progress while a run lasts: live on a terminal or in a notebook, else as lines.

    Use as a context manager; call it with every change of progress.
    """

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or terminal()
        # In a notebook, rich draws with ipywidgets; without them there are plain lines too.
        notebook = self._console.is_jupyter and find_spec("ipywidgets") is not None
        live = notebook or (self._console.is_interactive and not self._console.is_jupyter)
        super().__init__(self._made() if live and not os.environ.get("CI") else None)
        self._pace = Pace()
        self._shown = 0.0
        self._phase = ("", -1)
        self._warned = 0
        self._stalled = ""
        self._spinner: Spinner | None = None

    def _made(self) -> Live:
        from rich.live import Live

        # The thread that redraws turns the spinner while a slow model keeps everything waiting.
        turning = self._console.is_terminal
        return Live(
            console=self._console, auto_refresh=turning, refresh_per_second=5, transient=True
        )

    def __call__(self, progress: Progress) -> None:
        """Show the state of a run; cheap when called often."""
        now = time.monotonic()
        self._pace.saw(progress, now)
        self._tell_news(progress)
        # Always when a phase begins, which may then be silent for long; otherwise ten times a
        # second on a terminal, and a plain line every ten seconds elsewhere.
        phase = (progress.phase, progress.step)
        if phase == self._phase and now - self._shown < (0.1 if self._drawn else 10.0):
            return
        self._phase, self._shown = phase, now
        if self._drawn:
            self._drawn.update(self._panel(progress), refresh=True)
        else:
            say(self._plain(progress))

    def _tell_news(self, progress: Progress) -> None:
        """Write what nobody should miss, once, as lines of their own that stay."""
        news = progress.warnings[self._warned :]
        self._warned = len(progress.warnings)
        if progress.stall and not self._stalled:
            news.append(progress.stall)
        self._stalled = progress.stall
        for words in news:
            line = f"[{progress.run}] {one_line(words, _LONGEST_NEWS)}"
            if self._drawn:
                from rich.text import Text

                self._console.print(Text(line, style="yellow"), soft_wrap=True)
            else:
                say(line)

    def _plain(self, progress: Progress) -> str:
        # An evaluation has no steps.
        step = f"step {progress.step}/{progress.steps}, " if progress.steps else ""
        parts = [f"[{progress.run}] {step}{_WORDS.get(progress.phase, progress.phase)}"]
        if progress.planned:
            parts.append(f"{progress.done}/{progress.planned} evaluations")
        parts += self._pace.words(progress) + traffic_words(progress)
        if progress.validation is not None:
            parts.append(f"last on validation {shown(progress.validation)}")
        if progress.best is not None:
            parts.append(f"best {shown(progress.best)}: {one_line(progress.best_text, 60)}")
        return ", ".join(parts)

    def _panel(self, progress: Progress) -> RenderableType:
        from rich.progress_bar import ProgressBar
        from rich.spinner import Spinner
        from rich.table import Table
        from rich.text import Text

        grid = Table.grid(padding=(0, 2))
        grid.add_column(style="dim", no_wrap=True)
        grid.add_column()
        phase = _WORDS.get(progress.phase, progress.phase)
        if self._spinner is None:  # the same one all along, or it would begin anew
            self._spinner = Spinner("dots")
        step = f"step {progress.step} of {progress.steps} · " if progress.steps else ""
        self._spinner.update(text=Text(f"{step}{phase}"))
        grid.add_row(progress.run, self._spinner)
        if progress.planned:
            bar = Table.grid(padding=(0, 1))
            bar.add_row(
                ProgressBar(
                    total=progress.planned,
                    completed=progress.done,
                    width=min(30, max(8, self._console.width - 66)),
                ),
                Text(
                    " · ".join(
                        (
                            f"{progress.done} of {progress.planned} evaluations",
                            *self._pace.words(progress),
                        )
                    )
                ),
            )
            grid.add_row("", bar)
        traffic = traffic_words(progress)
        if traffic and progress.phase != "done":
            busy = f"{progress.busy} of {progress.slots} slots busy" if progress.slots else ""
            grid.add_row("", Text(" · ".join(filter(None, (busy, *traffic))), style="dim"))
        if progress.stall:
            grid.add_row("waiting", Text(one_line(progress.stall, _LONGEST_NEWS), style="yellow"))
        if progress.best is not None:
            width = max(20, self._console.width - 24)
            text = one_line(progress.best_text, width) or "(empty)"
            grid.add_row("best so far", Text(f"{shown(progress.best)}  {spark(progress.curve)}"))
            grid.add_row("", Text(text, style="bold"))
        if progress.validation is not None:
            grid.add_row("on validation", Text(f"{shown(progress.validation)} (last step's best)"))
        return grid


class Download(_Shown["Bar"]):
    """Shows how far obtaining the weights of a local model is; silent where nothing is done."""

    def __init__(self, console: Console | None = None) -> None:
        super().__init__(None)
        self._console = console or terminal()
        self._stage = ""
        self._task: TaskID | None = None

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Show `done` of `total` bytes of a stage."""
        if stage != self._stage:
            self._begin(stage, total)
        if self._drawn and self._task is not None:
            self._drawn.update(self._task, completed=done, total=total)

    def _begin(self, stage: str, total: int) -> None:
        from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        self._stage = stage
        words = {
            "download": "fetching the local model",
            "unpack": "unpacking",
            "verify": "checking",
        }
        what = words.get(stage, stage)
        if not self._console.is_terminal or os.environ.get("CI"):
            say(f"{what} ({total / 1e6:.0f} MB)")
            return
        if self._drawn is None:
            self._drawn = Bar(
                TextColumn("{task.description}"),
                BarColumn(),
                DownloadColumn(),
                TimeRemainingColumn(),
                console=self._console,
            )
            self._drawn.start()
        self._task = self._drawn.add_task(what, total=total)


class Pace:
    """How fast evaluations are done, over the last half minute."""

    def __init__(self) -> None:
        self._marks: list[tuple[float, int]] = []
        self._total = 0
        self._last = (("", -1), 0)

    def saw(self, progress: Progress, now: float) -> None:
        """Count what was done since the last look."""
        phase = (progress.phase, progress.step)
        before = self._last[1] if self._last[0] == phase else 0
        self._total += max(0, progress.done - before)
        self._last = (phase, progress.done)
        if not self._marks or now - self._marks[-1][0] >= 0.5:  # noqa: PLR2004 - two marks a second
            self._marks = [m for m in self._marks if now - m[0] < 30]  # noqa: PLR2004
            self._marks.append((now, self._total))

    @property
    def rate(self) -> float:
        """Evaluations per second; 0 while nothing is known."""
        if len(self._marks) < 2:  # noqa: PLR2004 - a rate needs two marks
            return 0.0
        (then, was), (now, total) = self._marks[0], self._marks[-1]
        return (total - was) / (now - then) if now > then else 0.0

    def left(self, progress: Progress) -> float | None:
        """Return the seconds left at this rate, or None while nothing is known."""
        if not self.rate or progress.ahead is None:
            return None
        return (progress.planned - progress.done + progress.ahead) / self.rate

    def words(self, progress: Progress) -> list[str]:
        """Return rate and time left as far as they are known, while there is something to do."""
        if progress.phase == "done":
            return []
        left = self.left(progress)
        rate = [f"{self.rate:.1f}/s"] if self.rate else []
        return rate if left is None else [*rate, f"about {clock(left)} left"]


def traffic_words(progress: Progress) -> list[str]:
    """Return how many replies came from the store and how many calls were asked again."""
    words = [f"{progress.hits:,} from the store"] if progress.hits else []
    return [*words, f"{progress.retries:,} asked again"] if progress.retries else words


def shown(score: float) -> str:
    """Return a score for people: per cent where it can be one."""
    return f"{100 * score:.1f} %" if 0 <= score <= 1 else f"{score:.6g}"


def clock(seconds: float) -> str:
    """Return a duration as ``m:ss`` or ``h:mm:ss``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def spark(values: list[float]) -> str:
    """Return a small curve of the best score after each step."""
    blocks = "▁▂▃▄▅▆▇█"
    last = values[-40:]
    if len(last) < 2 or max(last) == min(last):  # noqa: PLR2004 - a curve needs two points
        return ""
    low, high = min(last), max(last)
    return "".join(blocks[round((v - low) / (high - low) * 7)] for v in last)
