"""The ASGI application: inference requests go to gateway.entry by path, before Django sees them."""

import os
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "axiom.settings")

from django.core.asgi import get_asgi_application

_django = get_asgi_application()

from gateway import entry  # noqa: E402 - models can be imported only once Django is set up


async def application(
    scope: MutableMapping[str, Any],
    receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
    send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
) -> None:
    """Dispatch one connection."""
    if scope["type"] == "http" and entry.owns(scope["method"], scope["path"]):
        await entry.handle(scope, receive, send)
    elif scope["type"] == "lifespan":
        await entry.lifespan(receive, send)
    else:
        await _django(scope, receive, send)  # type: ignore[arg-type]
