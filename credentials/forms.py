"""The admin's forms for credentials: a field per setting of each provider, and a secret only written."""

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, ClassVar, cast

from django import forms
from django.core.exceptions import ValidationError
from unfold.widgets import (
    UnfoldAdminExpandableTextareaWidget,
    UnfoldAdminPasswordWidget,
    UnfoldAdminSelect2MultipleWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
    UnfoldBooleanWidget,
)

from axiom.lib.admin.forms import LinesField, ServiceForm
from credentials.kinds import KINDS, provider_choices
from credentials.models import ProviderCredential
from credentials.provider_kind import ConfigField, ProviderKind
from tenants.models import Team, User

CONNECTION = ("provider", "base_url", "config")
SECRETS = ("secret", "clear_secret")


class MappingField(forms.CharField):
    """Pairs of names, one per line: `model = deployment`."""

    widget = UnfoldAdminExpandableTextareaWidget

    def prepare_value(self, value: Any) -> Any:
        """Show stored pairs as lines, in order of name: not every database keeps another one."""
        if not isinstance(value, dict):
            return value
        return "\n".join(f"{name} = {entry}" for name, entry in sorted(value.items()))

    def clean(self, value: Any) -> Any:
        """Return the pairs. Raises ValidationError naming the line."""
        pairs: dict[str, str] = {}
        for number, line in enumerate(super().clean(value).splitlines(), start=1):
            name, equals, entry = (part.strip() for part in line.partition("="))
            if not line.strip():
                continue
            if not (name and equals and entry):
                raise ValidationError(f"Line {number}: write two names with = between them.")
            pairs[name] = entry
        return pairs


def setting_name(kind: ProviderKind, setting: ConfigField) -> str:
    """Return the form field of a provider's setting."""
    return f"config__{kind.slug}__{setting.name}"


def setting_fields() -> Iterator[tuple[str, forms.Field]]:
    """Yield a form field for every setting of every provider; the chosen provider's are required later."""
    for kind in KINDS.values():
        for setting in kind.config_fields:
            yield setting_name(kind, setting), _setting_field(setting)


def _setting_field(setting: ConfigField) -> forms.Field:
    common: dict[str, Any] = {
        "label": setting.label,
        "help_text": setting.help_text,
        "required": False,
        "initial": setting.default,
    }
    if setting.kind == "mapping":
        return MappingField(**common)
    if setting.kind == "choice":
        return forms.ChoiceField(choices=setting.choices, widget=UnfoldAdminSelectWidget, **common)
    return forms.CharField(widget=UnfoldAdminTextInputWidget, **common)


def _kinds_for_script() -> str:
    """Return what credential_form.js needs to know about the providers, as JSON."""
    return json.dumps(
        {
            kind.slug: {
                "base_url": kind.base_url,
                "secret_label": kind.secret_label,
                "secret_required": kind.secret_required,
            }
            for kind in KINDS.values()
        }
    )


class SecretField(forms.CharField):
    """A secret that can be written and never read: it isn't rendered back, whatever happens."""

    def __init__(self, **kwargs: Any) -> None:
        widget = UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}, render_value=False)
        super().__init__(widget=widget, **kwargs)


class _CredentialForm(ServiceForm):
    """A connection to a provider."""

    choices: ClassVar[dict[str, str]] = {"teams": "organization", "users": "memberships__organization"}
    provider = forms.ChoiceField(
        choices=[("", "Choose a provider"), *provider_choices()],
        widget=UnfoldAdminSelectWidget(attrs={"data-kinds": _kinds_for_script()}),
    )
    secret = SecretField(label="API key", required=False)
    clear_secret = forms.BooleanField(
        label="Remove the stored key", required=False, widget=UnfoldBooleanWidget
    )
    base_url = forms.CharField(
        label="Base URL",
        required=False,
        max_length=500,
        widget=UnfoldAdminTextInputWidget,
        help_text="Empty: the provider's own.",
    )
    model_list = LinesField(
        label="More models", required=False, help_text="One per line. Served with the same preference."
    )
    enabled = forms.BooleanField(required=False, initial=True, widget=UnfoldBooleanSwitchWidget)
    teams = forms.ModelMultipleChoiceField(
        Team.objects.none(), required=False, widget=UnfoldAdminSelect2MultipleWidget
    )
    users = forms.ModelMultipleChoiceField(
        User.objects.none(), required=False, widget=UnfoldAdminSelect2MultipleWidget
    )

    class Meta:
        model = ProviderCredential
        fields = (
            "provider",
            "name",
            "default_model",
            "model_list",
            "weight",
            "enabled",
            "base_url",
            "environment",
            "residency",
            "rotation_owner",
            "rotate_by",
            "notes",
            "teams",
            "users",
        )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk is not None:
            self.fields["secret"].help_text = "Empty: keep the stored one."
            self.initial["weight"] = Decimal(f"{self.instance.weight.normalize():f}")  # without idle zeros
            kind = KINDS[self.instance.provider]
            for setting in kind.config_fields:
                if setting.name in self.instance.config:
                    self.initial[setting_name(kind, setting)] = self.instance.config[setting.name]

    def clean(self) -> dict[str, Any]:
        """Collect the chosen provider's settings; what the others' fields hold doesn't matter."""
        data: dict[str, Any] = super().clean() or {}
        chosen = KINDS.get(data.get("provider", ""))
        config: dict[str, Any] = {}
        for kind in KINDS.values():
            for setting in kind.config_fields:
                value = data.pop(setting_name(kind, setting), None)
                if kind is not chosen:
                    self.errors.pop(setting_name(kind, setting), None)
                elif value:
                    config[setting.name] = value
        data["config"] = config
        return data

    def _post_clean(self) -> None:
        super()._post_clean()
        if self.errors and self.cleaned_data.get("secret"):
            self.add_error("secret", "Enter it once more: it isn't sent back to you with the rest.")

    def place(self, name: str, error: ValidationError) -> tuple[str, ValidationError]:
        """Show an error about a provider's setting at its field."""
        params = error.params or {}
        kind = KINDS.get(self.cleaned_data.get("provider", ""))
        if name != "config" or kind is None or "field" not in params:
            return name, error
        field = f"config__{kind.slug}__{params['field']}"
        return (field, ValidationError(params["text"])) if field in self.fields else (name, error)

    def values(self) -> dict[str, Any]:
        """Return everything that was entered, for a new credential."""
        return {name: value for name, value in self.cleaned_data.items() if name != "clear_secret"}

    def changes(self) -> dict[str, Any]:
        """Return what was entered anew, so that saving an old page undoes nobody's change meanwhile.

        What decides where the secret is sent goes together.
        """
        data = self.cleaned_data
        changed = [name for name in self.changed_data if name in data and name not in SECRETS]
        wanted = {name: data[name] for name in [*changed, *CONNECTION]}
        return {**wanted, "secret": data["secret"] or None, "clear_secret": data.get("clear_secret", False)}


CredentialForm = cast(
    "type[_CredentialForm]", type("CredentialForm", (_CredentialForm,), dict(setting_fields()))
)


class RotateForm(forms.Form):
    """The new secret of a credential."""

    secret = SecretField(label="New key")
