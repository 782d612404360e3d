"""Organizations."""

from functools import partial
from typing import TypedDict, Unpack

from django.db import transaction
from django.db.models import F

from audit.changes import Difference, change_row, refuse_unknown, validate_row
from audit.recorder import record
from tenants.actors import Actor
from tenants.models import Organization
from tenants.publish import published
from tenants.roles import require
from tenants.services.locking import lock_organization


class OrganizationChanges(TypedDict, total=False):
    """What can be changed. Only a platform operator changes `is_active`."""

    name: str
    is_active: bool


@transaction.atomic
def organization_create(*, actor: Actor, slug: str, name: str) -> Organization:
    """Create an organization without members; operators only."""
    require(actor, None, "organization.create")
    organization = Organization(slug=slug, name=name)
    validate_row(organization)
    organization.save()
    _record(actor, organization, "organization.create", Difference(after={"slug": slug, "name": name}))
    organization_touch(organization.pk)
    return organization


@transaction.atomic
def organization_update(
    *, actor: Actor, organization: Organization, **changes: Unpack[OrganizationChanges]
) -> Organization:
    """Rename an organization, or switch all its tokens off and on."""
    refuse_unknown(changes, OrganizationChanges)
    stored = lock_organization(actor, organization.pk, "organization.update")
    action = "organization.update"
    if changes.get("is_active", stored.is_active) != stored.is_active:
        require(actor, stored.pk, "organization.activate")
        action = "organization.activate" if changes["is_active"] else "organization.deactivate"
    if found := change_row(stored, changes):
        _record(actor, stored, action, found)
        organization_touch(stored.pk)
    return stored


def organization_touch(organization_id: int) -> None:
    """Tell the data plane, on commit, that something it knows about this organization has changed."""
    Organization.objects.filter(pk=organization_id).update(snapshot_version=F("snapshot_version") + 1)
    transaction.on_commit(partial(published, organization_id))


def _record(actor: Actor, organization: Organization, action: str, change: Difference) -> None:
    record(
        actor=actor,
        organization_id=organization.pk,
        action=action,
        target_type="organization",
        target_id=organization.pk,
        target_label=organization.slug,
        before=change.before,
        after=change.after,
    )
