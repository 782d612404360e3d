"""`manage.py serve`: the gateway and the admin on HOST:PORT."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from axiom.lib.listening import CannotListen, base_url, listen
from gateway import server


class Command(BaseCommand):
    """Takes the address first, so that a busy port is one line and not a traceback."""

    help = "Serve the gateway and the admin on HOST:PORT until SIGINT or SIGTERM."

    def handle(self, *args: Any, **options: Any) -> None:
        """Serve. Raises CommandError when the address can't be had."""
        try:
            listening = listen(settings.HOST, settings.PORT)
        except CannotListen as problem:
            raise CommandError(str(problem)) from problem
        self.stdout.write(f"Serving {base_url(settings.HOST, settings.PORT)}")
        self.stdout.flush()
        server.serve(listening)
