"""Who is doing it: every service takes an actor, whatever surface the change came through."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from django.contrib.auth.models import AnonymousUser

from tenants.models import Membership, User

ActorKind = Literal["user", "token", "command", "system"]


@dataclass(frozen=True, slots=True)
class Actor:
    """A person, a token, a command or the gateway itself, with what it may do. Made once per request.

    `roles` maps organization ids to the actor's role there. A platform operator may do everything.
    """

    kind: ActorKind
    user_id: int | None
    label: str
    is_operator: bool = False
    roles: Mapping[int, str] = field(default_factory=dict, hash=False)
    ip_address: str | None = None
    request_id: str = ""

    @property
    def organization_ids(self) -> frozenset[int]:
        """The organizations this actor is in (see axiom.lib.scoping)."""
        return frozenset(self.roles)


def actor_for_user(
    user: User | AnonymousUser, *, ip_address: str | None = None, request_id: str = ""
) -> Actor:
    """Return the actor for a logged-in person, with the roles they have now.

    An anonymous or deactivated user becomes an actor that may do nothing.
    """
    if isinstance(user, AnonymousUser) or not user.is_active:
        return Actor("user", user.pk, str(user), ip_address=ip_address, request_id=request_id)
    roles = dict(Membership.objects.filter(user=user).values_list("organization_id", "role"))
    return Actor(
        kind="user",
        user_id=user.pk,
        label=user.email,
        is_operator=user.is_superuser,
        roles=MappingProxyType(roles),
        ip_address=ip_address,
        request_id=request_id,
    )


def command_actor(label: str) -> Actor:
    """Return the actor for a management command: whoever can run one on this machine is an operator."""
    return Actor("command", None, label, is_operator=True)
