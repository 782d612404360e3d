"""A secret typed into the admin comes to rest in one place, encrypted: no page, log line or byte shows it."""

import base64
import logging
from pathlib import Path

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from credentials.models import ProviderCredential
from credentials.vault import open_secret
from tenants.models import AccessToken, User
from tests.admin.conftest import Login
from tests.admin.test_credentials import FORM
from tests.admin.test_tokens import FORM as TOKEN_FORM
from tests.admin.test_tokens import PLAINTEXT

pytestmark = pytest.mark.django_db(transaction=True)

CANARY = "sk-canary-b7c1f0e29d5a4638"
LISTS = (
    "credentials_providercredential",
    "tenants_accesstoken",
    "tenants_membership",
    "tenants_organization",
    "tenants_team",
    "audit_auditevent",
    "finops_usagerecord",
)


def traces(secret: str) -> list[str]:
    """Return the forms in which a secret could lie about; its last four characters are meant to be seen."""
    return [secret, secret[:12], secret[-12:], secret[::-1], base64.b64encode(secret.encode()).decode()[:16]]


def pages(browser: Client) -> str:
    """Return every page that could show a credential or token, one after the other."""
    texts = []
    for name in LISTS:
        answer = browser.get(reverse(f"admin:{name}_changelist"))
        texts.append(answer.content.decode())
        for row in answer.context["cl"].result_list:
            for page in ("change", "history"):
                url = reverse(f"admin:{name}_{page}", args=[row.pk])
                texts.append(browser.get(url, follow=True).content.decode())
    texts.append(browser.get(reverse("admin:index")).content.decode())
    return "\n".join(texts)


def database_bytes() -> bytes:
    """Return everything that is stored."""
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        path = Path(connection.settings_dict["NAME"])
        return b"".join(each.read_bytes() for each in path.parent.glob(path.name + "*"))
    values: list[object] = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT * FROM "{table}"')
            values += [value for row in cursor.fetchall() for value in row]
    return b"\n".join(
        bytes(value) if isinstance(value, bytes | memoryview) else str(value).encode() for value in values
    )


def type_secrets(browser: Client) -> str:
    """Type the canary into every form that takes a secret, and return the text of a new token."""
    add = reverse("admin:credentials_providercredential_add")
    browser.post(add, {**FORM, "secret": CANARY, "weight": "-1"})  # refused
    browser.post(add, {**FORM, "secret": CANARY})
    credential = ProviderCredential.objects.get()
    rotate = reverse("admin:credentials_providercredential_rotate", args=[credential.pk])
    browser.post(rotate, {"secret": CANARY})  # refused
    change = reverse("admin:credentials_providercredential_change", args=[credential.pk])
    browser.post(change, {**FORM, "base_url": "http://10.0.0.1", "secret": CANARY})  # refused
    made = browser.post(reverse("admin:tenants_accesstoken_add"), TOKEN_FORM).content.decode()
    plaintext: str = PLAINTEXT.findall(made)[0]
    return plaintext


def test_secret_and_token_show_nowhere(
    login: Login, alice: User, operator: User, caplog: pytest.LogCaptureFixture
) -> None:
    for logger in ("", "django"):
        caplog.set_level(logging.DEBUG, logger=logger)
    browser = login(alice)
    with CaptureQueriesContext(connection):  # which logs every query with its parameters
        plaintext = type_secrets(browser)
        seen = pages(browser) + pages(login(operator))
    secret = open_secret(ProviderCredential.objects.get())
    assert secret is not None
    assert secret.reveal() == CANARY  # it is there, and works
    assert AccessToken.objects.count() == 1
    logged = "\n".join(f"{record.getMessage()} {record.__dict__}" for record in caplog.records)
    stored = database_bytes()
    assert 'INSERT INTO "credentials_secretversion"' in logged
    assert b"primary" in stored
    for trace in [*traces(CANARY), plaintext, plaintext[-20:]]:
        assert trace not in seen
        assert trace not in logged
        assert trace.encode() not in stored
