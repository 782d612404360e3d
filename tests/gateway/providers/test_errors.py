"""Error answers: every recorded one gets the class of the manifest, and nothing secret gets through."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import FAILURES, MESSAGE_LIMIT, Failure, FailureClass, ProviderFailure
from gateway.providers.registry import ADAPTERS
from tests.gateway.providers.samples import WIRE, Sample, sample, samples

Kind = FailureClass

# The manifests' words for what happened. `tool_failed` may be tried again, but is the caller's prompt all the
# same; `config` is a wrong deployment or API version, which the next target may not have.
CLASSES = {
    "auth": Kind.AUTH,
    "auth_or_quota": Kind.AUTH,
    "permission": Kind.PERMISSION,
    "quota": Kind.BILLING,
    "model_not_found": Kind.NOT_FOUND,
    "not_found": Kind.NOT_FOUND,
    "config": Kind.NOT_FOUND,
    "bad_request": Kind.INVALID_REQUEST,
    "tool_failed": Kind.INVALID_REQUEST,
    "context_length": Kind.CONTEXT_LENGTH,
    "too_large": Kind.TOO_LARGE,
    "content_filter": Kind.CONTENT_FILTER,
    "rate_limit": Kind.RATE_LIMIT,
    "overloaded": Kind.OVERLOADED,
    "server": Kind.SERVER_ERROR,
    "timeout": Kind.TIMEOUT,
}
# What a gateway like this one says, when it is itself the provider.
OURS = {
    "errors/429_budget_exceeded.json": Kind.BILLING,
    "errors/502_bad_gateway.json": Kind.SERVER_ERROR,
    "errors/504_timeout.json": Kind.TIMEOUT,
}
ERRORS = samples("error")


def parse(status: int, body: Any, headers: dict[str, str] | None = None, slug: str = "openai") -> Failure:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return ADAPTERS[slug].parse_error(status, headers or {}, raw)


def parse_sample(each: Sample) -> Failure:
    found = each.json
    raw = json.dumps(found["body"]).encode()
    return each.adapter.parse_error(found["status"], found["headers"], raw)


def envelope(**members: Any) -> dict[str, Any]:
    return {"error": {"message": "m", "type": "t", "param": None, "code": None} | members}


@pytest.mark.parametrize("each", ERRORS, ids=str)
def test_an_error_gets_the_class_of_the_manifest(each: Sample) -> None:
    expected = OURS.get(each.file) or CLASSES[each.about["class"]]
    failure = parse_sample(each)
    assert failure.kind is expected
    assert failure.message
    assert "returned HTTP" not in failure.message  # all of them say something


@pytest.mark.parametrize("each", ERRORS, ids=str)
def test_the_next_target_is_tried_exactly_where_the_manifest_says_so(each: Sample) -> None:
    falls_back = FAILURES[parse_sample(each).kind].falls_back
    if each.about["action"] in ("next_credential", "next_target"):
        assert falls_back
    elif each.about["action"] in ("fail", "fail_or_policy", "next_target_if_larger"):
        assert not falls_back


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("compat/errors/groq_400_unsupported.json", "property 'logit_bias' is unsupported"),
        ("compat/errors/mistral_401.json", "Unauthorized"),
        ("compat/errors/mistral_422.json", "body.max_completion_tokens: Extra inputs are not permitted"),
        ("compat/errors/cerebras_400.json", "'logit_bias' is not supported by this model"),
        ("compat/errors/hf_401.json", "Invalid username or password."),
        ("compat/errors/fastapi_422.json", "body.messages: Field required"),
        (
            "compat/errors/openrouter_429_upstream.json",
            "Provider returned error: model is temporarily rate-limited upstream",
        ),
        ("compat/errors/xai_401.json", "Incorrect API key provided: [redacted]"),
        (
            "azure/errors/401_statuscode_shape.json",
            "Unauthorized. Access token is missing, invalid, audience is incorrect, or have expired.",
        ),
        ("openai/errors/messages_429.json", "Rate limited"),
    ],
)  # fmt: skip
def test_the_message_is_found_wherever_the_provider_puts_it(name: str, message: str) -> None:
    folder, _, file = name.partition("/")
    assert parse_sample(sample(folder, file)).message == message


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"error": {"message": {"why": "x"}}}, '{"why":"x"}'),
        ({"errors": ["first", "second"]}, "first"),
        ({"errors": [{"message": "m"}]}, '{"message":"m"}'),
        ({"detail": ["a", {"msg": "b"}, {"loc": ["body", 0], "msg": "c"}]}, "a; b; body.0: c"),
        ({"message": "m", "detail": "d"}, "m"),
        ({"error": {}}, "The provider returned HTTP 400."),
        ({}, "The provider returned HTTP 400."),
        ("text", "The provider returned HTTP 400."),
        (None, "The provider returned HTTP 400."),
    ],
)
def test_other_shapes_are_read_too(body: Any, message: str) -> None:
    assert parse(400, body).message == message


@pytest.mark.parametrize(
    ("path", "status", "kind"),
    [
        ("openai/errors/html_502.txt", 502, Kind.SERVER_ERROR),
        ("compat/errors/perplexity_401.txt", 401, Kind.AUTH),
    ],
)
def test_a_proxys_html_never_reaches_the_caller(path: str, status: int, kind: FailureClass) -> None:
    body = (WIRE / path).read_bytes().partition(b"\n\n")[2]
    failure = parse(status, body)
    assert (failure.kind, failure.message) == (kind, f"The provider returned HTTP {status}.")


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (302, Kind.SERVER_ERROR), (400, Kind.INVALID_REQUEST), (405, Kind.INVALID_REQUEST),
        (409, Kind.SERVER_ERROR), (418, Kind.INVALID_REQUEST), (424, Kind.SERVER_ERROR),
        (498, Kind.OVERLOADED), (500, Kind.SERVER_ERROR), (520, Kind.SERVER_ERROR), (529, Kind.SERVER_ERROR),
    ],
)  # fmt: skip
def test_statuses_alone_decide_where_there_is_no_code(status: int, kind: FailureClass) -> None:
    assert parse(status, b"").kind is kind


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (413, envelope(code="rate_limit_exceeded"), Kind.RATE_LIMIT),
        (401, envelope(code="insufficient_quota"), Kind.BILLING),
        (400, {"code": "x", "error": "Incorrect API key provided"}, Kind.AUTH),
        (403, {"error": "Your team has no credits left."}, Kind.BILLING),
        (403, {"error": "Forbidden"}, Kind.PERMISSION),
        (400, envelope(type="content_filter"), Kind.CONTENT_FILTER),
        (500, envelope(message="maximum context length"), Kind.SERVER_ERROR),
        (422, {"error": "`inputs` tokens + `max_new_tokens` must be <= 4096"}, Kind.CONTEXT_LENGTH),
    ],
)  # fmt: skip
def test_a_code_outranks_the_status(status: int, body: Any, kind: FailureClass) -> None:
    assert parse(status, body).kind is kind


# What the caller sees.


@pytest.mark.parametrize(
    ("file", "code", "param"),
    [
        ("400_missing_messages.json", "missing_required_parameter", "messages"),
        ("400_unsupported_parameter.json", "unsupported_parameter", "max_tokens"),
        ("400_unsupported_value.json", "unsupported_value", "temperature"),
        ("400_context_length.json", "context_length_exceeded", "messages"),
        ("400_content_policy.json", "content_policy_violation", None),
        ("422_unprocessable.json", "invalid_value", "messages[0].content"),
        ("404_model.json", "model_not_found", None),
        ("400_bad_json.json", "invalid_request", None),
        ("401_invalid_api_key.json", "upstream_auth_failed", None),
        ("403_forbidden.json", "upstream_permission_denied", None),
        ("429_rate_limit.json", "rate_limit_exceeded", None),
        ("500_server.json", "upstream_error", None),
    ],
)
def test_openais_own_codes_and_params_reach_the_caller(file: str, code: str, param: str | None) -> None:
    problem = ProviderFailure(parse_sample(sample("openai", f"errors/{file}")))
    assert (problem.code, problem.param) == (code, param)


@pytest.mark.parametrize("code", ["tool_use_failed", "wrong_api_format", "3230", 400, None, ["x"]])
def test_codes_that_openai_does_not_have_are_replaced_by_ours(code: Any) -> None:
    assert ProviderFailure(parse(400, envelope(code=code))).code == "invalid_request"


def test_azures_filter_verdict_is_kept_for_the_caller() -> None:
    each = sample("azure", "errors/400_content_filter.json")
    problem = ProviderFailure(parse_sample(each))
    shown = json.loads(problem.body())["error"]
    assert (problem.status, shown["code"]) == (400, "content_filter")
    assert shown["innererror"] == each.json["body"]["error"]["innererror"]


@pytest.mark.parametrize(
    "secret",
    [
        "sk-proj-abcdefghijklmnop",
        "gsk_abcdefghijklmnop",
        "org-Abc123Def456",
        "ann@example.com",
        "Bearer abcdefgh1jk",
    ],
)
@pytest.mark.parametrize("member", ["message", "param"])
def test_what_looks_like_a_secret_is_redacted(secret: str, member: str) -> None:
    failure = parse(400, envelope(**{member: f"about {secret} here"}))
    assert secret not in f"{failure.message}{failure.param}"
    assert "[redacted]" in f"{failure.message}{failure.param}"


def test_an_echoed_key_of_any_form_is_redacted() -> None:
    failure = parse(401, envelope(message="Incorrect API key provided: weird-form. See the docs."))
    assert failure.message == "Incorrect API key provided: [redacted] See the docs."


def test_long_messages_are_cut_after_redaction() -> None:
    text = "x " * 499 + "sk-proj-" + "a" * 100
    failure = parse(400, envelope(message=text))
    assert len(failure.message) <= MESSAGE_LIMIT
    assert "sk-" not in failure.message


# Waiting.


@pytest.mark.parametrize(
    ("name", "seconds"),
    [
        ("openai/errors/429_rate_limit.json", 0.12),
        ("openai/errors/503_overloaded.json", 2.0),
        ("openai/errors/429_insufficient_quota.json", None),
        ("compat/errors/groq_429.json", 2.0),
        ("compat/errors/groq_413_tpm.json", None),
        ("compat/errors/cerebras_429.json", 11.38),
        ("compat/errors/mistral_429.json", None),
        ("azure/errors/429_tokens.json", 45.0),
        ("azure/errors/429_ratelimit_code.json", 3.0),
    ],
)
def test_the_wait_that_a_provider_names_is_known(name: str, seconds: float | None) -> None:
    folder, _, file = name.partition("/")
    assert parse_sample(sample(folder, file)).retry_after == seconds


def test_a_rate_limits_reset_is_no_wait_for_other_failures() -> None:
    assert parse(500, b"", {"x-ratelimit-reset-tokens": "5"}).retry_after is None


# Anything at all.


@given(st.integers(100, 999), st.binary(max_size=100))
def test_no_bytes_raise(status: int, body: bytes) -> None:
    assert parse(status, body).message


@given(
    st.integers(400, 599),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["error", "message", "detail", "errors", "code", "type", "param", "metadata", "raw", "loc",
                 "msg", "innererror", "x_groq", "error_type", "status_code"]
            ),
            inner,
        ),
        max_leaves=15,
    ),
)  # fmt: skip
def test_no_json_raises(status: int, document: Any) -> None:
    problem = ProviderFailure(parse(status, document))
    assert json.loads(problem.body())["error"]["message"]


def test_no_depth_of_nesting_raises() -> None:
    for depth in [*range(500, 1000), 100_000]:
        deep = b'{"error":{"message":{"a":' + b"[" * depth + b"]" * depth + b"}}}"
        assert parse(400, deep).kind is Kind.INVALID_REQUEST
