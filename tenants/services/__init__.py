"""Every change to organizations, teams, members and tokens. Admin, REST, `apply` and tasks call these.

Each function checks the permission, validates, changes, writes the audit record and bumps the organization's
snapshot version in one transaction. It returns rows as they are stored; the row passed in is only a pointer.
All raise PermissionDenied, and ValidationError keyed by field.
"""

from tenants.services.memberships import membership_create, membership_delete, membership_update
from tenants.services.organizations import organization_create, organization_touch, organization_update
from tenants.services.teams import team_create, team_delete, team_update
from tenants.services.tokens import token_create, token_revoke, token_update
from tenants.services.users import user_create, user_set_password, user_update

__all__ = [
    "membership_create",
    "membership_delete",
    "membership_update",
    "organization_create",
    "organization_touch",
    "organization_update",
    "team_create",
    "team_delete",
    "team_update",
    "token_create",
    "token_revoke",
    "token_update",
    "user_create",
    "user_set_password",
    "user_update",
]
