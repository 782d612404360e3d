"""The personas as actors, and the audit record as the tests read it."""

from collections.abc import Callable

import pytest

from audit.models import AuditEvent
from tenants.actors import Actor, actor_for_user
from tenants.models import Membership, Organization, Role, Team, User


@pytest.fixture
def join(db: None) -> Callable[..., Membership]:
    """Put a new person, or one who is given, into an organization."""

    def put(organization: Organization, role: Role, email: str = "dora@acme.example") -> Membership:
        user = User.objects.filter(email=email).first() or User.objects.create_user(email, is_staff=True)
        return Membership.objects.create(organization=organization, user=user, role=role)

    return put


@pytest.fixture
def admin(acme: Organization, join: Callable[..., Membership]) -> Actor:
    """Ada, an admin of acme."""
    return actor_for_user(join(acme, Role.ADMIN, "ada@acme.example").user)


@pytest.fixture
def blue(acme: Organization) -> Team:
    """A team of acme."""
    return Team.objects.create(organization=acme, slug="blue", name="Blue")


@pytest.fixture
def red(globex: Organization) -> Team:
    """A team of globex."""
    return Team.objects.create(organization=globex, slug="red", name="Red")


@pytest.fixture
def last_event(db: None) -> Callable[[], AuditEvent]:
    """Return the newest audit event."""
    return lambda: AuditEvent.objects.latest("id")
