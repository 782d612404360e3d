"""Accounting: one journal line before a request is dispatched, one when it is over, and the metrics."""

import math
from time import perf_counter

from gateway import metrics
from gateway.errors import GatewayError
from gateway.exchange import Attempt, Exchange
from gateway.journal import Admission, AttemptStart, Finished, Journal, JournalUnavailable
from gateway.journal import Attempt as AttemptLine
from gateway.types import ChatRequest, EmbeddingsRequest, SpeechRequest, Usage

BYTES_PER_TOKEN = 4  # wire/pricing.md section 4: over-estimates most Latin text, about right for JSON and CJK


def announce(exchange: Exchange, attempt: Attempt, journal: Journal) -> None:
    """Write down an attempt before it is dispatched. Raises JournalUnavailable: then it must not be."""
    target = attempt.step.target
    start = AttemptStart(target.provider, target.credential_id, target.name, attempt.step.model)
    if exchange.attempts:
        journal.retry(exchange.id, start)
        return
    caller, request = exchange.caller, exchange.request
    assert request is not None
    journal.admit(
        Admission(
            exchange.id,
            caller.organization_id,
            caller.team_id,
            caller.user_id,
            caller.token_id,
            caller.token_name,
            exchange.endpoint,
            request.stream if isinstance(request, ChatRequest) else isinstance(request, SpeechRequest),
            request.model[:200],
            exchange.started_at,
            start,
        )
    )


def note_failure(exchange: Exchange, problem: GatewayError) -> None:
    """The caller is told of a failure before any answer began."""
    exchange.status = problem.status
    exchange.outcome = "error"
    exchange.error_class = problem.label


def note_departure(exchange: Exchange) -> None:
    """The caller left, or the server is stopping: what came until now is what is billed."""
    exchange.outcome = "cancelled"
    exchange.error_class = "client_disconnected"
    if exchange.attempts:
        exchange.attempts[-1].error_class = "client_disconnected"


def note_crash(exchange: Exchange) -> None:
    """A fault of ours."""
    exchange.status = exchange.status or 500
    exchange.outcome = "error"
    exchange.error_class = "internal_error"


def record(exchange: Exchange, journal: Journal) -> None:
    """Write the end of a request to the journal and count it."""
    now = perf_counter()
    used, estimated = _tokens(exchange)
    try:
        journal.finish(_finished(exchange, used, now, estimated=estimated))
    except JournalUnavailable:
        metrics.UNRECORDED.inc()  # never admitted, so never sent: an admitted request's end is never refused
    _count(exchange, used, now)


def _tokens(exchange: Exchange) -> tuple[Usage | None, bool]:
    """Return the usage, and whether it is an estimate from bytes because the provider gave none."""
    if exchange.usage is not None or exchange.status != 200:
        return exchange.usage, False
    request = exchange.request
    if not isinstance(request, ChatRequest | EmbeddingsRequest):
        return None, False  # bytes of sound say nothing about its length
    return Usage(input=_estimate(len(request.raw)), output=_estimate(exchange.output_bytes)), True


def _in_tokens(used: Usage) -> Usage | None:
    """Return the usage of audio if it is in tokens, too: else they are unknown."""
    return used if used.input or used.output or used.audio else None


def _estimate(size: int) -> int:
    return math.ceil(size / BYTES_PER_TOKEN)


def _finished(exchange: Exchange, used: Usage | None, now: float, *, estimated: bool) -> Finished:
    caller, request, step = exchange.caller, exchange.request, exchange.step
    tokens = _in_tokens(used) if used is not None and (used.characters or used.seconds) else used
    return Finished(
        id=exchange.id,
        organization_id=caller.organization_id,
        team_id=caller.team_id,
        user_id=caller.user_id,
        token_id=caller.token_id,
        token_name=caller.token_name,
        endpoint=exchange.endpoint,
        streamed=request.stream if isinstance(request, ChatRequest) else isinstance(request, SpeechRequest),
        requested_model=request.model[:200] if request is not None else "",
        provider=step.target.provider if step else "",
        credential_id=step.target.credential_id if step else None,
        credential_name=step.target.name if step else "",
        model=(exchange.model or step.model)[:200] if step else "",
        outcome=exchange.outcome,
        status=exchange.status,
        error_class=exchange.error_class,
        attempts=[_attempt_line(attempt) for attempt in exchange.attempts],
        input_tokens=tokens.input if tokens else None,
        cache_read_tokens=tokens.cache_read if tokens else None,
        cache_write_tokens=tokens.cache_write if tokens else None,
        output_tokens=tokens.output if tokens else None,
        reasoning_tokens=tokens.reasoning if tokens else None,
        audio_tokens=tokens.audio if tokens else None,
        estimated=estimated,
        cost_usd=used.cost_usd if used else None,
        cost_source="provider" if used and used.cost_usd is not None else "",
        started_at=exchange.started_at,
        duration_ms=(now - exchange.arrived) * 1000,
        first_token_ms=(exchange.first_token - exchange.arrived) * 1000 if exchange.first_token else None,
        overhead_ms=exchange.overhead * 1000,
        characters=(used.characters or None) if used else None,
        audio_seconds=(used.seconds or None) if used else None,
    )


def _attempt_line(attempt: Attempt) -> AttemptLine:
    target = attempt.step.target
    return AttemptLine(
        target.provider,
        target.credential_id,
        target.name,
        attempt.step.model[:200],
        attempt.status,
        attempt.error_class,
        (attempt.ended - attempt.started) * 1000 if attempt.ended else None,
    )


def _count(exchange: Exchange, used: Usage | None, now: float) -> None:
    """Update the metrics. A model name that no credential lists and that failed is counted as `other`."""
    step, caller = exchange.step, exchange.caller
    known = step is not None and (exchange.status == 200 or step.model in step.target.models)
    labels = metrics.Labels(
        caller.organization_slug,
        caller.user_label,
        step.target.provider if step else "",
        step.model if step and known else metrics.OTHER,
        step.target.name if step else "",
        exchange.endpoint,
        str(exchange.status or 499),
    )
    series = metrics.series(labels)
    series.requests.inc()
    series.request_seconds.observe(now - exchange.arrived)
    if exchange.attempts:
        series.provider_seconds.observe(exchange.upstream_seconds)
        series.overhead.observe(exchange.overhead)
    if exchange.first_token is not None:
        series.first_token_seconds.observe(exchange.first_token - exchange.arrived)
    if used is not None:
        _count_tokens(series, used)
    if exchange.error_class:
        metrics.count_error(labels, exchange.error_class)


def _count_tokens(series: metrics.Series, used: Usage) -> None:
    tokens = series.tokens
    tokens["input"].inc(used.input)
    tokens["output"].inc(used.output)
    if used.cache_read:
        tokens["cache_read"].inc(used.cache_read)
    if used.cache_write:
        tokens["cache_write"].inc(used.cache_write)
    if used.reasoning:
        tokens["reasoning"].inc(used.reasoning)
    if used.audio:
        tokens["audio"].inc(used.audio)
    if used.characters:
        tokens["characters"].inc(used.characters)
    if used.seconds:
        tokens["audio_seconds"].inc(used.seconds)
