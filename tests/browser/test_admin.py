"""What an organization's owner does on the first day, clicked through in a real browser."""

import re
import time

import httpx
import pytest
from playwright.sync_api import Page, expect

from credentials.models import ProviderCredential
from tenants.models import User
from tests.conftest import PASSWORD
from tests.fakes.provider import Provider, completion, error
from tests.live import Live, wait_until

CREDENTIALS = "/admin/credentials/providercredential/"
TOKENS = "/admin/tenants/accesstoken/"


def log_in(page: Page, user: User) -> None:
    """Log in by address and password."""
    page.goto("/admin/")
    page.get_by_label("E-mail address").fill(user.email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", name="Getting started at Acme Inc")).to_be_visible()


def add_credential(page: Page, name: str, base_url: str, weight: str = "1") -> None:
    """Add a credential of an OpenAI-compatible provider."""
    page.goto(f"{CREDENTIALS}add/")
    page.get_by_label("Provider", exact=False).first.select_option("openai")
    page.locator("#id_name").fill(name)
    page.locator("#id_secret").fill("sk-browser-0123456789abcd")
    page.locator("#id_base_url").fill(base_url)
    page.locator("#id_default_model").fill("gpt-4o")
    page.locator("#id_weight").fill(weight)
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page).to_have_url(re.compile(f"{CREDENTIALS}$"))


def make_token(page: Page, name: str) -> str:
    """Make a token and return what the page shows."""
    page.goto(f"{TOKENS}add/")
    page.locator("#id_name").fill(name)
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("heading", name="Copy this token now")).to_be_visible()
    return page.locator("#token").inner_text()


def run_action(page: Page, row: str, action: str) -> None:
    """Select one row of a list and run an action on it."""
    page.locator(f"tr:has-text('{row}') input.action-select").check()
    page.locator("select[name=action]").select_option(action)
    page.get_by_role("button", name="Run").click()


def ask(live: Live, token: str) -> int:
    """Send a chat request and return the answer's status."""
    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]}
    headers = {"authorization": f"Bearer {token}"}
    return httpx.post(f"{live.base_url}/chat/completions", json=body, headers=headers, timeout=10).status_code


@pytest.mark.serial
def test_owner_connects_a_provider_makes_a_token_and_switches_it_off(
    page: Page, live: Live, fake: Provider, alice: User
) -> None:
    log_in(page, alice)
    token = make_token(page, "app")
    assert re.fullmatch(r"axm_[a-z0-9]{12}_[A-Za-z0-9_-]{43}", token)
    assert ask(live, token) == 404  # nothing serves the model yet

    fake.replies += [completion() for _ in range(50)]
    add_credential(page, "primary", fake.base_url)
    since = time.monotonic()
    wait_until(lambda: ask(live, token) == 200, 2)
    assert time.monotonic() - since < 1
    row = page.locator("tr:has-text('primary')")
    expect(row).to_contain_text("Enabled")
    expect(row).to_contain_text("abcd")
    expect(row).to_contain_text("100 %")
    expect(page.locator("body")).not_to_contain_text("sk-browser")

    run_action(page, "primary", "disable_selected")
    expect(page.get_by_text("1 of 1 credentials disabled.")).to_be_visible()
    assert ProviderCredential.objects.get().enabled is False
    since = time.monotonic()
    wait_until(lambda: ask(live, token) == 404, 2)
    assert time.monotonic() - since < 1

    page.goto(TOKENS)
    expect(page.locator("tr:has-text('app')").first).to_contain_text("Active")
    expect(page.locator("body")).not_to_contain_text(token)


@pytest.mark.serial
def test_a_second_credential_takes_over_when_the_first_fails_or_is_disabled(
    page: Page, live: Live, fake: Provider, other_fake: Provider, alice: User
) -> None:
    log_in(page, alice)
    token = make_token(page, "app")
    add_credential(page, "primary", fake.base_url)
    add_credential(page, "backup", other_fake.base_url, weight="0")
    wait_until(lambda: ask(live, token) == 200, 2)
    assert (len(fake.asked), len(other_fake.asked)) == (1, 0)

    fake.replies.append(error(503))
    assert ask(live, token) == 200
    assert (len(fake.asked), len(other_fake.asked)) == (2, 1)

    page.goto(CREDENTIALS)
    run_action(page, "primary", "disable_selected")
    expect(page.get_by_text("1 of 1 credentials disabled.")).to_be_visible()
    wait_until(lambda: ask(live, token) == 200 and len(other_fake.asked) >= 2, 2)
    seen = len(fake.asked)
    assert ask(live, token) == 200
    assert len(fake.asked) == seen

    page.goto("/admin/finops/usagerecord/")
    expect(page.locator("body")).to_contain_text("backup")


def test_form_shows_the_settings_of_the_chosen_provider_only(page: Page, live: Live, alice: User) -> None:
    log_in(page, alice)
    page.goto(f"{CREDENTIALS}add/")
    provider, version = page.locator("#id_provider"), page.locator("#id_config__azure__api_version")
    organization = page.locator("#id_config__openai__organization")
    expect(version).to_be_hidden()
    expect(organization).to_be_hidden()
    provider.select_option("azure")
    expect(version).to_be_visible()
    expect(organization).to_be_hidden()
    provider.select_option("openai")
    expect(version).to_be_hidden()
    expect(organization).to_be_visible()
    expect(page.locator("#id_base_url")).to_have_attribute("placeholder", "https://api.openai.com/v1")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_token_is_revoked_after_a_question(page: Page, live: Live, alice: User, scheme: str) -> None:
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    log_in(page, alice)
    token = make_token(page, "leaked")
    page.goto(TOKENS)
    page.get_by_role("link", name="leaked").click()
    page.get_by_role("link", name="Revoke").click()
    expect(page.get_by_role("heading", name="Revoke leaked?")).to_be_visible()
    page.get_by_role("button", name="Revoke").click()
    expect(page.get_by_text("leaked is revoked.")).to_be_visible()
    wait_until(lambda: ask(live, token) == 401, 2)
