"""The provider kinds as data: what a credential of each needs. `gateway.providers.registry` has the adapters.

Base URLs and authentication: wire facts of 23 Nov 2026 (openai-compatible table, Azure page).
"""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class ConfigField:
    """One provider-specific setting, shown as a real form field."""

    name: str
    label: str
    kind: Literal["text", "choice", "mapping"] = "text"
    default: str = ""
    choices: tuple[tuple[str, str], ...] = ()
    required: bool = False
    required_with: tuple[str, str] | None = None  # another field, and its value that makes this one required
    pattern: str = ""
    help_text: str = ""


@dataclass(frozen=True, slots=True)
class ProviderKind:
    """What the admin form, the API and `apply` need to know about a provider."""

    slug: str
    label: str
    base_url: str = ""  # empty: the credential must give one
    secret_label: str = "API key"  # noqa: S105  (a label)
    secret_required: bool = True
    config_fields: tuple[ConfigField, ...] = ()
    model_prefixes: tuple[str, ...] = ()  # the model catalogue: names that belong to this provider


KINDS: dict[str, ProviderKind] = {
    kind.slug: kind
    for kind in (
        ProviderKind(
            slug="openai",
            label="OpenAI",
            base_url="https://api.openai.com/v1",
            config_fields=(
                ConfigField("organization", "OpenAI organization", pattern=r"[A-Za-z0-9_-]+"),
                ConfigField("project", "OpenAI project", pattern=r"[A-Za-z0-9_-]+"),
            ),
            model_prefixes=(
                "gpt-",
                "o1",
                "o3",
                "o4",
                "chatgpt-",
                "text-embedding-3-",
                "text-embedding-ada-",
                "ft:gpt-",
            ),
        ),
        ProviderKind(
            slug="azure",
            label="Azure OpenAI",
            config_fields=(
                ConfigField(
                    "surface",
                    "API surface",
                    kind="choice",
                    default="v1",
                    choices=(("v1", "v1 (deployment in the body)"), ("deployments", "Deployment URLs")),
                ),
                ConfigField(
                    "api_version",
                    "API version",
                    required_with=("surface", "deployments"),
                    pattern=r"\d{4}-\d{2}-\d{2}(-preview)?|preview",
                    help_text="Required for deployment URLs, such as 2024-10-21.",
                ),
                ConfigField(
                    "deployments",
                    "Deployments",
                    kind="mapping",
                    help_text="One per line: model = deployment. Any other model is its own deployment name.",
                ),
            ),
        ),
        ProviderKind(
            slug="mistral",
            label="Mistral",
            base_url="https://api.mistral.ai/v1",
            model_prefixes=(
                "mistral-",
                "ministral-",
                "magistral-",
                "codestral-",
                "devstral-",
                "pixtral-",
                "open-mi",
            ),
        ),
        ProviderKind(slug="groq", label="Groq", base_url="https://api.groq.com/openai/v1"),
        ProviderKind(slug="ollama", label="Ollama", secret_required=False),
        ProviderKind(
            slug="openrouter",
            label="OpenRouter",
            base_url="https://openrouter.ai/api/v1",
            config_fields=(
                ConfigField("referer", "HTTP-Referer", help_text="App attribution at OpenRouter."),
                ConfigField("title", "X-Title"),
            ),
        ),
        ProviderKind(
            slug="perplexity",
            label="Perplexity",
            base_url="https://api.perplexity.ai",
            model_prefixes=("sonar",),
        ),
        ProviderKind(slug="cerebras", label="Cerebras", base_url="https://api.cerebras.ai/v1"),
        ProviderKind(
            slug="huggingface",
            label="Hugging Face",
            base_url="https://router.huggingface.co/v1",
            secret_label="Access token",  # noqa: S106  (a label)
            config_fields=(ConfigField("bill_to", "Bill to organization", pattern=r"[A-Za-z0-9_.-]+"),),
        ),
        ProviderKind(slug="nebius", label="Nebius", base_url="https://api.tokenfactory.nebius.com/v1"),
        ProviderKind(slug="xai", label="xAI", base_url="https://api.x.ai/v1", model_prefixes=("grok-",)),
        ProviderKind(slug="parasail", label="Parasail", base_url="https://api.parasail.io/v1"),
        ProviderKind(
            slug="sandbox",
            label="Sandbox (built in)",
            base_url="sandbox://local",
            secret_required=False,
            model_prefixes=("sandbox",),
        ),
    )
}

PROVIDER_CHOICES = [(kind.slug, kind.label) for kind in KINDS.values()]
