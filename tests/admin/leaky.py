"""A site with an admin that forgot its fence: what the walk must find. Mounted by tests only."""

from typing import Any

from django.urls import path
from unfold.admin import ModelAdmin
from unfold.sites import UnfoldAdminSite

from axiom.urls import urlpatterns as real_urlpatterns
from credentials.models import ProviderCredential
from tenants.models import AccessToken, Organization, Team, User


class LeakyAdmin(ModelAdmin):  # type: ignore[misc]  # unfold has no types
    """Shows and changes everything for everybody, the way Django's tutorial does it."""

    list_filter: tuple[str, ...] = ("organization",)
    search_fields = ("name",)
    date_hierarchy: str | None = "created_at"

    def _yes(self, *args: Any, **kwargs: Any) -> bool:
        return True

    has_module_permission = has_view_permission = has_add_permission = _yes
    has_change_permission = has_delete_permission = _yes


class LeakyNames(LeakyAdmin):
    """The same for a model without an organization."""

    list_filter = ()
    date_hierarchy = None


class LeakyTokens(LeakyAdmin):
    """Offers rows of everybody in its form."""

    fields = ("organization", "name", "team", "user")


class LeakyCredentials(LeakyAdmin):
    """The same."""

    fields = ("organization", "provider", "name", "weight", "enabled", "environment", "teams", "users")


site = UnfoldAdminSite(name="leaky")
site.register(Team, LeakyAdmin)
site.register(Organization, LeakyNames)
site.register(User, LeakyNames)
site.register(AccessToken, LeakyTokens)
site.register(ProviderCredential, LeakyCredentials)
urlpatterns = [*real_urlpatterns, path("leaky/", site.urls)]
