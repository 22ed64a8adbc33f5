"""The benchmarks' problems, loaded as their scripts load them: by file, without a package."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from types import ModuleType

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / "benchmarks"
BESIDE = ROOT.parent / "shared" / "data"  # next to the checkout


def script(name: str) -> ModuleType:
    """Return a script of the folder ``benchmarks``, loaded by its file."""
    spec = importlib.util.spec_from_file_location(f"benchmarks_{name}", SCRIPTS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their own module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def problems() -> ModuleType:
    """The module ``benchmarks/problems.py``."""
    return script("problems")


@pytest.fixture(scope="session")
def recipes() -> ModuleType:
    """The module ``benchmarks/recipes.py``."""
    return script("recipes")


@pytest.fixture(scope="session")
def mutations() -> ModuleType:
    """The module ``benchmarks/mutations.py``."""
    return script("mutations")


@pytest.fixture(scope="session")
def trials() -> ModuleType:
    """The module ``benchmarks/trials.py``."""
    return script("trials")


@pytest.fixture(scope="session")
def verification() -> ModuleType:
    """The module ``benchmarks/verification.py``."""
    return script("verification")


@pytest.fixture(scope="session")
def reflections() -> ModuleType:
    """The module ``benchmarks/reflections.py``, which takes a problem from the script beside it."""
    return importing_its_neighbours("reflections")


@pytest.fixture(scope="session")
def demonstrations() -> ModuleType:
    """The module ``benchmarks/demonstrations.py``."""
    return importing_its_neighbours("demonstrations")


@pytest.fixture(scope="session")
def programs() -> ModuleType:
    """The module ``benchmarks/programs.py``."""
    return importing_its_neighbours("programs")


def importing_its_neighbours(name: str) -> ModuleType:
    """Return a script that imports others of the folder by name."""
    sys.path.insert(0, str(SCRIPTS))
    try:
        return script(name)
    finally:
        sys.path.remove(str(SCRIPTS))


@pytest.fixture(scope="session")
def official() -> Path:
    """The folder with the official files of the papers' tasks."""
    folder = Path(os.environ.get("LLMOPT_TEST_DATA", BESIDE))
    if not (folder / "bbh").is_dir() or not (folder / "gsm8k").is_dir():
        pytest.skip("the official data files are not here; name them with LLMOPT_TEST_DATA")
    return folder
