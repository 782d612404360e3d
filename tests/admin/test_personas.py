"""Each change in the admin: who may make it, how it is recorded, and that denied means nothing changed."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from django.db.models import Model
from django.test import Client
from django.urls import reverse

from audit.models import AuditEvent
from credentials.models import ProviderCredential
from tenants.models import AccessToken, Membership, Organization, Role, Team, User
from tests.admin.conftest import Login
from tests.admin.world import World
from tests.unchanged import nothing_changes

pytestmark = pytest.mark.django_db

NEW_PASSWORD = {"password": "a horse of another color", "again": "a horse of another color"}


@dataclass(frozen=True)
class Mutation:
    """A POST to a page of acme's row (or to a list or add page), and the action that it's recorded as."""

    action: str
    model: type[Model]
    page: str
    data: dict[str, Any] | None = None  # None: the form data of tests.admin.world
    selected: bool = False

    def url(self, world: World) -> str:
        """Return where to post."""
        names = self.model._meta
        own = () if self.page in {"add", "changelist"} else (world.subjects[self.model].own.pk,)
        return reverse(f"admin:{names.app_label}_{names.model_name}_{self.page}", args=own)

    def form(self, world: World) -> dict[str, Any]:
        """Return what to post."""
        subject = world.subjects[self.model]
        if self.data is None:
            return subject.add if self.page == "add" else subject.change
        chosen = {"_selected_action": [subject.own.pk], "index": "0"} if self.selected else {}
        return {**self.data, **chosen}

    def __str__(self) -> str:
        return self.action


OWNERS = [
    Mutation("organization.update", Organization, "change"),
    Mutation("team.create", Team, "add"),
    Mutation("team.update", Team, "change"),
    Mutation("membership.create", Membership, "add"),
    Mutation("membership.update", Membership, "change"),
    Mutation("membership.delete", Membership, "delete", {"post": "yes"}),
    Mutation("user.set_password", Membership, "set_password", NEW_PASSWORD),
    Mutation("token.create", AccessToken, "add"),
    Mutation("token.update", AccessToken, "change"),
    Mutation("token.revoke", AccessToken, "revoke", {}),
    Mutation(
        "token.revoke",
        AccessToken,
        "changelist",
        {"action": "revoke_selected", "confirmed": "yes"},
        selected=True,
    ),
    Mutation("credential.create", ProviderCredential, "add"),
    Mutation("credential.update", ProviderCredential, "change"),
    Mutation("credential.delete", ProviderCredential, "delete", {"post": "yes"}),
    Mutation("credential.rotate", ProviderCredential, "rotate", {"secret": "sk-rotated-0123456789"}),
    Mutation(
        "credential.disable", ProviderCredential, "changelist", {"action": "disable_selected"}, selected=True
    ),
    Mutation(
        "credential.delete",
        ProviderCredential,
        "changelist",
        {"action": "delete_selected", "post": "yes"},
        selected=True,
    ),
]
OPERATORS = [
    Mutation("organization.create", Organization, "add", {"name": "New", "slug": "new"}),
    Mutation("organization.deactivate", Organization, "change", {"name": "Plain org"}),
    Mutation("user.create", User, "add", {"email": "new@axiom.example", "name": ""}),
    Mutation("user.update", User, "change", {"name": "Changed", "is_active": "on"}),
    Mutation("user.set_password", User, "set_password", NEW_PASSWORD),
]
each_of_owners = pytest.mark.parametrize("mutation", OWNERS, ids=str)
each_of_operators = pytest.mark.parametrize("mutation", OPERATORS, ids=str)
Post = Callable[[Client, Mutation], Any]


@pytest.fixture
def post(world: World) -> Post:
    """Post a mutation."""
    return lambda browser, mutation: browser.post(mutation.url(world), mutation.form(world), follow=True)


def last_event() -> AuditEvent:
    """Return the newest audit event."""
    return AuditEvent.objects.order_by("-pk")[0]


@each_of_owners
def test_owner_may_and_it_is_recorded(
    post: Post, login: Login, alice: User, acme: Organization, mutation: Mutation
) -> None:
    before = AuditEvent.objects.count()
    version = Organization.objects.get(pk=acme.pk).snapshot_version
    assert post(login(alice), mutation).status_code == 200
    assert AuditEvent.objects.count() > before
    event = last_event()
    assert (event.action, event.organization_id, event.actor_label) == (mutation.action, acme.pk, alice.email)
    assert (event.actor_type, event.ip_address) == ("user", "127.0.0.1")
    assert len(event.request_id) == 32
    if mutation.action != "user.set_password":
        assert Organization.objects.get(pk=acme.pk).snapshot_version > version


@each_of_owners
def test_member_may_not_and_nothing_changes(post: Post, login: Login, bob: User, mutation: Mutation) -> None:
    browser = login(bob)
    with nothing_changes():
        post(browser, mutation)


@each_of_owners
def test_auditor_may_not_and_nothing_changes(
    post: Post, login: Login, acme: Organization, mutation: Mutation
) -> None:
    eve = User.objects.create_user("eve@acme.example", is_staff=True)
    Membership.objects.create(organization=acme, user=eve, role=Role.AUDITOR)
    browser = login(eve)
    with nothing_changes():
        answer = post(browser, mutation)
    assert mutation.selected or answer.status_code == 403


@each_of_owners
def test_stranger_may_not_and_nothing_changes(
    world: World, login: Login, charlie: User, acme: Organization, mutation: Mutation
) -> None:
    browser = login(charlie)
    with nothing_changes():
        browser.post(mutation.url(world), {**mutation.form(world), "organization": acme.pk})


@each_of_owners
def test_anonymous_is_sent_to_log_in(world: World, client: Any, mutation: Mutation) -> None:
    with nothing_changes():
        answer = client.post(mutation.url(world), mutation.form(world))
    assert answer.status_code == 302
    assert answer["Location"].startswith(reverse("admin:login"))


@each_of_operators
def test_operator_may_and_it_is_recorded(
    post: Post, login: Login, operator: User, mutation: Mutation
) -> None:
    assert post(login(operator), mutation).status_code == 200
    assert (last_event().action, last_event().actor_label) == (mutation.action, operator.email)


@each_of_operators
def test_owner_may_not_do_what_operators_do(
    post: Post, login: Login, alice: User, mutation: Mutation
) -> None:
    browser = login(alice)
    if mutation.action == "organization.deactivate":
        post(browser, mutation)  # the name may be posted; the switch is not in the form
        assert not Organization.objects.filter(is_active=False).exists()
        return
    with nothing_changes():
        post(browser, mutation)


def test_team_in_use_is_not_deleted_and_the_reason_is_shown(world: World, login: Login, alice: User) -> None:
    team = world.subjects[Team].own
    url = reverse("admin:tenants_team_delete", args=[team.pk])
    browser = login(alice)
    with nothing_changes():
        answer = browser.post(url, {"post": "yes"}, follow=True)
    assert "is still used by" in answer.content.decode()


def test_unused_team_is_deleted(world: World, login: Login, alice: User, acme: Organization) -> None:
    team = Team.objects.create(organization=acme, slug="idle", name="Idle")
    login(alice).post(reverse("admin:tenants_team_delete", args=[team.pk]), {"post": "yes"})
    assert not Team.objects.filter(pk=team.pk).exists()
    assert last_event().action == "team.delete"


def test_admin_leaves_owners_alone(world: World, login: Login, ada: User, alice: User) -> None:
    owner = Membership.objects.get(user=alice)
    browser = login(ada)
    for page, data in (
        ("change", {"role": "member"}),
        ("delete", {"post": "yes"}),
        ("set_password", NEW_PASSWORD),
    ):
        with nothing_changes():
            answer = browser.post(reverse(f"admin:tenants_membership_{page}", args=[owner.pk]), data)
        assert answer.status_code == 403


def test_admin_makes_no_owner(world: World, login: Login, ada: User) -> None:
    member = world.subjects[Membership].own
    browser = login(ada)
    with nothing_changes():
        answer = browser.post(reverse("admin:tenants_membership_change", args=[member.pk]), {"role": "owner"})
        assert "owner is not one of the available choices" in answer.content.decode()
        browser.post(reverse("admin:tenants_membership_add"), {"email": "x@acme.example", "role": "owner"})


def test_last_owner_stays_and_the_reason_is_shown_at_the_field(
    world: World, login: Login, alice: User
) -> None:
    owner = Membership.objects.get(user=alice)
    browser = login(alice)
    with nothing_changes():
        answer = browser.post(reverse("admin:tenants_membership_change", args=[owner.pk]), {"role": "member"})
    assert "at least one owner" in str(answer.context["adminform"].form.errors["role"])


def test_password_of_somebody_in_another_organization_is_left_alone(
    world: World, login: Login, alice: User, mia: User, acme: Organization
) -> None:
    shared = Membership.objects.get(user=mia, organization=acme)
    browser = login(alice)
    with nothing_changes():
        answer = browser.post(
            reverse("admin:tenants_membership_set_password", args=[shared.pk]), NEW_PASSWORD
        )
    assert "in other organizations" in answer.content.decode()


def test_two_passwords_that_differ_are_refused(world: World, login: Login, alice: User) -> None:
    member = world.subjects[Membership].own
    browser = login(alice)
    with nothing_changes():
        answer = browser.post(
            reverse("admin:tenants_membership_set_password", args=[member.pk]), {**NEW_PASSWORD, "again": "x"}
        )
    assert "The two passwords differ." in answer.content.decode()


def test_new_member_logs_in_after_a_password_is_set(
    world: World, login: Login, alice: User, client: Any
) -> None:
    browser = login(alice)
    answer = browser.post(
        reverse("admin:tenants_membership_add"), {"email": "new@acme.example", "role": "member"}
    )
    assert answer.status_code == 302
    browser.post(answer["Location"].replace("change", "set_password"), NEW_PASSWORD)
    login_url = reverse("admin:login")
    answer = client.post(login_url, {"username": "New@acme.example", "password": NEW_PASSWORD["password"]})
    assert (answer.status_code, answer["Location"]) == (302, reverse("admin:index"))
