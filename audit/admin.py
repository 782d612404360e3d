"""The audit record in the admin: to be read, newest first."""

import json
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.html import format_html

from audit.actions import ACTIONS
from audit.models import AuditEvent
from axiom.lib.admin.base import ReadOnlyAdmin
from axiom.lib.admin.lists import OrganizationFilter, moment

NOTHING = "—"


class ActionFilter(admin.SimpleListFilter):
    """By what was done."""

    title = parameter_name = "action"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return every action there is."""
        return list(ACTIONS.items())

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Narrow the rows."""
        value = self.value()
        return queryset if value is None else queryset.filter(action=value)


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnlyAdmin):
    """Who changed what, when, and what it looked like before and after."""

    permissions: ClassVar[dict[str, str]] = {"view": "audit.view"}
    list_display = ("when", "what", "about", "actor_label", "address")
    list_filter = (OrganizationFilter, ActionFilter, "actor_type", "target_type")
    search_fields = ("^actor_label", "^target_label", "=request_id")
    search_help_text = "Start of an actor or target, or a request id"
    fieldsets = (
        (None, {"fields": ["when", "what", "about", "difference"]}),
        ("Who", {"fields": ["actor_type", "actor_label", "address", "request_id"]}),
    )

    @admin.display(description="time (UTC)")
    def when(self, row: AuditEvent) -> str:
        """When it was done."""
        return moment(row.created_at)

    @admin.display(description="address")
    def address(self, row: AuditEvent) -> str:
        """Where the request came from."""
        return row.ip_address or NOTHING

    @admin.display(description="action")
    def what(self, row: AuditEvent) -> str:
        """The action in words."""
        return ACTIONS.get(row.action, row.action)

    @admin.display(description="target")
    def about(self, row: AuditEvent) -> str:
        """What it was done to."""
        return format_html("{} <strong>{}</strong>", row.target_type, row.target_label)

    @admin.display(description="changes")
    def difference(self, row: AuditEvent) -> str:
        """Each field with its value before and after."""
        names = list({**row.before, **row.after})
        rows = [(name.replace("_", " "), _shown(row.before, name), _shown(row.after, name)) for name in names]
        return render_to_string("admin/difference.html", {"rows": rows}) if rows else NOTHING


def _shown(values: dict[str, Any], name: str) -> str:
    """Return a value as people read it."""
    value = values.get(name)
    if value is None or value in ("", [], {}):
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return json.dumps(value) if isinstance(value, dict) else str(value)
