"""Django application of the gateway."""

from django.apps import AppConfig


class GatewayConfig(AppConfig):
    """The data path and everything that drives it."""

    name = "gateway"
