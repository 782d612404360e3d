"""What is sent and what the mock providers answer, shaped and sized as OpenAI's."""

import itertools
import json
from typing import Any

CHAT_MODEL = "bench-chat"
STREAM_MODEL = "bench-stream"
SLOW_MODEL = "bench-slow"

_CREATED = 1_763_900_000
_PROMPT = (
    "You support the customers of a company that sells garden tools. Answer in two or three sentences, "
    "in plain words, and never promise a delivery date. If an order number is missing, ask for it first."
)
_QUESTION = (
    "Hello, I ordered a pair of hedge shears last week and got a message that the parcel was delayed. "
    "Can you tell me what happens next and whether I can still change the address?"
)
ANSWER = (
    "I am sorry about the delay. Please send me your order number so that I can look up the parcel; as "
    "long as it has not left the depot, the address can still be changed, and I will tell you what the "
    "carrier needs for that."
)
CONTENT_CHUNKS = 58
STREAM_EVENTS = CONTENT_CHUNKS + 2  # with the role and the finish
PROMPT_TOKENS, COMPLETION_TOKENS = 97, 58


def request_body(model: str, *, stream: bool = False) -> bytes:
    """Return a chat request of about 580 bytes, as the OpenAI SDK writes it (no blanks)."""
    body: dict[str, Any] = {
        "model": model,
        "messages": [{"role": "system", "content": _PROMPT}, {"role": "user", "content": _QUESTION}],
        "temperature": 0.2,
        "top_p": 1.0,
        "max_tokens": 256,
        "user": "customer-58213",
        "metadata": {"channel": "web"},
    }
    if stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    return encode(body)


def completion(model: str = CHAT_MODEL) -> bytes:
    """Return a whole answer of about 700 bytes."""
    return encode(
        {
            "id": "chatcmpl-CfTq2mBzX0w9r4uYc7LsPjHn1KdEv",
            "object": "chat.completion",
            "created": _CREATED,
            "model": model,
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": ANSWER, "refusal": None, "annotations": []},
                    "logprobs": None,
                    "finish_reason": "stop",
                }
            ],
            "usage": _usage(),
            "service_tier": "default",
            "system_fingerprint": "fp_560af6e559",
        }
    )


def stream_events(model: str) -> list[bytes]:
    """Return the events of a stream: role, 58 words, finish (60 events of content), then usage and [DONE]."""
    deltas: list[tuple[dict[str, Any], str | None]] = [
        ({"role": "assistant", "content": "", "refusal": None}, None)
    ]
    deltas += [({"content": piece}, None) for piece in stream_pieces()]
    deltas += [({}, "stop")]
    chunks = [_chunk(model, [_choice(delta, reason)], None) for delta, reason in deltas]
    chunks.append(_chunk(model, [], _usage()))
    return [b"data: " + encode(chunk) + b"\n\n" for chunk in chunks] + [b"data: [DONE]\n\n"]


def stream_pieces() -> list[str]:
    """Return the text of a stream, cut as the providers cut it."""
    return [f" {word}" for word in itertools.islice(itertools.cycle(ANSWER.split()), CONTENT_CHUNKS)]


def slow_parts(model: str = SLOW_MODEL) -> list[bytes]:
    """Return the same stream as the 60 writes of the slow provider; the first one has a word.

    A gateway may hold a chunk that says nothing but the role, so that one is sent together with text.
    """
    events = stream_events(model)
    return [events[0] + events[1], *events[2:60], b"".join(events[60:])]


def _choice(delta: dict[str, Any], reason: str | None) -> dict[str, Any]:
    return {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}


def _chunk(model: str, choices: list[dict[str, Any]], usage: dict[str, Any] | None) -> dict[str, Any]:
    return {
        "id": "chatcmpl-CfTq2mBzX0w9r4uYc7LsPjHn1KdEv",
        "object": "chat.completion.chunk",
        "created": _CREATED,
        "model": model,
        "service_tier": "default",
        "system_fingerprint": "fp_560af6e559",
        "choices": choices,
        "usage": usage,
    }


def _usage() -> dict[str, Any]:
    return {
        "prompt_tokens": PROMPT_TOKENS,
        "completion_tokens": COMPLETION_TOKENS,
        "total_tokens": PROMPT_TOKENS + COMPLETION_TOKENS,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
    }


def encode(value: object) -> bytes:
    """Return the JSON as most providers write it: without blanks."""
    return json.dumps(value, separators=(",", ":")).encode()
