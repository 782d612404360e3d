"""The typed, read-only part of the inference surface (django-ninja), and the document of the whole of it."""

import logging
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.views import defaults
from ninja import NinjaAPI, Query, Schema
from ninja.errors import ValidationError
from ninja.openapi.schema import OpenAPISchema

from axiom.lib import clock
from axiom.lib.ids import new_id
from gateway import runtime
from gateway.auth import authenticate, require_scope
from gateway.catalogue import Listed, find_model, list_models, on_surface
from gateway.documents import INFERENCE_PATHS
from gateway.endpoints import PREFIX
from gateway.errors import GatewayError, InvalidRequest, ModelNotFound, UnknownEndpoint
from gateway.types import Caller, OrganizationSnapshot

logger = logging.getLogger(__name__)
MAX_LIMIT = 1000


class InferenceAPI(NinjaAPI):
    """Adds the endpoints that are answered before Django to the document."""

    def get_openapi_schema(self, **kwargs: Any) -> OpenAPISchema:
        """Return the OpenAPI document of the inference surface."""
        schema = super().get_openapi_schema(**kwargs)
        schema["paths"] = INFERENCE_PATHS | schema["paths"]
        return schema

    def create_temporal_response(self, request: HttpRequest) -> HttpResponse:
        """Give every answer the id that SDKs show."""
        response: HttpResponse = super().create_temporal_response(request)
        response["x-request-id"] = new_id()
        return response


api = InferenceAPI(
    title="Axiom LLM Gateway: inference",
    version="1",
    description="OpenAI's API. Point your SDK's base URL here and use an access token as the API key.",
    urls_namespace="inference",
    openapi_url="/openapi.json",
    docs_url="/docs",
)


class ModelOut(Schema):
    """A model in OpenAI's shape."""

    id: str
    object: str
    created: int
    owned_by: str
    model_ref: str
    display_name: str
    surfaces: list[str]
    supported_voices: list[str]


class LinksOut(Schema):
    """Where the list goes on."""

    next: str | None


class ModelListOut(Schema):
    """One page of models."""

    object: str
    data: list[ModelOut]
    has_more: bool
    links: LinksOut


class ModelQuery(Schema):
    """Filters of the list."""

    surface: str = ""
    limit: int = MAX_LIMIT
    after: str = ""


@api.get("/models", response=ModelListOut, summary="List the models this token may call")
async def models(request: HttpRequest, query: Query[ModelQuery]) -> dict[str, Any]:
    """Return the caller's models, sorted by id; `after` is the last id of the page before."""
    if not 1 <= query.limit <= MAX_LIMIT:
        raise InvalidRequest(
            f"'limit' must be between 1 and {MAX_LIMIT}.", param="limit", code="invalid_value"
        )
    caller, organization = await _caller(request)
    found = list_models(caller, organization, await _listed(caller, organization))
    if query.surface:
        found = on_surface(found, query.surface)
    rest = [model for model in found if model.id > query.after]
    page = rest[: query.limit]
    more = len(rest) > len(page)
    return {
        "object": "list",
        "data": page,
        "has_more": more,
        "links": {"next": _next_link(request, query, page[-1].id) if more else None},
    }


@api.get("/models/{path:model_id}", response=ModelOut, summary="Look up one model")
async def model(request: HttpRequest, model_id: str) -> Any:
    """Return one model by its id or its `provider/model` reference."""
    caller, organization = await _caller(request)
    found = find_model(model_id, caller, organization, await _listed(caller, organization))
    if found is None:
        raise ModelNotFound(model_id)
    return found


async def _caller(request: HttpRequest) -> tuple[Caller, OrganizationSnapshot]:
    """Authenticate from the snapshot, as the data path does: no database read."""
    snapshot = (await runtime.current()).store.current
    headers = {name.lower().encode(): value.encode("latin-1") for name, value in request.headers.items()}
    caller = authenticate(headers, snapshot.callers, clock.unix())
    require_scope(caller, "models")
    return caller, snapshot.organizations[caller.organization_id]


async def _listed(caller: Caller, organization: OrganizationSnapshot) -> Listed:
    """Return the providers' model lists as they are known, after a short wait for those that never were."""
    lists = (await runtime.current()).models
    await lists.learn(target for target in organization.targets if target.visible_to(caller))
    return lists.models


def _next_link(request: HttpRequest, query: ModelQuery, last_id: str) -> str:
    parameters = {"limit": query.limit, "after": last_id} | (
        {"surface": query.surface} if query.surface else {}
    )
    return f"{request.path}?{urlencode(parameters)}"


@api.exception_handler(GatewayError)
def answer_error(request: HttpRequest, problem: GatewayError) -> HttpResponse:
    """Answer in OpenAI's envelope."""
    response = HttpResponse(problem.body(), status=problem.status, content_type="application/json")
    response["x-request-id"] = new_id()
    for name, value in problem.headers():
        response[name.decode()] = value.decode()
    return response


@api.exception_handler(ValidationError)
def answer_validation_error(request: HttpRequest, problem: ValidationError) -> HttpResponse:
    """Answer a bad query parameter in OpenAI's envelope."""
    first = problem.errors[0]
    name = str(first["loc"][-1])
    return answer_error(
        request, InvalidRequest(f"Invalid '{name}': {first['msg']}.", param=name, code="invalid_value")
    )


@api.exception_handler(Exception)
def answer_crash(request: HttpRequest, problem: Exception) -> HttpResponse:
    """Answer a fault of ours without a traceback; the log has it."""
    logger.error("GET %s failed inside the gateway.", request.path, exc_info=problem)
    return answer_error(request, GatewayError("The gateway failed to serve this request."))


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's handler400."""
    if not request.path.startswith(PREFIX):
        return defaults.bad_request(request, exception)
    return answer_error(request, InvalidRequest("The request could not be read; check the Host header."))


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's handler404."""
    if not request.path.startswith(PREFIX):
        return defaults.page_not_found(request, exception)
    return answer_error(
        request, UnknownEndpoint(f"Unknown request URL: {request.method} {request.path[:200]}.")
    )


def server_error(request: HttpRequest) -> HttpResponse:
    """Django's handler500."""
    if not request.path.startswith(PREFIX):
        return defaults.server_error(request)
    return answer_error(request, GatewayError("The gateway failed to serve this request."))
