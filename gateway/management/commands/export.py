"""`manage.py export`: what is configured, as YAML that `apply` takes back."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from gateway.manifest.document import export_manifest
from tenants.models import Organization


class Command(BaseCommand):
    """Writes to standard output. Secrets and tokens are not in it."""

    help = "Write organizations and what is in them as YAML that `apply` takes back without a change."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add --organization."""
        parser.add_argument("--organization", metavar="SLUG", help="Only this one.")

    def handle(self, *args: Any, organization: str | None = None, **options: Any) -> None:
        """Write the YAML. Raises CommandError when there is no such organization."""
        chosen = Organization.objects.order_by("slug")
        if organization is not None:
            chosen = chosen.filter(slug=organization)
            if not chosen.exists():
                raise CommandError(f"There is no organization {organization}.")
        self.stdout.write(export_manifest(chosen), ending="")
