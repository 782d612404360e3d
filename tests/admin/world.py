"""Two organizations with one row of everything, and what the admin's forms want for each model.

Every text of globex holds MARK, so that a page which shows one is caught, and WORD, so that a search can find
it without typing MARK (which pages echo).
"""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.db.models import Model

from audit.models import AuditEvent
from axiom.lib import clock, ids
from credentials.models import ProviderCredential
from credentials.services import credential_create
from finops.models import UsageAttempt, UsageRecord
from tenants.actors import actor_for_user
from tenants.models import AccessToken, Membership, Organization, Role, Team, User
from tenants.services import membership_create, organization_update, team_create, token_create

MARK = "zqxmark"
WORD = "quartz"
LAST_FOUR = "~q%Z"


@dataclass(frozen=True)
class Subject:
    """A model's row at globex and at acme, and form data that would add or change one for acme's owner."""

    foreign: Any
    own: Any
    add: dict[str, Any] = field(default_factory=dict)
    change: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class World:
    """What the walk needs to know."""

    subjects: dict[type[Model], Subject]
    marks: frozenset[str]  # texts that only globex's rows have, in lower case


def build_world(alice: User, charlie: User, acme: Organization, globex: Organization) -> World:
    """Fill both organizations, globex with marked texts only."""
    User.objects.filter(pk=charlie.pk).update(email=f"{MARK}-{WORD}@{MARK}.example", name=f"{MARK} {WORD}")
    charlie.refresh_from_db()
    Organization.objects.filter(pk=globex.pk).update(slug=f"{MARK}-{WORD}")
    foreign = fill(charlie, globex, f"{MARK} {WORD}", f"{MARK}-{WORD}")
    own = fill(alice, acme, "Plain", "plain")
    subjects = {model: Subject(foreign[model], own[model], *forms(model)) for model in foreign}
    return World(subjects, marks_of(foreign))


def fill(owner: User, organization: Organization, name: str, slug: str) -> dict[type[Model], Any]:
    """Make one row of everything and return them by model."""
    actor = actor_for_user(owner, ip_address="127.0.0.1", request_id=f"{slug}-request")
    organization = organization_update(actor=actor, organization=organization, name=f"{name} org")
    team = team_create(actor=actor, organization=organization, slug=slug, name=f"{name} team")
    member = membership_create(
        actor=actor,
        organization=organization,
        email=f"member.{slug}@{slug}.example",
        role=Role.MEMBER,
        name=f"{name} member",
        teams=[team],
    )
    token, _ = token_create(
        actor=actor,
        organization=organization,
        name=f"{name} token",
        team=team,
        user=member.user,
        allowed_models=[f"{slug}-model"],
    )
    credential = credential_create(
        actor=actor,
        organization=organization,
        provider="azure",
        name=f"{name} credential",
        secret=f"sk-{ids.new_id()}{LAST_FOUR if MARK in slug else '0000'}",
        default_model=f"{slug}-default",
        model_list=[f"{slug}-listed"],
        base_url=f"https://{slug}.openai.azure.com",
        config={"surface": "v1", "deployments": {f"{slug}-model": f"{slug}-deployment"}},
        residency=f"{slug}-land",
        rotation_owner=f"{slug}-owner",
        notes=f"{name} notes",
        teams=[team],
        users=[member.user],
    )
    record = usage(organization.pk, name, slug, token, credential)
    return {
        Organization: organization,
        Team: team,
        Membership: member,
        User: owner,
        AccessToken: token,
        ProviderCredential: credential,
        UsageRecord: record,
        AuditEvent: AuditEvent.objects.for_organization(organization.pk).order_by("-pk")[0],
    }


def usage(organization_id: int, name: str, slug: str, token: AccessToken, credential: Any) -> UsageRecord:
    """Make a usage record with one attempt."""
    record = UsageRecord.objects.create(
        id=ids.new_id(),
        organization_id=organization_id,
        token_id=token.pk,
        token_name=f"{name} token",
        endpoint="chat.completions",
        requested_model=f"{slug}-requested",
        provider="azure",
        credential_id=credential.pk,
        credential_name=f"{name} credential",
        model=f"{slug}-served",
        outcome="ok",
        status=200,
        attempts=1,
        input_tokens=1,
        output_tokens=1,
        cost_usd=Decimal("0.01"),
        started_at=clock.now(),
        duration_ms=1.0,
    )
    UsageAttempt.objects.create(
        id=f"{record.pk}.1",
        request_id=record.pk,
        organization_id=organization_id,
        number=1,
        provider="azure",
        credential_id=credential.pk,
        credential_name=f"{name} credential",
        model=f"{slug}-attempted",
    )
    return record


def marks_of(rows: dict[type[Model], Any]) -> frozenset[str]:
    """Return MARK and what is random about globex's rows, in lower case."""
    active = rows[ProviderCredential].active_secret
    found = {MARK, LAST_FOUR, rows[AccessToken].key_id, active.fingerprint[:8]}
    return frozenset(text.lower() for text in found)


def forms(model: type[Model]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return form data with which acme's owner adds and changes a row; empty where the owner may not."""
    team = {"name": "Changed", "slug": "changed"}
    token = {
        "name": "Changed",
        "scopes": ["models"],
        "allowed_models": "*",
        "expires_at_0": "",
        "expires_at_1": "",
    }
    credential = {
        "provider": "openai",
        "name": "Changed",
        "secret": "sk-a-new-one-0123456789",
        "base_url": "",
        "default_model": "gpt-4o",
        "model_list": "",
        "weight": "1",
        "enabled": "on",
        "environment": "production",
        "residency": "",
        "rotation_owner": "",
        "rotate_by": "",
        "notes": "",
    }
    known: dict[type[Model], tuple[dict[str, Any], dict[str, Any]]] = {
        Organization: ({}, {"name": "Changed"}),
        Team: (team, team),
        Membership: ({"email": "new@acme.example", "name": "", "role": "member"}, {"role": "auditor"}),
        AccessToken: (token, token),
        ProviderCredential: (credential, credential),
    }
    return known.get(model, ({}, {}))
