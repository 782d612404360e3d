"""Every change to credentials. Admin, REST, `apply` and tasks call these.

Each function checks the permission, validates, changes, writes the audit record and bumps the organization's
snapshot version in one transaction. It returns rows as they are stored; the row passed in is only a pointer.
All raise PermissionDenied, and ValidationError keyed by field; the secret never is in a message.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, TypedDict, Unpack

from django.core.exceptions import ValidationError
from django.db import transaction

from audit.changes import Difference, change_row, difference, refuse_unknown, validate_row
from audit.recorder import record
from axiom.lib import clock
from credentials.kinds import KINDS
from credentials.models import ProviderCredential, SecretVersion
from credentials.provider_kind import ProviderKind
from credentials.validation import clean_fields, clean_secret, needs_secret
from credentials.vault import VaultError, fingerprint_of, seal_secret
from tenants.actors import Actor
from tenants.models import Organization, Team, User
from tenants.roles import require
from tenants.services import organization_touch
from tenants.services.locking import lock_organization, lock_row
from tenants.services.teams import teams_of

__all__ = [
    "VaultError",
    "credential_create",
    "credential_delete",
    "credential_rotate",
    "credential_set_enabled",
    "credential_update",
    "holds_secret",
]


class CredentialOptions(TypedDict, total=False):
    """Everything about a credential but its provider, name and secret."""

    default_model: str
    model_list: Sequence[str]
    weight: Decimal
    enabled: bool
    base_url: str
    config: Mapping[str, Any] | None
    environment: str
    residency: str
    rotation_owner: str
    rotate_by: date | None
    notes: str
    teams: Iterable[Team]
    users: Iterable[User]


class CredentialChanges(CredentialOptions, total=False):
    """What can be changed, the secret apart."""

    provider: str
    name: str


LINKS = ("teams", "users")
CONNECTION = ("provider", "base_url", "config")


@transaction.atomic
def credential_create(
    *,
    actor: Actor,
    organization: Organization,
    provider: str,
    name: str,
    secret: str = "",
    **options: Unpack[CredentialOptions],
) -> ProviderCredential:
    """Create a credential with its first secret version; without a secret where the provider needs none."""
    refuse_unknown(options, CredentialOptions)
    stored = lock_organization(actor, organization.pk, "credential.create")
    given = {"base_url": "", "config": None, **_without_links(options), "provider": provider, "name": name}
    values, errors = clean_fields(given)
    links = _clean_links(stored, options, errors)
    kind = KINDS.get(provider)
    plaintext = _clean_secret(kind, secret, errors)
    if not plaintext and kind is not None and needs_secret(kind, values.get("config")):
        errors.setdefault("secret", ValidationError("This provider needs one."))
    credential = ProviderCredential(organization=stored, **values)
    validate_row(credential, errors)
    credential.save()
    _set_links(credential, links)
    if plaintext:
        _replace_secret(actor, credential, plaintext)
    after = {**values, **_shown(credential, links)}
    _record(actor, credential, "credential.create", Difference(after=after))
    organization_touch(stored.pk)
    return credential


@transaction.atomic
def credential_update(
    *,
    actor: Actor,
    credential: ProviderCredential,
    secret: str | None = None,
    clear_secret: bool = False,
    **changes: Unpack[CredentialChanges],
) -> ProviderCredential:
    """Change a credential. Without a `secret` the stored one stays; the same one again changes nothing.

    Another provider or address voids the stored secret, which was meant for the old one: give it (again) with
    the change. `clear_secret` removes it, where the provider needs none.
    """
    refuse_unknown(changes, CredentialChanges)
    stored = lock_row(actor, credential, "credential.update")
    if secret or clear_secret:
        require(actor, stored.organization_id, "credential.rotate")
    if changes.get("enabled", stored.enabled) != stored.enabled:
        require(actor, stored.organization_id, "credential.enable")
    values, errors = clean_fields(_with_connection(stored, _without_links(changes)))
    links = _clean_links(stored.organization, changes, errors)
    plaintext = _clean_secret(KINDS.get(values.get("provider", stored.provider)), secret or "", errors)
    _check_secret(stored, values, errors, replaced=bool(plaintext), cleared=clear_secret)
    before = _shown(stored, links)
    found = change_row(stored, values, errors)
    _set_links(stored, links)
    if plaintext:
        _replace_secret(actor, stored, plaintext)
    elif clear_secret:
        _retire_secret(stored)
    shown = difference(before, _shown(stored, links))
    whole = Difference({**found.before, **shown.before}, {**found.after, **shown.after})
    if whole:
        _finish(actor, stored, _action_of(whole), whole)
    return stored


@transaction.atomic
def credential_rotate(*, actor: Actor, credential: ProviderCredential, secret: str) -> ProviderCredential:
    """Give a credential another secret, or its first. Applications don't notice; the old one is gone."""
    stored = lock_row(actor, credential, "credential.rotate")
    errors: dict[str, ValidationError] = {}
    plaintext = _clean_secret(KINDS[stored.provider], secret, errors)
    if not errors and not plaintext:
        errors["secret"] = ValidationError("Give the new secret.")
    if errors:
        raise ValidationError(errors)
    before = _shown(stored)
    if not _replace_secret(actor, stored, plaintext):
        raise ValidationError({"secret": "This is the secret in use already."})
    _finish(actor, stored, "credential.rotate", difference(before, _shown(stored)))
    return stored


@transaction.atomic
def credential_set_enabled(*, actor: Actor, credentials: Iterable[ProviderCredential], enabled: bool) -> int:
    """Enable or disable credentials, all or none, and return how many weren't so already."""
    rows = ProviderCredential.objects.filter(pk__in={credential.pk for credential in credentials})
    for organization_id in sorted(set(rows.values_list("organization_id", flat=True))):
        lock_organization(actor, organization_id, "credential.enable")
    changed = list(rows.exclude(enabled=enabled).order_by("pk"))
    for stored in changed:  # not validated: switching off must always be possible
        stored.enabled = enabled
        stored.save(update_fields=["enabled"])
        found = Difference({"enabled": not enabled}, {"enabled": enabled})
        _finish(actor, stored, _action_of(found), found)
    return len(changed)


@transaction.atomic
def credential_delete(*, actor: Actor, credential: ProviderCredential) -> None:
    """Delete a credential with every version of its secret."""
    stored = lock_row(actor, credential, "credential.delete")
    before = {"provider": stored.provider, "base_url": stored.base_url, **_shown(stored)}
    _record(actor, stored, "credential.delete", Difference(before=before))
    stored.delete()
    organization_touch(stored.organization_id)


def holds_secret(credential: ProviderCredential, secret: str) -> bool:
    """Tell whether this is the credential's secret now. Raises VaultError."""
    active = credential.active_secret
    return active is not None and active.fingerprint == fingerprint_of(
        credential.organization_id, secret.strip()
    )


def _with_connection(stored: ProviderCredential, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the changes with provider, address and settings together, or without them when none differs."""
    current = {name: getattr(stored, name) for name in CONNECTION}
    wanted = {name: changes.get(name, current[name]) for name in CONNECTION}
    if wanted == current:
        return {name: value for name, value in changes.items() if name not in CONNECTION}
    return {**changes, **wanted}


def _check_secret(
    stored: ProviderCredential,
    values: Mapping[str, Any],
    errors: dict[str, ValidationError],
    *,
    replaced: bool,
    cleared: bool,
) -> None:
    if replaced or errors:
        return
    has_secret = stored.active_secret is not None
    provider = values.get("provider", stored.provider)
    base_url = values.get("base_url", stored.base_url)
    config = values.get("config", stored.config)
    if needs_secret(KINDS[provider], config) and (cleared or not has_secret):
        errors["secret"] = ValidationError("This provider needs one.")
    moved = _address(provider, base_url) != _address(stored.provider, stored.base_url)
    if moved and has_secret and not cleared:
        errors["secret"] = ValidationError(
            "The stored secret is for another provider or address: enter it again."
        )


def _address(provider: str, base_url: str) -> tuple[str, str]:
    return provider, base_url or KINDS[provider].base_url


def _clean_secret(kind: ProviderKind | None, secret: str, errors: dict[str, ValidationError]) -> str:
    try:
        return clean_secret(secret, kind)
    except ValidationError as problem:
        errors["secret"] = problem
        return ""


def _replace_secret(actor: Actor, credential: ProviderCredential, secret: str) -> bool:
    """Make this the saved credential's secret, and tell whether it wasn't already."""
    try:
        if holds_secret(credential, secret):
            return False
        _store_secret(actor, credential, secret)
    except VaultError as problem:
        raise ValidationError({"secret": str(problem)}) from problem
    return True


def _store_secret(actor: Actor, credential: ProviderCredential, secret: str) -> None:
    newest = SecretVersion.objects.filter(credential=credential).order_by("-version").first()
    version = newest.version + 1 if newest else 1
    sealed = seal_secret(credential, version, secret)
    _retire_secret(credential)
    SecretVersion.objects.create(
        credential=credential,
        version=version,
        ciphertext=sealed.ciphertext,
        fingerprint=sealed.fingerprint,
        last_four=sealed.last_four,
        created_by_id=actor.user_id,
    )


def _retire_secret(credential: ProviderCredential) -> None:
    """Keep that there was a version, not what it was."""
    active = SecretVersion.objects.filter(credential=credential, retired_at=None)
    active.update(retired_at=clock.now(), ciphertext=b"")


def _without_links(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if name not in LINKS}


def _clean_links(
    organization: Organization, options: Mapping[str, Any], errors: dict[str, ValidationError]
) -> dict[str, list[Any]]:
    """Return the teams and users to set, as far as they are given."""
    links: dict[str, list[Any]] = {}
    if "teams" in options:
        try:
            links["teams"] = teams_of(organization, options["teams"])
        except ValidationError as problem:
            errors["teams"] = ValidationError(problem.messages)
    if "users" in options:
        wanted = {user.pk for user in options["users"]}
        links["users"] = list(User.objects.filter(pk__in=wanted, memberships__organization=organization))
        if len(links["users"]) != len(wanted):
            errors["users"] = ValidationError("Choose members of this organization.")
    return links


def _set_links(credential: ProviderCredential, links: Mapping[str, list[Any]]) -> None:
    for name, chosen in links.items():
        getattr(credential, name).set(chosen)


def _shown(credential: ProviderCredential, links: Mapping[str, list[Any]] | None = None) -> dict[str, object]:
    """Return what the audit record says about the secret and, where they are given, teams and users."""
    active = credential.active_secret
    shown: dict[str, object] = {"secret": str(active) if active else None}
    for name in links or {}:
        shown[name] = sorted(str(item) for item in getattr(credential, name).all())
    return shown


def _action_of(change: Difference) -> str:
    fields = change.before.keys() | change.after.keys()
    if fields == {"enabled"}:
        return "credential.enable" if change.after["enabled"] else "credential.disable"
    return "credential.rotate" if fields == {"secret"} else "credential.update"


def _finish(actor: Actor, credential: ProviderCredential, action: str, change: Difference) -> None:
    credential.updated_at = clock.now()
    credential.save(update_fields=["updated_at"])
    _record(actor, credential, action, change)
    organization_touch(credential.organization_id)


def _record(actor: Actor, credential: ProviderCredential, action: str, change: Difference) -> None:
    record(
        actor=actor,
        organization_id=credential.organization_id,
        action=action,
        target_type="credential",
        target_id=credential.pk,
        target_label=credential.name,
        before=change.before,
        after=change.after,
    )
