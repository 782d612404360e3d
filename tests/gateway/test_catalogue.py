"""GET /models: what is configured and what the providers list, for this caller only, whatever is down."""

import time
from typing import Any

import pytest

from gateway.catalogue import Listed, find_model, list_models
from gateway.providers.registry import ADAPTERS
from gateway.types import Caller, ListedModel, OrganizationSnapshot, Target
from tenants.actors import actor_for_user
from tenants.models import Organization, User
from tenants.services import token_create
from tests.fakes.provider import Provider, error, model_list
from tests.gateway.conftest import connect
from tests.gateway.targets import caller, organization, target
from tests.live import Live, wait_until


def of(id: int, provider: str = "openai", models: str = "", **fields: Any) -> Target:
    return target(id, provider, models, adapter=ADAPTERS[provider], **fields)


def ids(snapshot: OrganizationSnapshot, listed: Listed, who: Caller | None = None) -> list[str]:
    return [model.id for model in list_models(who or caller(), snapshot, listed)]


def listing(*names: str) -> tuple[ListedModel, ...]:
    return tuple(map(ListedModel, names))


def test_configured_and_listed_models_are_merged_and_sorted() -> None:
    snapshot = organization(of(1, models="gpt-5 ft:gpt-mine"), of(2, "mistral"))
    listed = {
        1: (ListedModel("gpt-4o", created=7), ListedModel("gpt-5", created=8, display_name="GPT 5")),
        2: (ListedModel("mistral-large", ("chat.completions",)),),
    }
    found = list_models(caller(), snapshot, listed)
    assert [(model.id, model.created, model.display_name, model.owned_by) for model in found] == [
        ("ft:gpt-mine", 0, "ft:gpt-mine", "openai"),
        ("gpt-4o", 7, "gpt-4o", "openai"),
        ("gpt-5", 8, "GPT 5", "openai"),
        ("mistral-large", 0, "mistral-large", "mistral"),
    ]


def test_a_name_that_leads_elsewhere_is_listed_with_its_provider() -> None:
    snapshot = organization(of(1, "groq"), of(2, "openai", "gpt-5"), of(3, "cerebras"))
    listed = {1: listing("openai/gpt-oss", "llama"), 3: listing("gpt-oss", "llama")}
    assert ids(snapshot, listed) == ["cerebras/gpt-oss", "gpt-5", "groq/openai/gpt-oss", "llama"]
    found = find_model("groq/openai/gpt-oss", caller(), snapshot, listed)
    assert found is not None
    assert (found.id, found.model_ref) == ("groq/openai/gpt-oss", "groq/openai/gpt-oss")


def test_what_the_token_may_not_call_is_not_listed() -> None:
    snapshot = organization(of(1), of(2, "groq"))
    listed = {1: listing("gpt-4o", "gpt-5"), 2: listing("llama", "qwen")}
    assert ids(snapshot, listed, caller(models=("gpt-5", "groq/l*"))) == ["gpt-5", "llama"]
    assert find_model("gpt-4o", caller(models=("gpt-5",)), snapshot, listed) is None


def test_the_lists_of_hidden_credentials_and_of_other_organizations_are_not_shown() -> None:
    snapshot = organization(of(1, "groq", team_ids=frozenset({7})), of(2, "cerebras"))
    listed = {1: listing("secret"), 2: listing("open"), 9: listing("foreign")}
    assert ids(snapshot, listed) == ["open"]
    assert ids(snapshot, listed, caller(team_ids=frozenset({7}))) == ["open", "secret"]


def test_models_known_beforehand_stand_in_for_a_list_that_cannot_be_had() -> None:
    snapshot = organization(of(1, "perplexity"))
    assert "sonar-pro" in ids(snapshot, {})
    assert ids(snapshot, {1: listing("sonar-next")}) == ["sonar-next"]


def test_embedding_models_have_their_surface() -> None:
    snapshot = organization(of(1), of(2, "groq"))
    listed = {1: listing("text-embedding-3-small"), 2: listing("embed-model-of-a-provider-without")}
    (model,) = list_models(caller(), snapshot, listed)
    assert (model.id, model.surfaces) == ("text-embedding-3-small", ("embeddings",))


def test_the_providers_models_are_listed_beside_the_configured_ones(live: Live, fake: Provider) -> None:
    fake.model_list = model_list("gpt-5", "text-embedding-3-small")
    body = live.client.get("/models").json()
    assert [(model["id"], model["created"]) for model in body["data"]] == [
        ("gpt-4o", 0),
        ("gpt-5", 1700000000),
        ("text-embedding-3-small", 1700000000),
    ]
    page = live.client.get("/models", params={"surface": "chat.completions", "limit": 1}).json()
    assert [model["id"] for model in page["data"]] == ["gpt-4o"]
    assert "surface=chat.completions" in page["links"]["next"]
    assert live.client.get("/models/gpt-5").json()["created"] == 1700000000
    assert fake.model_lists_given == 1
    assert fake.asked == []


@pytest.mark.parametrize("down", ["error", "stopped", "slow"])
def test_a_provider_that_is_down_leaves_the_configured_models(live: Live, fake: Provider, down: str) -> None:
    fake.model_list = error(500)
    if down == "stopped":
        fake.stop()
    if down == "slow":
        fake.model_list.delay = 10
    started = time.monotonic()
    response = live.client.get("/models")
    assert time.monotonic() - started < 3
    assert response.status_code == 200
    assert [model["id"] for model in response.json()["data"]] == ["gpt-4o"]


def test_a_name_that_only_the_providers_list_has_is_served(
    live: Live, fake: Provider, other_fake: Provider, acme: Organization, alice: User
) -> None:
    other_fake.model_list = model_list("llama-4")
    connect(acme, alice, other_fake, name="second", provider="groq", default_model="x")
    wait_until(lambda: len(live.client.get("/models").json()["data"]) == 3)
    assert live.chat(model="llama-4").status_code == 200
    assert other_fake.asked[0].json["model"] == "llama-4"
    assert fake.asked == []


def test_a_chat_may_be_the_first_to_ask_for_the_list(live: Live, fake: Provider) -> None:
    fake.model_list = model_list("my-finetune")
    response = live.chat(model="my-finetune")
    assert (response.status_code, fake.model_lists_given) == (200, 1)
    assert fake.asked[0].json["model"] == "my-finetune"


def test_a_chat_that_can_be_planned_asks_for_no_list(live: Live, fake: Provider) -> None:
    for model in ("gpt-4o", "gpt-never-heard-of", "openai/anything"):
        assert live.chat(model=model).status_code == 200
    assert fake.model_lists_given == 0


def test_a_name_outside_the_tokens_list_asks_for_no_list(
    live: Live, fake: Provider, acme: Organization, alice: User
) -> None:
    fake.model_list = model_list("my-finetune")
    _, token = token_create(
        actor=actor_for_user(alice), organization=acme, name="few", allowed_models=["gpt-4o"]
    )
    live.client.headers["authorization"] = f"Bearer {token}"
    wait_until(lambda: live.chat().status_code == 200)
    assert live.chat(model="my-finetune").status_code == 404
    assert fake.model_lists_given == 0


def test_unknown_names_ask_for_the_lists_once(live: Live, fake: Provider) -> None:
    fake.model_list = error(500)
    for _ in range(3):
        assert live.chat(model="nobody-has-this").status_code == 404
    assert fake.model_lists_given == 1
