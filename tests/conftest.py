"""Everybody's fixtures: the personas, their organizations, and a network that ends at loopback."""

import ipaddress
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from tenants.actors import Actor, actor_for_user
from tenants.models import Membership, Organization, Role, User
from tests.fakes.provider import Provider, provider

PASSWORD = "correct horse battery staple"
_connect = socket.socket.connect


def _connect_to_loopback_only(self: socket.socket, address: Any) -> None:
    if self.family in {socket.AF_INET, socket.AF_INET6} and not _is_loopback(address[0]):
        raise AssertionError(f"A test tried to leave loopback: {address[0]}")
    _connect(self, address)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    django_db_modify_db_settings_parallel_suffix: None, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Keep SQLite in a file, as in production: threads of the gateway share it, which memory can't do."""
    from django.conf import settings

    database = settings.DATABASES["default"]
    if database["ENGINE"].endswith("sqlite3"):
        database.setdefault("TEST", {})["NAME"] = str(tmp_path_factory.mktemp("database") / "test.sqlite3")


@pytest.fixture(autouse=True)
def _loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket.socket, "connect", _connect_to_loopback_only)


@pytest.fixture(autouse=True)
def _state_directory(settings: Any, tmp_path: Any) -> None:
    settings.AXIOM_VAR = tmp_path / "var"
    settings.AXIOM_VAR.mkdir(mode=0o700, exist_ok=True)
    settings.PASSWORD_HASHERS = [
        "django.contrib.auth.hashers.MD5PasswordHasher"
    ]  # fast; real ones take 0.2 s


def _member(email: str, organization: Organization, role: Role) -> User:
    user = User.objects.create_user(email, PASSWORD, is_staff=True)
    Membership.objects.create(organization=organization, user=user, role=role)
    return user


@pytest.fixture
def acme(db: None) -> Organization:
    """The organization of most tests."""
    return Organization.objects.create(slug="acme", name="Acme Inc")


@pytest.fixture
def globex(db: None) -> Organization:
    """The other organization."""
    return Organization.objects.create(slug="globex", name="Globex Corp")


@pytest.fixture
def alice(acme: Organization) -> User:
    """Owner of acme."""
    return _member("alice@acme.example", acme, Role.OWNER)


@pytest.fixture
def bob(acme: Organization) -> User:
    """Member of acme."""
    return _member("bob@acme.example", acme, Role.MEMBER)


@pytest.fixture
def charlie(globex: Organization) -> User:
    """Owner of globex: a stranger to acme."""
    return _member("charlie@globex.example", globex, Role.OWNER)


@pytest.fixture
def operator(db: None) -> User:
    """The platform operator."""
    return User.objects.create_superuser("operator@axiom.example", PASSWORD)


@pytest.fixture
def fake() -> Iterator[Provider]:
    """A provider on loopback whose answers are scripted."""
    with provider() as running:
        yield running


@pytest.fixture
def other_fake() -> Iterator[Provider]:
    """A second one."""
    with provider() as running:
        yield running


@pytest.fixture
def owner(alice: User) -> Actor:
    """Alice, who owns acme."""
    return actor_for_user(alice)


@pytest.fixture
def member(bob: User) -> Actor:
    """Bob, a member of acme."""
    return actor_for_user(bob)


@pytest.fixture
def stranger(charlie: User) -> Actor:
    """Charlie, who owns globex."""
    return actor_for_user(charlie)


@pytest.fixture
def platform(operator: User) -> Actor:
    """The platform operator."""
    return actor_for_user(operator)
