"""The named actions of the audit record. A name, once used, never changes its meaning."""

from collections.abc import Mapping
from types import MappingProxyType

ACTIONS: Mapping[str, str] = MappingProxyType(
    {
        "organization.create": "Organization created",
        "organization.update": "Organization changed",
        "organization.activate": "Organization activated",
        "organization.deactivate": "Organization deactivated",
        "team.create": "Team created",
        "team.update": "Team changed",
        "team.delete": "Team deleted",
        "membership.create": "Member added",
        "membership.update": "Member changed",
        "membership.delete": "Member removed",
        "token.create": "Access token created",
        "token.update": "Access token changed",
        "token.revoke": "Access token revoked",
        "credential.create": "Credential created",
        "credential.update": "Credential changed",
        "credential.enable": "Credential enabled",
        "credential.disable": "Credential disabled",
        "credential.rotate": "Credential's secret rotated",
        "credential.delete": "Credential deleted",
        "user.create": "User created",
        "user.update": "User changed",
        "user.set_password": "User's password set",
    }
)
