"""SBLLM: faster programs from representative versions, fitting patterns, and steps of thought.

Source: "Search-Based LLMs for Code Optimization" (ICSE 2025, arXiv 2408.12159) and its published
code: three representative programs with their measurements, a similar and a different pattern, and
one request for crossover and mutation in steps of thought; 4 iterations of 4 programs at
temperature 0.7. The paper's text could not be read.

Known deviations, each of them on purpose: right is what passes all tests, and right programs are
ordered by their measured ratio to the original alone; Python is abstracted by Python's own parser,
so that programs that differ in names or constants are found equal; what represents the programs is
chosen from all that were tried, not from a pool of five, and wrong ones from the latest twelve;
versions are shown as programs with their failed tests, without the words of the reply they came
from; the first step asks for as many programs as the others; the base of patterns is optional,
the user's own text and pairs found in the run, where the paper has tens of thousands of training
pairs; a pattern is shown as two programs (``form = "changes"``: the lines that differ, as
published), the second is never the first again, and scores that are all equal value no pattern;
nothing ends the search early by default (``stop = true`` is the published rule); programs are asked
for between marks, and those of the last marks or the last code fence count; the final choice among
candidates is made on tests of its own by the run; all texts are in our own words.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmopt.algorithms.sbllm.material import PatternForm, VersionsAndPatterns
from llmopt.algorithms.sbllm.representatives import OriginalWithVersions, Representatives
from llmopt.algorithms.sbllm.settling import UntilSettled
from llmopt.core.algorithm import Algorithm, method
from llmopt.core.defaults import Following
from llmopt.parts.propose import Generate
from llmopt.parts.rate import Everything
from llmopt.parts.schedule import Constant

if TYPE_CHECKING:
    from llmopt.parts.propose import AnyFamily


@method
def sbllm(
    *,
    shown: int = 3,
    samples: int = 4,
    patterns: str = "",
    pattern_count: int = 2,
    form: PatternForm = "programs",
    own: bool = True,
    stop: bool = False,
    clip: int = 1500,
    temperature: float = 0.7,
    family: AnyFamily = "auto",
    template: str = "",
    max_tokens: int = Following(1024),
) -> Algorithm:
    """Return SBLLM as a row of parts.

    Args:
        shown: Programs that represent all that were tried.
        samples: New programs asked for in a step.
        patterns: Pairs of slow and faster programs as JSON lines with ``slow`` and ``fast``; in a
            configuration, the file that ``patterns_from`` names.
        pattern_count: Patterns shown at most: 0, 1 (like what was tried), or 2 (and one unlike it).
        form: ``programs``: both programs of a pattern; ``changes``: the lines that differ.
        own: Whether pairs found in the run are patterns too.
        stop: Whether nothing more is asked once a step did not change the programs shown, and the
            best of them is right and better than the original.
        clip: Characters of a program of a pattern, and of what is said of a failed test.
        temperature: Of the optimizer LLM.
        family: ``chat``, ``brackets``, ``continuation``, or ``auto`` for what suits the model.
        template: A meta-prompt template of the user's own.
        max_tokens: Of one draw; the default grows with long programs.

    Raises:
        ConfigError: An option is out of its range, or a pattern is no pair.
        TemplateError: The template cannot be used.
    """
    return Algorithm(
        name="sbllm",
        select=OriginalWithVersions(),
        reflect=VersionsAndPatterns(patterns, pattern_count, form, own, stop, clip),
        propose=UntilSettled(
            Generate(
                samples,
                family,
                "sbllm",
                template,
                temperature=Constant(temperature),
                max_tokens=max_tokens,
                refine="generate",
                last=True,
            )
        ),
        rate=Everything(),
        keep=Representatives(shown),
    )
