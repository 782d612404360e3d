import pytest
from django.db import IntegrityError, transaction

from audit.actions import ACTIONS
from audit.models import AuditEvent
from audit.recorder import record
from axiom.lib.redaction import Secret
from tenants.actors import Actor, command_actor


def record_one(**given: object) -> AuditEvent:
    event: dict[str, object] = {
        "actor": Actor("user", 7, "alice@acme.example", ip_address="203.0.113.9", request_id="r1"),
        "organization_id": 3,
        "action": "team.update",
        "target_type": "team",
        "target_id": 12,
        "target_label": "blue",
        **given,
    }
    return record(**event)  # type: ignore[arg-type]


@pytest.mark.django_db
def test_an_event_says_who_did_what_to_what_and_when() -> None:
    event = record_one(before={"name": "Blue"}, after={"name": "Green"})
    event.refresh_from_db()
    assert (event.actor_type, event.actor_id, event.actor_label) == ("user", 7, "alice@acme.example")
    assert (event.organization_id, event.action) == (3, "team.update")
    assert (event.target_type, event.target_id, event.target_label) == ("team", "12", "blue")
    assert (event.before, event.after) == ({"name": "Blue"}, {"name": "Green"})
    assert (event.ip_address, event.request_id) == ("203.0.113.9", "r1")
    assert event.created_at.tzinfo is not None


@pytest.mark.django_db
def test_an_event_of_a_command_needs_no_person_address_or_organization() -> None:
    event = record_one(actor=command_actor("apply"), organization_id=None)
    assert (event.actor_type, event.actor_id, event.actor_label) == ("command", None, "apply")
    assert (event.organization_id, event.ip_address, event.request_id) == (None, None, "")


@pytest.mark.django_db
def test_an_unknown_action_is_refused_and_nothing_is_written() -> None:
    with pytest.raises(ValueError, match=r"'team\.paint' is not an action"):
        record_one(action="team.paint")
    assert AuditEvent.objects.count() == 0


@pytest.mark.django_db(transaction=True)
def test_an_event_outside_a_transaction_is_refused() -> None:
    with pytest.raises(transaction.TransactionManagementError):
        record_one()
    assert AuditEvent.objects.count() == 0


@pytest.mark.django_db
def test_a_secret_that_slips_in_stays_masked() -> None:
    event = record_one(after={"secret": Secret("sk-live-1234567890"), "list": [Secret("sk-live-1234567890")]})
    event.refresh_from_db()
    assert event.after == {"secret": "********", "list": ["********"]}


@pytest.mark.django_db
def test_labels_are_cut_to_what_the_table_holds() -> None:
    event = record_one(target_label="x" * 300)
    event.refresh_from_db()
    assert event.target_label == "x" * 254


@pytest.mark.django_db
def test_an_event_is_never_written_again_nor_deleted() -> None:
    event = record_one()
    event.action = "team.delete"
    with pytest.raises(TypeError, match="append-only"):
        event.save()
    with pytest.raises(TypeError, match="append-only"):
        event.delete()
    with pytest.raises(IntegrityError), transaction.atomic():
        AuditEvent(id=event.pk, action="team.delete", created_at=event.created_at).save()
    event.refresh_from_db()
    assert event.action == "team.update"


def test_action_names_fit_the_table_and_have_labels() -> None:
    assert all(len(name) <= 64 and label for name, label in ACTIONS.items())
