"""Every provider's adapter by its slug.

A new provider is a row of openai_rows, or a file and a line here: see docs/adding-a-provider.md.
"""

from collections.abc import Mapping

from gateway.providers import (
    anthropic,
    azure,
    bedrock,
    cohere,
    elevenlabs,
    gemini,
    openai_compatible,
    vertex,
)
from gateway.providers.base import Adapter

ADAPTERS: Mapping[str, Adapter] = {
    **openai_compatible.ADAPTERS,
    anthropic.ADAPTER.slug: anthropic.ADAPTER,
    azure.ADAPTER.slug: azure.ADAPTER,
    bedrock.ADAPTER.slug: bedrock.ADAPTER,
    cohere.ADAPTER.slug: cohere.ADAPTER,
    elevenlabs.ADAPTER.slug: elevenlabs.ADAPTER,
    gemini.ADAPTER.slug: gemini.ADAPTER,
    vertex.ADAPTER.slug: vertex.ADAPTER,
}
