"""``python -m llmopt``."""

import sys
from pathlib import Path

if not sys.flags.safe_path and sys.path and Path(sys.path[0]).resolve() == Path.cwd():
    # Python looks in the working directory first for a program that is started so. The command
    # ``llmopt`` does not: a file there would take the place of a library.
    del sys.path[0]

from llmopt.cli import main  # after the path is as it has to be

main()
