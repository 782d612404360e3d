"""AWS signatures, against recorded ones of the official SDK."""

from datetime import datetime
from typing import Any

import pytest

from gateway.providers.sigv4 import Keys, Scope, canonical_request, sign
from gateway.types import WireRequest
from tests.gateway.providers.cases import cases

ROWS = cases("bedrock", "sigv4")[0].about["rows"]
KEYS = Keys("AKID", "secret-key", "session")
SCOPE = Scope("us-east-1", "bedrock")
NOW = 1795435200.0
WIRE = WireRequest("https://a.example/model/m%3A0/converse", (("content-type", "application/json"),), b"{}")


@pytest.mark.parametrize("row", ROWS, ids=lambda row: str(row["session_token"]))
def test_a_signature_is_the_one_of_the_sdk(row: dict[str, Any]) -> None:
    now = datetime.fromisoformat(row["amz_date"]).timestamp()
    headers = (("content-type", row["content_type"]), ("accept", "application/json"), ("user-agent", "u"))
    wire = WireRequest(row["url"], headers, row["body"].encode(), method=row["method"])
    keys = Keys(row["access_key"], row["secret_key"], row["session_token"] or "")
    signed = sign(wire, keys, Scope(row["region"], row["service"]), now)
    found = dict(signed.headers)
    assert found["authorization"] == row["authorization"]
    assert found["x-amz-date"] == row["amz_date"]
    assert found.get("x-amz-security-token") == row["session_token"]
    added = [(name, value) for name, value in signed.headers if name.startswith("x-amz-")]
    assert canonical_request(wire, added)[0] == row["canonical_request"]
    assert (signed.url, signed.body, signed.headers[:3]) == (wire.url, wire.body, headers)


def signature(wire: WireRequest, scope: Scope = SCOPE, now: float = NOW) -> str:
    return dict(sign(wire, KEYS, scope, now).headers)["authorization"].rpartition("=")[2]


@pytest.mark.parametrize(
    "other",
    [
        WireRequest(WIRE.url, WIRE.headers, b"{ }"),
        WireRequest(WIRE.url.replace("%3A", ":"), WIRE.headers, b"{}"),
        WireRequest(WIRE.url.replace("a.example", "b.example"), WIRE.headers, b"{}"),
        WireRequest(WIRE.url.replace("a.example", "a.example:8443"), WIRE.headers, b"{}"),
        WireRequest(WIRE.url, (("content-type", "text/plain"),), b"{}"),
        WireRequest(WIRE.url, WIRE.headers, b"{}", method="PUT"),
    ],
)
def test_whatever_is_signed_counts(other: WireRequest) -> None:
    assert signature(other) != signature(WIRE)


def test_what_a_proxy_may_touch_does_not_count() -> None:
    other = WireRequest(
        WIRE.url.replace("a.example", "A.Example:443"), (*WIRE.headers, ("accept", "x")), b"{}"
    )
    assert signature(other) == signature(WIRE)


def test_region_service_and_time_count() -> None:
    others = {signature(WIRE, scope) for scope in (Scope("eu-west-1", "bedrock"), Scope("us-east-1", "sts"))}
    others |= {signature(WIRE, now=NOW + 1), signature(WIRE, now=NOW + 86400)}
    assert len(others | {signature(WIRE)}) == 5


def test_keys_are_not_shown() -> None:
    assert "secret-key" not in repr(KEYS)
    assert "session" not in repr(KEYS).replace("session_token", "")
