"""People. They belong to no organization, so only operators manage them; what they may do is a membership."""

from typing import TypedDict, Unpack

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction

from audit.changes import Difference, change_row, refuse_unknown, validate_row
from audit.recorder import record
from tenants.actors import Actor
from tenants.models import Membership, Role, User
from tenants.roles import may, require
from tenants.services.locking import lock
from tenants.services.organizations import organization_touch


class UserChanges(TypedDict, total=False):
    """What can be changed."""

    name: str
    is_active: bool


def new_user(email: str, name: str) -> User:
    """Save a person who can't log in until a password is set. Raises ValidationError."""
    user = User(email=email.strip().lower(), name=name)
    user.set_unusable_password()
    validate_row(user)
    user.save()
    return user


@transaction.atomic
def user_create(*, actor: Actor, email: str, name: str = "") -> User:
    """Create a person who is in no organization yet; operators only."""
    require(actor, None, "user.create")
    user = new_user(email, name)
    _record(actor, user, "user.create", Difference(after={"email": user.email, "name": name}))
    return user


@transaction.atomic
def user_update(*, actor: Actor, user: User, **changes: Unpack[UserChanges]) -> User:
    """Rename, deactivate or reactivate a person everywhere; operators only, and nobody deactivates itself."""
    refuse_unknown(changes, UserChanges)
    require(actor, None, "user.update")
    organization_ids = _organization_ids(user)
    for organization_id in organization_ids:
        lock(organization_id)
    stored = User.objects.select_for_update(no_key=True).get(pk=user.pk)
    if stored.pk == actor.user_id and changes.get("is_active") is False:
        raise ValidationError({"is_active": "You can't deactivate yourself."})
    if found := change_row(stored, changes):
        _record(actor, stored, "user.update", found)
        for organization_id in organization_ids:
            organization_touch(organization_id)
    return stored


@transaction.atomic
def user_set_password(*, actor: Actor, user: User, password: str) -> User:
    """Set a person's password, which ends their sessions.

    Operators may for anybody. Owners and admins may for a member who is in no other organization and isn't
    above them (an operator; an owner, for an admin), since whoever sets a password can log in with it.
    """
    stored = User.objects.select_for_update(no_key=True).get(pk=user.pk)
    if not actor.is_operator:
        _require_only_theirs(actor, stored)
    try:
        validate_password(password, stored)
    except ValidationError as problem:
        raise ValidationError({"password": problem}) from None
    stored.set_password(password)
    stored.save(update_fields=["password"])
    _record(actor, stored, "user.set_password", Difference(after={"password": "set"}))
    return stored


def _require_only_theirs(actor: Actor, user: User) -> None:
    memberships = list(Membership.objects.filter(user=user))
    shared = [item for item in memberships if may(actor, item.organization_id, "user.set_password")]
    if not shared or user.is_superuser:
        raise PermissionDenied("You may not set this person's password.")
    if len(memberships) > 1:
        raise ValidationError({"password": "This person is in other organizations, too: ask the operator."})
    if shared[0].role == Role.OWNER:
        require(actor, shared[0].organization_id, "membership.manage_owner")


def _organization_ids(user: User) -> list[int]:
    return sorted(Membership.objects.filter(user=user).values_list("organization_id", flat=True))


def _record(actor: Actor, user: User, action: str, change: Difference) -> None:
    """Record a person's change with each organization they are in, once with none when they are in none."""
    organization_ids: list[int | None] = [*_organization_ids(user)]
    for organization_id in organization_ids or [None]:
        record(
            actor=actor,
            organization_id=organization_id,
            action=action,
            target_type="user",
            target_id=user.pk,
            target_label=user.email,
            before=change.before,
            after=change.after,
        )
