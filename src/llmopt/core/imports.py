"""Imports what a user names as ``package.module:name``, by one rule everywhere.

A module is looked for in the working directory first, and then where Python looks; ``sys.path``
is afterwards what it was. What the module imports later, when its functions are called, is found
in that directory too, after everything else. What was imported from one directory is set aside
while another one is worked in, so two files of one name are never taken for each other.
"""

from __future__ import annotations

import importlib
import sys
import threading
from contextlib import contextmanager, suppress
from importlib.abc import MetaPathFinder
from importlib.machinery import PathFinder
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmopt.errors import ConfigError, LlmoptError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType


def imported(name: str, what: str) -> Any:
    """Return what stands at ``package.module:name``; the name may have dots, as ``Class.method``.

    Args:
        name: What the user wrote.
        what: What it is to be, for messages: "a metric".

    Raises:
        ConfigError: It is written otherwise, there is none, or its module fails.
    """
    module, colon, attribute = str(name).partition(":")
    if not (module and colon and attribute):
        raise ConfigError(
            f"{what} is written package.module:name, but got {name!r}; name a module that Python "
            "can import, and what it holds"
        )
    try:
        with looking_in(Path.cwd()) as folder:
            _check_one_of_its_name(module.partition(".")[0], folder)
            found: Any = importlib.import_module(module)
            for part in attribute.split("."):
                found = getattr(found, part)
    except LlmoptError:
        raise
    except Exception as error:
        raise ConfigError(
            f"{what} is package.module:name, but {name!r} cannot be imported: "
            f"{type(error).__name__}: {error}; start in the folder of its module, or put that "
            "folder into PYTHONPATH"
        ) from error
    return found


@contextmanager
def looking_in(folder: Path) -> Iterator[Path]:
    """Let modules of a folder be found before all others while the context lasts.

    Yields:
        The folder without symbolic links.
    """
    folder = folder.resolve()
    with _lock:
        _own.turn_to(folder)
        before = sys.modules.keys() | set()
        importlib.invalidate_caches()  # a file may have been written a moment ago
        sys.path.insert(0, str(folder))
        try:
            yield folder
        finally:
            with suppress(ValueError):  # the module may have changed the path itself
                sys.path.remove(str(folder))
            _own.note(sys.modules.keys() - before)


def folder_looked_in() -> Path | None:
    """Return the folder that was imported from last; another process has to look there too."""
    return _own.folder


class _Own(MetaPathFinder):
    """The modules that were imported from the folder looked in last, and those set aside.

    As Python's last resort it finds what these modules import when their functions are called.
    """

    def __init__(self) -> None:
        self.folder: Path | None = None
        self._tops: set[str] = set()  # names without a dot
        self._aside: dict[Path, dict[str, ModuleType]] = {}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return where the folder has a module; what is inside of a package, that knows."""
        del target
        if path is not None or self.folder is None:
            return None
        found = PathFinder.find_spec(fullname, [str(self.folder)])
        if found is not None:
            self._tops.add(fullname)
        return found

    def turn_to(self, folder: Path) -> None:
        """Set the modules of the last folder aside, and take those of this one up again."""
        if self not in sys.meta_path:
            sys.meta_path.append(self)
        if folder == self.folder:
            return
        if self.folder is not None:
            names = [name for name in sys.modules if name.partition(".")[0] in self._tops]
            self._aside[self.folder] = {name: sys.modules.pop(name) for name in names}
        back = self._aside.pop(folder, {})
        for name, module in back.items():
            sys.modules.setdefault(name, module)
        self.folder, self._tops = folder, {name for name in back if "." not in name}

    def note(self, names: set[str]) -> None:
        """Note which of the modules that are new lie in the folder itself."""
        for name in names:
            module = sys.modules.get(name)
            if module is not None and "." not in name and _folder_of(module) == self.folder:
                self._tops.add(name)


_lock = threading.RLock()
_own = _Own()


def _check_one_of_its_name(top: str, folder: Path) -> None:
    """Refuse a module of the folder when another one of its name was imported by other means.

    To replace that one would break whoever uses it.
    """
    loaded = sys.modules.get(top)
    spec = None if loaded is None or top == "__main__" else PathFinder.find_spec(top, [str(folder)])
    if loaded is None or spec is None or spec.origin is None:
        return
    if _folder_of(loaded) != folder:
        there = getattr(loaded, "__file__", None) or "Python itself"
        raise ConfigError(
            f"a module has a name of its own, but {top!r} is {spec.origin} as well as {there}, "
            "which is in use; rename the file, or start in another folder"
        )


def _folder_of(module: ModuleType) -> Path | None:
    """Return the folder in which a module or package lies."""
    place = next(iter(getattr(module, "__path__", ())), None) or getattr(module, "__file__", None)
    return Path(place).resolve().parent if isinstance(place, str) else None
