"""Django application."""

from django.apps import AppConfig


class TenantsConfig(AppConfig):
    """Application configuration."""

    name = "tenants"
