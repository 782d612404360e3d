"""How a streamed answer ends, its tool calls, and its usage."""

import json

import pytest

from tests.gateway.providers.events import (
    CALLED,
    DONE,
    INTERRUPTED,
    ROLE,
    STOP,
    call,
    delta,
    event,
    failure,
    translate,
)

# Finish reasons.


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("eos_token", "stop"),
        ("stop_sequence", "stop"),
        ("end_turn", "stop"),
        ("model_length", "length"),
        ("max_tokens", "length"),
        ("safety", "content_filter"),
        ("function_call", "function_call"),
        ("something_new", "stop"),
    ],
)
def test_finish_reasons_are_in_openais_words(theirs: str, ours: str) -> None:
    assert translate(ROLE, event(delta(finish=theirs))).finish_reason == ours


@pytest.mark.parametrize(("theirs", "ours"), [("stop", "tool_calls"), ("length", "length")])
def test_a_stop_after_a_call_is_tool_calls_but_a_length_stays(theirs: str, ours: str) -> None:
    begun = event(delta(tool_calls=[call(0, "c1", "f", "{}") | {"type": "function"}]))
    assert translate(ROLE, begun, event(delta(finish=theirs))).finish_reason == ours


def test_an_empty_finish_reason_after_a_call_is_tool_calls() -> None:
    begun = event(delta(tool_calls=[call(0, "c1", "f", None)]))
    heard = translate(ROLE, begun, event(delta(finish="")), DONE, slug="xai")
    assert heard.finish_reason == "tool_calls"
    assert heard.tool_calls == [["c1", "f", "{}"]]


def test_an_empty_finish_reason_without_done_is_no_end() -> None:
    begun = event(delta(finish="", tool_calls=[call(0, "c1", "f", '{"half')]))
    assert INTERRUPTED in failure(ROLE, begun, slug="xai").message


def test_an_empty_finish_reason_on_every_chunk_means_nothing_yet() -> None:
    heard = translate(
        event(delta(finish="", role="assistant", content="a")), event(delta(finish="", content="b")), STOP
    )
    assert (heard.text, heard.finish_reason) == ("ab", "stop")


def test_a_choice_without_a_delta_gets_an_empty_one() -> None:
    heard = translate(ROLE, event({"index": 0, "finish_reason": None}), STOP)
    assert heard.chunks[1]["choices"][0]["delta"] == {}


# Tool calls.


def test_a_new_id_at_a_used_index_is_a_new_call() -> None:
    calls = [("c1", "f", '{"n":1}'), ("c2", "f", '{"n":2}'), ("c3", "g", "{}")]
    events = [event(delta(tool_calls=[call(0, *each)])) for each in calls]
    assert translate(ROLE, *events, CALLED).tool_calls == [list(each) for each in calls]


def test_indexes_with_gaps_are_renumbered() -> None:
    events = [
        event(delta(tool_calls=[call(3, "a", "f", "")])),
        event(delta(tool_calls=[call(7, "b", "g", "")])),
        event(delta(tool_calls=[call(3, None, None, "{1"), call(7, None, None, "{2")])),
        event(delta(tool_calls=[call(7, None, None, "}"), call(3, None, None, "}")])),
        event(delta(finish="length")),
    ]
    assert translate(ROLE, *events).tool_calls == [["a", "f", "{1}"], ["b", "g", "{2}"]]


def test_repeated_ids_and_names_are_not_sent_again() -> None:
    events = [event(delta(tool_calls=[call(0, "a", "f", part)])) for part in ("{", "}")]
    assert translate(ROLE, *events, CALLED).tool_calls == [["a", "f", "{}"]]


def test_a_name_that_comes_after_the_id_is_kept() -> None:
    events = [
        event(delta(tool_calls=[call(0, "a", None, "")])),
        event(delta(tool_calls=[call(0, None, "f", "{}")])),
    ]
    assert translate(ROLE, *events, CALLED).tool_calls == [["a", "f", "{}"]]
    begun = event(delta(tool_calls=[call(0, "a", "", "") | {"type": "function"}]))
    assert translate(ROLE, begun, events[1], CALLED).tool_calls == [["a", "f", "{}"]]


@pytest.mark.parametrize("identity", [None, "", "null"])
def test_a_missing_id_is_made_up_and_whole_calls_at_one_index_are_kept_apart(identity: str | None) -> None:
    calls = [call(None, identity, "f", "{}"), call(None, identity, "g", "{}")]
    heard = translate(ROLE, event(delta(tool_calls=calls, finish="tool_calls")), slug="mistral")
    assert heard.tool_calls == [["call_req1_0_0", "f", "{}"], ["call_req1_0_1", "g", "{}"]]


def test_arguments_given_as_an_object_become_text() -> None:
    begun = event(delta(tool_calls=[call(0, "a", "f", {"city": "Zürich"})]))
    assert translate(ROLE, begun, CALLED).tool_calls == [["a", "f", '{"city":"Zürich"}']]


@pytest.mark.parametrize("arguments", ["", None])
def test_a_call_without_arguments_ends_with_an_empty_object(arguments: str | None) -> None:
    begun = event(delta(tool_calls=[call(0, "a", "f", arguments) | {"type": "function"}]))
    assert translate(ROLE, begun, CALLED).tool_calls == [["a", "f", "{}"]]


def test_an_empty_list_of_calls_is_no_call() -> None:
    heard = translate(ROLE, event(delta(content="Hi", tool_calls=[])), STOP, slug="nebius")
    assert (heard.finish_reason, heard.tool_calls) == ("stop", [])
    assert "tool_calls" not in heard.chunks[1]["choices"][0]["delta"]


def test_several_choices_in_one_event_are_kept_apart() -> None:
    both = event(delta(content="a"), delta(1, content="b"))
    heard = translate(
        event(delta(role="assistant", content=""), delta(1, role="assistant", content="")),
        both,
        event(delta(finish="stop"), delta(1, "stop")),
    )
    assert (heard.text, heard.text1) == ("a", "b")


def test_the_same_choice_twice_in_one_event_is_read_in_order() -> None:
    twice = event(delta(role="assistant", content="a"), delta(content="b"), delta(finish="stop"))
    assert translate(twice).text == "ab"
    assert translate(ROLE, event(delta(content="a"), delta(content="b")), STOP).text == "ab"


# Usage.

USAGE = {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}


@pytest.mark.parametrize("asked", [False, True])
@pytest.mark.parametrize(
    "end",
    [
        [STOP, event(usage=USAGE)],
        [event(delta(finish="stop"), usage=USAGE)],
        [STOP, event(delta(role="assistant", content=""), usage=USAGE)],
        [event(delta(finish="stop"), x_groq={"usage": USAGE})],
        [event(delta(finish="stop"), x_groq={"usage": USAGE}), event(usage=USAGE)],
        [
            event(delta(content=""), usage={**USAGE, "completion_tokens": 1}),
            event(delta(finish="stop"), usage=USAGE),
        ],
        [STOP, event(usage=USAGE, choices=None)],
    ],
)
def test_usage_comes_once_at_the_end_if_it_was_asked_for(end: list[bytes], asked: bool) -> None:
    heard = translate(ROLE, *end, DONE, include_usage=asked)
    assert heard.usage == ([9, 2] if asked else None)


def test_usage_before_the_finish_waits_for_the_end() -> None:
    heard = translate(ROLE, event(usage=USAGE), event(delta(content="Hi")), STOP, include_usage=True)
    assert (heard.text, heard.usage) == ("Hi", [9, 2])


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
def test_empty_usage_is_cut_out_for_callers_who_did_not_ask(separators: tuple[str, str]) -> None:
    chunk = json.loads(event(delta(content="Hi"), usage=None)[6:])
    raw = f"data: {json.dumps(chunk, separators=separators)}\n\n".encode()
    assert "usage" not in translate(ROLE, raw, STOP).chunks[1]
    assert "usage" in translate(ROLE, raw, STOP, include_usage=True).chunks[1]


def test_without_figures_no_usage_chunk_is_made_up() -> None:
    assert translate(ROLE, STOP, event(usage={}), include_usage=True).usage is None
