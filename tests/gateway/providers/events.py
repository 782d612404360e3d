"""Events of a provider's stream, made to order."""

import json
from typing import Any

import pytest

from gateway.errors import ProviderFailure
from gateway.providers.registry import ADAPTERS
from gateway.types import Reply
from tests.gateway.providers.samples import Heard, chat_request, hear, open_chat_stream, replay

DONE = b"data: [DONE]\n\n"
INTERRUPTED = "ended before the answer was complete"


def event(*choices: dict[str, Any], **members: Any) -> bytes:
    """An event of a provider, by default one that conforms."""
    head = {"id": "c1", "object": "chat.completion.chunk", "created": 5, "model": "m1"}
    return f"data: {json.dumps(head | {'choices': choices} | members)}\n\n".encode()


def delta(index: int = 0, finish: str | None = None, **members: Any) -> dict[str, Any]:
    """A choice of an event."""
    return {"index": index, "delta": members, "finish_reason": finish}


def call(index: int | None, identity: str | None, name: str | None, arguments: Any) -> dict[str, Any]:
    """A fragment of a tool call, without the members that are None."""
    function = {"name": name, "arguments": arguments}
    fragment = {
        "index": index,
        "id": identity,
        "function": {k: v for k, v in function.items() if v is not None},
    }
    return {name: value for name, value in fragment.items() if value is not None}


ROLE = event(delta(role="assistant", content=""))
STOP = event(delta(finish="stop"))
CALLED = event(delta(finish="tool_calls"))


def translate(*events: bytes, slug: str = "openai", **fields: Any) -> Heard:
    stream = open_chat_stream(ADAPTERS[slug], chat_request(stream=True, **fields), Reply())
    return hear(replay(stream, b"".join(events)))


def failure(*events: bytes, slug: str = "openai") -> ProviderFailure:
    with pytest.raises(ProviderFailure) as caught:
        translate(*events, slug=slug)
    return caught.value
