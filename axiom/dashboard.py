"""The admin's first page and its sidebar, for whoever is looking."""

from typing import Any

from django.contrib import admin
from django.db.models import Q
from django.http import HttpRequest
from django.urls import reverse

from axiom.lib import clock
from axiom.lib.admin.access import access_of
from credentials.models import ProviderCredential
from finops.models import UsageRecord
from tenants.models import AccessToken
from tenants.token_admin import BASE_PATH

# title -> (title, icon, model) of each item; what the person may not view is left out.
SIDEBAR = (
    (
        "Gateway",
        (
            ("Provider credentials", "vpn_key", "credentials.providercredential"),
            ("Access tokens", "token", "tenants.accesstoken"),
        ),
    ),
    (
        "Records",
        (
            ("Usage", "query_stats", "finops.usagerecord"),
            ("Audit log", "history", "audit.auditevent"),
        ),
    ),
    (
        "Organization",
        (
            ("Members", "person", "tenants.membership"),
            ("Teams", "groups", "tenants.team"),
            ("Organizations", "domain", "tenants.organization"),
            ("Users", "manage_accounts", "tenants.user"),
        ),
    ),
)
HOME = {"title": "Start", "icon": "home", "link": "admin:index"}


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """Return the sidebar as unfold wants it."""
    viewable = {
        model._meta.label_lower
        for model, page in admin.site._registry.items()
        if page.has_view_permission(request)
    }
    home = {**HOME, "link": reverse(HOME["link"]), "active": request.path == reverse(HOME["link"])}
    groups: list[dict[str, Any]] = [{"title": None, "items": [home]}]
    for title, items in SIDEBAR:
        shown = [_item(*item) for item in items if item[2] in viewable]
        groups += [{"title": title, "items": shown}] if shown else []
    return groups


def _item(title: str, icon: str, model: str) -> dict[str, Any]:
    app_label, model_name = model.split(".")
    return {"title": title, "icon": icon, "link": reverse(f"admin:{app_label}_{model_name}_changelist")}


def getting_started(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Return the context of the first page: the base URL, and counts of what the person may see."""
    cards = [_credentials(request), _tokens(request), _usage(request)]
    return {
        **context,
        "title": "Start",
        "base_url": request.build_absolute_uri(BASE_PATH),
        "model": _example_model(request),
        "organizations": list(access_of(request).organizations.values()),
        "cards": [card for card in cards if card is not None],
    }


def _rows(request: HttpRequest, model: Any) -> Any:
    """Return what the model's own list would show, or None where there is no such list for the person."""
    page = admin.site._registry[model]
    return page.get_queryset(request) if page.has_view_permission(request) else None


def _card(request: HttpRequest, model: Any, **shown: Any) -> dict[str, Any]:
    page, names = admin.site._registry[model], model._meta
    link = f"admin:{names.app_label}_{names.model_name}"
    add = reverse(f"{link}_add") if page.has_add_permission(request) else None
    return {**shown, "link": reverse(f"{link}_changelist"), "add": add}


def _example_model(request: HttpRequest) -> str:
    """Return a model that works for the person, empty where there is none yet."""
    rows = _rows(request, ProviderCredential)
    usable = rows.filter(enabled=True).exclude(default_model="") if rows is not None else []
    return next((row.default_model for row in usable[:1]), "")


def _credentials(request: HttpRequest) -> dict[str, Any] | None:
    rows = _rows(request, ProviderCredential)
    if rows is None:
        return None
    enabled, total = rows.filter(enabled=True).count(), rows.count()
    note = "Connect a provider first." if not total else f"{enabled} of {total} enabled"
    return _card(request, ProviderCredential, title="Provider credentials", number=total, note=note)


def _tokens(request: HttpRequest) -> dict[str, Any] | None:
    rows = _rows(request, AccessToken)
    if rows is None:
        return None
    usable = rows.filter(Q(expires_at=None) | Q(expires_at__gt=clock.now()), revoked_at=None).count()
    note = "Applications call with one of these." if not usable else "active"
    return _card(request, AccessToken, title="Access tokens", number=usable, note=note)


def _usage(request: HttpRequest) -> dict[str, Any] | None:
    rows = _rows(request, UsageRecord)
    if rows is None:
        return None
    latest = rows.order_by("-pk").first()
    note = "No request yet." if latest is None else "last request"
    return _card(request, UsageRecord, title="Usage", when=latest and latest.started_at, note=note)
