"""Access tokens in the admin: shown once, then only named."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from axiom.lib import clock
from tenants.models import AccessToken, Membership, Organization, Team, User
from tenants.tokens import digest_of
from tests.admin.conftest import Login
from tests.unchanged import nothing_changes

pytestmark = pytest.mark.django_db

LIST = "admin:tenants_accesstoken_changelist"
PLAINTEXT = re.compile(r"axm_[a-z0-9]{12}_[A-Za-z0-9_-]{43}")
FORM: dict[str, Any] = {
    "name": "app",
    "scopes": ["chat.completions", "models"],
    "allowed_models": "gpt-4o*\n\n gpt-4o* \nmistral",
    "expires_at_0": "",
    "expires_at_1": "",
}


def add(client: Client, **changes: Any) -> Any:
    """Post the form."""
    return client.post(reverse("admin:tenants_accesstoken_add"), {**FORM, **changes})


@pytest.fixture
def browser(alice: User, login: Login) -> Client:
    """The owner of acme, logged in."""
    return login(alice)


def test_token_is_shown_once_with_the_command_that_uses_it(browser: Client, acme: Organization) -> None:
    answer = add(browser)
    page = answer.content.decode()
    (plaintext,) = set(PLAINTEXT.findall(page))
    token = AccessToken.objects.get()
    assert digest_of(plaintext) == token.digest
    assert (token.organization, token.scopes) == (acme, ["chat.completions", "models"])
    assert token.allowed_models == ["gpt-4o*", "mistral"]
    assert "no-store" in answer["Cache-Control"]
    assert "curl -N http://testserver/rest/v1/llm-gateway/v1/chat/completions" in page
    assert f"Bearer {plaintext}" in page.replace("&quot;", '"')


def test_token_is_not_shown_again_nor_kept(browser: Client) -> None:
    (plaintext,) = set(PLAINTEXT.findall(add(browser).content.decode()))
    token = AccessToken.objects.get()
    pages = [
        reverse(LIST),
        reverse("admin:tenants_accesstoken_change", args=[token.pk]),
        reverse("admin:audit_auditevent_changelist"),
        reverse("admin:index"),
    ]
    for page in pages:
        assert plaintext not in browser.get(page).content.decode()
    assert plaintext not in str(dict(browser.session))
    assert not any(plaintext in morsel.value for morsel in browser.cookies.values())


def test_list_says_what_state_a_token_is_in(browser: Client, acme: Organization, alice: User) -> None:
    for name in ("works", "ended", "stopped"):
        add(browser, name=name)
    AccessToken.objects.filter(name="ended").update(expires_at=clock.now() - timedelta(days=1))
    AccessToken.objects.filter(name="stopped").update(revoked_at=clock.now())
    shown = browser.get(reverse(LIST)).content.decode()
    assert all(word in shown for word in ("Active", "Expired", "Revoked"))
    for status, name in (("active", "works"), ("expired", "ended"), ("revoked", "stopped")):
        rows = browser.get(reverse(LIST), {"status": status}).context["cl"].result_list
        assert [row.name for row in rows] == [name]


def test_revoked_token_can_neither_be_changed_nor_revoked_again(browser: Client) -> None:
    add(browser)
    token = AccessToken.objects.get()
    revoke = reverse("admin:tenants_accesstoken_revoke", args=[token.pk])
    with nothing_changes():
        assert "can't be undone" in browser.get(revoke).content.decode().replace("&#x27;", "'")
    browser.post(revoke)
    token.refresh_from_db()
    assert token.revoked_at is not None
    change = reverse("admin:tenants_accesstoken_change", args=[token.pk])
    with nothing_changes():
        assert browser.post(revoke).status_code == 403
        assert browser.post(change, FORM).status_code == 403
    assert 'name="_save"' not in browser.get(change).content.decode()


def test_selected_tokens_are_revoked_after_a_question(browser: Client) -> None:
    add(browser, name="one")
    add(browser, name="two")
    data = {"action": "revoke_selected", "_selected_action": AccessToken.objects.values_list("pk", flat=True)}
    with nothing_changes():
        answer = browser.post(reverse(LIST), {**data, "index": "0"})
    assert "Revoke 2 selected?" in answer.content.decode()
    browser.post(reverse(LIST), {**data, "confirmed": "yes"})
    assert not AccessToken.objects.filter(revoked_at=None).exists()


def test_nobody_deletes_a_token(browser: Client) -> None:
    add(browser)
    with nothing_changes():
        url = reverse("admin:tenants_accesstoken_delete", args=[AccessToken.objects.get().pk])
        assert browser.post(url, {"post": "yes"}).status_code == 403


@pytest.mark.parametrize(
    ("field", "changes", "message"),
    [
        ("name", {"name": ""}, "This field is required."),
        ("allowed_models", {"allowed_models": " \n"}, "This field is required."),
        ("scopes", {"scopes": []}, "This field is required."),
        ("scopes", {"scopes": ["everything"]}, "not one of the available choices"),
        ("expires_at", {"expires_at_0": "2020-01-01", "expires_at_1": "00:00"}, "has passed"),
    ],
)
def test_mistakes_are_shown_at_their_field(
    browser: Client, field: str, changes: dict[str, Any], message: str
) -> None:
    with nothing_changes():
        answer = add(browser, **changes)
    assert message in str(answer.context["adminform"].form.errors[field])


def test_name_in_use_is_refused_at_the_name(browser: Client) -> None:
    add(browser)
    with nothing_changes():
        answer = add(browser)
    assert answer.context["adminform"].form.errors.keys() == {"name"}


def test_changing_a_token_keeps_what_was_not_changed(browser: Client, alice: User, bob: User) -> None:
    add(browser, user=bob.pk)
    token = AccessToken.objects.get()
    url = reverse("admin:tenants_accesstoken_change", args=[token.pk])
    form = browser.get(url).context["adminform"].form
    assert form["user"].value() == bob.pk
    assert f'<option value="{bob.pk}" selected>' in str(form["user"])
    browser.post(url, {**FORM, "name": "renamed", "user": bob.pk})
    changed = AccessToken.objects.get()
    assert (changed.name, changed.user, changed.digest) == ("renamed", bob, token.digest)


def test_member_makes_and_revokes_tokens_for_themselves_only(
    acme: Organization, alice: User, bob: User, login: Login
) -> None:
    browser = login(bob)
    own_team = Team.objects.create(organization=acme, slug="own", name="Own")
    other_team = Team.objects.create(organization=acme, slug="other", name="Other")
    Membership.objects.get(user=bob).teams.add(own_team)
    with nothing_changes():
        assert "user" in add(browser, user=alice.pk).context["adminform"].form.errors
        assert "team" in add(browser, user=bob.pk, team=other_team.pk).context["adminform"].form.errors
    answer = add(browser, user=bob.pk, team=own_team.pk)
    assert PLAINTEXT.search(answer.content.decode())
    token = AccessToken.objects.get()
    assert (token.user, token.team) == (bob, own_team)
    browser.post(reverse("admin:tenants_accesstoken_revoke", args=[token.pk]))
    token.refresh_from_db()
    assert token.revoked_at is not None


def test_member_sees_only_their_own_tokens(
    acme: Organization, alice: User, bob: User, login: Login, browser: Client
) -> None:
    add(browser, name="everybodys")
    add(browser, name="bobs", user=bob.pk)
    rows = login(bob).get(reverse(LIST)).context["cl"].result_list
    assert [row.name for row in rows] == ["bobs"]
    assert {row.name for row in browser.get(reverse(LIST)).context["cl"].result_list} == {
        "everybodys",
        "bobs",
    }


def test_member_of_two_organizations_sees_each_by_the_role_there(
    acme: Organization, globex: Organization, mia: User, charlie: User, login: Login
) -> None:
    add(login(charlie), name="globex-service")
    add(login(charlie), name="mias-at-globex", user=mia.pk)
    browser = login(mia)
    add(browser, name="acme-service", organization=acme.pk)
    rows = browser.get(reverse(LIST)).context["cl"].result_list
    assert {row.name for row in rows} == {"acme-service", "mias-at-globex"}
    assert "globex-service" not in browser.get(reverse(LIST)).content.decode()


def test_expiry_is_read_as_utc(acme: Organization, browser: Client, alice: User) -> None:
    add(browser, expires_at_0="2099-01-01", expires_at_1="12:30:00")
    token = AccessToken.objects.get()
    assert token.expires_at is not None
    assert token.expires_at.isoformat() == "2099-01-01T12:30:00+00:00"
