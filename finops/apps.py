"""Django application."""

from django.apps import AppConfig


class FinopsConfig(AppConfig):
    """Application configuration."""

    name = "finops"
