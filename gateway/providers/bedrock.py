"""AWS Bedrock: chat by Converse and ConverseStream, embeddings by InvokeModel.

Who asks: bedrock_auth, sigv4. Chat: bedrock_request (bedrock_blocks, bedrock_tools, bedrock_fields),
bedrock_answers, bedrock_stream. Embeddings: bedrock_embeddings. What models take: bedrock_models. Errors:
bedrock_errors. Reference: docs.aws.amazon.com/bedrock/latest/APIReference. Known gaps: the Messages API of
bedrock-mantle, video, and guardrails for parts of a prompt only.
"""

import re
from collections.abc import Mapping
from functools import partial
from typing import Any
from urllib.parse import quote, urlsplit

from gateway.errors import Failure, FailureClass, ProviderFailure
from gateway.providers.base import Adapter
from gateway.providers.bedrock_answers import parse_chat
from gateway.providers.bedrock_auth import SERVICE, read_keys, role_source, sign_with_own_keys, sign_with_role
from gateway.providers.bedrock_embeddings import invoke, parse_embeddings
from gateway.providers.bedrock_errors import parse_error
from gateway.providers.bedrock_models import traits_of
from gateway.providers.bedrock_request import Defaults, converse
from gateway.providers.bedrock_stream import ConverseStream
from gateway.providers.chat_answer import encode
from gateway.providers.model_lists import build_bedrock_list, parse_bedrock_models
from gateway.providers.sigv4 import Scope
from gateway.types import ChatRequest, Connection, CredentialSettings, EmbeddingsRequest, WireRequest

REGION_PLACE = "{region}"  # in the provider's own address
_DEFAULT_REGION = "us-east-1"
_REGION_OF_HOST = re.compile(r"bedrock-runtime(?:-fips)?\.([a-z0-9-]+)\.")
_COMMON_HEADERS = (
    ("content-type", "application/json"),
    ("accept-encoding", "identity"),
    ("user-agent", "axiom-llm-gateway"),
)
_JSON = ("accept", "application/json")
_EVENTS = ("accept", "application/vnd.amazon.eventstream")
_GUARDRAIL = {"guardrail_id": "guardrailIdentifier", "guardrail_version": "guardrailVersion"}
# The service's own rule for ids and ARNs, loosely; a path of dots would lead elsewhere.
_MODEL_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,2047}")


def connect(settings: CredentialSettings) -> Connection:
    """Return the address of a credential's region, and how its requests are authorized.

    `options` has `stream_headers`, `base_models` (ARN: model id) and `defaults`.
    """
    config = settings.config
    base_url = settings.base_url.strip().rstrip("/")
    found = _REGION_OF_HOST.match(urlsplit(base_url).hostname or "")
    region = str(config.get("region") or (found[1] if found else _DEFAULT_REGION))
    domain = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    if not base_url or REGION_PLACE in base_url:
        base_url = f"https://bedrock-runtime.{region}.{domain}"
    scope = Scope(region, SERVICE)
    headers, authorize, source = list(_COMMON_HEADERS), None, None
    match config.get("auth") or "api_key":
        case "access_key":
            authorize = partial(sign_with_own_keys, read_keys(settings), scope)
        case "assume_role":
            authorize, source = partial(sign_with_role, scope), role_source(settings, region, domain)
        case _ if settings.secret:
            headers.append(("authorization", f"Bearer {settings.secret.reveal()}"))
    return Connection(
        base_url=base_url,
        headers=(*headers, _JSON),
        chat_url=f"{base_url}/model/",
        embeddings_url=f"{base_url}/model/",
        options={
            "stream_headers": (*headers, _EVENTS),
            "base_models": dict(config.get("base_models") or {}),
            "defaults": _defaults(config),
        },
        authorize=authorize,
        token_source=source,
    )


def _defaults(config: Mapping[str, Any]) -> Defaults:
    guardrail = {wire: str(config[name]) for name, wire in _GUARDRAIL.items() if config.get(name)}
    guardrail = {"guardrailVersion": "DRAFT", **guardrail} if config.get("guardrail_id") else {}
    limit = str(config.get("max_tokens") or "")
    return Defaults(
        int(limit) if limit.isdecimal() else None, guardrail, str(config.get("guardrail_mode") or "sync")
    )


def build_chat(request: ChatRequest, connection: Connection, model: str) -> WireRequest:
    """Return the request to Converse or ConverseStream. Raises ProviderFailure for what cannot be asked."""
    options = connection.options
    traits = traits_of(options["base_models"].get(model, model))
    found = converse(request.raw, model, traits, options["defaults"], stream=request.stream)
    headers = options["stream_headers"] if request.stream else connection.headers
    url = _url(connection.chat_url, model, "converse-stream" if request.stream else "converse")
    return WireRequest(url, headers, encode(found.body), found.dropped, found.adjusted, notes=found.notes)


def build_embeddings(request: EmbeddingsRequest, connection: Connection, model: str) -> WireRequest:
    """Return the requests to InvokeModel, all but the first in `more`. Raises ProviderFailure."""
    found = invoke(request, model, connection.options["base_models"].get(model, model))
    url = _url(connection.embeddings_url, model, "invoke")
    more = tuple(WireRequest(url, connection.headers, body) for body in found.bodies[1:])
    return WireRequest(url, connection.headers, found.bodies[0], found.dropped, notes=found.notes, more=more)


def _url(before: str, model: str, operation: str) -> str:
    """Return the address of an operation; the model's id is one segment, its slashes escaped.

    Raises ProviderFailure (not_found) for what no model's id can be.
    """
    if not _MODEL_ID.fullmatch(model):
        raise ProviderFailure(
            Failure(FailureClass.NOT_FOUND, "This isn't the id of a model at AWS Bedrock.", param="model")
        )
    return f"{before}{quote(model, safe='')}/{operation}"


ADAPTER = Adapter(
    slug="bedrock",
    connect=connect,
    build_chat=build_chat,
    parse_chat=parse_chat,
    open_chat_stream=ConverseStream,
    parse_error=parse_error,
    build_embeddings=build_embeddings,
    parse_embeddings=parse_embeddings,
    build_models=build_bedrock_list,
    parse_models=parse_bedrock_models,
)
