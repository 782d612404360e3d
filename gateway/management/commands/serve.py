"""`manage.py serve`: the gateway and the admin on HOST:PORT."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor

from axiom.lib.listening import CannotListen, base_url, listen
from gateway import server


class Command(BaseCommand):
    """Looks at the database and takes the address first: what's amiss is one line and no traceback."""

    help = "Serve the gateway and the admin on HOST:PORT until SIGINT or SIGTERM."

    def handle(self, *args: Any, **options: Any) -> None:
        """Serve. Raises CommandError when the address or the database can't be had."""
        if _tables_are_missing():
            raise CommandError("The database is not up to date: run `manage.py migrate` first.")
        try:
            listening = listen(settings.HOST, settings.PORT)
        except CannotListen as problem:
            raise CommandError(str(problem)) from problem
        self.stdout.write(f"Serving {base_url(settings.HOST, settings.PORT)}")
        self.stdout.flush()
        server.serve(listening)


def _tables_are_missing() -> bool:
    try:
        executor = MigrationExecutor(connection)
        return bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))
    except DatabaseError as problem:
        raise CommandError(f"The database can't be reached: {problem}") from problem
