"""Run configurations that ship with the package."""

from __future__ import annotations

from pathlib import Path

from llmopt.errors import ConfigError, nearest

FOLDER = Path(__file__).parent


def recipes() -> tuple[str, ...]:
    """Return the names of the recipes."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.toml")))


def recipe_or_file(name: str) -> Path:
    """Return the configuration that a user named: a file, or a recipe.

    Raises:
        ConfigError: There is neither.
    """
    path = Path(name)
    if path.is_file():
        return path
    if name in recipes():
        return FOLDER / f"{name}.toml"
    raise ConfigError(
        f"a configuration is a TOML file or a recipe ({', '.join(recipes())}), but got {name!r}, "
        f"which is neither{nearest(name, recipes())}; llmopt init writes one to start from"
    )
