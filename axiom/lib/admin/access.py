"""Who is asking: what pages may know about the roles without knowing the app that holds them."""

from collections.abc import Mapping
from typing import Any, Protocol, cast

from django.http import HttpRequest

from axiom.lib.scoping import Viewer


class Access(Protocol):
    """Who is asking and what their roles allow: tenants.middleware.Access."""

    @property
    def actor(self) -> Any:
        """Whom the services and the audit record get."""

    @property
    def organizations(self) -> Mapping[int, str]:
        """The names of the organizations they see."""

    def viewer(self, permission: str) -> Viewer:
        """Return the viewer confined to the organizations where they have the permission."""

    def may(self, organization_id: int | None, permission: str) -> bool:
        """Tell whether they have the permission in the organization."""

    def may_somewhere(self, permission: str) -> bool:
        """Tell whether they have the permission in any organization."""


def access_of(request: HttpRequest) -> Access:
    """Return who is asking."""
    return cast(Access, request.access)  # type: ignore[attr-defined]  # attached by the middleware
