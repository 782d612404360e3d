"""Who is in an organization, and in which role."""

from collections.abc import Iterable
from typing import TypedDict, Unpack

from django.core.exceptions import ValidationError
from django.db import transaction

from audit.changes import Difference, change_row, difference, refuse_unknown, validate_row
from audit.recorder import record
from tenants.actors import Actor
from tenants.models import AccessToken, Membership, Organization, Role, Team, User
from tenants.roles import require
from tenants.services.locking import lock_organization, lock_row
from tenants.services.organizations import organization_touch
from tenants.services.teams import teams_of
from tenants.services.tokens import revoke
from tenants.services.users import new_user


class MembershipChanges(TypedDict, total=False):
    """What can be changed. `teams` replaces all teams that the member is in."""

    role: str
    teams: Iterable[Team]


@transaction.atomic
def membership_create(
    *,
    actor: Actor,
    organization: Organization,
    email: str,
    role: str,
    name: str = "",
    teams: Iterable[Team] = (),
) -> Membership:
    """Add a person by e-mail address; somebody unknown becomes a user, who has no password yet.

    `name` is for a new user only: nobody renames a person who is known elsewhere.
    """
    stored = lock_organization(actor, organization.pk, "membership.create")
    if role == Role.OWNER:
        require(actor, stored.pk, "membership.manage_owner")
    chosen = teams_of(stored, teams)
    user = User.objects.filter(email__iexact=email.strip()).first() or new_user(email, name)
    if Membership.objects.filter(organization=stored, user=user).exists():
        raise ValidationError({"email": "This person is a member already."})
    membership = Membership(organization=stored, user=user, role=role)
    validate_row(membership)
    membership.save()
    membership.teams.set(chosen)
    _let_into_admin(user)
    _record(actor, membership, "membership.create", Difference(after=_state(membership)))
    organization_touch(stored.pk)
    return membership


@transaction.atomic
def membership_update(
    *, actor: Actor, membership: Membership, **changes: Unpack[MembershipChanges]
) -> Membership:
    """Give a member another role, or other teams. Only owners make, change or demote an owner."""
    refuse_unknown(changes, MembershipChanges)
    stored = lock_row(actor, membership, "membership.update")
    new_role = changes.get("role", stored.role)
    if Role.OWNER in {stored.role, new_role}:
        require(actor, stored.organization_id, "membership.manage_owner")
    if stored.role == Role.OWNER and new_role != Role.OWNER:
        _refuse_last_owner(stored)
    before = _state(stored)
    if "teams" in changes:
        stored.teams.set(teams_of(stored.organization, changes["teams"]))
    change_row(stored, {"role": new_role})
    if found := difference(before, _state(stored)):
        _record(actor, stored, "membership.update", found)
        organization_touch(stored.organization_id)
    return stored


@transaction.atomic
def membership_delete(*, actor: Actor, membership: Membership) -> None:
    """Remove a person from the organization, and revoke the tokens that are theirs there."""
    stored = lock_row(actor, membership, "membership.delete")
    if stored.role == Role.OWNER:
        require(actor, stored.organization_id, "membership.manage_owner")
        _refuse_last_owner(stored)
    own = AccessToken.objects.for_organization(stored.organization_id).filter(user=stored.user)
    for token in own.filter(revoked_at=None):
        revoke(actor, token)
    _record(actor, stored, "membership.delete", Difference(before=_state(stored)))
    user = stored.user
    stored.delete()
    if not user.is_superuser and not user.memberships.exists():
        user.is_staff = False
        user.save(update_fields=["is_staff"])
    organization_touch(stored.organization_id)


def _refuse_last_owner(membership: Membership) -> None:
    others = Membership.objects.for_organization(membership.organization_id).exclude(pk=membership.pk)
    if not others.filter(role=Role.OWNER, user__is_active=True).exists():
        raise ValidationError(
            {"role": "An organization keeps at least one owner: make somebody else owner first."}
        )


def _let_into_admin(user: User) -> None:
    if not user.is_staff:
        user.is_staff = True
        user.save(update_fields=["is_staff"])


def _state(membership: Membership) -> dict[str, object]:
    return {"role": membership.role, "teams": sorted(team.slug for team in membership.teams.all())}


def _record(actor: Actor, membership: Membership, action: str, change: Difference) -> None:
    record(
        actor=actor,
        organization_id=membership.organization_id,
        action=action,
        target_type="membership",
        target_id=membership.pk,
        target_label=membership.user.email,
        before=change.before,
        after=change.after,
    )
