"""GGUF headers, made by hand."""

from __future__ import annotations

import struct

U32, F32, BOOL, STRING, ARRAY, U64 = 4, 6, 7, 8, 9, 10


def text(value: str | bytes) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return struct.pack("<Q", len(data)) + data


def pair(key: str, kind: int, value: bytes) -> bytes:
    return text(key) + struct.pack("<I", kind) + value


def texts(*values: str) -> bytes:
    return struct.pack("<IQ", STRING, len(values)) + b"".join(map(text, values))


def gguf(*pairs: bytes, version: int = 3, keys: int | None = None) -> bytes:
    count = len(pairs) if keys is None else keys
    return b"GGUF" + struct.pack("<IQQ", version, 0, count) + b"".join(pairs)


COMMON = (
    pair("general.architecture", STRING, text("llama")),
    pair("llama.context_length", U32, struct.pack("<I", 2048)),
    pair("tokenizer.ggml.tokens", ARRAY, texts("<s>", "</s>", "a")),
    pair("tokenizer.ggml.scores", ARRAY, struct.pack("<IQ3f", F32, 3, 0, 0, 1)),
    pair("tokenizer.ggml.add_bos_token", BOOL, b"\x01"),
)
BASE = gguf(*COMMON)
CHAT = gguf(*COMMON, pair("tokenizer.chat_template", STRING, text("{{ messages }}")))
