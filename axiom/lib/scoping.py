"""The one tenant filter: which rows a person may see.

Every model with tenant data uses TenantManager (or OrganizationManager), and every surface (admin, REST,
websocket, export) reads through `visible_to`. A row that isn't in it doesn't exist for that person.
"""

from typing import Protocol, Self, TypeVar

from django.db import models

ModelT = TypeVar("ModelT", bound=models.Model, covariant=True)


class Viewer(Protocol):
    """Whoever is looking: tenants.actors.Actor satisfies this."""

    @property
    def is_operator(self) -> bool:
        """A platform operator sees every organization."""

    @property
    def organization_ids(self) -> frozenset[int]:
        """The organizations this viewer is in."""


class TenantQuerySet(models.QuerySet[ModelT]):
    """Rows that carry an organization."""

    organization_field = "organization_id"

    def visible_to(self, viewer: Viewer) -> Self:
        """Return the rows of the viewer's organizations; all of them for an operator."""
        if viewer.is_operator:
            return self
        return self.filter(**{f"{self.organization_field}__in": viewer.organization_ids})

    def for_organization(self, organization_id: int) -> Self:
        """Return the rows of one organization."""
        return self.filter(**{self.organization_field: organization_id})


class OrganizationQuerySet(TenantQuerySet[ModelT]):
    """Organizations themselves, scoped by their own id."""

    organization_field = "id"


class TenantManager(models.Manager[ModelT]):
    """Default manager of every tenant model."""

    def get_queryset(self) -> TenantQuerySet[ModelT]:
        """Return an unscoped queryset; surfaces go through visible_to."""
        return TenantQuerySet(self.model, using=self._db)

    def visible_to(self, viewer: Viewer) -> TenantQuerySet[ModelT]:
        """Return the rows that the viewer may see."""
        return self.get_queryset().visible_to(viewer)

    def for_organization(self, organization_id: int) -> TenantQuerySet[ModelT]:
        """Return the rows of one organization."""
        return self.get_queryset().for_organization(organization_id)


class OrganizationManager(models.Manager[ModelT]):
    """Default manager of Organization."""

    def get_queryset(self) -> OrganizationQuerySet[ModelT]:
        """Return an unscoped queryset; surfaces go through visible_to."""
        return OrganizationQuerySet(self.model, using=self._db)

    def visible_to(self, viewer: Viewer) -> OrganizationQuerySet[ModelT]:
        """Return the organizations that the viewer is in."""
        return self.get_queryset().visible_to(viewer)
