import pytest
from django.contrib.auth.models import AnonymousUser

from tenants.actors import actor_for_user, command_actor
from tenants.models import Membership, Organization, Role, User


def test_a_person_has_their_role_in_each_of_their_organizations(
    alice: User, acme: Organization, globex: Organization
) -> None:
    Membership.objects.create(organization=globex, user=alice, role=Role.BILLING)
    actor = actor_for_user(alice, ip_address="203.0.113.9", request_id="r1")
    assert actor.kind == "user"
    assert actor.user_id == alice.pk
    assert actor.label == "alice@acme.example"
    assert actor.is_operator is False
    assert dict(actor.roles) == {acme.pk: "owner", globex.pk: "billing"}
    assert actor.organization_ids == {acme.pk, globex.pk}
    assert actor.ip_address == "203.0.113.9"
    assert actor.request_id == "r1"


def test_a_superuser_is_an_operator(operator: User) -> None:
    actor = actor_for_user(operator)
    assert actor.is_operator is True
    assert actor.organization_ids == frozenset()


def test_a_deactivated_person_may_do_nothing(alice: User) -> None:
    alice.is_active = False
    assert actor_for_user(alice).organization_ids == frozenset()


def test_a_deactivated_superuser_is_no_operator(operator: User) -> None:
    operator.is_active = False
    assert actor_for_user(operator).is_operator is False


def test_nobody_may_do_nothing(db: None) -> None:
    actor = actor_for_user(AnonymousUser())
    assert (actor.user_id, actor.is_operator, actor.organization_ids) == (None, False, frozenset())


def test_a_command_is_an_operator_without_a_person() -> None:
    actor = command_actor("quickstart")
    assert (actor.kind, actor.user_id, actor.label, actor.is_operator) == (
        "command",
        None,
        "quickstart",
        True,
    )


def test_an_actor_is_never_changed() -> None:
    actor = command_actor("apply")
    with pytest.raises(AttributeError):
        actor.is_operator = False  # type: ignore[misc]


def test_the_roles_of_an_actor_are_never_changed(alice: User, acme: Organization) -> None:
    roles = actor_for_user(alice).roles
    with pytest.raises(TypeError):
        roles[acme.pk] = "owner"  # type: ignore[index]
