"""Targets and callers for tests of the pure parts."""

from types import MappingProxyType
from typing import Any, cast

from gateway.plan import index_by_model, index_by_provider
from gateway.providers.base import Adapter
from gateway.snapshot import compile_allow_list
from gateway.types import Caller, Connection, OrganizationSnapshot, Target

NO_ADAPTER = cast(Adapter, None)


def target(
    id: int, provider: str = "openai", models: str = "gpt-4o", weight: float = 1, **fields: Any
) -> Target:
    """A target; `models` is space-separated."""
    return Target(
        credential_id=id,
        name=f"c{id}",
        provider=provider,
        adapter=fields.pop("adapter", NO_ADAPTER),
        connection=fields.pop("connection", Connection(base_url="http://x", headers=())),
        models=frozenset(models.split()),
        weight=weight,
        **fields,
    )


def organization(*targets: Target) -> OrganizationSnapshot:
    """A snapshot of one organization with these targets."""
    return OrganizationSnapshot(
        id=1,
        slug="acme",
        version=1,
        targets=targets,
        by_model=MappingProxyType(dict(index_by_model(targets))),
        by_provider=MappingProxyType(dict(index_by_provider(targets))),
    )


def caller(*, models: tuple[str, ...] = ("*",), **fields: Any) -> Caller:
    """A caller of acme."""
    defaults: dict[str, Any] = {
        "token_id": 1,
        "token_name": "app",
        "organization_id": 1,
        "organization_slug": "acme",
        "team_id": None,
        "team_ids": frozenset(),
        "user_id": None,
        "user_label": "",
        "scopes": frozenset({"chat.completions", "embeddings", "models"}),
        "allowed_models": compile_allow_list(models),
        "expires_at": None,
    }
    return Caller(**(defaults | fields))
