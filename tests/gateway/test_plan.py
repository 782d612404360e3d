"""Selection: names, groups, weights, visibility."""

from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credentials.kinds import KINDS
from gateway.errors import ModelNotFound
from gateway.plan import leads_to, make_plan, provider_of
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


def test_a_providers_list_finds_what_neither_credential_nor_catalogue_names() -> None:
    snapshot = organization(target(1, "groq", "x"), target(2, "cerebras", "y"), target(3, "groq", "z"))
    listed = {1: frozenset({"llama-4"}), 2: frozenset({"qwen"}), 3: frozenset({"llama-4", "qwen"})}
    assert sorted(ids(make_plan("llama-4", caller(), snapshot, 0.0, listed))) == [1, 3]
    steps = make_plan("qwen", caller(), snapshot, 0.0, listed)
    assert [(step.target.credential_id, step.model) for step in steps] == [(2, "qwen"), (3, "qwen")]


def test_a_list_comes_after_the_credentials_and_the_catalogue() -> None:
    listed = {1: frozenset({"gpt-4o", "gpt-oss", "openai/gpt-oss"})}
    snapshot = organization(target(1, "groq", "x"), target(2, "openai", "gpt-4o"))
    for model in ("gpt-4o", "gpt-oss", "openai/gpt-oss"):
        assert ids(make_plan(model, caller(), snapshot, 0.0, listed)) == [2]
    alone = organization(target(1, "groq", "x"))
    for model in ("gpt-4o", "gpt-oss", "openai/gpt-oss"):
        (step,) = make_plan(model, caller(), alone, 0.0, listed)
        assert (step.target.credential_id, step.model) == (1, model)


def test_a_providers_own_name_may_begin_with_its_slug() -> None:
    snapshot = organization(target(1, "openrouter", "x"))
    listed = {1: frozenset({"openrouter/auto", "openai/gpt-4o"})}
    for asked, sent in (
        ("openrouter/auto", "openrouter/auto"),
        ("openrouter/openai/gpt-4o", "openai/gpt-4o"),
    ):
        (step,) = make_plan(asked, caller(), snapshot, 0.0, listed)
        assert step.model == sent


def test_the_lists_of_other_organizations_and_of_hidden_credentials_find_nothing() -> None:
    listed = {1: frozenset({"llama-4"}), 9: frozenset({"llama-4"})}
    with pytest.raises(ModelNotFound):
        make_plan("llama-4", caller(), organization(target(2, "groq", "x")), 0.0, listed)
    hidden = organization(target(1, "groq", "x", team_ids=frozenset({7})))
    with pytest.raises(ModelNotFound):
        make_plan("llama-4", caller(), hidden, 0.0, listed)


def test_a_listed_model_outside_the_tokens_list_is_not_found() -> None:
    listed = {1: frozenset({"llama-4"})}
    with pytest.raises(ModelNotFound):
        make_plan("llama-4", caller(models=("x",)), organization(target(1, "groq", "x")), 0.0, listed)


@pytest.mark.parametrize("provider", KINDS)
def test_a_provider_prefix_works_for_every_provider(provider: str) -> None:
    snapshot = organization(target(1, provider, "x"), target(2, "openai", "gpt-4o"))
    (step, *_) = plan(f"{provider}/some/model:free", snapshot)
    assert (step.target.provider, step.model) == (provider, "some/model:free")


_names = st.sampled_from(["gpt-4o", "llama", "openai/gpt-4o", "groq/llama", "groq/gpt-4o", "sonar", "openai"])
_targets = st.lists(
    st.tuples(st.sampled_from(["openai", "groq", "openrouter"]), st.sets(_names, max_size=2)), max_size=3
)


@given(targets=_targets, listed=st.dictionaries(st.integers(0, 2), st.frozensets(_names)), name=_names)
def test_a_bare_name_leads_where_it_is_said_to(
    targets: list[tuple[str, set[str]]], listed: dict[int, frozenset[str]], name: str
) -> None:
    made = [target(id, provider, " ".join(models)) for id, (provider, models) in enumerate(targets)]
    snapshot = organization(*made)
    try:
        planned = make_plan(name, caller(), snapshot, 0.0, listed)
    except ModelNotFound:
        planned = ()
    for each in made:
        if name in listed.get(each.credential_id, ()):
            reached = any(step.target is each and step.model == name for step in planned)
            assert leads_to(name, each, snapshot) == reached
