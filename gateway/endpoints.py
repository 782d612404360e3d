"""The inference endpoints as data: path, scope, and how a body is read."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from gateway import requests
from gateway.bodies import Headers, Limits, Receive, read_json
from gateway.types import Request
from gateway.uploads import read_form

PREFIX = "/rest/v1/llm-gateway/v1/"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One POST endpoint. `name` is its scope and its label in metrics and usage records.

    `read` takes the body from the wire, `parse` makes a request of what it returns.
    """

    name: str
    parse: Callable[[Any, str, int], Request]
    read: Callable[[Headers, Receive, Limits], Awaitable[Any]] = read_json


ENDPOINTS = {
    "chat/completions": Endpoint("chat.completions", requests.parse_chat),
    "embeddings": Endpoint("embeddings", requests.parse_embeddings),
    "audio/speech": Endpoint("audio.speech", requests.parse_speech),
    "audio/transcriptions": Endpoint("audio.transcriptions", requests.parse_transcription, read_form),
}
