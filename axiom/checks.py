"""System checks of the settings: what keeps the gateway from working (E) and what will disappoint (W).

Their ids are stable: operators silence and search them by id. `manage.py check` and every start run them.
"""

import os
from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register
from django.core.exceptions import ImproperlyConfigured

from axiom.lib.egress import EgressPolicy
from credentials.keyring import InvalidKeyRing, parse_key_ring

TAG = "axiom"
SECRET_KEY_LENGTH = 32
REDIS_SCHEMES = ("redis://", "rediss://", "unix://")
RANDOM_TEXT = "python -c 'import secrets; print(secrets.token_urlsafe(48))'"
RANDOM_KEY = "echo k1:$(openssl rand -base64 32)"


@register(TAG)
def check_secret_key(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """axiom.E001 without a secret key, axiom.W001 with one that can be guessed."""
    try:
        key = settings.SECRET_KEY
    except ImproperlyConfigured:
        return [
            Error(
                "AXIOM_SECRET_KEY is not set: sessions can't be signed.",
                hint=f"Set it, or AXIOM_SECRET_KEY_FILE, to what this prints: {RANDOM_TEXT}",
                id="axiom.E001",
            )
        ]
    if len(key) >= SECRET_KEY_LENGTH:
        return []
    return [
        Warning(
            f"AXIOM_SECRET_KEY is shorter than {SECRET_KEY_LENGTH} characters: sessions could be forged.",
            hint=f"Set it to what this prints: {RANDOM_TEXT}",
            id="axiom.W001",
        )
    ]


@register(TAG)
def check_keys(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """axiom.E002 for a key ring that can't be read, axiom.W002 for none."""
    hint = f"A first key: {RANDOM_KEY}. Keep old keys behind the newest: what they sealed needs them."
    if not settings.AXIOM_KEYS:
        return [
            Warning(
                "AXIOM_KEYS is not set: no provider secret can be stored or used.", hint=hint, id="axiom.W002"
            )
        ]
    try:
        parse_key_ring(settings.AXIOM_KEYS)
    except InvalidKeyRing as problem:
        return [Error(str(problem), hint=hint, id="axiom.E002")]
    return []


@register(TAG)
def check_egress(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """axiom.E003 for an entry of AXIOM_EGRESS_ALLOW that isn't a network."""
    try:
        EgressPolicy.from_settings()
    except ValueError as problem:
        hint = "Give addresses and networks with commas between: 127.0.0.1,10.1.0.0/16,fd00::/8"
        return [Error(str(problem), hint=hint, id="axiom.E003")]
    return []


@register(TAG)
def check_state_directory(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """axiom.E004 when AXIOM_VAR can't be written; a directory that isn't there yet is made later."""
    path = Path(settings.AXIOM_VAR)
    nearest = next(place for place in (path, *path.absolute().parents) if os.path.exists(place))
    if nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK):
        return []
    complaint = "can't be written" if nearest.is_dir() else "isn't a directory"
    return [
        Error(
            f"The state directory AXIOM_VAR={path} can't be used: {nearest} {complaint}.",
            hint="Set AXIOM_VAR to a directory that this user may write.",
            id="axiom.E004",
        )
    ]


@register(TAG)
def check_redis_url(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """axiom.E005 for an AXIOM_REDIS_URL that isn't one; it may hold a password and isn't repeated."""
    url = settings.AXIOM_REDIS_URL
    if not url or url.startswith(REDIS_SCHEMES):
        return []
    hint = f"It starts with one of {', '.join(REDIS_SCHEMES)}: redis://127.0.0.1:6379/0"
    return [Error("AXIOM_REDIS_URL is not the address of a Redis.", hint=hint, id="axiom.E005")]


@register(TAG)
def check_debug(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """axiom.W003 when debugging pages, which show settings and variables, can be seen from other machines."""
    if not settings.DEBUG or _is_loopback(settings.HOST):
        return []
    return [
        Warning(
            f"AXIOM_DEBUG is on and HOST={settings.HOST} can be reached from other machines.",
            hint="Error pages then show settings and variables to whoever sees them: set AXIOM_DEBUG=0.",
            id="axiom.W003",
        )
    ]


@register(TAG)
def check_workers(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """axiom.W004 and W005 when several workers share what was made for one."""
    if settings.WEB_CONCURRENCY <= 1:
        return []
    found: list[CheckMessage] = []
    if settings.DATABASES["default"]["ENGINE"].endswith("sqlite3"):
        found.append(
            Warning(
                f"WEB_CONCURRENCY={settings.WEB_CONCURRENCY} with SQLite: the workers queue for one writer, "
                "so usage arrives late under load and saving in the admin waits.",
                hint="Set DATABASE_URL to a PostgreSQL database, or WEB_CONCURRENCY=1.",
                id="axiom.W004",
            )
        )
    if not settings.AXIOM_REDIS_URL:
        found.append(
            Warning(
                f"WEB_CONCURRENCY={settings.WEB_CONCURRENCY} without AXIOM_REDIS_URL: limits, cool-downs and "
                "live numbers are kept by each worker for itself, and changes reach the others by polling.",
                hint="Set AXIOM_REDIS_URL, or WEB_CONCURRENCY=1.",
                id="axiom.W005",
            )
        )
    return found


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
