"""169.254.169.254: for token requests only, by its own address, and only if the operator says so."""

from typing import Any

import pytest
from django.test import override_settings

from axiom.lib.egress import METADATA_SERVER, EgressPolicy
from credentials.kinds import KINDS
from credentials.validation import clean_fields
from gateway.upstream.dial import EgressDenied, Resolver
from tests.gateway.upstream.test_egress_dial import finds

EVERYTHING = ("0.0.0.0/0", "::/0")
OTHERS = ("169.254.169.253", "169.254.0.1", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "fd00:ec2::254")


@pytest.mark.parametrize("listed", [(), EVERYTHING])
def test_it_is_refused_unless_the_operator_turns_it_on_and_then_only_it_is_permitted(
    listed: Any,
) -> None:
    off, on = EgressPolicy(listed), EgressPolicy(listed, metadata_server=True)
    assert off.permits(METADATA_SERVER) is False
    assert on.permits(METADATA_SERVER) is True
    assert on.lists(METADATA_SERVER) is False
    assert not [address for address in OTHERS if on.permits(address)]


async def test_no_name_leads_to_it() -> None:
    resolver: Any = Resolver(EgressPolicy(EVERYTHING, metadata_server=True), finds(METADATA_SERVER))  # type: ignore[arg-type]
    assert await resolver.addresses(METADATA_SERVER, 80)
    for name in ("provider.example", "2852039166", "0xa9fea9fe", "169.254.169.254.nip.example"):
        with pytest.raises(EgressDenied):
            await resolver.addresses(name, 80)


def test_no_credential_has_it_for_its_address() -> None:
    with override_settings(AXIOM_METADATA_SERVER=True, AXIOM_EGRESS_ALLOW=EVERYTHING):
        assert EgressPolicy.from_settings().permits(METADATA_SERVER) is True
        values = {"provider": "ollama", "config": {}, "base_url": f"http://{METADATA_SERVER}/v1"}
        _, errors = clean_fields(values)
    assert errors.keys() == {"base_url"}
    assert "ollama" in KINDS
