"""The role x action table, as data. Everything that anybody may do is named here."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from django.core.exceptions import PermissionDenied

from tenants.actors import Actor
from tenants.models import Role

OPERATOR_ONLY: frozenset[Role] = frozenset()
OWNER = frozenset({Role.OWNER})
ADMINS = frozenset({Role.OWNER, Role.ADMIN})
AUDITORS = ADMINS | {Role.AUDITOR}
EVERYBODY = frozenset(Role)

PERMISSIONS: Mapping[str, frozenset[Role]] = MappingProxyType(
    {
        "organization.view": EVERYBODY,
        "organization.create": OPERATOR_ONLY,
        "organization.update": ADMINS,
        "organization.activate": OPERATOR_ONLY,  # and deactivate
        "team.view": EVERYBODY,
        "team.create": ADMINS,
        "team.update": ADMINS,
        "team.delete": ADMINS,
        "membership.view": AUDITORS,
        "membership.create": ADMINS,
        "membership.update": ADMINS,
        "membership.delete": ADMINS,
        "membership.manage_owner": OWNER,  # make, change or remove an owner
        "token.view": AUDITORS,
        "token.create": ADMINS,
        "token.update": ADMINS,
        "token.revoke": ADMINS,
        "token.view_own": EVERYBODY - {Role.BILLING},
        "token.create_own": ADMINS | {Role.MEMBER},  # for themselves, in their own teams; and revoke
        "credential.view": AUDITORS | {Role.MEMBER},  # never the secret
        "credential.create": ADMINS,
        "credential.update": ADMINS,
        "credential.enable": ADMINS,  # and disable
        "credential.rotate": ADMINS,
        "credential.delete": ADMINS,
        "usage.view": AUDITORS | {Role.BILLING},
        "audit.view": AUDITORS,
        "user.create": OPERATOR_ONLY,
        "user.update": OPERATOR_ONLY,
        "user.set_password": ADMINS,  # of people who are in no other organization
    }
)


def may(actor: Actor, organization_id: int | None, action: str) -> bool:
    """Tell whether the actor may do this in the organization. Raises KeyError for an unknown action."""
    allowed = PERMISSIONS[action]
    if actor.is_operator:
        return True
    return organization_id is not None and actor.roles.get(organization_id) in allowed


def require(actor: Actor, organization_id: int | None, action: str) -> None:
    """Return if the actor may do this in the organization. Raises PermissionDenied."""
    if not may(actor, organization_id, action):
        raise PermissionDenied(f"This needs the permission {action}.")


def viewer_for(actor: Actor, action: str) -> Actor:
    """Return the actor confined to the organizations where it may do this.

    For reading: `ProviderCredential.objects.visible_to(viewer_for(actor, "credential.view"))`.
    """
    allowed = PERMISSIONS[action]
    roles = {organization_id: role for organization_id, role in actor.roles.items() if role in allowed}
    return replace(actor, roles=MappingProxyType(roles))
