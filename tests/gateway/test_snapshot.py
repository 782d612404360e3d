"""The snapshot: what goes in, what stays out, and that the data path reads nothing else."""

import threading
from typing import Any

import pytest
from django.db.backends.utils import CursorWrapper

from axiom.lib import clock
from credentials.models import ProviderCredential, SecretVersion
from credentials.services import credential_set_enabled
from gateway.snapshot import SnapshotStore, compile_allow_list
from tenants.actors import actor_for_user
from tenants.models import AccessToken, Membership, Organization, Team, User
from tenants.services import token_create
from tests.fakes.provider import Provider, model_list
from tests.gateway.conftest import CANARY
from tests.live import Live


@pytest.fixture
def store(db: None) -> SnapshotStore:
    return SnapshotStore()


def test_secrets_are_opened_when_it_is_built_and_never_shown(
    store: SnapshotStore, credential: ProviderCredential, acme: Organization
) -> None:
    store.refresh()
    (target,) = store.current.organizations[acme.id].targets
    assert ("authorization", f"Bearer {CANARY}") in {
        (name.lower(), value) for name, value in target.connection.headers
    }
    assert CANARY not in repr(store.current)


def test_a_disabled_credential_is_left_out(
    store: SnapshotStore, credential: ProviderCredential, acme: Organization, alice: User
) -> None:
    credential_set_enabled(actor=actor_for_user(alice), credentials=[credential], enabled=False)
    store.refresh()
    assert store.current.organizations[acme.id].targets == ()


def test_a_secret_that_cannot_be_opened_leaves_out_that_credential_only(
    store: SnapshotStore, credential: ProviderCredential, acme: Organization, caplog: pytest.LogCaptureFixture
) -> None:
    SecretVersion.objects.update(ciphertext=b"\x01" + bytes(40))
    store.refresh()
    assert store.current.organizations[acme.id].targets == ()
    assert f"Credential {credential.id} is left out" in caplog.text


def test_only_changed_organizations_are_rebuilt(
    store: SnapshotStore,
    credential: ProviderCredential,
    acme: Organization,
    globex: Organization,
    alice: User,
) -> None:
    store.refresh()
    before = store.current
    store.refresh()
    assert store.current is before
    token_create(actor=actor_for_user(alice), organization=acme, name="new")
    store.refresh()
    assert store.current.organizations[globex.id] is before.organizations[globex.id]
    assert store.current.organizations[acme.id] is not before.organizations[acme.id]
    assert len(store.current.callers) == 1


def test_an_inactive_organization_has_no_callers(
    store: SnapshotStore, credential: ProviderCredential, acme: Organization, alice: User
) -> None:
    token_create(actor=actor_for_user(alice), organization=acme, name="new")
    store.refresh()
    assert len(store.current.callers) == 1
    Organization.objects.filter(id=acme.id).update(is_active=False)
    store.refresh()
    assert store.current.callers == {}
    assert acme.id not in store.current.organizations


def test_a_deactivated_users_tokens_are_left_out(
    store: SnapshotStore, acme: Organization, alice: User, bob: User
) -> None:
    token_create(actor=actor_for_user(alice), organization=acme, name="bobs", user=bob)
    token_create(actor=actor_for_user(alice), organization=acme, name="a service's")
    User.objects.filter(id=bob.id).update(is_active=False)
    store.refresh()
    assert [caller.token_name for caller in store.current.callers.values()] == ["a service's"]


def test_a_users_token_is_in_all_their_teams_and_a_teams_token_in_one(
    store: SnapshotStore, acme: Organization, alice: User, bob: User
) -> None:
    red = Team.objects.create(organization=acme, slug="red", name="Red")
    blue = Team.objects.create(organization=acme, slug="blue", name="Blue")
    Membership.objects.get(user=bob).teams.set([red, blue])
    actor = actor_for_user(alice)
    token_create(actor=actor, organization=acme, name="bobs", user=bob)
    token_create(actor=actor, organization=acme, name="reds", team=red)
    store.refresh()
    teams = {caller.token_name: caller.team_ids for caller in store.current.callers.values()}
    assert teams == {"bobs": frozenset({red.id, blue.id}), "reds": frozenset({red.id})}


def test_an_expiry_is_kept_to_the_second(store: SnapshotStore, acme: Organization, alice: User) -> None:
    token_create(actor=actor_for_user(alice), organization=acme, name="new")
    expires_at = clock.now()
    AccessToken.objects.update(expires_at=expires_at)
    store.refresh()
    (caller,) = store.current.callers.values()
    assert caller.expires_at == expires_at.timestamp()


@pytest.mark.parametrize(
    ("patterns", "model", "allowed"),
    [
        (["*"], "anything", True),
        ([], "anything", False),
        (["gpt-4o"], "gpt-4o", True),
        (["gpt-4o"], "gpt-4o-mini", False),
        (["gpt-*", "grok-4"], "gpt-5", True),
        (["gpt-*", "grok-4"], "grok-41", False),
        (["a.b"], "axb", False),
    ],
)
def test_the_allow_list_takes_stars_and_nothing_else(patterns: list[str], model: str, allowed: bool) -> None:
    pattern = compile_allow_list(patterns)
    assert (pattern is None or pattern.fullmatch(model) is not None) is allowed


def test_serving_reads_no_database(live: Live, fake: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    queries: list[tuple[str, str]] = []
    execute = CursorWrapper.execute

    def counting(self: CursorWrapper, sql: Any, params: Any = None) -> Any:
        queries.append((threading.current_thread().name, str(sql)))
        return execute(self, sql, params)

    monkeypatch.setattr(CursorWrapper, "execute", counting)
    fake.model_list = model_list("listed")
    for _ in range(5):
        assert live.chat().status_code == 200
        assert live.chat(stream=True).status_code == 200
        assert live.client.get("/models").status_code == 200
        assert live.chat(model="listed").status_code == 200
        assert live.chat(model="unknown").status_code == 404
    live.usage(20)
    # The poll and the shipper have threads of their own; this one read the ledger. That proves the count.
    background = {"snapshot", "usage-shipper", threading.current_thread().name}
    assert {thread for thread, _ in queries} == background
