"""Django application."""

from django.apps import AppConfig


class AuditConfig(AppConfig):
    """Application configuration."""

    name = "audit"
