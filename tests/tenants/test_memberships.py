from collections.abc import Callable

import pytest
from django.core.exceptions import PermissionDenied, ValidationError

from audit.models import AuditEvent
from tenants.actors import Actor, actor_for_user
from tenants.models import AccessToken, Membership, Organization, Role, Team, User
from tenants.services import membership_create, membership_delete, membership_update
from tests.unchanged import nothing_changes

pytestmark = pytest.mark.django_db

Join = Callable[..., Membership]


def membership_of(user: User, organization: Organization) -> Membership:
    return Membership.objects.get(user=user, organization=organization)


def test_an_unknown_person_becomes_a_user_without_a_password(
    admin: Actor, acme: Organization, blue: Team, last_event: Callable[[], AuditEvent]
) -> None:
    version = acme.snapshot_version
    membership = membership_create(
        actor=admin, organization=acme, email=" Eve@Acme.example ", role="billing", name="Eve", teams=[blue]
    )
    user = membership.user
    user.refresh_from_db()
    acme.refresh_from_db()
    assert (user.email, user.name, user.is_staff, user.is_superuser) == (
        "eve@acme.example",
        "Eve",
        True,
        False,
    )
    assert user.has_usable_password() is False
    assert (membership.role, list(membership.teams.all())) == ("billing", [blue])
    assert acme.snapshot_version == version + 1
    event = last_event()
    assert (event.action, event.target_type, event.target_label) == (
        "membership.create",
        "membership",
        "eve@acme.example",
    )
    assert event.after == {"role": "billing", "teams": ["blue"]}


def test_a_known_person_is_found_in_any_case_and_not_renamed(
    owner: Actor, acme: Organization, charlie: User
) -> None:
    User.objects.filter(pk=charlie.pk).update(name="Charlie", is_staff=False)
    membership = membership_create(
        actor=owner, organization=acme, email="CHARLIE@globex.example", role="member", name="Mallory"
    )
    charlie.refresh_from_db()
    assert membership.user == charlie
    assert (charlie.name, charlie.is_staff) == ("Charlie", True)
    assert charlie.has_usable_password() is True


@pytest.mark.parametrize("who", ["member", "stranger"])
def test_members_and_strangers_change_no_membership(
    who: str, acme: Organization, alice: User, join: Join, request: pytest.FixtureRequest
) -> None:
    actor: Actor = request.getfixturevalue(who)
    target = join(acme, Role.MEMBER)
    with nothing_changes():
        with pytest.raises(PermissionDenied):
            membership_create(actor=actor, organization=acme, email="eve@acme.example", role="member")
        with pytest.raises(PermissionDenied):
            membership_update(actor=actor, membership=target, role="admin")
        with pytest.raises(PermissionDenied):
            membership_delete(actor=actor, membership=target)


def test_a_member_makes_itself_nothing_more(member: Actor, bob: User, acme: Organization) -> None:
    with nothing_changes(), pytest.raises(PermissionDenied):
        membership_update(actor=member, membership=membership_of(bob, acme), role="owner")


def test_nobody_is_a_member_twice(owner: Actor, acme: Organization, bob: User) -> None:
    with nothing_changes(), pytest.raises(ValidationError) as caught:
        membership_create(actor=owner, organization=acme, email=bob.email, role="admin")
    assert caught.value.message_dict == {"email": ["This person is a member already."]}


@pytest.mark.parametrize(
    ("email", "role", "field"),
    [("not an address", "member", "email"), ("", "member", "email"), ("eve@acme.example", "emperor", "role")],
)
def test_a_wrong_address_or_role_is_refused(
    owner: Actor, acme: Organization, email: str, role: str, field: str
) -> None:
    with nothing_changes(), pytest.raises(ValidationError) as caught:
        membership_create(actor=owner, organization=acme, email=email, role=role)
    assert list(caught.value.message_dict) == [field]


def test_a_team_of_another_organization_is_refused(
    owner: Actor, acme: Organization, bob: User, red: Team
) -> None:
    red.organization = acme  # only in memory
    with nothing_changes():
        with pytest.raises(ValidationError) as caught:
            membership_create(
                actor=owner, organization=acme, email="eve@acme.example", role="member", teams=[red]
            )
        assert caught.value.message_dict == {"teams": ["Choose teams of this organization."]}
        with pytest.raises(ValidationError):
            membership_update(actor=owner, membership=membership_of(bob, acme), teams=[red])


def test_role_and_teams_are_changed_and_only_what_differs_is_recorded(
    admin: Actor, acme: Organization, bob: User, blue: Team, last_event: Callable[[], AuditEvent]
) -> None:
    membership = membership_of(bob, acme)
    membership_update(actor=admin, membership=membership, role="auditor", teams=[blue])
    membership.refresh_from_db()
    assert (membership.role, list(membership.teams.all())) == ("auditor", [blue])
    assert last_event().before == {"role": "member", "teams": []}
    assert last_event().after == {"role": "auditor", "teams": ["blue"]}
    membership_update(actor=admin, membership=membership, role="auditor", teams=[])
    assert (last_event().before, last_event().after) == ({"teams": ["blue"]}, {"teams": []})


def test_an_update_without_a_difference_leaves_no_trace(owner: Actor, acme: Organization, bob: User) -> None:
    with nothing_changes():
        membership_update(actor=owner, membership=membership_of(bob, acme), role="member", teams=[])


def test_an_admin_makes_admins_but_no_owners(admin: Actor, acme: Organization, bob: User) -> None:
    with nothing_changes():
        with pytest.raises(PermissionDenied):
            membership_create(actor=admin, organization=acme, email="eve@acme.example", role="owner")
        with pytest.raises(PermissionDenied):
            membership_update(actor=admin, membership=membership_of(bob, acme), role="owner")
    assert membership_update(actor=admin, membership=membership_of(bob, acme), role="admin").role == "admin"


def test_an_admin_touches_no_owner(
    admin: Actor, acme: Organization, alice: User, bob: User, blue: Team, join: Join
) -> None:
    other_owner = join(acme, Role.OWNER)
    with nothing_changes():
        with pytest.raises(PermissionDenied):
            membership_update(actor=admin, membership=other_owner, role="member")
        with pytest.raises(PermissionDenied):
            membership_update(actor=admin, membership=other_owner, teams=[blue])
        with pytest.raises(PermissionDenied):
            membership_delete(actor=admin, membership=other_owner)


@pytest.mark.parametrize("who", ["owner", "platform"])
def test_owners_and_operators_make_and_demote_owners(
    who: str, acme: Organization, alice: User, bob: User, request: pytest.FixtureRequest
) -> None:
    actor: Actor = request.getfixturevalue(who)
    assert membership_update(actor=actor, membership=membership_of(bob, acme), role="owner").role == "owner"
    assert membership_update(actor=actor, membership=membership_of(alice, acme), role="admin").role == "admin"


@pytest.mark.parametrize("who", ["owner", "platform"])
def test_the_last_owner_is_neither_demoted_nor_removed(
    who: str, acme: Organization, alice: User, request: pytest.FixtureRequest
) -> None:
    actor: Actor = request.getfixturevalue(who)
    with nothing_changes():
        with pytest.raises(ValidationError, match="at least one owner"):
            membership_update(actor=actor, membership=membership_of(alice, acme), role="admin")
        with pytest.raises(ValidationError, match="at least one owner"):
            membership_delete(actor=actor, membership=membership_of(alice, acme))


def test_an_owner_who_cannot_log_in_does_not_count(
    owner: Actor, acme: Organization, alice: User, join: Join
) -> None:
    other = join(acme, Role.OWNER).user
    User.objects.filter(pk=other.pk).update(is_active=False)
    with nothing_changes(), pytest.raises(ValidationError, match="at least one owner"):
        membership_delete(actor=owner, membership=membership_of(alice, acme))


def test_an_organization_without_owners_can_lose_members(
    platform: Actor, globex: Organization, join: Join
) -> None:
    membership_delete(actor=platform, membership=join(globex, Role.ADMIN))
    assert not Membership.objects.for_organization(globex.pk).exists()


def test_a_removed_member_loses_the_admin_and_their_tokens_there(
    owner: Actor, acme: Organization, globex: Organization, bob: User
) -> None:
    own, other = (
        AccessToken.objects.create(organization=place, name="app", user=bob, key_id=key, digest=key)
        for place, key in ((acme, "a"), (globex, "b"))
    )
    service = AccessToken.objects.create(organization=acme, name="service", key_id="c", digest="c")
    membership_delete(actor=owner, membership=membership_of(bob, acme))
    bob.refresh_from_db()
    assert bob.is_staff is False
    assert not bob.memberships.exists()
    assert [AccessToken.objects.get(pk=token.pk).revoked_at is None for token in (own, other, service)] == [
        False,
        True,
        True,
    ]
    recorded = AuditEvent.objects.order_by("id").values_list("action", "target_label")
    assert list(recorded) == [("token.revoke", "app"), ("membership.delete", bob.email)]


def test_who_is_in_another_organization_keeps_the_admin(
    owner: Actor, acme: Organization, globex: Organization, bob: User
) -> None:
    Membership.objects.create(organization=globex, user=bob, role=Role.MEMBER)
    membership_delete(actor=owner, membership=membership_of(bob, acme))
    bob.refresh_from_db()
    assert bob.is_staff is True


def test_an_operator_keeps_the_admin(owner: Actor, acme: Organization, operator: User, join: Join) -> None:
    membership_delete(actor=owner, membership=join(acme, Role.ADMIN, operator.email))
    operator.refresh_from_db()
    assert operator.is_staff is True


def test_a_member_of_two_organizations_acts_only_with_the_role_of_each(
    charlie: User, acme: Organization, globex: Organization, bob: User, join: Join
) -> None:
    join(acme, Role.MEMBER, charlie.email)
    actor = actor_for_user(charlie)  # owner of globex, member of acme
    with nothing_changes(), pytest.raises(PermissionDenied):
        membership_delete(actor=actor, membership=membership_of(bob, acme))
