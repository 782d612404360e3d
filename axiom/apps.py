"""Django application of the wiring; it has no models."""

from django.apps import AppConfig


class AxiomConfig(AppConfig):
    """Registers the system checks."""

    name = "axiom"

    def ready(self) -> None:
        """Register the checks by importing them."""
        from axiom import checks  # noqa: F401  (its decorators register)
