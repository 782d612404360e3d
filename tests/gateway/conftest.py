"""A live gateway with one scripted provider behind acme's credential."""

from collections.abc import Iterator
from typing import Any

import pytest

from credentials.models import ProviderCredential
from credentials.services import credential_create
from tenants.actors import actor_for_user
from tenants.models import Organization, User
from tenants.services import token_create
from tests.fakes.provider import Provider
from tests.live import Live, serve

CANARY = "sk-canary-5f3a9c1e7b"


def connect(organization: Organization, owner: User, fake: Provider, **fields: Any) -> ProviderCredential:
    """Give the organization a credential that leads to the fake provider."""
    defaults: dict[str, Any] = {
        "provider": "openai",
        "name": "primary",
        "secret": CANARY,
        "default_model": "gpt-4o",
        "base_url": fake.base_url,
    }
    return credential_create(actor=actor_for_user(owner), organization=organization, **(defaults | fields))


@pytest.fixture
def credential(transactional_db: None, acme: Organization, alice: User, fake: Provider) -> ProviderCredential:
    return connect(acme, alice, fake)


@pytest.fixture
def live(credential: ProviderCredential, acme: Organization, alice: User) -> Iterator[Live]:
    _, token = token_create(actor=actor_for_user(alice), organization=acme, name="app")
    with serve(token) as running:
        yield running
