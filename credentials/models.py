"""Provider credentials, the versions of their secrets, and each organization's data key."""

from decimal import Decimal
from typing import ClassVar

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from axiom.lib import clock
from axiom.lib.scoping import TenantManager
from credentials.kinds import provider_choices
from tenants.models import Organization, Team, User


class Environment(models.TextChoices):
    """Which workload a credential serves."""

    DEVELOPMENT = "development", "Development"
    STAGING = "staging", "Staging"
    PRODUCTION = "production", "Production"


class OrganizationKey(models.Model):
    """The data key of an organization, wrapped by a key of the operator's ring (see credentials.vault)."""

    organization = models.OneToOneField(Organization, on_delete=models.CASCADE, related_name="data_key")
    wrapping_key_id = models.CharField(max_length=32, editable=False)
    wrapped_key = models.BinaryField(editable=False)
    created_at = models.DateTimeField(default=clock.now, editable=False)

    def __str__(self) -> str:
        return f"data key of organization {self.organization_id}"


class ProviderCredential(models.Model):
    """One usable connection to a provider. The secret lives in SecretVersion and is never shown again."""

    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="credentials")
    provider = models.CharField(max_length=32, choices=provider_choices)
    name = models.CharField(max_length=100, help_text="Shown in analytics and response headers.")
    default_model = models.CharField(
        max_length=200, blank=True, help_text="Requests for this model prefer this credential."
    )
    model_list = models.JSONField(
        "more models",
        default=list,
        blank=True,
        help_text="Further models it serves with the same preference.",
    )
    weight = models.DecimalField(
        max_digits=8,
        decimal_places=4,
        default=Decimal(1),
        validators=[MinValueValidator(Decimal(0)), MaxValueValidator(Decimal(1000))],
        help_text="Share among the credentials of the same provider and model; 0 = only as a fallback.",
    )
    enabled = models.BooleanField(default=True)
    base_url = models.CharField(
        "base URL", max_length=500, blank=True, help_text="Empty: the provider's own."
    )
    config = models.JSONField(default=dict, blank=True, editable=False)
    environment = models.CharField(max_length=20, choices=Environment.choices, default=Environment.PRODUCTION)
    residency = models.CharField(
        "data residency",
        max_length=50,
        blank=True,
        help_text="Where the provider processes data, such as eu.",
    )
    rotation_owner = models.CharField(max_length=254, blank=True, help_text="Who rotates this secret.")
    rotate_by = models.DateField(null=True, blank=True)
    notes = models.TextField(blank=True)
    teams = models.ManyToManyField(
        Team,
        blank=True,
        related_name="credentials",
        help_text="Only these teams (and the users below) may use it; both empty: the whole organization.",
    )
    users = models.ManyToManyField(User, blank=True, related_name="credentials")
    created_at = models.DateTimeField(default=clock.now, editable=False)
    updated_at = models.DateTimeField(default=clock.now, editable=False)

    objects: ClassVar[TenantManager["ProviderCredential"]] = TenantManager()

    class Meta:
        ordering = ["provider", "name"]
        verbose_name = "provider credential"
        constraints = [
            models.UniqueConstraint(fields=["organization", "name"], name="credential_name_in_organization")
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def active_secret(self) -> "SecretVersion | None":
        """The version in use, None where there is no secret. Takes `secret_versions` as prefetched."""
        return next((item for item in self.secret_versions.all() if item.retired_at is None), None)


class SecretVersion(models.Model):
    """One version of a credential's secret, encrypted; the active one has no `retired_at`.

    A retired version is history only: its ciphertext is emptied.
    """

    credential = models.ForeignKey(
        ProviderCredential, on_delete=models.CASCADE, related_name="secret_versions"
    )
    version = models.PositiveIntegerField(editable=False)
    ciphertext = models.BinaryField(editable=False)
    fingerprint = models.CharField(max_length=16, editable=False)
    last_four = models.CharField(max_length=4, editable=False)
    created_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, related_name="+", editable=False
    )
    created_at = models.DateTimeField(default=clock.now, editable=False)
    retired_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        ordering = ["-version"]
        constraints = [
            models.UniqueConstraint(fields=["credential", "version"], name="secret_version_once"),
            models.UniqueConstraint(
                fields=["credential"], condition=models.Q(retired_at__isnull=True), name="one_active_secret"
            ),
        ]

    def __str__(self) -> str:
        ending = f", ends in {self.last_four}" if self.last_four else ""
        return f"version {self.version}{ending}"
