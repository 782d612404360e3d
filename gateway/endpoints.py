"""The inference endpoints as data: path, scope, and how a body is read."""

from collections.abc import Callable
from dataclasses import dataclass

from gateway import requests
from gateway.types import ChatRequest, EmbeddingsRequest

PREFIX = "/rest/v1/llm-gateway/v1/"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One POST endpoint. `name` is its scope and its label in metrics and usage records."""

    name: str
    parse: Callable[[bytes, str, int], ChatRequest | EmbeddingsRequest]


ENDPOINTS = {
    "chat/completions": Endpoint("chat.completions", requests.parse_chat),
    "embeddings": Endpoint("embeddings", requests.parse_embeddings),
}
