"""Organizations in a manifest, with all that is in them."""

from collections.abc import Mapping
from typing import Any

from gateway.manifest.credentials import FIELDS as CREDENTIAL_FIELDS
from gateway.manifest.credentials import apply_credential, export_credential
from gateway.manifest.members import FIELDS as MEMBER_FIELDS
from gateway.manifest.members import apply_member, export_member
from gateway.manifest.reading import Entry, Field, entries
from gateway.manifest.run import CREATED, Changes, Place, Run, differences, keys_to_change
from gateway.manifest.teams import FIELDS as TEAM_FIELDS
from gateway.manifest.teams import apply_team, export_team
from gateway.manifest.tokens import FIELDS as TOKEN_FIELDS
from gateway.manifest.tokens import apply_token, export_token
from gateway.manifest.values import flag, text
from tenants.models import Organization
from tenants.services import organization_create, organization_update

FIELDS = {
    "slug": Field(text, required=True),
    "name": Field(text),
    "active": Field(flag),
    "teams": Field(entries("a team", TEAM_FIELDS, identity="slug"), nested=True),
    "members": Field(entries("a member", MEMBER_FIELDS, identity="email"), nested=True),
    "credentials": Field(entries("a credential", CREDENTIAL_FIELDS, identity="name"), nested=True),
    "tokens": Field(entries("a token", TOKEN_FIELDS, identity="name"), nested=True),
}
# In this order: what is referred to comes before what refers to it.
_PARTS = (
    ("teams", apply_team),
    ("members", apply_member),
    ("credentials", apply_credential),
    ("tokens", apply_token),
)


def apply_organization(run: Run, entry: Entry) -> None:
    """Make the organization or change it, then apply what is in it."""
    slug = entry.values.get("slug")
    run.settle(f"organization {slug}", entry, lambda: _settle(run, entry))
    organization = Organization.objects.filter(slug=slug).first()
    if organization is None:
        return
    place = Place(
        organization,
        declared_teams=_names(entry, "teams", "slug"),
        declared_members=_names(entry, "members", "email"),
    )
    for key, apply_part in _PARTS:
        for part in entry.values.get(key, ()):
            apply_part(run, place, part)


def export_organization(organization: Organization, variables: Mapping[int, str]) -> dict[str, Any]:
    """Return the organization as an entry. `variables` names the variable of each credential's secret, by id.

    Revoked tokens are left out: they can't be made again.
    """
    entry: dict[str, Any] = {"slug": organization.slug, "name": organization.name}
    if not organization.is_active:
        entry["active"] = False
    tokens = (
        organization.access_tokens.filter(revoked_at=None).select_related("team", "user").order_by("name")
    )
    parts = {
        "teams": [export_team(team) for team in organization.teams.order_by("slug")],
        "members": [
            export_member(member)
            for member in organization.memberships.select_related("user").order_by("user__email")
        ],
        "credentials": [
            export_credential(credential, variables[credential.pk])
            for credential in organization.credentials.order_by("name")
        ],
        "tokens": [export_token(token) for token in tokens],
    }
    return entry | {key: part for key, part in parts.items() if part}


def _settle(run: Run, entry: Entry) -> Changes | None:
    values = entry.values
    organization = Organization.objects.filter(slug=values["slug"]).first()
    if organization is None:
        organization = organization_create(
            actor=run.actor, slug=values["slug"], name=values.get("name", values["slug"])
        )
        if not values.get("active", True):
            organization_update(actor=run.actor, organization=organization, is_active=False)
        return CREATED
    wanted: dict[str, Any] = {key: values[key] for key in ("name", "active") if key in values}
    before = _current(organization)
    changed = keys_to_change(before, wanted)
    if "name" in changed:
        organization = organization_update(actor=run.actor, organization=organization, name=values["name"])
    if "active" in changed:
        organization = organization_update(
            actor=run.actor, organization=organization, is_active=values["active"]
        )
    return differences(before, _current(organization))


def _current(organization: Organization) -> dict[str, Any]:
    return {"name": organization.name, "active": organization.is_active}


def _names(entry: Entry, key: str, identity: str) -> frozenset[str]:
    parts: tuple[Entry, ...] = entry.values.get(key, ())
    return frozenset(part.values[identity].lower() for part in parts if identity in part.values)
