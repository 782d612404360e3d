"""AWS Bedrock: where requests go and how they are authorized, up to the bytes on the wire."""

import json
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs

import pytest

from axiom.lib.redaction import Secret
from gateway.attempts import Dispatcher, OpenedAnswer, run_plan
from gateway.errors import FailureClass, ProviderFailure
from gateway.exchange import Exchange
from gateway.providers.bedrock import ADAPTER
from gateway.providers.sigv4 import Keys, Scope, sign
from gateway.types import (
    Connection,
    CredentialSettings,
    Request,
    Step,
    Timeouts,
    Token,
    TokenSource,
    WireRequest,
)
from gateway.upstream.httptools_client import HttpToolsUpstream
from tests.fakes.upstream import FakeProvider, Script, Visit, answers, response
from tests.gateway.providers.samples import chat_request_of, embeddings_request_of
from tests.gateway.targets import caller, target
from tests.gateway.upstream.conftest import LoopbackPolicy

TEMPLATE = "https://bedrock-runtime.{region}.amazonaws.com"
MODEL = "us.anthropic.claude-haiku-4-5-20251001-v1:0"
ARN = "arn:aws:bedrock:us-east-1:111122223333:prompt-router/abc123"
ROLE = {
    "auth": "assume_role",
    "access_key_id": "AKIDBASE",
    "role_arn": "arn:aws:iam::111122223333:role/llm",
    "region": "eu-west-1",
}
EXPIRY = 2_000_000_000.0
NOW = 1_900_000_000.0
CREDENTIALS = {
    "AccessKeyId": "ASIAROLE",
    "SecretAccessKey": "role-secret",
    "SessionToken": "role-session",
    "Expiration": EXPIRY,
}
ANSWER = b'{"output":{"message":{"role":"assistant","content":[{"text":"Hi"}]}},"stopReason":"end_turn"}'


def connect(secret: str = "secret", base_url: str = TEMPLATE, **config: Any) -> Connection:
    return ADAPTER.connect(CredentialSettings("bedrock", base_url, Secret(secret), config))


def role_answer(**members: Any) -> bytes:
    found = {"AssumeRoleResult": {"Credentials": CREDENTIALS | members}}
    return json.dumps({"AssumeRoleResponse": found}).encode()


def source_of(connection: Connection) -> TokenSource:
    assert connection.token_source is not None
    return connection.token_source


# Addresses and kinds.


@pytest.mark.parametrize(
    ("base_url", "config", "address"),
    [
        (TEMPLATE, {"region": "eu-west-1"}, "https://bedrock-runtime.eu-west-1.amazonaws.com"),
        (TEMPLATE, {"region": "cn-north-1"}, "https://bedrock-runtime.cn-north-1.amazonaws.com.cn"),
        ("", {"region": "eu-west-1"}, "https://bedrock-runtime.eu-west-1.amazonaws.com"),
        ("https://vpce.example/base/", {"region": "eu-west-1"}, "https://vpce.example/base"),
        ("http://127.0.0.1:9", {}, "http://127.0.0.1:9"),
    ],
)
def test_the_address_is_the_regions_or_the_credentials(
    base_url: str, config: dict[str, Any], address: str
) -> None:
    connection = connect(base_url=base_url, **config)
    assert connection.base_url == address
    assert connection.chat_url == f"{address}/model/"


def test_an_api_key_is_a_header_and_nothing_else() -> None:
    connection = connect("KEY", region="eu-west-1")
    assert ("authorization", "Bearer KEY") in connection.headers
    assert ("authorization", "Bearer KEY") in connection.options["stream_headers"]
    assert connection.authorize is None
    assert connection.token_source is None
    assert "KEY" not in repr(connection)


def signed_by(connection: Connection, token: Token | None = None) -> dict[str, str]:
    assert connection.authorize is not None
    wire = WireRequest("https://a.example/model/m/converse", connection.headers, b"{}")
    return dict(connection.authorize(wire, token, NOW).headers)


def test_access_keys_sign() -> None:
    headers = signed_by(connect(auth="access_key", access_key_id="AKID", region="eu-west-1"))
    assert headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKID/")
    assert "/eu-west-1/bedrock/aws4_request, " in headers["authorization"]
    assert "x-amz-security-token" not in headers


def test_temporary_keys_bring_their_session() -> None:
    headers = signed_by(
        connect("secret:session==", auth="access_key", access_key_id="ASIA", region="eu-west-1")
    )
    assert headers["x-amz-security-token"] == "session=="
    assert "x-amz-security-token" in headers["authorization"]


@pytest.mark.parametrize(
    ("base_url", "region"),
    [
        ("https://bedrock-runtime.ap-south-1.amazonaws.com", "ap-south-1"),
        ("https://bedrock-runtime-fips.us-gov-west-1.amazonaws.com", "us-gov-west-1"),
        ("https://vpce.example", "us-east-1"),
    ],
)
def test_a_region_that_was_not_given_is_the_addresss(base_url: str, region: str) -> None:
    headers = signed_by(connect(base_url=base_url, auth="access_key", access_key_id="AKID"))
    assert f"/{region}/bedrock/" in headers["authorization"]


# Roles.


def test_a_role_is_assumed_by_a_signed_form() -> None:
    source = source_of(connect("base-secret", **ROLE, external_id="ext/1"))
    assert source.build is not None
    wire = source.build(NOW)
    assert (wire.method, wire.url) == ("POST", "https://sts.eu-west-1.amazonaws.com/")
    assert parse_qs(wire.body.decode()) == {
        "Action": ["AssumeRole"],
        "Version": ["2011-06-15"],
        "RoleArn": ["arn:aws:iam::111122223333:role/llm"],
        "RoleSessionName": ["axiom-llm-gateway"],
        "DurationSeconds": ["3600"],
        "ExternalId": ["ext/1"],
    }
    headers = dict(wire.headers)
    assert headers["accept"] == "application/json"
    assert "/eu-west-1/sts/aws4_request" in headers["authorization"]
    bare = WireRequest(wire.url, wire.headers[:2], wire.body)
    assert sign(bare, Keys("AKIDBASE", "base-secret"), Scope("eu-west-1", "sts"), NOW) == wire


def test_without_an_external_id_none_is_sent() -> None:
    source = source_of(connect(**ROLE))
    assert source.build is not None
    assert b"ExternalId" not in source.build(NOW).body


@pytest.mark.parametrize(
    "body",
    [
        role_answer(),
        role_answer(Expiration=int(EXPIRY)),
        b"<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>ASIAROLE</AccessKeyId>"
        b"<SecretAccessKey>role-secret</SecretAccessKey><SessionToken>role-session</SessionToken>"
        b"<Expiration>2033-05-18T03:33:20Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>",
    ],
)
def test_the_roles_keys_are_read_with_their_end(body: bytes) -> None:
    token = source_of(connect(**ROLE)).parse(200, body, NOW)
    assert token == Token(Keys("ASIAROLE", "role-secret", "role-session"), EXPIRY)
    assert "role-secret" not in repr(token)


def test_the_roles_keys_sign() -> None:
    connection = connect(**ROLE)
    headers = signed_by(connection, source_of(connection).parse(200, role_answer(), NOW))
    assert "Credential=ASIAROLE/" in headers["authorization"]
    assert headers["x-amz-security-token"] == "role-session"


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b"[]", b"null", b"<html>", b"\xff", role_answer(AccessKeyId=""), role_answer(SessionToken=5),
     role_answer(Expiration="soon"), role_answer(Expiration=None), role_answer(Expiration=True), b"[" * 5000],
)  # fmt: skip
def test_what_is_no_answer_of_sts_is_a_failure(body: bytes) -> None:
    with pytest.raises(ProviderFailure) as caught:
        source_of(connect(**ROLE)).parse(200, body, NOW)
    assert caught.value.failure.kind is FailureClass.SERVER_ERROR


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (403, "AccessDenied", FailureClass.AUTH),
        (403, "InvalidClientTokenId", FailureClass.AUTH),
        (400, "Throttling", FailureClass.RATE_LIMIT),
        (503, "ServiceUnavailable", FailureClass.SERVER_ERROR),
    ],
)
def test_what_sts_refuses_is_the_credentials_fault(status: int, code: str, kind: FailureClass) -> None:
    message = "User: arn:aws:iam::111122223333:user/x may not"
    for body in (
        json.dumps({"Error": {"Code": code, "Message": message}}),
        f"<ErrorResponse><Error><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>",
    ):
        with pytest.raises(ProviderFailure) as caught:
            source_of(connect(**ROLE)).parse(status, body.encode(), NOW)
        failure = caught.value.failure
        assert (failure.kind, failure.message) == (
            kind,
            "The role could not be assumed. User: [redacted] may not",
        )


def test_tokens_are_kept_by_who_assumes_what() -> None:
    key = source_of(connect(**ROLE)).key
    assert key
    assert source_of(connect(**ROLE)).key == key
    others = [
        connect("other", **ROLE),
        connect(**ROLE, external_id="x"),
        connect(**{**ROLE, "region": "us-east-1"}),
    ]
    assert key not in {source_of(other).key for other in others}


# The bytes on the wire.


@pytest.fixture
async def dispatcher() -> AsyncIterator[Dispatcher]:
    upstream = HttpToolsUpstream(LoopbackPolicy())
    yield Dispatcher(upstream, Timeouts(connect=2, first_byte=2, idle=2))
    await upstream.close()


async def ask(dispatcher: Dispatcher, connection: Connection, request: Request, model: str = MODEL) -> Any:
    step = Step(target(1, "bedrock", adapter=ADAPTER, connection=connection), model)
    exchange = Exchange(id="r", endpoint="chat", caller=caller(), arrived=0.0, started_at=0.0)
    exchange.request = request
    opened = await run_plan([step], exchange, dispatcher, lambda attempt: None)
    assert isinstance(opened, OpenedAnswer)
    return json.loads(opened.answer.body)


def chat(model: str = MODEL) -> Request:
    return chat_request_of({"model": model, "messages": [{"role": "user", "content": "Hi"}]})


def head_of(request: bytes) -> tuple[str, dict[str, str]]:
    line, *fields = request.partition(b"\r\n\r\n")[0].decode().split("\r\n")
    return line.split(" ")[1], dict(field.lower().split(": ", 1) for field in fields)


@pytest.mark.parametrize(
    ("model", "path"),
    [
        (MODEL, "/model/us.anthropic.claude-haiku-4-5-20251001-v1%3A0/converse"),
        (ARN, "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A111122223333%3Aprompt-router%2Fabc123/converse"),
    ],
)
async def test_the_path_that_is_sent_is_the_one_that_was_signed(
    dispatcher: Dispatcher, model: str, path: str
) -> None:
    async with FakeProvider(answers(response(ANSWER))) as provider:
        base_url = f"http://127.0.0.1:{provider.port}"
        connection = connect(base_url=base_url, auth="access_key", access_key_id="AKID", region="us-east-1")
        found = await ask(dispatcher, connection, chat(model), model)
    assert found["choices"][0]["message"]["content"] == "Hi"
    sent_path, headers = head_of(provider.requests[0])
    assert sent_path == path
    assert headers["host"] == f"127.0.0.1:{provider.port}"
    received = WireRequest(
        base_url + sent_path,
        (("content-type", headers["content-type"]),),
        provider.requests[0].partition(b"\r\n\r\n")[2],
    )
    stamp = headers["x-amz-date"].upper()
    assert _signature(received, stamp) == headers["authorization"].rpartition("=")[2]


def _signature(received: WireRequest, stamp: str) -> str:
    now = datetime.fromisoformat(stamp).timestamp()
    signed = sign(received, Keys("AKID", "secret"), Scope("us-east-1", "bedrock"), now)
    return dict(signed.headers)["authorization"].rpartition("=")[2]


def _in_turn(*raws: bytes) -> Script:
    """Answer the requests in turn, on whatever connection they come."""
    left = list(raws)

    async def script(visit: Visit) -> None:
        while True:
            await visit.request()
            await visit.send(left.pop(0))

    return script


async def test_refused_keys_of_a_role_are_renewed_once(dispatcher: Dispatcher) -> None:
    refused = response(
        b'{"message":"The security token included in the request is expired"}',
        status="403 Forbidden",
        headers=("x-amzn-errortype: ExpiredTokenException",),
    )
    second = role_answer(AccessKeyId="ASIASECOND")
    script = _in_turn(response(role_answer()), refused, response(second), response(ANSWER), response(ANSWER))
    async with FakeProvider(script) as provider:
        base_url = f"http://127.0.0.1:{provider.port}"
        connection = connect(base_url=base_url, sts_url=base_url, **ROLE)
        await ask(dispatcher, connection, chat())
        await ask(dispatcher, connection, chat())
    heads = [head_of(request) for request in provider.requests]
    assert [path == "/" for path, _ in heads] == [True, False, True, False, False]
    assert "credential=asiarole/" in heads[1][1]["authorization"]
    assert all("credential=asiasecond/" in headers["authorization"] for _, headers in heads[3:])


async def test_a_permission_that_is_missing_renews_nothing(dispatcher: Dispatcher) -> None:
    denied = response(
        b'{"message":"no"}', status="403 Forbidden", headers=("x-amzn-errortype: AccessDeniedException",)
    )
    async with FakeProvider(_in_turn(response(role_answer()), denied)) as provider:
        base_url = f"http://127.0.0.1:{provider.port}"
        with pytest.raises(ProviderFailure) as caught:
            await ask(dispatcher, connect(base_url=base_url, sts_url=base_url, **ROLE), chat())
    assert caught.value.failure.kind is FailureClass.PERMISSION
    assert len(provider.requests) == 2


# Embeddings of several texts.

TITAN = "amazon.titan-embed-text-v2:0"


async def _embeds(visit: Visit) -> None:
    """A Titan: the vector has the text's number in it."""
    while True:
        request = await visit.request()
        text = json.loads(request.partition(b"\r\n\r\n")[2])["inputText"]
        if text == "bad":
            await visit.send(response(b'{"message":"Busy"}', status="503 x"))
        else:
            vector = {"embedding": [float(text)], "inputTextTokenCount": 2}
            await visit.send(response(json.dumps(vector).encode()))


async def test_a_list_of_texts_becomes_as_many_requests(dispatcher: Dispatcher) -> None:
    request = embeddings_request_of({"model": TITAN, "input": [str(number) for number in range(20)]})
    async with FakeProvider(_embeds) as provider:
        connection = connect(base_url=f"http://127.0.0.1:{provider.port}", region="us-east-1")
        found = await ask(dispatcher, connection, request, TITAN)
    assert [each["embedding"] for each in found["data"]] == [[float(number)] for number in range(20)]
    assert found["usage"] == {"prompt_tokens": 40, "total_tokens": 40}
    assert len(provider.requests) == 20
    assert len(provider.visits) <= 9


async def test_the_first_failure_of_many_fails_the_call(dispatcher: Dispatcher) -> None:
    request = embeddings_request_of({"model": TITAN, "input": ["1", "2", "bad", *["3"] * 50]})
    async with FakeProvider(_embeds) as provider:
        connection = connect(base_url=f"http://127.0.0.1:{provider.port}", region="us-east-1")
        with pytest.raises(ProviderFailure) as caught:
            await ask(dispatcher, connection, request, TITAN)
    assert caught.value.failure.kind is FailureClass.OVERLOADED
    assert len(provider.requests) < 40
