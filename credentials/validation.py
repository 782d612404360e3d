"""What a credential may hold. All raise ValidationError with a sentence for the person who typed it."""

import re
from collections.abc import Callable, Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

from django.conf import settings
from django.core.exceptions import ValidationError

from axiom.lib.egress import EgressPolicy
from credentials.kinds import KINDS
from credentials.provider_kind import ConfigField, ProviderKind
from credentials.service_accounts import GOOGLE_TOKEN_URI, is_token_uri_allowed

SECRET_LENGTH = 8192
TEXT_LENGTH = 500
MODEL_LENGTH = 200
_VISIBLE_ASCII = re.compile(r"[!-~]+")
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_NUMBER = re.compile(r"\d+|0[xX][0-9a-fA-F]*")
# Names that only a company's own network resolves: one label (a compose service), and RFC 6762's appendix G
# with Kubernetes' `svc`.
_PRIVATE_NAME = re.compile(
    r"[^.]+|.*\.(?:local|localdomain|internal|intranet|private|corp|home|lan|home\.arpa|svc)", re.IGNORECASE
)
_LOOPBACK_NAME = re.compile(r"(?:.*\.)?localhost", re.IGNORECASE)


def clean_fields(values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, ValidationError]]:
    """Return the values as they are stored, and what is wrong, both by field.

    `provider`, `base_url` and `config` are judged together: give all three or none.
    """
    cleaners = dict(_CLEANERS)
    if "provider" in values:
        kind = KINDS.get(values["provider"])
        if kind is None:
            return {}, {"provider": ValidationError("Choose one of the providers.")}
        policy = EgressPolicy.for_base_urls()
        cleaners["base_url"] = lambda value: clean_base_url(kind, value, policy)
        cleaners["config"] = lambda value: clean_config(kind, value)
    cleaned: dict[str, Any] = {}
    errors: dict[str, ValidationError] = {}
    for name, value in values.items():
        try:
            cleaned[name] = cleaners[name](value) if name in cleaners else value
        except ValidationError as problem:
            errors[name] = problem
    return cleaned, errors


def clean_secret(secret: str, kind: ProviderKind | None = None) -> str:
    """Return the secret without the spaces and line ends that pasting adds.

    A provider whose secrets have a structure looks into it: that may hold spaces and line ends.
    """
    text = secret.strip()
    if len(text) > SECRET_LENGTH:
        raise ValidationError("This is too long for a key.")
    if kind is not None and text and kind.check_secret is not None:
        if problem := kind.check_secret(text):
            raise ValidationError(problem)
        _refuse_token_uri(kind, text)
    elif text and not _VISIBLE_ASCII.fullmatch(text):
        raise ValidationError(
            "This isn't a key: it holds spaces, line breaks or letters that no key has, or is too long."
        )
    return text


def _refuse_token_uri(kind: ProviderKind, secret: str) -> None:
    """Refuse a secret that would be exchanged for a token at an address that nobody vouches for."""
    address = kind.token_uri_of(secret) if kind.token_uri_of is not None else ""
    if not address:
        return
    if not is_token_uri_allowed(address, settings.AXIOM_TOKEN_HOSTS):
        raise ValidationError(
            f"The key's token_uri must be {GOOGLE_TOKEN_URI}. The operator can allow other hosts with "
            "AXIOM_TOKEN_HOSTS."
        )
    if address.startswith("http:"):
        clean_base_url(kind, address, EgressPolicy.for_base_urls())


def needs_secret(kind: ProviderKind, config: Mapping[str, Any] | None) -> bool:
    """Tell whether a credential with these settings is of no use without a secret."""
    if not kind.secret_required or kind.secret_unless is None:
        return kind.secret_required
    name, *values = kind.secret_unless
    return (config or {}).get(name) not in values


def operator_refusal(kind: ProviderKind, config: Mapping[str, Any]) -> str | None:
    """Return why the operator's settings don't allow this configuration, None when they do.

    Asked when a credential is saved, and each time that it is made ready for use: settings change.
    """
    for field in kind.config_fields:
        value = config.get(field.name, "")
        if field.needs_setting is not None and value == field.needs_setting[0]:
            name = field.needs_setting[1]
            if not getattr(settings, name):
                return f"The operator hasn't allowed this ({name})."
        if field.kind == "path" and value and not _is_token_file(value):
            return "Token files must be in the directory that the operator names in AXIOM_TOKEN_FILES."
    return None


def _is_token_file(text: str) -> bool:
    """Tell whether a path leads below the operator's directory, with every link followed."""
    directory = settings.AXIOM_TOKEN_FILES
    path = Path(text)
    if not directory or not path.is_absolute():
        return False
    try:
        return path.resolve().is_relative_to(Path(directory).resolve()) and ".." not in path.parts
    except (OSError, RuntimeError, ValueError):
        return False


def clean_base_url(kind: ProviderKind, text: str, policy: EgressPolicy) -> str:
    """Return the address without a final slash; empty for the provider's own.

    Names are looked up when they are dialed, not here; addresses are judged here and there.
    """
    url = text.strip().rstrip("/")
    if not url:
        if not kind.base_url:
            raise ValidationError(f"{kind.label} needs the address of your own endpoint.")
        return ""
    if kind.base_url and not kind.base_url.startswith("https:"):
        raise ValidationError(f"{kind.label} has no address: leave this empty.")
    parts = _split(url)
    host = parts.hostname or ""
    _refuse_address(host, policy)
    if parts.scheme == "http" and not _is_cleartext_fine(host, policy):
        raise ValidationError(
            "Use https. Plain http is for private addresses that the operator lists in AXIOM_EGRESS_ALLOW."
        )
    return url


def _split(url: str) -> SplitResult:
    if not _VISIBLE_ASCII.fullmatch(url) or "\\" in url:
        raise ValidationError("An address holds no spaces, backslashes or letters outside ASCII.")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValidationError("This isn't an address such as https://api.example.com/v1.") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname or port == 0:
        raise ValidationError("Give an address such as https://api.example.com/v1.")
    if "@" in parts.netloc:
        raise ValidationError("Leave user name and password out of the address: the secret has a field.")
    if "?" in url or "#" in url:
        raise ValidationError("Leave out what follows ? or #.")
    return parts


def _refuse_address(host: str, policy: EgressPolicy) -> None:
    """Refuse a host that is, or is known to mean, an address that the gateway doesn't connect to."""
    if addresses := _addresses(host):
        if not any(policy.permits(address) for address in addresses):
            raise ValidationError(
                f"The gateway doesn't connect to {host}. The operator can list private addresses in "
                "AXIOM_EGRESS_ALLOW."
            )
    elif not _HOST_NAME.fullmatch(host):
        raise ValidationError(f"{host} is not the name of a host.")
    elif _NUMBER.fullmatch(host.rpartition(".")[2]):  # 2130706433, 0x7f.1: addresses in disguise
        raise ValidationError("Write an IPv4 address as four decimal numbers.")


def _is_cleartext_fine(host: str, policy: EgressPolicy) -> bool:
    if addresses := _addresses(host):
        return any(policy.lists(address) for address in addresses)
    return policy.allows_private and _PRIVATE_NAME.fullmatch(host) is not None


def _addresses(host: str) -> tuple[str, ...]:
    """Return the addresses that a host is known to mean without asking anybody."""
    if _LOOPBACK_NAME.fullmatch(host):
        return "127.0.0.1", "::1"
    try:
        return (str(ip_address(host)),)
    except ValueError:
        return ()


def clean_config(kind: ProviderKind, config: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the provider's own settings without the empty ones.

    Each error's params name the setting (`field`), for forms that show one field per setting.
    """
    values = dict(config or {})
    errors: list[ValidationError] = []
    cleaned: dict[str, Any] = {}
    for field in kind.config_fields:
        try:
            value = _clean_setting(kind, field, values.pop(field.name, ""))
            if value:
                cleaned[field.name] = value
            elif _is_required(kind, field, config or {}):
                raise ValidationError("This is required.")
        except ValidationError as problem:
            errors.append(_at_setting(field.name, field.label, problem))
    unknown = ValidationError(f"{kind.label} has no such setting.")
    errors.extend(_at_setting(name, name, unknown) for name in sorted(map(str, values)))
    if errors:
        raise ValidationError(errors)
    return cleaned


def _at_setting(name: str, label: str, problem: ValidationError) -> ValidationError:
    text = " ".join(problem.messages)
    return ValidationError("%(label)s: %(text)s", params={"field": name, "label": label, "text": text})


def _is_required(kind: ProviderKind, field: ConfigField, config: Mapping[str, Any]) -> bool:
    if field.required_with is None:
        return field.required
    other, *values = field.required_with
    default = next(item.default for item in kind.config_fields if item.name == other)
    return (config.get(other) or default) in values


def _clean_setting(kind: ProviderKind, field: ConfigField, value: Any) -> str | dict[str, str]:
    if field.kind == "mapping":
        return _clean_mapping(field, value or {})
    text = _clean_text(value)
    if field.kind == "choice" and text and text not in dict(field.choices):
        raise ValidationError(f"Choose one of: {', '.join(dict(field.choices))}.")
    if field.pattern and text and not re.fullmatch(field.pattern, text):
        raise ValidationError("This doesn't look right." + (f" {field.help_text}" if field.help_text else ""))
    if problem := operator_refusal(kind, {field.name: text}):
        raise ValidationError(problem)
    return text


def _clean_mapping(field: ConfigField, value: Any) -> dict[str, str]:
    if not isinstance(value, Mapping):
        raise ValidationError("Give pairs of names.")
    pairs = {_clean_text(name): _clean_text(entry) for name, entry in value.items()}
    if not all(pairs) or not all(pairs.values()):
        raise ValidationError("Both sides of a pair need a name.")
    if field.pattern and not all(re.fullmatch(field.pattern, entry) for entry in pairs.values()):
        raise ValidationError(f"This doesn't look right. {field.help_text}")
    return pairs


def _clean_text(value: Any) -> str:
    """Settings and names end up in headers and addresses: one line, nothing invisible."""
    if not isinstance(value, str):
        raise ValidationError("Give a text.")
    text = value.strip()
    if not text.isprintable() or len(text) > TEXT_LENGTH:
        raise ValidationError(f"Give one line of at most {TEXT_LENGTH} printable characters.")
    return text


def _clean_models(value: Any) -> list[str]:
    if not isinstance(value, list | tuple):
        raise ValidationError("Give a list of model names.")
    names = [name for entry in value if (name := _clean_text(entry))]
    if any(len(name) > MODEL_LENGTH for name in names):
        raise ValidationError(f"A model name has at most {MODEL_LENGTH} characters.")
    return list(dict.fromkeys(names))


_CLEANERS: Mapping[str, Callable[[Any], Any]] = {
    "name": _clean_text,
    "default_model": _clean_text,
    "model_list": _clean_models,
    "residency": _clean_text,
    "rotation_owner": _clean_text,
}
