"""What a weight comes to: a credential's share among those that serve the same model at the same provider."""

from collections.abc import Iterable
from decimal import Decimal

from credentials.models import ProviderCredential


def effective_share(credential: ProviderCredential, peers: Iterable[ProviderCredential]) -> Decimal | None:
    """Return the part, 0 to 1, of its group's requests that a credential gets; None when it gets none at all.

    `peers` are its organization's credentials (it may be among them). The group is that of its default model,
    else of the first in its list, else all of the provider. Limits to teams and users are not considered.
    """
    if not credential.enabled:
        return None
    model = main_model(credential)
    total = sum((peer.weight for peer in peers if _competes(peer, credential, model)), Decimal(0))
    return credential.weight / total if total else Decimal(0)


def main_model(credential: ProviderCredential) -> str:
    """Return the model whose group a credential is shown in, empty for any."""
    return credential.default_model or next(iter(credential.model_list), "")


def _competes(peer: ProviderCredential, credential: ProviderCredential, model: str) -> bool:
    if not peer.enabled or peer.provider != credential.provider:
        return False
    if peer.organization_id != credential.organization_id:
        return False
    return not model or model == peer.default_model or model in peer.model_list
