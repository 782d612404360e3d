"""URLs that Django serves; the inference endpoints are answered before Django (axiom.asgi)."""

from django.contrib import admin
from django.urls import URLPattern, URLResolver, path

urlpatterns: list[URLPattern | URLResolver] = [path("admin/", admin.site.urls)]
