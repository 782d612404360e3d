"""Rules over several rows hold when requests come at the same moment."""

import threading
from collections.abc import Callable

import pytest
from django.core.exceptions import ValidationError
from django.db import connection

from tenants.actors import command_actor
from tenants.models import Membership, Organization, Role, User
from tenants.services import membership_update, team_create

pytestmark = pytest.mark.django_db(transaction=True)


def at_once(*calls: Callable[[], object]) -> list[str]:
    """Run the calls in threads that start together, and return how each ended."""
    barrier = threading.Barrier(len(calls))
    endings: list[str] = []

    def run(call: Callable[[], object]) -> None:
        barrier.wait()
        try:
            call()
            endings.append("done")
        except ValidationError:
            endings.append("refused")
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    return sorted(endings)


def test_two_owners_who_are_demoted_at_once_leave_one(acme: Organization, alice: User) -> None:
    other = User.objects.create_user("dora@acme.example")
    Membership.objects.create(organization=acme, user=other, role=Role.OWNER)
    actor = command_actor("test")

    def demote(user: User) -> Callable[[], object]:
        membership = Membership.objects.get(user=user)
        return lambda: membership_update(actor=actor, membership=membership, role="member")

    assert at_once(demote(alice), demote(other)) == ["done", "refused"]
    assert Membership.objects.filter(role=Role.OWNER).count() == 1


def test_no_version_is_lost(acme: Organization) -> None:
    actor = command_actor("test")
    version = acme.snapshot_version

    def create(number: int) -> Callable[[], object]:
        return lambda: team_create(actor=actor, organization=acme, slug=f"t{number}", name="T")

    assert at_once(*(create(number) for number in range(6))) == ["done"] * 6
    acme.refresh_from_db()
    assert acme.snapshot_version == version + 6


def test_a_name_that_two_want_at_once_goes_to_one(acme: Organization) -> None:
    actor = command_actor("test")

    def create() -> object:
        return team_create(actor=actor, organization=acme, slug="blue", name="Blue")

    assert at_once(create, create, create) == ["done", "refused", "refused"]
    assert acme.teams.count() == 1
