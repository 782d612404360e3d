"""Usage and audit pages: newest first, page by page, without ever counting."""

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from audit.models import AuditEvent
from axiom.lib import clock
from axiom.lib.admin.keyset import keyset_page
from finops.models import UsageAttempt, UsageRecord
from tenants.actors import actor_for_user
from tenants.models import AccessToken, Membership, Organization, User
from tenants.services import team_create, team_update
from tests.admin.conftest import Login
from tests.admin.world import World
from tests.unchanged import nothing_changes

pytestmark = pytest.mark.django_db

LIST = "admin:finops_usagerecord_changelist"


@pytest.fixture
def browser(alice: User, login: Login) -> Client:
    """The owner of acme, logged in."""
    return login(alice)


def records(organization: Organization, count: int, **values: Any) -> None:
    """Make usage records with ascending ids."""
    first = UsageRecord.objects.count()
    UsageRecord.objects.bulk_create(
        UsageRecord(
            id=f"{first + number:032x}",
            organization_id=organization.pk,
            token_id=1,
            **{
                "token_name": "app",
                "endpoint": "chat.completions",
                "requested_model": "gpt-4o",
                "outcome": "ok",
                "started_at": clock.now(),
                **values,
            },
        )
        for number in range(count)
    )


def follow(browser: Client, direction: str) -> list[list[str]]:
    """Return the ids on each page, going one way until the end."""
    link, pages = "", []
    while True:
        page = browser.get(reverse(LIST) + link).context["cl"]
        pages.append([row.pk for row in page.result_list])
        if not getattr(page, f"has_{direction}"):
            return pages
        link = getattr(page, f"{direction}_url")


def test_older_pages_show_every_record_once_newest_first(
    browser: Client, acme: Organization, globex: Organization
) -> None:
    records(acme, 60)
    records(globex, 10)
    records(acme, 60)
    pages = follow(browser, "older")
    shown = [pk for page in pages for pk in page]
    assert [len(page) for page in pages] == [50, 50, 20]
    assert shown == list(
        UsageRecord.objects.for_organization(acme.pk).order_by("-pk").values_list("pk", flat=True)
    )


@pytest.mark.parametrize("count", [51, 60, 100, 101, 130])
def test_newer_pages_lead_back_to_the_newest(browser: Client, acme: Organization, count: int) -> None:
    records(acme, count)
    newest_first = [row.pk for row in UsageRecord.objects.order_by("-pk")]
    last = browser.get(reverse(LIST), {"before": newest_first[-2]}).context["cl"]
    assert [row.pk for row in last.result_list] == newest_first[-1:]
    seen, page = set(newest_first[-1:]), last
    while page.has_newer:
        page = browser.get(reverse(LIST) + page.newer_url).context["cl"]
        seen |= {row.pk for row in page.result_list}
    assert [row.pk for row in page.result_list] == newest_first[:50]
    assert seen == set(newest_first)


def test_page_in_the_middle_has_neighbors(acme: Organization) -> None:
    records(acme, 7)
    rows = UsageRecord.objects.all()
    ids = [f"{number:032x}" for number in range(7)]
    page = keyset_page(rows, 2, after=ids[2])
    assert ([row.pk for row in page.rows], page.has_newer, page.has_older) == ([ids[4], ids[3]], True, True)
    page = keyset_page(rows, 2, after=ids[4])
    assert ([row.pk for row in page.rows], page.has_newer, page.has_older) == ([ids[6], ids[5]], False, True)
    page = keyset_page(rows, 2, before=ids[2])
    assert ([row.pk for row in page.rows], page.has_newer, page.has_older) == ([ids[1], ids[0]], True, False)
    page = keyset_page(rows, 10)
    assert ([row.pk for row in page.rows], page.has_newer, page.has_older) == (ids[::-1], False, False)


def test_list_counts_nothing_and_takes_the_same_queries_however_long(
    browser: Client, acme: Organization
) -> None:
    taken = []
    for more in (1, 150):
        records(acme, more)
        with CaptureQueriesContext(connection) as captured:
            browser.get(reverse(LIST))
            browser.get(reverse(LIST), {"outcome__exact": "ok", "q": "gpt-4o"})
        taken.append(len(captured))
        assert not any("COUNT(" in query["sql"] and "finops" in query["sql"] for query in captured)
    assert taken[0] == taken[1]


def test_following_a_filter_starts_at_the_newest(browser: Client, acme: Organization) -> None:
    records(acme, 120)
    page = browser.get(reverse(LIST), {"before": f"{60:032x}"}).context["cl"]
    links = [choice["query_string"] for spec in page.filter_specs for choice in spec.choices(page)]
    assert links
    assert not any("before" in link for link in links)
    assert "outcome__exact=ok" in browser.get(reverse(LIST), {"outcome__exact": "ok"}).context["cl"].older_url


def test_nonsense_for_a_position_shows_the_newest(browser: Client, world: World) -> None:
    for name in ("finops_usagerecord", "audit_auditevent"):
        for nonsense in ("", "x'--", "9" * 40, "\x00"):
            answer = browser.get(reverse(f"admin:{name}_changelist"), {"before": nonsense})
            assert answer.status_code == 200


def test_search_finds_exact_names_only(browser: Client, acme: Organization) -> None:
    records(acme, 2, model="gpt-4o-mini")
    records(acme, 1, token_name="batch")

    def found(term: str) -> int:
        return len(browser.get(reverse(LIST), {"q": term}).context["cl"].result_list)

    assert (found("gpt-4o-mini"), found("batch"), found("gpt"), found(f"{0:032x}")) == (2, 1, 0, 1)


def test_record_shows_its_attempts_and_says_what_is_unknown(browser: Client, acme: Organization) -> None:
    records(acme, 1)
    record = UsageRecord.objects.get()
    for number, credential in enumerate(("first-key", "second-key"), start=1):
        UsageAttempt.objects.create(
            id=f"{record.pk}.{number}",
            request_id=record.pk,
            organization_id=acme.pk,
            number=number,
            provider="openai",
            credential_id=number,
            credential_name=credential,
            model="gpt-4o",
            status=429 if number == 1 else 200,
            error_class="rate_limited" if number == 1 else "",
        )
    page = browser.get(reverse("admin:finops_usagerecord_change", args=[record.pk])).content.decode()
    assert page.index("first-key") < page.index("second-key")
    assert "rate_limited" in page
    assert "unknown" in page
    assert "$0" not in page


@pytest.mark.parametrize("model", [UsageRecord, AuditEvent])
def test_ledgers_are_read_only_even_for_operators(
    login: Login, operator: User, world: World, model: Any
) -> None:
    row, names = world.subjects[model].own, model._meta
    browser = login(operator)
    prefix = f"admin:{names.app_label}_{names.model_name}"
    with nothing_changes():
        assert browser.post(reverse(f"{prefix}_add"), {}).status_code == 403
        assert browser.post(reverse(f"{prefix}_change", args=[row.pk]), {}).status_code == 403
        assert browser.post(reverse(f"{prefix}_delete", args=[row.pk]), {"post": "yes"}).status_code == 403
        data = {"action": "delete_selected", "_selected_action": [row.pk], "post": "yes"}
        browser.post(reverse(f"{prefix}_changelist"), data)


def test_audit_event_shows_before_and_after(browser: Client, alice: User, acme: Organization) -> None:
    actor = actor_for_user(alice)
    team = team_create(actor=actor, organization=acme, slug="blue", name="Blue")
    team_update(actor=actor, team=team, name="Green <b>")
    event = AuditEvent.objects.order_by("-pk")[0]
    page = browser.get(reverse("admin:audit_auditevent_change", args=[event.pk])).content.decode()
    assert '<th scope="row">name</th>' in page
    assert '<td class="axiom-before">Blue</td>' in page
    assert '<td class="axiom-after">Green &lt;b&gt;</td>' in page


def test_history_leads_to_the_events_of_the_row(browser: Client, world: World) -> None:
    token = world.subjects[AccessToken].own
    answer = browser.get(reverse("admin:tenants_accesstoken_history", args=[token.pk]), follow=True)
    events = answer.context["cl"].result_list
    assert [(event.action, event.target_id) for event in events] == [("token.create", str(token.pk))]


def test_billing_sees_usage_but_no_audit_record(login: Login, acme: Organization, world: World) -> None:
    dora = User.objects.create_user("dora@acme.example", is_staff=True)
    Membership.objects.create(organization=acme, user=dora, role="billing")
    browser = login(dora)
    assert browser.get(reverse(LIST)).status_code == 200
    assert browser.get(reverse("admin:audit_auditevent_changelist")).status_code == 403
