"""The personas as actors, and a credential with a secret."""

import base64
from collections.abc import Callable

import pytest
from django.core.exceptions import ValidationError

from audit.models import AuditEvent
from axiom.lib.redaction import Secret
from credentials.models import ProviderCredential
from credentials.services import credential_create
from credentials.vault import open_secret
from tenants.actors import Actor, actor_for_user
from tenants.models import Membership, Organization, Role, Team, User

SECRET = "sk-canary-0123456789-abcd"
OTHER_SECRET = "sk-canary-9876543210-wxyz"
OLD_KEY = "test:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="  # the key ring of tests.settings
NEW_KEY = "newer:" + base64.b64encode(bytes(range(100, 132))).decode()


LastEvent = Callable[[], AuditEvent]


def secret_of(credential: ProviderCredential) -> Secret | None:
    """Open the credential's secret as it is stored now."""
    return open_secret(ProviderCredential.objects.get(pk=credential.pk))


def fields_of(error: pytest.ExceptionInfo[ValidationError]) -> set[str]:
    """Return the fields that a refusal names."""
    return set(error.value.message_dict)


@pytest.fixture
def admin(acme: Organization) -> Actor:
    """Ada, an admin of acme."""
    ada = User.objects.create_user("ada@acme.example", is_staff=True)
    Membership.objects.create(organization=acme, user=ada, role=Role.ADMIN)
    return actor_for_user(ada)


@pytest.fixture
def blue(acme: Organization) -> Team:
    """A team of acme."""
    return Team.objects.create(organization=acme, slug="blue", name="Blue")


@pytest.fixture
def red(globex: Organization) -> Team:
    """A team of globex."""
    return Team.objects.create(organization=globex, slug="red", name="Red")


@pytest.fixture
def credential(owner: Actor, acme: Organization) -> ProviderCredential:
    """An OpenAI credential of acme, with SECRET."""
    return credential_create(actor=owner, organization=acme, provider="openai", name="primary", secret=SECRET)


@pytest.fixture
def last_event(db: None) -> LastEvent:
    """Return the newest audit event."""
    return lambda: AuditEvent.objects.latest("id")
