"""What a change looks like: which fields differ, and their values as plain JSON."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from types import MappingProxyType
from typing import get_type_hints

from django.core.exceptions import ValidationError
from django.db import models

NO_ERRORS: Mapping[str, ValidationError] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Difference:
    """The fields that differ, with their values before and after. False when nothing differs."""

    before: dict[str, object] = field(default_factory=dict)
    after: dict[str, object] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.before or self.after)


def difference(before: Mapping[str, object], after: Mapping[str, object]) -> Difference:
    """Compare two states of the same thing; a field that is missing on one side differs."""
    absent = object()
    names = [name for name in {**before, **after} if before.get(name, absent) != after.get(name, absent)]
    return Difference(
        before={name: plain(before[name]) for name in names if name in before},
        after={name: plain(after[name]) for name in names if name in after},
    )


def change_row(
    row: models.Model, changes: Mapping[str, object], known: Mapping[str, ValidationError] = NO_ERRORS
) -> Difference:
    """Set the fields, validate the whole row, save what differs, and return it.

    Raises ValidationError keyed by field (see validate_row); the row in the database is then as it was.
    """
    before = {name: getattr(row, name) for name in changes}
    for name, value in changes.items():
        setattr(row, name, value)
    validate_row(row, known)
    found = difference(before, {name: getattr(row, name) for name in changes})
    if found:
        row.save(update_fields=list(found.after))
    return found


def validate_row(row: models.Model, known: Mapping[str, ValidationError] = NO_ERRORS) -> None:
    """Validate the whole row. Raises ValidationError keyed by field, also for a name that is taken.

    `known` are problems that were found before: they are raised with the others.
    """
    errors: dict[str, ValidationError] = dict(known)
    try:
        row.full_clean()
    except ValidationError as problem:
        for name, found in problem.error_dict.items():
            for error in found:
                errors.setdefault(*_at_its_field(row, name, error))
    if errors:
        raise ValidationError(errors)


def _at_its_field(row: models.Model, name: str, error: ValidationError) -> tuple[str, ValidationError]:
    """Django reports "unique together" for the whole row; people look for it at the last of the fields."""
    if error.code != "unique_together" or not error.params:
        return name, error
    field_name: str = error.params["unique_check"][-1]
    label = row._meta.get_field(field_name).verbose_name  # type: ignore[union-attr]
    message = f"This organization already has a {row._meta.verbose_name} with this {label}."
    return field_name, ValidationError(message, code="unique")


def refuse_unknown(changes: Mapping[str, object], vocabulary: type) -> None:
    """Raise TypeError for a field that the TypedDict `vocabulary` doesn't name, as for any wrong argument.

    Surfaces pass on fields that they got from outside: none may reach a column that isn't meant to be set.
    """
    unknown = sorted(changes.keys() - get_type_hints(vocabulary).keys())
    if unknown:
        raise TypeError(f"Not fields that can be set: {', '.join(unknown)}.")


def plain(value: object) -> object:
    """Return a value as JSON can hold it. Anything else is shown by its label, so a Secret stays masked."""
    match value:
        case None | bool() | int() | float():
            return value
        case str():
            return str(value)
        case Decimal():
            return f"{value.normalize():f}"
        case date():
            return value.isoformat()
        case models.Model():
            return f"{value} ({value.pk})"
        case Mapping():
            return {str(name): plain(entry) for name, entry in value.items()}
        case list() | tuple():
            return [plain(entry) for entry in value]
        case _:
            return str(value)
