"""ElevenLabs' voice map: a voice becomes part of a path, so it is checked when it is saved."""

import pytest
from django.core.exceptions import ValidationError

from credentials.kinds import KINDS
from credentials.validation import clean_config

ELEVENLABS = KINDS["elevenlabs"]


def test_names_lead_to_voice_ids() -> None:
    voices = {"alloy": "21m00Tcm4TlvDq8ikWAM", "Our narrator": "voiceIdFake12345"}
    assert clean_config(ELEVENLABS, {"voices": voices}) == {"voices": voices}


@pytest.mark.parametrize(
    "voice", ["short", "../../v1/user", "a" * 41, "voiceIdFake12345/x", "voiceIdFake1234\u00e9"]
)
def test_what_is_no_voice_id_is_refused_at_its_field(voice: str) -> None:
    with pytest.raises(ValidationError) as problem:
        clean_config(ELEVENLABS, {"voices": {"alloy": voice}})
    (error,) = problem.value.error_list
    assert error.params is not None
    assert error.params["field"] == "voices"
    assert "voice ID" in error.messages[0]


def test_other_mappings_take_any_name() -> None:
    deployments = {"gpt-4o": "my deployment/1"}
    assert clean_config(KINDS["azure"], {"deployments": deployments}) == {"deployments": deployments}
