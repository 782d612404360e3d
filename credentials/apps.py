"""Django application."""

from django.apps import AppConfig


class CredentialsConfig(AppConfig):
    """Application configuration."""

    name = "credentials"
