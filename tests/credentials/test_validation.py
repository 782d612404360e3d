from typing import Any

import pytest
from django.core.exceptions import ValidationError

from axiom.lib.egress import EgressPolicy
from credentials.kinds import KINDS
from credentials.provider_kind import ConfigField, ProviderKind
from credentials.validation import clean_base_url, clean_config, clean_fields, clean_secret

NOTHING = EgressPolicy([])
LOOPBACK = EgressPolicy(["127.0.0.0/8", "10.1.0.0/16", "fd00:1::/32"])
OPENAI, AZURE, OLLAMA, SANDBOX = (KINDS[slug] for slug in ("openai", "azure", "ollama", "sandbox"))


def complaint(kind: ProviderKind, url: str, policy: EgressPolicy = NOTHING) -> str:
    with pytest.raises(ValidationError) as caught:
        clean_base_url(kind, url, policy)
    (message,) = caught.value.messages
    return message


@pytest.mark.parametrize(
    ("url", "stored"),
    [
        ("", ""),
        ("  ", ""),
        ("https://eu.api.openai.com/v1", "https://eu.api.openai.com/v1"),
        (" https://proxy.example/openai/v1/ ", "https://proxy.example/openai/v1"),
        ("https://proxy.example:8443", "https://proxy.example:8443"),
        ("HTTPS://Proxy.Example/v1", "HTTPS://Proxy.Example/v1"),
        ("https://1.1.1.1/v1", "https://1.1.1.1/v1"),
        ("https://[2606:4700::1]/v1", "https://[2606:4700::1]/v1"),
        ("https://my_host-1.example/v1", "https://my_host-1.example/v1"),
        ("https://xn--bcher-kva.example", "https://xn--bcher-kva.example"),
    ],
)
def test_addresses_that_are_fine(url: str, stored: str) -> None:
    assert clean_base_url(OPENAI, url, NOTHING) == stored


def test_a_provider_without_an_address_of_its_own_needs_one() -> None:
    assert complaint(AZURE, "") == "Azure OpenAI needs the address of your own endpoint."
    assert complaint(OLLAMA, " / ") == "Ollama needs the address of your own endpoint."


def test_the_sandbox_has_no_address() -> None:
    assert clean_base_url(SANDBOX, "", NOTHING) == ""
    assert "leave this empty" in complaint(SANDBOX, "https://sandbox.example")


@pytest.mark.parametrize(
    "url",
    [
        "api.openai.com/v1",
        "ftp://files.example",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "sandbox://local",
        "https://",
        "https:///v1",
        "https://host.example:99999",
        "https://host.example:0",
        "https://host.example:port",
        "https://[::1",
    ],
)
def test_what_is_no_http_address_is_refused(url: str) -> None:
    assert "such as https://api.example.com/v1" in complaint(OPENAI, url)


@pytest.mark.parametrize(
    "url",
    [
        "https://a b.example",
        "https://a.example/\nX-Injected: 1",
        "https://a.example\\@b.example",
        "https://bücher.example",
        "https://a.example/\x00",
    ],
)
def test_spaces_control_characters_and_letters_outside_ascii_are_refused(url: str) -> None:
    assert complaint(OPENAI, url) == "An address holds no spaces, backslashes or letters outside ASCII."


@pytest.mark.parametrize("userinfo", ["user@", "user:pass@", "@", ":@"])
def test_user_name_and_password_are_refused_and_not_repeated(userinfo: str) -> None:
    message = complaint(OPENAI, f"https://{userinfo}host.example/v1")
    assert "Leave user name and password out" in message
    assert "pass@" not in message


@pytest.mark.parametrize("tail", ["?api-version=1", "?", "#part", "#"])
def test_query_and_fragment_are_refused(tail: str) -> None:
    assert complaint(OPENAI, f"https://host.example/v1{tail}") == "Leave out what follows ? or #."


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "10.0.0.1",
        "192.168.1.1",
        "172.16.0.1",
        "100.64.0.1",
        "169.254.169.254",
        "0.0.0.0",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "[fe80::1]",
        "[fd00:ec2::254]",
        "localhost",
        "LOCALHOST",
        "ollama.localhost",
    ],
)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_private_addresses_are_refused_and_the_setting_named(scheme: str, host: str) -> None:
    message = complaint(OLLAMA, f"{scheme}://{host}:11434/v1")
    assert "AXIOM_EGRESS_ALLOW" in message
    assert "doesn't connect to" in message


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "10.1.2.3", "[::ffff:10.1.2.3]", "[fd00:1::5]", "box.localhost"]
)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_private_addresses_that_are_listed_are_fine_even_without_tls(scheme: str, host: str) -> None:
    url = f"{scheme}://{host}:11434/v1"
    assert clean_base_url(OLLAMA, url, LOOPBACK) == url


def test_metadata_addresses_are_refused_even_when_listed() -> None:
    everything = EgressPolicy(["0.0.0.0/0", "::/0"])
    for host in ("169.254.169.254", "[fd00:ec2::254]", "0.0.0.0"):
        assert "doesn't connect to" in complaint(OLLAMA, f"http://{host}/v1", everything)


@pytest.mark.parametrize(
    "host", ["2130706433", "0x7f000001", "0x7f.1", "127.1", "0177.0.0.1", "1.2.3.4.5", "0x"]
)
def test_addresses_in_disguise_are_refused_even_when_listed(host: str) -> None:
    assert (
        complaint(OLLAMA, f"http://{host}/v1", LOOPBACK) == "Write an IPv4 address as four decimal numbers."
    )


@pytest.mark.parametrize(
    "host",
    ["localhost.", "127.0.0.1.", "host.example.", "-a.example", "a..example", "a-.example", "a%2e.example"],
)
def test_what_is_no_host_name_is_refused(host: str) -> None:
    assert "is not the name of a host" in complaint(OPENAI, f"https://{host}/v1", LOOPBACK)


@pytest.mark.parametrize("host", ["api.openai.com", "1.1.1.1", "ollama.ai", "[2606:4700::1]"])
def test_plain_http_to_the_public_is_refused(host: str) -> None:
    for policy in (NOTHING, LOOPBACK):
        assert complaint(OPENAI, f"http://{host}/v1", policy).startswith("Use https.")


@pytest.mark.parametrize(
    "host", ["ollama", "vllm.models.svc.cluster.local", "gpu1.corp", "nas.home.arpa", "a.SVC"]
)
def test_plain_http_to_a_private_name_is_fine_where_something_private_is_listed(host: str) -> None:
    url = f"http://{host}:8000/v1"
    assert clean_base_url(OLLAMA, url, LOOPBACK) == url
    assert complaint(OLLAMA, url, NOTHING).startswith("Use https.")


@pytest.mark.parametrize(("secret", "stored"), [("", ""), ("  \n", ""), (" sk-1234\r\n", "sk-1234")])
def test_a_pasted_secret_loses_the_space_around_it(secret: str, stored: str) -> None:
    assert clean_secret(secret) == stored


@pytest.mark.parametrize("secret", ["sk-12 34", "sk-12\n34", "sk-12\x0034", "schlüssel", "s" * 8193])
def test_what_cannot_be_a_key_is_refused_and_not_repeated(secret: str) -> None:
    with pytest.raises(ValidationError) as caught:
        clean_secret(secret)
    assert secret not in str(caught.value)


def config_complaint(kind: ProviderKind, config: dict[str, Any]) -> list[str]:
    with pytest.raises(ValidationError) as caught:
        clean_config(kind, config)
    assert all(error.params and error.params["field"] for error in caught.value.error_list)
    return sorted(caught.value.messages)


def test_settings_are_stripped_and_empty_ones_left_out() -> None:
    assert clean_config(OPENAI, {"organization": " org-1 ", "project": " "}) == {"organization": "org-1"}
    assert clean_config(OPENAI, None) == {}
    assert clean_config(OPENAI, {}) == {}


def test_an_unknown_setting_is_refused() -> None:
    assert config_complaint(OPENAI, {"organisation": "org-1", "region": "eu"}) == [
        "organisation: OpenAI has no such setting.",
        "region: OpenAI has no such setting.",
    ]


@pytest.mark.parametrize("wrong", ["org 1", "org\n1", 5, None, ["org-1"], {"a": "b"}, "o" * 501])
def test_a_setting_that_does_not_fit_is_refused_with_its_label(wrong: object) -> None:
    (message,) = config_complaint(OPENAI, {"organization": wrong})
    assert message.startswith("OpenAI organization: ")


def test_a_percent_sign_in_a_setting_is_only_text() -> None:
    assert config_complaint(OPENAI, {"100%s": "x"}) == ["100%s: OpenAI has no such setting."]
    assert clean_config(KINDS["openrouter"], {"title": "100% %(label)s"}) == {"title": "100% %(label)s"}


def test_a_choice_is_one_of_the_choices() -> None:
    assert config_complaint(AZURE, {"surface": "v2"}) == ["API surface: Choose one of: v1, deployments."]
    assert clean_config(AZURE, {"surface": "v1"}) == {"surface": "v1"}


def test_a_setting_that_another_makes_necessary_is_asked_for() -> None:
    assert config_complaint(AZURE, {"surface": "deployments"}) == ["API version: This is required."]
    assert clean_config(AZURE, {"surface": "deployments", "api_version": "2024-10-21"}) == {
        "surface": "deployments",
        "api_version": "2024-10-21",
    }


def test_a_pattern_holds_for_the_whole_text_and_says_how_it_should_look() -> None:
    (message,) = config_complaint(AZURE, {"api_version": "2024-10-21&x=1"})
    assert message.startswith("API version: This doesn't look right.")
    assert "2024-10-21." in message


def test_pairs_are_stripped_and_have_two_sides() -> None:
    assert clean_config(AZURE, {"deployments": {" gpt-4o ": " prod-4o"}}) == {
        "deployments": {"gpt-4o": "prod-4o"}
    }
    assert clean_config(AZURE, {"deployments": {}}) == {}
    for wrong in ({"gpt-4o": ""}, {"": "prod"}, {"gpt-4o": 5}, "gpt-4o = prod", ["gpt-4o"]):
        (message,) = config_complaint(AZURE, {"deployments": wrong})
        assert message.startswith("Deployments: ")


def test_a_required_setting_is_asked_for() -> None:
    kind = ProviderKind(slug="x", label="X", config_fields=(ConfigField("region", "Region", required=True),))
    assert config_complaint(kind, {}) == ["Region: This is required."]


def test_every_provider_accepts_its_defaults() -> None:
    for kind in KINDS.values():
        defaults = {field.name: field.default for field in kind.config_fields if field.default}
        defaults |= {"region": "us-east-1"} if kind.slug == "bedrock" else {}  # there is none by default
        assert clean_config(kind, defaults) == defaults


def test_every_other_setting_that_makes_one_necessary_exists() -> None:
    for kind in KINDS.values():
        names = {field.name for field in kind.config_fields}
        assert {field.required_with[0] for field in kind.config_fields if field.required_with} <= names


def test_an_unknown_provider_is_refused_alone() -> None:
    cleaned, errors = clean_fields({"provider": "skynet", "base_url": "x", "config": {}, "name": ""})
    assert cleaned == {}
    assert list(errors) == ["provider"]


def test_all_that_is_wrong_is_found_at_once() -> None:
    cleaned, errors = clean_fields(
        {
            "provider": "openai",
            "base_url": "http://10.0.0.1",
            "config": {"x": 1},
            "name": "a\nb",
            "model_list": "gpt-4o",
            "notes": "kept\nas they are",
        }
    )
    assert set(errors) == {"base_url", "config", "name", "model_list"}
    assert cleaned == {"provider": "openai", "notes": "kept\nas they are"}


def test_models_are_stripped_and_listed_once() -> None:
    cleaned, errors = clean_fields({"model_list": (" gpt-4o", "", "gpt-4o", "o3"), "default_model": " o3 "})
    assert (cleaned, errors) == ({"model_list": ["gpt-4o", "o3"], "default_model": "o3"}, {})


@pytest.mark.parametrize("wrong", [["a" * 201], ["a\nb"], [5], None, "o3"])
def test_models_that_are_no_names_are_refused(wrong: object) -> None:
    assert list(clean_fields({"model_list": wrong})[1]) == ["model_list"]
