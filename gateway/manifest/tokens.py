"""Access tokens in a manifest. A new token's text is in the run's result and nowhere else."""

from collections.abc import Collection
from typing import Any

from gateway.manifest.reading import Entry, Field
from gateway.manifest.run import CREATED, Changes, Place, Run, differences, keys_to_change
from gateway.manifest.values import moment, optional_text, text, texts
from tenants.models import AccessToken
from tenants.services import token_create, token_update
from tenants.services.tokens import TokenOptions
from tenants.tokens import SCOPES

FIELDS = {
    "name": Field(text, required=True),
    "models": Field(texts),
    "scopes": Field(texts),
    "team": Field(optional_text),
    "user": Field(optional_text),
    "expires_at": Field(moment),
}


def apply_token(run: Run, place: Place, entry: Entry) -> None:
    """Issue the token or change what it may do. A revoked token stays revoked, and its name is taken."""
    name = entry.values.get("name")
    label = f"{place.organization.slug}/{name}"

    def action() -> Changes | None:
        tokens = AccessToken.objects.for_organization(place.organization.pk)
        token = tokens.select_related("team", "user").filter(name=name).first()
        if token is None:
            _, plaintext = token_create(
                actor=run.actor,
                organization=place.organization,
                name=entry.values["name"],
                **_arguments(place, entry, FIELDS),
            )
            run.tokens[label] = plaintext
            return CREATED
        if token.revoked_at is not None:
            run.warnings.append(f"token {label} was revoked and stays so: give a new one another name.")
            return {}
        before = _current(token)
        changed = keys_to_change(before, _wanted(entry))
        if not changed:
            return {}
        stored = token_update(actor=run.actor, token=token, **_arguments(place, entry, changed))
        return differences(before, _current(stored))

    run.settle(f"token {label}", entry, action)


def export_token(token: AccessToken) -> dict[str, Any]:
    """Return the token as an entry, without what is at its default. Its text is not known."""
    current = _current(token)
    entry: dict[str, Any] = {"name": token.name, "models": current["models"]}
    if set(token.scopes) != set(SCOPES):
        entry["scopes"] = current["scopes"]
    return entry | {key: current[key] for key in ("team", "user", "expires_at") if current[key] is not None}


def _arguments(place: Place, entry: Entry, keys: Collection[str]) -> TokenOptions:
    """Return the service's arguments for those of the keys that the file gives."""
    given = {key: value for key, value in entry.values.items() if key in keys}
    arguments = TokenOptions()
    if "models" in given:
        arguments["allowed_models"] = given["models"]
    if "scopes" in given:
        arguments["scopes"] = given["scopes"]
    if "expires_at" in given:
        arguments["expires_at"] = given["expires_at"]
    if "team" in given:
        arguments["team"] = place.teams((given["team"],), key="team")[0] if given["team"] else None
    if "user" in given:
        arguments["user"] = place.users((given["user"],), key="user")[0] if given["user"] else None
    return arguments


def _current(token: AccessToken) -> dict[str, Any]:
    return {
        "models": list(token.allowed_models),
        "scopes": sorted(token.scopes),
        "team": token.team.slug if token.team else None,
        "user": token.user.email if token.user else None,
        "expires_at": token.expires_at,
    }


def _wanted(entry: Entry) -> dict[str, Any]:
    wanted = {name: value for name, value in entry.values.items() if name != "name"}
    if "models" in wanted:
        wanted["models"] = list(wanted["models"])
    if "scopes" in wanted:
        wanted["scopes"] = sorted(set(wanted["scopes"]))
    if wanted.get("user"):
        wanted["user"] = wanted["user"].lower()
    return wanted
