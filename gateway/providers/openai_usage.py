"""Usage figures as OpenAI-compatible providers give them, read into disjoint buckets."""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from gateway.types import Usage

_XAI_TICKS_PER_USD = Decimal(10**10)
_MAX_DIGITS = 20  # before and after the point: what a cost may reasonably have
_MAX_COUNT = 10**12  # tokens; no answer has more
_TOTALS = ("prompt_tokens", "completion_tokens", "total_tokens")


def conforming_usage(usage: Any) -> dict[str, Any] | None:
    """Return the figures with all three totals, and with reasoning inside completion_tokens.

    xAI counts reasoning outside: there the total is prompt + completion + reasoning. The same object comes
    back where nothing has to change, None where there are no figures.
    """
    if not isinstance(usage, dict) or not _has_figures(usage):
        return None
    prompt, completion, total = (_count(usage.get(name)) for name in _TOTALS)
    reasoning = _reasoning(usage)
    if reasoning and total == prompt + completion + reasoning:
        return {**usage, "completion_tokens": completion + reasoning}
    if all(type(usage.get(name)) is int for name in _TOTALS):
        return usage
    figures = (prompt, completion, total or prompt + completion)
    return {**usage, **dict(zip(_TOTALS, figures, strict=True))}


def read_usage(usage: Mapping[str, Any] | None) -> Usage | None:
    """Return conforming figures as disjoint buckets; None when there are none.

    OpenAI's prompt_tokens contain cached, cache-write and audio tokens, completion_tokens audio tokens.
    """
    if usage is None:
        return None
    prompt = _details(usage, "prompt_tokens_details")
    completion = _details(usage, "completion_tokens_details")
    cache_read = _count(prompt.get("cached_tokens"))
    cache_write = _count(prompt.get("cache_write_tokens"))
    audio_in, audio_out = _count(prompt.get("audio_tokens")), _count(completion.get("audio_tokens"))
    return Usage(
        input=max(0, _count(usage.get("prompt_tokens")) - cache_read - cache_write - audio_in),
        cache_read=cache_read,
        cache_write=cache_write,
        output=max(0, _count(usage.get("completion_tokens")) - audio_out),
        reasoning=_reasoning(usage),
        audio=audio_in + audio_out,
        cost_usd=_cost(usage),
    )


def _has_figures(usage: Mapping[str, Any]) -> bool:
    return type(usage.get("prompt_tokens")) is int or type(usage.get("completion_tokens")) is int


def _reasoning(usage: Mapping[str, Any]) -> int:
    """Return the reasoning tokens; Perplexity gives them beside the totals."""
    details = _details(usage, "completion_tokens_details")
    return _count(details.get("reasoning_tokens")) or _count(usage.get("reasoning_tokens"))


def _details(usage: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = usage.get(name)
    return found if isinstance(found, dict) else {}


def _count(value: Any) -> int:
    return value if type(value) is int and 0 < value <= _MAX_COUNT else 0


def _cost(usage: Mapping[str, Any]) -> str | None:
    """Return the provider's own figure in USD as a plain decimal: OpenRouter's, Perplexity's or xAI's."""
    ticks = _decimal(usage.get("cost_in_usd_ticks"))
    if ticks is not None:
        return _plain(ticks / _XAI_TICKS_PER_USD)
    cost = usage.get("cost")
    if isinstance(cost, dict):
        return _plain(_decimal(cost.get("total_cost")))
    total = _decimal(cost)
    if total is not None and usage.get("is_byok") is True:
        # OpenRouter bills its fee only; the model's maker bills the rest to the caller's own key.
        total += _decimal(_details(usage, "cost_details").get("upstream_inference_cost")) or 0
    return _plain(total)


def _decimal(value: Any) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = Decimal(str(value)[: 2 * _MAX_DIGITS])
    except InvalidOperation:
        return None
    return number if number.is_finite() and number >= 0 and abs(number.adjusted()) <= _MAX_DIGITS else None


def _plain(cost: Decimal | None) -> str | None:
    return None if cost is None else format(cost.normalize(), "f")
