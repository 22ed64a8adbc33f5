"""Let the links and pictures of README.md lead to a repository, for a package index.

An index shows the README alone, where relative links lead nowhere. Which host has the repository is
known to whoever releases, so it is given here and is in no file:

    python .ci/absolute_links.py https://HOST/OWNER/REPOSITORY TAG

Pictures are taken from ADDRESS/raw/TAG, pages from ADDRESS/blob/TAG. README.md is overwritten.
"""

import re
import sys
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"
LINK = re.compile(r"(!?)(\[[^\]]*\])\((?![a-z]+:|#)([^)\s]+)\)")


def absolute(text: str, address: str, tag: str) -> str:
    """Return a document whose relative links are absolute; code in fences stays as it is."""

    def led(link: re.Match[str]) -> str:
        kind = "raw" if link[1] else "blob"
        return f"{link[1]}{link[2]}({address.rstrip('/')}/{kind}/{tag}/{link[3]})"

    parts = re.split(r"(^```.*?^```$)", text, flags=re.MULTILINE | re.DOTALL)
    return "".join(part if part.startswith("```") else LINK.sub(led, part) for part in parts)


if __name__ == "__main__":
    made = absolute(README.read_text(encoding="utf-8"), *sys.argv[1:])
    README.write_text(made, encoding="utf-8")
