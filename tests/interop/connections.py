"""A connection of every provider, as if a credential had been saved for it."""

import json
from functools import cache
from typing import Any

from axiom.lib.redaction import Secret
from credentials.kinds import KINDS
from gateway.providers.registry import ADAPTERS
from gateway.types import Connection, CredentialSettings

_CONFIG: dict[str, dict[str, Any]] = {
    "bedrock": {"region": "us-east-1"},
    "vertex": {"project": "demo-project", "location": "us-central1"},
}
_SECRETS: dict[str, str] = {
    "vertex": json.dumps({"type": "service_account", "project_id": "demo-project"}),
}

# An address that has embeddings, too.
_BASE_URLS = {"huggingface": "https://endpoint.example/v1"}


@cache
def connection(slug: str) -> Connection:
    """Return a connection to the provider's own address, or to one that is nobody's."""
    base_url = _BASE_URLS.get(slug) or KINDS[slug].base_url or "https://provider.example/v1"
    secret = Secret(_SECRETS.get(slug, "FAKE-key-of-the-credential"))
    return ADAPTERS[slug].connect(CredentialSettings(slug, base_url, secret, _CONFIG.get(slug, {})))
