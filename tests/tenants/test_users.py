from collections.abc import Callable

import pytest
from django.core.exceptions import PermissionDenied, ValidationError

from audit.models import AuditEvent
from tenants.actors import Actor
from tenants.models import Membership, Organization, Role, User
from tenants.services import user_create, user_set_password, user_update
from tests.unchanged import nothing_changes

pytestmark = pytest.mark.django_db

Join = Callable[..., Membership]
GOOD = "a long enough passphrase"


def test_an_operator_creates_a_person(platform: Actor, last_event: Callable[[], AuditEvent]) -> None:
    user = user_create(actor=platform, email="Eve@acme.example", name="Eve")
    user.refresh_from_db()
    assert (user.email, user.name, user.is_staff, user.is_superuser) == (
        "eve@acme.example",
        "Eve",
        False,
        False,
    )
    assert user.has_usable_password() is False
    event = last_event()
    assert (event.action, event.organization_id, event.target_id) == ("user.create", None, str(user.pk))


@pytest.mark.parametrize("who", ["owner", "member", "stranger"])
def test_nobody_else_creates_or_changes_people(who: str, bob: User, request: pytest.FixtureRequest) -> None:
    actor: Actor = request.getfixturevalue(who)
    with nothing_changes():
        with pytest.raises(PermissionDenied):
            user_create(actor=actor, email="eve@acme.example")
        with pytest.raises(PermissionDenied):
            user_update(actor=actor, user=bob, is_active=False)


def test_an_address_is_used_once_in_any_case(platform: Actor, bob: User) -> None:
    with nothing_changes(), pytest.raises(ValidationError) as caught:
        user_create(actor=platform, email="BOB@acme.example")
    assert list(caught.value.message_dict) == ["email"]


def test_deactivating_a_person_reaches_each_of_their_organizations(
    platform: Actor, bob: User, acme: Organization, globex: Organization, join: Join
) -> None:
    join(globex, Role.MEMBER, bob.email)
    versions = acme.snapshot_version, globex.snapshot_version
    user_update(actor=platform, user=bob, is_active=False)
    for row in (bob, acme, globex):
        row.refresh_from_db()
    assert bob.is_active is False
    assert (acme.snapshot_version, globex.snapshot_version) == (versions[0] + 1, versions[1] + 1)
    events = AuditEvent.objects.filter(action="user.update", after={"is_active": False})
    assert set(events.values_list("organization_id", flat=True)) == {acme.pk, globex.pk}


def test_an_operator_does_not_lock_itself_out(platform: Actor, operator: User) -> None:
    with nothing_changes(), pytest.raises(ValidationError, match="yourself"):
        user_update(actor=platform, user=operator, is_active=False)


def test_nobody_is_made_an_operator_by_an_update(platform: Actor, bob: User) -> None:
    with nothing_changes(), pytest.raises(TypeError, match="is_superuser"):
        user_update(actor=platform, user=bob, is_superuser=True)  # type: ignore[call-arg]


@pytest.mark.parametrize("who", ["owner", "admin", "platform"])
def test_owners_admins_and_operators_set_a_members_password(
    who: str,
    bob: User,
    acme: Organization,
    request: pytest.FixtureRequest,
    last_event: Callable[[], AuditEvent],
) -> None:
    user_set_password(actor=request.getfixturevalue(who), user=bob, password=GOOD)
    bob.refresh_from_db()
    assert bob.check_password(GOOD)
    event = last_event()
    assert (event.action, event.organization_id, event.after) == (
        "user.set_password",
        acme.pk,
        {"password": "set"},
    )
    assert GOOD not in str(vars(event))
    assert bob.password not in str(vars(event))


@pytest.mark.parametrize("who", ["member", "stranger"])
def test_members_and_strangers_set_no_password(
    who: str, alice: User, bob: User, request: pytest.FixtureRequest
) -> None:
    actor: Actor = request.getfixturevalue(who)
    with nothing_changes(), pytest.raises(PermissionDenied):
        user_set_password(actor=actor, user=alice, password=GOOD)


def test_the_password_of_somebody_who_is_elsewhere_too_is_the_operators_business(
    owner: Actor, platform: Actor, bob: User, globex: Organization, join: Join
) -> None:
    join(globex, Role.MEMBER, bob.email)
    with nothing_changes(), pytest.raises(ValidationError, match="ask the operator"):
        user_set_password(actor=owner, user=bob, password=GOOD)
    assert user_set_password(actor=platform, user=bob, password=GOOD).check_password(GOOD)


def test_an_admin_cannot_become_an_owner_or_an_operator_by_a_password(
    admin: Actor, owner: Actor, alice: User, operator: User, acme: Organization, join: Join
) -> None:
    join(acme, Role.MEMBER, operator.email)
    with nothing_changes():
        with pytest.raises(PermissionDenied):
            user_set_password(actor=admin, user=alice, password=GOOD)
        with pytest.raises(PermissionDenied):
            user_set_password(actor=owner, user=operator, password=GOOD)


@pytest.mark.parametrize("weak", ["", "short", "password1234", "bob@acme.example"])
def test_a_weak_password_is_refused(owner: Actor, bob: User, weak: str) -> None:
    with nothing_changes(), pytest.raises(ValidationError) as caught:
        user_set_password(actor=owner, user=bob, password=weak)
    assert list(caught.value.message_dict) == ["password"]
