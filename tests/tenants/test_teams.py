from collections.abc import Callable

import pytest
from django.core.exceptions import PermissionDenied, ValidationError

from audit.models import AuditEvent
from axiom.lib import clock
from credentials.models import ProviderCredential
from tenants.actors import Actor
from tenants.models import AccessToken, Membership, Organization, Role, Team
from tenants.services import team_create, team_delete, team_update
from tests.unchanged import nothing_changes

pytestmark = pytest.mark.django_db


def token_of(team: Team, *, revoked: bool) -> AccessToken:
    return AccessToken.objects.create(
        organization=team.organization,
        name="app",
        team=team,
        key_id="k",
        digest="d",
        revoked_at=clock.now() if revoked else None,
    )


@pytest.mark.parametrize("who", ["owner", "admin", "platform"])
def test_owners_admins_and_operators_create_a_team(
    who: str, acme: Organization, request: pytest.FixtureRequest, last_event: Callable[[], AuditEvent]
) -> None:
    version = acme.snapshot_version
    team = team_create(actor=request.getfixturevalue(who), organization=acme, slug="blue", name="Blue")
    team.refresh_from_db()
    acme.refresh_from_db()
    assert (team.organization, team.slug, team.name) == (acme, "blue", "Blue")
    assert acme.snapshot_version == version + 1
    event = last_event()
    assert (event.action, event.organization_id, event.target_label) == ("team.create", acme.pk, "blue")
    assert event.after == {"slug": "blue", "name": "Blue"}


@pytest.mark.parametrize("who", ["member", "stranger"])
def test_members_and_strangers_change_no_team(
    who: str, acme: Organization, blue: Team, request: pytest.FixtureRequest
) -> None:
    actor: Actor = request.getfixturevalue(who)
    with nothing_changes():
        with pytest.raises(PermissionDenied):
            team_create(actor=actor, organization=acme, slug="green", name="Green")
        with pytest.raises(PermissionDenied):
            team_update(actor=actor, team=blue, name="Green")
        with pytest.raises(PermissionDenied):
            team_delete(actor=actor, team=blue)


def test_a_slug_is_free_once_per_organization(
    owner: Actor, acme: Organization, blue: Team, red: Team
) -> None:
    with nothing_changes(), pytest.raises(ValidationError) as caught:
        team_create(actor=owner, organization=acme, slug="blue", name="Other")
    assert list(caught.value.message_dict) == ["slug"]
    assert team_create(actor=owner, organization=acme, slug="red", name="Red").slug == "red"


def test_a_team_is_renamed(owner: Actor, blue: Team, last_event: Callable[[], AuditEvent]) -> None:
    team_update(actor=owner, team=blue, slug="green", name="Blue")
    blue.refresh_from_db()
    assert (blue.slug, blue.name) == ("green", "Blue")
    event = last_event()
    assert (event.action, event.before, event.after) == ("team.update", {"slug": "blue"}, {"slug": "green"})


def test_the_organization_of_a_team_is_taken_from_the_database(
    stranger: Actor, blue: Team, globex: Organization
) -> None:
    blue.organization = globex
    with nothing_changes(), pytest.raises(PermissionDenied):
        team_update(actor=stranger, team=blue, name="Mine")


def test_an_unused_team_is_deleted_and_its_members_stay(
    owner: Actor,
    blue: Team,
    join: Callable[..., Membership],
    last_event: Callable[[], AuditEvent],
) -> None:
    membership = join(blue.organization, Role.MEMBER)
    membership.teams.add(blue)
    blue_id = str(blue.pk)
    team_delete(actor=owner, team=blue)
    assert not Team.objects.exists()
    assert list(membership.teams.all()) == []
    event = last_event()
    assert (event.action, event.target_id, event.before) == (
        "team.delete",
        blue_id,
        {"slug": "blue", "name": "Blue"},
    )


def test_a_team_with_a_live_token_stays(owner: Actor, blue: Team) -> None:
    token_of(blue, revoked=False)
    with nothing_changes(), pytest.raises(ValidationError, match="1 active access tokens"):
        team_delete(actor=owner, team=blue)


def test_revoked_tokens_do_not_hold_a_team(owner: Actor, blue: Team) -> None:
    token = token_of(blue, revoked=True)
    team_delete(actor=owner, team=blue)
    token.refresh_from_db()
    assert token.team is None


def test_a_team_that_a_credential_is_kept_for_stays(owner: Actor, blue: Team) -> None:
    credential = ProviderCredential.objects.create(
        organization=blue.organization, provider="sandbox", name="s"
    )
    credential.teams.add(blue)
    with nothing_changes(), pytest.raises(ValidationError, match="1 provider credentials"):
        team_delete(actor=owner, team=blue)
