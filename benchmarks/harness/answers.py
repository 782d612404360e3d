"""Are the answers right? Asked before anything is measured, so that no fast error is ever counted."""

import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any

from harness import payloads, translated
from harness.processes import BenchError


@dataclass(frozen=True)
class Comparison:
    """How an answer through the gateway compares with the provider's: "bytes", or "meaning" only."""

    kind: str
    equal_in: str


def check(url: str, token: str) -> list[Comparison]:
    """Ask for one answer of each kind. Raises BenchError when one differs from the provider's in meaning."""
    stream = b"".join(payloads.stream_events(payloads.STREAM_MODEL))
    slow = b"".join(payloads.slow_parts())
    return [
        _compare(
            "chat", _post(url, token, payloads.request_body(payloads.CHAT_MODEL)), payloads.completion()
        ),
        _compare(
            "stream", _post(url, token, payloads.request_body(payloads.STREAM_MODEL, stream=True)), stream
        ),
        _compare("slow", _post(url, token, payloads.request_body(payloads.SLOW_MODEL, stream=True)), slow),
        *(
            _check_translated(each, url, token, stream=way)
            for each in translated.PROVIDERS
            for way in (False, True)
        ),
    ]


def _check_translated(provider: translated.Provider, url: str, token: str, *, stream: bool) -> Comparison:
    """Compare what every client reads with what OpenAI would have answered to the same request."""
    kind, model = f"{provider.slug} {'stream' if stream else 'chat'}", provider.model
    got = _meaning(_post(url, token, payloads.request_body(model, stream=stream)))
    whole = b"".join(payloads.stream_events(model)) if stream else payloads.completion(model)
    if [_essence(each) for each in got] != [_essence(each) for each in _meaning(whole)]:
        raise BenchError(f"The {kind} answer is wrong:\n{json.dumps(got)[:1500]}")
    return Comparison(kind, "meaning")


def _essence(document: Any) -> Any:
    """Leave out what each provider has of its own: ids, times, details of the figures."""
    if not isinstance(document, dict):
        return document
    choices = [
        {
            "index": choice["index"],
            "finish_reason": choice["finish_reason"],
            **{
                name: (choice.get("message") or choice.get("delta") or {}).get(name)
                for name in ("role", "content")
            },
        }
        for choice in document["choices"]
    ]
    usage = document.get("usage")
    figures = usage and [usage[name] for name in ("prompt_tokens", "completion_tokens", "total_tokens")]
    return document["object"], document["model"], choices, figures


def _compare(kind: str, got: bytes, expected: bytes) -> Comparison:
    if got == expected:
        return Comparison(kind, "bytes")
    if _meaning(got) != _meaning(expected):
        raise BenchError(
            f"The {kind} answer differs from the provider's:\n{got[:1500].decode(errors='replace')}"
        )
    return Comparison(kind, "meaning")


def _meaning(answer: bytes) -> list[Any]:
    if not answer.startswith(b"data: "):
        return [json.loads(answer)]
    events = [event.removeprefix(b"data: ") for event in answer.strip().split(b"\n\n")]
    return [event.decode() if event == b"[DONE]" else json.loads(event) for event in events]


def _post(url: str, token: str, body: bytes) -> bytes:
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    request = urllib.request.Request(url, data=body, headers=headers, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return bytes(answer.read())
    except urllib.error.HTTPError as problem:
        text = problem.read()[:1000].decode(errors="replace")
        raise BenchError(f"{url} answered {problem.code}: {text}") from problem
