"""Cohere's chat answers, read into OpenAI's shape.

Reference: docs.cohere.com/reference/chat, "Response". Token counts are floats on the wire. Usage is read
from `tokens`; `billed_units` leaves out what Cohere adds to the prompt.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from gateway.errors import Failure, FailureClass, ProviderFailure
from gateway.providers.chat_answer import answer, choice_object, message_object, tool_call
from gateway.providers.chat_problems import unreadable
from gateway.providers.cohere_errors import presentable
from gateway.types import Answer, ChatRequest, Reply, Usage

MAX_COUNT = 10**12  # tokens; no answer has more

_FINISH_REASONS: Mapping[str, str] = {
    "COMPLETE": "stop",
    "STOP_SEQUENCE": "stop",
    "MAX_TOKENS": "length",
    "TOOL_CALL": "tool_calls",
    "ERROR": "stop",
    "TIMEOUT": "length",
    "ERROR_TOXIC": "content_filter",
}
# What these mean when no text and no call came before them.
_FAILURES: Mapping[str, FailureClass] = {
    "ERROR": FailureClass.SERVER_ERROR,
    "TIMEOUT": FailureClass.TIMEOUT,
}


class Asked(msgspec.Struct, frozen=True, gc=False):
    """The notes of a chat request: the model that Cohere was asked for, which its answers don't name."""

    model: str


class Call(msgspec.Struct):
    """A tool call of an answer."""

    class Function(msgspec.Struct):
        name: str = ""
        arguments: str | None = None

    id: str = ""
    function: Function = msgspec.field(default_factory=Function)


class _Content(msgspec.Struct):
    type: str = ""
    text: str = ""
    thinking: str = ""


class _Message(msgspec.Struct):
    content: list[_Content] | None = None
    tool_plan: str | None = None
    tool_calls: list[Call] | None = None
    citations: list[dict[str, Any]] | None = None


class _Answer(msgspec.Struct):
    id: Any = ""
    message: _Message | str | None = None  # a string is an error
    finish_reason: str | None = None
    usage: Any = None
    logprobs: list[dict[str, Any]] | None = None


_read = msgspec.json.Decoder(_Answer).decode


def parse_chat(request: ChatRequest, reply: Reply) -> Answer:
    """Read an answer. Raises ProviderFailure for an error inside a 200 and for what cannot be read."""
    try:
        found = _read(reply.body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise unreadable() from None
    message = found.message
    if isinstance(message, str) and message:
        raise failed(message)
    if not isinstance(message, _Message):
        raise unreadable()
    text = _joined(part.text for part in message.content or () if part.type == "text")
    thoughts = _joined(part.thinking for part in message.content or () if part.type == "thinking")
    calls = [
        tool_call(
            call.id or f"call_{request.request_id}_{number}", call.function.name, call.function.arguments
        )
        for number, call in enumerate(message.tool_calls or ())
    ]
    reason = finish_reason(found.finish_reason, is_empty=not (text or calls))
    written = message_object(
        text,
        calls=calls,
        reasoning=thoughts + (message.tool_plan or ""),
        extras=_annotations(message.citations),
    )
    choice = {**choice_object(written, reason), "logprobs": _logprobs(found.logprobs)}
    usage, details = read_usage(found.usage)
    identity = found.id if isinstance(found.id, str) else ""
    return answer(request, identity, asked_model(request, reply), [choice], usage=usage, details=details)


def asked_model(request: ChatRequest, reply: Reply) -> str:
    """Return the model that Cohere was asked for."""
    return reply.notes.model if isinstance(reply.notes, Asked) else request.model


def failed(text: str, kind: FailureClass = FailureClass.SERVER_ERROR) -> ProviderFailure:
    """Return the failure that an answer reports."""
    return ProviderFailure(Failure(kind, presentable(text) or "The provider failed while it was answering."))


def finish_reason(reason: str | None, *, is_empty: bool) -> str:
    """Return OpenAI's word. `is_empty`: no text and no call came.

    Raises ProviderFailure where the provider failed before anything came.
    """
    if is_empty and (kind := _FAILURES.get(reason or "")):
        raise failed("", kind)
    return _FINISH_REASONS.get(reason or "", "stop")


def read_usage(usage: Any) -> tuple[Usage | None, tuple[str, ...]]:
    """Return the token counts, and which details Cohere gave; None where there are no counts."""
    if not isinstance(usage, dict):
        return None, ()
    tokens = usage.get("tokens") or usage.get("billed_units")
    if not isinstance(tokens, dict):
        return None, ()
    prompt, output = count(tokens.get("input_tokens")), count(tokens.get("output_tokens"))
    if usage.get("cached_tokens") is None:
        return Usage(input=prompt, output=output), ()
    cached = min(prompt, count(usage["cached_tokens"]))  # they are part of input_tokens
    return Usage(input=prompt - cached, cache_read=cached, output=output), ("cached",)


def count(value: Any) -> int:
    """Return a number of tokens; 0 for what is none."""
    return int(value) if _is_number(value) and 0 < value <= MAX_COUNT else 0


def logprob_entries(items: Iterable[Any]) -> list[dict[str, Any]]:
    """Return OpenAI's entries. Cohere's are for pieces of text, with a figure for each token in one."""
    entries = []
    for item in items:
        text = item.get("text") if isinstance(item, dict) else None
        figures = item.get("logprobs") if isinstance(item, dict) else None
        if not isinstance(text, str) or not isinstance(figures, list) or not all(map(_is_number, figures)):
            continue
        whole = {
            "token": text,
            "logprob": float(sum(figures)),
            "bytes": list(text.encode("utf-8", "replace")),
        }
        entries.append({**whole, "top_logprobs": []})
    return entries


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _logprobs(items: list[dict[str, Any]] | None) -> dict[str, Any] | None:
    return {"content": logprob_entries(items), "refusal": None} if items else None


def _joined(pieces: Iterable[str]) -> str:
    return "".join(pieces)


def _annotations(citations: list[dict[str, Any]] | None) -> dict[str, Any]:
    """Return the citations of web pages; those of documents without a URL have no place in OpenAI's shape."""
    found = [entry for citation in citations or () for entry in _url_citations(citation)]
    return {"annotations": found} if found else {}


def _url_citations(citation: dict[str, Any]) -> Iterable[dict[str, Any]]:
    sources = citation.get("sources")
    start, end = citation.get("start"), citation.get("end")
    if not isinstance(sources, list) or type(start) is not int or type(end) is not int:
        return
    for source in sources:
        document = source.get("document") or source.get("tool_output") if isinstance(source, dict) else None
        url = document.get("url") if isinstance(document, dict) else None
        if isinstance(document, dict) and isinstance(url, str) and url:
            title = document.get("title")
            about = {"title": title if isinstance(title, str) else "", "url": url}
            yield {"type": "url_citation", "url_citation": {"start_index": start, "end_index": end, **about}}
