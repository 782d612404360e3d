"""The built-in provider: answers in OpenAI's shape without any network, so the gateway can be tried at once.

`respond` decides everything, delays included; gateway.upstream plays the reply for sandbox:// addresses. It
echoes the last user message, calls the tool that the message asks for ("call get_weather"), counts words as
tokens, and makes embeddings out of a hash. A model named sandbox-error-503 answers with that status.
The id and the time of an answer are left empty: the adapter fills them in.
"""

import base64
import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import shake_256
from math import hypot
from typing import Any
from urllib.parse import urlsplit

import msgspec

FIRST_DELAY = 0.040  # seconds
WORD_DELAY = 0.025
DEFAULT_DIMENSIONS = 256
MAX_DIMENSIONS = 4096
MAX_ECHO = 500  # characters of the caller's message

_JSON = {"content-type": "application/json"}
_STREAM = {"content-type": "text/event-stream"}
_ERROR_MODEL = re.compile(r"sandbox-error-([45]\d\d)")
_ERRORS: Mapping[int, tuple[str, str | None]] = {
    400: ("invalid_request_error", "invalid_value"),
    401: ("invalid_request_error", "invalid_api_key"),
    402: ("insufficient_quota", "insufficient_quota"),
    403: ("permission_error", "model_not_allowed"),
    404: ("invalid_request_error", "model_not_found"),
    413: ("invalid_request_error", "request_too_large"),
    429: ("requests", "rate_limit_exceeded"),
    503: ("server_error", "overloaded"),
}


@dataclass(frozen=True, slots=True)
class SandboxReply:
    """A response to play: each chunk is sent after its delay in seconds."""

    status: int
    headers: Mapping[str, str]
    chunks: tuple[tuple[float, bytes], ...]


class _Message(msgspec.Struct):
    role: str
    content: Any = None


class _Function(msgspec.Struct):
    name: str


class _Tool(msgspec.Struct):
    function: _Function | None = None


class _StreamOptions(msgspec.Struct):
    include_usage: bool | None = None


class _Chat(msgspec.Struct):
    model: str
    messages: list[_Message]
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    tools: list[_Tool] | None = None


class _Embeddings(msgspec.Struct):
    model: str
    input: str | list[Any]
    dimensions: int | None = None
    encoding_format: str | None = None


def respond(url: str, body: bytes) -> SandboxReply:
    """Return the reply to a POST of `body` to a sandbox:// address."""
    answer = {"/v1/chat/completions": _chat, "/v1/embeddings": _embeddings}.get(urlsplit(url).path)
    if answer is None:
        return _error(404, "The sandbox has no such endpoint.")
    try:
        return answer(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as problem:
        return _error(400, f"The sandbox cannot read the request: {problem}")


def _error(status: int, message: str) -> SandboxReply:
    kind, code = _ERRORS.get(status, ("server_error" if status >= 500 else "invalid_request_error", None))
    body = msgspec.json.encode({"error": {"message": message, "type": kind, "param": None, "code": code}})
    wait = {"retry-after": "1"} if status in (429, 503) else {}
    return SandboxReply(status, {**_JSON, **wait}, ((FIRST_DELAY, body),))


def _asked_for_error(model: str) -> SandboxReply | None:
    match = _ERROR_MODEL.fullmatch(model)
    return _error(int(match[1]), f"The sandbox was asked for an error {match[1]}.") if match else None


def _chat(body: bytes) -> SandboxReply:
    request = msgspec.json.decode(body, type=_Chat)
    if error := _asked_for_error(request.model):
        return error
    said = [(message.role, _text(message.content)) for message in request.messages]
    last = next((text for role, text in reversed(said) if role == "user"), "")
    prompt_words = sum(len(text.split()) for _, text in said)
    if tool := _asked_for_tool(last, request.tools or []):
        pieces, finish = [_tool_call(tool)], "tool_calls"
    else:
        pieces, finish = _words(last, request)
    usage = {
        "prompt_tokens": prompt_words,
        "completion_tokens": len(pieces),
        "total_tokens": prompt_words + len(pieces),
    }
    if request.stream:
        return SandboxReply(200, _STREAM, _timed(_events(request, pieces, finish, usage)))
    answer = {
        **_head(request.model, "chat.completion"),
        "choices": [{"index": 0, "message": _message(pieces), "finish_reason": finish}],
        "usage": usage,
    }
    return SandboxReply(200, _JSON, ((FIRST_DELAY, msgspec.json.encode(answer)),))


def _text(content: Any) -> str:
    if isinstance(content, list):
        return " ".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return content if isinstance(content, str) else ""


def _asked_for_tool(text: str, tools: list[_Tool]) -> str:
    """Return the name of the tool that the text says to call, else an empty string."""
    names = [tool.function.name for tool in tools if tool.function is not None]
    return next((name for name in names if f"call {name}" in text), "")


def _tool_call(name: str) -> dict[str, Any]:
    call = {"id": f"call_{name}", "type": "function", "function": {"name": name, "arguments": "{}"}}
    return {"tool_calls": [call]}


def _words(said: str, request: _Chat) -> tuple[list[dict[str, Any]], str]:
    """Return the answer cut into words, and why it ends."""
    answer = f"Hello from the sandbox! You said: {said[:MAX_ECHO] or '(nothing)'}"
    words = re.findall(r"\s*\S+", answer)
    limit = max(1, request.max_completion_tokens or request.max_tokens or len(words))
    pieces = [{"content": word} for word in words[:limit]]
    return pieces, "length" if limit < len(words) else "stop"


def _message(pieces: list[dict[str, Any]]) -> dict[str, Any]:
    text = "".join(piece.get("content", "") for piece in pieces)
    calls = [call for piece in pieces for call in piece.get("tool_calls", ())]
    return {
        "role": "assistant",
        "content": text or None,
        "refusal": None,
        **({"tool_calls": calls} if calls else {}),
    }


def _head(model: str, kind: str) -> dict[str, Any]:
    return {"id": "", "object": kind, "created": 0, "model": model}


def _events(
    request: _Chat, pieces: list[dict[str, Any]], finish: str, usage: dict[str, int]
) -> Iterator[bytes]:
    """Yield the frames of a stream; all that follows the last word is one piece."""
    head = _head(request.model, "chat.completion.chunk")

    def frame(choices: list[dict[str, Any]], **more: Any) -> bytes:
        return b"data: %b\n\n" % msgspec.json.encode({**head, "choices": choices, **more})

    def delta(content: dict[str, Any], reason: str | None = None) -> bytes:
        return frame([{"index": 0, "delta": content, "finish_reason": reason}])

    yield delta({"role": "assistant", "content": ""})
    for piece in pieces:
        calls = [{"index": index, **call} for index, call in enumerate(piece.get("tool_calls", ()))]
        yield delta({"tool_calls": calls} if calls else piece)
    wants_usage = request.stream_options is not None and request.stream_options.include_usage
    yield delta({}, finish) + (frame([], usage=usage) if wants_usage else b"") + b"data: [DONE]\n\n"


def _timed(frames: Iterator[bytes]) -> tuple[tuple[float, bytes], ...]:
    delays = iter([FIRST_DELAY])
    return tuple((next(delays, WORD_DELAY), frame) for frame in frames)


def _embeddings(body: bytes) -> SandboxReply:
    request = msgspec.json.decode(body, type=_Embeddings)
    if error := _asked_for_error(request.model):
        return error
    dimensions = DEFAULT_DIMENSIONS if request.dimensions is None else request.dimensions
    if not 1 <= dimensions <= MAX_DIMENSIONS:
        return _error(400, f"'dimensions' must be between 1 and {MAX_DIMENSIONS}.")
    inputs = _inputs(request.input)
    words = sum(len(text.split()) for text in inputs)
    vectors = [_vector(text, dimensions) for text in inputs]
    data: list[Any] = list(vectors)
    if request.encoding_format == "base64":
        packed = (struct.pack(f"<{dimensions}f", *vector) for vector in vectors)
        data = [base64.b64encode(each).decode() for each in packed]
    answer = {
        "object": "list",
        "data": [
            {"object": "embedding", "index": index, "embedding": each} for index, each in enumerate(data)
        ],
        "model": request.model,
        "usage": {"prompt_tokens": words, "total_tokens": words},
    }
    return SandboxReply(200, _JSON, ((FIRST_DELAY, msgspec.json.encode(answer)),))


def _inputs(given: str | list[Any]) -> list[str]:
    """Return the inputs as texts; a flat list of token ids is one input."""
    if isinstance(given, str):
        return [given]
    if given and all(isinstance(item, int) for item in given):
        return [" ".join(map(str, given))]
    return [" ".join(map(str, item)) if isinstance(item, list) else str(item) for item in given]


def _vector(text: str, dimensions: int) -> list[float]:
    """Return a vector of length 1 that only the text decides."""
    drawn = shake_256(text.encode()).digest(2 * dimensions)
    values = [unsigned / 32767.5 - 1.0 for (unsigned,) in struct.iter_unpack("<H", drawn)]
    length = hypot(*values)
    return [value / length for value in values]
