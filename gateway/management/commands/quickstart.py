"""`manage.py quickstart`: what `make run` becomes once everything is installed."""

import json
import secrets
from pathlib import Path
from shlex import quote
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from axiom.lib.listening import CannotListen, base_url, listen
from axiom.lib.private_files import write_private
from credentials.services import credential_create
from gateway import server
from tenants.actors import command_actor
from tenants.models import Organization, Role, User
from tenants.services import (
    membership_create,
    organization_create,
    token_create,
    user_create,
    user_set_password,
)

ORGANIZATION = "demo"
ADMIN_EMAIL = "admin@axiom.local"
INFERENCE_PATH = "/rest/v1/llm-gateway/v1"
FILE_NAME = "quickstart.json"
_PASSWORD_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"  # noqa: S105  (no l, o, 0, 1: it may be typed)

REQUEST = '{"model": "sandbox", "stream": true, "messages": [{"role": "user", "content": "Hello"}]}'


class Command(BaseCommand):
    """Migrates, makes the first admin, organization, token and credential if there are none, and serves."""

    help = "Set up what a new gateway needs, print how to use it, and serve."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add --no-serve."""
        parser.add_argument("--no-serve", action="store_true", help="Set up and print, but don't serve.")

    def handle(self, *args: Any, no_serve: bool = False, **options: Any) -> None:
        """Set up, print, serve. Raises CommandError when the address or the state directory can't be had."""
        try:
            # Taken before anything is printed: whoever is quick with the printed command waits a moment.
            listening = None if no_serve else listen(settings.HOST, settings.PORT)
        except CannotListen as problem:
            raise CommandError(str(problem)) from problem
        call_command("migrate", verbosity=0, interactive=False)
        path = settings.AXIOM_VAR / FILE_NAME
        first_start = not _has_been_set_up()
        try:
            if first_start:
                set_up(path)
            else:
                _follow_address(path)
        except OSError as problem:
            raise CommandError(
                f"{path} cannot be written: {problem.strerror}. Nothing was set up."
            ) from problem
        self.stdout.write(_first_lines(path) if first_start else _later_lines(path))
        self.stdout.flush()
        if listening is not None:
            server.serve(listening)


@transaction.atomic
def set_up(path: Path) -> None:
    """Make the admin, the demo organization, its token and its sandbox credential; write it all to `path`.

    The file is written before the transaction ends, so there is never an admin whose password nobody knows.
    """
    actor = command_actor("quickstart")
    password = "-".join("".join(secrets.choice(_PASSWORD_ALPHABET) for _ in range(5)) for _ in range(4))
    user = user_set_password(
        actor=actor, user=user_create(actor=actor, email=ADMIN_EMAIL, name="Admin"), password=password
    )
    # No service makes an operator: only whoever runs commands on this machine does.
    user.is_staff = user.is_superuser = True
    user.save(update_fields=["is_staff", "is_superuser"])
    organization = organization_create(actor=actor, slug=ORGANIZATION, name="Demo")
    membership_create(actor=actor, organization=organization, email=ADMIN_EMAIL, role=Role.OWNER)
    _, token = token_create(actor=actor, organization=organization, name="quickstart")
    credential_create(
        actor=actor,
        organization=organization,
        provider="sandbox",
        name="sandbox",
        secret="",
        default_model="sandbox",
    )
    facts = {
        **_addresses(),
        "admin_email": ADMIN_EMAIL,
        "admin_password": password,
        "token": token,
        "metrics_token": settings.AXIOM_METRICS_TOKEN,
        "organization": ORGANIZATION,
    }
    _write(path, facts)


def _has_been_set_up() -> bool:
    return (
        Organization.objects.filter(slug=ORGANIZATION).exists()
        or User.objects.filter(is_superuser=True).exists()
    )


def _follow_address(path: Path) -> None:
    """Keep the file's URLs true when HOST or PORT has changed. A file that was removed stays removed."""
    if not path.exists():
        return
    facts = {**json.loads(path.read_text(encoding="utf-8")), **_addresses()}
    facts["metrics_token"] = settings.AXIOM_METRICS_TOKEN
    _write(path, facts)


def _write(path: Path, facts: dict[str, str]) -> None:
    write_private(path, json.dumps(facts, indent=2) + "\n")


def _addresses() -> dict[str, str]:
    origin = base_url(settings.HOST, settings.PORT)
    return {"admin_url": f"{origin}/admin/", "base_url": f"{origin}{INFERENCE_PATH}"}


def _first_lines(path: Path) -> str:
    facts = json.loads(path.read_text(encoding="utf-8"))
    return "\n".join(
        [
            "",
            "Axiom LLM Gateway is up.",
            "",
            f"  Admin            {facts['admin_url']}",
            f"                   {facts['admin_email']}",
            f"                   {facts['admin_password']}   (shown once)",
            f"  OpenAI base URL  {facts['base_url']}",
            f"  Token            {facts['token']}   (shown once)",
            f"  Kept in          {path}",
            "",
            "Stream an answer from the built-in sandbox provider:",
            "",
            _curl(facts["base_url"], facts["token"]),
            "",
            "Ctrl-C stops it.",
        ]
    )


def _later_lines(path: Path) -> str:
    addresses = _addresses()
    lines = [
        "",
        "Axiom LLM Gateway is up.",
        "",
        f"  Admin            {addresses['admin_url']}",
        f"  OpenAI base URL  {addresses['base_url']}",
    ]
    if not path.exists():
        lines += [
            "  Lost the admin's password? manage.py changepassword sets a new one.",
            "",
            "Ctrl-C stops it.",
        ]
        return "\n".join(lines)
    # The token comes out of the file when the command runs, so it is not on the screen.
    token = f"""$(sed -n 's/.*"token": "\\(axm_[^"]*\\)".*/\\1/p' {quote(str(path))})"""
    lines += [
        f"  Login and token  {path}",
        "",
        "Stream an answer from the built-in sandbox provider:",
        "",
        _curl(addresses["base_url"], token),
        "",
        "Ctrl-C stops it.",
    ]
    return "\n".join(lines)


def _curl(url: str, token: str) -> str:
    return (
        f"  curl -N {url}/chat/completions \\\n"
        f'    -H "Authorization: Bearer {token}" \\\n'
        f'    -H "Content-Type: application/json" \\\n'
        f"    -d '{REQUEST}'"
    )
