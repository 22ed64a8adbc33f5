"""A refusal names the key of the configuration that helps."""

from __future__ import annotations

import pytest

from llmopt.models.providers.remedies import remedy_of

REASONING = 'set scorer.dialect = "reasoning"'
ONE = 'set scorer.temperature = 1, or scorer.dialect = "reasoning", which sends none'


@pytest.mark.parametrize(
    ("words", "remedy"),
    [
        (
            (
                "Unsupported parameter: 'max_tokens' is not supported with this model. Use "
                "'max_completion_tokens' instead."
            ),
            REASONING,
        ),
        (
            (
                "Unsupported value: 'temperature' does not support 0 with this model. Only the "
                "default (1) value is supported."
            ),
            ONE,
        ),
        ("invalid temperature: only 1 is allowed for this model", ONE),
        ("only temperature 1 is supported", ONE),
        ("`temperature` is deprecated for this model.", ONE),
        ("temperature must be 1", ONE),
        (
            "Unsupported parameter: 'stop' is not supported with this model.",
            f"{REASONING}, which sends no stop texts",
        ),
        (
            "parameter.enable_thinking must be set to false for non-streaming calls",
            "set scorer.extra = { enable_thinking = false }",
        ),
        ("'thinking_budget' should be 1024.", "set scorer.extra = { thinking_budget = 1024 }"),
        ("reasoning_effort must be set to 'low'", 'set scorer.reasoning_effort = "low"'),
        ("top_p must be 0.95", "set scorer.top_p = 0.95"),
        ("Missing required parameter: 'safe_mode'", 'set scorer.extra = { safe_mode = "VALUE" }'),
        ("This model only support stream mode, please enable stream", "set scorer.stream = true"),
        ("Stream must be set to true", "set scorer.stream = true"),
        ("parameter.enable_thinking only support stream", "set scorer.stream = true"),
        ("Streaming is required for long operations", "set scorer.stream = true"),
        ("non-streaming calls are not supported, use stream=true", "set scorer.stream = true"),
        ("the role 'developer' is unknown", 'set scorer.dialect = "plain"'),
        ("missing header x-tenant", 'send it with scorer.headers = { "NAME" = "VALUE" }'),
        ("bad request", "scorer.extra, scorer.headers and scorer.dialect change what is sent"),
        ("This model's maximum context length is 4096 tokens", ""),
        ("The model `m` does not exist", ""),
    ],
)
def test_a_refusal_names_the_key_that_helps(words: str, remedy: str) -> None:
    """In the words of the hosts that refuse."""
    said = remedy_of(400, words, "scorer")
    assert said == remedy


def test_the_key_is_one_of_who_asked() -> None:
    """Each role has its table, and the optimizer LLM may have the scorer's."""
    words = "Use 'max_completion_tokens' instead"
    assert remedy_of(400, words, "judge") == 'set judge.dialect = "reasoning"'
    said = remedy_of(400, words, "optimizer")
    assert said.startswith('set optimizer.dialect = "reasoning"')
    assert "[scorer]" in said
    assert remedy_of(400, "only temperature 1", "optimizer").startswith(
        "set algorithm.temperature = 1"
    )


@pytest.mark.parametrize("status", [401, 403, 429, 500])
def test_other_failures_have_other_reasons(status: int) -> None:
    """A wrong key is not mended by a field."""
    assert not remedy_of(status, "max_completion_tokens", "scorer")
