"""What a reasoning model thought, told apart from what it said, in the marks that are in use."""

from __future__ import annotations

import re

_WORDS = (
    r"think(?:ing)?(?:[_ ]process)?|thoughts?(?:[_ ]process)?|reason(?:ing)?|reflect(?:ion)?"
    r"|scratch[_-]?pad|(?:inner[_ ])?monologue|chain[_-]of[_-]thought|analysis|antthinking"
)
# One group per way of writing a mark; what closes has a slash or is the other word of its pair.
_MARK = re.compile(
    rf"<(?P<slash>/?)(?:[\w-]+:)?(?P<word>{_WORDS})(?:\s[^<>]{{0,200}})?(?<!/)>"
    r"|\[(?P<bar>/?)think(?:ing)?\]"
    r"|[◁◀](?P<wedge>/?)think(?:ing)?[▷▶]"
    r"|<\|(?P<pair>begin_of_thought|end_of_thought|start_thinking|end_thinking)\|>"
    r"|<\|(?P<pipe>/?)(?:think(?:ing)?|thought)\|>"
    r"|(?P<gemma><\|channel>|<channel\|>)"
    r"|<(?P<unused>unused9[45])>"
    r"|<details\s[^<>]{0,200}type=[\"']?reasoning[^<>]{0,200}>|(?P<folded></details>)",
    re.IGNORECASE,
)
_CLOSES = ("/", "end_of_thought", "end_thinking", "<channel|>", "unused95", "</details>")
# The channels of harmony: "<|channel|>analysis<|message|>…<|end|>…<|channel|>final<|message|>…".
_FINAL = re.compile(
    r"<\|channel\|>\s*final\b[^<]{0,80}(?:<\|constrain\|>[^<]{0,80})?(?:<\|message\|>|\n)"
)
_TURN_END = re.compile(r"<\|(?:end|return|call|start|channel)\|>")
# The same where a server dropped the special tokens.
_BARE_FINAL = re.compile(r"\s*analysis(?=[A-Z\W]).*assistantfinal", re.DOTALL)
_BARE_ANALYSIS = re.compile(r"\s*analysis(?=[A-Z])")


def spoken(output: str) -> str:
    """Return what a model said besides its thoughts; thoughts without end say nothing.

    That is what follows the last thought, or where nothing does, what stands outside of all.
    A mark that closes a thought nobody opened closes one that began with the text. Read are
    ``<think>`` and its relatives (``<thinking>``, ``<thought>``, ``<reasoning>``,
    ``<reflection>``, ``<seed:think>`` …), ``[THINK]``, ``◁think▷``, ``<|begin_of_thought|>``,
    ``<|START_THINKING|>``, and the channels of harmony, of which the last final one counts.
    """
    if "<|channel|>" in output:
        return _channels(output)
    if output.lstrip()[:8] == "analysis":
        final = _BARE_FINAL.match(output)
        if final:
            return output[final.end() :]
        return "" if _BARE_ANALYSIS.match(output) else output
    if not ("<" in output or "[" in output or "◁" in output or "◀" in output):
        return output
    return _outside(output)


def marks_thoughts(text: str) -> bool:
    """Say whether a text holds a mark of thoughts."""
    return "<|channel|>" in text or _MARK.search(text) is not None


def _channels(output: str) -> str:
    finals = list(_FINAL.finditer(output))
    if not finals:
        return ""
    begin = finals[-1].end()
    end = _TURN_END.search(output, begin)
    return output[begin : end.start()] if end else output[begin:]


def _outside(output: str) -> str:
    """Return what stands outside of thoughts that are marked by a beginning and an end."""
    opened: list[str] = []
    parts: list[str] = []
    at = 0
    for match in _MARK.finditer(output):
        kind = _kind(match)
        if not _closing(match):
            if not opened:
                parts.append(output[at : match.start()])
            if kind not in opened:  # a template and the model may open the same thought
                opened.append(kind)
        elif kind in opened:
            del opened[opened.index(kind) :]
        elif match["folded"]:
            continue
        elif opened:
            opened.clear()
        else:
            parts.clear()
        at = match.end()
    if opened:
        return "".join(parts)
    behind = output[at:]
    return behind if behind.strip() or not parts else "".join(parts)


def _kind(match: re.Match[str]) -> str:
    return (match["word"] or match.lastgroup or "folded").lower()


def _closing(match: re.Match[str]) -> bool:
    """Say whether a mark ends a thought."""
    said = next((part for name, part in match.groupdict().items() if part and name != "word"), "")
    return said.lower() in _CLOSES
