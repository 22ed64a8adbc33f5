"""A call that is too long is refused alone, in the words of every provider."""

from __future__ import annotations

import pytest

from llmopt.errors import BadCallError, ModelError, RefusedError
from llmopt.models.providers.http_errors import Redactor, fault_of_status


def fault(status: int, said: str, code: str = "") -> ModelError:
    body = {"error": {"message": said, "code": code}}
    return fault_of_status("the endpoint", status, body, {}, Redactor())


TOO_LONG = [
    (400, "This model's maximum context length is 4096 tokens.", "context_length_exceeded"),
    (400, "Input exceeds the context window.", "context_length_exceeded"),
    (400, "anything", "string_above_max_length"),
    (400, "prompt is too long: 215000 tokens > 200000 maximum", ""),
    (413, "Request exceeds the maximum size", "request_too_large"),
    (400, "The input token count (1200000) exceeds the maximum number of tokens allowed (1).", ""),
    (400, "Input is too long for requested model.", ""),
    (400, "Prompt contains 40000 tokens and is too large for model with 32768 maximum", ""),
    (400, "too many tokens: size limit exceeded by 300 tokens.", ""),
    (413, "Request too large for model `m` on tokens per minute (TPM): Limit 6000", ""),
    (429, "Request too large for gpt-4 on tokens per min (TPM): Limit 10, Requested 20.", ""),
    (400, "the request exceeds the available context size, try increasing it", ""),
    (500, "the request exceeds the available context size", "exceed_context_size_error"),
    (400, "Requested tokens (600) exceed context window of 512", ""),
    (422, "`inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000", ""),
    (400, "This endpoint's maximum context length is 32768 tokens.", ""),
    (400, "The prompt (total length 9000) is too long to fit into the model (8192)", ""),
    (400, "Please reduce the length of the messages or completion.", ""),
    (400, "The input (5000 tokens) is longer than the model's context length (4096 tokens).", ""),
    (413, "Request Entity Too Large", ""),
]

OTHER = [
    (400, "Unsupported value: 'temperature' does not support 0", "unsupported_value"),
    (400, "max_tokens is too large: 100000", "invalid_value"),
    (401, "Incorrect API key provided", "invalid_api_key"),
    (404, "The model `m` does not exist", "model_not_found"),
    (429, "Rate limit reached for requests", "rate_limit_exceeded"),
    (429, "You exceeded your current quota", "insufficient_quota"),
    (500, "The server had an error", ""),
    (504, "The request took too long", ""),
]


@pytest.mark.parametrize(("status", "said", "code"), TOO_LONG)
def test_a_call_that_is_too_long_is_known(status: int, said: str, code: str) -> None:
    assert isinstance(fault(status, said, code), BadCallError)


@pytest.mark.parametrize(("status", "said", "code"), OTHER)
def test_what_concerns_all_calls_is_not_taken_for_it(status: int, said: str, code: str) -> None:
    assert not isinstance(fault(status, said, code), BadCallError)


def test_it_is_refused_like_others_that_never_succeed() -> None:
    assert issubclass(BadCallError, RefusedError)
