"""URLs that Django serves; the inference endpoints are answered before Django (axiom.asgi)."""

from django.contrib import admin
from django.urls import URLPattern, URLResolver, path
from django.views.generic import RedirectView

from axiom.metrics import ai_gateway_metrics
from gateway.api import api

# Whatever Django refuses or breaks on below the inference address is answered in OpenAI's envelope as well.
handler400 = "gateway.api.bad_request"
handler404 = "gateway.api.not_found"
handler500 = "gateway.api.server_error"

urlpatterns: list[URLPattern | URLResolver] = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/", admin.site.urls),
    path("metrics/ai-gateway", ai_gateway_metrics),
    path("rest/v1/llm-gateway/v1/", api.urls),
]
