"""Journal lines for tests: a plain request, and whatever a test changes about it."""

from typing import Any

from msgspec.structs import replace

from axiom.lib.ids import new_id
from gateway.journal import Admission, Attempt, AttemptStart, Finished

PRIMARY = AttemptStart("openai", 5, "openai-primary", "gpt-4o")
SPARE = AttemptStart("azure", 6, "azure-spare", "gpt-4o-eu")

_FINISHED = Finished(
    id="",
    organization_id=1,
    team_id=2,
    user_id=3,
    token_id=4,
    token_name="app",
    endpoint="chat.completions",
    streamed=True,
    requested_model="gpt-4o",
    provider="openai",
    credential_id=5,
    credential_name="openai-primary",
    model="gpt-4o-2024-08-06",
    outcome="ok",
    status=200,
    attempts=[Attempt("openai", 5, "openai-primary", "gpt-4o", 200, "", 812.25)],
    input_tokens=100,
    cache_read_tokens=20,
    cache_write_tokens=0,
    output_tokens=50,
    reasoning_tokens=10,
    cost_usd="0.0012345678",
    cost_source="provider",
    started_at=1_763_900_000.125,
    duration_ms=815.5,
    first_token_ms=100.25,
    overhead_ms=0.5,
)


def admission(request_id: str = "", **changes: Any) -> Admission:
    """Return the admission of a request."""
    line = Admission(
        request_id or new_id(),
        1,
        2,
        3,
        4,
        "app",
        "chat.completions",
        True,
        "gpt-4o",
        1_763_900_000.125,
        PRIMARY,
    )
    return replace(line, **changes)


def finished(request_id: str = "", **changes: Any) -> Finished:
    """Return the end of a request that went well."""
    return replace(_FINISHED, id=request_id or new_id(), **changes)
