"""Whether a GGUF file has a chat template, read from files that can be anybody's."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest
from gguf_files import ARRAY, BASE, CHAT, COMMON, STRING, U32, U64, gguf, pair, text
from hypothesis import given
from hypothesis import strategies as st

from llmopt.errors import InputError
from llmopt.models.weights.gguf import has_chat_template

if TYPE_CHECKING:
    from pathlib import Path

HUGE = (1 << 64) - 1


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("gguf") / "x.gguf"


def found(file: Path, content: bytes) -> bool:
    file.write_bytes(content)
    return has_chat_template(file)


def test_a_chat_model_has_a_template_and_a_base_model_has_none(file: Path) -> None:
    assert found(file, CHAT + b"tensors")
    assert not found(file, BASE + b"tensors")
    assert found(file, CHAT.replace(struct.pack("<I", 3), struct.pack("<I", 2), 1))


@pytest.mark.parametrize("value", [(STRING, text("")), (U32, struct.pack("<I", 1))])
def test_an_empty_template_or_one_that_is_no_text_is_none(
    file: Path, value: tuple[int, bytes]
) -> None:
    assert not found(file, gguf(pair("tokenizer.chat_template", *value)))


@given(st.integers(0, len(CHAT) - len("{{ messages }}") - 1))
def test_a_file_that_ends_in_its_metadata_is_refused(file: Path, length: int) -> None:
    with pytest.raises(InputError, match="it ends in its metadata; check the file"):
        found(file, CHAT[:length])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"PK\x03\x04" + CHAT[4:], "it begins with b'PK"),
        (gguf(version=1), "version 1;"),
        (b"GGUF" + struct.pack(">IQQ", 3, 0, 0), "version 50331648;"),
        (gguf(keys=HUGE), f"it announces {HUGE} keys"),
        (gguf(struct.pack("<Q", HUGE), keys=1), f"it has a key of {HUGE} bytes"),
        (gguf(pair("a", STRING, struct.pack("<Q", HUGE))), "it ends in its metadata"),
        (gguf(pair("a", ARRAY, struct.pack("<IQ", U64, HUGE))), "it ends in its metadata"),
        (gguf(pair("a", ARRAY, struct.pack("<IQ", STRING, HUGE))), f"announces {HUGE} texts"),
        (gguf(pair("a", ARRAY, struct.pack("<IQ", ARRAY, HUGE))), "a value of the type 9"),
        (gguf(pair("a", 13, b"")), "a value of the type 13"),
    ],
)
def test_numbers_that_cannot_be_are_refused(file: Path, content: bytes, said: str) -> None:
    """Neither memory nor time follows from what a file announces."""
    with pytest.raises(InputError) as caught:
        found(file, content + bytes(64) if "ends" not in said else content)
    assert said in str(caught.value)


def test_texts_are_counted_over_all_arrays(file: Path) -> None:
    """Many arrays of empty texts take no longer than one."""
    half = pair("a", ARRAY, struct.pack("<IQ", STRING, 1 << 21) + bytes(8 << 21))
    with pytest.raises(InputError, match="it announces 6291456 texts"):
        found(file, gguf(half, half, half))


@given(st.binary(max_size=200), st.integers(0, len(CHAT) - 1))
def test_any_bytes_are_read_or_refused(file: Path, noise: bytes, place: int) -> None:
    for content in (noise, gguf(noise, keys=3), CHAT[:place] + noise + CHAT[place + len(noise) :]):
        try:
            assert found(file, content) in (True, False)
        except InputError as error:
            assert "check the file" in str(error)  # noqa: PT017 - both ways are right


def test_a_long_value_is_passed_over(file: Path) -> None:
    long = pair("general.description", STRING, text("x" * 100_000))
    template = pair("tokenizer.chat_template", STRING, text("{{ messages }}"))
    assert found(file, gguf(*COMMON, long, template))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.gguf gave: .*check the path"):
        has_chat_template(tmp_path / "nowhere.gguf")
