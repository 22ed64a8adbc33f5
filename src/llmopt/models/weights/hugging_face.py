"""GGUF files of the Hugging Face hub, through its library.

The library is asked only when a file is to be fetched. Its messages can hold addresses with
signatures, so that errors repeat the kind of what went wrong and nothing else.
"""

from __future__ import annotations

import errno
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from llmopt.errors import InputError, MissingExtraError
from llmopt.models.weights.download import growing

if TYPE_CHECKING:
    from pathlib import Path

    from llmopt.models.weights.download import Progress

PREFIX = "hf:"
"""What a name of a file on the hub begins with."""

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]*")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_PIECE = re.compile(r"-\d{5}-of-\d{5}\.gguf$")
_LEAST = 3  # an owner, a repository, a file
# The library's errors by the names of their classes, which are older than their places in it.
# The first that fits counts: a gated repository is one that is not found, too.
_REASONS = (
    (
        "GatedRepoError",
        "its owner gives access on request; ask for it there and run: hf auth login",
    ),
    ("RepositoryNotFoundError", "there is no such repository, or it is private; check the name"),
    ("LocalEntryNotFoundError", "the hub cannot be reached; check the network"),
    ("EntryNotFoundError", "the repository has no such file; check the name"),
    ("OfflineModeIsEnabled", "HF_HUB_OFFLINE is set; unset it"),
)


@dataclass(frozen=True, slots=True)
class HubFile:
    """A file of a model repository.

    Attributes:
        owner: User or organization.
        repo: Name of the repository.
        path: Path of the file in it, by ``/``.
    """

    owner: str
    repo: str
    path: str

    def __str__(self) -> str:
        return f"{self.owner}/{self.repo}/{self.path}"

    @classmethod
    def named(cls, name: str) -> Self:
        """Return the file that ``hf:OWNER/REPO/FILE.gguf`` names; FILE may be in folders.

        Raises:
            InputError: It does not have this form, or names a piece of a split file.
        """
        words = name.removeprefix(PREFIX).split("/")
        if (
            len(words) < _LEAST
            or not name.endswith(".gguf")
            or not all(_NAME.fullmatch(word) for word in words)
        ):
            raise InputError(
                "a local model from the Hugging Face hub is local/hf:OWNER/REPO/FILE.gguf, "
                f"but got {f'local/{name}'!r}; name owner, repository and file"
            )
        if _PIECE.search(name):
            raise InputError(
                f"a local model from the Hugging Face hub is one file, but {words[-1]!r} is a "
                "piece of a split one; choose a file that is whole, or fetch all pieces and name "
                "the first as local/PATH.gguf"
            )
        return cls(words[0], words[1], "/".join(words[2:]))


@dataclass(frozen=True, slots=True)
class Fetched:
    """A file as it came from the hub.

    Attributes:
        path: Where it is.
        sha256: The hash that the hub gives for it; empty where it gives none.
    """

    path: Path
    sha256: str


def fetch(file: HubFile, folder: Path, tell: Progress, library: Any = None) -> Fetched:
    """Fetch a file of the hub into `folder`, which is empty.

    Args:
        file: Which file.
        folder: Where to; other things may be left in it.
        tell: Told how far it is.
        library: What does it, with the names of ``huggingface_hub``; None: that library.

    Raises:
        MissingExtraError: The library is not installed.
        InputError: The hub cannot be reached, has no such file, or does not give it.
        OSError: The disk is full.
    """
    library = library or _library()
    repo = f"{file.owner}/{file.repo}"
    drew = not library.utils.are_progress_bars_disabled()
    library.utils.disable_progress_bars()  # ours is the one that is shown
    try:
        about = library.get_hf_file_metadata(library.hf_hub_url(repo, file.path))
        with growing(folder, about.size or 0, tell):
            path = library.hf_hub_download(
                repo, file.path, revision=about.commit_hash, local_dir=folder
            )
    except Exception as error:  # the library raises its HTTP client's errors beside its own
        if getattr(error, "errno", None) == errno.ENOSPC:
            raise
        raise InputError(
            f"a file of the Hugging Face hub is one that can be fetched, but {file} cannot: "
            f"{_reason(error)}"
        ) from error
    finally:
        if drew:
            library.utils.enable_progress_bars()
    etag = about.etag or ""
    return Fetched(folder / path, etag if _SHA256.fullmatch(etag) else "")


def _reason(error: Exception) -> str:
    """Return what an error of the library means and what to do, without its words."""
    kinds = {kind.__name__ for kind in type(error).__mro__}
    for kind, reason in _REASONS:
        if kind in kinds:
            return reason
    return (
        f"the hub cannot be reached, or answers with an error ({type(error).__name__}); try again "
        "later, or fetch the file elsewhere and name it as local/PATH.gguf"
    )


def _library() -> Any:
    """Return the hub's library."""
    try:
        import huggingface_hub
        import huggingface_hub.utils
    except ImportError as error:
        raise MissingExtraError("a local model from the Hugging Face hub", "hub") from error
    return huggingface_hub
