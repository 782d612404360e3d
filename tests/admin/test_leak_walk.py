"""The fence between organizations: nobody's page, filter, message, action or form knows the other one."""

from typing import Any

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse

from finops.models import UsageRecord
from tenants.models import User
from tests.admin import leaky
from tests.admin.conftest import Login
from tests.admin.walk import Walk
from tests.admin.world import MARK, World
from tests.unchanged import nothing_changes

pytestmark = pytest.mark.django_db


def changes_something(client: Client, url: str, data: dict[str, Any]) -> bool:
    """Tell whether a POST goes through."""
    try:
        with nothing_changes():
            client.post(url, data)
    except AssertionError:
        return True
    return False


def test_owner_finds_nothing_of_another_organization(world: World, alice: User, login: Login) -> None:
    assert Walk(login(alice), admin.site, world).run() == []


def test_member_finds_nothing_of_another_organization(world: World, bob: User, login: Login) -> None:
    assert Walk(login(bob), admin.site, world).run() == []


def test_person_without_organization_finds_nothing(world: World, login: Login) -> None:
    nobody = User.objects.create_user("nobody@axiom.example", is_staff=True)
    assert Walk(login(nobody), admin.site, world).run() == []


def test_every_registered_admin_is_in_the_walk(world: World) -> None:
    assert admin.site._registry.keys() == world.subjects.keys()


def test_own_organization_shows_what_the_walk_looks_for(world: World, charlie: User, login: Login) -> None:
    client = login(charlie)
    for model, page in admin.site._registry.items():
        if model is User:
            continue  # for operators
        names = model._meta
        listed = client.get(reverse(f"admin:{names.app_label}_{names.model_name}_changelist"))
        row = world.subjects[model].foreign
        shown = client.get(reverse(f"admin:{names.app_label}_{names.model_name}_change", args=[row.pk]))
        assert listed.status_code == shown.status_code == 200
        assert MARK in listed.content.decode(), f"{page} lists nothing"
        assert MARK in shown.content.decode(), f"{page} shows nothing"


def test_forms_of_the_walk_go_through_when_nothing_is_forged(world: World, alice: User, login: Login) -> None:
    """Otherwise the walk's forged posts would prove nothing."""
    client = login(alice)
    for model, subject in world.subjects.items():
        names = model._meta
        if subject.change:
            url = reverse(f"admin:{names.app_label}_{names.model_name}_change", args=[subject.own.pk])
            assert changes_something(client, url, subject.change), f"{names.label} was not changed"
            subject.own.refresh_from_db()
        if subject.add:
            url = reverse(f"admin:{names.app_label}_{names.model_name}_add")
            fresh = dict.fromkeys({"name", "slug"} & subject.add.keys(), "another")
            data = {**subject.add, **fresh}
            assert changes_something(client, url, data), f"{names.label} was not added"


def test_walk_catches_an_admin_without_a_fence(
    world: World, alice: User, login: Login, settings: Any
) -> None:
    settings.ROOT_URLCONF = leaky.__name__
    kinds = {leak.split(":")[0] for leak in Walk(login(alice), leaky.site, world).run()}
    assert kinds >= {
        "list",
        "search",
        "filter",
        "date",
        "change",
        "history",
        "delete",
        "autocomplete",
        "add",
        "action",
        "forged add",
        "forged change",
    }


def test_walk_catches_an_admin_that_it_does_not_know(world: World, alice: User, login: Login) -> None:
    subjects = {model: subject for model, subject in world.subjects.items() if model is not UsageRecord}
    leaks = Walk(login(alice), admin.site, World(subjects, world.marks)).run()
    assert leaks == ["cover: finops.UsageRecord has no row in tests.admin.world"]
