"""The append-only record of who changed what."""

from typing import Any, ClassVar, NoReturn

from django.db import models

from axiom.lib.scoping import TenantManager


class AuditEvent(models.Model):
    """One change, with what it looked like before and after (secrets never).

    It stores plain ids and labels in place of foreign keys, so that it outlives what it describes.
    `previous_hash` and `hash` carry the tamper-evident chain of an organization.
    """

    class ActorType(models.TextChoices):
        USER = "user", "User"
        TOKEN = "token", "Access token"
        COMMAND = "command", "Command"
        SYSTEM = "system", "System"

    organization_id = models.BigIntegerField("organization", null=True, editable=False)
    actor_type = models.CharField(max_length=10, choices=ActorType.choices, editable=False)
    actor_id = models.BigIntegerField(null=True, editable=False)
    actor_label = models.CharField("actor", max_length=254, editable=False)
    action = models.CharField(max_length=64, editable=False)
    target_type = models.CharField(max_length=32, editable=False)
    target_id = models.CharField(max_length=64, editable=False)
    target_label = models.CharField("target", max_length=254, editable=False)
    before = models.JSONField(default=dict, editable=False)
    after = models.JSONField(default=dict, editable=False)
    request_id = models.CharField(max_length=64, blank=True, editable=False)
    ip_address = models.GenericIPAddressField(null=True, editable=False)
    created_at = models.DateTimeField(editable=False)
    previous_hash = models.CharField(max_length=64, blank=True, editable=False)
    hash = models.CharField(max_length=64, blank=True, editable=False)

    objects: ClassVar[TenantManager["AuditEvent"]] = TenantManager()

    class Meta:
        ordering = ["-id"]
        verbose_name = "audit event"
        indexes = [
            models.Index(fields=["organization_id", "-id"], name="audit_org_newest"),
            models.Index(fields=["organization_id", "target_type", "target_id"], name="audit_org_target"),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.target_label}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Insert; an existing event is never written again."""
        if not self._state.adding:
            raise TypeError("Audit events are append-only.")
        super().save(*args, **{**kwargs, "force_insert": True})

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse."""
        raise TypeError("Audit events are append-only.")
