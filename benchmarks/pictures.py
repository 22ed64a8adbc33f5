"""Draw the pictures of the documentation anew: pages in a browser, and terminals.

Nothing is asked of a language model: a script stands for it, on made-up messages to a company
(``tasks/tickets.csv``). So the figures in the pictures say how things look, not how good a method
is. Needs Chromium; takes about a minute.

    python benchmarks/pictures.py            # all of them, in docs/pictures
    python benchmarks/pictures.py watch page # those
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

from click.testing import CliRunner
from playwright.sync_api import sync_playwright
from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from llmopt import ProgramProblem, optimize
from llmopt.cli import main as command_line
from llmopt.core.values import digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from playwright.sync_api import Page

    from llmopt.core.values import Call

HERE = Path(__file__).parent
PICTURES = HERE.parent / "docs" / "pictures"
MOST_BYTES = 150_000  # of a picture
COLUMNS = 108
DROPPED = "LLMOPT_PICTURES_DROPPED"  # environment variable: the model has become worse

# -- the script that stands for a model -----------------------------------------------------

CLASSES = ("billing", "technical", "shipping", "account", "feedback")
START = "Which team should handle this message?"
SENTENCES = {
    "Decide by what is asked for, not by the words that occur.": 0.14,
    "Refunds, invoices, prices and quotes are billing, whatever was bought.": 0.09,
    "Something that does not work is technical, even if it is a delivery screen.": 0.08,
    "Praise and complaints without a request are feedback.": 0.08,
    "A lost or late parcel is shipping.": 0.05,
    "Access, names, seats and passwords are account.": 0.06,
    "Answer with one word.": 0.03,
    "Read the whole message first.": 0.03,
    "Be polite to the customer.": -0.03,
    "Think about it like an expert.": 0.0,
    "Work fast.": -0.04,
    "The order of the sentences does not matter.": 0.0,
}
BASE = 0.38
PROGRAMS = (
    "seen = dict.fromkeys(input().split())\nprint(len(seen))\n",
    "print(len(set(input().split())))\n",
    "print(len(input().split()))\n",
)
SLOW = """\
seen = []
for word in input().split():
    if word not in seen:
        seen.append(word)
print(len(seen))
"""


def answer(call: Call) -> str:
    """Answer as either role; a pure function of the call and of whether the model has dropped."""
    if call.role != "optimizer":
        return _label(call)
    if "seen = []" in call.text:
        return f"```python\n{PROGRAMS[call.sample % len(PROGRAMS)]}```"
    lines, known = [*SENTENCES], 2 + len(re.findall(r"Decide by what", call.text)) % 3
    for number in range(known):
        at = int(digest(f"{call.text} {call.sample} {number}")[:6], 16) % len(lines)
        lines.append(lines.pop(at))
    text = " ".join((START, *lines[-known:]))
    if parts := [*dict.fromkeys(re.findall(r"=== ([a-z]+) ===", call.text))]:
        texts = (
            f"=== {part} ===\n{' '.join(lines[at - known :][:2])}" for at, part in enumerate(parts)
        )
        text = "\n\n".join(texts)
    return text if call.prompt is not None else f"<INS>{text}</INS> [{text}]"


def _label(call: Call) -> str:
    text, label = next(row for row in _rows() if row[0] in call.text)
    skill = BASE + sum(worth for sentence, worth in SENTENCES.items() if sentence in call.text)
    skill -= 0.4 if os.environ.get(DROPPED) else 0
    hard = int(digest(text)[:6], 16) / 0xFFFFFF
    luck = int(digest(f"{call.text} {call.sample}")[:6], 16) / 0xFFFFFF
    if 0.8 * hard + 0.2 * luck < skill:
        return label
    others = [one for one in CLASSES if one != label]
    return others[int(digest(text)[6:9], 16) % len(others)]


def _rows() -> list[tuple[str, str]]:
    with Path("tickets.csv").open(encoding="utf-8", newline="") as file:
        return [(row["text"], row["label"]) for row in csv.DictReader(file)]


# -- what is done before it is drawn --------------------------------------------------------

CONFIG = f"""
[problem]
data = "tickets.csv"
input = "text"
target = "label"
task = "Decide which team a customer's message belongs to."
instructions = ["{START}"]
metric = "choice"
sizes = [40, 30, 80]

[scorer]
model = "scripted/pictures:answer"

[run]
steps = 6

[evidence]
controls = ["empty", "think"]
"""
SWEEP = """
base = "llmopt.toml"

[grid]
"algorithm.name" = ["opro", "ape", "sampling"]
"run.seed" = [0, 1, 2]
"run.steps" = [50]

[budget]
calls = 1200
"""


GROUND, INK = (250, 250, 250), (36, 41, 47)
RED, GREEN, YELLOW, BLUE = (178, 36, 36), (17, 99, 41), (138, 90, 0), (9, 80, 174)
MAGENTA, CYAN, GREY = (120, 60, 170), (14, 110, 120), (101, 109, 118)
LIGHT = TerminalTheme(GROUND, INK, [INK, RED, GREEN, YELLOW, BLUE, MAGENTA, CYAN, GREY])


class Terminal:
    """Commands and what they say, as a picture."""

    def __init__(self) -> None:
        self._console = Console(
            record=True, width=COLUMNS, file=io.StringIO(), color_system="truecolor"
        )

    def run(
        self, *words: str, shown: str = "", cut: tuple[str, str] = ("", ""), code: int = 0
    ) -> None:
        """Run a command, and show it with its output, or with what is between two texts in it."""
        said = called(*words, code=code).strip("\n")
        self._console.print(Text(f"$ {shown or ' '.join(('llmopt', *words))}", style="bold"))
        begin = said.rfind("\n", 0, said.index(cut[0])) + 1
        end = said.index(cut[1], begin) if cut[1] else len(said)
        text = said[begin : max(begin, said.rfind("\n", 0, end))] if cut[1] else said[begin:]
        for line in ["…"] * (begin > 0) + text.strip("\n").split("\n") + ["…"] * bool(cut[1]):
            self._console.print(Text.from_ansi(line), soft_wrap=False)
        self._console.print()

    def save(self, name: str, title: str) -> None:
        """Write the picture; it loads no font of another host."""
        form = re.sub(r"\s*@font-face \{\{.*?\}\}", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
        svg = self._console.export_svg(title=title, theme=LIGHT, code_format=form, unique_id=name)
        kept(name + ".svg", "\n".join(line.rstrip() for line in svg.splitlines()).encode() + b"\n")


def called(*words: str, code: int = 0) -> str:
    """Run a command of llmopt in this process, and return its output as a terminal shows it."""
    said = CliRunner().invoke(command_line, [*words], catch_exceptions=False)
    if said.exit_code != code:
        raise SystemExit(f"llmopt {' '.join(words)}: exit code {said.exit_code}: {said.stderr}")
    return said.stdout


def kept(name: str, data: bytes) -> None:
    """Write a picture, and say how large it is."""
    if len(data) > MOST_BYTES:
        raise SystemExit(f"{name} has {len(data):,} bytes, but may have {MOST_BYTES:,}")
    if re.search(rb"/home/|/tmp/|/root/", data):
        raise SystemExit(f"{name} names a folder of this machine")
    (PICTURES / name).write_bytes(data)
    print(f"{name} ({len(data) / 1000:,.0f} kB)")


@contextmanager
def browser(width: int, height: int) -> Iterator[Page]:
    """Open a browser in light colours."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
    if found is None:
        raise SystemExit(
            "pictures of pages need Chromium on PATH; Debian: apt-get install chromium"
        )
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        page = made.new_page(viewport={"width": width, "height": height}, color_scheme="light")
        page.emulate_media(reduced_motion="reduce")
        yield page
        made.close()


def top_of(run: str, name: str, height: int) -> None:
    """Draw the top of the page of a run, so many pixels high."""
    called("report", run, "-o", f"{run}.html")
    with browser(1120, height) as shown:
        shown.goto(Path(f"{run}.html").absolute().as_uri())
        shown.wait_for_timeout(1500)
        kept(name, shown.screenshot())


# -- the pictures ---------------------------------------------------------------------------


def terminal() -> None:
    """From a check to a result."""
    made = Terminal()
    made.run("check", "llmopt.toml", cut=("tokens out", "At least:"))
    run = ("run", "llmopt.toml", "-q", "--name", "tickets")
    made.run(*run, shown="llmopt run llmopt.toml", cut=("start:", "Difference on"))
    made.save("terminal", "llmopt")


def page() -> None:
    """The top of a run's page."""
    top_of("tickets", "result-page.png", 815)


def history() -> None:
    """Scores by step."""
    called("plot", "tickets", "--what", "history", "-o", "history.svg")
    kept("history.svg", Path("history.svg").read_bytes())


def evaluate() -> None:
    """A gate that is not passed."""
    texts = (START, f"{START} Work fast. Be polite to the customer.")
    files = ("in-use.txt", "new.txt")
    for file, text in zip(files, texts, strict=True):
        Path(file).write_text(text, encoding="utf-8")
    words = ["evaluate", *(word for file in files for word in ("--file", file))]
    words += ["--config", "llmopt.toml", "--part", "all", "--fail-if", "worse"]
    made = Terminal()
    made.run(*words, "-q", shown=" ".join(("llmopt", *words)), code=4)
    made.save("evaluate", "llmopt evaluate")


def watch() -> None:
    """A prompt that drops on the day after a quiet one."""
    made = Terminal()
    made.run("watch", "tickets", "--rows", "60", "--day", "2026-03-02", "-q")
    os.environ[DROPPED] = "yes"
    made.run("watch", "tickets", "--rows", "60", "--day", "2026-03-03", "-q", code=4)
    del os.environ[DROPPED]
    made.save("watch", "llmopt watch")


def sweep() -> None:
    """The page of a sweep."""
    called("sweep", "methods.toml", "-q")
    top_of("methods", "sweep-page.png", 850)


def view() -> None:
    """The list of runs."""
    line = [sys.executable, "-m", "llmopt", "view", "--port", "0", "--json"]
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as server:  # noqa: S603 - our own command
        out = cast("IO[str]", server.stdout)
        address = json.loads("".join(iter(out.readline, "}\n")) + "}")["url"]
        with browser(1120, 620) as shown:
            shown.goto(address)
            shown.wait_for_timeout(1500)
            kept("view.png", shown.screenshot())
        server.terminate()


def programs() -> None:
    """What a search changed in the two texts of a program."""
    problem = ProgramProblem.from_rows(
        _two_calls,
        [{"input": text, "target": label} for text, label in _rows()],
        parts={"first": "Which team is it?", "second": "Check the answer of the first call."},
        task="Decide which team a customer's message belongs to.",
        metric="choice",
        sizes=(40, 30, 80),
        scorer="scripted/pictures:answer",
    )
    optimize(problem, algorithm="opro", steps=4, name="two-calls", progress=False)
    top_of("two-calls", "program-page.png", 1100)


def _two_calls(texts: dict[str, str], row: Mapping[str, str], call: Callable[..., str]) -> str:
    """Ask for the team, then once more with the answer."""
    team = call(f"{texts['first']}\n{row['input']}", name="first")
    return call(f"{texts['second']} {texts['first']}\n{row['input']}\n{team}", name="second")


def code() -> None:
    """A program that was made faster."""
    Path("slow.py").write_text(SLOW, encoding="utf-8")
    Path("tests").mkdir(exist_ok=True)
    for at, size in enumerate((6000, 5800, 5600, 5400, 5200, 5000)):
        words = " ".join(str(number * 7919 % 5000) for number in range(size))
        Path(f"tests/{at}.in").write_text(words, encoding="utf-8")
    made = Terminal()
    model = ("--optimizer", "scripted/pictures:answer", "--steps", "1")
    words = ("faster", "slow.py", "--tests", "tests", *model)
    made.run(*words, "-q", shown=" ".join(("llmopt", *words)))
    made.save("faster", "llmopt faster")


PICTURED = (terminal, page, history, evaluate, watch, programs, sweep, view, code)


def main() -> None:
    """Draw the pictures that are named, or all."""
    named = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder, "home")
        os.environ |= {"LLMOPT_HOME": str(home), "FORCE_COLOR": "1", "COLUMNS": str(COLUMNS)}
        sys.path.insert(0, str(HERE))
        work = Path(folder, "work")
        work.mkdir()
        os.chdir(work)
        shutil.copy(HERE / "tasks" / "tickets.csv", work)
        Path("llmopt.toml").write_text(CONFIG, encoding="utf-8")
        Path("methods.toml").write_text(SWEEP, encoding="utf-8")
        if "terminal" not in named:
            called("run", "llmopt.toml", "-q", "--name", "tickets")
        for draw in PICTURED:
            if not named or draw.__name__ in named:
                draw()


if __name__ == "__main__":
    main()
