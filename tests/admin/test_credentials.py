"""The credential pages: a form that fits each provider, a secret that goes one way, a list that explains."""

import html
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from credentials.forms import CredentialForm, setting_name
from credentials.kinds import KINDS
from credentials.models import ProviderCredential
from credentials.services import credential_create
from credentials.vault import open_secret
from tenants.actors import actor_for_user
from tenants.models import Membership, Organization, Team, User
from tests.admin.conftest import Login
from tests.unchanged import nothing_changes

pytestmark = pytest.mark.django_db

ADD = "admin:credentials_providercredential_add"
LIST = "admin:credentials_providercredential_changelist"
SECRET = "sk-secret-0123456789abcd"
FORM: dict[str, Any] = {
    "provider": "openai",
    "name": "primary",
    "secret": SECRET,
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
AZURE = {
    "provider": "azure",
    "base_url": "https://acme.openai.azure.com",
    "config__azure__surface": "deployments",
    "config__azure__api_version": "2024-10-21",
    "config__azure__deployments": "gpt-4o = gpt4o-prod\n\n o3=o3-dev ",
}


@pytest.fixture
def browser(alice: User, login: Login) -> Client:
    """The owner of acme, logged in."""
    return login(alice)


def add(browser: Client, **changes: Any) -> Any:
    """Post the add form."""
    return browser.post(reverse(ADD), {**FORM, **changes})


def change(browser: Client, **changes: Any) -> Any:
    """Post the change form of the only credential, without a secret unless one is given."""
    return browser.post(url("change"), {**FORM, "secret": "", **changes})


def url(page: str) -> str:
    """Return a page of the only credential."""
    return reverse(f"admin:credentials_providercredential_{page}", args=[ProviderCredential.objects.get().pk])


def errors(answer: Any) -> dict[str, str]:
    """Return the form's errors as text by field."""
    return {name: " ".join(texts) for name, texts in answer.context["adminform"].form.errors.items()}


def test_every_setting_of_every_provider_has_a_field() -> None:
    expected = {setting_name(kind, setting) for kind in KINDS.values() for setting in kind.config_fields}
    assert expected
    assert expected <= CredentialForm.base_fields.keys()


def test_credential_is_added_with_everything(browser: Client, acme: Organization, bob: User) -> None:
    team = Team.objects.create(organization=acme, slug="blue", name="Blue")
    more = {
        "model_list": "gpt-4o-mini\n\no3\n",
        "weight": "0.25",
        "residency": "eu",
        "rotation_owner": "platform@acme.example",
        "rotate_by": "2099-01-31",
        "notes": "Ask finance.",
        "teams": [team.pk],
        "users": [bob.pk],
        "environment": "staging",
    }
    assert add(browser, **AZURE, **more).status_code == 302
    made = ProviderCredential.objects.get()
    assert (made.organization, made.provider, made.name, made.enabled) == (acme, "azure", "primary", True)
    assert (made.base_url, made.default_model) == (AZURE["base_url"], "gpt-4o")
    assert made.model_list == ["gpt-4o-mini", "o3"]
    assert (made.weight, made.residency, made.environment) == (Decimal("0.25"), "eu", "staging")
    assert (made.rotation_owner, made.rotate_by) == ("platform@acme.example", date(2099, 1, 31))
    assert made.config == {
        "surface": "deployments",
        "api_version": "2024-10-21",
        "deployments": {"gpt-4o": "gpt4o-prod", "o3": "o3-dev"},
    }
    assert (list(made.teams.all()), list(made.users.all())) == ([team], [bob])
    secret = open_secret(made)
    assert secret is not None
    assert secret.reveal() == SECRET


def test_fields_of_other_providers_are_not_looked_at(browser: Client) -> None:
    answer = add(browser, config__azure__deployments="no pairs here", config__azure__api_version="nonsense")
    assert answer.status_code == 302
    assert ProviderCredential.objects.get().config == {}


def test_sandbox_needs_no_key(browser: Client) -> None:
    assert add(browser, provider="sandbox", secret="", default_model="sandbox").status_code == 302


@pytest.mark.parametrize(
    ("changes", "field", "message"),
    [
        ({"provider": ""}, "provider", "This field is required."),
        ({"provider": "acme"}, "provider", "not one of the available choices"),
        ({"secret": ""}, "secret", "This provider needs one."),
        ({"weight": "-1"}, "weight", "greater than or equal to 0"),
        ({"base_url": "http://10.0.0.1/v1"}, "base_url", "AXIOM_EGRESS_ALLOW"),
        ({"base_url": "https://user:pw@api.example.com"}, "base_url", "password"),
        ({**AZURE, "base_url": ""}, "base_url", "address of your own endpoint"),
        ({**AZURE, "config__azure__api_version": ""}, "config__azure__api_version", "This is required."),
        ({**AZURE, "config__azure__api_version": "soon"}, "config__azure__api_version", "doesn't look right"),
        ({**AZURE, "config__azure__deployments": "gpt-4o"}, "config__azure__deployments", "Line 1"),
    ],
)
def test_mistakes_are_shown_at_their_field(
    browser: Client, changes: dict[str, Any], field: str, message: str
) -> None:
    with nothing_changes():
        answer = add(browser, **changes)
    assert message in errors(answer)[field]


def test_several_mistakes_are_shown_at_once(browser: Client) -> None:
    add(browser)
    wrong = {"config__azure__api_version": "", "base_url": "http://10.0.0.1"}
    answer = add(browser, **{**AZURE, **wrong})
    assert errors(answer).keys() >= {"name", "base_url", "config__azure__api_version"}


def test_secret_is_never_sent_back_and_must_be_entered_again(browser: Client) -> None:
    answer = add(browser, weight="-1")
    assert SECRET not in answer.content.decode()
    assert "once more" in errors(answer)["secret"]


def test_page_says_what_may_be_known_of_the_secret(browser: Client) -> None:
    add(browser)
    page = browser.get(url("change")).content.decode()
    assert "version 1 · ends in abcd · fingerprint" in page
    assert "by alice@acme.example" in page
    assert SECRET not in page
    assert 'autocomplete="new-password"' in page


def test_empty_secret_keeps_the_stored_one(browser: Client) -> None:
    add(browser)
    assert change(browser, name="renamed", notes="New.").status_code == 302
    stored = ProviderCredential.objects.get()
    assert (stored.name, stored.notes) == ("renamed", "New.")
    secret = open_secret(stored)
    assert secret is not None
    assert secret.reveal() == SECRET


@pytest.mark.parametrize("moved", [{"base_url": "https://api.example.com/v1"}, {"provider": "groq"}])
def test_another_address_or_provider_asks_for_the_secret(browser: Client, moved: dict[str, str]) -> None:
    add(browser)
    with nothing_changes():
        answer = change(browser, **moved)
    assert "enter it again" in errors(answer)["secret"]
    assert change(browser, **moved, secret=SECRET).status_code == 302


def test_key_that_is_not_needed_can_be_removed(browser: Client) -> None:
    address = {"provider": "ollama", "base_url": "http://127.0.0.1:11434/v1"}
    add(browser, **address)
    assert "Remove the stored key" in browser.get(url("change")).content.decode()
    assert change(browser, **address, clear_secret="on").status_code == 302
    assert ProviderCredential.objects.get().active_secret is None
    assert "Remove the stored key" not in browser.get(url("change")).content.decode()


def test_settings_are_shown_again(browser: Client) -> None:
    add(browser, **AZURE)
    form = browser.get(url("change")).context["adminform"].form
    assert form["config__azure__surface"].value() == "deployments"
    assert form["config__azure__deployments"].value() == "gpt-4o = gpt4o-prod\no3 = o3-dev"
    assert form["model_list"].value() == ""
    with nothing_changes():
        change(browser, **AZURE)  # saving it as it is


def test_only_what_was_changed_on_the_page_is_changed(browser: Client) -> None:
    add(browser, notes="Old.")
    form = CredentialForm({**FORM, "secret": "", "notes": "New."}, instance=ProviderCredential.objects.get())
    assert form.is_valid()
    connection = {"provider": "openai", "base_url": "", "config": {}}
    assert form.changes() == {**connection, "notes": "New.", "secret": None, "clear_secret": False}


def test_rotation_replaces_the_secret(browser: Client) -> None:
    add(browser)
    with nothing_changes():
        assert "Rotate the key of primary" in browser.get(url("rotate")).content.decode()
        again = browser.post(url("rotate"), {"secret": SECRET})
        assert "in use already" in again.content.decode()
        assert SECRET not in again.content.decode()
    assert browser.post(url("rotate"), {"secret": "sk-other-0123456789wxyz"})["Location"] == url("change")
    assert "version 2 · ends in wxyz" in browser.get(url("change")).content.decode()


def make(alice: User, acme: Organization, **values: Any) -> None:
    """Make a credential through the service."""
    given = {"provider": "openai", "secret": SECRET, "default_model": "gpt-4o", **values}
    credential_create(actor=actor_for_user(alice), organization=acme, **given)


def test_list_shows_what_a_weight_comes_to(browser: Client, alice: User, acme: Organization) -> None:
    make(alice, acme, name="half", weight=Decimal("0.5"))
    make(alice, acme, name="third", weight=Decimal("0.3"))
    make(alice, acme, name="fifth", weight=Decimal("0.2"), default_model="", model_list=["gpt-4o"])
    make(alice, acme, name="off", weight=Decimal(5), enabled=False)
    make(alice, acme, name="alone", default_model="gpt-4o-mini", weight=Decimal(7))
    make(alice, acme, name="spare", weight=Decimal(0))
    make(alice, acme, name="elsewhere", provider="groq", weight=Decimal(9))
    rows = browser.get(reverse(LIST)).context["cl"].result_list
    shares = {row.name: row.share for row in rows}
    assert shares == {
        "half": Decimal("0.5"),
        "third": Decimal("0.3"),
        "fifth": Decimal("0.2"),
        "off": None,
        "alone": 1,
        "spare": 0,
        "elsewhere": 1,
    }
    narrowed = browser.get(reverse(LIST), {"q": "half"}).context["cl"].result_list
    assert [row.share for row in narrowed] == [Decimal("0.5")]


def test_list_takes_as_many_queries_for_many_rows_as_for_few(
    browser: Client, alice: User, acme: Organization, django_assert_max_num_queries: Any
) -> None:
    for number in range(12):
        make(alice, acme, name=f"number-{number}")
    with django_assert_max_num_queries(12):
        browser.get(reverse(LIST))


def test_list_warns_of_an_overdue_rotation(browser: Client, alice: User, acme: Organization) -> None:
    make(alice, acme, name="late", rotate_by=date(2020, 1, 1))
    make(alice, acme, name="early", rotate_by=date(2099, 1, 1))
    page = browser.get(reverse(LIST)).content.decode()
    assert page.count("(overdue)") == 1


def test_list_is_narrowed_by_provider_environment_and_state(
    browser: Client, alice: User, acme: Organization
) -> None:
    make(alice, acme, name="a", environment="staging")
    make(alice, acme, name="b", provider="groq", enabled=False)
    for query, names in (
        ({"provider__exact": "groq"}, ["b"]),
        ({"environment__exact": "staging"}, ["a"]),
        ({"enabled__exact": "1"}, ["a"]),
    ):
        rows = browser.get(reverse(LIST), query).context["cl"].result_list
        assert [row.name for row in rows] == names


def test_selected_credentials_are_disabled_and_enabled(
    browser: Client, alice: User, acme: Organization
) -> None:
    make(alice, acme, name="a")
    make(alice, acme, name="b")
    both = list(ProviderCredential.objects.values_list("pk", flat=True))
    for action, enabled in (("disable_selected", False), ("enable_selected", True)):
        data = {"action": action, "_selected_action": both, "index": "0"}
        page = browser.post(reverse(LIST), data, follow=True).content.decode()
        assert f"2 of 2 credentials {'enabled' if enabled else 'disabled'}." in page
        assert set(ProviderCredential.objects.values_list("enabled", flat=True)) == {enabled}


def test_selection_that_reaches_where_one_may_not_changes_nothing(
    login: Login, mia: User, alice: User, charlie: User, acme: Organization, globex: Organization
) -> None:
    """Mia is an admin of acme, and only a member of globex."""
    make(alice, acme, name="acmes")
    make(charlie, globex, name="globexs")
    browser = login(mia)
    data = {"_selected_action": ProviderCredential.objects.values_list("pk", flat=True), "index": "0"}
    with nothing_changes():
        answer = browser.post(reverse(LIST), {**data, "action": "disable_selected"}, follow=True)
    assert "needs the permission credential.enable" in html.unescape(answer.content.decode())


def test_person_in_several_organizations_chooses_one_first(
    browser: Client, login: Login, acme: Organization, globex: Organization
) -> None:
    mona = User.objects.create_user("mona@acme.example", is_staff=True)
    for organization in (acme, globex):
        Membership.objects.create(organization=organization, user=mona, role="admin")
        Team.objects.create(organization=organization, slug="t", name=f"Team of {organization}")
    choosing = login(mona)
    asked = choosing.get(reverse(ADD)).content.decode()
    assert "In which organization?" in asked
    with nothing_changes():
        assert "In which organization?" in add(choosing).content.decode()
        for nonsense in ("abc", "-1", "9" * 30):
            assert "Choose one of these." in add(choosing, organization=nonsense).content.decode()
    form = choosing.get(reverse(ADD), {"organization": globex.pk}).content.decode()
    assert "Team of Globex" in form
    assert "Team of Acme" not in form
    assert choosing.post(f"{reverse(ADD)}?organization={globex.pk}", FORM).status_code == 302
    assert ProviderCredential.objects.get().organization == globex
    choosing.post(url("change"), {**FORM, "secret": "", "organization": acme.pk, "name": "moved"})
    assert ProviderCredential.objects.get().organization == globex
    assert "In which organization?" not in browser.get(reverse(ADD)).content.decode()


def test_member_sees_a_credential_without_a_form(browser: Client, login: Login, bob: User) -> None:
    add(browser, **AZURE)
    page = login(bob).get(url("change")).content.decode()
    assert "gpt-4o = gpt4o-prod" in page
    assert "ends in abcd" in page
    assert 'name="secret"' not in page
    assert 'name="_save"' not in page
