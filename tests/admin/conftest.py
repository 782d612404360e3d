"""The personas in front of the admin."""

from collections.abc import Callable

import pytest
from django.test import Client

from tenants.models import Membership, Organization, Role, User
from tests.admin.world import World, build_world

Login = Callable[[User], Client]


@pytest.fixture
def world(alice: User, charlie: User, acme: Organization, globex: Organization) -> World:
    """Both organizations, with a row of everything; globex's texts are marked."""
    return build_world(alice, charlie, acme, globex)


@pytest.fixture
def login() -> Login:
    """Log somebody in, in a browser of their own."""

    def log_in(user: User) -> Client:
        client = Client()
        client.force_login(user)
        return client

    return log_in


@pytest.fixture
def ada(acme: Organization) -> User:
    """Admin of acme."""
    user = User.objects.create_user("ada@acme.example", is_staff=True)
    Membership.objects.create(organization=acme, user=user, role=Role.ADMIN)
    return user


@pytest.fixture
def mia(acme: Organization, globex: Organization) -> User:
    """Admin of acme, member of globex."""
    user = User.objects.create_user("mia@acme.example", is_staff=True)
    Membership.objects.create(organization=acme, user=user, role=Role.ADMIN)
    Membership.objects.create(organization=globex, user=user, role=Role.MEMBER)
    return user
