from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TypedDict

import pytest
from django.core.exceptions import ValidationError

from audit.changes import Difference, change_row, difference, plain, refuse_unknown, validate_row
from tenants.models import Organization, Team
from tests.unchanged import nothing_changes


class Vocabulary(TypedDict, total=False):
    name: str


class LargerVocabulary(Vocabulary, total=False):
    slug: str


def test_a_difference_holds_only_what_differs() -> None:
    found = difference({"a": 1, "b": [2], "gone": 3}, {"a": 1, "b": [4], "new": None})
    assert found == Difference(before={"b": [2], "gone": 3}, after={"b": [4], "new": None})
    assert found


def test_no_difference_is_false() -> None:
    assert not difference({"a": Decimal("1.0")}, {"a": Decimal(1)})


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, None),
        (True, True),
        (3, 3),
        (0.5, 0.5),
        ("text", "text"),
        (Decimal("0.7000"), "0.7"),
        (Decimal(100), "100"),
        (date(2026, 11, 24), "2026-11-24"),
        (datetime(2026, 11, 24, 15, tzinfo=UTC), "2026-11-24T15:00:00+00:00"),
        ({"a": Decimal(1)}, {"a": "1"}),
        (("a", date(2026, 1, 2)), ["a", "2026-01-02"]),
        (Team(pk=5, name="Blue"), "Blue (5)"),
        (b"raw", "b'raw'"),
    ],
)
def test_values_become_plain_json(value: object, shown: object) -> None:
    assert plain(value) == shown


def test_a_row_is_changed_and_the_difference_returned(acme: Organization) -> None:
    assert change_row(acme, {"name": "Acme Ltd", "slug": "acme"}) == Difference(
        before={"name": "Acme Inc"}, after={"name": "Acme Ltd"}
    )
    acme.refresh_from_db()
    assert acme.name == "Acme Ltd"


def test_only_the_fields_that_differ_are_saved(acme: Organization) -> None:
    Organization.objects.filter(pk=acme.pk).update(name="Renamed meanwhile")
    change_row(acme, {"slug": "acme-2"})
    acme.refresh_from_db()
    assert (acme.slug, acme.name) == ("acme-2", "Renamed meanwhile")


def test_an_invalid_row_is_not_saved(acme: Organization) -> None:
    with nothing_changes(), pytest.raises(ValidationError) as caught:
        change_row(acme, {"slug": "Not A Slug", "name": ""})
    assert set(caught.value.message_dict) == {"slug", "name"}


def test_problems_that_were_known_are_raised_with_the_others(acme: Organization) -> None:
    known = {"secret": ValidationError("Give one."), "name": ValidationError("First of all.")}
    with pytest.raises(ValidationError) as caught:
        validate_row(Organization(slug="!", name=""), known)
    assert set(caught.value.message_dict) == {"secret", "slug", "name"}
    assert caught.value.message_dict["name"] == ["First of all."]


def test_a_name_that_is_taken_is_reported_at_its_field(acme: Organization) -> None:
    Team.objects.create(organization=acme, slug="blue", name="Blue")
    with pytest.raises(ValidationError) as caught:
        validate_row(Team(organization=acme, slug="blue", name="Other"))
    assert caught.value.message_dict == {"slug": ["This organization already has a team with this slug."]}


def test_the_same_name_in_another_organization_is_fine(acme: Organization, globex: Organization) -> None:
    Team.objects.create(organization=acme, slug="blue", name="Blue")
    other = Team(organization=globex, slug="blue", name="Blue")
    validate_row(other)
    assert other.organization == globex


def test_a_field_outside_the_vocabulary_is_a_wrong_argument() -> None:
    with pytest.raises(TypeError, match="Not fields that can be set: digest, organization_id"):
        refuse_unknown({"name": "x", "organization_id": 2, "digest": ""}, LargerVocabulary)


def test_inherited_fields_of_a_vocabulary_count() -> None:
    refuse_unknown({"name": "x", "slug": "y"}, LargerVocabulary)
    with pytest.raises(TypeError):
        refuse_unknown({"name": "x", "slug": "y"}, Vocabulary)
