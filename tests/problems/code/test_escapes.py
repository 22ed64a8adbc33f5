"""No program gets out of its sandbox, takes more than it may, or outlives its run."""

from __future__ import annotations

import ast
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
import uuid
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from llmopt.errors import ConfigError
from llmopt.problems.code.sandbox import RunLimits, interpreter
from llmopt.problems.code.supervised import Supervised, supervised

if TYPE_CHECKING:
    from llmopt.problems.code.execution import Ran
    from llmopt.problems.code.sandbox import Level

SMALL = RunLimits(wall=5.0, cpu=3.0, memory=256 << 20, processes=8, output=100_000, scratch=4 << 20)


@cache
def _found(level: Level) -> Supervised | str:
    try:
        return supervised(level, interpreter(packages=False))
    except ConfigError as error:
        return str(error)


def sandbox(level: Level) -> Supervised:
    """Return what runs programs at a level; skip the test where this machine forbids it."""
    found = _found(level)
    if isinstance(found, str):
        pytest.skip(f"needs a machine that allows this sandbox: {found}")
    return found


def run(level: Level, program: str, limits: RunLimits = SMALL, given: bytes = b"") -> Ran:
    """Run a program at a level of the sandbox."""
    return sandbox(level).run("p.py", {"p.py": program}, given, limits)


LEVELS: tuple[Level, ...] = ("bubblewrap", "namespaces")
both = pytest.mark.parametrize("level", LEVELS)


def tries(level: Level, *attempts: str, limits: RunLimits = SMALL) -> Ran:
    """Run statements one by one; assert that each raises, so that none has succeeded."""
    lines = ["import os, socket, sys, signal, pathlib, subprocess"]
    for attempt in attempts:
        body = textwrap.indent(textwrap.dedent(attempt).strip(), "    ")
        lines.append(f"try:\n{body}\n    print('escaped:', {attempt!r})")
        lines.append("except BaseException as error:\n    print('held', type(error).__name__)")
    ran = run(level, "\n".join(lines), limits)
    output = ran.output.decode()
    assert "escaped" not in output, output
    assert output.count("held") == len(attempts), (output, ran)
    return ran


@both
def test_a_program_runs_and_says_what_it_used(level: Level) -> None:
    ran = run(level, "print(input() + '!')", given=b"hello\n")
    assert (ran.code, ran.stopped, ran.output) == (0, "", b"hello!\n")
    assert ran.cpu > 0
    assert ran.memory > 1_000_000


@pytest.mark.parametrize("level", [*LEVELS, "none"])
def test_a_program_may_be_named_as_its_folder_is(level: Level) -> None:
    ran = sandbox(level).run("program.py", {"program.py": "print('hello')"}, b"", SMALL)
    assert (ran.code, ran.output) == (0, b"hello\n")


@both
def test_there_is_no_network(level: Level) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(socket.AF_UNIX) as local:
        port = server.getsockname()[1]
        local.bind(f"\0llmopt-{uuid.uuid4().hex}")
        local.listen()
        name = local.getsockname()
        tries(
            level,
            f"socket.create_connection(('127.0.0.1', {port}), 1)",
            "socket.create_connection(('1.1.1.1', 53), 1)",
            "socket.create_connection(('2606:4700:4700::1111', 53), 1)",
            "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('1.1.1.1', 53))",
            f"socket.socket(socket.AF_UNIX).connect({name!r})",
            "socket.getaddrinfo('example.org', 80)[0]",
        )


@both
def test_files_outside_are_not_read(level: Level, tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("secret")
    tries(
        level,
        f"open({str(secret)!r}).read()",
        f"os.listdir({str(tmp_path)!r})",
        f"open({str(Path(__file__).resolve())!r}).read()",
        "open('/etc/passwd').read()",
        "open('/etc/hostname').read()",
        f"os.listdir({str(Path.home())!r} + '/.ssh')",
        "os.listdir('/home')",
        "os.listdir('/sys')",
        "open('/dev/mem').read(1)",
    )


@both
def test_nothing_outside_the_scratch_folder_is_written(level: Level, tmp_path: Path) -> None:
    target = tmp_path / "target.txt"
    target.write_text("as it was")
    ran = tries(
        level,
        f"open({str(target)!r}, 'w').write('x')",
        f"os.unlink({str(target)!r})",
        "open('/usr/llmopt-escape', 'w').write('x')",
        f"open({sys.base_prefix!r} + '/llmopt-escape', 'w').write('x')",
        "open(__file__, 'w').write('x')",
        "os.chmod(__file__, 0o777)",
        f"os.chmod({str(target)!r}, 0o777)",
        f"os.utime({str(target)!r}, (1, 1))",
        f"os.setxattr({str(target)!r}, 'user.a', b'x')",
        "open('/llmopt-escape', 'w').write('x')",
        "os.rename('/usr/bin', '/usr/nib')",
        "os.mknod('device', 0o666 | 0o060000, os.makedev(8, 0)); open('device', 'rb').read(1)",
        "subprocess.run(['/usr/bin/mount', '-o', 'remount,rw', '/usr'], check=True)",
    )
    assert ran.code == 0
    assert target.read_text() == "as it was"
    assert not Path("/usr/llmopt-escape").exists()
    assert not (Path(sys.base_prefix) / "llmopt-escape").exists()


@both
def test_a_symbolic_link_leads_nowhere(level: Level, tmp_path: Path) -> None:
    target = tmp_path / "target.txt"
    target.write_text("as it was")
    tries(
        level,
        f"os.symlink({str(target)!r}, 'link'); open('link').read()",
        "open('link', 'w').write('x')",
        f"os.link({str(target)!r}, 'hard')",
        "os.symlink('/proc/1/root', 'root'); os.listdir('root/home')",
        f"open('../' * 20 + {str(target)[1:]!r}).read()",
    )
    assert target.read_text() == "as it was"


@both
def test_scratch_space_is_there_limited_and_empty_again(level: Level) -> None:
    program = """
        import os
        assert os.listdir() == [], os.listdir()
        open('a', 'w').write('x')
        print(open('a').read())
        try:
            for number in range(20):
                open(str(number), 'wb').write(bytes(1 << 20))
            print('escaped')
        except OSError:
            print('held')
        """
    for _ in range(2):
        ran = run(level, textwrap.dedent(program))
        assert ran.output == b"x\nheld\n", ran


@both
def test_there_is_no_environment(level: Level, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLMOPT_SECRET", "key")
    ran = run(level, "import os; print(sorted(os.environ))")
    expected = {"HOME", "LANG", "OMP_NUM_THREADS", "PATH", "PYTHONDONTWRITEBYTECODE"}
    names = ast.literal_eval(ran.output.decode())
    assert set(names) - {"PWD"} == expected | {"PYTHONHASHSEED", "TMPDIR"}


@both
def test_no_file_of_llmopt_is_left_open(level: Level) -> None:
    program = """
        import os
        for number in range(3, 1024):
            try:
                os.fstat(number)
            except OSError:
                continue
            print(number)
        """
    assert run(level, textwrap.dedent(program)).output == b""


@both
def test_signals_reach_nobody_outside(level: Level) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        program = f"""
            import os, signal
            for process in ({other.pid}, {os.getpid()}, os.getppid(), 1):
                for number in (signal.SIGTERM, signal.SIGKILL):
                    try:
                        os.kill(process, number)
                    except OSError:
                        pass
            for group in ({other.pid}, {os.getpgrp()}):
                try:
                    os.killpg(group, signal.SIGKILL)
                except OSError:
                    pass
            try:
                os.kill(-1, signal.SIGKILL)
            except OSError:
                pass
            """
        run(level, textwrap.dedent(program))
        assert other.poll() is None
        other.communicate(b"\n")
    assert run(level, "print('goes on')").output == b"goes on\n"


@both
def test_other_processes_are_not_seen(level: Level) -> None:
    pids = (os.getpid(), os.getppid(), 1, 2)
    attempts = [f"open('/proc/{pid}/environ', 'rb').read()" for pid in pids]
    attempts += [f"open('/proc/{os.getpid()}/{name}', 'rb').read(1)" for name in ("mem", "maps")]
    tries(level, *attempts, "os.listdir('/proc')[0]")


@both
def test_a_fork_bomb_is_ended(level: Level) -> None:
    begun, name = time.monotonic(), f"bomb_{uuid.uuid4().hex}.py"  # other runs have a p.py, too
    program = (
        "import os\nwhile True:\n    try:\n        os.fork()\n    except OSError:\n        pass"
    )
    ran = sandbox(level).run(name, {name: program}, b"", SMALL)
    assert ran.stopped.startswith(("had more than 8 processes", "took more than")), ran
    assert time.monotonic() - begun < 60
    assert _ended(name)


@both
def test_the_kernel_limits_processes_too(level: Level) -> None:
    """Of every user but root: whoever watches from outside may come late on a busy machine."""
    ran = run(level, "import resource\nprint(resource.getrlimit(resource.RLIMIT_NPROC))")
    assert ran.output.decode() == f"({SMALL.forks}, {SMALL.forks})\n"


@both
def test_memory_is_limited(level: Level) -> None:
    alone = run(level, "try:\n    x = b'x' * (1 << 30)\nexcept MemoryError:\n    print('held')")
    assert alone.output == b"held\n"
    program = """
        import os, time
        for _ in range(6):
            if not os.fork():
                x = bytearray(os.urandom(1 << 20)) * 100
                time.sleep(60)
        time.sleep(60)
        """
    together = run(level, textwrap.dedent(program), RunLimits(**{**vars(SMALL), "wall": 20.0}))
    assert "bytes of memory" in together.stopped, together


@both
def test_output_is_limited(level: Level) -> None:
    program = "import sys\nwhile True:\n    sys.{}.write('x' * 1_000_000)"
    for stream in ("stdout", "stderr"):
        ran = run(level, program.format(stream))
        assert ran.stopped == "wrote more than 100,000 bytes", stream
        assert len(ran.output) + len(ran.errors) <= 200_000


@both
def test_an_endless_loop_is_ended(level: Level) -> None:
    waiting = run(level, "import time; time.sleep(600)", RunLimits(wall=0.5))
    assert waiting.stopped == "took longer than 0.5 s"
    ran = run(level, "while True: pass", RunLimits(wall=60.0, cpu=1.0))
    assert ran.stopped == "took more than 1 s of processor time", ran


@both
def test_a_program_that_ignores_signals_is_ended(level: Level) -> None:
    program = """
        import signal, time
        for number in range(1, 32):
            try:
                signal.signal(number, signal.SIG_IGN)
            except OSError:
                pass
        time.sleep(600)
        """
    assert run(level, textwrap.dedent(program), RunLimits(wall=1.0)).stopped


def _running(marker: str) -> list[int]:
    """Return the processes of this machine that have a text in their command line."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if any(word.endswith(marker.encode()) for word in words) and b"pytest" not in b" ".join(
            words
        ):
            found.append(int(path.parent.name))
    return found


def _ended(marker: str) -> bool:
    """Return whether no such process is left after a while; a busy machine takes a moment."""
    end = time.monotonic() + 30
    while _running(marker) and time.monotonic() < end:
        time.sleep(0.05)
    return not _running(marker)


OUTLIVING = """
import os, subprocess, sys, time
for _ in range(2):
    if os.fork():
        break
    os.setsid()
else:
    null = os.open("/dev/null", os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(null, number)
    os.execv(sys.executable, [sys.executable, "-c", "import time; time.sleep(600)", "MARKER"])
time.sleep(WAIT)
"""


@both
def test_no_child_outlives_its_run(level: Level) -> None:
    marker = f"llmopt-outlives-{uuid.uuid4().hex}"
    ran = run(level, OUTLIVING.replace("MARKER", marker).replace("WAIT", "0.5"))
    assert ran.stopped == ""
    assert _running(marker) == []


DYING = """
import sys, threading
from llmopt.problems.code.sandbox import RunLimits, interpreter
from llmopt.problems.code.supervised import Supervised
held = Supervised(sys.argv[1], interpreter(packages=False))
held.run("p.py", {"p.py": sys.argv[2]}, b"", RunLimits(wall=600.0))
"""


@both
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_all_is_gone_when_llmopt_dies(level: Level, number: signal.Signals) -> None:
    sandbox(level)
    marker = f"llmopt-dies-{uuid.uuid4().hex}"
    program = OUTLIVING.replace("MARKER", marker).replace("WAIT", "600")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    line = [sys.executable, "-c", DYING, level, program]
    with subprocess.Popen(line, env=environment, stderr=subprocess.DEVNULL) as process:
        _until(lambda: bool(_running(marker)))
        process.send_signal(number)
        process.wait(20)
    _until(lambda: not _running(marker))


@both
def test_all_is_gone_when_the_supervisor_is_killed(level: Level) -> None:
    sandbox(level)
    marker = f"llmopt-supervisor-{uuid.uuid4().hex}"
    program = OUTLIVING.replace("MARKER", marker).replace("WAIT", "600")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    line = [sys.executable, "-c", DYING, level, program]
    with subprocess.Popen(line, env=environment, stderr=subprocess.PIPE) as process:
        _until(lambda: bool(_running(marker)))
        for child in Path(f"/proc/{process.pid}/task").glob("*/children"):
            for pid in child.read_text().split():
                os.kill(int(pid), signal.SIGKILL)
        assert process.stderr is not None
        assert b"was killed" in process.stderr.read()
    _until(lambda: not _running(marker))


def _until(happens: object, seconds: float = 30.0) -> None:
    """Wait until something is true; the limit is for a machine that hangs."""
    end = time.monotonic() + seconds
    assert callable(happens)
    while not happens():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_without_a_sandbox_a_program_still_has_its_limits() -> None:
    held = Supervised("none", interpreter(packages=False))
    ran = held.run("p.py", {"p.py": "import time; time.sleep(600)"}, b"", RunLimits(wall=0.5))
    assert ran.stopped
    marker = f"llmopt-none-{uuid.uuid4().hex}"
    held.run(
        "p.py", {"p.py": OUTLIVING.replace("MARKER", marker).replace("WAIT", "0.5")}, b"", SMALL
    )
    assert _running(marker) == []
