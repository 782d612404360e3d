"""GET /metrics/ai-gateway, behind the operator's own bearer token."""

import hmac

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_GET
from prometheus_client import CONTENT_TYPE_LATEST

from gateway import metrics


@require_GET
def ai_gateway_metrics(request: HttpRequest) -> HttpResponse:
    """Return the text exposition; 401 without the metrics token, 503 when the operator has set none."""
    expected = settings.AXIOM_METRICS_TOKEN
    if not expected:
        return HttpResponse(
            "Set AXIOM_METRICS_TOKEN to enable this endpoint.\n", status=503, content_type="text/plain"
        )
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not hmac.compare_digest(token.strip().encode(), expected.encode()):
        refusal = HttpResponse("A valid metrics token is needed.\n", status=401, content_type="text/plain")
        refusal["WWW-Authenticate"] = "Bearer"
        return refusal
    return HttpResponse(metrics.exposition(), content_type=CONTENT_TYPE_LATEST)
