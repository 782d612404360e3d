"""One inference request, from its body to its usage record. Read this page first."""

import asyncio
import logging
from random import random

from gateway import usage
from gateway.attempts import Opened, OpenedAnswer, OpenedSpeech, run_plan
from gateway.endpoints import Endpoint
from gateway.errors import Failure, FailureClass, GatewayError, ModelNotFound, ProviderFailure
from gateway.exchange import Attempt, Exchange
from gateway.plan import make_plan
from gateway.relay import Send, relay_speech, relay_stream, send_json, send_whole
from gateway.responses import answer_headers, error_headers
from gateway.runtime import Runtime
from gateway.types import Caller, Form, OrganizationSnapshot, Step

logger = logging.getLogger(__name__)
FAULT = GatewayError("The gateway failed to serve this request; its operator finds it by x-request-id.")


async def serve(
    exchange: Exchange, endpoint: Endpoint, body: bytes | Form, runtime: Runtime, send: Send
) -> None:
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
        has_begun = exchange.status is not None
        usage.note_crash(exchange)
        if has_begun:
            raise  # the server logs it and cuts the connection, so that nobody takes it for a whole answer
        logger.exception("Request %s failed inside the gateway.", exchange.id)
        await send_json(send, FAULT.status, error_headers(exchange, FAULT), FAULT.body())
    finally:
        runtime.active.dec()
        usage.record(exchange, runtime.journal)


async def _answer(
    exchange: Exchange, endpoint: Endpoint, body: bytes | Form, runtime: Runtime, send: Send
) -> None:
    """Read, plan, try, relay. Raises GatewayError while the answer has not begun."""
    request = endpoint.parse(body, exchange.id, int(exchange.started_at))
    exchange.request = request
    organization = runtime.store.current.organizations.get(exchange.caller.organization_id)
    if organization is None:
        raise ModelNotFound(request.model)
    steps = await _plan(request.model, exchange.caller, organization, runtime)

    def announce(attempt: Attempt) -> None:
        usage.announce(exchange, attempt, runtime.journal)

    deadline = asyncio.get_running_loop().time() + runtime.timeouts.total
    try:
        async with asyncio.timeout_at(deadline):
            opened = await run_plan(steps, exchange, runtime.dispatcher, announce)
    except TimeoutError:
        exchange.attempts[-1].error_class = FailureClass.TIMEOUT.value
        raise ProviderFailure(
            Failure(FailureClass.TIMEOUT, "The request took longer than the gateway's total limit.")
        ) from None
    await _relay(opened, exchange, send, deadline)


async def _plan(
    model: str, caller: Caller, organization: OrganizationSnapshot, runtime: Runtime
) -> tuple[Step, ...]:
    """Plan at once; a name that nothing here knows waits for the model lists that were never read.

    Raises ModelNotFound.
    """
    draw = random()  # noqa: S311 - load balancing
    try:
        return make_plan(model, caller, organization, draw, runtime.models.names)
    except ModelNotFound:
        visible = [target for target in organization.targets if target.visible_to(caller)]
        if not caller.may_use(model) or not await runtime.models.learn(visible):
            raise
    return make_plan(model, caller, organization, draw, runtime.models.names)


async def _relay(opened: Opened, exchange: Exchange, send: Send, deadline: float) -> None:
    if isinstance(opened, OpenedAnswer):
        exchange.usage = opened.answer.usage
        exchange.model = opened.answer.model
        exchange.status = 200
        await send_whole(send, answer_headers(exchange, opened.wire), opened.answer)
    elif isinstance(opened, OpenedSpeech):
        await relay_speech(opened, exchange, send, answer_headers(exchange, opened.wire), deadline)
    else:
        await relay_stream(opened, exchange, send, answer_headers(exchange, opened.wire), deadline)
