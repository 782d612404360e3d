"""`manage.py export`: what is configured, as YAML that `apply` takes back."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError

from gateway.manifest.document import export_manifest
from tenants.models import Organization


class Command(BaseCommand):
    """Writes to standard output. Secrets and tokens are not in it."""

    help = "Write organizations and what is in them as YAML that `apply` takes back without a change."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add --organization."""
        parser.add_argument("--organization", metavar="SLUG", help="Only this one.")

    def handle(self, *args: Any, organization: str | None = None, **options: Any) -> None:
        """Write the YAML. Raises CommandError when there is no such organization or no database."""
        chosen = Organization.objects.order_by("slug")
        if organization is not None:
            chosen = chosen.filter(slug=organization)
        try:
            found = list(chosen)
            written = export_manifest(found)
        except DatabaseError as problem:
            raise CommandError(
                f"The database can't be used ({problem}): `manage.py migrate` makes its tables."
            ) from problem
        if organization is not None and not found:
            raise CommandError(f"There is no organization {organization}.")
        self.stdout.write(written, ending="")
