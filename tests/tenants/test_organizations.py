from collections.abc import Callable

import pytest
from django.core.exceptions import PermissionDenied, ValidationError

from audit.models import AuditEvent
from tenants.actors import Actor, command_actor
from tenants.models import Organization
from tenants.services import organization_create, organization_touch, organization_update
from tests.unchanged import nothing_changes

pytestmark = pytest.mark.django_db


def test_an_operator_creates_an_organization(platform: Actor, last_event: Callable[[], AuditEvent]) -> None:
    organization = organization_create(actor=platform, slug="initech", name="Initech")
    organization.refresh_from_db()
    assert (organization.slug, organization.name, organization.is_active) == ("initech", "Initech", True)
    event = last_event()
    assert (event.organization_id, event.action) == (organization.pk, "organization.create")
    assert (event.target_type, event.target_id, event.target_label) == (
        "organization",
        str(organization.pk),
        "initech",
    )
    assert (event.before, event.after) == ({}, {"slug": "initech", "name": "Initech"})
    assert event.actor_id == platform.user_id


def test_a_command_creates_an_organization(last_event: Callable[[], AuditEvent]) -> None:
    organization_create(actor=command_actor("apply"), slug="initech", name="Initech")
    assert (last_event().actor_type, last_event().actor_label) == ("command", "apply")


@pytest.mark.parametrize("who", ["owner", "member", "stranger"])
def test_nobody_else_creates_one(who: str, request: pytest.FixtureRequest) -> None:
    actor: Actor = request.getfixturevalue(who)
    with nothing_changes(), pytest.raises(PermissionDenied):
        organization_create(actor=actor, slug="initech", name="Initech")


@pytest.mark.parametrize(
    ("slug", "name", "field"),
    [("acme", "Other", "slug"), ("Not A Slug", "X", "slug"), ("-x", "X", "slug"), ("initech", "", "name")],
)
def test_a_taken_or_wrong_slug_and_an_empty_name_are_refused(
    platform: Actor, acme: Organization, slug: str, name: str, field: str
) -> None:
    with nothing_changes(), pytest.raises(ValidationError) as caught:
        organization_create(actor=platform, slug=slug, name=name)
    assert list(caught.value.message_dict) == [field]


@pytest.mark.parametrize("who", ["owner", "admin", "platform"])
def test_owners_admins_and_operators_rename_it(
    who: str, acme: Organization, request: pytest.FixtureRequest, last_event: Callable[[], AuditEvent]
) -> None:
    version = acme.snapshot_version
    organization_update(
        actor=request.getfixturevalue(who), organization=acme, name="Acme Ltd", is_active=True
    )
    acme.refresh_from_db()
    assert (acme.name, acme.snapshot_version) == ("Acme Ltd", version + 1)
    event = last_event()
    assert (event.action, event.before, event.after) == (
        "organization.update",
        {"name": "Acme Inc"},
        {"name": "Acme Ltd"},
    )


@pytest.mark.parametrize("who", ["member", "stranger"])
def test_members_and_strangers_do_not(who: str, acme: Organization, request: pytest.FixtureRequest) -> None:
    actor: Actor = request.getfixturevalue(who)
    with nothing_changes(), pytest.raises(PermissionDenied):
        organization_update(actor=actor, organization=acme, name="Mine")


def test_only_an_operator_switches_it_off_and_on(
    owner: Actor, platform: Actor, acme: Organization, last_event: Callable[[], AuditEvent]
) -> None:
    with nothing_changes(), pytest.raises(PermissionDenied):
        organization_update(actor=owner, organization=acme, is_active=False)
    assert organization_update(actor=platform, organization=acme, is_active=False).is_active is False
    assert (last_event().action, last_event().after) == ("organization.deactivate", {"is_active": False})
    with nothing_changes(), pytest.raises(PermissionDenied):
        organization_update(actor=owner, organization=acme, is_active=True)
    assert organization_update(actor=platform, organization=acme, is_active=True).is_active is True
    assert last_event().action == "organization.activate"


def test_an_update_that_changes_nothing_leaves_no_trace(owner: Actor, acme: Organization) -> None:
    with nothing_changes():
        organization_update(actor=owner, organization=acme, name="Acme Inc", is_active=True)


def test_what_the_caller_did_to_its_instance_is_not_believed(owner: Actor, acme: Organization) -> None:
    acme.is_active, acme.slug = False, "hijacked"  # as a form does before it is refused
    organization_update(actor=owner, organization=acme, name="Acme Ltd")
    acme.refresh_from_db()
    assert (acme.slug, acme.is_active, acme.name) == ("acme", True, "Acme Ltd")


def test_other_columns_are_out_of_reach(owner: Actor, acme: Organization) -> None:
    with nothing_changes(), pytest.raises(TypeError, match="snapshot_version"):
        organization_update(actor=owner, organization=acme, snapshot_version=9)  # type: ignore[call-arg]


def test_a_touch_bumps_the_version_of_that_organization_only(
    acme: Organization, globex: Organization
) -> None:
    versions = acme.snapshot_version, globex.snapshot_version
    organization_touch(acme.pk)
    acme.refresh_from_db()
    globex.refresh_from_db()
    assert (acme.snapshot_version, globex.snapshot_version) == (versions[0] + 1, versions[1])
