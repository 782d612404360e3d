from collections.abc import Callable
from datetime import timedelta

import pytest
from django.core.exceptions import PermissionDenied, ValidationError

from audit.models import AuditEvent
from axiom.lib import clock
from tenants.actors import Actor, actor_for_user
from tenants.models import AccessToken, Membership, Organization, Role, Team, User
from tenants.services import token_create, token_revoke, token_update
from tenants.tokens import SCOPES, digest_of
from tests.unchanged import nothing_changes

pytestmark = pytest.mark.django_db

Join = Callable[..., Membership]


@pytest.fixture
def token(owner: Actor, acme: Organization) -> AccessToken:
    """A service's token, made by the owner."""
    return token_create(actor=owner, organization=acme, name="app")[0]


@pytest.mark.parametrize("who", ["owner", "admin", "platform"])
def test_owners_admins_and_operators_create_a_token_that_is_shown_once(
    who: str, acme: Organization, request: pytest.FixtureRequest, last_event: Callable[[], AuditEvent]
) -> None:
    actor: Actor = request.getfixturevalue(who)
    version = acme.snapshot_version
    token, plaintext = token_create(actor=actor, organization=acme, name="app")
    token.refresh_from_db()
    acme.refresh_from_db()
    assert plaintext.startswith(f"axm_{token.key_id}_")
    assert token.digest == digest_of(plaintext)
    assert (token.organization, token.name, token.team, token.user) == (acme, "app", None, None)
    assert token.scopes == list(SCOPES)
    assert (token.allowed_models, token.expires_at, token.revoked_at) == (["*"], None, None)
    assert token.created_by_id == actor.user_id
    assert acme.snapshot_version == version + 1
    event = last_event()
    assert (event.action, event.target_type, event.target_label) == ("token.create", "token", "app")
    assert event.after["key_id"] == token.key_id


def test_neither_the_text_nor_the_digest_of_a_token_is_recorded(
    owner: Actor, acme: Organization, last_event: Callable[[], AuditEvent]
) -> None:
    token, plaintext = token_create(actor=owner, organization=acme, name="app")
    recorded = str(vars(last_event()))
    assert token.digest not in recorded
    assert plaintext not in recorded
    assert plaintext.rsplit("_", 1)[1] not in recorded


def test_a_token_holds_what_was_asked_for(
    owner: Actor, acme: Organization, bob: User, blue: Team, last_event: Callable[[], AuditEvent]
) -> None:
    tomorrow = clock.now() + timedelta(days=1)
    token, _ = token_create(
        actor=owner,
        organization=acme,
        name="app",
        scopes=("models",),
        allowed_models=("gpt-4o*", "sonar"),
        expires_at=tomorrow,
        team=blue,
        user=bob,
    )
    token.refresh_from_db()
    assert (token.scopes, token.allowed_models) == (["models"], ["gpt-4o*", "sonar"])
    assert (token.expires_at, token.team, token.user) == (tomorrow, blue, bob)
    assert last_event().after["user"] == f"bob@acme.example ({bob.pk})"
    assert last_event().after["team"] == f"Blue ({blue.pk})"


def test_all_that_is_wrong_is_said_at_once(
    owner: Actor, acme: Organization, red: Team, charlie: User
) -> None:
    with nothing_changes(), pytest.raises(ValidationError) as caught:
        token_create(
            actor=owner,
            organization=acme,
            name="",
            scopes=["everything"],
            allowed_models=[],
            expires_at=clock.now(),
            team=red,
            user=charlie,
        )
    assert set(caught.value.message_dict) == {
        "name",
        "scopes",
        "allowed_models",
        "expires_at",
        "team",
        "user",
    }


def test_a_name_is_free_once_per_organization(
    owner: Actor, stranger: Actor, acme: Organization, globex: Organization, token: AccessToken
) -> None:
    with nothing_changes(), pytest.raises(ValidationError) as caught:
        token_create(actor=owner, organization=acme, name="app")
    assert list(caught.value.message_dict) == ["name"]
    assert token_create(actor=stranger, organization=globex, name="app")[0].organization == globex


def test_a_stranger_creates_changes_and_revokes_nothing(
    stranger: Actor, acme: Organization, token: AccessToken, charlie: User
) -> None:
    with nothing_changes():
        with pytest.raises(PermissionDenied):
            token_create(actor=stranger, organization=acme, name="mine")
        with pytest.raises(PermissionDenied):
            token_create(actor=stranger, organization=acme, name="mine", user=charlie)
        with pytest.raises(PermissionDenied):
            token_update(actor=stranger, token=token, name="mine")
        with pytest.raises(PermissionDenied):
            token_revoke(actor=stranger, token=token)


def test_a_member_creates_and_revokes_their_own_token(member: Actor, acme: Organization, bob: User) -> None:
    token, _ = token_create(actor=member, organization=acme, name="bob", user=bob)
    assert (token.user, token.created_by) == (bob, bob)
    assert token_revoke(actor=member, token=token).revoked_at is not None


def test_a_member_creates_no_token_for_a_service_or_for_somebody_else(
    member: Actor, acme: Organization, alice: User
) -> None:
    with nothing_changes():
        with pytest.raises(PermissionDenied):
            token_create(actor=member, organization=acme, name="service")
        with pytest.raises(PermissionDenied):
            token_create(actor=member, organization=acme, name="alice", user=alice)


def test_a_member_speaks_for_their_own_teams_only(
    member: Actor, acme: Organization, bob: User, blue: Team
) -> None:
    with nothing_changes(), pytest.raises(ValidationError) as caught:
        token_create(actor=member, organization=acme, name="bob", user=bob, team=blue)
    assert caught.value.message_dict == {"team": ["Choose one of your own teams."]}
    Membership.objects.get(user=bob).teams.add(blue)
    assert token_create(actor=member, organization=acme, name="bob", user=bob, team=blue)[0].team == blue


def test_a_member_changes_no_token_and_revokes_nobody_elses(
    member: Actor, acme: Organization, bob: User, owner: Actor, token: AccessToken
) -> None:
    own, _ = token_create(actor=owner, organization=acme, name="bob", user=bob, allowed_models=["sonar"])
    with nothing_changes():
        with pytest.raises(PermissionDenied):
            token_update(actor=member, token=own, allowed_models=["*"])
        with pytest.raises(PermissionDenied):
            token_revoke(actor=member, token=token)


@pytest.mark.parametrize("role", [Role.BILLING, Role.AUDITOR])
def test_billing_and_auditors_make_no_tokens_at_all(role: Role, acme: Organization, join: Join) -> None:
    user = join(acme, role).user
    with nothing_changes(), pytest.raises(PermissionDenied):
        token_create(actor=actor_for_user(user), organization=acme, name="x", user=user)


def test_a_token_is_changed_and_keeps_its_text(
    admin: Actor,
    acme: Organization,
    token: AccessToken,
    blue: Team,
    last_event: Callable[[], AuditEvent],
) -> None:
    digest = token.digest
    token_update(actor=admin, token=token, name="worker", scopes=["models"], team=blue)
    token.refresh_from_db()
    assert (token.name, token.scopes, token.team, token.digest) == ("worker", ["models"], blue, digest)
    event = last_event()
    assert (event.action, event.target_label) == ("token.update", "worker")
    assert event.before == {
        "name": "app",
        "scopes": list(SCOPES),
        "team": None,
    }
    assert event.after == {"name": "worker", "scopes": ["models"], "team": f"Blue ({blue.pk})"}


def test_the_same_values_again_leave_no_trace(owner: Actor, token: AccessToken) -> None:
    with nothing_changes():
        token_update(
            actor=owner,
            token=token,
            name="app",
            scopes=tuple(reversed(SCOPES)),
            allowed_models=("*",),
            expires_at=None,
            team=None,
            user=None,
        )


def test_an_expired_token_can_be_renamed_without_a_new_end(owner: Actor, token: AccessToken) -> None:
    yesterday = clock.now() - timedelta(days=1)
    AccessToken.objects.filter(pk=token.pk).update(expires_at=yesterday)
    changed = token_update(actor=owner, token=token, name="old", expires_at=yesterday)
    assert (changed.name, changed.expires_at) == ("old", yesterday)


def test_team_and_user_of_another_organization_are_refused(
    owner: Actor, token: AccessToken, red: Team, charlie: User
) -> None:
    with nothing_changes(), pytest.raises(ValidationError) as caught:
        token_update(actor=owner, token=token, team=red, user=charlie)
    assert set(caught.value.message_dict) == {"team", "user"}


def test_columns_that_are_not_options_are_out_of_reach(
    owner: Actor, acme: Organization, token: AccessToken
) -> None:
    with nothing_changes():
        with pytest.raises(TypeError, match="digest"):
            token_update(actor=owner, token=token, digest="0" * 64)  # type: ignore[call-arg]
        with pytest.raises(TypeError, match="key_id"):
            token_create(actor=owner, organization=acme, name="x", key_id="mine")  # type: ignore[call-arg]


def test_a_revoked_token_stays_so(
    owner: Actor, acme: Organization, token: AccessToken, last_event: Callable[[], AuditEvent]
) -> None:
    acme.refresh_from_db()
    revoked = token_revoke(actor=owner, token=token)
    moment = revoked.revoked_at
    assert moment is not None
    version = acme.snapshot_version
    acme.refresh_from_db()
    assert acme.snapshot_version == version + 1
    assert (last_event().action, last_event().after) == ("token.revoke", {"revoked_at": moment.isoformat()})
    with nothing_changes():
        assert token_revoke(actor=owner, token=token).revoked_at == moment
        with pytest.raises(ValidationError, match="revoked"):
            token_update(actor=owner, token=token, name="again")
