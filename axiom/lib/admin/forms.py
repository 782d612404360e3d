"""Forms that a service saves: what it refuses is shown at the fields."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.core.exceptions import NON_FIELD_ERRORS, PermissionDenied, ValidationError
from django.db.models import QuerySet
from unfold.widgets import UnfoldAdminExpandableTextareaWidget

from axiom.lib.admin.access import Access

if TYPE_CHECKING:
    ModelForm = forms.ModelForm[Any]
else:
    from django.forms import ModelForm

NOT_ALLOWED = "You may not do this."


@contextmanager
def refusals_as_validation_errors() -> Iterator[None]:
    """Turn a service's PermissionDenied into a ValidationError, which a page can show."""
    try:
        yield
    except PermissionDenied as refusal:
        raise ValidationError(str(refusal) or NOT_ALLOWED) from refusal


def add_service_errors(form: forms.BaseForm, problem: ValidationError) -> None:
    """Show what a service refused at the form's fields; what belongs to no field goes on top.

    A form may define `place(name, error)` to say which field shows an error, and how.
    """
    by_field = problem.error_dict if hasattr(problem, "error_dict") else {NON_FIELD_ERRORS: [problem]}
    place = getattr(form, "place", lambda name, error: (name, error))
    for name, errors in by_field.items():
        for error in ValidationError(list(errors)).error_list:
            shown_at, shown = place(name, error)
            form.add_error(shown_at if shown_at in form.fields else None, shown)


class LinesField(forms.CharField):
    """A list of texts, one per line; blank lines and repeats go."""

    widget = UnfoldAdminExpandableTextareaWidget

    def prepare_value(self, value: Any) -> Any:
        """Show a stored list as lines."""
        return "\n".join(str(entry) for entry in value) if isinstance(value, list) else value

    def clean(self, value: Any) -> Any:
        """Return the lines as a list. Raises ValidationError."""
        lines = [line.strip() for line in super().clean(value).splitlines()]
        return list(dict.fromkeys(line for line in lines if line))

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Compare as shown."""
        return super().has_changed(self.prepare_value(initial), data)


class ServiceForm(ModelForm):
    """A form that a service saves. The admin makes a subclass of it per request and fills these in."""

    access: ClassVar[Access]
    organization: ClassVar[Any] = None
    service_errors: ClassVar[ValidationError | None] = None
    choices: ClassVar[Mapping[str, str]] = {}  # a field that offers rows -> the look-up of their organization

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.organization is not None and self.instance.pk is None:
            self.instance.organization = self.organization
        for name, field in self.fields.items():
            if isinstance(field, forms.ModelChoiceField):
                field.queryset = self._offered(name, field.queryset)

    def _offered(self, name: str, declared: QuerySet[Any] | None) -> QuerySet[Any]:
        """Return what a field offers: rows of the form's organization, none if `choices` lacks the field.

        Fields are declared with none(), so that a form outside of this class offers nothing either.
        """
        assert declared is not None
        lookup = self.choices.get(name)
        if lookup is None:
            return declared.none()
        rows: QuerySet[Any] = declared.model._default_manager.filter(**{lookup: self.organization})
        return rows.distinct()

    def _post_clean(self) -> None:
        super()._post_clean()  # type: ignore[misc]  # the stubs leave it out
        if self.service_errors is not None:
            add_service_errors(self, self.service_errors)
