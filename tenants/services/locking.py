"""One writer at a time per organization, so that rules over several rows (the last owner) hold."""

from typing import TypeVar

from django.db import models

from tenants.actors import Actor
from tenants.models import Organization
from tenants.roles import require

RowT = TypeVar("RowT", bound=models.Model)


def lock_organization(actor: Actor, organization_id: int, action: str) -> Organization:
    """Return the organization as stored, locked until the transaction ends, if the actor may do this there.

    Raises PermissionDenied, Organization.DoesNotExist.
    """
    require(actor, organization_id, action)
    return lock(organization_id)


def lock_row(actor: Actor, row: RowT, action: str) -> RowT:
    """Return a tenant's row as stored, its organization locked, if the actor may do this there.

    What the caller did to its own instance (a form fills it in) is never looked at.
    Raises PermissionDenied, and the model's DoesNotExist.
    """
    rows = type(row)._default_manager
    lock_organization(actor, rows.values_list("organization_id", flat=True).get(pk=row.pk), action)
    return rows.get(pk=row.pk)


def lock(organization_id: int) -> Organization:
    """Return the organization, locked until the transaction ends; without a permission check."""
    # The weaker lock: inserting usage or rows that refer to the organization goes on beside it.
    organization: Organization = Organization.objects.select_for_update(no_key=True).get(pk=organization_id)
    return organization
