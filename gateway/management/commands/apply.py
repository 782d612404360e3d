"""`manage.py apply FILE.yaml`: make the gateway as a file says."""

import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError

from credentials.services import VaultError
from gateway.manifest.document import apply_manifest
from gateway.manifest.reading import ManifestError
from gateway.manifest.run import Run
from tenants.actors import command_actor


class Command(BaseCommand):
    """Prints the plan as it was carried out, or as JSON for programs; warnings and problems go to stderr."""

    help = "Create and change organizations and what is in them as FILE says. Nothing is deleted."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the file and the two options."""
        parser.add_argument(
            "file", type=Path, metavar="FILE", help="A YAML file; see docs/configuration-as-code.md."
        )
        parser.add_argument("--dry-run", action="store_true", help="Print the plan and change nothing.")
        parser.add_argument("--json", action="store_true", help="Print one JSON object and nothing else.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Apply the file. Raises CommandError with every problem of it; then nothing has changed."""
        try:
            run = apply_manifest(options["file"], actor=command_actor("apply"), dry_run=options["dry_run"])
        except (ManifestError, VaultError) as problem:
            raise CommandError(str(problem)) from problem
        except DatabaseError as problem:
            raise CommandError(
                f"The database can't be used ({problem}): `manage.py migrate` makes its tables."
            ) from problem
        for warning in run.warnings:
            self.stderr.write(f"{options['file']}: {warning}", self.style.WARNING)
        self.stdout.write(_as_json(run) if options["json"] else _as_text(run))


def _as_json(run: Run) -> str:
    return json.dumps(
        {
            "created": run.created,
            "updated": run.updated,
            "unchanged": run.unchanged,
            "tokens": run.tokens,
        }
    )


def _as_text(run: Run) -> str:
    lines = [*run.plan, f"= unchanged: {len(run.unchanged)}"]
    if run.tokens:
        lines += [
            "",
            "New tokens, shown this once:",
            *(f"  {name}  {text}" for name, text in run.tokens.items()),
        ]
    if run.dry_run:
        lines += ["", "A dry run: nothing was changed."]
    return "\n".join(lines)
