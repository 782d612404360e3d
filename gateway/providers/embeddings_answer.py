"""Writing OpenAI's answer to an embeddings request out of what another provider gave.

Both official SDKs ask for base64 unless told otherwise, so what a provider gives as floats is packed here
when the caller asked for it.
"""

import base64
import struct
from collections.abc import Sequence

import msgspec

from gateway.providers.chat_problems import unreadable
from gateway.types import Answer, EmbeddingsRequest, Usage

Vector = Sequence[float]


def embeddings_answer(
    request: EmbeddingsRequest, model: str, vectors: Sequence[Vector], input_tokens: int | None
) -> Answer:
    """Return the vectors, in their order, in the form that the caller asked for.

    `input_tokens` is None where the provider counts none. Raises ProviderFailure when a number is out of
    the range of 32-bit floats.
    """
    prompt_tokens = input_tokens or 0  # clients read it without looking
    document = {
        "object": "list",
        "data": [
            {"object": "embedding", "index": index, "embedding": _written(vector, request)}
            for index, vector in enumerate(vectors)
        ],
        "model": model,
        "usage": {"prompt_tokens": prompt_tokens, "total_tokens": prompt_tokens},
    }
    usage = None if input_tokens is None else Usage(input=input_tokens)
    return Answer(msgspec.json.encode(document), usage, model)


def _written(vector: Vector, request: EmbeddingsRequest) -> Vector | str:
    if not request.base64:
        return vector
    try:
        return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
    except (struct.error, OverflowError):
        raise unreadable() from None
