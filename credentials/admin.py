"""Provider credentials in the admin. The secret goes in and never comes out."""

from collections.abc import Sequence
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from unfold.decorators import display

from axiom.lib import clock
from axiom.lib.admin.access import access_of
from axiom.lib.admin.base import OrgScopedAdmin
from axiom.lib.admin.forms import refusals_as_validation_errors
from axiom.lib.admin.lists import OrganizationFilter
from axiom.lib.admin.pages import Question, ask, button
from credentials.forms import CredentialForm, RotateForm, setting_name
from credentials.kinds import KINDS
from credentials.models import ProviderCredential, SecretVersion
from credentials.services import (
    credential_create,
    credential_delete,
    credential_rotate,
    credential_set_enabled,
    credential_update,
)
from credentials.shares import effective_share, main_model
from credentials.validation import needs_secret

FINGERPRINT_SHOWN = 8
ROTATE = Question(
    verb="rotate",
    title="Rotate the key of {row}",
    submit="Rotate",
    done="The new key is in use.",
    form_class=RotateForm,
    note="Requests use the new key at once, and the old one is forgotten. Applications change nothing.",
)
SETTINGS: Any = [
    (
        f"{kind.label} settings",
        {
            "fields": [setting_name(kind, setting) for setting in kind.config_fields],
            "classes": ["provider-settings", f"provider-{kind.slug}"],
        },
    )
    for kind in KINDS.values()
    if kind.config_fields
]
MODELS: Any = ("Models and weight", {"fields": ["default_model", "model_list", "weight"]})
WHO: Any = (
    "Who may use it",
    {"fields": ["teams", "users"], "description": "Both empty: everybody in the organization."},
)
HOUSEKEEPING: Any = (
    "Housekeeping",
    {"fields": ["environment", "residency", "rotation_owner", "rotate_by", "notes"]},
)


@admin.register(ProviderCredential)
class ProviderCredentialAdmin(OrgScopedAdmin):
    """Connections to providers."""

    permissions: ClassVar[dict[str, str]] = {
        "view": "credential.view",
        "add": "credential.create",
        "change": "credential.update",
        "delete": "credential.delete",
        "enable": "credential.enable",
        "rotate": "credential.rotate",
    }
    target_type = "credential"
    list_display = (
        "name",
        "provider",
        "default_model",
        "weight_and_share",
        "state",
        "environment",
        "last_four",
        "rotation",
    )
    list_filter = (OrganizationFilter, "enabled", "environment", "provider")
    list_select_related = ("organization",)
    search_fields = ("name", "default_model", "notes", "rotation_owner")
    search_help_text = "Name, model, notes or rotation owner"
    form = CredentialForm
    fieldsets = (
        ("Connection", {"fields": ["provider", "name", "secret", "base_url", "enabled"]}),
        *SETTINGS,
        MODELS,
        WHO,
        HOUSEKEEPING,
    )
    view_fieldsets = (
        ("Connection", {"fields": ["provider", "name", "secret_state", "base_url", "settings", "state"]}),
        ("Models and weight", {"fields": ["default_model", "models", "weight"]}),
        WHO,
        HOUSEKEEPING,
    )
    readonly_fields = ("secret_state", "settings", "state", "models")
    actions = ("enable_selected", "disable_selected")
    actions_detail = ("rotate",)

    class Media:
        js = ("admin/credential_form.js",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Fetch the secret's version in use with each; the ciphertext stays where it is."""
        in_use = (
            SecretVersion.objects.filter(retired_at=None).defer("ciphertext").select_related("created_by")
        )
        return super().get_queryset(request).prefetch_related(Prefetch("secret_versions", in_use))

    def complete_rows(self, request: HttpRequest, rows: Sequence[Any]) -> None:
        """Work out the shares of the rows on the page."""
        super().complete_rows(request, rows)
        organizations = {row.organization_id for row in rows}
        peers = list(ProviderCredential.objects.filter(organization__in=organizations, enabled=True))
        for row in rows:
            row.share = effective_share(row, peers)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Say what is known of a stored secret, and offer to remove one that isn't needed."""
        fieldsets = super().get_fieldsets(request, obj)
        if obj is None or not self.has_change_permission(request, obj):
            return fieldsets
        optional = obj.active_secret is not None and not needs_secret(KINDS[obj.provider], obj.config)
        shown = ["secret_state", "secret", *(["clear_secret"] if optional else [])]
        (title, options), *others = fieldsets
        at = options["fields"].index("secret")
        fields = [*options["fields"][:at], *shown, *options["fields"][at + 1 :]]
        return [(title, {**options, "fields": fields}), *others]

    # -- columns

    @admin.display(description="weight", ordering="weight")
    def weight_and_share(self, row: Any) -> str:
        """The weight, and what it comes to."""
        weight = f"{row.weight.normalize():f}"
        if row.share is None:
            return weight
        return format_html(
            '{} <span class="axiom-share" title="{}">{}\N{NO-BREAK SPACE}%</span>',
            weight,
            f"Share of the requests for {main_model(row) or 'any model'} at {row.get_provider_display()}",
            f"{row.share * 100:.3g}",
        )

    @display(description="state", ordering="enabled", label={"Enabled": "success", "Disabled": "danger"})  # type: ignore[untyped-decorator]  # unfold's
    def state(self, row: ProviderCredential) -> str:
        """Whether it's used."""
        return "Enabled" if row.enabled else "Disabled"

    @admin.display(description="key", empty_value="none")
    def last_four(self, row: ProviderCredential) -> str | None:
        """The end of the secret."""
        active = row.active_secret
        if active is None:
            return None
        return f"…\N{WORD JOINER}{active.last_four}" if active.last_four else "set"

    @display(description="rotate by", ordering="rotate_by")  # type: ignore[untyped-decorator]  # unfold's
    def rotation(self, row: ProviderCredential) -> str:
        """When the secret is due, with a warning when that has passed."""
        if row.rotate_by is None:
            return ""
        day = date_format(row.rotate_by)
        overdue = row.rotate_by < clock.now().date()
        return format_html('<span class="axiom-overdue">{} (overdue)</span>', day) if overdue else day

    @admin.display(description="stored key")
    def secret_state(self, row: ProviderCredential) -> str:
        """What may be known of the secret."""
        active = row.active_secret
        if active is None:
            return "None"
        parts = [f"version {active.version}"]
        if active.last_four:
            parts.append(f"ends in {active.last_four}")
        parts.append(f"fingerprint {active.fingerprint[:FINGERPRINT_SHOWN]}…")
        who = f" by {active.created_by}" if active.created_by else ""
        return " · ".join([*parts, f"set on {date_format(active.created_at)}{who}"])

    @admin.display(description="more models")
    def models(self, row: ProviderCredential) -> str:
        """The model list."""
        return ", ".join(row.model_list)

    @admin.display(description="settings")
    def settings(self, row: ProviderCredential) -> str:
        """The provider's own settings."""
        labels = {setting.name: setting.label for setting in KINDS[row.provider].config_fields}
        pairs = ((labels.get(name, name), _plain(value)) for name, value in row.config.items())
        return format_html_join("", "<div>{}: {}</div>", pairs)

    # -- saving

    def create_row(self, actor: Any, form: Any) -> ProviderCredential:
        """Create."""
        return credential_create(actor=actor, organization=form.organization, **form.values())

    def update_row(self, actor: Any, row: Any, form: Any) -> None:
        """Change."""
        credential_update(actor=actor, credential=row, **form.changes())

    def delete_row(self, actor: Any, row: Any) -> None:
        """Delete."""
        credential_delete(actor=actor, credential=row)

    @button(label="Rotate key", icon="autorenew", verb="rotate")
    def rotate(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask for the new secret."""
        return ask(self, request, object_id, ROTATE, _rotate)

    @admin.action(description="Enable selected credentials", permissions=["enable"])
    def enable_selected(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Enable them all or none."""
        self._set_enabled(request, queryset, enabled=True)

    @admin.action(description="Disable selected credentials", permissions=["enable"])
    def disable_selected(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Disable them all or none."""
        self._set_enabled(request, queryset, enabled=False)

    def has_enable_permission(self, request: HttpRequest) -> bool:
        """Answer from the roles."""
        return self.allowed(request, "enable")

    def _set_enabled(self, request: HttpRequest, queryset: QuerySet[Any], *, enabled: bool) -> None:
        with refusals_as_validation_errors():
            changed = credential_set_enabled(
                actor=access_of(request).actor, credentials=queryset, enabled=enabled
            )
        word = "enabled" if enabled else "disabled"
        self.message_user(request, f"{changed} of {len(queryset)} credentials {word}.", messages.SUCCESS)


def _rotate(actor: Any, row: ProviderCredential, data: dict[str, Any]) -> None:
    credential_rotate(actor=actor, credential=row, secret=data["secret"])


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} = {entry}" for name, entry in value.items())
    return str(value)
