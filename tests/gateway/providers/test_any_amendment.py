"""Whatever was sent and is refused: an amended request is one that the provider's own SDK would send."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import Failure, FailureClass, ProviderFailure
from gateway.providers.registry import ADAPTERS
from tests.gateway.providers.any_request import Body, chat_bodies
from tests.gateway.providers.samples import build_chat, chat_request_of
from tests.gateway.providers.test_any_request import models_of, modest
from tests.interop.connections import connection
from tests.interop.judges import problems

REFUSALS = (
    "`temperature` is deprecated for this model.",
    "output_config.effort: Input should be 'low', 'medium' or 'high'",
    "messages.1.content.0: Invalid `signature` in `thinking` block",
    "Organization Policy constraint constraints/vertexai.allowedPartnerModelFeatures violated",
    "Penalty is not enabled for this model",
    "Invalid JSON payload received. Unknown name \"id\" at 'contents[1].parts[0].function_call'",
    "Corrupted thought signature.",
)
UNKNOWN = {"anthropic": ("claude-next",), "vertex": ("claude-next", "claude-sonnet-4-6")}


@pytest.mark.parametrize("slug", sorted(slug for slug, adapter in ADAPTERS.items() if adapter.amend))
def test_any_amended_request_is_what_the_provider_takes_and_its_lesson_gives_the_same(slug: str) -> None:
    adapter = ADAPTERS[slug]
    assert adapter.amend is not None
    assert adapter.apply_lesson is not None
    amend, apply_lesson = adapter.amend, adapter.apply_lesson

    @modest
    @given(body=chat_bodies((*models_of(slug), *UNKNOWN.get(slug, ()))), message=st.sampled_from(REFUSALS))
    def check(body: Body, message: str) -> None:
        request = chat_request_of(body)
        try:
            wire = build_chat(adapter, request, connection(slug), body["model"])
        except ProviderFailure:
            return  # it was never sent
        failure = Failure(FailureClass.INVALID_REQUEST, message, upstream_status=400)
        amendment = amend(request, wire, failure)
        if amendment is None:
            return
        assert amendment.wire.body != wire.body
        assert problems(slug, amendment.wire) == []
        assert {*amendment.wire.dropped, *amendment.wire.adjusted} <= body.keys()
        assert amend(request, amendment.wire, failure) is None
        if amendment.lesson:
            assert apply_lesson(request, wire, amendment.lesson) == amendment.wire

    check()
