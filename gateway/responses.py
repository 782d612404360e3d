"""The response headers that tell the caller what the gateway did. Pure."""

import math
from urllib.parse import quote

from gateway.errors import FailureClass, GatewayError, ProviderFailure
from gateway.exchange import Exchange
from gateway.types import WireRequest

Headers = list[tuple[bytes, bytes]]
MAX_RETRY_AFTER = 120  # seconds; the official Python client gives up on a longer wait
_WAITS = {FailureClass.RATE_LIMIT, FailureClass.OVERLOADED}


def answer_headers(exchange: Exchange, wire: WireRequest) -> Headers:
    """Return the headers of an answer that is about to begin."""
    headers = _common(exchange)
    if wire.dropped:
        headers.append((b"x-axiom-dropped-params", ",".join(wire.dropped).encode()))
    if wire.adjusted:
        headers.append((b"x-axiom-adjusted-params", ",".join(wire.adjusted).encode()))
    if exchange.usage is not None and exchange.usage.cost_usd is not None:
        headers.append((b"x-axiom-cost-usd", exchange.usage.cost_usd.encode()))
    return headers


def error_headers(exchange: Exchange, problem: GatewayError) -> Headers:
    """Return the headers of an error answer, with what the caller's SDK should know about retrying."""
    headers = _common(exchange) + problem.headers()
    if not isinstance(problem, ProviderFailure):
        return headers
    failure = problem.failure
    if failure.kind in _WAITS and failure.retry_after is not None:
        seconds = min(MAX_RETRY_AFTER, max(1, math.ceil(failure.retry_after)))
        headers.append((b"retry-after", str(seconds).encode()))
    elif problem.status >= 500 and len(exchange.attempts) > 1:
        headers.append((b"x-should-retry", b"false"))  # every fallback has been tried already
    return headers


def _common(exchange: Exchange) -> Headers:
    overhead_ms = exchange.measure_overhead() * 1000
    count = len(exchange.attempts)
    headers: Headers = [
        (b"x-request-id", exchange.id.encode()),
        (b"x-axiom-attempts", b"%d" % count),
        (b"x-axiom-fallback", b"%d" % max(0, count - 1)),
        (b"x-axiom-overhead-ms", b"%.2f" % overhead_ms),
    ]
    if exchange.step is not None:
        headers += exchange.step.target.response_headers
        headers.append((b"x-axiom-model", quote(exchange.step.model, safe=" ()+,;:@/").encode()))
    return headers
