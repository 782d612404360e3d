"""Members in a manifest."""

from typing import Any

from gateway.manifest.reading import Entry, Field
from gateway.manifest.run import CREATED, Changes, Place, Run, differences, keys_to_change
from gateway.manifest.values import one_of, text, texts
from tenants.models import Membership, Role
from tenants.services import membership_create, membership_update
from tenants.services.memberships import MembershipChanges

FIELDS = {"email": Field(text, required=True), "role": Field(one_of(Role.values)), "teams": Field(texts)}


def apply_member(run: Run, place: Place, entry: Entry) -> None:
    """Make the membership (and the person, when new here) or change its role and teams."""
    email = entry.values.get("email", "").lower()

    def action() -> Changes | None:
        teams = place.teams(entry.values.get("teams", ()), key="teams")
        members = Membership.objects.for_organization(place.organization.pk)
        membership = members.filter(user__email=email).first()
        if membership is None:
            role = entry.values.get("role", Role.MEMBER)
            membership_create(
                actor=run.actor, organization=place.organization, email=email, role=role, teams=teams
            )
            return CREATED
        before = _current(membership)
        changes = MembershipChanges()
        for key in keys_to_change(before, _wanted(entry)):
            if key == "role":
                changes["role"] = entry.values["role"]
            else:
                changes["teams"] = teams
        if not changes:
            return {}
        stored = membership_update(actor=run.actor, membership=membership, **changes)
        return differences(before, _current(stored))

    run.settle(f"member {place.organization.slug}/{email}", entry, action)


def export_member(membership: Membership) -> dict[str, Any]:
    """Return the membership as an entry."""
    teams = _teams(membership)
    entry = {"email": membership.user.email, "role": membership.role}
    return {**entry, "teams": teams} if teams else entry


def _current(membership: Membership) -> dict[str, Any]:
    return {"role": membership.role, "teams": _teams(membership)}


def _wanted(entry: Entry) -> dict[str, Any]:
    wanted = {name: value for name, value in entry.values.items() if name != "email"}
    if "teams" in wanted:
        wanted["teams"] = sorted(set(wanted["teams"]))
    return wanted


def _teams(membership: Membership) -> list[str]:
    return sorted(membership.teams.values_list("slug", flat=True))
