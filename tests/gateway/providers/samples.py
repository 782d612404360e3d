"""The recorded samples of tests/wire, and a reader of our own output that is stricter than any client."""

import itertools
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from openai.types.chat import ChatCompletion, ChatCompletionChunk
from pydantic import TypeAdapter

from axiom.lib.redaction import Secret
from gateway.providers.base import Adapter, ChatStream
from gateway.providers.registry import ADAPTERS
from gateway.types import (
    Answer,
    ChatRequest,
    Connection,
    CredentialSettings,
    EmbeddingsRequest,
    Reply,
    WireRequest,
)

WIRE = Path(__file__).parents[2] / "wire"
RECEIVED_AT = 1764000000
KEY = "FAKE-secret-of-the-credential"

_SLUGS = {
    "oldserver": "ollama", "hf": "huggingface",
    "vllm": "parasail", "think": "parasail", "fastapi": "parasail",
}  # fmt: skip
_chunk = TypeAdapter(ChatCompletionChunk)
_completion = TypeAdapter(ChatCompletion)


def build_chat(adapter: Adapter, request: ChatRequest, connection: Connection, model: str) -> WireRequest:
    """Call an adapter that has chat."""
    assert adapter.build_chat is not None
    return adapter.build_chat(request, connection, model)


def parse_chat(adapter: Adapter, request: ChatRequest, reply: Reply) -> Answer:
    """Call an adapter that has chat."""
    assert adapter.parse_chat is not None
    return adapter.parse_chat(request, reply)


def open_chat_stream(adapter: Adapter, request: ChatRequest, reply: Reply) -> ChatStream:
    """Call an adapter that has chat."""
    assert adapter.open_chat_stream is not None
    return adapter.open_chat_stream(request, reply)


@dataclass(frozen=True)
class Sample:
    """One file of a manifest."""

    folder: str
    file: str
    kind: str
    about: dict[str, Any]

    @property
    def raw(self) -> bytes:
        return (WIRE / self.folder / self.file).read_bytes()

    @property
    def json(self) -> Any:
        return json.loads(self.raw)

    @property
    def expect(self) -> dict[str, Any]:
        found: dict[str, Any] = self.about.get("expect", {})
        return found

    @property
    def adapter(self) -> Adapter:
        return ADAPTERS[slug_of(self.folder, Path(self.file).name)]

    def __str__(self) -> str:
        return f"{self.folder}/{self.file}"


def slug_of(folder: str, name: str) -> str:
    """The provider of a sample: its folder, or the first word of a name in `compat`."""
    if folder != "compat":
        return folder
    prefix = name.split("_")[0]
    return _SLUGS.get(prefix, prefix)


def samples(kind: str, type_: str | None = None) -> list[Sample]:
    """Every sample of a kind (and SDK type) in the three folders."""
    found = []
    for folder in ("openai", "azure", "compat"):
        manifest = json.loads((WIRE / folder / "manifest.json").read_text())
        found += [
            Sample(folder, about["file"], kind, about)
            for about in manifest["files"]
            if about["kind"] == kind and (type_ is None or about.get("type") == type_)
        ]
    assert found
    return found


def sample(folder: str, file: str) -> Sample:
    """One sample by its name."""
    manifest = json.loads((WIRE / folder / "manifest.json").read_text())
    about = next(about for about in manifest["files"] if about["file"] == file)
    return Sample(folder, file, about["kind"], about)


def chat_request(raw: bytes = b"{}", **fields: Any) -> ChatRequest:
    """A chat request as the data path makes it."""
    defaults: dict[str, Any] = {
        "model": "gpt-4o",
        "stream": False,
        "include_usage": False,
        "request_id": "req1",
        "received_at": RECEIVED_AT,
    }
    return ChatRequest(raw=raw, **(defaults | fields))


def chat_request_of(body: dict[str, Any]) -> ChatRequest:
    """The chat request that a body means."""
    stream = bool(body.get("stream"))
    usage = bool((body.get("stream_options") or {}).get("include_usage"))
    return chat_request(
        json.dumps(body).encode(), model=body.get("model", "gpt-4o"), stream=stream, include_usage=usage
    )


def embeddings_request_of(body: dict[str, Any]) -> EmbeddingsRequest:
    """The embeddings request that a body means."""
    return EmbeddingsRequest(
        raw=json.dumps(body).encode(),
        model=body["model"],
        base64=body.get("encoding_format") == "base64",
        request_id="req1",
        received_at=RECEIVED_AT,
    )


def connection_of(slug: str, base_url: str = "https://provider.example/v1", **config: Any) -> Connection:
    """A connection with a key."""
    return ADAPTERS[slug].connect(CredentialSettings(slug, base_url, Secret(KEY), config))


def sent(slug: str, body: dict[str, Any], model: str | None = None) -> WireRequest:
    """The wire request for a chat body."""
    request = chat_request_of(body)
    return build_chat(ADAPTERS[slug], request, connection_of(slug), model or request.model)


def sent_json(slug: str, **fields: Any) -> Any:
    """The body that goes to a provider for a one-message chat with further fields."""
    body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], **fields}
    return json.loads(sent(slug, body).body)


def replay(stream: ChatStream, raw: bytes, cuts: Iterable[int] = ()) -> bytes:
    """Feed a body in pieces cut at the given offsets, and finish."""
    return b"".join(_pieces(stream, raw, cuts)) + stream.finish()


def _pieces(stream: ChatStream, raw: bytes, cuts: Iterable[int]) -> Iterator[bytes]:
    edges = [0, *sorted(cuts), len(raw)]
    for start, end in itertools.pairwise(edges):
        yield stream.feed(raw[start:end])


@dataclass
class Heard:
    """What a client makes of a stream of ours."""

    text: str = ""
    text1: str = ""
    reasoning: str = ""
    finish_reason: str | None = None
    usage: list[int] | None = None
    done: bool = False
    calls: dict[int, list[str]] = field(default_factory=dict)
    chunks: list[dict[str, Any]] = field(default_factory=list)

    @property
    def tool_calls(self) -> list[list[str]]:
        return list(self.calls.values())

    @property
    def output_bytes(self) -> int:
        arguments = "".join(call[2] for call in self.calls.values())
        return len((self.text + self.text1 + self.reasoning + arguments).encode())


def hear(output: bytes) -> Heard:
    """Read a stream of ours, refusing whatever OpenAI would not send."""
    heard = Heard()
    finished: set[int] = set()
    opened: set[int] = set()
    for frame in output.split(b"\n\n")[:-1]:
        assert frame.startswith(b"data: "), frame
        assert b"\n" not in frame
        assert b"\r" not in frame
        assert not heard.done
        if frame == b"data: [DONE]":
            heard.done = True
            continue
        chunk = json.loads(frame[6:])
        _chunk.validate_python(chunk)
        heard.chunks.append(chunk)
        assert heard.usage is None, "nothing but [DONE] follows the usage chunk"
        if chunk.get("usage"):
            assert chunk["choices"] == []
            heard.usage = [chunk["usage"]["prompt_tokens"], chunk["usage"]["completion_tokens"]]
            continue
        assert chunk["choices"], "only the usage chunk has no choices"
        for choice in chunk["choices"]:
            assert choice["index"] not in finished
            _hear_choice(heard, choice, is_first=choice["index"] not in opened)
            opened.add(choice["index"])
            if choice["finish_reason"] is not None:
                finished.add(choice["index"])
    assert output.endswith(b"\n\n") or not output
    heads = {(chunk["id"], chunk["created"], chunk["model"], chunk["object"]) for chunk in heard.chunks}
    assert len(heads) <= 1
    return heard


def _hear_choice(heard: Heard, choice: dict[str, Any], *, is_first: bool) -> None:
    delta = choice["delta"]
    assert ("role" in delta) == is_first
    assert "message" not in choice
    assert delta.get("reasoning") is None
    if choice["index"] == 1:
        heard.text1 += delta.get("content") or ""
    else:
        heard.text += delta.get("content") or ""
        heard.reasoning += delta.get("reasoning_content") or ""
        heard.finish_reason = choice["finish_reason"] or heard.finish_reason
    for fragment in delta.get("tool_calls") or ():
        index, function = fragment["index"], fragment["function"]
        if index not in heard.calls:
            assert index == len(heard.calls), "indexes count 0, 1, 2"
            assert fragment["type"] == "function"
            heard.calls[index] = [fragment["id"], function["name"], function["arguments"]]
            continue
        assert not fragment.keys() & {"id", "type"}
        assert "name" not in function or not heard.calls[index][1]
        heard.calls[index][1] += function.get("name", "")
        heard.calls[index][2] += function["arguments"]
    if choice["finish_reason"] == "tool_calls":
        assert heard.calls
        for _, _, arguments in heard.calls.values():
            json.loads(arguments)


def read_answer(body: bytes) -> dict[str, Any]:
    """Read a whole answer of ours, refusing whatever OpenAI would not send, into the manifest's terms."""
    answer = json.loads(body)
    _completion.validate_python(answer)
    choice, usage = answer["choices"][0], answer.get("usage") or {}
    message = choice["message"]
    assert message["content"] is None or isinstance(message["content"], str)
    assert "tool_calls" not in message or message["tool_calls"] is None or message["tool_calls"]
    calls = message.get("tool_calls") or []
    return {
        "text": message["content"],
        "reasoning": message.get("reasoning_content"),
        "finish_reason": choice["finish_reason"],
        "prompt_tokens": usage.get("prompt_tokens"),
        "completion_tokens": usage.get("completion_tokens"),
        "tool_calls": [
            [call["id"], call["function"]["name"], call["function"]["arguments"]] for call in calls
        ],
        "cached_tokens": (usage.get("prompt_tokens_details") or {}).get("cached_tokens"),
        "reasoning_tokens": (usage.get("completion_tokens_details") or {}).get("reasoning_tokens"),
    }
