"""ABO-style behaviour steps: our reconstruction, not the published ABO.

Source: docs/papers/abo.md, whose statements are of three kinds. Layer A, the abstract of arXiv
2402.02101: optimizer LLMs misjudge the causes of errors, one refinement often fails, and the
behaviour of the target model should be optimized directly. Layer B, secondary and unverified:
behaviour steps, a demonstration in which each is carried out, refinement from error cases. Layer C,
ours alone: everything that this module and its parts do in detail. docs/abo.md has the list.

Known deviations from layer C as written down there, each of them on purpose: pool, work and dev
items are shares of train, and nothing else is looked at; rounds, patience and the stop at a perfect
score are the run's own keys; where no demonstration can be verified in the first round, that round
is refused with its reason and done again; answers are read by the problem's own metric; a round of
which no candidate was measured blocks no step.
"""

from __future__ import annotations

from llmopt.algorithms.abo.demonstrate import Demonstrate
from llmopt.algorithms.abo.diagnose import Diagnose
from llmopt.algorithms.abo.rewrite import Behave
from llmopt.algorithms.abo.rounds import (
    Accept,
    Accepted,
    OnDev,
    Shares,
)
from llmopt.algorithms.abo.traces import Wording
from llmopt.core.algorithm import Algorithm, method
from llmopt.parts.select import Lineages


@method
def abo(
    *,
    batch: int = 16,
    diagnosed: int = 8,
    candidates: int = 4,
    max_steps: int = 8,
    exemplars: int = 3,
    initial_steps: str = "",
    use_demo: bool = True,
    demo_pool: int = 5,
    demo_retries: int = 10,
    dev: float = 0.5,
    accept: Accept = "not_worse",
    temperature: float = 1.0,
    max_tokens: int = 1024,
    target_template: str = "",
    write_template: str = "",
    diagnose_template: str = "",
    findings_template: str = "",
    rewrite_template: str = "",
    demonstrate_template: str = "",
) -> Algorithm:
    """Return ABO-style behaviour steps (layer C: ours) as a row of parts.

    Args:
        batch: Work items on which failures of the current steps are looked for in a step.
        diagnosed: How many failures are looked into at most.
        candidates: Rewritings of the voted step.
        max_steps: Most behaviour steps of an instruction.
        exemplars: Work items shown when the first behaviour steps are written.
        initial_steps: First behaviour steps, one on each line; empty: they are written.
        use_demo: Whether instructions have a verified demonstration (if not: the ablation).
        demo_pool: Training items that are kept for demonstrations.
        demo_retries: Demonstrations asked for, for each candidate, before it is refused.
        dev: Share of the other training items that candidates are measured on.
        accept: Which rewriting becomes current: ``not_worse`` on dev, better (``strict``), or the
            best of the step ``always``.
        temperature: Of the optimizer LLM when it writes or rewrites steps.
        max_tokens: Of one reply of the optimizer LLM.
        target_template: The user's own words of the instruction; empty: those that ship.
        write_template: Likewise of the request for the first steps.
        diagnose_template: Likewise of the request for the first step that deviates.
        findings_template: Likewise of what the diagnoses found.
        rewrite_template: Likewise of the request for a step's rewriting.
        demonstrate_template: Likewise of the request for a demonstration.

    Raises:
        ConfigError: An option is out of its range.
        TemplateError: A template cannot be used.
    """
    shares = Shares(demo_pool, dev)
    shown = Wording("demonstrate", demonstrate_template)
    asking, telling = Wording("diagnose", diagnose_template), Wording("findings", findings_template)
    return Algorithm(
        name="abo",
        select=Lineages(1),
        reflect=Diagnose(shares, batch, diagnosed, asking, telling, max_tokens),
        propose=Behave(
            shares=shares,
            samples=candidates,
            max_steps=max_steps,
            exemplars=exemplars,
            initial=tuple(initial_steps.strip().splitlines()),
            demonstrate=Demonstrate(shares, demo_retries, shown, max_tokens) if use_demo else None,
            target=Wording("target", target_template),
            writing=Wording("write", write_template),
            rewriting=Wording("rewrite", rewrite_template),
            temperature=temperature,
            max_tokens=max_tokens,
        ),
        rate=OnDev(shares),
        keep=Accepted(accept),
    )
