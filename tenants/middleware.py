"""Attaches to each request who is asking and what their roles allow."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest
from django.utils.decorators import sync_and_async_middleware
from django.utils.functional import SimpleLazyObject

from axiom.lib import ids
from tenants.actors import Actor, actor_for_user
from tenants.models import Organization
from tenants.roles import PERMISSIONS, may, viewer_for


@dataclass(frozen=True)
class Access:
    """`request.access`: the actor of the request, and the questions that pages ask about them."""

    actor: Actor

    @cached_property
    def organizations(self) -> Mapping[int, str]:
        """The names of the organizations they see, by id, in order of name. One query, when first asked."""
        visible = Organization.objects.visible_to(self.actor).order_by("name")
        return dict(visible.values_list("pk", "name"))

    def viewer(self, permission: str) -> Actor:
        """Return the actor confined to the organizations where they have the permission."""
        return viewer_for(self.actor, permission)

    def may(self, organization_id: int | None, permission: str) -> bool:
        """Tell whether they have the permission in the organization."""
        return may(self.actor, organization_id, permission)

    def may_somewhere(self, permission: str) -> bool:
        """Tell whether they have the permission in any organization. Raises KeyError for an unknown one."""
        if self.actor.is_operator:
            return True
        return not PERMISSIONS[permission].isdisjoint(self.actor.roles.values())


@sync_and_async_middleware
def access_middleware(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """Set `request.access`; the roles are read when it's first used."""
    if not iscoroutinefunction(get_response):

        def attach(request: HttpRequest) -> Any:
            request.access = SimpleLazyObject(lambda: access_for(request))  # type: ignore[attr-defined]
            return get_response(request)

        return attach

    async def attach_async(request: HttpRequest) -> Any:
        request.access = SimpleLazyObject(lambda: access_for(request))  # type: ignore[attr-defined]
        return await get_response(request)

    return attach_async


def access_for(request: HttpRequest) -> Access:
    """Return who is asking, with their address and an id for the audit record."""
    address = request.META.get("REMOTE_ADDR") or None
    return Access(actor_for_user(request.user, ip_address=address, request_id=ids.new_id()))
