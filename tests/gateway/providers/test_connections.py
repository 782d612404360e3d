"""Addresses, headers and keys: made once for a credential, and the key is in one header only."""

import json

import pytest

from axiom.lib.redaction import Secret
from credentials.kinds import KINDS
from gateway.providers import openai_compatible
from gateway.providers.registry import ADAPTERS
from gateway.types import Connection, CredentialSettings
from tests.gateway.providers.samples import (
    KEY,
    build_chat,
    chat_request_of,
    connection_of,
    embeddings_request_of,
    sample,
    sent,
)

CHAT_URLS = {
    "openai": "https://api.openai.com/v1/chat/completions",
    "mistral": "https://api.mistral.ai/v1/chat/completions",
    "groq": "https://api.groq.com/openai/v1/chat/completions",
    "openrouter": "https://openrouter.ai/api/v1/chat/completions",
    "perplexity": "https://api.perplexity.ai/chat/completions",
    "cerebras": "https://api.cerebras.ai/v1/chat/completions",
    "huggingface": "https://router.huggingface.co/v1/chat/completions",
    "nebius": "https://api.tokenfactory.nebius.com/v1/chat/completions",
    "xai": "https://api.x.ai/v1/chat/completions",
    "parasail": "https://api.parasail.io/v1/chat/completions",
    "sandbox": "sandbox://local/v1/chat/completions",
}


def azure(base_url: str, **config: object) -> Connection:
    return ADAPTERS["azure"].connect(CredentialSettings("azure", base_url, Secret(KEY), config))


def azure_urls(base_url: str, model: str, **config: object) -> tuple[str, str]:
    """The address for a chat with a model, and the model in the body."""
    connection = azure(base_url, **config)
    body = {"model": "alias", "messages": []}
    wire = build_chat(ADAPTERS["azure"], chat_request_of(body), connection, model)
    return wire.url, json.loads(wire.body)["model"]


def test_every_kind_has_an_adapter_of_its_own_slug() -> None:
    assert ADAPTERS.keys() == KINDS.keys()
    assert all(adapter.slug == slug for slug, adapter in ADAPTERS.items())


@pytest.mark.parametrize("slug", CHAT_URLS)
def test_the_providers_own_address_leads_to_its_chat(slug: str) -> None:
    assert connection_of(slug, KINDS[slug].base_url).chat_url == CHAT_URLS[slug]


@pytest.mark.parametrize(
    "base_url", ["http://10.0.0.5:11434", "http://10.0.0.5:11434/", "http://10.0.0.5:11434/v1/"]
)
def test_ollamas_address_may_lack_its_path(base_url: str) -> None:
    connection = connection_of("ollama", base_url)
    assert connection.chat_url == "http://10.0.0.5:11434/v1/chat/completions"
    assert connection.embeddings_url == "http://10.0.0.5:11434/v1/embeddings"


def test_sandbox_addresses_are_the_ones_that_are_played() -> None:
    connection = connection_of("sandbox", KINDS["sandbox"].base_url)
    assert connection.embeddings_url == "sandbox://local/v1/embeddings"


@pytest.mark.parametrize("slug", openai_compatible.ADAPTERS)
def test_the_key_is_a_bearer_token_and_nowhere_else(slug: str) -> None:
    connection = connection_of(slug)
    assert dict(connection.headers) == {
        "content-type": "application/json",
        "accept": "application/json",
        "accept-encoding": "identity",
        "user-agent": "axiom-llm-gateway",
        "authorization": f"Bearer {KEY}",
    }
    wire = sent(slug, {"model": "m", "messages": []})
    assert wire.headers == connection.headers
    assert KEY not in f"{wire.url}{wire.body!r}{wire!r}{connection!r}"


def test_azures_key_is_its_own_header_and_never_a_bearer_token() -> None:
    headers = dict(azure("https://r.openai.azure.com").headers)
    assert headers["api-key"] == KEY
    assert "authorization" not in headers


@pytest.mark.parametrize("slug", ["ollama", "azure", "sandbox"])
def test_without_a_secret_no_key_is_sent(slug: str) -> None:
    settings = CredentialSettings(slug, "https://h.example", None, {})
    assert not dict(ADAPTERS[slug].connect(settings).headers).keys() & {"authorization", "api-key"}


@pytest.mark.parametrize(
    ("slug", "config", "header", "value"),
    [
        ("openai", {"organization": "org-1"}, "OpenAI-Organization", "org-1"),
        ("openai", {"project": "proj_1"}, "OpenAI-Project", "proj_1"),
        ("openrouter", {"referer": "https://app.example"}, "HTTP-Referer", "https://app.example"),
        ("openrouter", {"title": "App\r\nx-evil: 1"}, "X-Title", "Appx-evil: 1"),
        ("huggingface", {"bill_to": "acme"}, "X-HF-Bill-To", "acme"),
    ],
)
def test_configured_headers_are_sent(slug: str, config: dict[str, str], header: str, value: str) -> None:
    assert dict(connection_of(slug, **config).headers)[header] == value


@pytest.mark.parametrize("value", ["", None])
def test_empty_configuration_sends_no_header(value: str | None) -> None:
    assert "OpenAI-Project" not in dict(connection_of("openai", project=value).headers)


# Azure.


@pytest.mark.parametrize(
    "pasted",
    [
        "https://RESOURCE.openai.azure.com",
        "https://RESOURCE.openai.azure.com/",
        "https://RESOURCE.openai.azure.com/openai",
        "https://RESOURCE.openai.azure.com/openai/",
        "https://RESOURCE.openai.azure.com/openai/v1",
        " https://RESOURCE.openai.azure.com/openai/v1/ ",
        "https://RESOURCE.openai.azure.com/openai/v1/chat/completions",
    ],
)
def test_any_form_of_an_azure_endpoint_gives_the_v1_address(pasted: str) -> None:
    expected = sample("azure", "chat_v1.request.json").json
    assert azure_urls(pasted, "DEPLOYMENT") == (expected["url"], expected["body"]["model"])


@pytest.mark.parametrize(
    ("pasted", "config"),
    [
        ("https://RESOURCE.openai.azure.com", {"surface": "deployments", "api_version": "2024-10-21"}),
        ("https://RESOURCE.openai.azure.com/openai/v1/", {"surface": "deployments"}),
        (
            "https://RESOURCE.openai.azure.com/openai/deployments/DEPLOYMENT/chat/completions?api-version=2024-10-21",
            {"surface": "v1"},
        ),
        ("https://RESOURCE.openai.azure.com/openai/deployments/DEPLOYMENT", {}),
    ],
)  # fmt: skip
def test_deployment_addresses_name_the_deployment_and_leave_the_body_alone(
    pasted: str, config: dict[str, str]
) -> None:
    expected = sample("azure", "chat_deployment.request.json").json
    assert azure_urls(pasted, "DEPLOYMENT", **config) == (expected["url"], "alias")


def test_a_pasted_deployment_serves_every_model_that_the_map_does_not_name() -> None:
    pasted = "https://r.openai.azure.com/openai/deployments/my%20one/chat/completions?api-version=2025-04-01-preview"
    prefix = "https://r.openai.azure.com/openai/deployments"
    suffix = "chat/completions?api-version=2025-04-01-preview"
    assert azure_urls(pasted, "gpt-4o")[0] == f"{prefix}/my%20one/{suffix}"
    assert azure_urls(pasted, "a", deployments={"a": "b"})[0] == f"{prefix}/b/{suffix}"


def test_aliases_are_mapped_to_deployments_on_both_surfaces() -> None:
    deployments = {"gpt-4o": "prod/4o"}
    base = "https://r.services.ai.azure.com"
    assert azure_urls(base, "gpt-4o", deployments=deployments)[1] == "prod/4o"
    url, _ = azure_urls(base, "gpt-4o", deployments=deployments, surface="deployments")
    assert url == f"{base}/openai/deployments/prod%2F4o/chat/completions?api-version=2024-10-21"


def test_a_gateway_in_front_of_azure_may_have_a_path_of_its_own() -> None:
    assert (
        azure_urls("https://apim.example/team/a/", "d")[0]
        == "https://apim.example/team/a/openai/v1/chat/completions"
    )


def test_previews_of_the_v1_surface_are_opted_in_to() -> None:
    url, _ = azure_urls("https://r.openai.azure.com", "d", api_version="preview")
    assert url.endswith("/openai/v1/chat/completions?api-version=preview")


@pytest.mark.parametrize(("version", "asks"), [("2024-06-01", False), ("2024-10-21", True)])
def test_old_api_versions_are_not_asked_for_usage_in_streams(version: str, asks: bool) -> None:
    connection = azure("https://r.openai.azure.com", surface="deployments", api_version=version)
    request = chat_request_of({"model": "m", "messages": [], "stream": True})
    wire = build_chat(ADAPTERS["azure"], request, connection, "d")
    assert ("stream_options" in json.loads(wire.body)) is asks
    assert (wire.body is request.raw) is not asks


def test_azure_embeddings_go_to_the_deployment() -> None:
    build = ADAPTERS["azure"].build_embeddings
    assert build is not None
    request = embeddings_request_of({"model": "e", "input": [1, 2]})
    wire = build(
        request, azure("https://r.openai.azure.com", surface="deployments", deployments={"e": "d"}), "e"
    )
    assert wire.url == "https://r.openai.azure.com/openai/deployments/d/embeddings?api-version=2024-10-21"
    assert wire.body is request.raw
    wire = build(request, azure("https://r.openai.azure.com", deployments={"e": "d"}), "e")
    assert wire.url == "https://r.openai.azure.com/openai/v1/embeddings"
    assert json.loads(wire.body)["model"] == "d"
