"""What a refusal of Claude teaches: which request may be sent in its place, once.

Sampling fields that a model of an unknown id doesn't take, an effort that a model doesn't know, thinking
blocks that another provider signed. The provider names the field in the text of a 400 and nowhere else.
Reference: platform.claude.com/docs/en/api/errors and .../build-with-claude/extended-thinking.
"""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from gateway.errors import Failure
from gateway.providers.anthropic_models import BUDGET, is_known
from gateway.providers.chat_answer import encode
from gateway.providers.chat_request import read_body
from gateway.types import Amendment, ChatRequest, Request, WireRequest

NO_SAMPLING = "no_sampling"
_EFFORT_LESSONS = {"xhigh": "no_xhigh", "max": "no_max"}  # a model may know one of them
SAMPLING = ("temperature", "top_p", "top_k")
_THINKING_BLOCKS = ("thinking", "redacted_thinking")
_NAMES_SAMPLING = re.compile(r"\b(?:temperature|top_p|top_k)\b")
_NAMES_EFFORT = re.compile(r"\beffort\b")
_NAMES_SIGNATURE = re.compile(r"invalid\W+signature\W+in\W+thinking", re.IGNORECASE)
Json = dict[str, Any]


class _Asked(msgspec.Struct):
    model: str


def amend(request: Request, wire: WireRequest, failure: Failure, model: str = "") -> Amendment | None:
    """Return what to send after a 400, None where the caller must change something.

    `model` for hosts that have it elsewhere than in the body.
    """
    if failure.upstream_status != 400:
        return None
    if _NAMES_SIGNATURE.search(failure.message):
        amended = _without_thinking(request, wire)
        return Amendment(amended) if amended is not wire else None
    lesson = ""
    if _NAMES_SAMPLING.search(failure.message) and not is_known(model or _model_in(wire)):
        lesson = NO_SAMPLING
    elif _NAMES_EFFORT.search(failure.message):
        lesson = _EFFORT_LESSONS.get(_effort_in(msgspec.json.decode(wire.body)), "")
    amended = apply_lesson(request, wire, lesson)
    return Amendment(amended, lesson) if amended is not wire else None


def apply_lesson(request: Request, wire: WireRequest, lesson: str) -> WireRequest:
    """Return the request as the lesson wants it: the very same where nothing is to be done."""
    del request
    if lesson == NO_SAMPLING:
        return _without_sampling(wire)
    return _with_high_effort(wire, lesson) if lesson in _EFFORT_LESSONS.values() else wire


def _effort_in(body: Json) -> str:
    effort: str = body.get("output_config", {}).get("effort", "")
    return effort


def _model_in(wire: WireRequest) -> str:
    return msgspec.json.decode(wire.body, type=_Asked).model


def _without_sampling(wire: WireRequest) -> WireRequest:
    body: Json = msgspec.json.decode(wire.body)
    found = [name for name in SAMPLING if name in body]
    if not found:
        return wire
    for name in found:
        del body[name]
    return _changed(wire, body, dropped=found)


def _with_high_effort(wire: WireRequest, lesson: str) -> WireRequest:
    body: Json = msgspec.json.decode(wire.body)
    if _EFFORT_LESSONS.get(_effort_in(body)) != lesson:
        return wire
    body["output_config"]["effort"] = "high"
    return msgspec.structs.replace(
        wire, body=encode(body), adjusted=tuple(sorted({*wire.adjusted, "reasoning_effort"}))
    )


def _without_thinking(request: Request, wire: WireRequest) -> WireRequest:
    """Leave out the past thoughts; where a call must begin with one, the model may not think any more."""
    body: Json = msgspec.json.decode(wire.body)
    messages = [_without_blocks(message) for message in body["messages"]]
    if messages == body["messages"]:
        return wire
    body["messages"] = [message for message in messages if message["content"]]
    thinking = body.get("thinking", {})
    calls = any(block["type"] == "tool_use" for message in messages for block in message["content"])
    if thinking.get("type") != BUDGET or not calls:
        return msgspec.structs.replace(wire, body=encode(body))
    asked = read_body(request.raw) if isinstance(request, ChatRequest) else {}
    del body["thinking"]
    body["max_tokens"] = _asked_tokens(asked, body["max_tokens"])
    named = "thinking" if asked.get("thinking") is not None else "reasoning_effort"
    return _changed(wire, body, dropped=[named])


def _without_blocks(message: Json) -> Json:
    kept = [block for block in message["content"] if block["type"] not in _THINKING_BLOCKS]
    return {**message, "content": kept}


def _asked_tokens(asked: Mapping[str, Any], sent: int) -> int:
    """Return the caller's own limit, which had been raised to make room for thoughts."""
    for name in ("max_completion_tokens", "max_tokens"):
        if type(limit := asked.get(name)) is int:
            return min(limit, sent)
    return sent


def _changed(wire: WireRequest, body: Json, *, dropped: list[str]) -> WireRequest:
    return msgspec.structs.replace(wire, body=encode(body), dropped=tuple(sorted({*wire.dropped, *dropped})))
