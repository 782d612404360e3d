"""What a refusal of Gemini teaches: which request may be sent in its place, once.

Penalties that a model doesn't take, ids of calls that an old endpoint doesn't know, thought signatures that
another key or project made. Google names the field in the text of a 400.
Reference: ai.google.dev/gemini-api/docs/thought-signatures, ai.google.dev/api/generate-content.
"""

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from gateway.errors import Failure
from gateway.providers.chat_answer import encode
from gateway.providers.gemini_contents import NO_SIGNATURE
from gateway.types import Amendment, ChatRequest, Request, WireRequest

NO_PENALTIES = "no_penalties"
NO_CALL_IDS = "no_call_ids"
_PENALTIES = {"presencePenalty": "presence_penalty", "frequencyPenalty": "frequency_penalty"}
_NAMES_PENALTY = re.compile(r"penalty is not enabled", re.IGNORECASE)
_NAMES_ID = re.compile(r'unknown name "id"[^\n]{0,200}function_?(?:call|response)', re.IGNORECASE)
_NAMES_SIGNATURE = re.compile(r"(?:invalid|corrupted) thought[ _]?signature", re.IGNORECASE)
Json = dict[str, Any]


def amend(request: Request, wire: WireRequest, failure: Failure) -> Amendment | None:
    """Return what to send after a 400, None where the caller must change something."""
    if failure.upstream_status != 400 or not isinstance(request, ChatRequest):
        return None
    if _NAMES_SIGNATURE.search(failure.message):
        amended = _with_stand_ins(wire)
        return Amendment(amended) if amended is not wire else None
    lesson = ""
    if _NAMES_PENALTY.search(failure.message):
        lesson = NO_PENALTIES
    elif _NAMES_ID.search(failure.message):
        lesson = NO_CALL_IDS
    amended = apply_lesson(request, wire, lesson)
    return Amendment(amended, lesson) if amended is not wire else None


def apply_lesson(request: Request, wire: WireRequest, lesson: str) -> WireRequest:
    """Return the request as the lesson wants it: the very same where nothing is to be done."""
    del request
    if lesson == NO_PENALTIES:
        return _without_penalties(wire)
    return _without_ids(wire) if lesson == NO_CALL_IDS else wire


def _without_penalties(wire: WireRequest) -> WireRequest:
    body: Json = msgspec.json.decode(wire.body)
    config: Json = body.get("generationConfig", {})
    found = [name for name in _PENALTIES if name in config]
    if not found:
        return wire
    for name in found:
        del config[name]
    dropped = {*wire.dropped, *(_PENALTIES[name] for name in found)}
    return msgspec.structs.replace(wire, body=encode(body), dropped=tuple(sorted(dropped)))


def _without_ids(wire: WireRequest) -> WireRequest:
    body: Json = msgspec.json.decode(wire.body)
    changed = False
    for part in _parts(body):
        for name in ("functionCall", "functionResponse"):
            if name in part and part[name].pop("id", None) is not None:
                changed = True
    return msgspec.structs.replace(wire, body=encode(body)) if changed else wire


def _with_stand_ins(wire: WireRequest) -> WireRequest:
    """Put the documented stand-in where a call was signed; signatures of other parts may be left out."""
    body: Json = msgspec.json.decode(wire.body)
    changed = False
    for part in _parts(body):
        if part.get("thoughtSignature", NO_SIGNATURE) == NO_SIGNATURE:
            continue
        changed = True
        if "functionCall" in part:
            part["thoughtSignature"] = NO_SIGNATURE
        else:
            del part["thoughtSignature"]
    return msgspec.structs.replace(wire, body=encode(body)) if changed else wire


def _parts(body: Json) -> Iterator[Json]:
    for content in body["contents"]:
        yield from content["parts"]
