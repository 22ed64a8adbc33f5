"""What a command is doing right now: a live view on a terminal or in a notebook, or plain lines.

Everything goes to standard error, so that standard output stays for results. Model output is
shown as escaped text: never as markup, never with control characters.
"""

from llmopt.report.progress.stream import say
from llmopt.report.progress.view import View
from llmopt.report.progress.waiting import Doing, Download

__all__ = ["Doing", "Download", "View", "say"]
