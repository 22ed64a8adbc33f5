"""How likely given answers are: what is sent for it, and how it is read.

An answer is recognised by the beginning of the reply: by its first token, in the spelling of the
call, and with a small or a capital first letter. So one token tells all answers apart, unless two
of them begin with the same token. An endpoint cannot do more, and such answers are refused.
llama.cpp in this process is asked for each of them as a whole then.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from llmopt.core.text import one_line
from llmopt.core.values import Reply, Usage
from llmopt.errors import RefusedError
from llmopt.models.providers.openai_wire import choice_of
from llmopt.models.providers.reported_usage import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from llmopt.core.values import Call

_LISTED = 20  # probabilities of a token that an endpoint lists at most
_SHARED = 0.01  # share of the answers' probability that may stand at tokens of two answers
# Added to the logits of the answers' tokens: all others have the probability 0 then, in single
# precision, and how the answers' tokens compare stays as it is.
_BIAS = 1000.0
_ROUNDED = 1.01  # a probability as a server may round it
_MOST = 4096  # tokens that llama.cpp is to list at most


@dataclass(frozen=True, slots=True)
class Token:
    """A token that may begin the reply.

    Attributes:
        text: Its bytes, without blanks before it.
        probability: From 0 to 1.
    """

    text: bytes
    probability: float


def spellings(answer: str) -> tuple[str, ...]:
    """Return an answer as it is, and with another case of its first letter where that is usual."""
    first, rest = answer[:1], answer[1:]
    other = first.upper() if first.islower() else first.lower() if rest.islower() else first
    return tuple(dict.fromkeys((answer, other + rest)))


def likelihood_fields(call: Call) -> dict[str, Any]:
    """Return what a request to an endpoint has beside the usual for a call with answers."""
    if call.prompt is None:
        return {"logprobs": True, "top_logprobs": _LISTED}
    return {"logprobs": _LISTED}


def read_likelihoods(data: dict[str, Any], call: Call, where: str) -> Reply:
    """Return the reply to a call with answers, out of an endpoint's decoded answer.

    An answer that is not listed is taken to be as likely as it can be: as the last that is
    listed, or all that is left.

    Args:
        data: The decoded answer.
        call: The call.
        where: What messages call the endpoint.

    Raises:
        LostReplyError: The answer has no choice.
        RefusedError: It has no probabilities, or two answers begin with the same token.
    """
    tokens = _first_tokens(choice_of(data))
    if not tokens:
        raise RefusedError(
            f"{where} gives the probabilities of tokens where answers are read from them, but got "
            'an answer without; set scorer.answer = "text", or take a model with logprobs'
        )
    found, shared = _shares(tokens, call.answers)
    if shared and sum(shared.values()) > _SHARED * (sum(found) + sum(shared.values())):
        token = max(shared, key=lambda text: shared[text])
        alike = [repr(a) for a in call.answers if _begins(token, a)]
        raise RefusedError(
            "answers that are read from their likelihood differ in their first token at an "
            f"endpoint, but {one_line(', '.join(alike), 200)} all begin with "
            f"{token.decode(errors='replace')!r}; name the answers otherwise, or set "
            'scorer.answer = "text"'
        )
    left = max(0.0, 1.0 - sum(token.probability for token in tokens))
    # At least the smallest number that has a logarithm: a share may be listed as 0.
    bound = max(min(left, *(token.probability for token in tokens)), math.ulp(0.0))
    logs = [math.log(max(share, bound)) for share in found]
    return _reply(call, logs, counted(data, call, "x"))


class Likelihoods:
    """Asks llama.cpp in this process how likely answers are, and remembers which are alike."""

    def __init__(self) -> None:
        self._alike: set[tuple[str, ...]] = set()

    def reply(self, call: Call, ask: Callable[[dict[str, Any]], dict[str, Any]]) -> Reply:
        """Return the reply to a call with answers.

        One request, for one token, tells answers apart that differ in their first; others take
        one request for each of their spellings. What is counted is the prompt once, and a token.

        Args:
            call: The call.
            ask: Gets what the call's request has beside the usual, gives the decoded answer.
        """
        before = _before(call)
        if (answers := call.answers) not in self._alike:
            data = ask(_biased(answers, before))
            # The others have no probability at all, however many are listed.
            tokens = [token for token in _first_tokens(choice_of(data)) if token.probability > 0]
            found, shared = _shares(tokens, answers)
            if not shared and all(found):
                return _reply(call, [math.log(share) for share in found], _counted(data, call))
            self._alike.add(answers)
        spelled: list[_Spelled] = []
        for number, answer in enumerate(answers):
            for spelling in spellings(answer):
                data = ask(_forced(before, spelling))
                spelled.append(_spelled(data, number, spelling))
        return _reply(call, _whole(spelled, len(answers)), _counted(data, call))


@dataclass(frozen=True, slots=True)
class _Spelled:
    """A spelling of an answer, forced upon the model.

    Attributes:
        answer: The answer's number.
        tokens: The tokens that it took.
        log: Logarithm of their probability together.
    """

    answer: int
    tokens: tuple[bytes, ...]
    log: float


def _before(call: Call) -> str:
    """Return what stands between the prompt and an answer: tokenizers put blanks to words."""
    return " " if call.prompt and not call.prompt[-1].isspace() else ""


def _biased(answers: Sequence[str], before: str) -> dict[str, Any]:
    """Return a request for the probabilities of the answers' tokens as the next one, alone."""
    texts = [before + spelling for answer in answers for spelling in spellings(answer)]
    most = min(_MOST, sum(len(text.encode()) for text in texts))
    return {
        "max_tokens": 1,
        "temperature": 1.0,
        "samplers": ["temperature"],  # nothing is cut off
        "logit_bias": [[text, _BIAS] for text in texts],
        "post_sampling_probs": True,
        "logprobs": True,
        "top_logprobs": most,
        "n_probs": most,
    }


def _forced(before: str, spelling: str) -> dict[str, Any]:
    """Return a request that lets the model write a spelling, in its usual tokens, and no more.

    The grammar lets it write nothing else, and the bias prefers the tokens of which the text is
    made to shorter ones. The probabilities are those without both.
    """
    blank = json.dumps(before, ensure_ascii=False) if before else '" "?'
    return {
        "max_tokens": len(spelling.encode()) + 1,
        "temperature": 0.0,
        "grammar": f"root ::= {blank} {json.dumps(spelling, ensure_ascii=False)}",
        "logit_bias": [[before + spelling, _BIAS]],
        "logprobs": True,
        "top_logprobs": 1,
        "n_probs": 1,
    }


def _spelled(data: dict[str, Any], number: int, spelling: str) -> _Spelled:
    """Return what a forced spelling was worth."""
    wanted, written, log = spelling.encode(), b"", 0.0
    tokens: list[bytes] = []
    for token in _places(choice_of(data)):
        text = _bytes(token)
        if written.lstrip(b" ") == wanted or not text:
            break  # what follows ends the reply
        tokens.append(text)
        written += text
        log += float(token["logprob"])
    if written.lstrip(b" ") != wanted:
        raise RefusedError(
            f"an answer is a text that the model can write, but it wrote {written!r} for "
            f"{spelling!r}; name the answer otherwise"
        )
    return _Spelled(number, tuple(tokens), log)


def _whole(spelled: Sequence[_Spelled], count: int) -> list[float]:
    """Return the logarithm of each answer's probability, its spellings taken together.

    A spelling with which another answer's goes on does not get what that one is worth.
    """
    sums: defaultdict[int, list[float]] = defaultdict(list)
    for one in spelled:
        size = len(one.tokens)
        longer = [
            math.exp(other.log - one.log)
            for other in spelled
            if other.answer != one.answer and len(other.tokens) > size
            if other.tokens[:size] == one.tokens
        ]
        own = 1.0 - max(longer, default=0.0)
        sums[one.answer].append(one.log + math.log(max(own, math.ulp(1.0))))
    found = []
    for number in range(count):
        best = max(sums[number])
        found.append(best + math.log(sum(math.exp(log - best) for log in sums[number])))
    return found


def _shares(
    tokens: Sequence[Token], answers: Sequence[str]
) -> tuple[list[float], dict[bytes, float]]:
    """Return the probability of each answer's tokens, and the tokens that begin several.

    A token of blanks alone begins every answer.
    """
    found, shared = [0.0] * len(answers), dict[bytes, float]()
    for token in tokens:
        fits = [n for n, answer in enumerate(answers) if _begins(token.text, answer)]
        if len(fits) == 1:
            found[fits[0]] += token.probability
        elif fits and token.text:
            shared[token.text] = shared.get(token.text, 0.0) + token.probability
    return found, shared


def _begins(token: bytes, answer: str) -> bool:
    """Return whether a token begins some spelling of an answer."""
    return any(spelling.encode().startswith(token) for spelling in spellings(answer))


def _places(choice: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what is told of each generated token, where it is told as chats tell it."""
    logprobs = choice.get("logprobs")
    content = logprobs.get("content") if isinstance(logprobs, dict) else None
    return [one for one in content if isinstance(one, dict)] if isinstance(content, list) else []


def _first_tokens(choice: dict[str, Any]) -> list[Token]:
    """Return the tokens that are listed for the first place; none where nothing can be read."""
    places = _places(choice)
    logprobs = choice.get("logprobs")
    top = logprobs.get("top_logprobs") if isinstance(logprobs, dict) else None
    try:
        if places:
            listed = places[0].get("top_logprobs") or places[0].get("top_probs") or []
            return [Token(_bytes(one).lstrip(), _probability(one)) for one in listed]
        # Raw completions have a table for each place instead.
        table = top[0].items() if top else ()
        return [Token(text.encode().lstrip(), _share(math.exp(log))) for text, log in table]
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        return []


def _probability(token: dict[str, Any]) -> float:
    return _share(float(token["prob"]) if "prob" in token else math.exp(float(token["logprob"])))


def _share(probability: float) -> float:
    """Return a probability, what rounding put above 1 as 1; raise where it is none."""
    if not 0 <= probability <= _ROUNDED:
        raise ValueError(probability)
    return min(1.0, probability)


def _bytes(token: dict[str, Any]) -> bytes:
    """Return a token's bytes; its text may not show those of a part of a letter."""
    known = token.get("bytes")
    return bytes(known) if isinstance(known, list) else str(token.get("token", "")).encode()


def _counted(data: dict[str, Any], call: Call) -> Usage:
    """Return the prompt's tokens as counted, and one generated: the rest was given, not made."""
    return replace(counted(data, call, "x"), output_tokens=1)


def _reply(call: Call, logs: list[float], usage: Usage) -> Reply:
    """Return the reply whose text is the likeliest answer, the first among equals."""
    text = call.answers[max(range(len(logs)), key=lambda number: logs[number])]
    return Reply(text, usage, likelihoods=tuple(logs))
