"""The site around the pages: logging in, the sidebar, the first page, and that everything is unfold's."""

from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse

from audit.models import AuditEvent
from axiom.dashboard import SIDEBAR, navigation
from axiom.lib.admin.base import OrgScopedAdmin
from credentials.models import ProviderCredential
from tenants.models import Membership, Organization, User
from tests.admin.conftest import Login
from tests.admin.world import World
from tests.conftest import PASSWORD

pytestmark = pytest.mark.django_db

ROLES = ("owner", "admin", "member", "billing", "auditor")


def titles(browser: Client) -> list[str]:
    """Return what the sidebar offers."""
    request: Any = browser.get(reverse("admin:index")).wsgi_request
    return [item["title"] for group in navigation(request) for item in group["items"]]


def test_every_admin_is_scoped_and_groups_are_gone() -> None:
    assert all(isinstance(page, OrgScopedAdmin) for page in admin.site._registry.values())
    assert not admin.site.is_registered(Group)


def test_every_admin_is_in_the_sidebar() -> None:
    listed = {model for _, items in SIDEBAR for _, _, model in items}
    assert listed == {model._meta.label_lower for model in admin.site._registry}


@pytest.mark.parametrize("role", ROLES)
def test_every_link_of_the_sidebar_opens(world: World, login: Login, acme: Organization, role: str) -> None:
    user = User.objects.create_user("somebody@acme.example", is_staff=True)
    Membership.objects.create(organization=acme, user=user, role=role)
    browser = login(user)
    request: Any = browser.get(reverse("admin:index")).wsgi_request
    items = [item for group in navigation(request) for item in group["items"]]
    assert items
    for item in items:
        assert browser.get(item["link"]).status_code == 200, item["title"]


def test_sidebar_shows_what_the_role_may_see(
    world: World, login: Login, alice: User, bob: User, operator: User
) -> None:
    everything = [title for _, items in SIDEBAR for title, _, _ in items]
    assert titles(login(operator)) == ["Start", *everything]
    assert titles(login(alice)) == ["Start", *everything[:-1]]
    assert titles(login(bob)) == [
        "Start",
        "Provider credentials",
        "Access tokens",
        "Teams",
        "Organizations",
    ]


def test_person_logs_in_with_address_and_password(client: Client, alice: User) -> None:
    url = reverse("admin:login")
    page = client.get(url).content.decode()
    assert "E-mail address" in page
    wrong = client.post(url, {"username": alice.email, "password": "wrong"})
    assert wrong.status_code == 200
    right = client.post(url, {"username": alice.email.upper(), "password": PASSWORD})
    assert (right.status_code, right["Location"]) == (302, reverse("admin:index"))
    assert client.get(reverse("admin:index")).status_code == 200


@pytest.mark.parametrize("state", [{"is_active": False}, {"is_staff": False}])
def test_person_who_may_not_enter_is_sent_back(client: Client, alice: User, state: dict[str, bool]) -> None:
    client.force_login(alice)
    User.objects.filter(pk=alice.pk).update(**state)
    assert client.get(reverse("admin:index")).status_code == 302


def test_first_page_leads_to_the_first_steps(login: Login, alice: User, acme: Organization) -> None:
    page = login(alice).get(reverse("admin:index")).content.decode()
    assert "Getting started at Acme Inc" in page
    assert "http://testserver/rest/v1/llm-gateway/v1" in page
    assert "Connect a provider first." in page
    assert reverse("admin:credentials_providercredential_add") in page
    assert "No request yet." in page


def test_first_page_counts_what_the_person_may_see(
    world: World, login: Login, alice: User, bob: User, operator: User
) -> None:
    def counted(user: User) -> list[int]:
        cards = login(user).get(reverse("admin:index")).context["cards"]
        return [card["number"] for card in cards if "number" in card]

    assert counted(alice) == [1, 1]
    assert counted(bob) == [1, 0]
    assert counted(operator) == [2, 2]


def test_inactive_organization_is_still_managed_by_its_owner(
    world: World, login: Login, alice: User, acme: Organization
) -> None:
    Organization.objects.filter(pk=acme.pk).update(is_active=False)
    assert login(alice).get(reverse("admin:index")).status_code == 200


def test_operator_sees_rows_of_every_organization_with_its_name(
    world: World, login: Login, operator: User
) -> None:
    page = login(operator).get(reverse("admin:credentials_providercredential_changelist"))
    assert {row.organization_label for row in page.context["cl"].result_list} == {
        "Plain org",
        world.subjects[Organization].foreign.name,
    }
    rows = page.context["cl"].filter_specs[0].lookup_choices
    assert len(rows) == 2


def test_filter_by_organization_narrows_to_ones_own(
    world: World, login: Login, mia: User, acme: Organization, globex: Organization
) -> None:
    other = Organization.objects.create(slug="other", name="Initech")
    browser = login(mia)
    url = reverse("admin:credentials_providercredential_changelist")
    for value, found in ((acme.pk, 1), (globex.pk, 1), (other.pk, 0), ("abc", 0), ("9" * 30, 0), ("-1", 0)):
        answer = browser.get(url, {"organization": value})
        assert len(answer.context["cl"].result_list) == found
        assert "Initech" not in answer.content.decode()


def test_membership_that_ends_ends_what_is_seen(
    world: World, login: Login, bob: User, acme: Organization
) -> None:
    browser = login(bob)
    url = reverse("admin:credentials_providercredential_changelist")
    assert browser.get(url).status_code == 200
    Membership.objects.filter(user=bob).delete()
    assert browser.get(url).status_code == 403


def test_one_request_makes_one_id_for_all_its_events(world: World, login: Login, alice: User) -> None:
    own = world.subjects[ProviderCredential].own
    ProviderCredential.objects.filter(pk=own.pk).update(enabled=False)
    AuditEvent.objects.all()._raw_delete("default")
    data = {"action": "enable_selected", "_selected_action": [own.pk], "index": "0"}
    login(alice).post(reverse("admin:credentials_providercredential_changelist"), data)
    login(alice).post(
        reverse("admin:credentials_providercredential_changelist"), {**data, "action": "disable_selected"}
    )
    seen = list(AuditEvent.objects.values_list("request_id", flat=True))
    assert len(set(seen)) == len(seen) == 2
