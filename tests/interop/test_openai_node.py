"""The official Node client, unmodified, run as a program of its own."""

import json
import os
import subprocess
from pathlib import Path

from tests.live import Live

SCRIPT = Path(__file__).parent / "client.mjs"


def test_the_node_client_sees_what_openai_would_have_sent(gateway: Live, node: str) -> None:
    environment = os.environ | {"BASE_URL": gateway.base_url, "TOKEN": gateway.token}
    done = subprocess.run(
        [node, str(SCRIPT)], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "chat": "Hi there",
        "requestId": 32,
        "stream": "Hi there",
        "usage": 17,
        "tools": [["call_w1", "Paris"], ["call_w2", "Rome"]],
        "embedding": [0.5, -0.25, 1],
        "models": ["gpt-4o", "text-embedding-3-small"],
        "errors": {
            "400": ["BadRequestError", "unsupported_parameter"],
            "401": ["InternalServerError", "upstream_auth_failed"],
            "404": ["NotFoundError", "model_not_found"],
            "429": ["RateLimitError", "rate_limit_exceeded"],
            "500": ["InternalServerError", "upstream_error"],
            "503": ["InternalServerError", "overloaded"],
        },
        "cut": ["APIError", "upstream_stream_interrupted"],
    }
