import hashlib
import re
from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError

from axiom.lib import clock
from axiom.lib.redaction import redact
from tenants.tokens import SCOPES, clean_expiry, clean_models, clean_scopes, digest_of, issue


def test_a_token_is_its_prefix_its_id_and_256_random_bits() -> None:
    token = issue()
    assert re.fullmatch(r"axm_[a-z0-9]{12}_[A-Za-z0-9_-]{43}", token.plaintext)
    assert token.plaintext.startswith(f"axm_{token.key_id}_")


def test_the_digest_is_the_sha256_of_the_whole_text() -> None:
    token = issue()
    assert token.digest == hashlib.sha256(token.plaintext.encode()).hexdigest() == digest_of(token.plaintext)


def test_no_two_tokens_are_alike() -> None:
    tokens = [issue() for _ in range(200)]
    assert len({token.plaintext for token in tokens}) == len({token.key_id for token in tokens}) == 200


def test_a_token_in_a_log_line_is_removed() -> None:
    token = issue()
    assert redact(f"called with {token.plaintext} today") == "called with [redacted] today"


def test_scopes_come_in_the_order_of_the_vocabulary() -> None:
    assert SCOPES == (
        "chat.completions", "embeddings", "audio.speech", "audio.transcriptions", "models",
    )  # fmt: skip
    assert clean_scopes(["models", "chat.completions", "models"]) == ["chat.completions", "models"]


@pytest.mark.parametrize("wrong", [[], ["admin"], ["models", "Models"], "models", None, [1]])
def test_scopes_outside_the_vocabulary_are_refused(wrong: object) -> None:
    with pytest.raises(ValidationError):
        clean_scopes(wrong)


def test_models_lose_spaces_and_repetitions_but_not_their_order() -> None:
    assert clean_models((" gpt-4o* ", "sonar", "gpt-4o*")) == ["gpt-4o*", "sonar"]


@pytest.mark.parametrize("wrong", [[], [""], ["  "], ["a" * 201], ["gpt\n4"], "gpt-4o", None, [1]])
def test_models_that_are_no_names_are_refused(wrong: object) -> None:
    with pytest.raises(ValidationError):
        clean_models(wrong)


def test_a_token_may_never_end() -> None:
    assert clean_expiry(None) is None


def test_an_end_in_the_future_is_kept() -> None:
    tomorrow = clock.now() + timedelta(days=1)
    assert clean_expiry(tomorrow) == tomorrow


def test_an_end_in_the_past_without_zone_or_as_text_is_refused() -> None:
    tomorrow = clock.now() + timedelta(days=1)
    for wrong in (clock.now(), tomorrow.replace(tzinfo=None), tomorrow.isoformat(), 5):
        with pytest.raises(ValidationError):
            clean_expiry(wrong)
