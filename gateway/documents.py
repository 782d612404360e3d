"""OpenAPI descriptions of the endpoints that are answered before Django. Data only."""

from typing import Any

from gateway.providers.sound import CONTENT_TYPES
from gateway.requests import SPEECH_FORMATS, TRANSCRIPT_FORMATS

_ERROR = {
    "description": "OpenAI's error envelope.",
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "required": ["error"],
                "properties": {
                    "error": {
                        "type": "object",
                        "required": ["message", "type", "param", "code"],
                        "properties": {
                            "message": {"type": "string"},
                            "type": {"type": "string"},
                            "param": {"type": ["string", "null"]},
                            "code": {"type": ["string", "null"]},
                        },
                    }
                },
            }
        }
    },
}


def _post(
    summary: str,
    required: dict[str, Any],
    optional: dict[str, Any],
    answers: list[str],
    *,
    body: str = "application/json",
) -> dict[str, Any]:
    """Describe one POST endpoint; fields that are not listed pass through to the provider."""
    return {
        "post": {
            "summary": summary,
            "security": [{"bearer": []}],
            "requestBody": {
                "required": True,
                "content": {
                    body: {
                        "schema": {
                            "type": "object",
                            "required": list(required),
                            "properties": required | optional,
                            "additionalProperties": True,
                        }
                    }
                },
            },
            "responses": {
                "200": {
                    "description": "The answer, in OpenAI's shape.",
                    "content": {kind: {"schema": {}} for kind in answers},
                },
                "default": _ERROR,
            },
        }
    }


_STRING = {"type": "string"}
INFERENCE_PATHS: dict[str, Any] = {
    "/rest/v1/llm-gateway/v1/chat/completions": _post(
        "Create a chat completion, streamed or whole",
        {"model": _STRING, "messages": {"type": "array", "items": {"type": "object"}, "minItems": 1}},
        {
            "stream": {"type": "boolean"},
            "stream_options": {"type": "object", "properties": {"include_usage": {"type": "boolean"}}},
            "temperature": {"type": "number"},
            "max_completion_tokens": {"type": "integer"},
            "tools": {"type": "array", "items": {"type": "object"}},
        },
        ["application/json", "text/event-stream"],
    ),
    "/rest/v1/llm-gateway/v1/embeddings": _post(
        "Create embeddings",
        {"model": _STRING, "input": {"anyOf": [_STRING, {"type": "array"}]}},
        {
            "encoding_format": {"type": "string", "enum": ["float", "base64"]},
            "dimensions": {"type": "integer"},
        },
        ["application/json"],
    ),
    "/rest/v1/llm-gateway/v1/audio/speech": _post(
        "Speak a text; the sound is streamed as it is made",
        {
            "model": _STRING,
            "input": _STRING,
            "voice": {
                "anyOf": [
                    _STRING,
                    {"type": "object", "required": ["id"], "properties": {"id": _STRING}},
                ]
            },
        },
        {
            "response_format": {"type": "string", "enum": list(SPEECH_FORMATS), "default": SPEECH_FORMATS[0]},
            "speed": {"type": "number"},
            "instructions": _STRING,
            "stream_format": {"type": "string", "enum": ["audio", "sse"]},
        },
        [*CONTENT_TYPES.values(), "text/event-stream"],
    ),
    "/rest/v1/llm-gateway/v1/audio/transcriptions": _post(
        "Write down speech",
        {"file": {"type": "string", "format": "binary"}, "model": _STRING},
        {
            "response_format": {"type": "string", "enum": list(TRANSCRIPT_FORMATS), "default": "json"},
            "language": _STRING,
            "prompt": _STRING,
            "temperature": {"type": "number"},
            "timestamp_granularities[]": {
                "type": "array",
                "items": {"type": "string", "enum": ["word", "segment"]},
            },
        },
        ["application/json", "text/plain"],
        body="multipart/form-data",
    ),
}
