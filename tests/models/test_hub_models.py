"""GGUF files of the Hugging Face hub, against a double of its library."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

import pytest
from hub_double import HubDouble

from llmopt.errors import InputError, MissingExtraError
from llmopt.models.weights.fetch import cache_directory, cached_path, obtain_from_hub
from llmopt.models.weights.hugging_face import HubFile

if TYPE_CHECKING:
    from pathlib import Path

NAME = "hf:owner/a-repo/sub/m.Q4_K_M.gguf"
CONTENT = b"GGUF" + bytes(3_000_000)


class RepositoryNotFoundError(Exception):
    """As the library has it."""


class GatedRepoError(RepositoryNotFoundError):
    """As the library has it."""


class EntryNotFoundError(Exception):
    """As the library has it."""


class LocalEntryNotFoundError(FileNotFoundError, EntryNotFoundError):
    """As the library has it."""


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLMOPT_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def double() -> HubDouble:
    return HubDouble({NAME.removeprefix("hf:"): CONTENT})


def test_a_file_is_fetched_once_and_then_used_without_the_hub(double: HubDouble) -> None:
    told: list[tuple[str, int, int]] = []
    assert cached_path(NAME) is None
    path = obtain_from_hub(NAME, lambda *step: told.append(step), hub=double)
    assert path == cache_directory() / "hub" / "owner" / "a-repo" / "sub" / "m.Q4_K_M.gguf"
    assert path.read_bytes() == CONTENT
    assert [found.name for found in path.parent.iterdir()] == [path.name]
    assert told[0] == ("download", 0, len(CONTENT))
    assert told[-1] == ("verify", len(CONTENT), len(CONTENT))
    assert double.bars, "the library shows its bars again"
    double.error = ConnectionError("no network")
    assert obtain_from_hub(NAME, hub=double) == path == cached_path(NAME)
    assert len(double.asked) == 1


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (GatedRepoError, "its owner gives access on request"),
        (RepositoryNotFoundError, "there is no such repository, or it is private"),
        (EntryNotFoundError, "the repository has no such file"),
        (LocalEntryNotFoundError, "the hub cannot be reached; check the network"),
        (ConnectionError, r"the hub cannot be reached, or .*\(ConnectionError\)"),
    ],
)
def test_what_went_wrong_is_said_without_the_librarys_words(
    double: HubDouble, error: type[Exception], said: str
) -> None:
    """Addresses in them can hold signatures; a token is never in ours."""
    double.error = error("https://host/?token=hf_geheim12345")
    double.bars = False
    with pytest.raises(InputError, match=said) as caught:
        obtain_from_hub(NAME, hub=double)
    assert "owner/a-repo/sub/m.Q4_K_M.gguf" in str(caught.value)
    assert "geheim" not in str(caught.value)
    assert not double.bars, "who switched the library's bars off keeps them off"
    assert cached_path(NAME) is None


def test_a_full_disk_is_no_fault_of_the_hub(double: HubDouble) -> None:
    double.error = OSError(28, "No space left on device")
    with pytest.raises(InputError, match="No space left on device; name another in LLMOPT_CACHE"):
        obtain_from_hub(NAME, hub=double)


def test_a_file_with_another_hash_than_the_hub_says_is_refused(double: HubDouble) -> None:
    double.etag = "0" * 64
    with pytest.raises(InputError, match="has the SHA-256 0000"):
        obtain_from_hub(NAME, hub=double)
    assert cached_path(NAME) is None


def test_a_file_without_a_hash_is_taken_as_it_is(double: HubDouble) -> None:
    double.etag = "short-git-hash"
    assert obtain_from_hub(NAME, hub=double).read_bytes() == CONTENT


@pytest.mark.parametrize(
    "name",
    [
        "hf:x.gguf",
        "hf:a/x.gguf",
        "hf:a/b/x.bin",
        "hf:../b/x.gguf",
        "hf:a/b/../../x.gguf",
        "hf:/b/x.gguf",
    ],
)
def test_a_name_is_owner_repository_and_file(name: str) -> None:
    """No name leads out of the cache directory."""
    with pytest.raises(InputError, match="is local/hf:OWNER/REPO/FILE"):
        HubFile.named(name)


def test_a_piece_of_a_split_file_is_refused() -> None:
    with pytest.raises(InputError, match="a piece of a split one"):
        HubFile.named("hf:a/b/big-00001-of-00003.gguf")


@pytest.mark.skipif(
    importlib.util.find_spec("huggingface_hub") is not None, reason="needs to be without hub"
)
def test_without_the_extra_the_message_says_how_to_install_it() -> None:
    with pytest.raises(MissingExtraError, match=r"llms-as-optimizers\[hub\]"):
        obtain_from_hub(NAME)
