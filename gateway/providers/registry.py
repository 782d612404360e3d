"""Every provider's adapter by its slug.

A new provider is a row of openai_rows, or a file and a line here; then a kind in credentials.kinds.
"""

from collections.abc import Mapping

from gateway.providers import azure, openai_compatible
from gateway.providers.base import Adapter

ADAPTERS: Mapping[str, Adapter] = {**openai_compatible.ADAPTERS, azure.ADAPTER.slug: azure.ADAPTER}
