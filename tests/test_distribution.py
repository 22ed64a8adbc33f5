"""What is published: its name, what is in it, and that everybody can build the same files."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from llmopt.errors import DISTRIBUTION, MissingExtraError, install_command

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
BUILT_FROM = ("src", "README.md", "LICENSE", "pyproject.toml")


def built(folder: Path, time: int) -> dict[str, Path]:
    """Build wheel and sdist from a copy whose files all have one time of change."""
    copy = folder / "copy"
    copy.mkdir(parents=True)
    for name in BUILT_FROM:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, copy / name)
    for path in copy.rglob("*"):
        os.utime(path, (time, time))
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(folder), "-t", "wheel"]
    subprocess.run([*command, "-t", "sdist"], cwd=copy, check=True, capture_output=True)
    return {path.suffix: path for path in folder.iterdir() if path.is_file()}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return built(tmp_path_factory.mktemp("built"), 1_700_000_000)


def test_files_that_are_built_again_are_the_same(files: dict[str, Path], tmp_path: Path) -> None:
    again = built(tmp_path / "again", 1_600_000_000)
    assert files.keys() == again.keys() == {".whl", ".gz"}
    for kind, path in files.items():
        assert path.name == again[kind].name
        digests = [hashlib.sha256(one[kind].read_bytes()).hexdigest() for one in (files, again)]
        assert digests[0] == digests[1]


def test_the_wheel_has_every_file_of_the_package(files: dict[str, Path]) -> None:
    """Templates, recipes, bundled data and what pages are made of, too."""
    package = ROOT / "src"
    there = {
        str(path.relative_to(package))
        for path in package.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    with zipfile.ZipFile(files[".whl"]) as wheel:
        assert {name for name in wheel.namelist() if ".dist-info/" not in name} == there


def test_messages_name_what_can_be_installed() -> None:
    """The package index refuses a name that another project has, but for a dash."""
    assert PROJECT["name"] == DISTRIBUTION
    assert DISTRIBUTION.replace("-", "") != "llmopt"
    assert install_command("local") in str(MissingExtraError("a local model", "local"))
    wrong = re.compile(r"pip install (-U )?['\"]?llmopt\b")
    texts = [*ROOT.glob("src/**/*.py"), *ROOT.glob("docs/**/*.md"), ROOT / "README.md"]
    assert [str(p) for p in texts if wrong.search(p.read_text(encoding="utf-8"))] == []
    extras = PROJECT["optional-dependencies"]
    named = {
        extra
        for path in texts
        for extra in re.findall(rf"{DISTRIBUTION}\[([\w,-]+)\]", path.read_text(encoding="utf-8"))
    }
    assert named <= extras.keys()
