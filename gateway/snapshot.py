"""What the data path knows: an immutable picture of every organization, rebuilt when its version grows.

This is the only bridge from the database and the vault to the data path. Building happens in a thread of its
own; the data path only ever reads `SnapshotStore.current`.
"""

import logging
import re
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

from django.conf import settings
from django.db import DatabaseError, connections

from axiom.lib.redaction import Secret
from credentials.kinds import KINDS
from credentials.models import ProviderCredential
from credentials.validation import operator_refusal
from credentials.vault import VaultError, open_secret
from gateway.plan import index_by_model, index_by_provider
from gateway.providers.registry import ADAPTERS
from gateway.types import Caller, CredentialSettings, OrganizationSnapshot, Target
from tenants import publish
from tenants.models import AccessToken, Membership, Organization

logger = logging.getLogger(__name__)
POLL_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything at one moment: organizations by id, callers by the SHA-256 digest of their token."""

    organizations: Mapping[int, OrganizationSnapshot] = field(default_factory=dict)
    callers: Mapping[bytes, Caller] = field(default_factory=dict)


class SnapshotStore:
    """Holds the current snapshot and keeps it current."""

    def __init__(self) -> None:
        self.current = Snapshot()
        self._callers: dict[int, dict[bytes, Caller]] = {}
        self._wake = threading.Event()
        self._stopping = False
        self._thread: threading.Thread | None = None
        self._listener: publish.Listener | None = None
        self._healthy = True

    @property
    def healthy(self) -> bool:
        """False while the database cannot be read; the last snapshot is served meanwhile."""
        return self._healthy

    def start(self) -> None:
        """Load once, then watch for published changes. Raises DatabaseError if the first load fails."""
        self.refresh()
        publish.subscribe(self._published)
        if settings.AXIOM_REDIS_URL:
            self._listener = publish.listen(self._published)
        self._thread = threading.Thread(target=self._watch, name="snapshot", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop watching."""
        self._stopping = True
        publish.unsubscribe(self._published)
        if self._listener is not None:
            self._listener.close()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(timeout=5)

    def refresh(self) -> None:
        """Rebuild every organization whose version has changed, and swap the snapshot."""
        versions = dict(
            Organization.objects.filter(is_active=True).values_list("id", "snapshot_version").iterator()
        )
        known = self.current.organizations
        changed = [
            key for key, version in versions.items() if key not in known or known[key].version != version
        ]
        if not changed and versions.keys() == known.keys():
            return
        organizations = {key: known[key] for key in versions if key in known}
        self._callers = {key: self._callers[key] for key in versions if key in self._callers}
        for organization in Organization.objects.filter(id__in=changed):
            organizations[organization.id] = load_organization(organization)
            self._callers[organization.id] = load_callers(organization)
        merged = {digest: caller for found in self._callers.values() for digest, caller in found.items()}
        self.current = Snapshot(organizations=organizations, callers=merged)

    def _published(self, organization_id: int) -> None:
        del organization_id  # the versions in the database say what changed
        self._wake.set()

    def _watch(self) -> None:
        while not self._stopping:
            self._wake.wait(POLL_SECONDS)
            self._wake.clear()
            if not self._stopping:
                self._refresh_or_report()
        connections.close_all()

    def _refresh_or_report(self) -> None:
        try:
            self.refresh()
        except DatabaseError as problem:
            if self._healthy:
                logger.warning(
                    "The database cannot be read (%s); serving the last snapshot.", type(problem).__name__
                )
            self._healthy = False
            connections.close_all()
        else:
            if not self._healthy:
                logger.warning("The database can be read again.")
            self._healthy = True


def load_organization(organization: Organization) -> OrganizationSnapshot:
    """Build an organization's part of the snapshot; secrets are opened here and nowhere later."""
    credentials = (
        ProviderCredential.objects.for_organization(organization.id)
        .filter(enabled=True)
        .order_by("id")
        .prefetch_related("teams", "users", "secret_versions")
    )
    targets = tuple(target for credential in credentials if (target := _load_target(credential)) is not None)
    return OrganizationSnapshot(
        id=organization.id,
        slug=organization.slug,
        version=organization.snapshot_version,
        targets=targets,
        by_model=index_by_model(targets),
        by_provider=index_by_provider(targets),
    )


def _load_target(credential: ProviderCredential) -> Target | None:
    """Make a credential ready to be called; None (and a log line) when its secret cannot be opened."""
    if refusal := operator_refusal(KINDS[credential.provider], credential.config):
        logger.error("Credential %s is left out: %s", credential.id, refusal)
        return None
    try:
        secret = open_secret(credential)
    except VaultError as problem:
        logger.error("Credential %s is left out: %s", credential.id, problem)
        return None
    adapter = ADAPTERS[credential.provider]
    return Target(
        credential_id=credential.id,
        name=credential.name,
        provider=credential.provider,
        adapter=adapter,
        connection=adapter.connect(_settings(credential, secret)),
        models=frozenset(filter(None, [credential.default_model, *credential.model_list])),
        weight=float(credential.weight),
        team_ids=frozenset(team.id for team in credential.teams.all()),
        user_ids=frozenset(user.id for user in credential.users.all()),
        response_headers=(
            (b"x-axiom-provider", credential.provider.encode()),
            (b"x-axiom-credential", quote(credential.name, safe=" ()+,;:@/").encode()),
        ),
    )


def _settings(credential: ProviderCredential, secret: Secret | None) -> CredentialSettings:
    return CredentialSettings(
        provider=credential.provider,
        base_url=credential.base_url or KINDS[credential.provider].base_url,
        secret=secret,
        config=credential.config,
        token_hosts=tuple(settings.AXIOM_TOKEN_HOSTS),
    )


def load_callers(organization: Organization) -> dict[bytes, Caller]:
    """Return the organization's live tokens by digest."""
    memberships = Membership.objects.for_organization(organization.id).prefetch_related("teams")
    teams = {item.user_id: frozenset(team.id for team in item.teams.all()) for item in memberships}
    tokens = (
        AccessToken.objects.for_organization(organization.id)
        .filter(revoked_at__isnull=True)
        .exclude(user__is_active=False)
        .select_related("user")
    )
    return {bytes.fromhex(token.digest): _load_caller(token, organization, teams) for token in tokens}


def _load_caller(
    token: AccessToken, organization: Organization, teams_of: Mapping[int, frozenset[int]]
) -> Caller:
    if token.team_id is not None:
        team_ids = frozenset((token.team_id,))
    else:
        team_ids = teams_of.get(token.user_id or 0, frozenset())
    return Caller(
        token_id=token.id,
        token_name=token.name,
        organization_id=organization.id,
        organization_slug=organization.slug,
        team_id=token.team_id,
        team_ids=team_ids,
        user_id=token.user_id,
        user_label=token.user.email if token.user else "",
        scopes=frozenset(token.scopes),
        allowed_models=compile_allow_list(token.allowed_models),
        expires_at=token.expires_at.timestamp() if token.expires_at else None,
    )


def compile_allow_list(patterns: Iterable[str]) -> re.Pattern[str] | None:
    """Return a pattern for the models a token may call, * standing for any text; None when it is all."""
    listed = list(patterns)
    if "*" in listed:
        return None
    return re.compile(
        "|".join(re.escape(entry).replace(r"\*", ".*") for entry in listed) or r"(?!)", re.DOTALL
    )
