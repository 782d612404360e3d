"""The providers with formats of their own: what their mock answers, with the same text as OpenAI's.

Shapes: platform.claude.com/docs/en/api/messages, ai.google.dev/api/generate-content, and ConverseStreamOutput
in docs.aws.amazon.com/bedrock/latest/APIReference.
"""

import json
import struct
from dataclasses import dataclass
from typing import Any
from zlib import crc32

from harness.payloads import ANSWER, COMPLETION_TOKENS, PROMPT_TOKENS, encode, stream_pieces

_STRING = 7  # the type of a header's value in an event stream


@dataclass(frozen=True)
class Provider:
    """A provider, the model asked for (as in gateway.yaml.template), and the bodies of its answers."""

    slug: str
    model: str
    whole: bytes
    stream: bytes


def _anthropic(model: str) -> Provider:
    message = {
        "id": "msg_01XFDUDYJgAACzvnptvVoYEL",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [{"type": "text", "text": ANSWER}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": _anthropic_usage(COMPLETION_TOKENS),
    }
    begun = message | {"content": [], "stop_reason": None, "usage": _anthropic_usage(1)}
    deltas = [{"type": "text_delta", "text": piece} for piece in stream_pieces()]
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": begun},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "ping"},
        *({"type": "content_block_delta", "index": 0, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": None},
            "usage": {"output_tokens": COMPLETION_TOKENS},
        },
        {"type": "message_stop"},
    ]
    frames = [b"event: %b\ndata: %b\n\n" % (event["type"].encode(), encode(event)) for event in events]
    return Provider("anthropic", model, encode(message), b"".join(frames))


def _anthropic_usage(output: int) -> dict[str, Any]:
    return {
        "input_tokens": PROMPT_TOKENS,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "output_tokens": output,
        "service_tier": "standard",
    }


def _gemini(model: str) -> Provider:
    """Whole answers are indented there, events aren't; each event has the figures so far."""
    whole = json.dumps(_generated(model, ANSWER, COMPLETION_TOKENS, "STOP"), indent=2).encode()
    responses = [_generated(model, piece, count) for count, piece in enumerate(stream_pieces(), 1)]
    responses.append(_generated(model, "", COMPLETION_TOKENS, "STOP"))
    frames = [b"data: %b\r\n\r\n" % encode(response) for response in responses]
    return Provider("gemini", model, whole, b"".join(frames))


def _generated(model: str, text: str, output: int, reason: str | None = None) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"parts": [{"text": text}], "role": "model"}}
    if reason:
        candidate["finishReason"] = reason
    return {
        "candidates": [candidate | {"index": 0}],
        "usageMetadata": {
            "promptTokenCount": PROMPT_TOKENS,
            "candidatesTokenCount": output,
            "totalTokenCount": PROMPT_TOKENS + output,
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": PROMPT_TOKENS}],
        },
        "modelVersion": model,
        "responseId": "Yg8kafDaGZ-GmtkPz6m4oQc",
    }


def _bedrock(model: str) -> Provider:
    usage = {
        "inputTokens": PROMPT_TOKENS,
        "outputTokens": COMPLETION_TOKENS,
        "totalTokens": PROMPT_TOKENS + COMPLETION_TOKENS,
    }
    whole = {
        "metrics": {"latencyMs": 912},
        "output": {"message": {"content": [{"text": ANSWER}], "role": "assistant"}},
        "stopReason": "end_turn",
        "usage": usage,
    }
    deltas = [{"contentBlockIndex": 0, "delta": {"text": piece}} for piece in stream_pieces()]
    events: list[tuple[str, dict[str, Any]]] = [
        ("messageStart", {"role": "assistant"}),
        *(("contentBlockDelta", delta) for delta in deltas),
        ("contentBlockStop", {"contentBlockIndex": 0}),
        ("messageStop", {"stopReason": "end_turn"}),
        ("metadata", {"metrics": {"latencyMs": 912}, "usage": usage}),
    ]
    frames = [_event(name, {**body, "p": "abcdefghijklmnopqrstuvwx"}) for name, body in events]
    return Provider("bedrock", model, encode(whole), b"".join(frames))


def _event(name: str, body: dict[str, Any]) -> bytes:
    """Return a message of an event stream: lengths, checksum, headers, payload, checksum of all of it."""
    payload = encode(body)
    headers = _header(":event-type", name)
    headers += _header(":content-type", "application/json") + _header(":message-type", "event")
    prelude = struct.pack("!II", 16 + len(headers) + len(payload), len(headers))
    message = prelude + struct.pack("!I", crc32(prelude)) + headers + payload
    return message + struct.pack("!I", crc32(message))


def _header(name: str, value: str) -> bytes:
    return (
        struct.pack("!B", len(name))
        + name.encode()
        + struct.pack("!BH", _STRING, len(value))
        + value.encode()
    )


PROVIDERS = (
    _anthropic("claude-sonnet-4-5"),
    _gemini("gemini-2.5-flash"),
    _bedrock("us.anthropic.claude-haiku-4-5-20251001-v1:0"),
)
