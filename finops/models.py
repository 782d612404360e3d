"""What was used: one record per request, one per upstream attempt."""

from typing import ClassVar

from django.db import models

from axiom.lib.scoping import TenantManager


class UsageRecord(models.Model):
    """One accepted request, written by the journal's shipper exactly once (the id is the request's).

    Plain ids and labels in place of foreign keys: the ledger outlives tokens and credentials.
    Token buckets are disjoint; reasoning is the part of `output_tokens` spent on thinking. `characters` were
    spoken, `audio_seconds` listened to. A NULL count or cost is unknown, or of no meaning here; never zero.
    """

    class Outcome(models.TextChoices):
        OK = "ok", "OK"
        ERROR = "error", "Error"
        INCOMPLETE = "incomplete", "Incomplete"  # the stream broke after its first byte
        CANCELLED = "cancelled", "Cancelled"  # the caller left
        INTERRUPTED = "interrupted", "Interrupted"  # the gateway died during the request

    id = models.CharField(primary_key=True, max_length=32, editable=False)
    organization_id = models.BigIntegerField(editable=False)
    team_id = models.BigIntegerField(null=True, editable=False)
    user_id = models.BigIntegerField(null=True, editable=False)
    token_id = models.BigIntegerField(editable=False)
    token_name = models.CharField("token", max_length=100, editable=False)
    endpoint = models.CharField(max_length=32, editable=False)
    streamed = models.BooleanField(default=False, editable=False)
    requested_model = models.CharField(max_length=200, editable=False)
    provider = models.CharField(max_length=32, blank=True, editable=False)
    credential_id = models.BigIntegerField(null=True, editable=False)
    credential_name = models.CharField("credential", max_length=100, blank=True, editable=False)
    model = models.CharField(max_length=200, blank=True, editable=False)
    outcome = models.CharField(max_length=12, choices=Outcome.choices, editable=False)
    status = models.PositiveSmallIntegerField("HTTP status", null=True, editable=False)
    error_class = models.CharField(max_length=32, blank=True, editable=False)
    attempts = models.PositiveSmallIntegerField(default=0, editable=False)
    input_tokens = models.BigIntegerField(null=True, editable=False)
    cache_read_tokens = models.BigIntegerField(null=True, editable=False)
    cache_write_tokens = models.BigIntegerField(null=True, editable=False)
    output_tokens = models.BigIntegerField(null=True, editable=False)
    reasoning_tokens = models.BigIntegerField(null=True, editable=False)
    audio_tokens = models.BigIntegerField(null=True, editable=False)
    estimated = models.BooleanField(
        default=False, editable=False, help_text="Tokens counted from bytes seen."
    )
    cost_usd = models.DecimalField("cost (USD)", max_digits=20, decimal_places=10, null=True, editable=False)
    cost_source = models.CharField(max_length=12, blank=True, editable=False)
    started_at = models.DateTimeField(editable=False)
    duration_ms = models.FloatField(null=True, editable=False)
    first_token_ms = models.FloatField("time to first token (ms)", null=True, editable=False)
    overhead_ms = models.FloatField(null=True, editable=False)
    characters = models.BigIntegerField(null=True, editable=False)
    audio_seconds = models.FloatField(null=True, editable=False)

    objects: ClassVar[TenantManager["UsageRecord"]] = TenantManager()

    class Meta:
        ordering = ["-id"]
        verbose_name = "usage record"
        indexes = [
            models.Index(fields=["organization_id", "-id"], name="usage_org_newest"),
            models.Index(fields=["organization_id", "started_at"], name="usage_org_started"),
        ]

    def __str__(self) -> str:
        return self.id


class UsageAttempt(models.Model):
    """One call to a provider made for a request; id is the request's id, a dot and the attempt's number."""

    id = models.CharField(primary_key=True, max_length=36, editable=False)
    request_id = models.CharField(max_length=32, editable=False)
    organization_id = models.BigIntegerField(editable=False)
    number = models.PositiveSmallIntegerField(editable=False)
    provider = models.CharField(max_length=32, editable=False)
    credential_id = models.BigIntegerField(editable=False)
    credential_name = models.CharField("credential", max_length=100, editable=False)
    model = models.CharField(max_length=200, editable=False)
    status = models.PositiveSmallIntegerField("HTTP status", null=True, editable=False)
    error_class = models.CharField(max_length=32, blank=True, editable=False)
    duration_ms = models.FloatField(null=True, editable=False)

    objects: ClassVar[TenantManager["UsageAttempt"]] = TenantManager()

    class Meta:
        ordering = ["id"]
        verbose_name = "upstream attempt"
        indexes = [models.Index(fields=["organization_id", "-id"], name="attempt_org_newest")]

    def __str__(self) -> str:
        return self.id
