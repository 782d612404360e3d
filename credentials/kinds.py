"""The provider kinds as data: what a credential of each needs. `gateway.providers.registry` has the adapters.

Base URLs and authentication: wire facts of 23 Nov 2026 (openai-compatible table, Azure page).
"""

from credentials import aws_keys, service_accounts
from credentials.provider_kind import ConfigField, ProviderKind

_NORMALIZE = ConfigField(
    "normalize_embeddings",
    "Normalize embeddings",
    kind="choice",
    default="yes",
    choices=(("yes", "Yes, where dimensions were asked for"), ("no", "No, as they come")),
    help_text="gemini-embedding-001 gives shortened vectors whose length isn't 1.",
)

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
                "tts-",
                "whisper-1",
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
            slug="anthropic",
            label="Anthropic",
            base_url="https://api.anthropic.com",
            config_fields=(
                ConfigField(
                    "api_version",
                    "API version",
                    kind="choice",
                    default="2023-06-01",
                    choices=(
                        ("2023-06-01", "2023-06-01 (takes temperature where the model does)"),
                        ("2026-10-21", "2026-10-21 (no sampling fields)"),
                    ),
                ),
                ConfigField(
                    "max_tokens",
                    "Default answer length",
                    default="4096",
                    pattern=r"[1-9]\d{0,6}",
                    help_text="In tokens, for requests that give none: the provider demands one.",
                ),
                ConfigField(
                    "max_tokens_limit",
                    "Longest answer",
                    pattern=r"[1-9]\d{0,6}",
                    help_text="In tokens; requests for more get this many. Empty: no limit.",
                ),
                ConfigField(
                    "beta",
                    "Beta features",
                    pattern=r"[a-z0-9.-]+(,[a-z0-9.-]+)*",
                    help_text="Names with commas between them, such as context-1m-2025-08-07.",
                ),
                ConfigField(
                    "workspace",
                    "Workspace",
                    pattern=r"[A-Za-z0-9_-]+",
                    help_text="For keys of several workspaces.",
                ),
            ),
            model_prefixes=("claude-",),
        ),
        ProviderKind(
            slug="gemini",
            label="Google Gemini",
            base_url="https://generativelanguage.googleapis.com",
            config_fields=(
                ConfigField(
                    "api_version",
                    "API version",
                    kind="choice",
                    default="v1beta",
                    choices=(
                        ("v1beta", "v1beta (all features)"),
                        ("v1", "v1 (stable)"),
                        ("v1alpha", "v1alpha"),
                    ),
                ),
                _NORMALIZE,
            ),
            model_prefixes=("gemini-", "gemma-", "learnlm-", "tunedModels/"),
        ),
        ProviderKind(
            slug="vertex",
            label="Google Vertex AI",
            base_url="https://aiplatform.googleapis.com",  # stands for the host of the location
            secret_label="Service-account key (JSON) or API key",  # noqa: S106  (a label)
            secret_unless=("authentication", "token_file", "metadata"),
            check_secret=service_accounts.check_secret,
            token_uri_of=service_accounts.token_uri_of,
            config_fields=(
                ConfigField(
                    "authentication",
                    "Authentication",
                    kind="choice",
                    default="secret",
                    choices=(
                        ("secret", "The key above"),
                        ("token_file", "A token file"),
                        ("metadata", "The account of the gateway's machine"),
                    ),
                    needs_setting=("metadata", "AXIOM_METADATA_SERVER"),
                ),
                ConfigField(
                    "project",
                    "Project",
                    required_with=("authentication", "token_file", "metadata"),
                    pattern=r"(?:[a-z0-9.-]+:)?[a-z0-9][a-z0-9-]{0,61}[a-z0-9]",
                    help_text="Its id or number. Empty: the project of the service-account key.",
                ),
                ConfigField(
                    "location",
                    "Location",
                    default="global",
                    pattern=r"[a-z0-9](?:[a-z0-9-]{0,40}[a-z0-9])?",
                    help_text="A region such as us-central1, or global, us, eu.",
                ),
                ConfigField(
                    "token_file",
                    "Token file",
                    kind="path",
                    required_with=("authentication", "token_file"),
                    help_text="Something else keeps it fresh. In the operator's directory.",
                ),
                ConfigField(
                    "structured_outputs",
                    "Structured outputs of Claude",
                    kind="choice",
                    default="native",
                    choices=(
                        ("native", "Native, where the model has them"),
                        ("tool", "By a tool: where the organization policy doesn't allow them"),
                    ),
                ),
                ConfigField(
                    "beta",
                    "Beta features of Claude",
                    pattern=r"[a-z0-9.-]+(,[a-z0-9.-]+)*",
                    help_text="Names with commas between them.",
                ),
                _NORMALIZE,
            ),
            model_prefixes=("text-embedding-00", "text-multilingual-embedding-"),
        ),
        ProviderKind(
            slug="bedrock",
            label="AWS Bedrock",
            base_url="https://bedrock-runtime.{region}.amazonaws.com",  # region: as configured
            secret_label="Bedrock API key or secret access key",  # noqa: S106  (a label)
            check_secret=aws_keys.check_secret,
            config_fields=(
                ConfigField(
                    "auth",
                    "Authentication",
                    kind="choice",
                    default="api_key",
                    choices=(
                        ("api_key", "Bedrock API key"),
                        ("access_key", "Access key"),
                        ("assume_role", "Access key that assumes a role"),
                    ),
                ),
                ConfigField(
                    "region",
                    "Region",
                    required=True,
                    pattern=r"[a-z0-9](?:[a-z0-9-]{0,40}[a-z0-9])?",
                    help_text="Such as us-east-1. A Bedrock API key works in its own region only.",
                ),
                ConfigField(
                    "access_key_id",
                    "Access key ID",
                    required_with=("auth", "access_key", "assume_role"),
                    pattern=r"[A-Za-z0-9_]{3,128}",
                    help_text="The secret access key is the secret; for temporary keys SECRET:SESSION_TOKEN.",
                ),
                ConfigField(
                    "role_arn",
                    "Role to assume",
                    required_with=("auth", "assume_role"),
                    pattern=r"arn:aws[a-z-]*:iam::\d{12}:role/[A-Za-z0-9_+=,.@/-]{1,512}",
                    help_text="Such as arn:aws:iam::111122223333:role/llm.",
                ),
                ConfigField("external_id", "External ID", pattern=r"[A-Za-z0-9_+=,.@:/-]{2,1224}"),
                ConfigField(
                    "sts_url",
                    "STS endpoint",
                    pattern=r"https://[A-Za-z0-9.-]+(?::\d{1,5})?",
                    help_text="Where the role is assumed. Empty: the region's own.",
                ),
                ConfigField(
                    "base_models",
                    "Models behind ARNs",
                    kind="mapping",
                    help_text="One per line: ARN = model ID, for profiles and custom models.",
                ),
                ConfigField(
                    "max_tokens",
                    "Token limit",
                    pattern=r"[1-9]\d{0,6}",
                    help_text="A number, for requests that name no limit. Empty: the model's own.",
                ),
                ConfigField(
                    "guardrail_id",
                    "Guardrail",
                    pattern=r"[a-z0-9]+|arn:aws[a-z-]*:bedrock:[a-z0-9-]{1,20}:\d{12}:guardrail/[a-z0-9]+",
                ),
                ConfigField(
                    "guardrail_version",
                    "Guardrail version",
                    pattern=r"[1-9]\d{0,7}|DRAFT",
                    help_text="A number or DRAFT, which is also what empty means.",
                ),
                ConfigField(
                    "guardrail_mode",
                    "Guardrail on streams",
                    kind="choice",
                    default="sync",
                    choices=(("sync", "Check before text is sent"), ("async", "Check while text is sent")),
                ),
            ),
            model_prefixes=(
                "anthropic.",
                "amazon.",
                "meta.",
                "mistral.",
                "cohere.",
                "ai21.",
                "deepseek.",
                "qwen.",
                "openai.gpt-oss",
                "us.",
                "eu.",
                "apac.",
                "jp.",
                "global.",
                "arn:aws",
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
        ProviderKind(
            slug="cohere",
            label="Cohere",
            base_url="https://api.cohere.com",
            model_prefixes=("command-", "c4ai-", "embed-v4", "embed-english-", "embed-multilingual-"),
        ),
        ProviderKind(slug="cerebras", label="Cerebras", base_url="https://api.cerebras.ai/v1"),
        ProviderKind(
            slug="elevenlabs",
            label="ElevenLabs",
            base_url="https://api.elevenlabs.io",
            config_fields=(
                ConfigField(
                    "voices",
                    "Voices",
                    kind="mapping",
                    pattern=r"[A-Za-z0-9]{10,40}",
                    help_text="One per line: name = voice ID, such as alloy = 21m00Tcm4TlvDq8ikWAM.",
                ),
            ),
            model_prefixes=("eleven_", "scribe_"),
        ),
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


def provider_choices() -> list[tuple[str, str]]:
    """Return slug and label of every kind. A function, so that a new kind needs no migration."""
    return [(kind.slug, kind.label) for kind in KINDS.values()]
