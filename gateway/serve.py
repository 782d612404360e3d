"""One inference request, from its body to its usage record. Read this page first."""

import asyncio
from random import random

from gateway import usage
from gateway.attempts import Opened, OpenedAnswer, run_plan
from gateway.endpoints import Endpoint
from gateway.errors import Failure, FailureClass, GatewayError, ModelNotFound, ProviderFailure
from gateway.exchange import Attempt, Exchange
from gateway.plan import make_plan
from gateway.relay import Send, relay_stream, send_json
from gateway.responses import answer_headers, error_headers
from gateway.runtime import Runtime


async def serve(exchange: Exchange, endpoint: Endpoint, body: bytes, runtime: Runtime, send: Send) -> None:
    """Answer a request whose caller is known, and account for it whatever happens."""
    runtime.active.inc()
    try:
        await _answer(exchange, endpoint, body, runtime, send)
    except GatewayError as problem:
        usage.note_failure(exchange, problem)
        await send_json(send, problem.status, error_headers(exchange, problem), problem.body())
    except asyncio.CancelledError:
        usage.note_departure(exchange)
        raise
    except Exception:
        usage.note_crash(exchange)
        raise
    finally:
        runtime.active.dec()
        usage.record(exchange, runtime.journal)


async def _answer(exchange: Exchange, endpoint: Endpoint, body: bytes, runtime: Runtime, send: Send) -> None:
    """Read, plan, try, relay. Raises GatewayError while the answer has not begun."""
    request = endpoint.parse(body, exchange.id, int(exchange.started_at))
    exchange.request = request
    organization = runtime.store.current.organizations.get(exchange.caller.organization_id)
    if organization is None:
        raise ModelNotFound(
            f"The model `{request.model[:200]}` does not exist or you do not have access to it."
        )
    steps = make_plan(request.model, exchange.caller, organization, random())  # noqa: S311 - load balancing

    def announce(attempt: Attempt) -> None:
        usage.announce(exchange, attempt, runtime.journal)

    deadline = asyncio.get_running_loop().time() + runtime.timeouts.total
    try:
        async with asyncio.timeout_at(deadline):
            opened = await run_plan(steps, exchange, runtime.upstream, runtime.timeouts, announce)
    except TimeoutError:
        raise ProviderFailure(
            Failure(FailureClass.TIMEOUT, "The request took longer than the gateway's total limit.")
        ) from None
    await _relay(opened, exchange, send, deadline)


async def _relay(opened: Opened, exchange: Exchange, send: Send, deadline: float) -> None:
    if isinstance(opened, OpenedAnswer):
        exchange.usage = opened.answer.usage
        exchange.model = opened.answer.model
        exchange.status = 200
        await send_json(send, 200, answer_headers(exchange, opened.wire), opened.answer.body)
    else:
        await relay_stream(opened, exchange, send, answer_headers(exchange, opened.wire), deadline)
