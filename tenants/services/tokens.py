"""Access tokens. Admins make them for anybody and for services, members for themselves."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypedDict, Unpack

from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction

from audit.changes import Difference, change_row, refuse_unknown, validate_row
from audit.recorder import record
from axiom.lib import clock
from tenants.actors import Actor
from tenants.models import AccessToken, Membership, Organization, Team, User
from tenants.roles import may, require
from tenants.services.locking import lock, lock_row
from tenants.services.organizations import organization_touch
from tenants.tokens import DEFAULT_SCOPES, clean_expiry, clean_models, clean_scopes, issue


class TokenOptions(TypedDict, total=False):
    """What a token may do, until when, and whose calls are counted with it."""

    scopes: Sequence[str]
    allowed_models: Sequence[str]
    expires_at: datetime | None
    team: Team | None
    user: User | None


class TokenChanges(TokenOptions, total=False):
    """What can be changed."""

    name: str


DEFAULTS: Mapping[str, object] = {"scopes": DEFAULT_SCOPES, "allowed_models": ("*",)}
CLEANERS: Mapping[str, Callable[[object], object]] = {
    "scopes": clean_scopes,
    "allowed_models": clean_models,
    "expires_at": clean_expiry,
}


@transaction.atomic
def token_create(
    *, actor: Actor, organization: Organization, name: str, **options: Unpack[TokenOptions]
) -> tuple[AccessToken, str]:
    """Create a token and return it with its text, which nobody can read again.

    Left out: all scopes, all models, no end, no team, no user.
    """
    refuse_unknown(options, TokenOptions)
    is_own = not may(actor, organization.pk, "token.create")
    if is_own:
        _require_own(actor, organization.pk, options.get("user"))
    stored = lock(organization.pk)
    values, errors = _cleaned(stored, {**DEFAULTS, **options, "name": name})
    if is_own:
        _refuse_foreign_team(stored, values["user"], values.get("team"))
    issued = issue()
    token = AccessToken(organization=stored, key_id=issued.key_id, digest=issued.digest, **values)
    token.created_by_id = actor.user_id
    validate_row(token, errors)
    token.save()
    _record(actor, token, "token.create", Difference(after={**values, "key_id": token.key_id}))
    organization_touch(stored.pk)
    return token, issued.plaintext


@transaction.atomic
def token_update(*, actor: Actor, token: AccessToken, **changes: Unpack[TokenChanges]) -> AccessToken:
    """Change what a token may do; its text stays the same. A revoked one stays as it is."""
    refuse_unknown(changes, TokenChanges)
    stored = lock_row(actor, token, "token.update")
    if stored.revoked_at is not None:
        raise ValidationError("This token is revoked: create another one.")
    differing = {name: value for name, value in changes.items() if value != getattr(stored, name)}
    if found := change_row(stored, *_cleaned(stored.organization, differing)):
        _record(actor, stored, "token.update", found)
        organization_touch(stored.organization_id)
    return stored


@transaction.atomic
def token_revoke(*, actor: Actor, token: AccessToken) -> AccessToken:
    """End a token for good. Revoking it again changes nothing."""
    owned = AccessToken.objects.only("organization_id", "user").select_related("user").get(pk=token.pk)
    if not may(actor, owned.organization_id, "token.revoke"):
        _require_own(actor, owned.organization_id, owned.user)
    lock(owned.organization_id)
    stored = AccessToken.objects.get(pk=token.pk)
    if stored.revoked_at is None:
        revoke(actor, stored)
        organization_touch(stored.organization_id)
    return stored


def revoke(actor: Actor, token: AccessToken) -> None:
    """Revoke and record, as part of a service that has checked the permission and bumps the version.

    Nothing else about the token is validated: ending it must always be possible.
    """
    token.revoked_at = clock.now()
    token.save(update_fields=["revoked_at"])
    _record(actor, token, "token.revoke", Difference(after={"revoked_at": token.revoked_at}))


def _require_own(actor: Actor, organization_id: int, user: User | None) -> None:
    require(actor, organization_id, "token.create_own")
    if user is None or user.pk != actor.user_id:
        raise PermissionDenied("You may create and revoke your own tokens only.")


def _refuse_foreign_team(organization: Organization, user: User, team: Team | None) -> None:
    """A team opens the credentials that are kept for it: members speak for their own teams only."""
    own = Membership.objects.for_organization(organization.pk).filter(user=user, teams=team)
    if team is not None and not own.exists():
        raise ValidationError({"team": "Choose one of your own teams."})


def _cleaned(
    organization: Organization, values: Mapping[str, object]
) -> tuple[dict[str, Any], dict[str, ValidationError]]:
    """Return the values as they are stored, and what is wrong, both by field."""
    cleaned = dict(values)
    errors: dict[str, ValidationError] = {}
    for name in CLEANERS.keys() & values.keys():
        try:
            cleaned[name] = CLEANERS[name](values[name])
        except ValidationError as problem:
            errors[name] = problem
    team, user = values.get("team"), values.get("user")
    if isinstance(team, Team) and not organization.teams.filter(pk=team.pk).exists():
        errors["team"] = ValidationError("Choose a team of this organization.")
    if isinstance(user, User) and not organization.memberships.filter(user=user).exists():
        errors["user"] = ValidationError("Choose a member of this organization.")
    return cleaned, errors


def _record(actor: Actor, token: AccessToken, action: str, change: Difference) -> None:
    record(
        actor=actor,
        organization_id=token.organization_id,
        action=action,
        target_type="token",
        target_id=token.pk,
        target_label=token.name,
        before=change.before,
        after=change.after,
    )
