"""The usage ledger in the admin: to be read, newest first, however long it is."""

from functools import reduce
from operator import or_
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.html import format_html
from unfold.decorators import display

from axiom.lib.admin.base import ReadOnlyAdmin
from axiom.lib.admin.lists import OrganizationFilter, moment
from finops.models import UsageAttempt, UsageRecord

OUTCOME_COLORS = {
    "OK": "success",
    "Error": "danger",
    "Incomplete": "warning",
    "Cancelled": "info",
    "Interrupted": "danger",
}
UNKNOWN = "unknown"


@admin.register(UsageRecord)
class UsageRecordAdmin(ReadOnlyAdmin):
    """One row per request."""

    permissions: ClassVar[dict[str, str]] = {"view": "usage.view"}
    list_display = (
        "started",
        "token_name",
        "model_shown",
        "credential_name",
        "result",
        "tokens",
        "cost",
        "duration",
    )
    list_filter = (OrganizationFilter, "outcome", "streamed")
    search_fields = ("id",)  # get_search_results says how
    search_help_text = "Exact request id, token, model, credential, provider"
    fieldsets = (
        (
            None,
            {
                "fields": [
                    "id",
                    "started",
                    "token_name",
                    "endpoint",
                    "streamed",
                    "requested_model",
                    "result",
                    "status",
                    "error_class",
                ]
            },
        ),
        ("Served by", {"fields": ["provider", "credential_name", "model", "attempts_table"]}),
        (
            "Usage and cost",
            {
                "fields": [
                    "input_tokens",
                    "cache_read_tokens",
                    "cache_write_tokens",
                    "output_tokens",
                    "reasoning_tokens",
                    "audio_tokens",
                    "characters",
                    "audio_seconds",
                    "estimated",
                    "cost",
                    "cost_source",
                ]
            },
        ),
        ("Time", {"fields": ["duration", "first_token", "overhead"]}),
    )

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Look for the exact text: a search for a part of it would read the whole ledger."""
        if term := search_term.strip():
            names = ("pk", "token_name", "requested_model", "model", "credential_name", "provider")
            queryset = queryset.filter(reduce(or_, (Q(**{name: term}) for name in names)))
        return queryset, False

    @admin.display(description="time (UTC)")
    def started(self, row: UsageRecord) -> str:
        """When it came in."""
        return moment(row.started_at)

    @admin.display(description="model")
    def model_shown(self, row: UsageRecord) -> str:
        """What was asked for and, below, what served it if that has another name."""
        if row.model in {"", row.requested_model}:
            return row.requested_model
        return format_html("{}<br><small>{}</small>", row.requested_model, row.model)

    @display(description="outcome", label=OUTCOME_COLORS)  # type: ignore[untyped-decorator]  # unfold's
    def result(self, row: UsageRecord) -> str:
        """How it ended."""
        return row.get_outcome_display()

    @admin.display(description="tokens in / out")
    def tokens(self, row: UsageRecord) -> str:
        """All input and output tokens; audio in its own units where it isn't counted in tokens."""
        if row.input_tokens is None and row.characters is not None:
            return f"{row.characters:,} characters"
        if row.input_tokens is None and row.audio_seconds is not None:
            return f"{row.audio_seconds:,.1f} s"
        parts = (row.input_tokens, row.cache_read_tokens, row.cache_write_tokens)
        known = [part for part in parts if part is not None]
        return f"{_count(sum(known) if known else None)} / {_count(row.output_tokens)}"

    @admin.display(description="cost")
    def cost(self, row: UsageRecord) -> str:
        """What it cost, in US dollars."""
        return UNKNOWN if row.cost_usd is None else f"${row.cost_usd:.6f}"

    @admin.display(description="duration")
    def duration(self, row: UsageRecord) -> str:
        """From the first byte in to the last byte out."""
        return _milliseconds(row.duration_ms)

    @admin.display(description="time to first token")
    def first_token(self, row: UsageRecord) -> str:
        """Until the answer began."""
        return _milliseconds(row.first_token_ms)

    @admin.display(description="gateway overhead")
    def overhead(self, row: UsageRecord) -> str:
        """What the gateway added."""
        return _milliseconds(row.overhead_ms)

    @admin.display(description="attempts")
    def attempts_table(self, row: UsageRecord) -> str:
        """Each call to a provider that was made for the request."""
        attempts = UsageAttempt.objects.for_organization(row.organization_id).filter(request_id=row.pk)
        return render_to_string("admin/attempts.html", {"attempts": attempts.order_by("number")})


def _count(tokens: int | None) -> str:
    return UNKNOWN if tokens is None else f"{tokens:,}"


def _milliseconds(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:,.1f}\N{NO-BREAK SPACE}ms"
