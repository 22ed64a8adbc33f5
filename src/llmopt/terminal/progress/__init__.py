"""What a command is doing right now: a live view on a terminal or in a notebook, or plain lines.

Everything goes to standard error, so that standard output stays for results. Model output is
shown as escaped text: never as markup, never with control characters.
"""

from llmopt.terminal.progress.live import View
from llmopt.terminal.progress.stream import say
from llmopt.terminal.progress.waiting import Doing, Download

__all__ = ["Doing", "Download", "View", "say"]
