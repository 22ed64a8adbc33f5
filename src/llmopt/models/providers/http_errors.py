"""What can go wrong at a provider, as one translation table into the house's errors."""

from __future__ import annotations

import re
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from llmopt.errors import (
    BadCallError,
    ModelError,
    RateLimitError,
    RefusedError,
    TransientError,
    WithheldError,
)
from llmopt.models.secrets import MARK, fit_for_messages, forms_of

if TYPE_CHECKING:
    from collections.abc import Mapping

_LONGEST = 300  # characters of a provider's own words that a message repeats
_READ = 5_000  # characters of them, at both ends, that decide what they mean
_TRANSIENT = frozenset({408, 409, 425, 429})
_TOO_MANY = 429
_PAYMENT = 402
# Codes of what a filter found in one prompt; other prompts are answered.
_FILTERED = ("content_filter", "content_policy_violation")
_SERVER = 500
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")
# Codes and types of an account that pays for nothing more until a person acts, as OpenAI,
# Anthropic, Moonshot and a LiteLLM proxy name them. A limit that ends by itself is not among
# them: Gemini's RESOURCE_EXHAUSTED, a limit per minute or day, is asked again.
_EXHAUSTED = (
    "insufficient_quota",
    "credit_balance_exhausted",
    "organization_spend_limit_exceeded",
    "project_spend_limit_exceeded",
    "organization_usage_limit_exceeded",
    "billing_hard_limit_reached",
    "billing_error",
    "enforced_spend_limit_reached",
    "exceeded_current_quota_error",
    "budget_exceeded",
)
# The same in the words of hosts whose status and code say less.
_EXHAUSTED_WORDS = (
    "billing hard limit has been reached",  # OpenAI, 400
    "credit balance is too low",  # Anthropic, 400
    "you have reached your specified",  # Anthropic, 400: a limit of the account or workspace
    "used all available credits",  # xAI, 403 and 429
    "run out of credits",  # xAI, 403
    "doesn't have any credits",  # xAI, 403
    "due to reaching the monthly spending limit",  # Fireworks, 412
    "prepayment credits are depleted",  # Gemini, 429 before it was 402
    "insufficient balance",  # Moonshot, 429
    "budget has been exceeded",  # a LiteLLM proxy, 400 and 429
)
# Statuses that are about what a call holds: bad request, too large, cannot be processed.
_BAD_CALL = frozenset({400, 413, 414, 422})
_SHORTER = "this call alone is refused: shorten its text, or take a model with a larger context"
# A call that is too long, as OpenAI, Anthropic, Gemini, Bedrock, Mistral, Cohere, Groq, vLLM,
# SGLang, TGI, llama.cpp, LM Studio and OpenRouter name it, by code or in their words.
_TOO_LONG_CODES = (
    "context_length_exceeded",
    "string_above_max_length",
    "exceed_context_size",
    "model_context_window_exceeded",
    "request_too_large",
)
_TOO_LONG = re.compile(
    r"(?:maximum|max(?:imum)? allowed|model'?s|available|total) (?:\w+ )?context "
    r"(?:length|size|window)"
    r"|context (?:length|size|window) (?:is |of |was )?(?:exceed|overflow|only|limit)"
    r"|exceeds? (?:the |this model'?s? |its )?(?:\w+ ){0,3}"
    r"(?:context|maximum number of (?:input )?tokens"
    r"|(?:maximum|max) (?:input |prompt |sequence |model |total )?(?:length|tokens?))"
    r"|(?:prompt|input|request|message|text|payload|body|sequence) (?:\([^)]*\) )?(?:\w+ ){0,4}?"
    r"(?:is |are )?too (?:long|large)\b"
    r"|too many (?:input |prompt |total )?tokens"
    r"|(?:string|request entity) too (?:long|large)"
    r"|longer than the (?:model'?s? )?(?:maximum |max )?(?:context|input|sequence)"
    r"|tokens? \+ `?max_new_tokens`? must be <="
    r"|reduce the length of (?:the|your) (?:messages|prompt|input)",
    re.IGNORECASE,
)
_REMEDIES = {
    400: "check the model's name and the parameters it accepts",
    401: "check the key, and that it belongs to this endpoint",
    403: "check what the key is allowed to use",
    404: "check the model's name and the base URL",
}


@dataclass(frozen=True)
class Redactor:
    """Makes a provider's words fit for a message: one short line without secrets.

    Attributes:
        secrets: Texts that must not be shown, in any of the forms in which servers echo them,
            beside those in use anywhere in this process.
    """

    secrets: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Redactor({len(self.secrets)} secrets)"

    def __call__(self, text: str) -> str:
        """Return `text` on one line, without secrets and control characters, shortened."""
        # Secrets go first: shortening or joining lines could leave a recognisable part.
        for secret in self.secrets:
            for form in forms_of(secret):
                text = text.replace(form, MARK)
        text = fit_for_messages(_CONTROL.sub(" ", fit_for_messages(text)))
        text = " ".join(text.split())
        return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def fault_of_status(
    where: str, status: int, body: Any, headers: Mapping[str, str], redact: Redactor
) -> ModelError:
    """Return the error that an HTTP status and its body stand for.

    Args:
        where: The endpoint as a person may read it.
        status: The HTTP status, or the status that a body names as its ``error.code``.
        body: The decoded JSON, or the text where it was none.
        headers: The reply's headers, for ``Retry-After``.
        redact: Takes secrets out of the provider's words.

    Returns:
        A `TransientError` for what may pass, a `WithheldError` where a filter stopped this call
        alone, a `BadCallError` where it is too long, otherwise a `RefusedError` with a remedy.
    """
    words, code = words_of(body)
    said = redact(words) or "no explanation"
    if len(words) > 2 * _READ:
        words = f"{words[:_READ]} {words[-_READ:]}"
    code = code[:_READ]
    wait = retry_after(headers)
    if _is_exhausted(status, code, words, wait):
        return RefusedError(
            f"{where} has no quota left for this account (status {status}) and said: {said}; "
            "add credit or raise the account's limit, then start again, or resume what is stored"
        )
    message = f"{where} answered with status {status} and said: {said}"
    if any(word in code for word in _FILTERED):
        return WithheldError(message)
    if _is_too_long(status, code, words):
        return BadCallError(f"{message}; {_SHORTER}")
    if status in (_TOO_MANY, _PAYMENT):
        return RateLimitError(message, wait)
    if status in _TRANSIENT or status >= _SERVER:
        return TransientError(message, wait)
    remedy = _REMEDIES.get(status, "check the base URL, the model's name and the configuration")
    return RefusedError(f"{message}; {remedy}")


def is_bad_call(status: int) -> bool:
    """Return whether a status speaks of one call, where an endpoint answers others."""
    return status in _BAD_CALL


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds a provider asked to wait (0 or more), or None where it said nothing.

    Understands ``retry-after-ms``, ``Retry-After`` in seconds, and ``Retry-After`` as a date,
    which is compared with the provider's own ``Date``, so that clocks may differ.
    """
    lower = {name.lower(): value.strip() for name, value in headers.items()}
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        text = lower.get(name, "")
        if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", text):
            return float(text) / unit
    try:
        then = parsedate_to_datetime(lower.get("retry-after", ""))
        now = parsedate_to_datetime(lower.get("date", ""))
        return max(0.0, (then - now).total_seconds())
    except (TypeError, ValueError, OverflowError):  # none, absent, or only one has a zone
        return None


def _is_exhausted(status: int, code: str, words: str, wait: float | None) -> bool:
    """Return whether a failure says that the account pays for nothing more."""
    if status >= _SERVER:
        return False
    if status == _PAYMENT:
        # OpenRouter asks to wait where calls in flight, not those paid, fill what a balance allows.
        return wait is None
    words = words.lower()
    return any(each in code for each in _EXHAUSTED) or any(
        each in words for each in _EXHAUSTED_WORDS
    )


def _is_too_long(status: int, code: str, words: str) -> bool:
    """Return whether a failure says that this call is longer than the model, or a limit, takes."""
    if any(each in code for each in _TOO_LONG_CODES):
        return True
    if status == _TOO_MANY:  # OpenAI: larger than what a minute allows, however long one waits
        return words.startswith("Request too large")
    found = _TOO_LONG.search(words)
    # A busy server may say that something took too long; one that names the context is at fault
    # with its status alone.
    if found is None or status in _BAD_CALL:
        return found is not None
    return status >= _SERVER and "context" in found[0].lower()


def words_of(body: Any) -> tuple[str, str]:
    """Return a provider's message and its code or type, from any of the usual shapes."""
    if isinstance(body, list) and body:
        body = body[0]
    if not isinstance(body, dict):
        return _text(body or ""), ""
    inner = body.get("error", body)
    if not isinstance(inner, dict):
        return _text(inner), ""
    said = inner.get("message") or inner.get("detail") or ""
    details = inner.get("details")
    detail = details.get("error_code") if isinstance(details, dict) else None
    code = " ".join(_text(one) for one in (inner.get("code"), inner.get("type"), detail))
    return _text(said), code


def _text(value: Any) -> str:
    """Return a value as text, also one that is nested deeper than Python can write."""
    try:
        return str(value)
    except RecursionError:
        return ""
