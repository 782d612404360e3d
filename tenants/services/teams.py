"""Teams."""

from collections.abc import Iterable
from typing import TypedDict, Unpack

from django.core.exceptions import ValidationError
from django.db import transaction

from audit.changes import Difference, change_row, refuse_unknown, validate_row
from audit.recorder import record
from tenants.actors import Actor
from tenants.models import AccessToken, Membership, Organization, Team
from tenants.services.locking import lock_organization, lock_row
from tenants.services.organizations import organization_touch


class TeamChanges(TypedDict, total=False):
    """What can be changed."""

    slug: str
    name: str


@transaction.atomic
def team_create(*, actor: Actor, organization: Organization, slug: str, name: str) -> Team:
    """Create a team without members."""
    stored = lock_organization(actor, organization.pk, "team.create")
    team = Team(organization=stored, slug=slug, name=name)
    validate_row(team)
    team.save()
    _record(actor, team, "team.create", Difference(after={"slug": slug, "name": name}))
    organization_touch(stored.pk)
    return team


@transaction.atomic
def team_update(*, actor: Actor, team: Team, **changes: Unpack[TeamChanges]) -> Team:
    """Rename a team."""
    refuse_unknown(changes, TeamChanges)
    stored = lock_row(actor, team, "team.update")
    if found := change_row(stored, changes):
        _record(actor, stored, "team.update", found)
        organization_touch(stored.organization_id)
    return stored


@transaction.atomic
def team_delete(*, actor: Actor, team: Team) -> None:
    """Delete a team that nothing names any more; revoked tokens lose their mention of it.

    A credential kept for this team alone would otherwise become everybody's.
    """
    stored = lock_row(actor, team, "team.delete")
    if uses := _uses(stored):
        raise ValidationError(
            f"The team {stored.name} is still used by {' and '.join(uses)}: change those first."
        )
    AccessToken.objects.filter(team=stored).update(team=None)
    _record(actor, stored, "team.delete", Difference(before={"slug": stored.slug, "name": stored.name}))
    stored.delete()
    organization_touch(stored.organization_id)


def _uses(team: Team) -> list[str]:
    """Say what names the team, members and revoked tokens apart. Apps above are found by relation."""
    counts = {"active access tokens": AccessToken.objects.filter(team=team, revoked_at=None).count()}
    for relation in Team._meta.related_objects:
        model = relation.related_model
        if model in {AccessToken, Membership} or isinstance(model, str):
            continue
        label = str(model._meta.verbose_name_plural)
        counts[label] = model._base_manager.filter(**{relation.field.name: team}).count()
    return [f"{count} {label}" for label, count in counts.items() if count]


def teams_of(organization: Organization, teams: Iterable[Team]) -> list[Team]:
    """Return the teams if they are all the organization's. Raises ValidationError on `teams`."""
    wanted = {team.pk for team in teams}
    found = list(Team.objects.for_organization(organization.pk).filter(pk__in=wanted))
    if len(found) != len(wanted):
        raise ValidationError({"teams": "Choose teams of this organization."})
    return found


def _record(actor: Actor, team: Team, action: str, change: Difference) -> None:
    record(
        actor=actor,
        organization_id=team.organization_id,
        action=action,
        target_type="team",
        target_id=team.pk,
        target_label=team.slug,
        before=change.before,
        after=change.after,
    )
