"""The texts of a program's parts, as ``llmopt evaluate`` is given them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from llmopt.problems.program.program_problem import ProgramProblem


def part_files(given: Sequence[str]) -> dict[str, Path]:
    """Return the files that ``--part-file NAME=FILE`` names, by part.

    Raises:
        ConfigError: One has another form, or a part is named twice.
    """
    from llmopt.errors import ConfigError

    found: dict[str, Path] = {}
    for one in given:
        name, equals, file = (text.strip() for text in one.partition("="))
        if not (name and equals and file):
            raise ConfigError(
                f"--part-file must be NAME=FILE, got {one!r}; name a part of problem.parts"
            )
        if name in found:
            raise ConfigError(
                f"--part-file must name each part once, got {name!r} twice; leave one out"
            )
        found[name] = Path(file)
    return found


def program_texts(
    problem: ProgramProblem,
    texts: Sequence[str],
    files: Sequence[Path],
    parts: Mapping[str, Path],
) -> Iterator[str]:
    """Yield the solutions that are given, as canonical texts.

    Args:
        problem: The program.
        texts: Solutions as texts: of the one part, or of parts below their headings. Parts that one
            lacks are those of the start.
        files: Such texts in files.
        parts: Files with texts of parts: together one solution, which is compared with the start.

    Raises:
        ConfigError: A text has no heading of a part, or there is no such part.
        DataError: A file cannot be read.
    """
    from llmopt.config.tables import text_of
    from llmopt.core.solution import found_parts, join_parts
    from llmopt.errors import ConfigError

    names = problem.texts.names
    start = problem.texts.split(problem.starts[0])
    for text in (*texts, *(text_of(path) for path in files)):
        if len(names) == 1:
            yield text.strip()
            continue
        found = found_parts(text, names)
        if not isinstance(found, Mapping):
            raise ConfigError(
                f"a solution of several parts must have headings such as === {names[0]} ===, but "
                f"this one {found}; write them, or use --part-file"
            )
        yield join_parts({**start, **found})
    if unknown := [name for name in parts if name not in names]:
        raise ConfigError(
            f"--part-file must name one of the parts {', '.join(names)}, got {unknown[0]!r}; "
            "rename it"
        )
    if parts:
        yield problem.starts[0]
        yield join_parts({**start, **{name: text_of(parts[name]).strip() for name in parts}})
