"""What a provider kind is: see credentials.kinds for the kinds themselves."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class ConfigField:
    """One provider-specific setting, shown as a real form field."""

    name: str
    label: str
    kind: Literal["text", "choice", "mapping", "path"] = (
        "text"  # path: of a token file, see AXIOM_TOKEN_FILES
    )
    default: str = ""
    choices: tuple[tuple[str, str], ...] = ()
    required: bool = False
    required_with: tuple[str, ...] | None = None  # another field, and its values that make this one required
    pattern: str = ""
    help_text: str = ""
    needs_setting: tuple[str, str] | None = None  # a value, and the operator's setting that must allow it


@dataclass(frozen=True, slots=True)
class ProviderKind:
    """What the admin form, the API and `apply` need to know about a provider.

    `check_secret` returns what is wrong with a secret that has a structure, or None; its texts hold nothing
    of it. `token_uri_of` returns the address at which such a secret is exchanged for tokens, or nothing.
    """

    slug: str
    label: str
    base_url: str = ""  # empty: the credential must give one
    secret_label: str = "API key"  # noqa: S105  (a label)
    secret_required: bool = True
    secret_unless: tuple[str, ...] | None = None  # a config field, and its values that make it unnecessary
    check_secret: Callable[[str], str | None] | None = None
    token_uri_of: Callable[[str], str] | None = None
    config_fields: tuple[ConfigField, ...] = ()
    model_prefixes: tuple[str, ...] = ()  # the model catalogue: names that belong to this provider
