"""Provider credentials in a manifest. Their secrets are never in it: only where to read them."""

import os
from collections.abc import Collection
from decimal import Decimal
from typing import Any, cast

from django.core.exceptions import ValidationError
from django.db import transaction

from credentials.kinds import KINDS
from credentials.models import Environment, ProviderCredential
from credentials.services import CredentialChanges, CredentialOptions, credential_create, credential_update
from gateway.manifest.reading import Entry, Field
from gateway.manifest.run import CREATED, Changes, Place, Run, differences, keys_to_change
from gateway.manifest.values import (
    SecretReference,
    day,
    flag,
    number,
    one_of,
    secret,
    settings,
    text,
    texts,
)

FIELDS = {
    "name": Field(text, required=True),
    "provider": Field(one_of(KINDS), required=True),
    "secret": Field(secret),
    "default_model": Field(text),
    "model_list": Field(texts),
    "weight": Field(number),
    "enabled": Field(flag),
    "base_url": Field(text),
    "config": Field(settings),
    "environment": Field(one_of(Environment.values)),
    "residency": Field(text),
    "rotation_owner": Field(text),
    "rotate_by": Field(day),
    "notes": Field(text),
    "teams": Field(texts),
    "users": Field(texts),
}
# What a dry run puts in place of a secret that isn't there yet; it is rolled back with everything else.
STAND_IN = "a-secret-that-a-dry-run-does-not-need"
_DEFAULTS: dict[str, Any] = {
    "default_model": "",
    "model_list": [],
    "weight": Decimal(1),
    "enabled": True,
    "base_url": "",
    "config": {},
    "environment": Environment.PRODUCTION.value,
    "residency": "",
    "rotation_owner": "",
    "rotate_by": None,
    "notes": "",
    "teams": [],
    "users": [],
}


def apply_credential(run: Run, place: Place, entry: Entry) -> None:
    """Make the credential, or change what differs; another secret than the stored one is a rotation."""
    name = entry.values.get("name")

    def action() -> Changes | None:
        found = ProviderCredential.objects.for_organization(place.organization.pk).filter(name=name).first()
        return _create(run, place, entry) if found is None else _update(run, place, entry, found)

    run.settle(f"credential {place.organization.slug}/{name}", entry, action)


def export_credential(credential: ProviderCredential, variable: str) -> dict[str, Any]:
    """Return the credential as an entry, without what is at its default.

    `variable` is the environment variable that the entry names in place of the secret, if there is one.
    """
    current = _current(credential)
    entry: dict[str, Any] = {"name": credential.name, "provider": credential.provider}
    if credential.secret_versions.filter(retired_at=None).exists():
        entry["secret"] = {"env": variable}
    return entry | {key: current[key] for key, usual in _DEFAULTS.items() if current[key] != usual}


def _create(run: Run, place: Place, entry: Entry) -> Changes | None:
    values = entry.values
    try:
        plaintext = _fetch(run, values.get("secret"))
    except LookupError as problem:
        if not run.dry_run:
            raise ValidationError({"secret": str(problem)}) from problem
        _warn(run, entry, f"{problem} It is needed when this is applied.")
        plaintext = STAND_IN
    credential_create(
        actor=run.actor,
        organization=place.organization,
        provider=values["provider"],
        name=values["name"],
        secret=plaintext or "",
        **_options(place, entry, _DEFAULTS),
    )
    return CREATED


def _update(run: Run, place: Place, entry: Entry, credential: ProviderCredential) -> Changes:
    before, version = _current(credential), _version(credential)
    options = _options(place, entry, keys_to_change(before, _wanted(entry)))
    changes: CredentialChanges = {"provider": entry.values["provider"], "name": credential.name, **options}
    try:
        plaintext = _fetch(run, entry.values.get("secret"))
    except LookupError as problem:
        stored = _update_without_secret(run, entry, credential, changes, str(problem))
    else:
        stored = credential_update(actor=run.actor, credential=credential, secret=plaintext, **changes)
    rotated = {"secret": "rotated" if version else "set"} if _version(stored) != version else {}
    return differences(before, _current(stored)) | rotated


def _update_without_secret(
    run: Run, entry: Entry, credential: ProviderCredential, changes: CredentialChanges, reason: str
) -> ProviderCredential:
    """Update where the secret's reference leads nowhere: that's fine while the stored one still serves."""
    try:
        with transaction.atomic():
            stored = credential_update(actor=run.actor, credential=credential, **changes)
    except ValidationError as problem:
        if set(problem.message_dict) != {"secret"}:
            raise
        if not run.dry_run:
            raise ValidationError({"secret": [reason, *problem.messages]}) from problem
        _warn(run, entry, f"{reason} It is needed when this is applied.")
        return credential_update(actor=run.actor, credential=credential, secret=STAND_IN, **changes)
    _warn(run, entry, f"{reason} The stored secret is kept.")
    return stored


def _version(credential: ProviderCredential) -> int | None:
    """Return the number of the secret's version in use, None without a secret."""
    versions = credential.secret_versions.filter(retired_at=None)
    return versions.values_list("version", flat=True).first()


def _warn(run: Run, entry: Entry, text: str) -> None:
    run.warnings.append(f"line {entry.line_of('secret')}: {text}")


def _fetch(run: Run, reference: SecretReference | None) -> str | None:
    """Return the secret, None where the file says nothing of one.

    Raises LookupError with a sentence that holds no secret.
    """
    if reference is None:
        return None
    if reference.source == "env":
        if found := os.environ.get(reference.place, "").strip():
            return found
        raise LookupError(f"The environment variable {reference.place} is not set.")
    path = run.directory / reference.place
    try:
        found = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as problem:
        raise LookupError(f"The file {path} cannot be read.") from problem
    if not found:
        raise LookupError(f"The file {path} is empty.")
    return found


def _current(credential: ProviderCredential) -> dict[str, Any]:
    fields = {key: getattr(credential, key) for key in _DEFAULTS if key not in {"teams", "users"}}
    return {
        **fields,
        "provider": credential.provider,
        "model_list": list(credential.model_list),
        "teams": sorted(credential.teams.values_list("slug", flat=True)),
        "users": sorted(credential.users.values_list("email", flat=True)),
    }


def _wanted(entry: Entry) -> dict[str, Any]:
    wanted = {key: value for key, value in entry.values.items() if key in _DEFAULTS}
    if "teams" in wanted:
        wanted["teams"] = sorted(set(wanted["teams"]))
    if "users" in wanted:
        wanted["users"] = sorted({email.lower() for email in wanted["users"]})
    if "model_list" in wanted:
        wanted["model_list"] = list(wanted["model_list"])
    return wanted


def _options(place: Place, entry: Entry, keys: Collection[str]) -> CredentialOptions:
    """Return the service's options for those of the keys that the file gives."""
    options = {key: value for key, value in _wanted(entry).items() if key in keys}
    if "teams" in options:
        options["teams"] = place.teams(tuple(options["teams"]), key="teams")
    if "users" in options:
        options["users"] = place.users(tuple(options["users"]), key="users")
    return cast(CredentialOptions, options)  # the keys and their types are those of FIELDS
