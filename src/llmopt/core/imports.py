"""Imports what a user names as ``package.module:name``, by one rule everywhere.

A module is looked for where Python looks, and then in the working directory, which is on no
``sys.path`` for it: a file there never takes the place of a library, of Python's or of ours,
whoever imports it. What the module imports, now or when its functions are called, is found in
that directory too, after everything else. A name that both have is refused, and what was imported
from one directory is set aside while another one is worked in, so two files of one name are never
taken for each other.
"""

from __future__ import annotations

import importlib
import sys
import threading
from contextlib import contextmanager
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
    except (Exception, SystemExit) as error:  # a script may end itself where it is imported
        raise ConfigError(
            f"{what} is package.module:name, but {name!r} cannot be imported: "
            f"{type(error).__name__}: {error}; start in the folder of its module, or put that "
            "folder into PYTHONPATH"
        ) from error
    return found


@contextmanager
def looking_in(folder: Path) -> Iterator[Path]:
    """Let modules of a folder be found after all others, and note which are imported meanwhile.

    Yields:
        The folder without symbolic links.
    """
    folder = folder.resolve()
    with _lock:
        _own.turn_to(folder)
        before = sys.modules.keys() | set()
        importlib.invalidate_caches()  # a file may have been written a moment ago
        try:
            yield folder
        finally:
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
    """Refuse a module of the folder when there is another one of its name.

    To take the other would be a surprise, and to replace it would break whoever uses it.
    """
    spec = None if top == "__main__" else PathFinder.find_spec(top, [str(folder)])
    if spec is None or spec.origin is None:
        return
    loaded = sys.modules.get(top)
    if loaded is not None:
        other = None if _folder_of(loaded) == folder else _place_of(loaded)
    else:
        other = _elsewhere(top, folder)
    if other is not None:
        raise ConfigError(
            f"a module has a name of its own, but {top!r} is {spec.origin} as well as {other}; "
            "rename the file, or start in another folder"
        )


def _elsewhere(top: str, folder: Path) -> str | None:
    """Return where Python has a module that is not imported yet, outside of the folder."""
    if top in sys.builtin_module_names:
        return "Python itself"
    others = [path for path in sys.path if Path(path).resolve() != folder]
    spec = PathFinder.find_spec(top, others)
    return None if spec is None else spec.origin  # a folder without code hides no module


def _place_of(module: ModuleType) -> str:
    return getattr(module, "__file__", None) or "Python itself"


def _folder_of(module: ModuleType) -> Path | None:
    """Return the folder in which a module or package lies."""
    place = next(iter(getattr(module, "__path__", ())), None) or getattr(module, "__file__", None)
    return Path(place).resolve().parent if isinstance(place, str) else None
