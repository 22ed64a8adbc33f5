"""An evaluation under a gate as JUnit XML, which CI servers show as test results."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from llmopt.core.text import one_line, visible
from llmopt.evidence.gate import broken, examined

if TYPE_CHECKING:
    from llmopt.evidence.comparison import Comparison, Differing
    from llmopt.evidence.gate import GateCheck, GateResult

_LONGEST = 4000  # characters of an input or an answer; the run has all of them


def junit(found: Comparison, gate: GateResult) -> str:
    """Return an XML document: a suite of the gate's conditions, and one of items an instruction.

    An item is a failure where it is worse than with the first instruction *and* the gate fails
    for that instruction: a gate that passes has a green report, though some items always change.
    There, such an item is marked as skipped, with the same details. An item without a score is an
    error only if the gate fails, for the same reason.

    Args:
        found: The evaluation.
        gate: What the gate said of it.
    """
    root = Element("testsuites", name="llmopt evaluate")
    _conditions(root, found, gate)
    for number, _ in examined(found):
        failed = any(not check.passed for check in gate.checks if check.instruction == number)
        _items(root, found, number, failed=failed)
    indent(root)
    return tostring(root, "unicode", xml_declaration=False) + "\n"


def _conditions(root: Element, found: Comparison, gate: GateResult) -> None:
    suite = SubElement(root, "testsuite", name="gate")
    for check in gate.checks:
        name = f"[{check.instruction}] must be {check.condition}"
        case = SubElement(suite, "testcase", classname="gate", name=_xml(name))
        if not check.passed:
            failure = SubElement(case, "failure", message=_xml(check.found))
            failure.text = _xml(_summary(found, check))
    _counted(suite)


def _items(root: Element, found: Comparison, number: int, *, failed: bool) -> None:
    row = found.rows[number - 1]
    suite = SubElement(root, "testsuite", name=f"items of [{number}]")
    worse = {item.item: item for item in broken(found, number)}
    scores: dict[str, list[float | None]] = {}
    for outcome in row.outcomes:
        scores.setdefault(outcome.item, []).append(outcome.score)
    for name, of_item in scores.items():
        case = SubElement(suite, "testcase", classname=f"instruction {number}", name=_xml(name))
        if name in worse:
            kind = "failure" if failed else "skipped"
            said = _what_broke(worse[name], number, found)
            SubElement(case, kind, message=_xml(said.splitlines()[0])).text = _xml(said)
        elif all(score is None for score in of_item):
            kind = "error" if failed else "skipped"
            SubElement(case, kind, message="it could not be measured")
    _counted(suite)


def _counted(suite: Element) -> None:
    """Write the counts that readers of the format expect at a suite."""
    suite.set("tests", str(len(suite)))
    for kind, plural in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
        suite.set(plural, str(len(suite.findall(f"testcase/{kind}"))))


def _summary(found: Comparison, check: GateCheck) -> str:
    items = broken(found, check.instruction)
    lines = [found.verdict, f"{len(items)} items are worse than with [1]." if items else ""]
    lines += [f"{item.item}: {one_line(item.input, 200)}" for item in items]
    return "\n".join(line for line in lines if line)


def _what_broke(item: Differing, number: int, found: Comparison) -> str:
    at, shown = number - 1, found.shown
    scores = [item.scores[0], item.scores[at]]
    before, after = ("-" if score is None else shown.amount(score) for score in scores)
    return "\n".join(
        (
            f"{after}, and {before} with [1]",
            f"input: {item.input[:_LONGEST]}",
            f"expected: {item.target[:_LONGEST]}",
            f"answer of [1]: {_answer(item.answers[0])}",
            f"answer of [{number}]: {_answer(item.answers[at])}",
        )
    )


def _answer(text: str | None) -> str:
    return "(none could be read)" if text is None else text[:_LONGEST]


def _xml(text: str) -> str:
    """Return a text in the characters that XML has."""
    return "".join(c for c in visible(text) if c not in "\ufffe\uffff")
