"""Denied means: nothing changed. Compares every row of the project's tables before and after."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.apps import apps

OURS = ("audit", "tenants", "credentials", "finops", "gateway")


@contextmanager
def nothing_changes() -> Iterator[None]:
    """Fail if any row of the project's tables is added, changed or removed inside the block."""
    before = _all_rows()
    yield
    assert _all_rows() == before


def _all_rows() -> dict[str, list[dict[str, Any]]]:
    return {
        model._meta.label: list(model._base_manager.order_by("pk").values())
        for label in OURS
        for model in apps.get_app_config(label).get_models(include_auto_created=True)
    }
