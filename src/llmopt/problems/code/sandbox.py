"""What a program of a language model's may do, and how it is kept from everything else.

There are three levels, from the strongest to none:

* ``bubblewrap``: the program ``bwrap`` of the package of that name (Linux).
* ``namespaces``: the same by the kernel alone (Linux with user namespaces for everybody, and
  Landlock): see :mod:`llmopt.problems.code.namespaces`.
* ``none``: limits on time, memory, processes and output, but files and network of the user's. It is
  taken only where the user writes ``sandbox = "none"``; everything else is refused.

In the first two a program sees the system's libraries and Python, read only, an empty scratch
folder of limited size, and nothing else: no network, no environment, no files of the user's, no
other processes. macOS and Windows have neither; there, run llmopt in a Linux container or WSL 2.
"""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from llmopt.errors import ConfigError, UnknownNameError

Level = Literal["bubblewrap", "namespaces", "none"]
SandboxName = Literal["auto", "bubblewrap", "namespaces", "none"]

PROGRAMS = "/program"
"""Folder with the program's files, as it sees them; read only."""

SCRATCH = "/scratch"
"""Folder that a program may write to, as it sees it."""

ENVIRONMENT = {
    "PATH": "/usr/bin:/bin",
    "LANG": "C.UTF-8",
    "PYTHONHASHSEED": "0",  # sets of texts are printed in the same order by all
    "PYTHONDONTWRITEBYTECODE": "1",
    "OMP_NUM_THREADS": "1",
}
"""All variables of a program's environment, but for the scratch folder's."""

DEVICES = ("/dev/null", "/dev/zero", "/dev/random", "/dev/urandom")

_SPARE = 4  # processes, those of the sandbox among them
_SYSTEM = ("/bin", "/sbin", "/lib", "/lib32", "/lib64")
_SINGLE = ("/etc/ld.so.cache", "/etc/localtime", "/etc/alternatives")


@dataclass(frozen=True)
class RunLimits:
    """What one execution of a program may use; more ends it with all processes it started.

    Attributes:
        wall: Seconds from its start to its end.
        cpu: Seconds of processor time of one process.
        memory: Bytes of its data, for one process and for all together.
        processes: Processes at once, those of the sandbox itself not counted.
        output: Bytes that it may write to its standard output and standard error together.
        scratch: Bytes of the scratch folder, and of one file.

    Raises:
        ConfigError: One is not above 0.
    """

    wall: float = 20.0
    cpu: float = 10.0
    memory: int = 1 << 30
    processes: int = 16
    output: int = 10_000_000
    scratch: int = 64 << 20

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value <= 0:
                raise ConfigError(f"the limit {name!r} is above 0, but got {value}")

    @property
    def forks(self) -> int:
        """Processes at which the kernel refuses further ones, in namespaces of a user but root.

        A few more than are allowed, so that too many are seen, and the program is ended for it.
        """
        return self.processes + _SPARE


@dataclass(frozen=True)
class Interpreter:
    """The Python that runs programs.

    Attributes:
        path: Its executable.
        readable: Folders that it needs in addition to the system's.
        packages: Whether installed packages can be imported.
    """

    path: str
    readable: tuple[str, ...]
    packages: bool

    @property
    def command(self) -> tuple[str, ...]:
        """The executable with its options; a script's path follows."""
        # -P: the folder of the script is not looked in; -s: nor is the user's own site folder.
        return (self.path, "-P", "-s", *(() if self.packages else ("-S",)))


def interpreter(*, packages: bool) -> Interpreter:
    """Return the Python that this process runs in, with or without its installed packages."""
    base = str(getattr(sys, "_base_executable", sys.executable))
    folders = {sys.base_prefix, *((sys.prefix,) if packages else ())}
    readable = {place for folder in folders for place in (folder, str(Path(folder).resolve()))}
    path = sys.executable if packages else str(Path(base).resolve())
    outside = sorted(place for place in readable if not place.startswith("/usr"))
    return Interpreter(path, tuple(outside), packages)


def bubblewrap(command: tuple[str, ...], python: Interpreter, limits: RunLimits) -> list[str]:
    """Return the command line that runs a command in bubblewrap.

    The folder with the program's files is the working directory of the process that starts it.
    """
    line = [shutil.which("bwrap") or "bwrap", "--unshare-all", "--die-with-parent"]
    line += ["--new-session", "--cap-drop", "ALL", "--hostname", "sandbox", "--clearenv"]
    for name, value in {**ENVIRONMENT, "HOME": SCRATCH, "TMPDIR": SCRATCH}.items():
        line += ["--setenv", name, value]
    line += ["--ro-bind", "/usr", "/usr"]
    for place in _SYSTEM:
        path = Path(place)
        if path.is_symlink():
            line += ["--symlink", str(path.readlink()), place]
        elif path.is_dir():
            line += ["--ro-bind", place, place]
    for place in (*_SINGLE, *python.readable):
        line += ["--ro-bind-try", place, place]
    for device in DEVICES:
        line += ["--dev-bind", device, device]
    line += ["--ro-bind", ".", PROGRAMS]
    line += ["--size", str(limits.scratch), "--tmpfs", SCRATCH, "--chdir", SCRATCH]
    limiter = shutil.which("prlimit", path="/usr/bin")
    limited = (limiter, f"--nproc={limits.forks}:{limits.forks}") if limiter else ()
    return [*line, "--remount-ro", "/", "--", *limited, *command]


def readable_places(python: Interpreter) -> tuple[str, ...]:
    """Return all files and folders that a program may read at the level ``namespaces``."""
    places = ("/usr", *_SYSTEM, *_SINGLE, *DEVICES, *python.readable)
    return tuple(place for place in places if Path(place).exists())


def check_sandbox_name(wanted: str) -> None:
    """Refuse a name that is no sandbox.

    Raises:
        UnknownNameError: No sandbox has this name.
    """
    if wanted not in get_args(SandboxName):
        raise UnknownNameError("a sandbox", wanted, get_args(SandboxName))


def candidates(wanted: SandboxName) -> tuple[Level, ...]:
    """Return the levels that are tried for what the user wants, in their order."""
    return ("bubblewrap", "namespaces") if wanted == "auto" else (wanted,)


def missing(level: Level) -> str:
    """Return what a level lacks here that is seen without trying it; empty: nothing."""
    if sys.platform == "win32":
        return "Windows lacks what limits a program"
    if level == "none":
        return ""
    if sys.platform != "linux":
        return f"it needs Linux, and this is {sys.platform}"
    if level == "bubblewrap" and shutil.which("bwrap") is None:
        return "bwrap is not installed"
    return ""


def refusal(tried: dict[Level, str]) -> ConfigError:
    """Return the error that says why no sandbox can be had, and what to do."""
    reasons = "; ".join(f"{level}: {why}" for level, why in tried.items())
    advice = "install bubblewrap (apt install bubblewrap)"
    if sys.platform != "linux":
        advice = "run llmopt in a Linux container or WSL 2"
    return ConfigError(
        "programs of a language model run in a sandbox only, but none can be had here "
        f'({reasons}); {advice}, or write sandbox = "none" to run them with your own rights'
    )
