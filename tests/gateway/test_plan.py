"""Selection: names, groups, weights, visibility."""

from collections import Counter
from random import Random

import pytest

from gateway.errors import ModelNotFound
from gateway.plan import make_plan, provider_of
from gateway.types import Caller, OrganizationSnapshot, Step
from tests.gateway.targets import caller, organization, target


def ids(steps: tuple[Step, ...]) -> list[int]:
    return [step.target.credential_id for step in steps]


def plan(
    model: str, snapshot: OrganizationSnapshot, who: Caller | None = None, draw: float = 0.0
) -> tuple[Step, ...]:
    return make_plan(model, who or caller(), snapshot, draw)


def test_prefers_the_credentials_that_name_the_model() -> None:
    snapshot = organization(target(1, models="gpt-4o-mini"), target(2, models="gpt-4o"))
    assert ids(plan("gpt-4o", snapshot)) == [2]


def test_uses_the_model_list_as_well_as_the_default_model() -> None:
    assert ids(plan("b", organization(target(1, models="a b")))) == [1]


def test_falls_to_the_providers_credentials_when_none_names_the_model() -> None:
    snapshot = organization(target(1, models="gpt-4o-mini"), target(2, "mistral", "mistral-small"))
    steps = plan("gpt-4.1", snapshot)
    assert ids(steps) == [1]
    assert steps[0].model == "gpt-4.1"


def test_a_provider_prefix_names_the_provider_and_is_not_sent_upstream() -> None:
    snapshot = organization(target(1, "groq", "llama-3.3"), target(2, "groq", "qwen3"), target(3, "openai"))
    steps = plan("groq/llama-3.3", snapshot)
    assert [(step.target.credential_id, step.model) for step in steps] == [(1, "llama-3.3")]
    assert ids(plan("groq/unheard-of", snapshot)) == [1, 2]


def test_a_full_name_with_a_slash_wins_over_the_provider_prefix() -> None:
    snapshot = organization(target(1, "openrouter", "openai/gpt-4o"), target(2, "openai", "gpt-4o"))
    steps = plan("openai/gpt-4o", snapshot)
    assert [(step.target.credential_id, step.model) for step in steps] == [(1, "openai/gpt-4o")]


@pytest.mark.parametrize("model", ["nobody-serves-this", "groq/", "mistral-small", "/", "openai"])
def test_an_unknown_model_is_not_found(model: str) -> None:
    with pytest.raises(ModelNotFound) as caught:
        plan(model, organization(target(1, models="x")))
    assert caught.value.status == 404
    assert caught.value.envelope()["code"] == "model_not_found"
    assert caught.value.envelope()["param"] == "model"


def test_a_model_outside_the_tokens_list_is_not_found_either() -> None:
    snapshot = organization(target(1, models="gpt-4o gpt-4.1"))
    who = caller(models=("gpt-4o*",))
    assert ids(plan("gpt-4o", snapshot, who)) == [1]
    assert ids(plan("openai/gpt-4o", snapshot, who)) == [1]
    with pytest.raises(ModelNotFound):
        plan("gpt-4.1", snapshot, who)


def test_weights_share_the_traffic_within_one_percent() -> None:
    snapshot = organization(target(1, weight=0.5), target(2, weight=0.3), target(3, weight=0.2))
    random = Random(20261124)
    firsts: Counter[int] = Counter()
    seconds: Counter[int] = Counter()
    for _ in range(100_000):
        order = ids(make_plan("gpt-4o", caller(), snapshot, random.random()))
        assert sorted(order) == [1, 2, 3]
        firsts[order[0]] += 1
        if order[0] == 1:
            seconds[order[1]] += 1
    shares = [firsts[id] / 100_000 for id in (1, 2, 3)]
    assert shares == pytest.approx([0.5, 0.3, 0.2], abs=0.01)
    assert seconds[2] / firsts[1] == pytest.approx(0.6, abs=0.01)


def test_each_model_has_a_weight_budget_of_its_own() -> None:
    snapshot = organization(
        target(1, models="gpt-4o", weight=1), target(2, models="gpt-4o-mini", weight=100), target(3, weight=1)
    )
    random = Random(1)
    firsts = Counter(ids(make_plan("gpt-4o", caller(), snapshot, random.random()))[0] for _ in range(20_000))
    assert firsts[1] / 20_000 == pytest.approx(0.5, abs=0.015)


def test_weight_zero_is_only_a_fallback() -> None:
    snapshot = organization(target(1, weight=0), target(2, weight=1), target(3, weight=0))
    for draw in (0.0, 0.5, 0.999999999):
        assert ids(plan("gpt-4o", snapshot, draw=draw)) == [2, 1, 3]


def test_other_providers_of_the_same_model_are_the_fallback() -> None:
    snapshot = organization(target(1), target(2, "azure"), target(3))
    assert ids(plan("gpt-4o", snapshot, draw=0.9)) == [3, 1, 2]


def test_a_credential_kept_for_a_team_or_user_is_invisible_to_others() -> None:
    snapshot = organization(
        target(1, team_ids=frozenset({7})), target(2, user_ids=frozenset({70})), target(3)
    )
    assert ids(plan("gpt-4o", snapshot)) == [3]
    assert sorted(ids(plan("gpt-4o", snapshot, caller(team_ids=frozenset({7}))))) == [1, 3]
    assert sorted(ids(plan("gpt-4o", snapshot, caller(user_id=70)))) == [2, 3]


def test_a_model_that_only_others_may_use_is_not_found() -> None:
    with pytest.raises(ModelNotFound):
        plan("gpt-4o", organization(target(1, team_ids=frozenset({7}))))


def test_the_catalogue_knows_whose_a_name_is() -> None:
    assert [provider_of(name) for name in ("gpt-5", "grok-4", "sonar-pro", "mistral-large-latest", "x")] == [
        "openai",
        "xai",
        "perplexity",
        "mistral",
        "",
    ]
