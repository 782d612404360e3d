"""Teams in a manifest."""

from typing import Any

from gateway.manifest.reading import Entry, Field
from gateway.manifest.run import CREATED, Changes, Place, Run, differences, keys_to_change
from gateway.manifest.values import text
from tenants.models import Team
from tenants.services import team_create, team_update

FIELDS = {"slug": Field(text, required=True), "name": Field(text)}


def apply_team(run: Run, place: Place, entry: Entry) -> None:
    """Make the team or give it the wanted name."""
    slug = entry.values.get("slug")

    def action() -> Changes | None:
        team = Team.objects.for_organization(place.organization.pk).filter(slug=slug).first()
        if team is None:
            new = {"name": entry.values["slug"], **entry.values}
            team_create(actor=run.actor, organization=place.organization, slug=new["slug"], name=new["name"])
            return CREATED
        before = export_team(team)
        if not keys_to_change(before, entry.values):
            return {}
        return differences(
            before, export_team(team_update(actor=run.actor, team=team, name=entry.values["name"]))
        )

    run.settle(f"team {place.organization.slug}/{slug}", entry, action)


def export_team(team: Team) -> dict[str, Any]:
    """Return the team as an entry."""
    return {"slug": team.slug, "name": team.name}
